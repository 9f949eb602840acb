"""Simulated time, processes that can be killed, stopped and suspended, and records that lose unsynced pages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from heapq import heappop, heappush
from random import Random
from typing import Any

Call = Callable[..., None]


class World:
    """One machine: a heap of events over its monotonic clock."""

    def __init__(self, seed: int) -> None:
        self.rng = Random(seed)
        self.mono = 0.0
        """CLOCK_MONOTONIC (seconds): what timers and messages in flight follow; stands still during suspend."""
        self.suspended_s = 0.0
        self.wall_jumps_s = 0.0
        self.heap: list[tuple[float, int, Process | None, Call, tuple[Any, ...]]] = []
        self.events = 0
        self.serial = 0

    @property
    def boot(self) -> float:
        """CLOCK_BOOTTIME (seconds)."""
        return self.mono + self.suspended_s

    @property
    def wall(self) -> float:
        """CLOCK_REALTIME (seconds): jumps."""
        return 1.6e9 + self.mono + self.suspended_s + self.wall_jumps_s

    def fresh(self) -> int:
        """A number that was never given out before."""
        self.serial += 1
        return self.serial

    def at(self, delay_s: float, owner: Process | None, call: Call, *args: Any) -> None:
        """Calls ``call`` after ``delay_s``, when ``owner`` is alive and once it is not stopped."""
        self.events += 1
        heappush(self.heap, (self.mono + delay_s, self.events, owner, call, args))

    def run(self, until: float) -> None:
        """Works off the events up to ``until`` (monotonic seconds)."""
        heap = self.heap
        while heap and heap[0][0] <= until:
            self.mono, _, owner, call, args = heappop(heap)
            if owner is None:
                call(*args)
            elif owner.alive:
                if owner.stops:
                    owner.backlog.append((call, args))
                else:
                    call(*args)
        self.mono = until


class Process:
    """Something that can be killed, stopped and continued at any moment."""

    name = "process"

    def __init__(self, world: World) -> None:
        self.world = world
        self.alive = True
        self.stops: set[str] = set()
        """Why it is stopped: ``fault``, ``frozen``; it runs when nothing stops it."""
        self.backlog: list[tuple[Call, tuple[Any, ...]]] = []
        self.traps: dict[str, Callable[[], None]] = {}
        """What happens to it when it next passes a named point."""

    def later(self, delay_s: float, call: Call, *args: Any) -> None:
        """Its own timer."""
        self.world.at(delay_s, self, call, *args)

    def stop(self, why: str) -> None:
        """SIGSTOP."""
        self.stops.add(why)

    def cont(self, why: str) -> None:
        """SIGCONT: what piled up is worked off in order."""
        self.stops.discard(why)
        if not self.stops and self.alive:
            waiting, self.backlog = self.backlog, []
            for call, args in waiting:
                self.world.at(0, self, call, *args)

    def die(self) -> None:
        """SIGKILL."""
        self.alive = False
        self.backlog = []

    def point(self, name: str) -> None:
        """A place where a fault may be waiting; the last thing before a delay."""
        if self.traps:
            trap = self.traps.pop(name, None)
            if trap is not None:
                trap()


@dataclass(slots=True)
class Speed:
    """How long something takes (seconds): mostly ``usual_s``, sometimes up to ``rare_s``."""

    usual_s: float
    rare_s: float
    rare: float = 0.02

    def draw(self, rng: Random) -> float:
        """One duration."""
        if rng.random() < self.rare:
            return rng.uniform(self.usual_s, self.rare_s)
        return self.usual_s * (0.5 + rng.random())


class Record:
    """One role's file: a log of transactions of which only a prefix is sure to survive a power loss."""

    def __init__(self, world: World, speed: Speed) -> None:
        self.world = world
        self.speed = speed
        self.slow_until = 0.0
        self.log: list[tuple[Any, ...]] = []
        self.safe = 0
        """Transactions that are synced."""
        self.syncing = False
        self.queue: list[tuple[Process, Call, tuple[Any, ...]]] = []
        self.losses = 0
        self.epoch = 0
        """Newest epoch written, synced or not: what every process on this machine reads."""
        self.stored = 0
        """Newest event committed and synced (overseer)."""
        self.marks: list[tuple[int, int]] = []

    def append(self, *transaction: Any) -> int:
        """Writes one transaction into the page cache; returns its position, counted from 1."""
        self.log.append(transaction)
        if transaction[0] == "epoch":
            self.epoch = transaction[1]
        elif transaction[0] == "commit":
            self.marks.append((len(self.log), transaction[1][-1][0]))
        return len(self.log)

    def sync(self, owner: Process, then: Call, *args: Any) -> None:
        """Makes everything written so far safe, then calls ``then``; requests made meanwhile share the next sync."""
        self.queue.append((owner, then, args))
        if not self.syncing:
            self._sync()

    def _sync(self) -> None:
        self.syncing = True
        world, served, self.queue = self.world, self.queue, []
        took = self.speed.draw(world.rng)
        if world.mono < self.slow_until:
            took += world.rng.uniform(0.1, 4.0)
        world.at(took, None, self._synced, len(self.log), self.losses, served)

    def _synced(self, position: int, losses: int, served: list[tuple[Process, Call, tuple[Any, ...]]]) -> None:
        if losses != self.losses:
            return
        self.safe = max(self.safe, position)
        while self.marks and self.marks[0][0] <= self.safe:
            self.stored = max(self.stored, self.marks.pop(0)[1])
        self.syncing = False
        if self.queue:
            self._sync()
        for owner, then, args in served:
            self.world.at(0, owner, then, *args)

    def lose_power(self) -> None:
        """Some of what was not synced is gone: a prefix of the log survives."""
        self.losses += 1
        self.syncing, self.queue = False, []
        del self.log[self.world.rng.randint(self.safe, len(self.log)) :]
        self.safe = len(self.log)
        self.marks = []
        self.epoch = max((one[1] for one in self.log if one[0] == "epoch"), default=0)
        self.stored = max((one[1][-1][0] for one in self.log if one[0] == "commit"), default=0)
