"""Money: how much of the budget is gone, and how fast it goes."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import ClassVar

from watchdogd.core.detect.detector import NONE, Levels
from watchdogd.core.detect.thresholds import Cost
from watchdogd.core.events import Event, ModelCalled, RunStarted
from watchdogd.core.health import Channel, Finding, Severity

BUDGET = "cost/budget"
VELOCITY = "cost/velocity"
MOST_CALLS = 512
"""Calls that the velocity window can hold."""
FEWEST_CALLS = 3
"""Fewer calls than this have no speed."""


@dataclass(slots=True)
class Spent:
    """What the run cost so far."""

    budget_usd: float | None = None
    usd: float = 0.0
    recent: deque[tuple[int, float, float]] = field(default_factory=deque)
    """(seq, Unix time, dollars) of the calls within the velocity window."""
    recent_usd: float = 0.0
    levels: Levels = field(default_factory=Levels)


@dataclass(frozen=True, slots=True)
class Spend:
    """Budget and velocity. Amortised O(1) per event; a call of unknown cost is not guessed."""

    thresholds: Cost
    name: ClassVar[str] = "spend"
    channel: ClassVar[Channel] = Channel.COST
    version: ClassVar[int] = 1
    kinds: ClassVar[frozenset[str]] = frozenset({"run_started", "model_called"})

    def start(self) -> Spent:
        """Nothing spent."""
        return Spent()

    def step(self, state: Spent, event: Event) -> tuple[Spent, tuple[Finding, ...]]:
        """The account after ``event``."""
        body = event.body
        if isinstance(body, RunStarted):
            levels = state.levels
            over = levels.over(BUDGET, Channel.COST, seq=event.seq) + levels.over(VELOCITY, Channel.COST, seq=event.seq)
            return Spent(budget_usd=body.budget_usd, levels=levels), over
        if not isinstance(body, ModelCalled) or body.cost_usd is None:
            return state, NONE
        state.usd += body.cost_usd
        found = self._budget(state, event)
        if event.at is not None:
            found += self._velocity(state, event, event.at, body.cost_usd)
        return state, found

    def _budget(self, state: Spent, event: Event) -> tuple[Finding, ...]:
        if not state.budget_usd:
            return NONE
        share = state.usd / state.budget_usd
        if share < self.thresholds.budget_warn:
            return NONE
        severity = Severity.CRIT if share >= self.thresholds.budget_crit else Severity.WARN
        text = f"{share:.0%} of the budget is spent: ${state.usd:.2f} of ${state.budget_usd:.2f}"
        return state.levels.raised(BUDGET, Channel.COST, severity, min(1.0, share), text, (event.seq,))

    def _velocity(self, state: Spent, event: Event, at: float, usd: float) -> tuple[Finding, ...]:
        limits = self.thresholds
        state.recent.append((event.seq, at, usd))
        state.recent_usd += usd
        while state.recent and (state.recent[0][1] <= at - limits.velocity_window_s or len(state.recent) > MOST_CALLS):
            state.recent_usd -= state.recent.popleft()[2]
        rate = state.recent_usd / limits.velocity_window_s * 3_600
        if rate < limits.velocity_warn_usd_per_h or len(state.recent) < FEWEST_CALLS:
            calm = rate < 0.8 * limits.velocity_warn_usd_per_h
            return state.levels.over(VELOCITY, Channel.COST, seq=event.seq) if calm else NONE
        severity = Severity.CRIT if rate >= limits.velocity_crit_usd_per_h else Severity.WARN
        minutes = limits.velocity_window_s / 60
        text = f"spending ${rate:.2f} an hour: ${state.recent_usd:.2f} in the last {minutes:.0f} minutes"
        seqs = tuple(seq for seq, _, _ in state.recent)[-8:]
        risk = min(1.0, 0.5 * rate / limits.velocity_warn_usd_per_h)
        return state.levels.raised(VELOCITY, Channel.COST, severity, risk, text, seqs)
