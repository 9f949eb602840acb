"""A mission's deadline passes while it waits: for a person's answer, or for a lease that nobody grants."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from tests.e2e import records
from tests.e2e.daemon import SCENARIOS, Daemon, running
from tests.e2e.viewer import Seen, Viewer
from watchdogd.core.escalation import Escalation
from watchdogd.core.events import RunFinished

MISSION = """[missions.slow]
goal = "Write."
deadline_s = 4
budget_usd = 1.0"""


@pytest.fixture(scope="module")
def daemon(tmp_path_factory) -> Iterator[Daemon]:
    root = tmp_path_factory.mktemp("deadline") / "d"
    policy = '[policy]\nbase = "suggest"'
    with running(root, scenario=SCENARIOS / "slow.toml", mission=MISSION, policy=policy, trigger="request") as daemon:
        yield daemon


@pytest.fixture(scope="module")
def operator(daemon: Daemon) -> Viewer:
    return daemon.viewer()


def question(viewer: Viewer, state: str, *, since: int) -> Escalation:
    def found(one: Seen) -> Escalation | None:
        payload = one.payload
        return payload if isinstance(payload, Escalation) and payload.subject and payload.state == state else None

    return viewer.wait(f"a question that is {state}", found, since=since)


def ends(daemon: Daemon) -> list[RunFinished]:
    return [one.body for one in records.events(daemon.record("worker")) if isinstance(one.body, RunFinished)]


def test_while_nobody_answers_the_run_ends_and_its_question_is_withdrawn(daemon, operator):
    since = operator.mark
    assert operator.ask("run", "slow").status == "ok"
    asked = question(operator, "open", since=since)
    over = question(operator, "withdrawn", since=since)
    assert over.id == asked.id
    assert [(one.outcome, one.reason) for one in ends(daemon)] == [("gave_up", "the deadline of 4 s has passed")]
    assert not (daemon.workspace / "log.txt").exists()


def test_while_nobody_grants_a_lease_the_run_ends(daemon, operator):
    since = operator.mark
    assert operator.ask("run", "slow").status == "ok"
    asked = question(operator, "open", since=since)
    assert operator.ask("approve", asked.id).status == "ok"
    operator.event("tool_started", since=since)
    overseer = daemon.signal("overseer", signal.SIGSTOP)
    try:
        daemon.until("the run's end", lambda: len(ends(daemon)) == 2)
    finally:
        os.kill(overseer, signal.SIGCONT)
    assert ends(daemon)[-1].reason == "the deadline of 4 s has passed"
