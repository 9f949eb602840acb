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
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeAlias

from watchdogd.core.proof import Proof, TreeState

MARKER = "WATCHDOGD_TREE"
"""Environment variable that carries a tree's token into its children."""

_PR_SET_CHILD_SUBREAPER = 36
"""``linux/prctl.h``."""
_FIRST_WAIT_S = 0.001
_LONGEST_WAIT_S = 0.02
_QUIET_SCANS = 2
"""Scans in a row without anything new or moving: one may have raced with a fork whose pid wrapped around."""
_STOPPED = frozenset("Tt")
_DEAD = frozenset("ZXx")


def adopt_orphans() -> None:
    """Makes this process the parent of every descendant whose own parent dies (``PR_SET_CHILD_SUBREAPER``).

    Raises:
        OSError: the kernel refused.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


@dataclass(frozen=True, slots=True)
class Seen:
    """One line of the process table."""

    pid: int
    state: str
    """As in proc(5): R S D T t Z X."""
    parent: int
    group: int
    session: int
    threads: int
    started: int
    """Clock ticks since boot; with the pid it names a process for good."""


Table: TypeAlias = Mapping[int, Seen]


def look_at(pid: int) -> Seen | None:
    """The process table's line for ``pid``, or None when there is no such process."""
    raw = _read(f"/proc/{pid}/stat")
    return None if raw is None else _parsed(pid, raw)


def table() -> dict[int, Seen]:
    """Every process that existed from the beginning of this call to its end, and perhaps some that did not."""
    found = {}
    for name in os.listdir("/proc"):  # noqa: PTH208 - names alone, thousands of them
        if name.isdigit() and (seen := look_at(int(name))) is not None:
            found[seen.pid] = seen
    return found


def _read(path: str) -> bytes | None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return os.read(fd, 65_536)
    except OSError:
        return None
    finally:
        os.close(fd)


def _parsed(pid: int, raw: bytes) -> Seen | None:
    # The command's name may hold spaces and parentheses: only what follows the last one is fields.
    fields = raw[raw.rfind(b")") + 2 :].split()
    if len(fields) < 20:
        return None
    return Seen(
        pid,
        chr(fields[0][0]),
        int(fields[1]),
        int(fields[2]),
        int(fields[3]),
        int(fields[17]),
        int(fields[19]),
    )


def _thread_states(pid: int) -> set[str]:
    try:
        threads = os.listdir(f"/proc/{pid}/task")  # noqa: PTH208 - names alone
    except OSError:
        return set()
    raws = (_read(f"/proc/{pid}/task/{thread}/stat") for thread in threads)
    return {chr(raw[raw.rfind(b")") + 2]) for raw in raws if raw}


def _is_stopped(seen: Seen) -> bool:
    # A leader can be stopped, or a zombie, while one of its threads sits in the disk.
    if seen.threads > 1:
        return _thread_states(seen.pid) <= _STOPPED | _DEAD
    return seen.state in _STOPPED


def _is_dead(seen: Seen) -> bool:
    if seen.state not in _DEAD:
        return False
    return seen.threads <= 1 or _thread_states(seen.pid) <= _DEAD


def _send(seen: Seen, number: signal.Signals) -> bool:
    """Signals exactly this process, never one that took over its pid; False when that is not permitted."""
    try:
        fd = os.pidfd_open(seen.pid)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    try:
        now = look_at(seen.pid)
        if now is None or now.started != seen.started:
            return True
        signal.pidfd_send_signal(fd, number)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    else:
        return True
    finally:
        os.close(fd)


