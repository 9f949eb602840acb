"""Money: prices, the ledger, the caps, the forecast."""

from __future__ import annotations

import tomllib
from datetime import date
from importlib import resources
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchdogd.core.budget import (
    DAY_S,
    KEPT,
    Caps,
    Ledger,
    Prices,
    at_most_usd,
    cost_usd,
    forecast,
    may_spend,
    parse_prices,
    spent,
)
from watchdogd.core.events import Usage

RATES: dict[str, Any] = {"input": 4, "output": 20, "cache_write_5m": 5, "cache_write_1h": 8, "cache_read": 0.4}
NOON = 20_000 * DAY_S + DAY_S / 2


def table(**models: Any) -> dict[str, Any]:
    return {"as_of": "2026-11-01", "models": models}


def shipped() -> Prices:
    text = resources.files("watchdogd.settings").joinpath("prices.toml").read_text()
    return parse_prices(tomllib.loads(text))


def test_every_kind_of_token_has_its_price() -> None:
    usage = Usage(
        input_tokens=1_000_000,
        output_tokens=1_000_000,
        cache_read_tokens=1_000_000,
        cache_write_tokens=1_000_000,
        cache_write_1h_tokens=1_000_000,
    )
    assert cost_usd(parse_prices(table(m=RATES)), "m", usage) == pytest.approx(4 + 20 + 0.4 + 5 + 8)


@pytest.mark.parametrize(
    ("model", "rate"), [("claude-opus-5-5", 4), ("claude-sonnet-5-5", 2), ("claude-haiku-5-5", 0.1)]
)
def test_the_shipped_table_knows_the_current_models(model: str, rate: float) -> None:
    usage = Usage(input_tokens=1_000_000)
    assert cost_usd(shipped(), model, usage) == pytest.approx(rate)
    assert cost_usd(shipped(), f"{model}-20261001", usage) == pytest.approx(rate)
    assert date.fromisoformat(shipped().as_of).year >= 2026


@pytest.mark.parametrize("model", ["", "claude", "claude-opus-5", "claude-opus-5-50", "claude-opus-5-5-fast", "gpt"])
def test_a_model_that_only_resembles_one_has_no_price(model: str) -> None:
    assert cost_usd(shipped(), model, Usage(input_tokens=1)) is None
    assert at_most_usd(shipped(), model, input_tokens=1, max_tokens=1) is None


