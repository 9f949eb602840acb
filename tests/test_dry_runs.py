"""Dry runs from their order to their end: one copy each, an honest end whatever happens, and never the real thing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import cast

import pytest

from tests.protocol.inmemory import PATIENCE_S, Clock, Diary, Untouched
from watchdogd.core.errors import SnapshotError
from watchdogd.core.events import Event, Previewed, RunFinished, RunStarted, ToolFinished
from watchdogd.core.lease.messages import RunOrder
from watchdogd.core.lifecycle import Mission, Run, Started
from watchdogd.overseer.judge import words
from watchdogd.ports import Schedule
from watchdogd.sim.record import MemoryDisk
from watchdogd.worker.checkpoints import Checkpoints
from watchdogd.worker.gate import Gate
from watchdogd.worker.headlines import headline
from watchdogd.worker.journal import Journal
from watchdogd.worker.missions import Missions, Trigger
from watchdogd.worker.preview import LOST, Rehearsals
from watchdogd.worker.run import Drained, Runner

TIDY = Mission(name="tidy", goal="Tidy.", budget_tokens=1_000)
DRY = RunOrder(mission="tidy", by="ada", dry_run=True, request="req-1")


class Untaken:
    """No checkpoints, and no rollback."""

    due = False

    async def ready(self, ending: object = None) -> None:
        """Nothing was interrupted."""


@dataclass
class Copies:
    """The copies of dry runs, on paper."""

    none: str = ""
    """Why there can be none."""
    begun: list[str] = field(default_factory=list)
    discarded: int = 0
    making: asyncio.Event | None = None

    async def begin(self, run: Run) -> None:
        self.begun.append(run.id)
        if self.making is not None:
            await self.making.wait()
        if self.none:
            raise SnapshotError(self.none)

    async def end(self) -> Previewed | None:
        return Previewed(summary="1 added", total=1) if self.begun and not self.none else None

    async def discard(self) -> None:
        self.discarded += 1


@dataclass
class Carrier:
    """A runner that remembers what it was given."""

    then: Callable[[], None] = lambda: None
    runs: list[Run] = field(default_factory=list)
    draining: bool = False
    run_now: Run | None = None

    async def carry_out(self, run: Run) -> RunFinished:
        self.runs.append(run)
        self.then()
        return RunFinished(outcome="done", reason="all well", steps=3)


@dataclass
class Place:
    """Missions on a disk in memory."""

    record: Diary
    copies: Copies
    runner: Carrier
    missions: Missions

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not holds():
                await asyncio.sleep(0)

    def of(self, kind: type) -> list[object]:
        return [one for one in self.record.bodies() if isinstance(one, kind)]

    async def finished(self) -> RunFinished:
        await self.until(lambda: bool(self.of(RunFinished)))
        return cast("RunFinished", self.of(RunFinished)[0])


@asynccontextmanager
async def living(
    *cells: tuple[str, object], copies: Copies | None = None, runner: Carrier | None = None, trigger: str = "request"
) -> AsyncIterator[Place]:
    record, clock = Diary(MemoryDisk()), Clock()
    record.claim()
    with record.transaction() as changing:
        for key, value in cells:
            changing.put(key, value)
    copies, runner = copies or Copies(), runner or Carrier()
    missions = Missions(
        missions={"tidy": TIDY},
        triggers=[Trigger(mission="tidy", kind=trigger)],  # type: ignore[arg-type]
        runner=cast("Runner", runner),
        record=record,
        journal=Journal(record, Untouched(), Untouched(), clock, "b1"),
        schedule=cast("Schedule", None),
        clock=clock,
        checkpoints=cast("Checkpoints", Untaken()),
        workspace="/w",
        daemon_boot="d1",
        rehearsals=cast("Rehearsals", copies),
        denied_paths=(),
    )
    task = asyncio.get_running_loop().create_task(missions.run())
    try:
        yield Place(record, copies, runner, missions)
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError, Drained):
            await task


async def test_a_dry_run_has_its_copy_before_it_begins_and_says_at_its_end_what_it_would_have_changed() -> None:
    async with living(("queue/1", DRY)) as place:
        finished = await place.finished()
        (started,) = place.of(RunStarted)
        assert isinstance(started, RunStarted)
        assert (started.dry_run, started.request, started.trigger) == (True, "req-1", "ada")
        assert [run.dry_run for run in place.runner.runs] == [True]
        assert place.copies.begun == [place.runner.runs[0].id]
        assert finished.outcome == "done"
        assert finished.reason == "all well (dry run: nothing was changed; it would have: 1 added)"
        assert place.record.bodies()[-2:] == [Previewed(summary="1 added", total=1), finished]
        assert place.copies.discarded
        assert place.record.load(Run, "run/current") is None


async def test_a_run_that_is_none_has_no_copy() -> None:
    async with living(("queue/1", replace(DRY, dry_run=False))) as place:
        assert (await place.finished()).reason == "all well"
        assert place.copies.begun == []
        assert place.of(Previewed) == []


async def test_without_a_copy_a_dry_run_ends_before_its_first_step() -> None:
    async with living(("queue/1", DRY), copies=Copies(none="no preview of /w: the disk is full")) as place:
        finished = await place.finished()
        assert finished.outcome == "failed"
        assert finished.reason == "no dry run: no preview of /w: the disk is full"
        assert place.runner.runs == []


async def test_a_dry_run_whose_worker_died_is_ended_and_never_goes_on_without_its_copy() -> None:
    run = Run(id="r1", mission=TIDY, started_at=1.0, messages=1, step=2, dry_run=True)
    started = Started(call="c1", tool="shell", run="r1", seq=3, action_digest="d", reading=True)
    async with living(("run/current", run), ("call/current", started)) as place:
        finished = await place.finished()
        assert (finished.outcome, finished.reason, finished.steps) == ("failed", LOST, 2)
        assert place.runner.runs == []
        assert place.copies.begun == []
        (call,) = place.of(ToolFinished)
        assert isinstance(call, ToolFinished)
        assert (call.outcome, call.error_class) == ("in_doubt", "read"), "what ran in a copy needs nobody's look"
        assert place.record.load(Run, "run/current") is None


async def test_a_dry_run_left_over_from_before_is_no_start_of_its_mission() -> None:
    run = Run(id="r1", mission=TIDY, started_at=1.0, messages=1, dry_run=True)
    async with living(("run/current", run), trigger="start") as place:
        await place.until(lambda: len(place.of(RunFinished)) == 2)
        assert [one.dry_run for one in place.runner.runs] == [False]


async def test_a_dry_run_that_waits_does_not_stand_in_for_a_start() -> None:
    waiting = RunOrder(mission="tidy", by="start", dry_run=True)
    async with living(("queue/1", waiting), trigger="start") as place:
        await place.until(lambda: len(place.of(RunFinished)) == 2)
        assert sorted(one.dry_run for one in place.runner.runs) == [False, True]


async def test_a_stop_ends_a_dry_run_also_while_its_copy_is_made() -> None:
    async with living(("queue/1", DRY), copies=Copies(making=asyncio.Event())) as place:
        await place.until(lambda: bool(place.copies.begun))
        current = place.record.load(Run, "run/current")
        assert current is not None
        with place.record.transaction() as changing:
            changing.put("run/current", replace(current, stop="stopped by ada: enough"))
        place.missions.stop_now()
        finished = await place.finished()
        assert finished.outcome == "stopped"
        assert finished.reason.startswith("stopped by ada: enough (dry run: ")
        assert place.copies.discarded


async def test_a_worker_that_is_drained_throws_the_copy_away_and_leaves_the_run_to_be_ended() -> None:
    def drain() -> None:
        raise Drained

    async with living(("queue/1", DRY), runner=Carrier(then=drain)) as place:
        await place.until(lambda: place.copies.discarded > 0)
        assert place.of(RunFinished) == []
        kept = place.record.load(Run, "run/current")
        assert kept is not None
        assert kept.dry_run


@pytest.mark.parametrize("dry", [True, False])
async def test_the_order_says_whether_it_is_dry(dry: bool) -> None:
    async with living(("queue/1", replace(DRY, dry_run=dry))) as place:
        await place.finished()
        assert place.runner.runs[0].dry_run is dry


@pytest.mark.parametrize("dry", [True, False])
def test_a_dry_run_ends_at_the_disk_floor_where_others_hold(dry: bool) -> None:
    runner = Runner.__new__(Runner)
    runner.run_now = Run(id="r1", mission=TIDY, dry_run=dry)
    runner._gate = cast("Gate", SimpleNamespace(also_hold=lambda: "only 3 MiB free on disk"))
    ended = runner._must_end()
    assert ended == (RunFinished(outcome="failed", reason="only 3 MiB free on disk", cost_usd=0) if dry else None)


def test_the_judge_reads_that_nothing_was_changed() -> None:
    began = RunStarted(mission="tidy", trigger="ada", dry_run=True)
    assert words(Event(seq=1, body=began)) == "mission tidy started by ada as a dry run: nothing it does is real"
    would = Previewed(call="c1", tool="edit", summary="1 modified", total=1)
    assert words(Event(seq=2, body=would)) == "edit changed nothing; it would have: 1 modified"


@pytest.mark.parametrize(
    ("would", "said"),
    [
        (Previewed(summary="1 added", total=1), "preview: the dry run would have changed 1 added"),
        (Previewed(call="c1", tool="edit"), "preview: this edit call would have changed nothing"),
    ],
)
def test_a_preview_in_one_line_for_a_phone(would: Previewed, said: str) -> None:
    assert headline(Event(seq=1, body=would)) == said
