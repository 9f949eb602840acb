"""What the overseer does about requests and about what is late, on a disk in memory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.overseeing import MISSIONS, Room
from tests.protocol.inmemory import PATIENCE_S, Clock, Diary, broker_on
from tests.protocol.test_pair import Lines, overseer_on
from watchdogd.core.lease.messages import Mode, NudgeOrder, OrderBody, StopOrder, Timing
from watchdogd.overseer.redelivery import CONFIRMED_AFTER_S
from watchdogd.sim.broker import Parcel
from watchdogd.sim.record import MemoryDisk
from watchdogd.wire.channel import Decide, Lift
from watchdogd.wire.envelope import encode
from watchdogd.wire.messages import Message, ProcessReport, Request

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


# --- stopping ---

END = Request(command="stop", id="s1", text="enough")


def test_a_stop_is_on_its_way_until_the_run_says_how_it_ended() -> None:
    disk = MemoryDisk()
    room = Room.on(disk)
    room.run()
    (first,) = room.asked(END)
    assert (first.stage, first.text) == ("ordered", "a stop of run r1 is on its way (order 1); its end follows")
    (last,) = Room.on(disk).run_over("stopped", "stopped by ada: enough")
    assert (last.request, last.stage, last.text) == ("s1", "done", "run r1 has ended: stopped by ada: enough")


def test_a_run_that_had_ended_by_itself_was_not_stopped_and_nobody_is_told_so() -> None:
    room = Room.on(MemoryDisk())
    room.run()
    room.asked(END)
    (last,) = room.run_over()
    assert last.text == "run r1 had ended by itself before the stop reached it: done. it is"
    assert [one.status for one in room.asked(replace(END, id="s2"))] == ["error"]
    assert room.orders() == ["stop"]


# --- what the broker delivers again ---

RUN = Request(command="run", target="nightly")


def test_a_request_without_an_id_that_comes_again_by_another_connection_is_answered_again_and_not_done_again() -> None:
    disk = MemoryDisk()
    first = Room.on(disk).asked(RUN, link="l1")
    after = Room.on(disk)
    assert after.asked(RUN, link="l2") == first
    assert after.asked(RUN, link="l3") == first  # the second acknowledgement was lost too
    assert after.orders() == ["run"]


def test_the_same_words_twice_on_one_connection_are_two_requests() -> None:
    room = Room.on(MemoryDisk())
    first, second = room.asked(RUN), room.asked(RUN)
    assert first != second
    assert room.orders() == ["run", "run"]
    assert [room.asked(RUN, link="l2"), room.asked(RUN, link="l2")] == [first, second]
    assert room.orders() == ["run", "run"]


def test_another_persons_same_words_are_another_request() -> None:
    room = Room.on(MemoryDisk())
    pause = Request(command="pause")
    room.asked(pause, user="ada")
    first = room.asked(RUN)
    room.asked(pause, user="bob", link="l2")
    room.asked(RUN, user="bob", link="l2")
    assert room.asked(RUN, link="l2") == first
    assert room.orders() == ["run"]
    assert [one.name for one in room.book.proto.latches] == ["operator/ada", "operator/bob"]


def settled(room: Room, link: str, since: float) -> None:
    with room.transaction() as changing:
        room.desk.redeliveries.settle(changing, link, since)


def test_what_the_broker_must_know_by_now_is_forgotten_and_may_be_said_again() -> None:
    disk = MemoryDisk()
    room = Room.on(disk)
    room.asked(RUN, link="l1")
    room.clock.passed_s = CONFIRMED_AFTER_S + 1
    settled(room, "", 0.0)
    settled(room, "l2", room.clock.boot())
    room.asked(RUN, link="l2")
    assert room.orders() == ["run"]  # l2 had not lived long enough to tell
    room.clock.passed_s += CONFIRMED_AFTER_S + 1
    settled(room, "l2", 0.0)
    assert not any(key.startswith("unconfirmed/") for key in disk.cells)
    room.asked(RUN, link="l3")
    assert room.orders() == ["run", "run"]


class Died(Exception):
    """As by kill -9."""


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not holds():
            await asyncio.sleep(0.01)


async def test_an_overseer_that_dies_between_the_commit_and_the_acknowledgement_leaves_no_second_run() -> None:
    clock, disk = Clock(), MemoryDisk()
    broker, record = broker_on(clock), Diary(disk)

    def orders() -> list[str]:
        return [json.loads(row.body)["kind"] for row in disk.rows if json.loads(row.body)["kind"] == "order"]

    def dies_over_the_order() -> None:
        if orders():
            raise Died

    record.on_commit = dies_over_the_order
    first = overseer_on(broker, clock, record, Lines(), MISSIONS)
    living = asyncio.create_task(first.run())
    await until(lambda: any(one.kept and one.link is not None for one in broker.sessions.values()))
    topic = f"{broker.topics.root}/control/request/ada"
    broker.publish("ada", Parcel(topic=topic, raw=b"run nightly", qos=1, retain=False, sender="ada"))
    with pytest.raises(ExceptionGroup) as died:
        await living
    assert died.group_contains(Died)
    assert orders() == ["order"]

    again = asyncio.create_task(overseer_on(broker, clock, Diary(disk), Lines(), MISSIONS).run())
    await until(lambda: not any(one.unacknowledged for one in broker.sessions.values()))
    again.cancel()
    await asyncio.wait({again})
    said = [json.loads(row.body)["body"]["text"] for row in disk.rows if json.loads(row.body)["kind"] == "response"]
    assert said == ["mission nightly is queued (order 1)"] * 2
    assert orders() == ["order"]


async def test_what_the_supervisor_says_of_a_freeze_reaches_the_person_who_wants_to_resume() -> None:
    clock, disk = Clock(), MemoryDisk()
    broker = broker_on(clock)
    overseer = overseer_on(broker, clock, Diary(disk), Lines(), MISSIONS)
    living = asyncio.create_task(overseer.run())
    await until(lambda: any(one.kept and one.link is not None for one in broker.sessions.values()))
    report = ProcessReport(state="frozen", reason="running")
    said = Message(payload=report, headline="frozen", at=clock.wall(), source="supervisor", boot="s1")
    topic, raw, _ = encode(broker.topics, said)
    broker.publish("supervisor", Parcel(topic=topic, raw=raw, qos=1, retain=True, sender="supervisor"))
    await until(lambda: overseer.book.process == report)
    topic = f"{broker.topics.root}/control/request/ada"
    broker.publish("ada", Parcel(topic=topic, raw=b"resume", qos=1, retain=False, sender="ada"))
    await until(lambda: any(json.loads(row.body)["kind"] == "response" for row in disk.rows))
    living.cancel()
    await asyncio.wait({living})
    (text,) = (json.loads(row.body)["body"]["text"] for row in disk.rows if json.loads(row.body)["kind"] == "response")
    assert "thaws them by itself" in text


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