def test_the_longest_declared_beginning_wins() -> None:
    dear = {**RATES, "input": 100, "also": ["m-x-*"]}
    prices = parse_prices(table(a={**RATES, "also": ["m-*"]}, b=dear))
    assert cost_usd(prices, "m-x-1", Usage(input_tokens=1_000_000)) == 100
    assert cost_usd(prices, "m-y-1", Usage(input_tokens=1_000_000)) == 4


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({"models": {}}, "as_of"),
        ({"as_of": "soon", "models": {}}, "soon"),
        ({"as_of": "2026-11-01"}, "models: not a table"),
        (table(m={**RATES, "input": -1}), "models.m.input: must be 0 or more"),
        (table(m={**RATES, "input": float("nan")}), "models.m.input: must be 0 or more"),
        (table(m={**RATES, "input": float("inf")}), "models.m.input: must be 0 or more"),
        (table(m={**RATES, "input": True}), "models.m.input: not a number"),
        (table(m={**RATES, "input": "4"}), "models.m.input: not a number"),
        (table(m={"input": 4}), "models.m.output: missing"),
        (table(m={**RATES, "ouput": 4}), "models.m.ouput: unknown key"),
        (table(m=4), "models.m: not a table"),
        ({**table(), "model": {}}, "model: unknown key"),
        (table(m={**RATES, "also": ["*"]}), "neither an id nor a beginning"),
        (table(m={**RATES, "also": ["a*b"]}), "neither an id nor a beginning"),
        (table(m={**RATES, "also": ["x"]}, n={**RATES, "also": ["x"]}), "already belongs to m"),
        (table(m={**RATES, "also": ["n"]}, n=RATES), "has a price of its own"),
    ],
)
def test_a_bad_table_is_refused_with_its_key(data: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        parse_prices(data)


def test_the_cap_of_a_run_is_hard() -> None:
    caps, ledger = Caps(run_usd=1.0), spent(Ledger(), run="r", at=NOON, usd=0.75)
    assert may_spend(caps, ledger, run="r", at=NOON, next_usd=0.25) is None
    refused = may_spend(caps, ledger, run="r", at=NOON, next_usd=0.26)
    assert refused is not None
    assert refused.cap == "run"
    assert "$0.75 of $1.00" in refused.reason


def test_a_spent_budget_refuses_even_a_free_call() -> None:
    ledger = spent(Ledger(), run="r", at=NOON, usd=1.0)
    assert may_spend(Caps(run_usd=1.0), ledger, run="r", at=NOON) is not None


def test_a_new_run_has_its_own_budget_but_the_days_goes_on() -> None:
    ledger = spent(Ledger(), run="r", at=NOON, usd=1.0)
    assert may_spend(Caps(run_usd=1.0), ledger, run="s", at=NOON) is None
    refused = may_spend(Caps(run_usd=1.0, day_usd=1.0), ledger, run="s", at=NOON)
    assert refused is not None
    assert refused.cap == "day"


def test_midnight_brings_a_new_day_and_a_clock_set_back_does_not() -> None:
    caps, ledger = Caps(day_usd=1.0), spent(Ledger(), run="r", at=NOON, usd=1.0)
    assert may_spend(caps, ledger, run="r", at=NOON + DAY_S / 2) is None
    assert may_spend(caps, ledger, run="r", at=NOON - 3 * DAY_S) is not None
    tomorrow = spent(ledger, run="r", at=NOON + DAY_S, usd=1.0)
    assert may_spend(caps, tomorrow, run="r", at=NOON) is not None


@pytest.mark.parametrize("caps", [Caps(run_usd=9), Caps(day_usd=9)])
def test_an_unknown_price_refuses_wherever_there_is_a_cap(caps: Caps) -> None:
    assert may_spend(caps, Ledger(), run="r", at=NOON, next_usd=None) is not None
    ledger = spent(Ledger(), run="r", at=NOON, usd=None)
    assert may_spend(caps, ledger, run="r", at=NOON) is not None
    assert may_spend(Caps(), ledger, run="r", at=NOON, next_usd=None) is None


@given(
    st.lists(st.tuples(st.sampled_from("rs"), st.floats(-1e5, 1e5), st.floats(0, 2)), max_size=30),
    st.floats(0.1, 5),
    st.floats(0.1, 5),
)
def test_whoever_asks_first_never_overspends(calls: list[tuple[str, float, float]], run: float, day: float) -> None:
    caps, ledger, by_run = Caps(run_usd=run, day_usd=day), Ledger(), 0.0
    for who, offset, usd in calls:
        at = NOON + offset
        if may_spend(caps, ledger, run=who, at=at, next_usd=usd) is None:
            ledger = spent(ledger, run=who, at=at, usd=usd)
        assert ledger.run_usd <= run + 1e-9
        assert ledger.day_usd <= day + 1e-9
        by_run = max(by_run, ledger.run_usd)
    assert by_run <= run + 1e-9


def test_the_most_a_call_can_cost_is_never_less_than_what_it_costs() -> None:
    prices = shipped()
    most = at_most_usd(prices, "claude-opus-5-5", input_tokens=1_000, max_tokens=500)
    real = cost_usd(prices, "claude-opus-5-5", Usage(cache_write_1h_tokens=1_000, output_tokens=500))
    assert most is not None
    assert real is not None
    assert most >= real > 0


def test_the_forecast_names_the_cap_that_is_reached_first() -> None:
    ledger = Ledger()
    for minute in range(11):
        ledger = spent(ledger, run="r", at=NOON + 60 * minute, usd=0.10)
    at = NOON + 600
    seen = forecast(Caps(run_usd=2.2, day_usd=50), ledger, at)
    assert seen is not None
    assert seen.usd_per_h == pytest.approx(6.6)
    assert seen.cap == "run"
    assert seen.ends_at == pytest.approx(at + 600)
    by_day = forecast(Caps(run_usd=99, day_usd=2.2), ledger, at)
    assert by_day is not None
    assert by_day.cap == "day"


def test_a_daily_cap_that_midnight_comes_before_is_not_forecast() -> None:
    ledger = spent(spent(Ledger(), run="r", at=NOON, usd=0.01), run="r", at=NOON + 1800, usd=0.01)
    seen = forecast(Caps(day_usd=5), ledger, NOON + 1800)
    assert seen is not None
    assert seen.ends_at is None


def test_one_call_is_no_trend_and_old_calls_are_forgotten() -> None:
    ledger = spent(Ledger(), run="r", at=NOON, usd=1)
    assert forecast(Caps(run_usd=5), ledger, NOON) is None
    ledger = spent(ledger, run="r", at=NOON + 10, usd=1)
    assert forecast(Caps(run_usd=5), ledger, NOON + 10) is not None
    assert forecast(Caps(run_usd=5), ledger, NOON + 4_000) is None


def test_the_ledger_stays_small() -> None:
    ledger = Ledger()
    for second in range(1_000):
        ledger = spent(ledger, run="r", at=NOON + second, usd=0.01)
    assert len(ledger.recent) == KEPT
    assert ledger.run_usd == pytest.approx(10)
