"""The view of the world a command gets: bubblewrap's arguments for a profile, and why some cannot be given."""

from __future__ import annotations

import glob
import itertools
import os
import stat
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

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

_MOST_PROTECTED = 500
"""Mounts a profile may ask for; each costs the kernel some 20 µs."""


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
    workspace = checked_workspace(profile.workspace, hidden)
    protected, missing = resolved_protected(workspace, profile.protected)
    uid, gid = os.getuid() or 1000, os.getgid() or 1000
    args = [*_namespaces(profile, options, uid, gid), *_system(options, profile)]
    if interpreter.prefix:
        args += ["--ro-bind", interpreter.prefix, interpreter.prefix]
    args += ["--bind" if profile.writable else "--ro-bind", workspace, workspace]
    if profile.writable:
        args += _walls(workspace, protected)
    # Last, because everything above needs mount points. /proc above all: without capabilities but with root's uid a
    # command could still write /proc/sys/kernel/core_pattern, which runs a program as root outside.
    for path in ("/proc", "/dev", "/"):
        args += ["--remount-ro", path]
    args += ["--chdir", workspace]
    for name, value in environment(profile, interpreter, home="/tmp").items():  # noqa: S108 - a private one
        args += ["--setenv", name, value]
    return View(args=tuple(args), files=tuple(_files(profile, uid, gid).items()), missing=missing)


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


def resolved_protected(workspace: str, protected: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The protected paths (patterns expanded) that exist, relative to ``workspace``, and those that do not.

    Raises:
        SandboxError: one leads out of the workspace or through a symbolic link, or there are too many.
    """
    existing: dict[str, None] = {}
    missing = []
    for pattern in protected:
        parts = [part for part in pattern.split("/") if part not in ("", ".")]
        if not parts or ".." in parts or pattern.startswith("/"):
            raise SandboxError(f"protected path {pattern!r} must lie below the workspace")
        found = [path for path in _matches(workspace, "/".join(parts)) if _exists_linkless(workspace, path)]
        existing.update(dict.fromkeys(found))
        if not found:
            missing.append("/".join(parts))
    if len(existing) > _MOST_PROTECTED:
        raise SandboxError(
            f"{len(existing)} protected paths are over the limit of {_MOST_PROTECTED}: protect a directory"
        )
    return tuple(sorted(existing)), tuple(missing)


def _matches(workspace: str, pattern: str) -> Iterator[str]:
    yield pattern
    if glob.has_magic(pattern):
        found = glob.iglob(pattern, root_dir=workspace, recursive=True, include_hidden=True)  # noqa: PTH207 - Path.glob raises on odd patterns
        for path in itertools.islice(found, _MOST_PROTECTED + 1):
            yield path.rstrip("/")


def _exists_linkless(workspace: str, path: str) -> bool:
    """Whether ``path`` exists; mounting follows links, so a link on the way cannot be protected at all.

    Raises:
        SandboxError: it leads through a symbolic link.
    """
    at = Path(workspace)
    for part in path.split("/"):
        at /= part
        try:
            mode = at.lstat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as why:
            raise SandboxError(f"protected path {path!r} cannot be looked at: {why.strerror}") from why
        if stat.S_ISLNK(mode):
            raise SandboxError(f"protected path {path!r} leads through a symbolic link; protect what it points to")
    return True


def _walls(workspace: str, protected: Sequence[str]) -> list[str]:
    """Mounts that keep ``protected`` as it is.

    The directories above a protected path become mount points themselves: they cannot be renamed then, and so the
    protected path cannot be moved aside together with its parent and replaced.
    """
    args: list[str] = []
    above = {str(parent) for path in protected for parent in Path(path).parents} - {"."}
    for parent in sorted(above - set(protected)):
        args += ["--bind", f"{workspace}/{parent}", f"{workspace}/{parent}"]
    for path in sorted(protected):
        args += ["--ro-bind", f"{workspace}/{path}", f"{workspace}/{path}"]
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
