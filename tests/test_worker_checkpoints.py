"""The worker's checkpoints over a real record, a real store and a real workspace, dying wherever it can."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest
from typing_extensions import override

from watchdogd.adapters.checkpoints import WorkspaceSnapshots
from watchdogd.adapters.objects import ObjectDirectory
from watchdogd.adapters.redaction import SecretRedactor
from watchdogd.adapters.snapshots.store import SnapshotStore
from watchdogd.adapters.sqlite import SqliteRecord, SqliteTransaction
from watchdogd.core.conversation import Message, ToolUse, result, said
from watchdogd.core.errors import RecordFull, SnapshotError
from watchdogd.core.events import (
    Body,
    CheckpointTaken,
    Compared,
    Impact,
    RolledBack,
    ToolFinished,
    ToolIntended,
)
from watchdogd.core.ids import canonical
from watchdogd.core.lease.messages import CompareOrder, ForgetOrder, Order, RollbackOrder, StopOrder
from watchdogd.core.lifecycle import Mission, Run
from watchdogd.core.rollback import Restored
from watchdogd.sim.clock import HandClock
from watchdogd.worker.checkpoints import ORDERED, Checkpoints, Ordered
from watchdogd.worker.journal import Journal
from watchdogd.worker.orders import OrderBook
from watchdogd.worker.tools.call import Call

RUN = Run(id="r1", mission=Mission(name="ingest", goal="g"), messages=1)
OTHER = Run(id="r2", mission=Mission(name="ingest", goal="g"), messages=1)


B = TypeVar("B", bound=Body)


class Hasty(HandClock):
    """Nobody waits: time passes at once."""

    @override
    async def sleep(self, seconds: float) -> None:
        self.advance(seconds)


class Killed(BaseException):
    """The process dies here."""


class Mortal(SqliteRecord):
    """A record that dies right after a commit of its choice."""

    dies_after = -1
    commits = 0

    @override
    @contextmanager
    def transaction(self) -> Iterator[SqliteTransaction]:
        with super().transaction() as changing:
            yield changing
        self.commits += 1
        if self.commits == self.dies_after:
            raise Killed


@dataclass
class Bed:
    """A worker's checkpoints, and the means to kill and start them."""

    root: Path
    clock: Hasty
    on_step: Callable[[str], None] = lambda _: None

    def __post_init__(self) -> None:
        self.workspace.mkdir(parents=True, exist_ok=True)
        self.start()

    @property
    def workspace(self) -> Path:
        return self.root / "workspace"

    def start(self) -> None:
        self.record = Mortal(self.root / "record.db")
        self.record.claim()
        self.journal = Journal(
            self.record, ObjectDirectory(self.root / "objects"), SecretRedactor(()), self.clock, "b1"
        )
        self.journal.run = RUN.id
        store = SnapshotStore(str(self.root / "state"), clock=self.clock, on_step=lambda name: self.on_step(name))
        self.snapshots = WorkspaceSnapshots(store, str(self.workspace), deadline_s=60)
        self.checkpoints = Checkpoints(
            snapshots=self.snapshots,
            record=self.record,
            journal=self.journal,
            clock=self.clock,
            every_s=900,
            before_risky=True,
        )
        self.orders = OrderBook(record=self.record, journal=self.journal, missions=frozenset)

    def stop(self) -> None:
        self.snapshots.close()
        self.record.close()

    async def restart(self) -> None:
        """As after a kill: nothing but the disk is left."""
        self.stop()
        self.on_step = lambda _: None
        self.start()
        await self.checkpoints.ready()

    def talk(self, run: Run, *messages: Message) -> Run:
        with self.journal.transaction() as writing:
            for index, message in enumerate(messages):
                writing.put(f"message/{run.id}/{index:06d}", message)
            run = Run(id=run.id, mission=run.mission, messages=len(messages), step=run.step + 1)
            writing.put("run/current", run)
        return run

    def messages(self, run: Run) -> list[Message]:
        return [message for _, message in self.record.scan(Message, f"message/{run.id}/")]

    def said(self, kind: type[B]) -> list[B]:
        return [one.body for one in self.journal.events(1, self.journal.head) if isinstance(one.body, kind)]

    def tree(self) -> dict[str, str]:
        return {
            str(path.relative_to(self.workspace)): path.read_text()
            for path in sorted(self.workspace.rglob("*"))
            if path.is_file()
        }

    def order(self, n: int, body: RollbackOrder | CompareOrder | ForgetOrder, run: str = "") -> str:
        return self.orders.apply(Order(epoch=1, n=n, run=run, body=body))


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Bed]:
    made = Bed(tmp_path, Hasty())
    yield made
    made.stop()


