"""Where in the cgroup hierarchy trees of our own may be made, and how this process gets out of their way."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from watchdogd.adapters.cgroup_files import CONTROLLERS, hand_on, lines
from watchdogd.core.errors import SandboxError

SUPERVISOR = "supervisor"
SYSTEMD = Path("/run/systemd/system")
"""Exists where systemd is the system's manager, sd_booted(3)."""
_USERS_MANAGER = "/user@"
"""In the path of every cgroup that a user's own service manager looks after."""
_REMOVE_TRIES = 50
_REMOVE_WAIT_S = 0.02


def home(name: str) -> Path:
    """A directory ``name`` of ours in the cgroup v2 hierarchy, in which trees can be made.

    In a unit with ``Delegate=yes`` it lies in the unit's own cgroup; this process then moves into a sibling of it,
    because a cgroup with processes cannot hand controllers on. As root where no systemd manages the hierarchy
    (containers) it lies below our cgroup.

    Raises:
        SandboxError: there is none, and why, in one sentence.
    """
    own = own_cgroup()
    if own.name == SUPERVISOR and os.access(own.parent, os.W_OK):  # we, or who started us, moved here before
        own = own.parent
    if not os.access(own, os.W_OK) or not os.access(own / "cgroup.procs", os.W_OK):
        raise SandboxError(f"cgroup {own} may not be written to (Delegate=yes is missing?)")
    if SYSTEMD.exists() and (os.geteuid() == 0 or _USERS_MANAGER in str(own)) and not _delegated(own):
        raise SandboxError(f"cgroup {own} belongs to systemd and was not delegated")
    try:
        if (own / "cgroup.freeze").exists():  # it does not at the root of the hierarchy, which holds everybody
            (own / SUPERVISOR).mkdir(exist_ok=True)
            (own / SUPERVISOR / "cgroup.procs").write_text("0")
        found = own / name
        found.mkdir(exist_ok=True)
    except OSError as error:
        raise SandboxError(f"cgroup {own} cannot be used: {error.strerror}") from error
    if not (found / "cgroup.freeze").exists():
        raise SandboxError(f"cgroup {found} cannot be frozen (Linux 5.2 or later is needed)")
    hand_on(own)
    hand_on(found)
    return found


def leave(found: Path) -> None:
    """Removes what ``home`` made, as far as nobody else uses it."""
    with suppress(OSError):
        found.rmdir()
    aside = found.parent / SUPERVISOR
    if aside.exists():
        with suppress(OSError):  # refused where controllers were handed on: the service manager clears up there
            (found.parent / "cgroup.procs").write_text("0")
            aside.rmdir()


def remove(directory: Path) -> None:
    """Removes an empty cgroup and those below it.

    Raises:
        SandboxError: something is still in it.
    """
    idle, error = threading.Event(), None
    for _ in range(_REMOVE_TRIES):
        try:
            for path in sorted(directory.rglob("*/"), reverse=True):
                path.rmdir()
            directory.rmdir()
        except FileNotFoundError:
            return
        except OSError as refused:  # the last process is dead and the kernel still counts it
            error = refused
            idle.wait(_REMOVE_WAIT_S)
        else:
            return
    raise SandboxError(f"cgroup {directory} cannot be removed: {error}")


def removed(directories: Sequence[Path]) -> None:
    """Removes those of ``directories`` that are empty."""
    for directory in directories:
        with suppress(OSError):
            directory.rmdir()


@dataclass(frozen=True, slots=True)
class _Mount:
    top: str
    """What of the hierarchy is visible there."""
    point: Path
    kind: str
    options: frozenset[str]


def own_cgroup() -> Path:
    """Our directory in the cgroup v2 hierarchy.

    Raises:
        SandboxError: there is none, or it cannot be seen.
    """
    mounted = next((one for one in _mounts() if one.kind == "cgroup2"), None)
    if mounted is None:
        raise SandboxError("no cgroup v2 hierarchy is mounted")
    return _ours(mounted, "")


def limiting_v1(name: str) -> tuple[Path, ...]:
    """Directories ``name`` in the v1 hierarchies of the controllers that v2 does not have here, as far as permitted.

    They only limit. Left alone where systemd manages them: it offers no delegation there that is safe.
    """
    found = []
    if SYSTEMD.exists():
        return ()
    for mounted in _mounts():
        if mounted.kind == "cgroup" and (wanted := mounted.options.intersection(CONTROLLERS)):
            with suppress(OSError, SandboxError):
                directory = _ours(mounted, next(iter(wanted))) / name
                directory.mkdir(exist_ok=True)
                for left in directory.iterdir():
                    if left.is_dir():
                        with suppress(OSError):
                            left.rmdir()
                found.append(directory)
    return tuple(found)


def _mounts() -> list[_Mount]:
    found = []
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape").splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        found.append(_Mount(before.split()[3], Path(before.split()[4]), kind, frozenset(options.split(","))))
    return found


def _ours(mounted: _Mount, controller: str) -> Path:
    """Our directory in the hierarchy of ``controller``, empty for v2."""
    for line in lines("/proc/self/cgroup"):
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            inside = os.path.relpath(path.strip(), mounted.top)
            if inside.startswith(".."):
                raise SandboxError(f"our cgroup {path} is not visible below {mounted.point}")
            return mounted.point / inside if inside != "." else mounted.point
    raise SandboxError(f"this process is in no cgroup{' v2' if not controller else ''}")


def _delegated(own: Path) -> bool:
    for name in ("trusted.delegate", "user.delegate"):
        with suppress(OSError):
            if os.getxattr(own, name) == b"1":
                return True
    return False
