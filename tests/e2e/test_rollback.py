"""Returning to a checkpoint, with real processes: by policy, by people, and through the death of every process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e import records
from tests.e2e.daemon import JUDGE, SCENARIOS, Daemon, running
from tests.e2e.viewer import Seen
from watchdogd.core.escalation import Escalation
from watchdogd.core.events import Nudged, RolledBack

MISSION = """[missions.report]
goal = "Write a report."
budget_usd = 5.0"""
EAGER = """[policy]
base = "assisted"

[policy.judging]
every_s = 1
at_most_s = 1.5
jitter_s = 0.1

[checkpoints]
every_s = 0.5"""


def bed(root: Any, **more: Any) -> Any:
    """A daemon whose worker damages its own report after a while."""
    settings = {"policy": EAGER, "judge": JUDGE, "trigger": "request", **more}
    return running(root, scenario=SCENARIOS / "overwrites.toml", mission=MISSION, **settings)


@pytest.fixture
def daemon(tmp_path) -> Iterator[Daemon]:
    with bed(tmp_path / "d") as daemon:
        yield daemon


def returns(daemon: Daemon) -> list[RolledBack]:
    return [one.body for one in records.events(daemon.record("worker")) if isinstance(one.body, RolledBack)]


def told(one: Seen) -> Escalation | None:
    payload = one.payload
    return payload if isinstance(payload, Escalation) and payload.headline.startswith("returned to") else None


def latches(operator) -> list[str]:
    """Of what the worker said last."""
    state = operator.latest("state")
    return [] if state is None else [one.name for one in state.payload.latches]


def test_policy_takes_back_what_the_judge_finds_off_course_and_the_run_goes_on(daemon):
    operator = daemon.viewer()
    assert operator.ask("run", "report").status == "ok"
    back = operator.event("rolled_back").body
    assert (back.ok, back.at, back.by, back.latch) == (True, "target", "policy", "policy/verdict-off-course")
    over = operator.event("run_finished")
    assert over.body.outcome == "done"
    assert (daemon.workspace / "report.txt").read_text() == "good\n"
    assert not (daemon.workspace / "extra.txt").exists()
    quarantined = list((daemon.state / "checkpoints" / "quarantine").rglob("extra.txt"))
    assert quarantined, "what the checkpoint did not have is kept apart"
    notice = operator.wait("a notice of the return", told)
    assert notice.subject is None
    # The judge's prose is for people: the model hears a template.
    said = [json.dumps(cell) for cell in records.cells(daemon.record("worker"), "message/").values()]
    assert any("taken back to checkpoint" in row for row in said)
    assert not any("JUDGE-PROSE" in row for row in said)
    assert not [one for one in records.events(daemon.record("worker")) if isinstance(one.body, Nudged)]
    state = operator.latest("state")
    assert state is not None
    assert state.payload.latches == ()


def test_a_person_compares_first_then_returns_and_returns_from_the_return(tmp_path):
    with bed(tmp_path / "d", judge="[judge]\nenabled = false") as daemon:
        operator = daemon.viewer()
        assert operator.ask("run", "report").status == "ok"
        first = operator.event("checkpoint_taken").body.checkpoint
        operator.event("tool_finished", lambda body: "new" in body.result.head)  # the damage is done
        compared = operator.ask("rollback", first)
        assert (compared.status, compared.stage) == ("ok", "ordered")
        shown = operator.answer(compared.request, "compared")
        assert "report.txt" in shown.text
        assert "extra.txt" in shown.text
        assert returns(daemon) == [], "a comparison changes nothing"

        assert operator.ask("pause", "let me look").status == "ok"
        ordered = operator.ask("rollback", first, "yes wrong report")
        done = operator.answer(ordered.request, "done")
        assert done.status == "ok"
        assert not (daemon.workspace / "report.txt").exists(), "it was not there yet when the run began"
        assert not (daemon.workspace / "extra.txt").exists()
        (back,) = returns(daemon)
        assert (back.by, back.latch) == ("operator", "rollback/operator")
        # The answer may be here before the worker has said that it heard of the release.
        daemon.until("the own latch alone to be released", lambda: latches(operator) == ["operator/operator"])

        again = operator.ask("rollback", back.saved_as, "yes")
        assert operator.answer(again.request, "done").status == "ok"
        assert (daemon.workspace / "report.txt").read_text() == "DAMAGED\n"
        assert (daemon.workspace / "extra.txt").read_text() == "new\n"


def test_the_command_line_lists_shows_and_returns(daemon):
    operator = daemon.viewer()
    operator.ask("run", "report")
    operator.event("run_finished")
    listing = json.loads(daemon.cli("checkpoints").stdout)
    assert {one["standing"] for one in listing} <= {"passed", "waiting", "tainted", "incomplete"}
    first = listing[-1]["id"]
    refused = daemon.cli("rollback", first)
    assert refused.returncode == 1
    assert "report.txt" in refused.stdout
    assert "--yes" in refused.stderr
    assert (daemon.workspace / "report.txt").exists()
    done = daemon.cli("rollback", first, "--yes", "--reason", "again from the start")
    assert done.returncode == 0, done.stderr
    assert f"returned to {first}" in done.stdout
    assert not (daemon.workspace / "report.txt").exists()
    nothing = daemon.cli("rollback", "c404", "--yes")
    assert nothing.returncode == 1
    assert "there is no checkpoint 'c404'" in nothing.stderr


def test_who_is_not_listed_can_neither_compare_nor_return(daemon):
    operator, bob = daemon.viewer(), daemon.viewer("bob")
    operator.ask("run", "report")
    first = operator.event("checkpoint_taken").body.checkpoint
    assert bob.ask("rollback", first).status == "rejected"
    assert bob.ask("rollback", first, "yes").status == "rejected"
    assert returns(daemon) == [] or returns(daemon)[0].by == "policy"


@pytest.mark.parametrize("role", ["worker", "overseer", "broker", "supervisor"])
def test_a_return_outlives_the_death_of(tmp_path, role):
    with bed(tmp_path / "d", judge="[judge]\nenabled = false") as daemon:
        operator = daemon.viewer()
        operator.ask("run", "report")
        first = operator.event("checkpoint_taken").body.checkpoint
        operator.event("tool_finished", lambda body: "new" in body.result.head)
        operator.say("rollback", first, "yes")
        daemon.until(
            "the order on disk", lambda: bool(records.cells(daemon.record("overseer"), "returning/") or returns(daemon))
        )
        daemon.kill(role)
        if role == "supervisor":
            daemon.start()
        daemon.until("the return to be over", lambda: bool(returns(daemon)))
        daemon.until("its latch to be released", lambda: not latched(daemon))
        (back,) = returns(daemon)
        assert (back.ok, back.at) == (True, "target")
        assert not records.cells(daemon.record("overseer"), "returning/")
        assert records.chain_faults(daemon.record("worker")) == []


def latched(daemon: Daemon) -> bool:
    """Whether the overseer still holds the worker for the return."""
    desired = records.cells(daemon.record("overseer"), "desired")["desired"]
    return any(one["name"].startswith("rollback/") for one in desired["latches"])