def call(impact: Impact, *, dangers: tuple[str, ...] = ()) -> Call:
    return Call(
        use=ToolUse(id="t1", name="shell", args={}),
        impact=impact,
        summary="rm -r raw",
        reasons=(),
        writes=(),
        hosts=(),
        dangers=dangers,
        action_digest="a",
        shown="",
    )


GOAL = said("user", "ingest the orders")
WROTE = Message(role="assistant", content=({"type": "tool_use", "id": "t1", "name": "shell", "input": {}},))
DONE = Message(role="user", content=(result("t1", "ok", is_error=False),))


async def damaged(bed: Bed) -> tuple[Run, str, dict[str, str]]:
    """A run whose workspace went wrong after a checkpoint: the run, the checkpoint, the tree of then."""
    (bed.workspace / "raw.csv").write_text("good")
    (bed.workspace / "kept.txt").write_text("same")
    run = bed.talk(RUN, GOAL)
    assert await bed.checkpoints.at_boundary(run)
    target = bed.checkpoints.latest
    good = bed.tree()
    (bed.workspace / "raw.csv").write_text("bad")
    (bed.workspace / "extra").mkdir()
    (bed.workspace / "extra" / "new.txt").write_text("unwanted")
    bed.journal.append(
        ToolIntended(call="t1", tool="post", impact=Impact.EXTERNAL, summary="post the report"),
        ToolFinished(call="t1", tool="post", outcome="ok"),
        ToolIntended(call="t2", tool="post", impact=Impact.NETWORK, summary="push the branch"),
        ToolFinished(call="t2", tool="post", outcome="in_doubt"),
    )
    return bed.talk(run, GOAL, WROTE, DONE), target, good


# --- taking ---


async def test_a_run_begins_with_a_checkpoint_and_then_keeps_to_the_schedule(bed):
    run = bed.talk(RUN, GOAL)
    assert await bed.checkpoints.at_boundary(run)
    assert not await bed.checkpoints.at_boundary(run)
    await bed.checkpoints.before(run, call(Impact.WRITE))
    assert not await bed.checkpoints.at_boundary(run)
    bed.clock.advance(901)
    assert await bed.checkpoints.at_boundary(run)
    bed.clock.advance(901)
    assert not await bed.checkpoints.at_boundary(run), "nothing was called since"
    assert [one.reason for one in bed.said(CheckpointTaken)] == ["ingest begins", "schedule"]


@pytest.mark.parametrize(
    ("one", "taken"),
    [
        (call(Impact.DESTRUCTIVE), 1),
        (call(Impact.EXTERNAL), 1),
        (call(Impact.EXECUTE, dangers=("kills processes",)), 1),
        (call(Impact.EXECUTE), 0),
        (call(Impact.READ), 0),
    ],
)
async def test_risky_calls_get_a_checkpoint_first(bed, one, taken):
    run = bed.talk(RUN, GOAL)
    await bed.checkpoints.at_boundary(run)
    await bed.checkpoints.before(run, call(Impact.WRITE))
    before = len(bed.said(CheckpointTaken))
    await bed.checkpoints.before(run, one)
    assert len(bed.said(CheckpointTaken)) - before == taken


