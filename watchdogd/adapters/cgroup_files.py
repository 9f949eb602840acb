"""Reading the files of a cgroup (v2), and handing its controllers on."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

CONTROLLERS = ("pids", "memory")
"""What limits the commands of a worker; the freezer needs no controller."""


def lines(path: str | Path) -> list[str]:
    """The lines of a small file."""
    return read(path).splitlines()


def read(path: str | Path) -> str:
    """The text of a small file."""
    # Without the layers of open(): this is most of what a freeze costs beyond the kernel's own work.
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        parts = []
        while part := os.read(fd, 65_536):
            parts.append(part)
        return b"".join(parts).decode("ascii")
    finally:
        os.close(fd)


def pids(directory: Path) -> list[int]:
    """The processes in ``directory`` itself; a zombie is none."""
    with suppress(OSError):
        return [int(line) for line in lines(directory / "cgroup.procs")]
    return []


def parsed(text: str) -> dict[str, str]:
    """Flat keyed lines (cgroups(7)) as a dictionary."""
    return dict(line.split(" ", 1) for line in text.splitlines())


def events(directory: Path) -> dict[str, str]:
    """What the kernel says of ``directory`` and all below it; nothing where it cannot be asked."""
    try:
        return parsed(read(f"{directory}/cgroup.events"))
    except (OSError, ValueError):
        return {}


def hand_on(directory: Path) -> None:
    """Hands the controllers for limits on to the children of ``directory``, as far as it has them and may."""
    for controller in CONTROLLERS:
        with suppress(OSError):
            control = directory / "cgroup.subtree_control"
            if control.exists():
                control.write_text(f"+{controller}")
