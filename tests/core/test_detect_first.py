"""Stall, spend, error rate, outage: what they see and what they must not."""

from __future__ import annotations

from typing import Literal

from watchdogd.core.detect.bank import bank
from watchdogd.core.events import (
    Body,
    Event,
    Gated,
    Held,
    ModelCalled,
    ModelStarted,
    ProviderError,
    RunFinished,
    RunStarted,
    Text,
    Tick,
    ToolFinished,
    ToolIntended,
    ToolStarted,
    Usage,
    UserSaid,
)
from watchdogd.core.health import Finding, Severity


def run(*timed: tuple[float | None, Body]) -> list[tuple[int, Finding]]:
    one = bank()
    state, found = one.start(), []
    for seq, (at, body) in enumerate(timed):
        state, new = one.step(state, Event(seq=seq, body=body, at=at))
        found += [(seq, finding) for finding in new]
    return found


def levels(found: list[tuple[int, Finding]], rule: str) -> list[tuple[int, Severity]]:
    return [(seq, one.severity) for seq, one in found if one.rule == rule]


TOOL = ToolIntended(call="c", tool="build", args={})
DONE = ToolFinished(call="c", tool="build", outcome="ok", result=Text.of("built"))


def test_silence_is_seen_by_ticks_and_over_with_the_next_activity() -> None:
    found = run((0, RunStarted()), (1, DONE), (200, Tick()), (302, Tick()), (902, Tick()), (903, ModelStarted()))
    assert levels(found, "progress/silence") == [(3, Severity.WARN), (4, Severity.CRIT), (5, Severity.OK)]


def test_silence_without_a_clock_is_not_guessed() -> None:
    assert run((None, RunStarted()), (None, DONE), (None, Tick())) == []


def test_a_running_tool_is_activity_until_its_own_deadline() -> None:
    started = ToolStarted(call="c", tool="build", deadline_s=3_600)
    found = run(
        (0, RunStarted()), (1, TOOL), (2, started), (3_000, Tick()), (3_640, Tick()), (4_000, Tick()), (4_001, DONE)
    )
    assert levels(found, "progress/silence") == []
    assert levels(found, "progress/call-overdue") == [(4, Severity.WARN), (5, Severity.CRIT), (6, Severity.OK)]


def test_a_running_model_call_is_activity() -> None:
    assert run((0, RunStarted()), (1, ModelStarted(deadline_s=1_200)), (1_000, Tick())) == []


def test_idle_asking_held_and_waiting_for_a_person_are_not_stalled() -> None:
    for body in (
        RunFinished(),
        Gated(outcome="ask"),
        Held(why="latch"),
        ModelCalled(stop_reason="end_turn", text=Text.of("which file?")),
    ):
        assert run((0, RunStarted()), (1, body), (5_000, Tick())) == [], body.kind
    assert run((0, RunStarted()), (1, ModelCalled(stop_reason="end_turn")), (9_000, UserSaid(text=Text.of("x")))) == []


def test_nothing_before_the_run_starts_is_a_stall() -> None:
    assert run((0, Tick()), (5_000, Tick())) == []


def test_the_budget_warns_at_80_percent_and_is_critical_when_it_is_gone() -> None:
    called = ModelCalled(cost_usd=0.41, usage=Usage(output_tokens=5))
    found = run((None, RunStarted(budget_usd=1.0)), (None, called), (None, called), (None, called))
    assert levels(found, "cost/budget") == [(2, Severity.WARN), (3, Severity.CRIT)]
    assert "82%" in found[0][1].headline


def test_a_call_of_unknown_cost_is_not_guessed() -> None:
    assert run((None, RunStarted(budget_usd=1.0)), (None, ModelCalled(usage=Usage(output_tokens=10**6)))) == []


def test_spending_speed_is_measured_over_its_window() -> None:
    called = ModelCalled(cost_usd=1.0)
    fast = run((0, RunStarted()), *((60.0 * i, called) for i in range(10)))
    slow = run((0, RunStarted()), *((600.0 * i, called) for i in range(10)))
    assert levels(fast, "cost/velocity")[0][1] is Severity.WARN
    assert levels(slow, "cost/velocity") == []


def call(i: int, *, error: bool, status: int | None = None, kind: str = "") -> list[tuple[float | None, Body]]:
    outcome: Literal["ok", "error"] = "error" if error else "ok"
    done = ToolFinished(
        call=f"c{i}", tool="run", outcome=outcome, status=status, error_class=kind, result=Text.of(f"line {i}")
    )
    return [(None, ToolIntended(call=f"c{i}", tool="run", args={"n": i})), (None, done)]


def test_many_failing_calls_raise_the_error_rate() -> None:
    steps = [one for i in range(12) for one in call(i, error=i % 3 != 0)]
    assert levels(run(*steps), "errors/rate")


def test_failures_of_the_network_are_named_and_not_blamed_on_the_agent() -> None:
    steps = [one for i in range(12) for one in call(i, error=True, status=503)]
    found = run(*steps)
    assert levels(found, "errors/provider-or-network-outage")[0] == (5, Severity.WARN)
    assert {one.rule for _, one in found} == {"errors/provider-or-network-outage"}


def test_provider_errors_are_an_outage_and_over_when_calls_succeed() -> None:
    bad = [(None, ProviderError(error="overloaded", status=529))] * 4
    good = [(None, ModelCalled(usage=Usage(output_tokens=1)))] * 6
    found = run(*bad, *good)
    assert [severity for _, severity in levels(found, "errors/provider-or-network-outage")] == [
        Severity.WARN,
        Severity.OK,
    ]