async def test_nothing_is_saved_twice_when_nothing_ran_in_between(bed):
    run = bed.talk(RUN, GOAL)
    await bed.checkpoints.at_boundary(run)
    await bed.checkpoints.before(run, call(Impact.DESTRUCTIVE))
    assert len(bed.said(CheckpointTaken)) == 1


async def test_a_checkpoint_that_cannot_be_taken_says_so_and_the_run_goes_on(bed):
    run = bed.talk(RUN, GOAL)
    bed.workspace.rmdir()
    assert await bed.checkpoints.at_boundary(run)
    (told,) = bed.said(CheckpointTaken)
    assert (told.checkpoint, told.complete) == ("", False)
    assert "workspace" in told.why
    assert bed.checkpoints.latest == ""


async def test_what_was_cut_short_before_anybody_heard_of_it_is_dropped_at_the_next_start(bed):
    run = bed.talk(RUN, GOAL)
    bed.record.dies_after = bed.record.commits + 1
    with pytest.raises(Killed):
        await bed.checkpoints.at_boundary(run)
    await bed.restart()
    assert len(bed.said(CheckpointTaken)) == 1  # it died after the commit: this one counts
    known = await bed.snapshots.ids()
    await bed.snapshots.take("orphan", reason="", at_seq=0, extra={})
    await bed.restart()
    assert await bed.snapshots.ids() == known


# --- returning ---


async def test_workspace_and_conversation_go_back_together_and_the_note_names_what_left(bed):
    run, target, good = await damaged(bed)
    assert (
        bed.order(7, RollbackOrder(checkpoint=target, by="anna", reason="r", note="wrong file", latch="rollback/anna"))
        == ""
    )
    await bed.checkpoints.roll_back(run)
    assert bed.tree() == good
    assert not bed.checkpoints.due
    first, *rest = bed.messages(run)
    assert rest == []
    assert first.content[0] == GOAL.content[0]
    note = first.content[1]["text"]
    assert "wrong file" in note
    assert "post the report" in note
    assert "push the branch (in doubt)" in note
    (said_,) = bed.said(RolledBack)
    assert (said_.ok, said_.at, said_.latch, said_.checkpoint) == (True, "target", "rollback/anna", target)
    assert (said_.changed, said_.quarantined, said_.saved_as) == (1, 1, "before-7")
    assert said_.outside == ("post the report", "push the branch (in doubt)")
    current = bed.record.load(Run, "run/current")
    assert current is not None
    assert (current.messages, current.step) == (1, run.step), "counters go on, the conversation went back"


async def test_a_rollback_can_be_rolled_back(bed):
    run, target, _ = await damaged(bed)
    bad = bed.tree()
    bed.order(1, RollbackOrder(checkpoint=target))
    await bed.checkpoints.roll_back(run)
    run = bed.record.load(Run, "run/current") or run
    bed.order(2, RollbackOrder(checkpoint="before-1"))
    await bed.checkpoints.roll_back(run)
    assert bed.tree() == bad
    assert [message.role for message in bed.messages(run)] == ["user", "assistant", "user"]


async def test_a_call_that_was_about_to_run_is_answered_and_not_made(bed):
    (bed.workspace / "raw.csv").write_text("good")
    run = bed.talk(RUN, GOAL, WROTE)
    await bed.checkpoints.before(run, call(Impact.DESTRUCTIVE))
    target = bed.checkpoints.latest
    bed.order(1, RollbackOrder(checkpoint=target))
    await bed.checkpoints.roll_back(run)
    *_, last = bed.messages(run)
    assert last.role == "user"
    assert last.content[0]["tool_use_id"] == "t1"
    assert "not made" in str(last.content[0]["content"])


async def test_without_a_run_the_workspace_alone_goes_back(bed):
    _, target, good = await damaged(bed)
    bed.order(1, RollbackOrder(checkpoint=target))
    await bed.checkpoints.roll_back(None)
    assert bed.tree() == good
    assert bed.said(RolledBack)[-1].ok


