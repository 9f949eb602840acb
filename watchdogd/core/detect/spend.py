"""Money and tokens: how much of the budget is gone, how fast it goes, when it will be gone."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import ClassVar

from watchdogd.core.detect.detector import NONE, Levels, graded, level
from watchdogd.core.detect.thresholds import Cost
from watchdogd.core.events import Event, ModelCalled, RunStarted, Usage
from watchdogd.core.health import Channel, Finding, Severity

BUDGET = "cost/budget"
FORECAST = "cost/forecast"
VELOCITY = "cost/velocity"
DAY = "cost/day"
TOKENS = "cost/tokens"
MOST_CALLS = 512
"""Calls that the velocity window can hold."""
MOST_SHOWN = 8
"""Calls that a finding on speed names."""
FEWEST_CALLS = 3
"""Fewer calls than this have no speed."""
DAY_S = 86_400.0


@dataclass(slots=True)
class Spent:
    """What the run cost so far."""

    budget_usd: float | None = None
    usd: float = 0.0
    tokens: int = 0
    day: int = -1
    """Days since 1970 (UTC) of ``day_usd``, over all runs."""
    day_usd: float = 0.0
    times: array[float] = field(default_factory=lambda: array("d"))
    """Unix times of the calls within the velocity window."""
    costs: array[float] = field(default_factory=lambda: array("d"))
    """Dollars of the same calls."""
    seqs: list[int] = field(default_factory=list)
    """The latest calls, ``MOST_SHOWN`` at most."""
    recent_usd: float = 0.0
    levels: Levels = field(default_factory=Levels)


@dataclass(frozen=True, slots=True)
class Spend:
    """Budget, forecast, speed, day and tokens. Amortised O(1) per event; a call of unknown cost is not guessed."""

    thresholds: Cost
    name: ClassVar[str] = "spend"
    channel: ClassVar[Channel] = Channel.COST
    version: ClassVar[int] = 3
    kinds: ClassVar[frozenset[str]] = frozenset({"run_started", "model_called"})

    def start(self) -> Spent:
        """Nothing spent."""
        return Spent()

    def step(self, state: Spent, event: Event) -> tuple[Spent, tuple[Finding, ...]]:
        """The account after ``event``."""
        body = event.body
        if isinstance(body, RunStarted):
            over = NONE
            for rule in (BUDGET, FORECAST, TOKENS):
                over += state.levels.over(rule, Channel.COST, seq=event.seq)
            state.budget_usd, state.usd, state.tokens = body.budget_usd, 0.0, 0
            return state, over
        if not isinstance(body, ModelCalled):
            return state, NONE
        found = NONE if body.usage is None else self._tokens(state, event, body.usage)
        if body.cost_usd is None:
            return state, found
        state.usd += body.cost_usd
        found += self._budget(state, event)
        if event.at is not None:
            found += self._timed(state, event, event.at, body.cost_usd)
        return state, found

    def risk(self, state: Spent) -> float:
        """Half the share of the budget that is gone."""
        return min(0.5, 0.5 * state.usd / state.budget_usd) if state.budget_usd else 0.0

    def _tokens(self, state: Spent, event: Event, usage: Usage) -> tuple[Finding, ...]:
        limits = self.thresholds
        state.tokens += tokens_of(usage)
        severity = level(state.tokens, limits.run_tokens_warn, limits.run_tokens_crit)
        if severity is Severity.OK:
            return NONE
        text = f"{state.tokens / 1e6:.1f} million tokens in this run"
        risk = graded(state.tokens, limits.run_tokens_warn, limits.run_tokens_crit)
        return state.levels.raised(TOKENS, Channel.COST, severity, risk, text, (event.seq,))

    def _budget(self, state: Spent, event: Event) -> tuple[Finding, ...]:
        if not state.budget_usd:
            return NONE
        share = state.usd / state.budget_usd
        severity = level(share, self.thresholds.budget_warn, self.thresholds.budget_crit)
        if severity is Severity.OK:
            return NONE
        text = f"{share:.0%} of the budget is spent: ${state.usd:.2f} of ${state.budget_usd:.2f}"
        return state.levels.raised(BUDGET, Channel.COST, severity, min(1.0, share), text, (event.seq,))

    def _timed(self, state: Spent, event: Event, at: float, usd: float) -> tuple[Finding, ...]:
        limits, window_s = self.thresholds, self.thresholds.velocity_window_s
        times, costs = state.times, state.costs
        times.append(at)
        costs.append(usd)
        state.seqs = [*state.seqs[1 - MOST_SHOWN :], event.seq]
        state.recent_usd += usd
        old = 0
        while old < len(times) and (times[old] <= at - window_s or len(times) - old > MOST_CALLS):
            state.recent_usd -= costs[old]
            old += 1
        if old:
            del times[:old], costs[:old]
        if not times:
            state.recent_usd = 0.0  # what rounding left
        per_s = state.recent_usd / window_s
        found = self._day(state, event, at, usd)
        if len(times) < FEWEST_CALLS:
            return found
        return found + self._velocity(state, event, per_s * 3_600, limits) + self._forecast(state, event, at, per_s)

    def _velocity(self, state: Spent, event: Event, rate: float, limits: Cost) -> tuple[Finding, ...]:
        severity = level(rate, limits.velocity_warn_usd_per_h, limits.velocity_crit_usd_per_h)
        if severity is Severity.OK:
            calm = rate < 0.8 * limits.velocity_warn_usd_per_h
            return state.levels.over(VELOCITY, Channel.COST, seq=event.seq) if calm else NONE
        minutes = limits.velocity_window_s / 60
        text = f"spending ${rate:.2f} an hour: ${state.recent_usd:.2f} in the last {minutes:.0f} minutes"
        risk = graded(rate, limits.velocity_warn_usd_per_h, limits.velocity_crit_usd_per_h)
        return state.levels.raised(VELOCITY, Channel.COST, severity, risk, text, self._latest(state))

    def _forecast(self, state: Spent, event: Event, at: float, per_s: float) -> tuple[Finding, ...]:
        limits = self.thresholds
        if not state.budget_usd or per_s <= 0 or state.usd >= state.budget_usd:
            return NONE
        left_s = (state.budget_usd - state.usd) / per_s
        if left_s > limits.forecast_warn_s or state.usd < limits.forecast_from * state.budget_usd:
            calm = left_s > 2 * limits.forecast_warn_s
            return state.levels.over(FORECAST, Channel.COST, seq=event.seq) if calm else NONE
        text = (
            f"at this rate the budget ends at {clock(at + left_s)} UTC, in {left_s / 60:.0f} minutes: "
            f"${state.usd:.2f} of ${state.budget_usd:.2f}, ${per_s * 3_600:.2f} an hour"
        )
        return state.levels.raised(FORECAST, Channel.COST, Severity.WARN, 0.6, text, self._latest(state))

    def _day(self, state: Spent, event: Event, at: float, usd: float) -> tuple[Finding, ...]:
        limits, found = self.thresholds, NONE
        if (day := int(at // DAY_S)) != state.day:
            state.day, state.day_usd = day, 0.0
            found = state.levels.over(DAY, Channel.COST, seq=event.seq)
        state.day_usd += usd
        severity = level(state.day_usd, limits.day_warn_usd, limits.day_crit_usd)
        if severity is Severity.OK:
            return found
        text = f"${state.day_usd:.2f} spent since midnight UTC"
        risk = graded(state.day_usd, limits.day_warn_usd, limits.day_crit_usd)
        return found + state.levels.raised(DAY, Channel.COST, severity, risk, text, (event.seq,))

    def _latest(self, state: Spent) -> tuple[int, ...]:
        return tuple(state.seqs[-len(state.times) :])


def tokens_of(usage: Usage) -> int:
    """All tokens of one call, cached ones included."""
    return (
        usage.input_tokens
        + usage.output_tokens
        + usage.cache_read_tokens
        + usage.cache_write_tokens
        + usage.cache_write_1h_tokens
    )


def clock(at: float) -> str:
    """The time of day of a Unix time, as HH:MM UTC."""
    minutes = int(at % DAY_S) // 60
    return f"{minutes // 60:02}:{minutes % 60:02}"
