"""The view of the world a command gets: bubblewrap's arguments for a profile, and why some cannot be given."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from watchdogd.adapters.protection import Protection
from watchdogd.core.errors import SandboxError
from watchdogd.ports import SandboxProfile

PATH = "/usr/local/bin:/usr/bin:/bin"

_SYSTEM = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")

_ETC = (
    "alternatives",
    "ca-certificates.conf",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "mime.types",
    "pki/ca-trust",
    "pki/tls",
    "protocols",
    "services",
    "ssl/certs",
    "ssl/openssl.cnf",
)
"""What programs need below /etc and holds no secret; users, hosts and resolver are made up or passed on instead."""

_NO_WORKSPACE = frozenset(
    {"/", *_SYSTEM, "/boot", "/dev", "/etc", "/home", "/proc", "/root", "/run", "/sys", "/tmp", "/usr", "/var"}  # noqa: S108
)
"""Handing one of these to a command, writable, would be no sandbox."""

_NOT_BELOW = ("/boot", "/dev", "/etc", "/proc", "/sys")


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Arguments for ``bwrap --args`` and the small files (path inside, content) to hand over by descriptor."""

    args: tuple[str, ...]
    files: tuple[tuple[str, str], ...]
    missing: tuple[str, ...]
    """Protected paths that do not exist: there is nothing to mount, so they are looked at again afterwards."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """A Python for commands where the system has none: a prefix to show and a directory for PATH."""

    prefix: str = ""
    bin: str = ""

    @staticmethod
    def found() -> Interpreter:
        """Nothing where /usr/bin/python3 exists, else the Python below this process's virtual environment."""
        if Path("/usr/bin/python3").exists() or sys.base_prefix in ("/usr", "/usr/local"):
            return Interpreter()
        return Interpreter(prefix=sys.base_prefix, bin=f"{sys.base_prefix}/bin")

    def path(self) -> str:
        """The value of PATH."""
        return f"{self.bin}:{PATH}" if self.bin else PATH


def view(
    profile: SandboxProfile, *, options: frozenset[str], interpreter: Interpreter, hidden: Sequence[str] = ()
) -> View:
    """What ``profile`` lets a command see, for a bwrap that knows ``options``.

    Raises:
        SandboxError: the workspace or a protected path cannot be contained.
    """
    workspace, shown = _places(profile, hidden)
    # What is protected is named as the command sees it; a copy holds it at the same place below itself.
    protected, missing = Protection(workspace, Protection(shown, profile.protected).patterns).existing()
    uid, gid = os.getuid() or 1000, os.getgid() or 1000
    args = [*_namespaces(profile, options, uid, gid), *_system(options, profile)]
    if interpreter.prefix:
        args += ["--ro-bind", interpreter.prefix, interpreter.prefix]
    args += ["--bind" if profile.writable else "--ro-bind", workspace, shown]
    if profile.writable:
        args += _walls(workspace, shown, protected)
    # Last, because everything above needs mount points. /proc above all: without capabilities but with root's uid a
    # command could still write /proc/sys/kernel/core_pattern, which runs a program as root outside.
    for path in ("/proc", "/dev", "/"):
        args += ["--remount-ro", path]
    args += ["--chdir", shown]
    for name, value in environment(profile, interpreter, home="/tmp").items():  # noqa: S108 - a private one
        args += ["--setenv", name, value]
    return View(args=tuple(args), files=tuple(_files(profile, uid, gid).items()), missing=missing)


def _places(profile: SandboxProfile, hidden: Sequence[str]) -> tuple[str, str]:
    """What is mounted, and where.

    Raises:
        SandboxError: it cannot be a workspace; or it is to stand in for one and is that very one, or has network.
    """
    workspace = checked_workspace(profile.workspace, hidden)
    if not profile.shown_as:
        return workspace, workspace
    shown = checked_workspace(profile.shown_as, hidden)
    if _is_below(workspace, (shown,)) or _is_below(shown, (workspace,)) or Path(workspace).samefile(shown):
        raise SandboxError(f"{workspace!r} is no copy of the workspace {shown!r}: they share their place")
    if profile.network:
        raise SandboxError("a command in a copy of the workspace gets no network")
    return workspace, shown


