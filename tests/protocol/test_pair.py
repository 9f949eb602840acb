"""The real overseer and the real worker's parts, each on its own disk, over one broker in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import cast

import pytest

from tests.protocol.inmemory import PATIENCE_S, RUN, Clock, Diary, Parts, Untouched, broker_on
from watchdogd.core.access import Operator
from watchdogd.core.checkpoint import Retention
from watchdogd.core.conversation import ToolUse
from watchdogd.core.detect.bank import bank
from watchdogd.core.errors import BusDown, RecordFenced
from watchdogd.core.events import Impact, RunStarted
from watchdogd.core.ids import Role
from watchdogd.core.lease.messages import Answer, Latch, Level, NudgeOrder, Order, Timing
from watchdogd.core.policy import ALL_SCOPES, Policy
from watchdogd.core.retention import Keep
from watchdogd.overseer.book import Desired, load
from watchdogd.overseer.desk import Desk
from watchdogd.overseer.enforce import Enforcer
from watchdogd.overseer.inspect import Inspection
from watchdogd.overseer.retention import RecordRetention
from watchdogd.overseer.returns import Returns
from watchdogd.overseer.service import Overseer
from watchdogd.overseer.watch import Watch, whole_text
from watchdogd.ports import Link, Schedule
from watchdogd.sim.broker import MemoryBroker
from watchdogd.sim.bus import MemoryBus
from watchdogd.sim.record import MemoryDisk, MemoryRecord
from watchdogd.wire.channel import LeaseReport, Line, Ready, Restrict
from watchdogd.wire.messages import Message, Request, Response
from watchdogd.worker.gate import Passed

KEEP = Keep()
POLICY = Policy(level=Level.AUTONOMOUS, operators=(Operator(name="ada", may=ALL_SCOPES),))


@dataclass
class Lines:
    """The supervisor's end of the socketpair: says that people may command, and listens."""

    heard: list[Line] = field(default_factory=list)
    walls: asyncio.Event = field(default_factory=asyncio.Event)
    """What the broker keeps people from is known."""

    def __post_init__(self) -> None:
        self.walls.set()

    def send(self, line: Line) -> None:
        self.heard.append(line)

    async def received(self) -> AsyncIterator[Line]:
        await self.walls.wait()
        yield Restrict(why="")
        await asyncio.Event().wait()


class NoSchedule:
    """Without a judge nothing is ever scheduled."""


def overseer_on(
    broker: MemoryBroker,
    clock: Clock,
    record: Diary,
    lines: Lines,
    missions: frozenset[str] = frozenset(),
    keep: Keep = KEEP,
) -> Overseer:
    """An overseer that has claimed its record."""
    epoch = record.claim()
    whole = whole_text(Untouched())
    book = load(
        record,
        epoch=epoch,
        policy=POLICY,
        bank=bank(),
        timing=Timing(),
        clock=clock,
        whole=whole,
        supervisor_open=True,
    )
    enforcer = Enforcer(book, clock, "b2", lambda rule, headline: f"{rule}: {headline}")
    returns = Returns(book, enforcer, record, clock, Retention())
    return Overseer(
        book=book,
        record=record,
        bus=MemoryBus(broker, Role.OVERSEER, clock=clock, boot="b2"),
        channel=lines,
        clock=clock,
        watch=Watch(book, whole),
        enforcer=enforcer,
        desk=Desk(book, enforcer, record, clock, lambda: missions, returns),
        returns=returns,
        inspection=lambda start: Inspection(
            book=book,
            enforcer=enforcer,
            record=record,
            clock=clock,
            schedule=cast("Schedule", NoSchedule()),
            judge=None,
            price=lambda model, usage: None,
            start_look=start,
            returns=returns,
        ),
        retention=RecordRetention(book, record, clock, keep),
        boot="b2",
    )


