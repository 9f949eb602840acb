"""Freezing, killing and looking at a tree of processes by its cgroup (v2): the kernel does it, and the kernel says so.

A tree is a directory with two children: ``agent`` for the processes that were added, ``tools`` for what they run, so
that the agent can be thawed while its tools stay frozen. ``cgroup.events`` is the proof: ``frozen 1`` means that every
process below stands still, ``populated 0`` that none is left. A process may leave its cgroup only when it can write to
another one of ours; what left is looked for among the children of what stayed, and named.
"""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from watchdogd.adapters import cgroup_files as files
from watchdogd.adapters import cgroup_home
from watchdogd.adapters.proctable import adopted, children_of, look_at, thread_states
from watchdogd.adapters.proctree import ProcessTree
from watchdogd.core.errors import SandboxError
from watchdogd.core.proof import Proof, TreeState

AGENT, TOOLS, STRAYS = "agent", "tools", "strays"


class CgroupTree:
    """A tree of processes in ``directory`` (made here, below ``home``). ``now`` is a monotonic clock in seconds.

    ``token`` and ``adopting`` help to find what left the cgroup, as in ``ProcessTree``.
    """

    def __init__(
        self,
        directory: Path,
        *,
        now: Callable[[], float],
        timeout_s: float = 5.0,
        token: str = "",
        adopting: bool = False,
    ) -> None:
        self._directory, self._now, self._timeout_s, self._adopting = directory, now, timeout_s, adopting
        self._strays = ProcessTree(now=now, timeout_s=timeout_s, token=token, adopting=adopting)

    def make(self) -> None:
        """Creates the cgroup; one that a predecessor left is emptied first.

        Raises:
            SandboxError: it cannot be made, or what is in it cannot be killed.
        """
        try:
            if self._directory.exists():
                self.kill()
                self.remove()
            for path in (self._directory, self._directory / AGENT, self.tools, self.tools / STRAYS):
                path.mkdir()
                if path in (self._directory, self.tools):
                    files.hand_on(path)
        except OSError as error:
            raise SandboxError(f"cgroup {self._directory} cannot be made: {error.strerror}") from error

    @property
    def tools(self) -> Path:
        """Where what the agent runs belongs: a parent for the cgroups of single calls."""
        return self._directory / TOOLS

    def joining(self, command: Sequence[str]) -> list[str]:
        """``command`` as one that is in the tree before it begins: no fork can come before ``add``."""
        procs = self._directory / AGENT / "cgroup.procs"
        return ["/bin/sh", "-c", 'echo $$ > "$0" && exec "$@"', str(procs), *command]

    def add(self, pid: int) -> None:
        """Moves ``pid`` into the tree; what it starts from now on is born there.

        Raises:
            ProcessLookupError: there is no such process.
            SandboxError: the kernel refused.
        """
        try:
            if pid not in files.pids(self._directory / AGENT):
                (self._directory / AGENT / "cgroup.procs").write_text(str(pid))
            self._strays.add(pid)
        except ProcessLookupError:
            raise
        except OSError as error:
            raise SandboxError(f"process {pid} cannot be moved to {self._directory}: {error.strerror}") from error

    def look(self) -> Proof:
        """What the tree does now, without touching it."""
        began = self._now()
        events = files.events(self._directory)
        if events.get("populated") == "0":
            return self._proof(TreeState.EXITED, began, "populated 0")
        if events.get("frozen") == "1":
            return self._proof(TreeState.FROZEN, began, "frozen 1")
        return self._proof(TreeState.RUNNING if events else TreeState.UNPROVEN, began, "frozen 0")

    def freeze(self) -> Proof:
        """Freezes everything in the tree and waits for the kernel's word; what had left is brought back first."""
        began = self._now()
        if not self._write("cgroup.freeze", "1"):
            return self._proof(TreeState.UNPROVEN, began, "cgroup.freeze was refused")
        while True:
            events = self._wait(self._directory, {"frozen": "1", "populated": "0"}, began)
            if events.get("populated") == "0":
                return self._proof(TreeState.EXITED, began, "populated 0")
            if events.get("frozen") != "1":
                return self._proof(TreeState.UNPROVEN, began, f"not frozen within {self._timeout_s:g} s")
            # Nobody in there can leave any more; whoever left before is frozen where it is put.
            pids = self._everybody()
            strays = self._left(pids)
            if not self._brought_back(strays) or self._now() >= began + self._timeout_s:
                return self._proof(TreeState.FROZEN, began, "frozen 1", found=(pids, strays))

    def thaw(self) -> Proof:
        """Lets everything in the tree go on."""
        began = self._now()
        self._write(f"{TOOLS}/cgroup.freeze", "0")
        return self._thawed(self._directory, began)

    def thaw_worker(self) -> Proof:
        """Lets only what was added go on; its tools stay frozen."""
        began = self._now()
        if not self._write(f"{TOOLS}/cgroup.freeze", "1"):
            return self._proof(TreeState.UNPROVEN, began, "cgroup.freeze of the tools was refused")
        return self._thawed(self._directory / AGENT, began)

    def kill(self) -> Proof:
        """Kills everything in the tree, also what is frozen, and waits until nothing is left."""
        began = self._now()
        self._strays.look()  # remembers who belongs here, before parents die and their children become others'
        if not self._write("cgroup.kill", "1"):
            self._kill_singly()
        events = self._wait(self._directory, {"populated": "0"}, began)
        if events.get("populated") != "0":
            return self._proof(TreeState.UNPROVEN, began, f"not empty within {self._timeout_s:g} s")
        left = self._strays.kill()
        if left.state is not TreeState.EXITED:
            return self._proof(TreeState.UNPROVEN, began, "populated 0", *left.checked)
        return self._proof(TreeState.EXITED, began, "populated 0")

    def remove(self) -> None:
        """Removes the empty cgroup.

        Raises:
            SandboxError: something is still in it.
        """
        cgroup_home.remove(self._directory)

    # --- inside -------------------------------------------------------------------------------------------------------

    def _thawed(self, which: Path, began: float) -> Proof:
        if not self._write("cgroup.freeze", "0"):
            return self._proof(TreeState.UNPROVEN, began, "cgroup.freeze was refused")
        events = self._wait(which, {"frozen": "0"}, began)
        if files.events(self._directory).get("populated") == "0":
            return self._proof(TreeState.EXITED, began, "populated 0")
        thawed = events.get("frozen") == "0"
        state = TreeState.RUNNING if thawed else TreeState.UNPROVEN
        return self._proof(state, began, f"frozen {events.get('frozen', 'unknown')} in {which.name}")

    def _write(self, file: str, text: str) -> bool:
        # As in files.read: without the layers of open(), for every millisecond here is one in which the tree acts.
        try:
            fd = os.open(f"{self._directory}/{file}", os.O_WRONLY | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            os.write(fd, text.encode("ascii"))
        except OSError:
            return False
        finally:
            os.close(fd)
        return True

    def _wait(self, directory: Path, wanted: dict[str, str], began: float) -> dict[str, str]:
        """The events once one of them is as wanted, or as they are when the time is up."""
        try:
            fd = os.open(directory / "cgroup.events", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return {}
        try:
            waiting = select.poll()
            waiting.register(fd, select.POLLPRI)
            while True:
                found = files.parsed(os.pread(fd, 4096, 0).decode("ascii"))
                left_s = began + self._timeout_s - self._now()
                if left_s <= 0 or any(found.get(name) == value for name, value in wanted.items()):
                    return found
                waiting.poll(left_s * 1000)
        except OSError:
            return {}
        finally:
            os.close(fd)

    def _brought_back(self, strays: set[int]) -> bool:
        """Whether something had left and is in the tree again."""
        found = False
        for pid in strays:
            found |= self._write(f"{TOOLS}/{STRAYS}/cgroup.procs", str(pid))
        return found

    def _kill_singly(self) -> None:
        """Without ``cgroup.kill`` (before Linux 5.14): frozen first, so that none forks, then each."""
        self.freeze()
        for pid in self._everybody():
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        self._write("cgroup.freeze", "0")

    def _everybody(self) -> list[int]:
        return self._listed("cgroup.procs")

    def _listed(self, file: str) -> list[int]:
        """The numbers in ``file`` of all cgroups of the tree."""
        found = []
        for directory in self._directories():
            with suppress(OSError):
                found += [int(line) for line in files.lines(f"{directory}/{file}")]
        return found

    def _directories(self) -> list[str]:
        tools = str(self.tools)
        found = [f"{self._directory}/{AGENT}", tools]
        with suppress(OSError), os.scandir(tools) as calls:
            found += [f"{tools}/{call.name}" for call in calls if call.is_dir(follow_symlinks=False)]
        return found

    def _left(self, pids: Sequence[int]) -> set[int]:
        """Children of ``pids``, and orphans of theirs, that are not among them: they left the cgroup."""
        oldest = self._strays.oldest
        children = adopted(oldest) if self._adopting and oldest else set()
        for thread in self._listed("cgroup.threads"):
            children |= children_of(thread)
        outside = children.difference(pids)
        return {pid for pid in outside if (seen := look_at(pid)) is not None and seen.state not in "ZX"}

    def _proof(
        self, state: TreeState, began: float, *checked: str, found: tuple[list[int], set[int]] | None = None
    ) -> Proof:
        pids, strays = found or (self._everybody(), None)
        strays = self._left(pids) if strays is None else strays
        words = [f"cgroup {self._directory.name}: {checked[0]}", *checked[1:]]
        if state is TreeState.UNPROVEN:
            words += [f"pid {pid} in uninterruptible sleep" for pid in pids if "D" in thread_states(pid)]
        if strays:
            words.append(f"outside of the cgroup: {', '.join(map(str, sorted(strays)))}")
            if state in {TreeState.FROZEN, TreeState.EXITED}:
                state = TreeState.UNPROVEN
        return Proof(
            state=state,
            how="cgroup",
            partial=bool(strays),
            checked=tuple(words),
            pids=tuple(sorted({*pids, *strays})),
            took_s=self._now() - began,
        )