def environment(profile: SandboxProfile, interpreter: Interpreter, *, home: str) -> dict[str, str]:
    """All a command finds in its environment."""
    own = {"PATH": interpreter.path(), "HOME": home, "LANG": "C.UTF-8", "TERM": "dumb", "USER": "worker"}
    return own | dict(profile.env or {})


def checked_workspace(path: str, hidden: Sequence[str]) -> str:
    """The workspace by its real path.

    Raises:
        SandboxError: it is no directory, or making it writable would open more than a workspace.
    """
    workspace = os.path.realpath(path)
    if not path.startswith("/") or not Path(workspace).is_dir():
        raise SandboxError(f"the workspace {path!r} is no directory with an absolute path")
    home = os.path.realpath(Path("~").expanduser())
    if workspace in _NO_WORKSPACE or workspace == home or _is_below(workspace, _NOT_BELOW):
        raise SandboxError(
            f"{workspace!r} cannot be a workspace: it is or holds part of the system or a home directory"
        )
    for secret in hidden:
        if _is_below(os.path.realpath(secret), (workspace,)):
            raise SandboxError(f"the workspace {workspace!r} holds {secret!r}, which commands must not see")
    return workspace


def _walls(workspace: str, shown: str, protected: Sequence[str]) -> list[str]:
    """Mounts that keep ``protected`` as it is.

    The directories above a protected path become mount points themselves: they cannot be renamed then, and so the
    protected path cannot be moved aside together with its parent and replaced.
    """
    args: list[str] = []
    above = {str(parent) for path in protected for parent in Path(path).parents} - {"."}
    for parent in sorted(above - set(protected)):
        args += ["--bind", f"{workspace}/{parent}", f"{shown}/{parent}"]
    for path in sorted(protected):
        args += ["--ro-bind", f"{workspace}/{path}", f"{shown}/{path}"]
    return args


def _namespaces(profile: SandboxProfile, options: frozenset[str], uid: int, gid: int) -> list[str]:
    args = ["--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
    args += [] if profile.network else ["--unshare-net"]
    args += ["--disable-userns"] if "--disable-userns" in options else []
    args += ["--uid", str(uid), "--gid", str(gid), "--hostname", "sandbox"]
    return [*args, "--die-with-parent", "--new-session", "--cap-drop", "ALL"]


def _system(options: frozenset[str], profile: SandboxProfile) -> list[str]:
    args = ["--ro-bind", "/usr", "/usr"]
    for path in _SYSTEM:
        if Path(path).is_symlink():
            args += ["--symlink", str(Path(path).readlink()), path]
        elif Path(path).is_dir():
            args += ["--ro-bind", path, path]
    for name in _ETC:
        args += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]

    def scratch(path: str, size: int) -> list[str]:
        sized = ["--size", str(size)] if "--size" in options else []
        return [*sized, "--tmpfs", path]

    args += ["--proc", "/proc", "--dev", "/dev", *scratch("/dev/shm", profile.memory_bytes // 4)]  # noqa: S108
    return [*args, *scratch("/tmp", profile.memory_bytes // 2), "--symlink", "../tmp", "/var/tmp"]  # noqa: S108


def _files(profile: SandboxProfile, uid: int, gid: int) -> Mapping[str, str]:
    """Small files made for this command."""
    files = {
        "/etc/passwd": (
            "root:x:0:0:root:/:/usr/sbin/nologin\n"
            f"worker:x:{uid}:{gid}:worker:/tmp:/bin/bash\n"
            "nobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n"
        ),
        "/etc/group": f"root:x:0:\nworker:x:{gid}:\nnogroup:x:65534:\n",
        "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n",
        "/etc/hosts": "127.0.0.1 localhost sandbox\n::1 localhost\n",
    }
    if profile.network:
        for path in ("/etc/hosts", "/etc/resolv.conf"):
            try:
                files[path] = Path(path).read_text(encoding="utf-8", errors="replace")
            except OSError:
                continue
    return files


def _is_below(path: str, roots: Sequence[str]) -> bool:
    """Whether ``path`` is one of ``roots`` or lies below one."""
    return any(path == root or path.startswith(root.rstrip("/") + "/") for root in roots)