class ProcessTree:
    """A tree of processes, held together by looking often.

    ``now`` is a monotonic clock in seconds. ``token`` is what the tree's children carry in ``MARKER``. With
    ``adopting`` every child of this process that was not ``spare``d counts as the tree's (orphans come here).
    """

    def __init__(
        self, *, now: Callable[[], float], token: str = "", adopting: bool = False, timeout_s: float = 5.0
    ) -> None:
        self._now, self._adopting, self._timeout_s = now, adopting, timeout_s
        self._marker = f"{MARKER}={token}".encode() if token else b""
        self._roots: dict[int, int] = {}
        self._known: dict[int, int] = {}
        self._led: dict[int, int] = {}
        self._spared: dict[int, int] = {}
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

    def spare(self, pid: int) -> None:
        """Says that ``pid``, a child of this process, is no part of the tree, nor is what it starts."""
        seen = look_at(pid)
        if seen is not None:
            self._spared[pid] = seen.started

    def look(self) -> Proof:
        """What the tree does now, without touching it."""
        began = self._now()
        members = self._members(table())
        if not members:
            return self._proof(TreeState.EXITED, members, began)
        frozen = all(_is_stopped(member) for member in members)
        return self._proof(TreeState.FROZEN if frozen else TreeState.RUNNING, members, began)

    def freeze(self) -> Proof:
        """Stops every process of the tree and waits until all are seen to stand still."""
        began = self._now()
        self._denied.clear()
        calm, members = self._sweep(signal.SIGSTOP, _is_stopped, began + self._timeout_s)
        if calm:
            return self._proof(TreeState.FROZEN if members else TreeState.EXITED, members, began)
        return self._proof(TreeState.UNPROVEN, members, began)

    def thaw(self, *, roots_only: bool = False) -> Proof:
        """Lets the tree go on; with ``roots_only`` just the added processes, while what they started stays."""
        began = self._now()
        self._denied.clear()
        members = self._members(table())
        chosen = [one for one in members if not roots_only or self._roots.get(one.pid) == one.started]
        for member in chosen:
            self._signal(member, signal.SIGCONT)
        wait_s = _FIRST_WAIT_S
        while (still := [one for one in map(self._again, chosen) if one and _is_stopped(one)]) and (
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
        self._sweep(signal.SIGSTOP, _is_stopped, began + self._timeout_s / 2)
        calm, members = self._sweep(signal.SIGKILL, _is_dead, began + self._timeout_s)
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
            if seen.pid in found or seen.pid == os.getpid() or self._is_spared(seen):
                continue
            found[seen.pid] = seen
            waiting += children.get(seen.pid, ())
        self._remember(found.values())
        alive = []
        for seen in found.values():
            if not _is_dead(seen):
                alive.append(seen)
            elif seen.parent == os.getpid() and seen.pid not in self._roots:
                with suppress(ChildProcessError):
                    os.waitpid(seen.pid, os.WNOHANG)
        return tuple(sorted(alive, key=lambda seen: seen.pid))

    def _seeds(self, processes: Table) -> Iterable[Seen]:
        mine = os.getpid()
        oldest = min(self._roots.values(), default=0)
        for seen in processes.values():
            if (
                self._known.get(seen.pid) == seen.started
                or seen.session in self._led
                or seen.group in self._led
                or (self._adopting and seen.parent == mine)
                or (seen.started >= oldest and self._is_marked(seen.pid))
            ):
                yield seen

    def _is_marked(self, pid: int) -> bool:
        if not self._marker:
            return False
        raw = _read(f"/proc/{pid}/environ")
        return raw is not None and self._marker in raw.split(b"\0")

    def _is_spared(self, seen: Seen) -> bool:
        return self._spared.get(seen.pid) == seen.started

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
        self._spared = {pid: started for pid, started in self._spared.items() if is_here(pid, started)}
        # A number stays taken as long as a session or group goes by it, even when its leader is dead.
        used = {seen.session for seen in processes.values()} | {seen.group for seen in processes.values()}
        self._led = {
            pid: started
            for pid, started in self._led.items()
            if is_here(pid, started) or (pid not in processes and pid in used)
        }

    def _again(self, seen: Seen) -> Seen | None:
        now = look_at(seen.pid)
        return now if now is not None and now.started == seen.started and not _is_dead(now) else None

    def _signal(self, seen: Seen, number: signal.Signals) -> None:
        if not _send(seen, number):
            self._denied.add(seen.pid)

    def _wait(self, seconds: float) -> float:
        self._idle.wait(seconds)
        return min(seconds * 2, _LONGEST_WAIT_S)

    def _proof(self, state: TreeState, members: tuple[Seen, ...], began: float) -> Proof:
        ways = ["parents", "sessions", "groups"]
        ways += ["adopted orphans"] if self._adopting else []
        ways += ["environment marker"] if self._marker else []
        checked = [f"process table by {', '.join(ways)}"]
        if state is TreeState.UNPROVEN:
            checked += [f"pid {one.pid} not permitted to signal" for one in members if one.pid in self._denied]
            stuck = [one.pid for one in members if one.state == "D" or "D" in _thread_states(one.pid)]
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