@dataclass
class Pair:
    """Both of them, and a person."""

    clock: Clock
    broker: MemoryBroker
    worker: Parts
    overseer: Overseer
    record: Diary
    disk: MemoryDisk
    lines: Lines
    person: Link
    said: list[Response]
    living: asyncio.Task[None]
    more: asyncio.Event

    async def until(self, holds: Callable[[], bool]) -> None:
        """Waits for a condition over anything here."""
        async with asyncio.timeout(PATIENCE_S):
            while not holds():
                await asyncio.sleep(0.01)

    async def admitted(self, impact: Impact) -> None:
        """A call that passes and runs for no time."""
        async with asyncio.timeout(PATIENCE_S):
            use = ToolUse(id=f"c{self.worker.journal.head}", name="shell", args={"command": "true"})
            assert isinstance(await self.worker.gate(impact).admit(RUN, use), Passed)
        self.worker.control.launch_over()
        self.worker.control.call_over()

    def asks(self, command: str, id: str, text: str = "") -> None:
        """The person sends a request."""
        request = Request(command=command, id=id, text=text)  # type: ignore[arg-type]
        now = self.clock.wall()
        self.person.put(Message(payload=request, headline=command, at=now, source="ada", user="ada"))

    def stage(self, id: str) -> list[str]:
        """What was answered to request ``id``."""
        return [one.stage for one in self.said if one.request == id and one.status == "ok"]


async def _until_fenced(overseer: Overseer) -> None:
    try:
        await overseer.run()
    except* RecordFenced:
        pass


async def _listen(link: Link, said: list[Response]) -> None:
    with suppress(BusDown):
        async for arrived in link.received():
            if arrived.message is not None and isinstance(arrived.message.payload, Response):
                said += [arrived.message.payload]


@asynccontextmanager
async def running() -> AsyncIterator[Pair]:
    clock, lines, disk = Clock(), Lines(), MemoryDisk()
    broker = broker_on(clock)
    worker = Parts.on(broker, clock, MemoryDisk())
    record = Diary(disk)
    overseer = overseer_on(broker, clock, record, lines)
    said: list[Response] = []
    async with MemoryBus(broker, "ada", clock=clock).connect() as person, asyncio.TaskGroup() as tasks:
        living = tasks.create_task(_until_fenced(overseer))
        others = [tasks.create_task(worker.control.run()), tasks.create_task(_listen(person, said))]
        pair = Pair(clock, broker, worker, overseer, record, disk, lines, person, said, living, asyncio.Event())
        try:
            await pair.until(lambda: worker.control.lease_until > clock.boot())
            await pair.until(lambda: overseer._people_link is not None)
            yield pair
        finally:
            for task in (living, *others):
                task.cancel()


async def test_a_call_runs_once_the_overseer_has_its_intent_on_disk() -> None:
    async with running() as pair:
        await pair.admitted(Impact.WRITE)
        stored = pair.record.load(int, "stored_seq")
        assert stored is not None
        assert stored >= 1


async def test_what_the_worker_hears_is_on_the_overseers_disk_already() -> None:
    async with running() as pair:
        heard: list[tuple[int, int]] = []
        put = pair.overseer._put  # the last line of ours before the wire

        def watched(message: Message) -> None:
            if isinstance(message.payload, Answer):
                heard.append((message.payload.stored_seq, pair.record.load(int, "stored_seq") or 0))
            put(message)

        pair.overseer._put = watched  # type: ignore[method-assign]
        for _ in range(5):
            # the next beat may then leave at once, together with the row it claims: one batch for the overseer
            await pair.until(lambda: pair.clock.boot() - pair.overseer.book.proto.beat_at > 0.2)
            await pair.admitted(Impact.WRITE)
        assert max(said for said, _ in heard) >= 5
        assert all(said <= on_disk for said, on_disk in heard)


async def test_a_pause_is_on_disk_when_latched_and_held_once_the_worker_acknowledged_it() -> None:
    async with running() as pair:
        pair.asks("pause", "p1", "lunch")
        await pair.until(lambda: "held" in pair.stage("p1"))
        assert pair.stage("p1") == ["latched", "held"]
        desired = pair.record.load(Desired, "desired")
        assert desired is not None
        assert [one.name for one in desired.latches] == ["operator/ada"]
        assert pair.worker.control.latch is not None
        pair.asks("resume", "p2")
        await pair.until(lambda: pair.worker.control.latch is None)
        await pair.admitted(Impact.WRITE)