@pytest.mark.parametrize(
    ("checkpoint", "run", "why"),
    [("c999999", RUN, "no checkpoint"), ("../x", RUN, "id"), ("", RUN, "id"), ("TARGET", OTHER, "stop run r2 first")],
)
async def test_a_return_that_cannot_be_done_changes_nothing_and_says_why(bed, checkpoint, run, why):
    _, target, _ = await damaged(bed)
    before = bed.tree()
    bed.order(1, RollbackOrder(checkpoint=target if checkpoint == "TARGET" else checkpoint, latch="l"))
    await bed.checkpoints.roll_back(run)
    (said_,) = bed.said(RolledBack)
    assert (said_.ok, said_.at, said_.latch) == (False, "before", "l")
    assert why in said_.reason
    assert bed.tree() == before
    assert not bed.checkpoints.due


async def test_what_cannot_be_saved_first_is_not_returned_from(bed, monkeypatch):
    run, target, _ = await damaged(bed)
    before = bed.tree()
    bed.snapshots._deadline_s = 0.0
    bed.order(1, RollbackOrder(checkpoint=target))
    await bed.checkpoints.roll_back(run)
    (said_,) = bed.said(RolledBack)
    assert not said_.ok
    assert "could not be saved" in said_.reason
    assert bed.tree() == before


async def test_a_second_order_while_one_is_under_way_is_refused_and_answered(bed):
    _, target, _ = await damaged(bed)
    assert bed.order(1, RollbackOrder(checkpoint=target, latch="one")) == ""
    assert bed.order(2, RollbackOrder(checkpoint=target, latch="two")) == "another rollback is under way"
    (refused,) = bed.said(RolledBack)
    assert (refused.ok, refused.latch) == (False, "two")
    waiting = bed.record.load(Ordered, ORDERED)
    assert waiting is not None
    assert waiting.latch == "one"


async def test_an_order_for_a_run_that_is_over_is_answered(bed):
    await damaged(bed)
    bed.order(1, RollbackOrder(checkpoint="c1", latch="one"), run="r0")
    (refused,) = bed.said(RolledBack)
    assert (refused.ok, refused.latch) == (False, "one")
    assert not bed.checkpoints.due


async def restored_steps(tmp_path: Path) -> list[str]:
    bed = Bed(tmp_path / "probe", Hasty())
    run, target, _ = await damaged(bed)
    seen: list[str] = []
    bed.on_step = seen.append
    bed.order(1, RollbackOrder(checkpoint=target))
    await bed.checkpoints.roll_back(run)
    bed.stop()
    return seen


async def finished(bed: Bed, run: Run, good: dict[str, str], bad: dict[str, str]) -> None:
    """After a kill: start, finish, and look at everything."""
    await bed.restart()
    assert bed.checkpoints.due or bed.said(RolledBack)
    if bed.checkpoints.due:
        await bed.checkpoints.roll_back(bed.record.load(Run, "run/current") or run)
    assert bed.tree() == good
    assert not bed.checkpoints.due
    (over,) = bed.said(RolledBack)
    assert over.ok
    assert [len(one.content) for one in bed.messages(run)] == [2]
    kept = [one for one in bed.said(CheckpointTaken) if one.checkpoint == over.saved_as]
    assert kept, "what was there is known to be saved"
    bed.order(9, RollbackOrder(checkpoint=over.saved_as))
    await bed.checkpoints.roll_back(bed.record.load(Run, "run/current") or run)
    assert bed.tree() == bad, "and it can be returned to"


