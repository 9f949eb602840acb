"""The overseer's side of checkpoints: which passed, where policy returns to, what people are told."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, cast

import pytest

from tests.overseeing import Room
from watchdogd.core.errors import WireError
from watchdogd.core.escalation import AskedByWorker, Escalation, ReleaseLatch
from watchdogd.core.events import Body, CheckpointTaken, Compared, Event, Gated, RolledBack, RunStarted, ToolIntended
from watchdogd.core.health import Channel, Finding, Severity, after
from watchdogd.core.lease.messages import ForgetOrder, RollbackOrder
from watchdogd.core.plan import ReturnTo, Tell
from watchdogd.core.verdict import Citation, Reading, Verdict
from watchdogd.overseer.inspect import Inspection
from watchdogd.overseer.judge import Glance, Looked
from watchdogd.overseer.reactions import Reactions
from watchdogd.overseer.returns import BY_POLICY_AT_MOST
from watchdogd.ports import Received, Schedule
from watchdogd.sim.record import MemoryDisk
from watchdogd.wire import codec
from watchdogd.wire.messages import CheckpointList, Request, Response

LATCH = "policy/verdict-off-course"


def finding(channel: Channel, since: int, severity: Severity = Severity.CRIT) -> Finding:
    return Finding(
        rule=f"{channel.value}/judged",
        channel=channel,
        severity=severity,
        risk=0.9,
        headline="h",
        evidence=(since,),
        key="judge",
        since=since,
    )


@dataclass
class Desk(Room):
    """A room with shorthands for what arrives."""

    def happens(self, *bodies: Body, run: str = "r1") -> int:
        for body in bodies:
            event = Event(seq=self.book.folded_seq + 1, body=body, run=run, at=self.clock.wall())
            with self.transaction() as changing:
                self.watch.take(changing, event)
                self.returns.to(changing, event)
        return self.book.folded_seq

    def taken(self, *, complete: bool = True) -> str:
        at = self.book.folded_seq
        self.happens(CheckpointTaken(checkpoint=f"c{at}", reason="schedule", complete=complete, at_seq=at, why="late"))
        return f"c{at}"

    def looked(self, upto: int | None = None, *found: Finding, onset: int | None = None) -> None:
        with self.transaction() as changing:
            self.returns.look(changing, self.book.folded_seq if upto is None else upto, found, onset)

    def trouble(self, *found: Finding) -> None:
        with self.transaction() as changing:
            self.returns.trouble(changing, found)

    def goes_back(self, onset: int) -> None:
        with self.transaction() as changing:
            self.enforcer.latch(changing, LATCH, "policy", "off course")
            effect = ReturnTo(onset=onset, reason="off course", latch=LATCH, finding="drift/judged")
            self.returns.return_to(changing, effect, "d1")

    def bodies(self) -> list[dict[str, Any]]:
        found = [json.loads(row.body) for row in self.disk.rows]
        return [one["body"]["body"] for one in found if one["kind"] == "order"]

    def targets(self) -> list[str]:
        return [one["checkpoint"] for one in self.bodies() if one["kind"] == "rollback"]

    def responses(self) -> list[Response]:
        found = [json.loads(row.body) for row in self.disk.rows]
        return [codec.load(Response, one["body"]) for one in found if one["kind"] == "response"]

    def standings(self) -> dict[str, str]:
        payload = self.returns.message().payload
        assert isinstance(payload, CheckpointList)
        return {one.id: one.standing for one in payload.checkpoints}

    def open(self) -> list[Escalation]:
        return [one for one in self.book.escalations.values() if one.is_open]

    def latches(self) -> list[str]:
        return [one.name for one in self.book.proto.latches]


@pytest.fixture
def desk() -> Desk:
    made = Desk.on(MemoryDisk())
    made.happens(RunStarted(mission="nightly", goal="g", workspace="/w"))
    return made


def test_a_checkpoint_passes_with_a_later_look_that_found_nothing(desk):
    one = desk.taken()
    assert desk.standings() == {one: "waiting"}
    desk.looked()
    assert desk.standings() == {one: "passed"}
    desk.happens(Compared())
    two = desk.taken()
    assert desk.standings() == {two: "waiting", one: "passed"}


def test_an_incomplete_checkpoint_never_passes_and_is_named(desk):
    one = desk.taken(complete=False)
    desk.looked()
    assert desk.standings() == {one: "incomplete"}


@pytest.mark.parametrize(
    ("channel", "severity", "passes"),
    [
        (Channel.DRIFT, Severity.WARN, False),
        (Channel.PROGRESS, Severity.WARN, False),
        (Channel.SAFETY, Severity.CRIT, False),
        (Channel.COST, Severity.CRIT, True),
    ],
)
def test_what_the_judge_finds_keeps_a_window_from_passing_unless_it_is_money(desk, channel, severity, passes):
    one = desk.taken()
    desk.looked(None, finding(channel, 2, severity))
    assert desk.standings()[one] == ("passed" if passes else "waiting")


def test_up_to_the_onset_a_bad_window_was_good(desk):
    early = desk.taken()
    onset = desk.happens(Compared())
    late = desk.taken()
    desk.looked(None, finding(Channel.DRIFT, onset), onset=onset)
    assert desk.standings()[early] == "passed"
    assert desk.standings()[late] == "waiting"


def test_what_a_detector_still_sees_keeps_everything_from_passing(desk):
    one = desk.taken()
    desk.book.health = after(desk.book.health, (finding(Channel.ERRORS, 2, Severity.WARN),), 2, 1.0)
    desk.looked()
    assert desk.standings()[one] == "waiting"


@pytest.mark.parametrize(
    ("channel", "standing"), [(Channel.DRIFT, "tainted"), (Channel.SAFETY, "tainted"), (Channel.PROGRESS, "passed")]
)
def test_drift_and_danger_leave_marks_and_a_loop_that_is_over_does_not(desk, channel, standing):
    onset = desk.happens(Compared())
    one = desk.taken()
    desk.trouble(finding(channel, onset))
    desk.looked()
    assert desk.standings()[one] == standing


def test_who_lets_the_worker_go_on_settles_what_was_found(desk):
    onset = desk.happens(Compared())
    one = desk.taken()
    desk.trouble(finding(Channel.DRIFT, onset))
    desk.looked()
    with desk.transaction() as changing:
        desk.enforcer.latch(changing, "policy/x", "policy", "r")
    desk.asked(Request(command="resume", id="q1"))
    assert desk.standings()[one] == "passed"


def test_policy_returns_to_the_newest_that_passed_before_the_onset(desk):
    desk.taken()
    best = desk.taken()
    desk.looked()
    onset = desk.happens(Compared())
    desk.taken()
    desk.goes_back(onset)
    assert desk.targets() == [best]
    assert desk.open() == []


def test_nothing_that_passed_means_people_are_asked_and_it_stays_paused(desk):
    desk.taken()
    onset = desk.happens(Compared())
    desk.goes_back(onset)
    assert desk.targets() == []
    (asked,) = desk.open()
    assert asked.subject == ReleaseLatch(latch=LATCH)
    assert "no checkpoint of before has passed inspection" in asked.headline
    assert desk.latches() == [LATCH]


def test_an_onset_nobody_knows_means_people_are_asked(desk):
    desk.taken()
    desk.looked()
    desk.goes_back(0)
    assert desk.targets() == []
    assert len(desk.open()) == 1


def test_a_checkpoint_of_another_run_is_no_target(desk):
    desk.taken()
    desk.looked()
    desk.happens(RunStarted(mission="nightly", goal="g", workspace="/w"), run="r2")
    desk.goes_back(desk.happens(Compared(), run="r2"))
    assert desk.targets() == []


def back(checkpoint: str, latch: str, *, ok: bool = True, to_seq: int = 1, by: str = "policy") -> RolledBack:
    return RolledBack(
        checkpoint=checkpoint,
        ok=ok,
        at="target" if ok else "before",
        reason="why",
        latch=latch,
        to_seq=to_seq,
        by=by,
        saved_as="before-1",
    )


def test_a_return_that_is_over_releases_its_latch_and_tells_people(desk):
    target = desk.taken()
    desk.looked()
    onset = desk.happens(Compared())
    late = desk.taken()
    desk.trouble(finding(Channel.DRIFT, onset))
    desk.goes_back(onset)
    desk.happens(back(target, LATCH, to_seq=onset - 1))
    assert desk.latches() == []
    (notice,) = desk.open()
    assert notice.subject is None
    assert notice.headline.startswith(f"returned to {target}")
    later = desk.taken()
    desk.looked()
    assert desk.standings() == {later: "passed", late: "tainted", target: "passed"}, "what was undone taints no more"


def test_a_return_that_failed_keeps_the_latch_and_asks(desk):
    target = desk.taken()
    desk.looked()
    desk.goes_back(desk.happens(Compared()))
    desk.happens(back(target, LATCH, ok=False))
    assert desk.latches() == [LATCH]
    (asked,) = desk.open()
    assert asked.subject == ReleaseLatch(latch=LATCH)
    assert "nothing was changed: why" in asked.headline


def test_a_return_that_cannot_end_yet_is_told_and_goes_on(desk):
    target = desk.taken()
    desk.looked()
    desk.goes_back(desk.happens(Compared()))
    desk.happens(RolledBack(checkpoint=target, ok=False, at="between", reason="disk full", latch=LATCH))
    (notice,) = desk.open()
    assert "tried again: disk full" in notice.headline
    assert desk.latches() == [LATCH]
    desk.happens(back(target, LATCH))
    assert desk.latches() == []


def test_policy_returns_only_so_often_in_a_run(desk):
    for _ in range(BY_POLICY_AT_MOST):
        target = desk.taken()
        desk.looked()
        desk.goes_back(desk.happens(Compared()))
        desk.happens(back(target, LATCH))
    desk.taken()
    desk.looked()
    desk.goes_back(desk.happens(Compared()))
    assert len(desk.targets()) == BY_POLICY_AT_MOST
    assert any(isinstance(one.subject, ReleaseLatch) for one in desk.open())


def test_a_person_compares_without_a_yes_and_returns_with_one(desk):
    target = desk.taken()
    (first,) = desk.asked(Request(command="rollback", id="q1", target=target))
    assert first.stage == "ordered"
    assert desk.orders() == ["compare"]
    desk.happens(Compared(checkpoint=target, request="q1", by="ada", text="1 modified", lines=("M a.txt",)))
    shown = desk.responses()[-1]
    assert (shown.request, shown.stage, shown.status) == ("q1", "compared", "ok")
    assert "M a.txt" in shown.text
    (ordered,) = desk.asked(Request(command="rollback", id="q2", target=target, text="yes it is wrong"))
    assert (ordered.status, ordered.stage) == ("ok", "ordered")
    assert desk.latches() == ["rollback/ada"]
    assert desk.targets() == [target]
    desk.happens(back(target, "rollback/ada", by="ada"))
    done = desk.responses()[-1]
    assert (done.request, done.stage, done.status) == ("q2", "done", "ok")
    assert desk.latches() == []
    assert desk.open() == []


def test_a_persons_failed_return_is_an_error_and_it_stays_paused(desk):
    target = desk.taken()
    desk.asked(Request(command="rollback", id="q2", target=target, text="yes"))
    desk.happens(back(target, "rollback/ada", ok=False, by="ada"))
    assert desk.responses()[-1].status == "error"
    assert desk.latches() == ["rollback/ada"]


@pytest.mark.parametrize(("target", "words"), [("c404", "there is no checkpoint 'c404'"), ("LATE", "is incomplete")])
def test_what_cannot_be_returned_to_is_refused_in_a_sentence(desk, target, words):
    late = desk.taken(complete=False)
    (answer,) = desk.asked(
        Request(command="rollback", id="q1", target=late if target == "LATE" else target, text="yes")
    )
    assert answer.status == "error"
    assert words in answer.text
    assert desk.orders() == []
    assert desk.latches() == []


def test_one_return_of_a_person_at_a_time(desk):
    target = desk.taken()
    desk.asked(Request(command="rollback", id="q1", target=target, text="yes"))
    (second,) = desk.asked(Request(command="rollback", id="q2", target=target, text="yes"))
    assert second.status == "error"
    assert desk.targets() == [target]


def test_a_checkpoint_of_another_run_needs_that_run_to_be_over(desk):
    target = desk.taken()
    desk.happens(RunStarted(mission="nightly", goal="g", workspace="/w"), run="r2")
    (answer,) = desk.asked(Request(command="rollback", id="q1", target=target, text="yes"))
    assert answer.status == "error"
    assert "stop run r2 first" in answer.text


def test_none_to_be_had_is_told_once(desk):
    for _ in range(3):
        desk.happens(CheckpointTaken(complete=False, why="the disk is full"))
    (notice,) = desk.open()
    assert "no checkpoint could be taken: the disk is full" in notice.headline
    assert notice.count == 3


def test_what_retention_does_not_keep_is_forgotten_and_what_is_returned_to_is_kept(desk):
    first = desk.taken()
    desk.asked(Request(command="rollback", id="q1", target=first, text="yes"))
    for _ in range(40):
        desk.clock.later_s += 1
        desk.taken()
    forgotten = [id_ for one in desk.bodies() if one["kind"] == "forget" for id_ in one["checkpoints"]]
    assert forgotten
    assert first not in forgotten
    assert first in desk.standings()
    assert len(desk.standings()) < 30
    assert not set(forgotten) & set(desk.standings())


def test_everything_is_known_again_after_a_restart(desk):
    target = desk.taken()
    desk.looked()
    onset = desk.happens(Compared())
    desk.trouble(finding(Channel.DRIFT, onset))
    late = desk.taken()
    desk.goes_back(onset)
    again = Desk.on(desk.disk)
    assert again.standings() == {late: "tainted", target: "passed"}
    again.book.folded_seq = desk.book.folded_seq
    again.happens(back(target, LATCH, to_seq=onset - 1))
    assert again.latches() == []


def test_standings_outlive_their_run(desk):
    good = desk.taken()
    desk.looked()
    onset = desk.happens(Compared())
    bad = desk.taken()
    desk.trouble(finding(Channel.DRIFT, onset))
    desk.happens(RunStarted(mission="nightly", goal="g", workspace="/w"), run="r2")
    assert desk.standings() == {bad: "tainted", good: "passed"}


def test_orders_name_the_run_they_are_for(desk):
    target = desk.taken()
    desk.looked()
    desk.goes_back(desk.happens(Compared()))
    (pending,) = [one.order for one in desk.book.proto.pending if isinstance(one.order.body, RollbackOrder)]
    assert pending.run == "r1"
    assert pending.body.checkpoint == target
    assert not [one for one in desk.book.proto.pending if isinstance(one.order.body, ForgetOrder)]


# --- what an adversary tried ---


def test_policy_never_returns_to_what_a_person_undid(desk):
    good = desk.taken()
    desk.looked()
    desk.happens(Compared())
    undone = desk.taken()
    desk.asked(Request(command="rollback", id="q1", target=good, text="yes"))
    desk.happens(back(good, "rollback/ada", by="ada", to_seq=int(good[1:])))
    desk.looked()
    assert desk.standings()[undone] == "passed"
    desk.goes_back(desk.happens(Compared()))
    assert desk.targets()[1:] == [good]


def test_a_look_at_what_was_undone_meanwhile_counts_for_nothing(desk):
    target = desk.taken()
    desk.looked()
    onset = desk.happens(Compared())
    desk.goes_back(onset)
    over = desk.happens(back(target, LATCH, to_seq=onset - 1))
    assert desk.returns.outdated(onset)
    assert not desk.returns.outdated(over)
    assert desk.book.inspected_seq == over
    assert desk.record.load(int, "inspected_seq") == over


def test_questions_of_what_was_undone_are_withdrawn(desk):
    target = desk.taken()
    desk.looked()
    onset = desk.happens(Compared())
    with desk.transaction() as changing:
        for at, name in ((1, "q1"), (onset, "q9")):
            subject = AskedByWorker(question="?", options=(), action_digest="d")
            tell = Tell(group=name, severity=Severity.WARN, headline="?", evidence=(at,), subject=subject)
            desk.enforcer.tell(changing, tell, id=name)
    desk.goes_back(onset)
    desk.happens(back(target, LATCH, to_seq=onset - 1))
    assert {one.id for one in desk.open() if one.subject is not None} == {"q1"}


def test_a_failed_return_holds_also_when_somebody_resumed_meanwhile(desk):
    target = desk.taken()
    desk.looked()
    desk.goes_back(desk.happens(Compared()))
    desk.asked(Request(command="resume", id="q1"))
    assert desk.latches() == []
    desk.happens(back(target, LATCH, ok=False))
    assert desk.latches() == [LATCH], "it says that it stays paused, and so it does"


def test_a_clock_that_is_set_back_makes_no_new_checkpoint_old(desk):
    for _ in range(45):
        desk.clock.later_s += 60
        desk.taken()
    newest = desk.taken()
    desk.clock.later_s -= 60 * 86_400.0
    later = desk.taken()
    assert {newest, later} <= set(desk.standings())


def test_tainted_checkpoints_of_earlier_runs_take_no_place_from_good_ones(desk):
    good = desk.taken()
    desk.looked()
    onset = desk.happens(Compared())
    desk.trouble(finding(Channel.DRIFT, onset))
    for _ in range(5):
        desk.taken()
    desk.looked()
    desk.happens(RunStarted(mission="nightly", goal="g", workspace="/w"), run="r2")
    for _ in range(40):
        desk.taken()
    assert good in desk.standings()


def test_with_more_trouble_than_is_remembered_people_choose(desk):
    desk.taken()
    desk.looked()
    desk.trouble(*(finding(Channel.DRIFT, 1_000 + n) for n in range(600)))
    desk.goes_back(5_000)
    assert desk.targets() == []


def test_a_checkpoint_of_another_run_is_refused_before_anything_is_compared(desk):
    target = desk.taken()
    desk.happens(RunStarted(mission="nightly", goal="g", workspace="/w"), run="r2")
    (answer,) = desk.asked(Request(command="rollback", id="q1", target=target))
    assert "stop run r2 first" in answer.text
    assert desk.orders() == []


@pytest.mark.parametrize(
    ("size", "retained", "answered"), [(12, False, True), (5_000, False, False), (12, True, False)]
)
def test_a_typo_on_a_phone_gets_an_answer(desk, size, retained, answered):
    arrived = Received(
        topic="watchdogd/v1/lab/a1/control/request/ada",
        message=None,
        problem=WireError("schema", "no such command"),
        retained=retained,
        size=size,
    )
    with desk.transaction() as changing:
        desk.desk.take(changing, arrived)
    said = [one.text for one in desk.responses()]
    assert bool(said) is answered
    assert all("there are: pause, resume" in text for text in said)


def inspection(desk: Desk) -> Inspection:
    return Inspection(
        book=desk.book,
        enforcer=desk.enforcer,
        record=desk.record,
        clock=desk.clock,
        schedule=cast("Schedule", None),
        judge=None,
        price=lambda model, usage: None,
        start_look=lambda: None,
        returns=desk.returns,
    )


def off_course(first: int, last: int, onset: int) -> Looked:
    """A judge that found events ``first`` to ``last`` off course from ``onset`` on."""
    calm = {channel: Reading(risk=0.0, confidence=0.9) for channel in Channel}
    verdict = Verdict(
        channels={**calm, Channel.DRIFT: Reading(risk=0.9, confidence=0.9)},
        evidence=(Citation(seq=onset, digest="d", quote="quote"),),
        onset=onset,
        action="rollback",
        headline="off course",
        rationale="r",
    )
    seen = Glance(text="", shown={}, first_seq=first, last_seq=last, prompt_digest="p")
    return Looked(glance=seen, verdict=verdict, model="j", usage=None, failed=False, why="")


@pytest.mark.parametrize("undone", [True, False])
def test_a_verdict_about_what_was_undone_while_it_was_found_taints_nothing(desk, undone):
    target = desk.taken()
    desk.looked()
    onset = desk.happens(Compared())
    if undone:
        desk.goes_back(onset)
        desk.happens(back(target, LATCH, to_seq=onset - 1))
    with desk.transaction() as changing:
        inspection(desk).take(changing, off_course(1, onset, onset))
    assert desk.book.past.onsets == (() if undone else (onset,))


@pytest.mark.parametrize(("refused", "held"), [("seen", False), ("another", True)])
def test_a_refusal_asks_again_unless_people_have_lifted_a_pause_for_that_very_call(desk, refused, held):
    reactions = Reactions(desk.book, desk.enforcer)

    def reacts(body: Body) -> int:
        seq: int = desk.happens(body)
        with desk.transaction() as changing:
            reactions.to(changing, Event(seq=seq, body=body, run="r1"))
        return seq

    seen = reacts(ToolIntended(call="seen", tool="shell"))
    with desk.transaction() as changing:
        desk.enforcer.latch(changing, "policy/x", "policy", "r")
        subject = ReleaseLatch(latch="policy/x")
        tell = Tell(group="x", severity=Severity.CRIT, headline="?", evidence=(seen,), subject=subject)
        desk.enforcer.tell(changing, tell)
    desk.asked(Request(command="resume", id="q1"))
    if refused != "seen":
        reacts(ToolIntended(call=refused, tool="shell"))
    reacts(Gated(call=refused, tool="shell", outcome="deny", by="hard-denial", reason="forbidden"))
    assert bool(desk.latches()) is held
