"""The gate's rulings: denials first, then the level, then an approval of this very action, then the budget."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchdogd.core.access import (
    OPEN_SCOPES,
    RIGHTS,
    Act,
    Allow,
    Approval,
    Ask,
    Bounds,
    Budget,
    Denial,
    Deny,
    Operator,
    Preview,
    Right,
    Ruling,
    Scope,
    permitted,
    rule,
)
from watchdogd.core.events import Impact
from watchdogd.core.lease.messages import Level

NOW = 1_700_000_000.0
WRITE = Act(tool="create", impact=Impact.WRITE, action_digest="d1", text="rm -rf raw", writes=("raw/a.csv",))
YES = Approval(question="q1", action_digest="d1", by="ada", valid_until=NOW + 900)


def ruled(
    act: Act = WRITE,
    *,
    level=Level.SUGGEST,
    bounds=Bounds(),  # noqa: B008
    approvals=(),
    budget=Budget(),  # noqa: B008
    **run: bool,
) -> Ruling:
    return rule(act, level=level, bounds=bounds, approvals=approvals, budget=budget, now=NOW, **run)


@pytest.mark.parametrize("level", list(Level))
@pytest.mark.parametrize("impact", list(Impact))
def test_each_level_says_what_the_table_says(level: Level, impact: Impact) -> None:
    said = ruled(Act(tool="t", impact=impact, action_digest="d"), level=level)
    match RIGHTS[level][impact]:
        case Right.ALLOW:
            assert isinstance(said, Allow)
        case Right.ASK | Right.ASK_UNLESS_LISTED:
            assert isinstance(said, Ask)
        case Right.PREVIEW:
            assert isinstance(said, Preview)
        case Right.DENY:
            assert isinstance(said, Deny)


@pytest.mark.parametrize(
    "denial",
    [
        Denial(kind="path", pattern="raw", reason="kept"),
        Denial(kind="command", pattern=r"\brm\b", reason="kept"),
        Denial(kind="tool", pattern="cre*", reason="kept"),
        Denial(kind="command", pattern="(", reason="a pattern nobody can read"),
    ],
)
@given(level=st.sampled_from(list(Level)), approved=st.booleans(), asks=st.booleans())
def test_a_hard_denial_stands_above_every_level_approval_and_question(denial, level, approved, asks) -> None:
    act = Act(
        tool=WRITE.tool,
        impact=WRITE.impact,
        action_digest=WRITE.action_digest,
        text=WRITE.text,
        writes=WRITE.writes,
        asks_people=asks,
    )
    said = ruled(act, level=level, bounds=Bounds(denials=(denial,)), approvals=(YES,) if approved else ())
    assert isinstance(said, Deny)
    assert said.by == "hard-denial"


def test_an_approval_of_this_very_action_lets_it_run_and_is_named() -> None:
    assert ruled(approvals=(YES,)) == Allow(approval="q1", why="approved by ada")


@pytest.mark.parametrize(
    "approval",
    [
        Approval(question="q1", action_digest="another", by="ada", valid_until=NOW + 900),
        Approval(question="q1", action_digest="d1", by="ada", valid_until=NOW),
        Approval(question="q1", action_digest="d1", by="ada", valid_until=NOW + 900, used=True),
    ],
    ids=["of another action", "run out", "used"],
)
def test_an_approval_that_does_not_fit_is_none(approval: Approval) -> None:
    assert isinstance(ruled(approvals=(approval,)), Ask)


@pytest.mark.parametrize("level", list(Level))
@pytest.mark.parametrize("impact", list(Impact))
@pytest.mark.parametrize("by_mission", [False, True])
def test_no_level_and_no_approval_lets_a_dry_run_out_of_its_copy(level: Level, impact: Impact, by_mission) -> None:
    act = Act(tool="t", impact=impact, action_digest="d1", hosts=("listed",))
    limits = Bounds(listed_hosts=("*",), listed_actions=("*",))
    said = ruled(act, level=level, bounds=limits, approvals=(YES,), dry_run=True, by_mission=by_mission)
    match impact:
        case Impact.READ:
            assert isinstance(said, Allow)
        case Impact.WRITE | Impact.EXECUTE | Impact.DESTRUCTIVE:
            assert isinstance(said, Preview)
        case Impact.NETWORK | Impact.EXTERNAL:
            assert isinstance(said, Deny)
            assert said.by == "dry-run"


@pytest.mark.parametrize("impact", [Impact.WRITE, Impact.EXECUTE, Impact.DESTRUCTIVE])
def test_the_missions_own_command_changes_nothing_where_the_worker_may_not(impact: Impact) -> None:
    check = Act(tool="shell", impact=impact, action_digest="d")
    assert isinstance(ruled(check, level=Level.OBSERVE, by_mission=True), Preview)
    assert isinstance(ruled(check, level=Level.SUGGEST, by_mission=True), Allow)


@pytest.mark.parametrize("budget", [Budget(left_usd=0.0), Budget(left_tokens=0), Budget(left_usd=-1.0)])
@pytest.mark.parametrize("level", [Level.AUTONOMOUS, Level.OBSERVE])
def test_a_spent_budget_stops_what_everything_else_allows(level: Level, budget: Budget) -> None:
    said = ruled(level=level, budget=budget)
    assert isinstance(said, Deny)
    assert said.by == "budget"


@pytest.mark.parametrize("scope", list(Scope))
def test_an_unknown_person_may_only_restrict(scope: Scope) -> None:
    ada = Operator(name="ada", may=frozenset({Scope.APPROVE}))
    assert permitted((ada,), "eve", scope) == (scope in OPEN_SCOPES)
    assert permitted((ada,), "ada", scope) == (scope in OPEN_SCOPES or scope is Scope.APPROVE)