async def test_dying_after_any_commit_the_rollback_is_finished_forward(tmp_path):
    rounds = 0
    for commits in range(1, 20):
        bed = Bed(tmp_path / str(commits), Hasty())
        run, target, good = await damaged(bed)
        bad = bed.tree()
        bed.record.dies_after = bed.record.commits + commits
        try:
            bed.order(1, RollbackOrder(checkpoint=target))
            await bed.checkpoints.roll_back(run)
        except Killed:
            rounds += 1
            await finished(bed, run, good, bad)
            bed.stop()
        else:
            bed.stop()
            break
    assert rounds >= 5, "ordered, saved, restored, talked, over"


async def test_dying_at_any_step_of_the_restore_it_is_finished_forward(tmp_path):
    steps = await restored_steps(tmp_path)
    assert len(steps) >= 5
    for at in range(len(steps)):
        bed = Bed(tmp_path / f"s{at}", Hasty())
        run, target, good = await damaged(bed)
        bad, left = bed.tree(), iter(range(at, -1, -1))

        def dies(_: str, left: Iterator[int] = left) -> None:
            if next(left) == 0:
                raise Killed

        bed.on_step = dies
        bed.order(1, RollbackOrder(checkpoint=target))
        with pytest.raises(Killed):
            await bed.checkpoints.roll_back(run)
        await finished(bed, run, good, bad)
        bed.stop()


async def test_a_restore_that_cannot_end_is_said_once_held_and_tried_again(bed):
    run, target, good = await damaged(bed)
    applying = 0

    def refuses(step: str) -> None:
        nonlocal applying
        if step.startswith("PutFile"):
            applying += 1
            if applying <= 2:
                raise OSError(28, "No space left on device")

    bed.on_step = refuses
    bed.order(1, RollbackOrder(checkpoint=target, latch="l"))
    while bed.checkpoints.due:
        await bed.checkpoints.roll_back(bed.record.load(Run, "run/current") or run)
    assert applying > 2
    between, over = bed.said(RolledBack)
    assert (between.ok, between.at) == (False, "between")
    assert (over.ok, over.at) == (True, "target")
    assert bed.tree() == good


# --- comparing and forgetting ---


async def errands(bed: Bed) -> None:
    for key, asked in bed.record.scan(CompareOrder, "compare/"):
        await bed.checkpoints._compare(key, asked)
    for key, forget in bed.record.scan(ForgetOrder, "forget/"):
        await bed.checkpoints._forget(key, forget)


async def test_a_comparison_names_every_path_and_changes_nothing(bed):
    _, target, _ = await damaged(bed)
    before = bed.tree()
    bed.order(1, CompareOrder(checkpoint=target, request="q1", by="anna"))
    await errands(bed)
    (said_,) = bed.said(Compared)
    assert (said_.ok, said_.request, said_.by) == (True, "q1", "anna")
    assert any("raw.csv" in line for line in said_.lines)
    assert bed.tree() == before
    assert not bed.record.scan(CompareOrder, "compare/")


async def test_a_comparison_with_nothing_says_so(bed):
    bed.order(1, CompareOrder(checkpoint="c404", request="q1", by="anna"))
    await errands(bed)
    (said_,) = bed.said(Compared)
    assert not said_.ok
    assert "c404" in said_.text


async def test_only_what_is_named_is_forgotten_and_never_what_a_return_needs(bed):
    run, target, good = await damaged(bed)
    bed.clock.advance(901)
    bed.checkpoints._touched = True
    await bed.checkpoints.at_boundary(run)
    newest = bed.checkpoints.latest
    bed.order(1, RollbackOrder(checkpoint=target))
    bed.order(2, ForgetOrder(checkpoints=(target, newest)))
    await errands(bed)
    assert await bed.snapshots.ids() == {target}
    await bed.checkpoints.roll_back(run)
    assert bed.tree() == good


