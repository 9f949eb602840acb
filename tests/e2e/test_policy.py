"""One policy after another: shadow says what it would have done; a reload puts the next one in force, or refuses."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from tests.e2e import records
from tests.e2e.daemon import SCENARIOS, Daemon, running
from tests.e2e.viewer import Seen, Viewer
from watchdogd.core.events import Event, ToolStarted
from watchdogd.core.lease.messages import Answer
from watchdogd.wire.messages import DecisionReport, Info, ProcessReport, WorkerStatus

TIMING = {"beat_s": 0.5, "ttl_s": 3.0, "freeze_after_s": 4.0, "order_resend_s": 1.0, "holding_beat_s": 0.5}
"""Shorter than a configuration may have it: a lease ends, and a freeze would come, within a few calls."""
MISSION = """[missions.slow]
goal = "Write."
deny_commands = ['line-7 ']
budget_usd = 1.0"""
SHADOW = """[policy]
base = "suggest"
mode = "shadow"
[[policy.denials]]
kind = "path"
pattern = "kept/*"
reason = "the only copy"
"""
ENFORCE = '[policy]\nbase = "assisted"\nname = "the-next-one"'
BROKEN = '[policy]\nbase = "assisted"\nmode = "enforced"'


@pytest.fixture(scope="module")
def daemon(tmp_path_factory) -> Iterator[Daemon]:
    root = tmp_path_factory.mktemp("policy") / "d"
    scenario = SCENARIOS / "slow.toml"
    with running(root, scenario=scenario, mission=MISSION, policy=SHADOW, timing=TIMING, trigger="request") as daemon:
        yield daemon


@pytest.fixture(scope="module")
def operator(daemon: Daemon) -> Viewer:
    return daemon.viewer()


def starts(daemon: Daemon) -> int:
    return sum(1 for one in records.events(daemon.record("worker")) if isinstance(one.body, ToolStarted))


def status(name: str) -> object:
    return lambda one: one.payload if isinstance(one.payload, WorkerStatus) and one.payload.status == name else None


def started_after(one: Seen, seq: int) -> Event | None:
    """A call that started after row ``seq``: a new worker sends older rows again."""
    event = one.payload
    return event if isinstance(event, Event) and isinstance(event.body, ToolStarted) and event.seq > seq else None


def in_force(viewer: Viewer, *, since: int, but: str = "") -> Answer:
    """The next lease, of another policy than ``but``."""

    def found(one: Seen) -> Answer | None:
        return (
            one.payload if isinstance(one.payload, Answer) and one.payload.grant and one.payload.policy != but else None
        )

    return viewer.wait("a lease", found, since=since)


def test_in_shadow_mode_what_would_be_refused_or_asked_is_recorded_and_runs(daemon, operator):
    assert operator.ask("run", "slow").status == "ok"
    operator.event("gated", lambda body: body.by == "shadow:level" and body.outcome == "ask")
    denied = operator.event("gated", lambda body: body.by == "shadow:hard-denial")
    assert (denied.body.outcome, "shadow mode: it runs" in denied.body.reason) == ("deny", True)
    operator.event("tool_finished", lambda body: body.call == denied.body.call and body.outcome == "ok")
    assert "line-7" in (daemon.workspace / "log.txt").read_text().split()
    assert operator.all("escalation") == []
    latest = operator.latest("state")
    assert latest is not None
    assert latest.payload.latches == ()


def test_what_the_policy_denies_is_protected_in_the_eyes_of_the_detectors(operator):
    assert "kept/*" in operator.event("run_started").body.protected


def test_in_shadow_mode_a_dead_overseer_neither_holds_nor_freezes(daemon, operator):
    since, before = operator.mark, starts(daemon)
    overseer = daemon.signal("overseer", signal.SIGSTOP)
    try:
        daemon.until("calls for longer than any lease and any patience", lambda: starts(daemon) > before + 10)
    finally:
        os.kill(overseer, signal.SIGCONT)
    states = [
        one.payload.state for one in operator.all("process", since=since) if isinstance(one.payload, ProcessReport)
    ]
    assert set(states) <= {"running"}


def test_in_shadow_mode_an_operators_pause_holds_all_the_same(daemon, operator):
    answer = operator.ask("pause", text="look")
    held = operator.answer(answer.request, "held")
    assert held.status == "ok"
    operator.wait("a paused worker", status("paused"))
    before, since = starts(daemon), operator.mark
    for _ in range(3):
        since = (
            operator.seen.index(operator.wait("a beat", lambda one: one if one.topic == "beat" else None, since=since))
            + 1
        )
    assert starts(daemon) == before
    asked = operator.ask("stop", text="enough")
    assert (asked.status, asked.stage) == ("ok", "ordered")
    assert operator.event("run_finished").body.outcome == "stopped"
    assert operator.answer(asked.request, "done").text == "run r1 has ended: stopped by operator: enough"
    assert operator.ask("resume").status == "ok"


def test_an_invalid_policy_is_refused_with_file_and_line_and_the_old_one_stays(daemon, operator):
    before = in_force(operator, since=operator.mark).policy
    daemon.configure(policy=BROKEN)
    daemon.signal("supervisor", signal.SIGHUP)
    line = daemon.config.read_text().splitlines().index('mode = "enforced"') + 1
    said = f"not reloaded: {daemon.config}:{line}: policy.mode:"
    daemon.until(said, lambda: said in (daemon.root / "supervisor.log").read_text())
    since = operator.mark
    assert in_force(operator, since=since).policy == before


def test_a_valid_policy_is_in_the_next_leases_and_in_what_the_daemon_says_of_itself(daemon, operator):
    before = in_force(operator, since=operator.mark).policy
    since = operator.mark
    daemon.configure(policy=ENFORCE)
    daemon.signal("supervisor", signal.SIGHUP)
    now = in_force(operator, since=since, but=before)
    assert (now.mode, now.level) == ("enforce", "assisted")
    info = operator.wait("info", lambda one: one.payload if isinstance(one.payload, Info) else None, since=since)
    assert (info.policy, info.policy_name, info.mode) == (now.policy, "the-next-one", "enforce")
    adopted = [one["body"] for one in records.entries(daemon.record("overseer")) if one["kind"] == "policy"]
    assert [(one["from"], one["to"]) for one in adopted] == [(before, now.policy)]
    assert adopted[0]["by"].startswith("SIGHUP (uid ")


def test_a_reload_cuts_no_running_call_and_the_run_goes_on_in_a_new_worker(daemon, operator):
    before, since, worker = in_force(operator, since=operator.mark).policy, operator.mark, daemon.pid("worker")
    assert operator.ask("run", "slow").status == "ok"
    running = operator.event("tool_started", since=since)
    daemon.configure(policy=f"{ENFORCE}\n[policy.questions]\nper_hour = 7")
    daemon.signal("supervisor", signal.SIGHUP)
    ended = operator.event("tool_finished", lambda body: body.call == running.body.call, since=since)
    assert ended.body.outcome == "ok"
    again = operator.wait("the next call", lambda one: started_after(one, running.seq), since=since)
    assert (again.run, again.body.call != running.body.call) == (running.run, True)
    daemon.until("another worker", lambda: daemon.pid("worker") != worker)
    assert in_force(operator, since=since, but=before).mode == "enforce"
    assert operator.answer(operator.ask("stop", text="enough").request, "done").status == "ok"


def test_it_stays_in_force_when_every_role_has_died(daemon, operator):
    now = in_force(operator, since=operator.mark).policy
    for role in ("worker", "overseer"):
        daemon.kill(role)
    since = operator.mark
    assert in_force(operator, since=since).policy == now
    assert in_force(operator, since=since).mode == "enforce"


def test_under_the_next_policy_the_same_call_is_refused_and_the_decision_names_it(daemon, operator):
    now, since = in_force(operator, since=operator.mark).policy, operator.mark
    assert operator.ask("run", "slow").status == "ok"

    def hard_denial(one: Seen) -> DecisionReport | None:
        payload = one.payload
        return payload if isinstance(payload, DecisionReport) and payload.decision.rule == "hard-denial" else None

    decided = operator.wait("a decision", hard_denial, since=since)
    assert (decided.decision.policy, decided.decision.enforced) == (now, True)
    operator.wait("a paused worker", status("paused"), since=since)
    assert (daemon.workspace / "log.txt").read_text().split().count("line-7") == 1
    assert operator.answer(operator.ask("stop", text="enough").request, "done").status == "ok"
