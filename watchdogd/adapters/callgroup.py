"""A cgroup for one command: limits that hold for its whole tree, also for root's processes."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

from watchdogd.adapters.cgroup_files import hand_on
from watchdogd.core.errors import SandboxError


class CallGroup:
    """One directory below each of ``parents``, with limits on processes and memory.

    A parent is a delegated cgroup v2 directory without processes of its own, or one of a v1 hierarchy (``pids``,
    ``memory``). Per-user limits do not bind root and memory limits per process do not add up; these do both.
    """

    def __init__(self, parents: Sequence[Path], name: str) -> None:
        self._paths = tuple(parent / name for parent in parents)

    def make(self, *, processes: int, memory_bytes: int) -> tuple[str, ...]:
        """Makes the directories, writes the limits, and returns the ``cgroup.procs`` files to join.

        Raises:
            SandboxError: a directory or a limit was refused; what was made is removed again.
        """
        try:
            for path in self._paths:
                hand_on(path.parent)
                path.mkdir()
                _limit(path / "pids.max", processes)
                _limit(path / "memory.max", memory_bytes)
                _limit(path / "memory.limit_in_bytes", memory_bytes)
                _limit(path / "memory.swap.max", 0)
                _limit(path / "memory.oom.group", 1)
        except OSError as why:
            self.remove()
            raise SandboxError(f"no cgroup for the command: {why}") from why
        return tuple(str(path / "cgroup.procs") for path in self._paths)

    def kill(self) -> None:
        """Kills whoever is in it, where the kernel can (v2, Linux 5.14 or later)."""
        for path in self._paths:
            with contextlib.suppress(OSError):
                (path / "cgroup.kill").write_text("1")

    def remove(self) -> bool:
        """Removes the directories; False while the kernel still counts somebody in."""
        for path in self._paths:
            with contextlib.suppress(OSError):
                path.rmdir()
        return not any(path.exists() for path in self._paths)


def _limit(file: Path, value: int) -> None:
    if file.exists():
        file.write_text(str(value))
