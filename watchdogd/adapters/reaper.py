"""Reaping what nobody waits for: the supervisor adopts orphans, and a dead one stays a zombie until then."""

from __future__ import annotations

import os
from contextlib import suppress

import psutil

PATIENCE = 2
"""Looks at which a child must have been dead: whoever waits for it as his own has done so by then."""


class Reaper:
    """Waits for dead children that nobody else waits for."""

    def __init__(self) -> None:
        self._dead: dict[int, int] = {}

    def look(self) -> int:
        """Reaps those that were dead at ``PATIENCE`` looks in a row; how many. To be called every few seconds."""
        dead = set()
        with suppress(psutil.Error):
            for child in psutil.Process().children():
                with suppress(psutil.Error):
                    if child.status() == psutil.STATUS_ZOMBIE:
                        dead.add(child.pid)
        self._dead = {pid: self._dead.get(pid, 0) + 1 for pid in dead}
        reaped = 0
        for pid, times in self._dead.items():
            if times > PATIENCE:
                with suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)
                    reaped += 1
        return reaped
