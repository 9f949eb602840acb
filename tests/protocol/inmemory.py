"""The real worker's parts on a clock, a bus and a disk in memory."""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import cast

from typing_extensions import override

from watchdogd.adapters.clock import SystemClock
from watchdogd.core.access import Bounds
from watchdogd.core.conversation import ToolUse
from watchdogd.core.errors import SnapshotError
from watchdogd.core.events import Impact
from watchdogd.core.ids import AgentRef, Role
from watchdogd.core.lease.messages import Mode, Timing
from watchdogd.core.lifecycle import Mission, Run
from watchdogd.ports import SandboxProfile
from watchdogd.sim.broker import MemoryBroker
from watchdogd.sim.bus import MemoryBus
from watchdogd.sim.record import MemoryDisk, MemoryRecord, MemoryTransaction
from watchdogd.wire.envelope import recorded_event
from watchdogd.wire.topics import Topics
from watchdogd.worker.control import Controller
from watchdogd.worker.gate import Gate
from watchdogd.worker.journal import Journal
from watchdogd.worker.orders import OrderBook
from watchdogd.worker.preview import Stage
from watchdogd.worker.tools.call import Call
from watchdogd.worker.tools.toolbox import Toolbox

PATIENCE_S = 60.0
RUN = Run(id="r1", mission=Mission(name="m", goal="g"))


class Clock(SystemClock):
    """The real clock, and time that passes when a test says so."""

    passed_s = 0.0
    later_s = 0.0
    """Of the wall clock alone."""

    @override
    def wall(self) -> float:
        return super().wall() + self.later_s

    @override
    def boot(self) -> float:
        return super().boot() + self.passed_s


class Diary(MemoryRecord):
    """A record that shows its disk after every commit."""

    def __init__(self, disk: MemoryDisk) -> None:
        super().__init__(disk)
        self.disk = disk
        self.commits: list[MemoryDisk] = []
        self.on_commit: Callable[[], None] = lambda: None

    @override
    @contextmanager
    def transaction(self) -> Iterator[MemoryTransaction]:
        with super().transaction() as changing:
            yield changing
        self.commits.append(copy.deepcopy(self.disk))
        self.on_commit()

    def bodies(self) -> list[object]:
        return [recorded_event(row).body for row in self.disk.rows]


class Untouched:
    """No secrets here, and no long texts."""

    def text(self, text: str) -> str:
        return text

    def put(self, text: str) -> str:
        raise AssertionError(text)

    def get(self, digest: str) -> str | None:
        raise AssertionError(digest)


@dataclass
class OneTool:
    """A toolbox whose every call has the same class."""

    impact: Impact

    def prepare(self, use: ToolUse) -> Call:
        return Call(
            use=use,
            impact=self.impact,
            summary="does it",
            reasons=(),
            writes=("raw/orders.csv",),
            hosts=(),
            dangers=(),
            action_digest=f"digest of {use.name}",
            shown="does it",
            profile=SandboxProfile(workspace="/workspace"),
        )


def broker_on(clock: Clock) -> MemoryBroker:
    """A broker for one agent."""
    return MemoryBroker(Topics(ref=AgentRef(site="lab", agent="a1")), clock=clock)


async def no_copy(run: Run, call: Call) -> Stage:
    """A machine on which nothing can be copied."""
    raise SnapshotError(f"no preview for {call.use.name} of {run.id}: the disk is full")


@dataclass
class Parts:
    """What stands between a call and its effect."""

    clock: Clock
    record: Diary
    journal: Journal
    control: Controller
    orders: OrderBook
    bounds: Bounds = field(default_factory=Bounds)
    stage: Callable[[Run, Call], Awaitable[Stage]] = field(default=no_copy)
    """Makes the copy that a call is previewed in."""

    @staticmethod
    def on(broker: MemoryBroker, clock: Clock, disk: MemoryDisk) -> Parts:
        """A worker that has just started."""
        record = Diary(disk)
        journal = Journal(record, Untouched(), Untouched(), clock, "b1")
        control = Controller(
            bus=MemoryBus(broker, Role.WORKER, clock=clock, boot="b1"),
            record=record,
            journal=journal,
            clock=clock,
            timing=Timing(beat_s=0.5, holding_beat_s=0.05),
            boot="b1",
            mode=Mode.ENFORCE,
        )
        orders = OrderBook(record=record, journal=journal, missions=frozenset)
        control.orders = orders
        return Parts(clock, record, journal, control, orders)

    def gate(self, impact: Impact) -> Gate:
        """A gate whose every call is of class ``impact``."""
        return Gate(
            control=self.control,
            journal=self.journal,
            record=self.record,
            toolbox=lambda _: cast("Toolbox", OneTool(impact)),
            bounds=lambda _: self.bounds,
            clock=self.clock,
            stage=self.stage,
        )
