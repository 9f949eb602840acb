"""Cost: tokens, days, forecast, cache, money that brings nothing new."""

from __future__ import annotations

import pytest

from tests.core.detecting import Tape, levels
from watchdogd.core.detect.detector import NONE
from watchdogd.core.detect.spend import MOST_CALLS, MOST_SHOWN, Spend
from watchdogd.core.detect.thresholds import Cost
from watchdogd.core.events import Event, ModelCalled, RunStarted, Usage
from watchdogd.core.health import Severity

W, C = Severity.WARN, Severity.CRIT


def called(usd: float | None = None, **tokens: int) -> ModelCalled:
    return ModelCalled(cost_usd=usd, usage=Usage(**tokens) if tokens else None)


def test_the_forecast_says_when_the_budget_ends() -> None:
    tape = Tape(every_s=60).put(RunStarted(budget_usd=10.0))
    for _ in range(12):
        tape.put(called(0.5))
    found = [one for _, one in tape.found() if one.rule == "cost/forecast"]
    assert found[0].severity is W
    assert found[
        0
    ].headline == "at this rate the budget ends at 00:21 UTC, in 15 minutes: $2.50 of $10.00, $30.00 an hour" or (
        "at this rate the budget ends at 00:" in found[0].headline
    )


def test_speed_counts_the_calls_of_its_window_and_names_the_latest() -> None:
    rule = Spend(Cost(velocity_window_s=60.0, velocity_warn_usd_per_h=30.0, velocity_crit_usd_per_h=1e9))
    state, found = rule.start(), NONE
    for seq in range(110):
        body = ModelCalled(cost_usd=0.01 if seq <= 100 else 0.1)
        state, new = rule.step(state, Event(seq=seq, body=body, at=10.0 * seq))
        found += new
    assert [(one.rule, one.evidence) for one in found] == [("cost/velocity", tuple(range(100, 106)))]
    assert "$0.51 in the last 1 minutes" in found[0].headline


def test_what_speed_is_told_from_stays_small() -> None:
    rule = Spend(Cost())
    state = rule.start()
    for seq in range(3 * MOST_CALLS):
        state, _ = rule.step(state, Event(seq=seq, body=ModelCalled(cost_usd=0.01), at=seq / 1e3))
    assert len(state.times) == len(state.costs) == MOST_CALLS
    assert len(state.seqs) == MOST_SHOWN
    assert state.recent_usd == pytest.approx(0.01 * MOST_CALLS)


def test_a_run_that_can_finish_on_its_budget_is_left_alone() -> None:
    tape = Tape(every_s=250).put(RunStarted(budget_usd=10.0))
    for _ in range(10):
        tape.put(called(0.2))
    assert tape.rules() == {}


def test_a_days_spending_is_counted_over_runs_and_forgotten_at_midnight() -> None:
    tape = Tape(every_s=3_600)
    for _ in range(30):
        tape.put(RunStarted()).put(called(5.0), after_s=0)
    found = levels(tape.found(), "cost/day")
    assert found[0][1] is W
    assert found[-1][1] is Severity.OK


def test_tokens_of_a_run_are_counted_without_prices() -> None:
    tape = Tape().put(RunStarted())
    for _ in range(4):
        tape.put(called(None, input_tokens=4_000_000, cache_read_tokens=6_000_000))
    assert levels(tape.found(), "cost/tokens") == [(3, W)]


def test_a_cache_that_stopped_paying_is_seen() -> None:
    tape = Tape().put(RunStarted())
    for _ in range(3):
        tape.put(called(None, input_tokens=100, cache_read_tokens=50_000))
    for _ in range(3):
        tape.put(called(None, input_tokens=50_100))
    tape.put(called(None, input_tokens=100, cache_read_tokens=50_000))
    assert levels(tape.found(), "cost/cache-misses") == [(6, W), (7, Severity.OK)]


def test_a_run_without_a_cache_misses_none() -> None:
    tape = Tape().put(RunStarted())
    for _ in range(20):
        tape.put(called(None, input_tokens=50_100))
    assert tape.rules() == {}


def test_money_spent_while_nothing_new_comes_of_it() -> None:
    tape, busy = Tape().put(RunStarted()), Tape().put(RunStarted())
    for n in range(8):
        tape.put(called(0.4)).call(f"cat {n % 2}", f"the same old text of file {n % 2}")
        busy.put(called(0.4)).call(f"cat {n}", f"a new text of file {n}")
    assert "cost/without-progress" in tape.rules()
    assert "cost/without-progress" not in busy.rules()
