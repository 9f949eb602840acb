"""Decisions are a pure function of policy, health, verdict and memory."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchdogd.core.health import Channel, Finding, Health, Severity, after
from watchdogd.core.lease.messages import Level, Mode
from watchdogd.core.plan import ReturnTo, SetLatch, Tell, effects
from watchdogd.core.policy import DEFAULT_RULES, Action, Memory, Policy, Rule, decide

POLICY = Policy(rules=DEFAULT_RULES)


def a_finding(channel: Channel = Channel.PROGRESS, severity: Severity = Severity.WARN, **changes) -> Finding:
    given = {"rule": f"{channel.value}/x", "risk": 0.5, "headline": "seen", "evidence": (5,), "key": "k", **changes}
    return Finding(channel=channel, severity=severity, **given)


def health_of(*findings: Finding) -> Health:
    return after(Health(), findings, 5, 100.0)


def actions(policy: Policy, health: Health, memory: Memory, *, now: float = 100.0, seq: int = 5):
    memory, found = decide(policy, health, None, memory, now=now, seq=seq)
    return memory, [one.action for one in found]


def test_a_loop_is_nudged_once_however_long_it_lasts():
    memory, first = actions(POLICY, health_of(a_finding()), Memory())
    assert first == [Action.NUDGE]
    for hours in range(1, 20):
        memory, again = actions(POLICY, health_of(a_finding()), memory, now=100.0 + 3600 * hours)
        assert again == []


def test_a_loop_that_ignores_its_nudge_is_paused_and_people_are_told():
    memory, _ = actions(POLICY, health_of(a_finding()), Memory())
    worse = health_of(a_finding(severity=Severity.CRIT))
    assert actions(POLICY, worse, memory, now=101, seq=9)[1] == [Action.PAUSE, Action.ESCALATE]


def test_a_critical_loop_that_was_never_nudged_is_nudged_first():
    assert actions(POLICY, health_of(a_finding(severity=Severity.CRIT)), Memory())[1] == [Action.NUDGE]


def test_two_causes_at_once_make_one_nudge():
    both = health_of(a_finding(), a_finding(Channel.ERRORS))
    memory, first = actions(POLICY, both, Memory())
    assert first == [Action.NUDGE]
    assert actions(POLICY, both, memory, now=100 + POLICY.nudge_gap_s)[1] == [Action.NUDGE]


@pytest.mark.parametrize("channel", [Channel.SAFETY, Channel.DRIFT, Channel.COST])
def test_what_is_dangerous_is_paused_at_once(channel):
    found = actions(POLICY, health_of(a_finding(channel, Severity.CRIT)), Memory())[1]
    assert Action.PAUSE in found
    assert Action.ESCALATE in found


def test_a_cooldown_keeps_the_same_cause_quiet():
    rule = Rule(id="r", severity=Severity.WARN, actions=(Action.ESCALATE,), cooldown_s=60)
    policy = replace(POLICY, rules=(rule,))
    memory, first = actions(policy, health_of(a_finding()), Memory())
    assert first == [Action.ESCALATE]
    memory, second = actions(policy, health_of(a_finding()), memory, now=159)
    assert second == []
    assert actions(policy, health_of(a_finding()), memory, now=160)[1] == [Action.ESCALATE]


def test_a_rule_with_a_duration_waits_for_it():
    rule = Rule(id="r", severity=Severity.WARN, for_s=30, actions=(Action.ESCALATE,))
    policy = replace(POLICY, rules=(rule,))
    assert actions(policy, health_of(a_finding()), Memory(), now=120)[1] == []
    assert actions(policy, health_of(a_finding()), Memory(), now=131)[1] == [Action.ESCALATE]


def test_a_cleared_finding_decides_nothing():
    health = after(health_of(a_finding()), (a_finding(severity=Severity.OK),), 6, 101.0)
    assert actions(POLICY, health, Memory())[1] == []


def test_unknown_is_matched_only_by_a_rule_for_unknown():
    health = health_of(a_finding(Channel.SAFETY, Severity.UNKNOWN))
    assert actions(POLICY, health, Memory())[1] == []
    rule = Rule(id="u", when="unknown", actions=(Action.ESCALATE,))
    assert actions(replace(POLICY, rules=(rule,)), health, Memory())[1] == [Action.ESCALATE]


def test_shadow_mode_decides_the_same_and_enforces_nothing():
    health = health_of(a_finding(Channel.SAFETY, Severity.CRIT))
    _, found = decide(replace(POLICY, mode=Mode.SHADOW), health, None, Memory(), now=1, seq=5)
    assert [one.action for one in found] == [Action.PAUSE, Action.ESCALATE]
    plans = dict(zip([one.action for one in found], [plan for _, plan in effects(found)], strict=True))
    assert plans[Action.PAUSE] == ()
    (told,) = plans[Action.ESCALATE]
    assert isinstance(told, Tell)
    assert told.subject is None


def test_an_escalation_beside_a_pause_asks_for_the_release_of_that_very_latch():
    health = health_of(a_finding(Channel.SAFETY, Severity.CRIT))
    _, found = decide(POLICY, health, None, Memory(), now=1, seq=5)
    plans = [effect for _, plan in effects(found) for effect in plan]
    (latch,) = [one for one in plans if isinstance(one, SetLatch)]
    (tell,) = [one for one in plans if isinstance(one, Tell)]
    assert tell.subject is not None
    assert getattr(tell.subject, "latch", "") == latch.name


def test_a_rollback_latches_first():
    rule = Rule(id="back", severity=Severity.CRIT, actions=(Action.ROLLBACK,))
    _, found = decide(
        replace(POLICY, rules=(rule,)), health_of(a_finding(severity=Severity.CRIT)), None, Memory(), now=1, seq=5
    )
    ((_, plan),) = effects(found)
    assert [type(one) for one in plan] == [SetLatch, ReturnTo]


@given(st.sampled_from(list(Level)), st.sampled_from(list(Mode)), st.floats(1, 1e6))
def test_the_digest_changes_if_and_only_if_the_policy_does(level, mode, gap):
    changed = replace(POLICY, level=level, mode=mode, nudge_gap_s=gap)
    assert (changed.digest == POLICY.digest) is (changed == POLICY)


@given(st.integers(0, 5_000))
def test_memory_stays_bounded(count):
    memory = Memory(acted={("r", "f", str(n)): float(n) for n in range(count)}, keep=100)
    memory, _ = decide(POLICY, Health(), None, memory, now=1e9, seq=1)
    assert len(memory.acted) <= 100
