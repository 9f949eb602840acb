"""What the overseer does about requests and about what is late, on a disk in memory."""

from __future__ import annotations

import pytest

from tests.overseeing import Room
from watchdogd.core.lease.messages import Mode, NudgeOrder, OrderBody, StopOrder, Timing
from watchdogd.sim.record import MemoryDisk
from watchdogd.wire.channel import Decide, Lift
from watchdogd.wire.messages import Request

NUDGE, STOP = NudgeOrder(text="look"), StopOrder(by="ada", reason="enough")

# --- taking a decision back ---


def lifts(room: Room) -> list[Lift]:
    """What the next look at the deadlines says to the supervisor."""
    with room.transaction() as changing:
        room.deadlines.look(changing)
    return [line for line in room.enforcer.out.lines if isinstance(line, Lift)]


@pytest.mark.parametrize("asked", [Request(command="resume", id="a"), Request(command="run", id="a", target="nightly")])
def test_a_lift_is_said_again_by_whoever_comes_after_until_the_supervisor_has_it_on_disk(asked: Request) -> None:
    disk = MemoryDisk()
    room = Room.on(disk)
    assert [one.status for one in room.asked(asked)] == ["ok"]
    (said,) = [line for line in room.enforcer.out.lines if isinstance(line, Lift)]
    after = Room.on(disk)
    assert lifts(after) == [said]
    with after.transaction() as changing:
        after.enforcer.lifted(changing, said.n - 1)
    assert lifts(after) == [said]
    with after.transaction() as changing:
        after.enforcer.lifted(changing, said.n)
    assert lifts(after) == []
    assert lifts(Room.on(disk)) == []


def test_to_release_one_latch_by_name_lifts_nothing() -> None:
    room = Room.on(MemoryDisk())
    room.asked(Request(command="pause", id="a"))
    room.asked(Request(command="resume", id="b", target="operator/ada"))
    assert lifts(room) == []


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