async def test_the_workspace_is_back_before_the_conversation(bed):
    """A worker must never remember less than what it may find done."""
    run, target, good = await damaged(bed)
    bed.order(1, RollbackOrder(checkpoint=target))
    seen: list[tuple[bool, int]] = []
    restore = bed.snapshots.restore

    async def watched(id: str, *, quarantine: str) -> Restored:
        seen.append((bed.tree() == good, len(bed.messages(run))))
        back: Restored = await restore(id, quarantine=quarantine)
        seen.append((bed.tree() == good, len(bed.messages(run))))
        return back

    bed.snapshots.restore = watched
    await bed.checkpoints.roll_back(run)
    assert seen == [(False, 3), (True, 3)]
    assert len(bed.messages(run)) == 1


# --- what an adversary tried ---


async def test_a_comparison_fits_on_the_bus_whatever_the_names_are_made_of(bed):
    _, target, _ = await damaged(bed)
    for n in range(150):
        (bed.workspace / f"{n:03d}{chr(0x1F600) * 60}").write_text("x")
    bed.order(1, CompareOrder(checkpoint=target, request="q1", by="anna"))
    await errands(bed)
    (said_,) = bed.said(Compared)
    assert len(canonical(list(said_.lines))) < 64 * 1024
    assert said_.lines[-1].endswith("more")


async def dying_in_the_restore(bed: Bed, run: Run, target: str) -> None:
    def dies(step: str) -> None:
        if step.startswith("PutFile"):
            raise Killed

    bed.on_step = dies
    bed.order(1, RollbackOrder(checkpoint=target, latch="l"))
    with pytest.raises(Killed):
        await bed.checkpoints.roll_back(run)


async def test_a_workspace_that_is_away_for_a_while_is_no_reason_to_say_that_nothing_was_changed(bed):
    run, target, good = await damaged(bed)
    await dying_in_the_restore(bed, run, target)
    away = bed.root / "away"
    bed.workspace.rename(away)
    bed.stop()
    bed.on_step = lambda _: None
    bed.start()
    bed.workspace.rmdir() if bed.workspace.exists() else None
    await bed.checkpoints.roll_back(run)
    assert bed.checkpoints.due
    (between,) = bed.said(RolledBack)
    assert between.at == "between"
    away.rename(bed.workspace)
    while bed.checkpoints.due:
        await bed.checkpoints.roll_back(run)
    assert bed.tree() == good
    assert bed.said(RolledBack)[-1].ok


async def test_what_was_finished_belongs_to_the_rollback_that_began_it(bed):
    run, target, good = await damaged(bed)
    bad = bed.tree()
    await dying_in_the_restore(bed, run, target)
    with bed.journal.transaction() as writing:
        writing.drop(ORDERED)
    bed.order(5, RollbackOrder(checkpoint="before-1", latch="m"))
    await bed.restart()
    assert bed.tree() == good, "what was begun is finished"
    waiting = bed.record.load(Ordered, ORDERED)
    assert waiting is not None
    assert waiting.back is None, "and credited to nobody else"
    await bed.checkpoints.roll_back(run)
    assert bed.tree() == bad
    assert bed.said(RolledBack)[-1].saved_as == "before-5"


async def test_a_conversation_that_is_lost_after_the_files_moved_is_said_and_tried_again(bed):
    run, target, good = await damaged(bed)
    bed.record.dies_after = bed.record.commits + 3  # ordered, saved, restored
    bed.order(1, RollbackOrder(checkpoint=target))
    with pytest.raises(Killed):
        await bed.checkpoints.roll_back(run)
    await bed.restart()
    assert bed.tree() == good
    blob = bed.snapshots.blob
    failing = [1]

    async def damaged_once(id: str, name: str) -> bytes:
        if failing:
            failing.pop()
            raise SnapshotError("the object is damaged")
        found: bytes = await blob(id, name)
        return found

    bed.snapshots.blob = damaged_once
    await bed.checkpoints.roll_back(run)
    assert bed.said(RolledBack)[-1].at == "between"
    assert bed.checkpoints.due
    await bed.checkpoints.roll_back(run)
    assert bed.said(RolledBack)[-1].ok
    assert len(bed.messages(run)) == 1


