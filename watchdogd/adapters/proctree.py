"""Freezing, killing and looking at a tree of processes without a cgroup: signals over what /proc shows.

Nothing in the kernel names such a tree, so it is found again in every scan, by parent, by session and process group
(``setsid`` children whose parent died), by an environment marker, and by memory of what was seen before. Where this
process adopts orphans (``adopt_orphans``) every descendant stays below it in the tree of parents. It is still a
sequence of looks and not one operation, so every proof from here says ``partial``.
"""

from __future__ import annotations

import ctypes
import os
import signal
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from watchdogd.adapters.proctable import Seen, Table, is_dead, is_stopped, look_at, read, send, table, thread_states
from watchdogd.core.proof import Proof, TreeState

MARKER = "WATCHDOGD_TREE"
"""Environment variable that carries a tree's token into its children; ``TOKEN/…`` is a tree below that of TOKEN."""

_PR_SET_CHILD_SUBREAPER = 36
"""``linux/prctl.h``."""
_FIRST_WAIT_S = 0.001
_LONGEST_WAIT_S = 0.02
_QUIET_SCANS = 2
"""Scans in a row without anything new or moving: one may have raced with a fork whose pid wrapped around."""


def adopt_orphans() -> None:
    """Makes this process the parent of every descendant whose own parent dies (``PR_SET_CHILD_SUBREAPER``).

    Raises:
        OSError: the kernel refused.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def token_below(nonce: str) -> str:
    """A token for a tree of its own that is also found as a part of the tree this process is in."""
    return "/".join(filter(None, (os.environ.get(MARKER), nonce)))


class ProcessTree:
    """A tree of processes, held together by looking often.

    ``now`` is a monotonic clock in seconds. ``token`` is what the tree's children carry in ``MARKER``. With
    ``adopting`` every child of this process with another session than ours counts as the tree's (orphans come here):
    what this process starts for other purposes must stay in its session, which no process of the tree can enter.
    ``why`` there is no cgroup goes into every proof.
    """

    def __init__(
        self,
        *,
        now: Callable[[], float],
        token: str = "",
        adopting: bool = False,
        timeout_s: float = 5.0,
        why: str = "",
    ) -> None:
        self._now, self._adopting, self._timeout_s, self._why = now, adopting, timeout_s, why
        self._marker = f"{MARKER}={token}".encode() if token else b""
        self._roots: dict[int, int] = {}
        self._known: dict[int, int] = {}
        self._led: dict[int, int] = {}
        self._denied: set[int] = set()
        self._idle = threading.Event()

    def add(self, pid: int) -> None:
        """Makes ``pid`` a root: it and all it starts belong to the tree.

        Raises:
            ProcessLookupError: there is no such process.
        """
        seen = look_at(pid)
        if seen is None:
            raise ProcessLookupError(pid)
        self._roots[pid] = self._known[pid] = self._led[pid] = seen.started

    @property
    def oldest(self) -> int:
        """When the first root began (ticks since boot), 0 when there is none: nothing older belongs to the tree."""
        return min(self._roots.values(), default=0)

    def joining(self, command: Sequence[str]) -> list[str]:
        """``command`` as it is: there is nothing to join."""
        return list(command)

    def look(self) -> Proof:
        """What the tree does now, without touching it."""
        began = self._now()
        members = self._members(table())
        if not members:
            return self._proof(TreeState.EXITED, members, began)
        frozen = all(is_stopped(member) for member in members)
        return self._proof(TreeState.FROZEN if frozen else TreeState.RUNNING, members, began)

    def freeze(self) -> Proof:
        """Stops every process of the tree and waits until all are seen to stand still."""
        began = self._now()
        self._denied.clear()
        calm, members = self._sweep(signal.SIGSTOP, is_stopped, began + self._timeout_s)
        if calm:
            return self._proof(TreeState.FROZEN if members else TreeState.EXITED, members, began)
        return self._proof(TreeState.UNPROVEN, members, began)

    def thaw(self) -> Proof:
        """Lets the tree go on."""
        return self._thaw(lambda _: True)

    def thaw_worker(self) -> Proof:
        """Lets only what was added go on, while what it started stays."""
        return self._thaw(lambda one: self._roots.get(one.pid) == one.started)

    def _thaw(self, is_chosen: Callable[[Seen], bool]) -> Proof:
        began = self._now()
        self._denied.clear()
        members = self._members(table())
        chosen = [one for one in members if is_chosen(one)]
        for member in chosen:
            self._signal(member, signal.SIGCONT)
        wait_s = _FIRST_WAIT_S
        while (still := [one for one in map(self._again, chosen) if one and is_stopped(one)]) and (
            self._now() < began + self._timeout_s
        ):
            wait_s = self._wait(wait_s)
        state = TreeState.UNPROVEN if still else TreeState.RUNNING if members else TreeState.EXITED
        return self._proof(state, self._members(table()), began)

    def kill(self) -> Proof:
        """Kills every process of the tree and waits until none is left.

        All are stopped first: what stands still cannot fork, and a parent killed too early hides its children.
        """
        began = self._now()
        self._denied.clear()
        self._sweep(signal.SIGSTOP, is_stopped, began + self._timeout_s / 2)
        calm, members = self._sweep(signal.SIGKILL, is_dead, began + self._timeout_s)
        return self._proof(TreeState.EXITED if calm and not members else TreeState.UNPROVEN, members, began)

    def _sweep(
        self, number: signal.Signals, is_done: Callable[[Seen], bool], until: float
    ) -> tuple[bool, tuple[Seen, ...]]:
        """Signals what is not done, scan after scan, until nothing new and nothing undone is seen."""
        before: set[tuple[int, int]] = set()
        quiet, wait_s = 0, _FIRST_WAIT_S
        while True:
            members = self._members(table())
            undone = [member for member in members if not is_done(member)]
            for member in undone:
                self._signal(member, number)
            names = {(member.pid, member.started) for member in members}
            quiet = 0 if undone or names - before else quiet + 1
            before |= names
            if quiet >= _QUIET_SCANS:
                return True, members
            if self._now() >= until:
                return False, members
            if undone:
                wait_s = self._wait(wait_s)

    def _members(self, processes: Table) -> tuple[Seen, ...]:
        """The live processes of the tree in ``processes``; remembers them, and reaps adopted ones that are dead."""
        self._forget(processes)
        children: dict[int, list[Seen]] = {}
        for seen in processes.values():
            children.setdefault(seen.parent, []).append(seen)
        found: dict[int, Seen] = {}
        waiting = list(self._seeds(processes))
        while waiting:
            seen = waiting.pop()
            if seen.pid in found or seen.pid == os.getpid():
                continue
            found[seen.pid] = seen
            waiting += children.get(seen.pid, ())
        self._remember(found.values())
        alive = []
        for seen in found.values():
            if not is_dead(seen):
                alive.append(seen)
            elif seen.parent == os.getpid() and seen.pid not in self._roots:
                with suppress(ChildProcessError):
                    os.waitpid(seen.pid, os.WNOHANG)
        return tuple(sorted(alive, key=lambda seen: seen.pid))

    def _seeds(self, processes: Table) -> Iterable[Seen]:
        mine, session = os.getpid(), os.getsid(0)
        oldest = self.oldest
        adopting = self._adopting and oldest > 0
        for seen in processes.values():
            if (
                self._known.get(seen.pid) == seen.started
                or seen.session in self._led
                or seen.group in self._led
                or (adopting and seen.started >= oldest and seen.parent == mine and seen.session != session)
                or (seen.started >= oldest and self._is_marked(seen.pid))
            ):
                yield seen

    def _is_marked(self, pid: int) -> bool:
        if not self._marker:
            return False
        raw = read(f"/proc/{pid}/environ")
        if raw is None or self._marker not in raw:
            return False
        return any(one == self._marker or one.startswith(self._marker + b"/") for one in raw.split(b"\0"))

    def _remember(self, members: Iterable[Seen]) -> None:
        for member in members:
            self._known[member.pid] = member.started
            if member.pid in (member.session, member.group):
                self._led[member.pid] = member.started

    def _forget(self, processes: Table) -> None:
        """Drops pids that the kernel may have given to somebody else since."""

        def is_here(pid: int, started: int) -> bool:
            return pid in processes and processes[pid].started == started

        self._known = {pid: started for pid, started in self._known.items() if is_here(pid, started)}
        # A number stays taken as long as a session or group goes by it, even when its leader is dead.
        used = {seen.session for seen in processes.values()} | {seen.group for seen in processes.values()}
        self._led = {
            pid: started
            for pid, started in self._led.items()
            if is_here(pid, started) or (pid not in processes and pid in used)
        }

    def _again(self, seen: Seen) -> Seen | None:
        now = look_at(seen.pid)
        return now if now is not None and now.started == seen.started and not is_dead(now) else None

    def _signal(self, seen: Seen, number: signal.Signals) -> None:
        if not send(seen, number):
            self._denied.add(seen.pid)

    def _wait(self, seconds: float) -> float:
        self._idle.wait(seconds)
        return min(seconds * 2, _LONGEST_WAIT_S)

    def _proof(self, state: TreeState, members: tuple[Seen, ...], began: float) -> Proof:
        ways = ["parents", "sessions", "groups"]
        ways += ["adopted orphans"] if self._adopting else []
        ways += ["environment marker"] if self._marker else []
        checked = [f"process table by {', '.join(ways)}"]
        checked += [f"no cgroup: {self._why}"] if self._why else []
        if state is TreeState.UNPROVEN:
            checked += [f"pid {one.pid} not permitted to signal" for one in members if one.pid in self._denied]
            stuck = [one.pid for one in members if one.state == "D" or "D" in thread_states(one.pid)]
            checked += [f"pid {pid} in uninterruptible sleep" for pid in stuck]
            checked.append(f"not still within {self._timeout_s:g} s")
        return Proof(
            state=state,
            how="processes",
            partial=True,
            checked=tuple(checked),
            pids=tuple(member.pid for member in members),
            took_s=self._now() - began,
        )
