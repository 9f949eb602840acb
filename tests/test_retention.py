"""What the overseer forgets in time, what it never does, and that dying over it leaves nothing half forgotten."""

from __future__ import annotations

import asyncio
import copy
import json
from pathlib import Path

import pytest

from tests.overseeing import Room
from tests.protocol.inmemory import PATIENCE_S, Clock, Diary, broker_on
from tests.protocol.test_pair import Lines, overseer_on
from watchdogd.adapters.sqlite import SqliteRecord, read_rows
from watchdogd.core.chain import breaks
from watchdogd.core.events import Nudged
from watchdogd.core.health import Severity
from watchdogd.core.plan import Tell
from watchdogd.core.retention import DAY_S, Keep, kept_from
from watchdogd.overseer.retention import PAGE, RecordRetention
from watchdogd.sim.record import MemoryDisk
from watchdogd.wire.messages import Request

MUCH = 1_000


def room_with(disk: MemoryDisk, *, runs: int, events: int, clock: Clock | None = None) -> Room:
    """Runs that are over, each with so many events between its first and its last."""
    room = Room.on(disk, clock=clock)
    for _ in range(runs):
        room.run()
        with room.transaction() as changing:
            for n in range(events):
                room.folded(changing, Nudged(order=n + 1, text="x" * 50, rule="r"))
        room.run_over()
    return room


def swept(room: Room, keep: Keep, *, looks: int = 1) -> RecordRetention:
    retention = RecordRetention(room.book, room.record, room.clock, keep)
    for _ in range(looks):
        with room.transaction() as changing:
            retention.look(changing)
    return retention


def stored(disk: MemoryDisk) -> list[int]:
    return [int(key.split("/")[1]) for key in sorted(disk.cells) if key.startswith("event/")]


def aged(clock: Clock, days: float) -> None:
    clock.later_s += days * DAY_S


# --- events ---


@pytest.mark.parametrize(
    ("starts", "runs", "needed", "first"),
    [
        ((), 3, (), 0),
        ((1, 10, 20, 30), 2, (), 20),
        ((1, 10, 20, 30), 9, (), 1),
        ((1, 10, 20, 30), 0, (), 30),
        ((1, 10, 20, 30), 2, (15, 25, 0), 15),
    ],
)
def test_the_newest_runs_and_what_is_referred_to_are_kept(
    starts: tuple[int, ...], runs: int, needed: tuple[int, ...], first: int
) -> None:
    assert kept_from(starts, Keep(runs=runs), needed) == first


def test_events_go_when_they_are_old_and_not_of_the_newest_runs() -> None:
    disk = MemoryDisk()
    room = room_with(disk, runs=4, events=3)  # five events a run
    swept(room, Keep(days=30, runs=2))
    assert stored(disk) == list(range(1, 21))
    aged(room.clock, 31)
    swept(room, Keep(days=30, runs=2))
    assert stored(disk) == list(range(11, 21))
    (told,) = [json.loads(row.body)["body"] for row in disk.rows if json.loads(row.body)["kind"] == "forgot"]
    assert told["events"] == [1, 10]


def test_what_is_left_folds_to_what_was_there_before() -> None:
    disk = MemoryDisk()
    before = room_with(disk, runs=4, events=3)
    aged(before.clock, 31)
    swept(before, Keep(runs=1))
    after = Room.on(disk, clock=before.clock)
    assert stored(disk) == list(range(16, 21))
    assert (after.book.run, after.book.health, after.book.folded_seq) == (
        before.book.run,
        before.book.health,
        before.book.folded_seq,
    )
    after.run()
    assert after.book.run.active


def test_what_an_open_escalation_shows_stays() -> None:
    disk = MemoryDisk()
    room = room_with(disk, runs=4, events=3)
    with room.transaction() as changing:
        one = room.enforcer.tell(changing, Tell(group="g", severity=Severity.WARN, headline="look", evidence=(7,)))
    aged(room.clock, 31)
    swept(room, Keep(runs=1))
    assert stored(disk)[0] == 7
    with room.transaction() as changing:
        room.enforcer.close(changing, one, "acked", "ada")
    swept(room, Keep(runs=1))
    assert stored(disk)[0] == 16


def test_too_much_goes_before_its_time_and_never_the_newest_runs() -> None:
    disk = MemoryDisk()
    room = room_with(disk, runs=4, events=3)
    swept(room, Keep(days=30, runs=2, size_bytes=10))
    assert stored(disk) == list(range(11, 21))