async def test_a_stop_that_comes_during_a_rollback_is_not_forgotten(bed):
    run, target, _ = await damaged(bed)
    bed.order(1, RollbackOrder(checkpoint=target))
    restore = bed.snapshots.restore

    async def stopped(id: str, *, quarantine: str) -> Restored:
        bed.orders.apply(Order(epoch=1, n=2, run=run.id, body=StopOrder(by="anna", reason="enough")))
        back: Restored = await restore(id, quarantine=quarantine)
        return back

    bed.snapshots.restore = stopped
    await bed.checkpoints.roll_back(run)
    current = bed.record.load(Run, "run/current")
    assert current is not None
    assert "enough" in current.stop


async def test_what_is_taken_while_others_are_forgotten_stays(bed):
    run = bed.talk(RUN, GOAL)
    await bed.checkpoints.at_boundary(run)
    first = bed.checkpoints.latest
    await bed.snapshots.take("c50", reason="", at_seq=50, extra={})
    await asyncio.gather(
        bed.snapshots.forget(frozenset({first})), bed.snapshots.take("c51", reason="", at_seq=51, extra={})
    )
    assert await bed.snapshots.ids() == {"c50", "c51"}


async def test_a_full_disk_does_not_end_the_worker_over_an_errand(bed, monkeypatch):
    _, target, _ = await damaged(bed)
    bed.order(1, CompareOrder(checkpoint=target, request="q1", by="anna"))
    full = [1, 1]
    append = bed.journal.transaction

    @contextmanager
    def refuses():
        if full:
            full.pop()
            raise RecordFull("no space")
        with append() as writing:
            yield writing

    monkeypatch.setattr(bed.journal, "transaction", refuses)
    living = asyncio.get_running_loop().create_task(bed.checkpoints.errands())
    async with asyncio.timeout(60):
        while not bed.said(Compared):
            await asyncio.sleep(0.01)
    living.cancel()
    assert full == []


async def test_a_risky_call_gets_its_checkpoint_also_after_one_that_failed(bed):
    run = bed.talk(RUN, GOAL)
    away = bed.root / "away"
    bed.workspace.rename(away)
    await bed.checkpoints.at_boundary(run)
    away.rename(bed.workspace)
    await bed.checkpoints.before(run, call(Impact.DESTRUCTIVE))
    assert [one.complete for one in bed.said(CheckpointTaken)] == [False, True]


async def test_a_checkpoint_of_another_workspace_is_not_restored_over_this_one(bed):
    run, target, _ = await damaged(bed)
    other = bed.root / "other"
    other.mkdir()
    (other / "mine.txt").write_text("mine")
    bed.snapshots._root = str(other)
    bed.order(1, RollbackOrder(checkpoint=target))
    await bed.checkpoints.roll_back(run)
    (said_,) = bed.said(RolledBack)
    assert "is of another workspace" in said_.reason
    assert (other / "mine.txt").read_text() == "mine"


async def test_a_new_record_beside_an_old_store_drops_nothing(bed):
    run = bed.talk(RUN, GOAL)
    await bed.checkpoints.at_boundary(run)
    there = await bed.snapshots.ids()
    bed.stop()
    (bed.root / "record.db").rename(bed.root / "lost.db")
    bed.start()
    await bed.checkpoints.ready()
    assert await bed.snapshots.ids() == there


async def test_an_incomplete_checkpoint_is_not_returned_to(bed):
    run, _, _ = await damaged(bed)
    deadline_s, bed.snapshots._deadline_s = bed.snapshots._deadline_s, 0.0
    await bed.snapshots.take("late", reason="", at_seq=1, extra={})
    bed.snapshots._deadline_s = deadline_s
    before = bed.tree()
    bed.order(1, RollbackOrder(checkpoint="late"))
    await bed.checkpoints.roll_back(run)
    (said_,) = bed.said(RolledBack)
    assert "is incomplete" in said_.reason
    assert bed.tree() == before
