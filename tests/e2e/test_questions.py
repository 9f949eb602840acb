"""Questions to people, in the order in which one run asks them: bound to the exact action, used once, never forever."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from tests.e2e import records
from tests.e2e.daemon import HAVE_MOSQUITTO, SCENARIOS, Daemon, running
from tests.e2e.viewer import Seen, Viewer
from watchdogd.core.escalation import ApproveCall, Escalation

MISSION = '[missions.questions]\ngoal = "Write the lines."\nbudget_usd = 1.0'
POLICY = '[policy]\nbase = "suggest"\n[policy.questions]\nper_hour = 1000\nexpire_s = {expire_s}'
SCENARIO = SCENARIOS / "questions.toml"


@pytest.fixture(scope="module")
def daemon(tmp_path_factory) -> Iterator[Daemon]:
    root = tmp_path_factory.mktemp("questions") / "d"
    (root / "workspace").mkdir(parents=True)
    (root / "workspace" / "job.sh").write_text("echo job >> log.txt\n")
    with running(root, scenario=SCENARIO, mission=MISSION, policy=POLICY.format(expire_s=3600)) as daemon:
        yield daemon


@pytest.fixture(scope="module")
def anna(daemon: Daemon) -> Viewer:
    return daemon.viewer("anna")


@pytest.fixture(scope="module")
def bob(daemon: Daemon) -> Viewer:
    """May log in, is not listed."""
    return daemon.viewer("bob")


def question(viewer: Viewer, about: str, *, but: str = "") -> Escalation:
    """The open question about a command with ``about`` in it, another one than ``but``."""

    def found(one: Seen) -> Escalation | None:
        payload = one.payload
        if not isinstance(payload, Escalation) or not isinstance(payload.subject, ApproveCall) or not payload.is_open:
            return None
        return payload if about in payload.subject.shown and payload.id != but else None

    return viewer.wait(f"a question about {about}", found)


def log(daemon: Daemon) -> list[str]:
    path = daemon.workspace / "log.txt"
    return path.read_text().split() if path.exists() else []


def started(daemon: Daemon) -> list[tuple[str, str]]:
    """Calls that were started, each with the question whose answer it used up."""
    found = records.events(daemon.record("worker"))
    return [(one.body.call, one.body.approval) for one in found if one.body.kind == "tool_started"]


def test_an_unlisted_person_cannot_approve(daemon, bob):
    asked = question(bob, "echo first")
    answer = bob.ask("approve", asked.id)
    assert answer.status == "rejected"
    assert log(daemon) == []


def test_an_approval_is_used_once_by_exactly_its_call(daemon, anna):
    asked = question(anna, "echo first")
    assert anna.ask("approve", asked.id).status == "ok"
    again = question(anna, "echo first", but=asked.id)
    assert log(daemon) == ["first"]
    assert [approval for _, approval in started(daemon)] == [asked.id]
    assert isinstance(again.subject, ApproveCall)
    assert isinstance(asked.subject, ApproveCall)
    assert again.subject.action_digest == asked.subject.action_digest


def test_an_answered_question_cannot_be_answered_again(daemon, anna):
    over = next(approval for _, approval in started(daemon))
    answer = anna.ask("approve", over)
    assert answer.status == "error"
    assert "over: approved by anna" in answer.text


def test_a_question_nobody_asked_is_one_line_and_exit_status_1(daemon):
    done = daemon.cli("approve", "q99999")
    assert done.returncode == 1
    assert done.stderr.strip().startswith("error: q99999 is no open question; ")


def test_the_command_line_answers_too(daemon, anna):
    first = started(daemon)[0][1]
    asked = question(anna, "echo first", but=first)
    done = daemon.cli("approve", asked.id, "go", "on")
    assert done.returncode == 0, done.stderr
    question(anna, "job.sh")
    assert log(daemon) == ["first", "first"]


def test_an_approval_does_not_hold_for_another_content_of_the_file_it_runs(daemon, anna):
    asked = question(anna, "job.sh")
    (daemon.workspace / "job.sh").write_text("echo changed >> log.txt\n")
    assert anna.ask("approve", asked.id).status == "ok"
    again = question(anna, "job.sh", but=asked.id)
    assert "changed" not in log(daemon)
    assert asked.id not in {approval for _, approval in started(daemon)}
    assert anna.ask("deny", again.id, "not that one").status == "ok"


@pytest.mark.skipif(not HAVE_MOSQUITTO, reason="mosquitto is not installed: no other broker here keeps requests")
def test_an_answer_given_while_the_overseer_restarts_is_kept(daemon, anna):
    asked = question(anna, "echo away")
    daemon.kill("overseer")
    sent = anna.say("approve", asked.id)
    assert anna.answer(sent).status == "ok"
    anna.event("tool_finished", lambda body: body.call.startswith("toolu_away"))
    assert "away" in log(daemon)


def test_anybody_may_deny_and_a_policy_of_the_next_minute_counts_for_the_next_question(daemon, anna, bob):
    if not HAVE_MOSQUITTO:
        anna.ask("approve", question(anna, "echo away").id)
    asked = question(bob, "echo unwanted")
    daemon.configure(policy=POLICY.format(expire_s=1))
    before = anna.wait("a lease", lambda one: one.payload.policy if one.topic == "lease" else None)
    daemon.signal("supervisor", signal.SIGHUP)
    anna.wait("the new policy", lambda one: one.topic == "lease" and one.payload.policy != before)
    assert bob.ask("deny", asked.id, "no").status == "ok"
    denied = anna.event("gated", lambda body: body.outcome == "deny" and "denied by bob" in body.reason)
    assert denied.body.by == "approval"
    assert "unwanted" not in log(daemon)


def test_a_question_that_runs_out_is_a_timeout_and_nobodys_denial(daemon, anna):
    asked = question(anna, "echo late")
    anna.event("answered", lambda body: body.question == asked.id and (body.answer, body.by) == ("expired", ""))
    anna.event("gated", lambda body: body.outcome == "deny" and "nobody answered in time" in body.reason)
    anna.event("run_finished")
    assert "late" not in log(daemon)
    over = records.cells(daemon.record("overseer"), "closed/")[f"closed/{asked.id}"]
    assert (over["state"], over["by"]) == ("expired", "")
    assert anna.ask("approve", asked.id).status == "error"


def test_every_answer_reached_the_worker_once(daemon, anna):
    anna.event("run_finished")
    daemon.until(
        "every order to be applied", lambda: not records.order_faults(*map(daemon.record, ("worker", "overseer")))
    )