def test_many_events_go_page_by_page_and_then_it_rests() -> None:
    disk = MemoryDisk()
    room = room_with(disk, runs=2, events=MUCH)
    aged(room.clock, 31)
    retention = swept(room, Keep(runs=1))
    assert stored(disk)[0] == PAGE + 1
    for _ in range(3):
        with room.transaction() as changing:
            retention.look(changing)
    assert stored(disk)[0] == MUCH + 3
    aged(room.clock, 31)
    room.run()
    room.run_over()
    with room.transaction() as changing:
        retention.look(changing)
    assert stored(disk)[0] == MUCH + 3
    room.clock.passed_s += 3_601
    with room.transaction() as changing:
        retention.look(changing)
    assert stored(disk)[0] > MUCH + 3


# --- answers ---


def test_an_answer_is_known_for_as_long_as_it_is_young_and_forgotten_then() -> None:
    disk = MemoryDisk()
    room = Room.on(disk)
    run = Request(command="run", id="p1", target="nightly")
    first = room.asked(run)
    aged(room.clock, 29)
    swept(room, Keep(days=30))
    assert room.asked(run) == first
    aged(room.clock, 2)
    swept(room, Keep(days=30))
    again = room.asked(run)
    assert again != first
    swept(room, Keep(days=30))
    assert room.asked(run) == again
    assert room.orders() == ["run", "run"]


def test_what_was_opened_long_ago_and_closed_just_now_is_known_to_be_over() -> None:
    room = Room.on(MemoryDisk())
    with room.transaction() as changing:
        told = room.enforcer.tell(changing, Tell(group="g", severity=Severity.WARN, headline="h", evidence=()))
    aged(room.clock, 31)
    with room.transaction() as changing:
        room.enforcer.close(changing, told, "acked", "ada")
    swept(room, Keep(), looks=2)
    assert room.desk.closed(told.id) is not None


def test_closed_questions_go_and_open_ones_stay() -> None:
    disk = MemoryDisk()
    room = Room.on(disk)
    with room.transaction() as changing:
        for group in ("over", "open"):
            told = room.enforcer.tell(changing, Tell(group=group, severity=Severity.WARN, headline="h", evidence=()))
            if group == "over":
                room.enforcer.close(changing, told, "acked", "ada")
    aged(room.clock, 31)
    swept(room, Keep(), looks=3)
    assert not [key for key in disk.cells if key.startswith("closed/")]
    assert [one.group for one in Room.on(disk).book.escalations.values()] == ["open"]


def test_rows_are_never_dropped_and_the_chain_holds() -> None:
    disk = MemoryDisk()
    room = room_with(disk, runs=3, events=3)
    room.asked(Request(command="pause", id="p1"))
    before = list(disk.rows)
    aged(room.clock, 31)
    swept(room, Keep(runs=1), looks=3)
    assert disk.rows[: len(before)] == before
    assert breaks(disk.rows) == []


# --- dying over it ---


def test_whoever_dies_after_any_page_leaves_a_record_that_folds_and_is_swept_to_the_same_end() -> None:
    disk = MemoryDisk()
    room = room_with(disk, runs=3, events=MUCH // 2)
    for n in range(20):
        room.asked(Request(command="nudge", id=f"r{n}", text="go"))
    aged(room.clock, 31)
    keep = Keep(runs=1)
    states = [copy.deepcopy(disk)]
    retention = RecordRetention(room.book, room.record, room.clock, keep)
    for _ in range(8):
        with room.transaction() as changing:
            retention.look(changing)
        states.append(copy.deepcopy(disk))
    final = stored(disk)
    assert len({len(stored(one)) for one in states}) > 2, "it took several pages"
    for one in states:
        left = stored(one)
        assert left == list(range(left[0], room.book.folded_seq + 1))
        after = Room.on(one, clock=room.clock)
        assert (after.book.run, after.book.health) == (room.book.run, room.book.health)
        swept(after, keep, looks=8)
        assert stored(one) == final
        assert breaks(one.rows) == []


# --- in the daemon ---


async def test_an_overseer_forgets_from_its_start_on() -> None:
    disk = MemoryDisk()
    room = room_with(disk, runs=3, events=3)
    clock = room.clock
    aged(clock, 31)
    overseer = overseer_on(broker_on(clock), clock, Diary(disk), Lines(), keep=Keep(runs=1))
    living = asyncio.create_task(overseer.run())
    async with asyncio.timeout(PATIENCE_S):
        while stored(disk)[0] != 11:
            await asyncio.sleep(0.01)
    living.cancel()
    await asyncio.wait({living})


def test_what_was_dropped_no_longer_counts_as_size(tmp_path: Path) -> None:
    record = SqliteRecord(tmp_path / "record.db")
    try:
        empty = record.size_bytes
        with record.transaction() as changing:
            for n in range(200):
                changing.put(f"event/{n:012d}", "x" * 5_000)
        full = record.size_bytes
        with record.transaction() as changing:
            for n in range(200):
                changing.drop(f"event/{n:012d}")
        assert full - empty > 200 * 5_000
        assert record.size_bytes - empty < (full - empty) / 10
    finally:
        record.close()
    assert list(read_rows(tmp_path / "record.db")) == []