async def test_people_are_heard_once_it_is_known_what_the_broker_keeps_them_from() -> None:
    """A request that waited for a new overseer must not be refused because that was asked too early."""
    async with running() as pair:
        MemoryRecord(pair.disk).claim()
        await pair.until(pair.living.done)
        lines = Lines()
        lines.walls.clear()
        successor = overseer_on(pair.broker, pair.clock, Diary(pair.disk), lines)
        living = asyncio.create_task(_until_fenced(successor))
        try:
            pair.asks("pause", "p9", "early")
            await pair.until(lambda: successor.book.proto.acked is not None)
            assert pair.stage("p9") == []
            assert successor._people_link is None
            lines.walls.set()
            await pair.until(lambda: "latched" in pair.stage("p9"))
        finally:
            living.cancel()


async def test_a_pause_is_not_held_while_a_launch_is_under_way() -> None:
    async with running() as pair:
        pair.worker.control.launch_began()
        pair.asks("pause", "p1", "lunch")
        await pair.until(lambda: pair.worker.control.latch is not None)
        answered = pair.overseer.book.proto.beat_at
        await pair.until(lambda: pair.overseer.book.proto.beat_at > answered)
        assert pair.stage("p1") == ["latched"]
        pair.worker.control.launch_over()
        await pair.until(lambda: "held" in pair.stage("p1"))


async def test_a_pause_outlives_the_overseer_that_took_it() -> None:
    async with running() as pair:
        pair.asks("pause", "p1", "lunch")
        await pair.until(lambda: "held" in pair.stage("p1"))
        lines = Lines()
        successor = overseer_on(pair.broker, pair.clock, Diary(pair.disk), lines)
        assert [one.name for one in successor.book.proto.latches] == ["operator/ada"]
        assert successor.book.proto.epoch == pair.overseer.book.proto.epoch + 1


async def test_an_overseer_whose_record_was_claimed_answers_no_more_and_never_comes_back() -> None:
    async with running() as pair:
        # its timers have just written: until they do again, only the connection can notice
        await pair.until(lambda: pair.overseer._timed_at > 0)
        MemoryRecord(pair.disk).claim()
        epoch = pair.overseer.book.proto.epoch
        pair.broker.stop()
        connected = []
        attach = pair.broker.attach
        pair.broker.attach = lambda link: (connected.append(link.principal), attach(link))[1]  # type: ignore[method-assign,func-returns-value]
        pair.broker.start()
        async with asyncio.timeout(PATIENCE_S):
            await pair.living
        await pair.until(lambda: Role.WORKER in connected)
        assert Role.OVERSEER not in connected
        assert pair.disk.epoch == epoch + 1


async def test_an_order_is_on_disk_with_its_number_before_it_leaves() -> None:
    async with running() as pair:
        with pair.worker.journal.transaction() as writing:
            writing.put("run/current", RUN)
        pair.worker.journal.run = RUN.id
        pair.worker.journal.append(RunStarted(mission="m", goal="g"))
        await pair.until(lambda: pair.overseer.book.run.active)
        pair.asks("nudge", "n1", "try something else")
        await pair.until(lambda: any(key.startswith("say/") for key in pair.worker.record.disk.cells))
        await pair.until(lambda: pair.stage("n1") == ["done"])
        for disk in pair.record.commits:
            seen = MemoryRecord(disk)
            desired = seen.load(Desired, "desired")
            orders = [order for _, order in seen.scan(Order, "order/")]
            if desired is not None and desired.last_n > desired.acked_n:
                assert [order.n for order in orders] == [1]
                assert isinstance(orders[0].body, NudgeOrder)
            else:
                assert orders == []


async def test_acknowledged_leases_and_readiness_are_reported_to_the_supervisor() -> None:
    async with running() as pair:
        await pair.until(lambda: any(isinstance(line, LeaseReport) for line in pair.lines.heard))
        await pair.until(lambda: any(isinstance(line, Ready) for line in pair.lines.heard))
        assert {line.epoch for line in pair.lines.heard if isinstance(line, LeaseReport | Ready)} == {1}


@pytest.mark.parametrize("reading", [True, False])
async def test_a_latch_under_the_overseers_hand_stops_both_classes(reading: bool) -> None:
    async with running() as pair:
        pair.asks("pause", "p1", "lunch")
        await pair.until(lambda: "held" in pair.stage("p1"))
        impact = Impact.READ if reading else Impact.WRITE
        wait = pair.worker.control.may_start(impact, 1, ())
        assert wait is not None
        assert wait.by == "latch"
        assert isinstance(pair.worker.control.latch, Latch)
