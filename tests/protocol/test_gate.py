"""The real gate, controller and order book over a bus and a disk in memory, beside a scripted overseer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import cast

import pytest

from tests.protocol.inmemory import PATIENCE_S, RUN, Clock, Diary, Parts, broker_on
from watchdogd.core.access import Approval, Bounds, Denial
from watchdogd.core.changes import Changes
from watchdogd.core.conversation import ToolUse
from watchdogd.core.errors import RecordError
from watchdogd.core.events import Gated, Impact, ToolFinished, ToolIntended, ToolStarted
from watchdogd.core.ids import Role
from watchdogd.core.lease.messages import Ack, Answer, Beat, Latch, Level, Mode, NudgeOrder, Order, OrderAck
from watchdogd.core.lifecycle import Run, Started
from watchdogd.sim.bus import MemoryBus
from watchdogd.sim.record import MemoryDisk, MemoryRecord
from watchdogd.wire.envelope import recorded_event
from watchdogd.wire.messages import Message
from watchdogd.worker.control import Controller
from watchdogd.worker.gate import Passed, Refused, Verdict
from watchdogd.worker.preview import Stage
from watchdogd.worker.tools.call import Call
from watchdogd.worker.tools.toolbox import Toolbox

MUCH = 10**9
PAUSE = Latch(name="operator/ada", by="ada", reason="lunch")


@dataclass
class Saying:
    """What the overseer says, and what it heard."""

    stored: int = MUCH
    grant: bool = True
    lrev: int = 1
    level: Level = Level.AUTONOMOUS
    mode: Mode = Mode.ENFORCE
    latches: tuple[Latch, ...] = ()
    order: Order | None = None
    beats: list[Beat] = field(default_factory=list)
    acks: list[Ack] = field(default_factory=list)
    done: list[int] = field(default_factory=list)
    more: asyncio.Event = field(default_factory=asyncio.Event)

    def answer(self, beat: Beat) -> Answer:
        return Answer(
            nonce=beat.nonce,
            epoch=1,
            lrev=self.lrev,
            grant=self.grant,
            reason="" if self.grant else "not yet",
            stored_seq=min(self.stored, beat.head_seq),
            policy="p",
            mode=self.mode,
            level=self.level,
            latches=self.latches,
            ttl_s=20.0,
        )


@dataclass
class Worker:
    """A worker beside its scripted overseer."""

    parts: Parts
    said: Saying

    @property
    def clock(self) -> Clock:
        return self.parts.clock

    @property
    def record(self) -> Diary:
        return self.parts.record

    @property
    def control(self) -> Controller:
        return self.parts.control

    async def admitted(
        self, impact: Impact, name: str = "shell", *, run: Run = RUN, by_mission: bool = False
    ) -> Verdict:
        use = ToolUse(id="c1", name=name, args={"command": "true"})
        async with asyncio.timeout(PATIENCE_S):
            return await self.parts.gate(impact).admit(run, use, by_mission=by_mission)

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not holds():
                self.said.more.clear()
                await self.said.more.wait()

    async def beats(self, more: int) -> None:
        """Waits for so many further beats."""
        goal = len(self.said.beats) + more
        await self.until(lambda: len(self.said.beats) >= goal)


async def oversee(bus: MemoryBus, said: Saying, clock: Clock) -> None:
    def message(payload: Answer | Order) -> Message:
        return Message(payload=payload, headline="x", at=clock.wall(), source=Role.OVERSEER)

    async with bus.connect() as link:
        async for arrived in link.received():
            match arrived.message.payload if arrived.message is not None else None:
                case Beat() as beat:
                    said.beats.append(beat)
                    said.acks += [beat.ack] if beat.ack is not None else []
                    link.put(message(said.answer(beat)))
                    if said.order is not None:
                        link.put(message(said.order))
                case Ack() as ack:
                    said.acks.append(ack)
                case OrderAck() as done:
                    said.done.append(done.n)
                case _:
                    pass
            said.more.set()


@asynccontextmanager
async def running(**said: object) -> AsyncIterator[Worker]:
    clock, saying = Clock(), Saying()
    for name, value in said.items():
        setattr(saying, name, value)
    broker = broker_on(clock)
    parts = Parts.on(broker, clock, MemoryDisk())
    async with asyncio.TaskGroup() as tasks:
        seeing = tasks.create_task(oversee(MemoryBus(broker, Role.OVERSEER, clock=clock, boot="b2"), saying, clock))
        living = tasks.create_task(parts.control.run())
        worker = Worker(parts, saying)
        try:
            await worker.beats(1)
            yield worker
        finally:
            seeing.cancel()
            living.cancel()


# --- the gate ---------------------------------------------------------------------------------------------------------


async def test_a_call_passes_once_its_start_is_on_disk() -> None:
    async with running() as worker:
        verdict = await worker.admitted(Impact.WRITE)
        assert isinstance(verdict, Passed)
        assert isinstance(worker.record.bodies()[-1], ToolStarted)
        started = worker.record.load(Started, "call/current")
        assert started is not None
        assert started.seq == len(worker.record.disk.rows)
        assert verdict.until_boot_s > worker.clock.boot()


async def test_a_disk_that_refuses_the_start_lets_nothing_pass() -> None:
    async with running() as worker:
        worker.record.on_commit = lambda: setattr(worker.record.disk, "full", True)
        with pytest.raises(RecordError):
            await worker.admitted(Impact.WRITE)
        assert worker.record.load(Started, "call/current") is None


async def test_a_call_above_read_waits_until_the_overseer_has_processed_its_own_intent() -> None:
    async with running() as worker:
        worker.said.stored = worker.parts.journal.head
        admitting = asyncio.ensure_future(worker.admitted(Impact.WRITE))
        try:
            await worker.beats(4)
            assert isinstance(worker.record.bodies()[-1], ToolIntended)
            assert not admitting.done()
            worker.said.stored = MUCH
            assert isinstance(await admitting, Passed)
        finally:
            admitting.cancel()


async def test_a_read_need_not_wait_for_its_intent() -> None:
    async with running() as worker:
        worker.said.stored = worker.parts.journal.head
        assert isinstance(await worker.admitted(Impact.READ), Passed)


async def test_no_call_starts_under_a_latch() -> None:
    async with running(latches=(PAUSE,)) as worker:
        admitting = asyncio.ensure_future(worker.admitted(Impact.READ))
        try:
            await worker.beats(4)
            assert not admitting.done()
            worker.said.latches, worker.said.lrev = (), 2
            assert isinstance(await admitting, Passed)
        finally:
            admitting.cancel()


async def test_the_second_look_sees_a_lease_that_ended_while_the_start_was_written() -> None:
    async with running() as worker:

        def slow_disk() -> None:
            if isinstance(worker.record.bodies()[-1], ToolStarted) and not worker.clock.passed_s:
                worker.clock.passed_s = 30.0

        worker.record.on_commit = slow_disk
        verdict = await worker.admitted(Impact.WRITE)
        assert isinstance(verdict, Passed)
        assert verdict.until_boot_s > worker.clock.boot()
        kinds = [type(body) for body in worker.record.bodies()]
        assert kinds == [ToolIntended, ToolStarted, ToolFinished, ToolIntended, ToolStarted]


async def test_a_hard_denial_stands_above_every_level_and_every_approval() -> None:
    async with running(level=Level.AUTONOMOUS) as worker:
        worker.parts.bounds = Bounds(denials=(Denial(kind="path", pattern="raw", reason="raw is kept"),))
        verdict = await worker.admitted(Impact.WRITE)
        assert isinstance(verdict, Refused)
        assert verdict.by == "hard-denial"


async def test_an_approval_is_consumed_with_the_start_and_never_serves_twice() -> None:
    async with running(level=Level.SUGGEST) as worker:
        granted = Approval(
            question="q1", action_digest="digest of shell", by="ada", valid_until=worker.clock.wall() + 900
        )
        with worker.record.transaction() as changing:
            changing.put("approval/r1/q1", granted)
        worker.record.commits.clear()
        assert isinstance(await worker.admitted(Impact.WRITE), Passed)
        for disk in worker.record.commits:
            on_disk = MemoryRecord(disk)
            used = on_disk.load(Approval, "approval/r1/q1")
            assert used is not None
            assert used.used == any(isinstance(recorded_event(row).body, ToolStarted) for row in disk.rows)
        again = asyncio.ensure_future(worker.admitted(Impact.WRITE))
        try:
            await worker.beats(2)
            async with asyncio.timeout(PATIENCE_S):
                while not isinstance(worker.record.bodies()[-1], Gated):
                    assert not again.done()
                    await worker.beats(1)
        finally:
            again.cancel()


# --- acknowledgements and orders --------------------------------------------------------------------------------------


async def test_what_could_not_be_written_is_not_acknowledged_but_holds_all_the_same() -> None:
    async with running() as worker:
        await worker.until(lambda: bool(worker.said.acks))
        worker.record.disk.full = True
        worker.said.latches, worker.said.lrev = (PAUSE,), 2
        async with asyncio.timeout(PATIENCE_S):
            while worker.control.latch is None:
                await worker.control.change(fast=True)
        await worker.beats(3)
        assert worker.control.latch == PAUSE
        assert all(ack.lrev < 2 for ack in worker.said.acks)
        worker.record.disk.full = False
        await worker.until(lambda: worker.said.acks[-1].lrev == 2)


async def test_a_launch_under_way_delays_the_acknowledgement() -> None:
    async with running() as worker:
        await worker.until(lambda: bool(worker.said.acks))
        worker.control.launch_began()
        worker.said.latches, worker.said.lrev = (PAUSE,), 2
        async with asyncio.timeout(PATIENCE_S):
            while worker.control.latch is None:
                await worker.control.change(fast=True)
        await worker.beats(3)
        assert all(ack.lrev < 2 for ack in worker.said.acks)
        worker.control.launch_over()
        await worker.until(lambda: worker.said.acks[-1].lrev == 2)


async def test_an_order_and_its_number_are_on_disk_in_one_transaction_and_applied_once() -> None:
    async with running() as worker:
        with worker.record.transaction() as changing:
            changing.put("run/current", RUN)
        worker.said.order = Order(epoch=1, n=1, run="r1", body=NudgeOrder(text="try something else"))
        await worker.until(lambda: worker.said.done.count(1) >= 3)
        assert len([key for key in worker.record.disk.cells if key.startswith("say/")]) == 1
        for disk in worker.record.commits:
            applied = any(key.startswith("say/") for key in disk.cells)
            assert applied == (MemoryRecord(disk).load(int, "last_n") == 1)


# --- previews ---------------------------------------------------------------------------------------------------------


@dataclass
class Copy:
    """A copy on paper, that knows whether it was thrown away."""

    discarded: int = 0
    path: str = "/copy"
    missing: tuple[tuple[str, str], ...] = ()

    async def compared(self, *, lines: int) -> tuple[Changes, tuple[str, ...]]:
        return Changes(since="the workspace", items=()), ()

    async def discard(self) -> None:
        self.discarded += 1


def staged(worker: Worker, copy: Copy) -> None:
    async def stage(run: Run, call: Call) -> Stage:
        there = replace(call, summary="the same, in the copy")
        return Stage(copy=copy, toolbox=cast("Toolbox", None), call=there, journal=worker.parts.journal)

    worker.parts.stage = stage


async def test_what_a_level_only_previews_runs_in_a_copy_and_says_so() -> None:
    async with running(level=Level.OBSERVE) as worker:
        copy = Copy()
        staged(worker, copy)
        verdict = await worker.admitted(Impact.WRITE)
        assert isinstance(verdict, Passed)
        assert verdict.stage is not None
        assert verdict.call.summary == "the same, in the copy"
        assert verdict.started.reading, "whoever dies in it leaves nothing in doubt"
        assert copy.discarded == 0
        gated = next(body for body in worker.record.bodies() if isinstance(body, Gated))
        assert (gated.outcome, gated.by, gated.reason) == ("preview", "level", "level observe only previews write")


async def test_without_a_copy_nothing_is_previewed_and_nothing_runs() -> None:
    async with running(level=Level.OBSERVE) as worker:
        verdict = await worker.admitted(Impact.EXECUTE)
        assert isinstance(verdict, Refused)
        assert verdict.by == "preview"
        assert "it cannot be previewed: no preview for shell of r1: the disk is full." in verdict.text
        assert not any(isinstance(body, ToolStarted) for body in worker.record.bodies())


async def test_a_copy_is_thrown_away_when_the_disk_refuses_the_start() -> None:
    async with running(level=Level.OBSERVE) as worker:
        copy = Copy()
        staged(worker, copy)

        def full_after_the_ruling() -> None:
            if isinstance(worker.record.bodies()[-1], Gated):
                worker.record.disk.full = True

        worker.record.on_commit = full_after_the_ruling
        with pytest.raises(RecordError):
            await worker.admitted(Impact.WRITE)
        assert copy.discarded == 1


async def test_a_copy_is_thrown_away_when_the_second_look_says_no() -> None:
    async with running(level=Level.OBSERVE) as worker:
        copy = Copy()
        staged(worker, copy)

        def slow_disk() -> None:
            if isinstance(worker.record.bodies()[-1], ToolStarted) and not worker.clock.passed_s:
                worker.clock.passed_s = 30.0

        worker.record.on_commit = slow_disk
        assert isinstance(await worker.admitted(Impact.WRITE), Passed)
        assert copy.discarded == 1
        kinds = [type(body) for body in worker.record.bodies()]
        assert kinds == [ToolIntended, Gated, ToolStarted, ToolFinished, ToolIntended, Gated, ToolStarted]


@pytest.mark.parametrize("mode", [Mode.ENFORCE, Mode.SHADOW])
@pytest.mark.parametrize("impact", [Impact.NETWORK, Impact.EXTERNAL])
async def test_nothing_of_a_dry_run_leaves_the_machine_in_any_mode(mode: Mode, impact: Impact) -> None:
    async with running(level=Level.AUTONOMOUS, mode=mode) as worker:
        verdict = await worker.admitted(impact, run=replace(RUN, dry_run=True))
        assert isinstance(verdict, Refused)
        assert verdict.by == "dry-run"
        assert "this is a dry run" in verdict.text
        assert not any(isinstance(body, ToolStarted) for body in worker.record.bodies())


async def test_a_dry_run_asks_nobody_and_has_its_toolbox_instead_of_a_copy_per_call() -> None:
    async with running(level=Level.SUGGEST) as worker:
        verdict = await worker.admitted(Impact.DESTRUCTIVE, run=replace(RUN, dry_run=True))
        assert isinstance(verdict, Passed)
        assert verdict.stage is None
        assert verdict.started.reading


async def test_in_shadow_mode_a_preview_is_recorded_and_the_call_runs() -> None:
    async with running(level=Level.OBSERVE, mode=Mode.SHADOW) as worker:
        verdict = await worker.admitted(Impact.WRITE)
        assert isinstance(verdict, Passed)
        assert verdict.stage is None
        gated = next(body for body in worker.record.bodies() if isinstance(body, Gated))
        assert (gated.outcome, gated.by) == ("preview", "shadow:level")


@pytest.mark.parametrize("level", [Level.OBSERVE, Level.ASSISTED])
async def test_the_missions_own_command_only_looks_where_the_worker_may_only_look(level: Level) -> None:
    async with running(level=level) as worker:
        verdict = await worker.admitted(Impact.NETWORK, by_mission=True)
        assert isinstance(verdict, Passed)
        assert verdict.call.profile is not None
        assert verdict.call.profile.writable == (level is not Level.OBSERVE)
