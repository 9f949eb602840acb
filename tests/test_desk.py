"""What the overseer does about requests and about what is late, on a disk in memory."""

from __future__ import annotations

import pytest

from tests.overseeing import Room
from watchdogd.core.lease.messages import Mode, NudgeOrder, OrderBody, StopOrder, Timing
from watchdogd.sim.record import MemoryDisk
from watchdogd.wire.channel import Decide

NUDGE, STOP = NudgeOrder(text="look"), StopOrder(by="ada", reason="enough")

# --- what is late ---


@pytest.mark.parametrize(
    ("mode", "order", "acts"),
    [
        (Mode.ENFORCE, NUDGE, ["freeze"]),
        (Mode.SHADOW, NUDGE, []),
        (Mode.ENFORCE, STOP, ["kill"]),
        (Mode.SHADOW, STOP, ["kill"]),
    ],
)
def test_an_order_that_nobody_acknowledges_is_told_and_acted_on_as_the_mode_has_it(
    mode: Mode, order: OrderBody, acts: list[str]
) -> None:
    room = Room.on(MemoryDisk(), mode=mode)
    room.run()
    with room.transaction() as changing:
        room.enforcer.order(changing, "r1", order)
    room.clock.passed_s += Timing().order_overdue_s + 1
    assert room.deadlines.due()
    with room.transaction() as changing:
        room.deadlines.look(changing)
    assert [line.what for line in room.enforcer.out.lines if isinstance(line, Decide)] == acts
    assert [one.group for one in room.book.escalations.values()] == ["order/1"]
