"""The dead-man's switch: freezes the worker when no acknowledged lease is reported, and the decisions that stand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from watchdogd.core.errors import RecordError
from watchdogd.core.lease import supervisor as lease
from watchdogd.core.lease.messages import Timing
from watchdogd.core.lease.supervisor import Act, Decided, Standing, SupervisorState
from watchdogd.core.proof import Proof, TreeState
from watchdogd.ports import Clock, Record, WorkerTree

CELL = "decided"
LIFTED = "lifted_n"
LOOK_S = 5.0
"""Between two looks at a tree that is to stand still or to be gone (seconds)."""


class DeadMan:
    """Owns the supervisor's protocol state; the only one that freezes, thaws and kills the worker's tree."""

    def __init__(
        self,
        *,
        record: Record,
        clock: Clock,
        timing: Timing,
        enforcing: Callable[[], bool],
        on_change: Callable[[Proof | None], None],
    ) -> None:
        self._record, self._clock, self._on_change = record, clock, on_change
        self._enforcing = enforcing
        stands = record.load(Decided, CELL)
        self._lifted_n = record.load(int, LIFTED) or 0
        self.state = SupervisorState(
            last_ack=clock.boot(),
            standing=Standing.FROZEN if stands is not None else Standing.RUNNING,
            decided=stands,
            timing=timing,
        )
        self._tree: WorkerTree | None = None
        self._acting = asyncio.Lock()
        self._acted_at = 0.0
        self.proof: Proof | None = None
        """What the newest act showed."""

    @property
    def may_spawn(self) -> bool:
        """No spawn under a freeze or kill by decision."""
        return lease.may_spawn(self.state)

    def spawned(self, tree: WorkerTree) -> None:
        """A worker was started."""
        self._tree = tree
        self.state = lease.spawned(self.state, self._clock.boot())
        self.proof = None
        self._on_change(None)

    def gone(self, proof: Proof) -> None:
        """The worker is dead."""
        self._tree, self.proof = None, proof
        self._on_change(proof)

    def holds(self, pid: int) -> bool:
        """Whether ``pid`` is in the worker's tree."""
        return self._tree is not None and pid in self._tree.look().pids

    def hello(self, epoch: int) -> None:
        """An overseer has claimed its record: only its reports count from now on."""
        self.state = replace(self.state, overseer_epoch=epoch)

    async def reported(self, epoch: int, age_s: float) -> None:
        """S1."""
        self.state, acts = lease.reported(self.state, self._clock.boot(), epoch, age_s)
        await self._act(acts)

    async def ready(self) -> None:
        """S3."""
        self.state, acts = lease.ready(self.state, self._clock.boot())
        await self._act(acts)

    async def timed(self) -> None:
        """S2; in shadow mode there are no leases, and so none to miss."""
        if not self._enforcing():
            return
        before = self.state
        self.state, acts = lease.timed(self.state, self._clock.boot())
        if acts:
            self._note(
                "freeze", "supervisor", f"no acknowledged lease for {self._clock.boot() - before.last_ack:.0f} s"
            )
        await self._act(acts)

    async def decide(self, what: Decided) -> Proof | None:
        """A freeze or kill by decision: on disk first, then done, then proven. A disk that refuses does not stop it."""
        try:
            with self._record.transaction() as changing:
                changing.put(CELL, what)
                changing.append(
                    {"kind": "decided", "at": what.at, "what": what.kind, "by": what.by, "why": what.reason}
                )
        except RecordError:
            pass  # stopping is worth more than writing down that it was stopped
        self.state, acts = lease.decided(self.state, what)
        await self._act(acts)
        return self.proof

    async def lift(self, by: str, *, n: int, at: float) -> bool:
        """A listed person takes back what was decided before; False when nothing was.

        Args:
            by: that person.
            n: the lift's number: one that was carried out is not carried out again.
            at: when it was asked for (unix seconds): a later decision stands.

        Raises:
            RecordError: it is not on disk; nothing was lifted.
        """
        if n <= self._lifted_n:
            return False
        stands = self.state.decided
        lifts = stands is not None and stands.at <= at
        with self._record.transaction() as changing:
            changing.put(LIFTED, n)
            if lifts:
                changing.drop(CELL)
                changing.append({"kind": "lifted", "at": self._clock.wall(), "by": by})
        self._lifted_n = n
        if not lifts:
            return False
        self.state, acts = lease.lifted(self.state, self._clock.boot())
        await self._act(acts)
        return True

    @property
    def must_not_act(self) -> bool:
        """Whether the tree is held: frozen, or thawed on probation without its tools."""
        return self.state.standing is not Standing.RUNNING

    async def look(self) -> None:
        """Sees that what is to stand still, or to be gone, is so now; if not, it is frozen or killed once more.

        A process that was stuck in the disk stands still only later, and a signal that stopped one can be undone.
        """
        if self._held() is None or self._clock.boot() < self._acted_at + LOOK_S:
            return
        async with self._acting:
            tree, before = self._held(), self.proof
            if tree is None:
                return
            killing = self.state.decided is not None and self.state.decided.kind == "kill"
            found = await asyncio.to_thread(tree.look)
            if found.state is not TreeState.EXITED and (killing or found.state is not TreeState.FROZEN):
                found = await asyncio.to_thread(tree.kill if killing else tree.freeze)
            self._acted_at = self._clock.boot()
            if tree is self._tree:
                self.proof = found
        if before is None or (found.state, found.pids) != (before.state, before.pids):
            self._on_change(found)

    def _held(self) -> WorkerTree | None:
        """The tree, when it is to stand still or to be gone."""
        return self._tree if self.state.standing is Standing.FROZEN else None

    def _note(self, kind: str, by: str, why: str) -> None:
        try:
            with self._record.transaction() as changing:
                changing.append({"kind": kind, "at": self._clock.wall(), "by": by, "why": why})
        except RecordError:
            return

    async def _act(self, acts: tuple[Act, ...]) -> None:
        for act in acts:
            tree = self._tree
            if tree is None:
                continue
            async with self._acting:
                match act:
                    case Act.FREEZE:
                        self.proof = await asyncio.to_thread(tree.freeze)
                    case Act.KILL:
                        self.proof = await asyncio.to_thread(tree.kill)
                    case Act.THAW_WORKER:
                        self.proof = await asyncio.to_thread(tree.thaw_worker)
                    case Act.THAW_TOOLS:
                        self.proof = await asyncio.to_thread(tree.thaw)
                self._acted_at = self._clock.boot()
            self._on_change(self.proof)
