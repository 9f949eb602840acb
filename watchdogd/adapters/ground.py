"""What the worker's process tree is held by: a cgroup where one can be had, the process table where not."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from watchdogd.adapters import cgroup_home
from watchdogd.adapters.cgroup import CgroupTree
from watchdogd.adapters.proctree import ProcessTree
from watchdogd.core.errors import SandboxError
from watchdogd.core.proof import Proof, TreeState

_WORKER = "worker"


def name_of(state_dir: Path) -> str:
    """The name of a daemon's trees: one and the same for all daemons that ever work in ``state_dir``."""
    found = state_dir.stat()
    return "watchdogd-" + hashlib.sha256(f"{found.st_dev}:{found.st_ino}".encode()).hexdigest()[:16]


class Ground:
    """Makes the worker's trees, one after the other, and ends what a predecessor left there.

    ``name`` marks them: it is their cgroup and, in ``MARKER``, in the environment of their processes. ``now`` is a
    monotonic clock in seconds.
    """

    def __init__(
        self,
        name: str,
        *,
        now: Callable[[], float],
        home: Callable[[str], Path] = cgroup_home.home,
        timeout_s: float = 5.0,
    ) -> None:
        self.name, self._now, self._timeout_s = name, now, timeout_s
        # The first process of a container is handed everybody's orphans, also those that were never the worker's.
        self._adopting = os.getpid() != 1
        self._home: Path | None = None
        self.why_none = ""
        """Why there is no cgroup; empty when there is one."""
        try:
            self._home = home(name)
        except SandboxError as why:
            self.why_none = str(why)
        self._made = self._home
        self._limiting = cgroup_home.limiting_v1(name)

    def left(self) -> Proof | None:
        """Ends what a predecessor left in the cgroup; what was seen, None when there was none."""
        if self._home is None or not (self._home / _WORKER).exists():
            return None
        tree = self._cgroup(self._home)
        before, proof = tree.look(), tree.kill()
        if proof.state is TreeState.EXITED:
            tree.remove()
        return None if before.state is TreeState.EXITED else proof

    def tree(self) -> CgroupTree | ProcessTree:
        """A new tree, empty.

        Raises:
            OSError: what is in the old one does not die; nothing may be started beside it.
        """
        if self._home is not None:
            tree = self._cgroup(self._home)
            try:
                tree.make()
            except SandboxError as why:
                if tree.look().pids:
                    raise OSError(str(why)) from why
                self.lose(str(why))
            else:
                return tree
        return ProcessTree(
            now=self._now, token=self.name, adopting=self._adopting, timeout_s=self._timeout_s, why=self.why_none
        )

    def lose(self, why: str) -> None:
        """The cgroup cannot be used after all: from now on without."""
        self._home, self.why_none = None, why

    def tools(self, tree: CgroupTree | ProcessTree) -> list[str]:
        """Directories below which each command gets a cgroup of its own."""
        freezing = [tree.tools] if isinstance(tree, CgroupTree) else []
        return [str(path) for path in (*freezing, *self._limiting)]

    def close(self) -> None:
        """Removes the cgroups, as far as they are empty."""
        if self._made is not None:
            with suppress(SandboxError):  # somebody is left in there: the next start ends him
                self._cgroup(self._made).remove()
            cgroup_home.leave(self._made)
        cgroup_home.removed(self._limiting)

    def _cgroup(self, home: Path) -> CgroupTree:
        return CgroupTree(
            home / _WORKER, now=self._now, timeout_s=self._timeout_s, token=self.name, adopting=self._adopting
        )
