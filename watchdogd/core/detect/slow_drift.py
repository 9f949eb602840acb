"""Slow drift of what the mission measures itself by: a CUSUM of regret against the run's own best level.

Needs a declared metric (``RunStarted.metric``); silent without one. See docs/rules/drift-metric.md.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import ClassVar

from watchdogd.core.detect.detector import NONE, Levels
from watchdogd.core.detect.drift_thresholds import Drift
from watchdogd.core.events import Event, RunStarted, ToolFinished
from watchdogd.core.health import Channel, Finding, Severity

METRIC = "drift/metric"

MOST_TEXT = 200_000
"""Characters of a result that are searched for the metric, from its end: summaries stand last."""
SMALL_SAMPLE = 2.5
"""Over the number of readings learned from: the part by which a spread learned from few is taken to be larger."""
LEARNED_AT_MOST = 40
"""Readings after which level and spread are known well enough; while the regret is small every one is learned from
(a self-starting CUSUM, Hawkins 1987), because eight alone would give five times the false alarms."""
STILL_CALM = 2.0
"""Regret up to which a reading may be learned from."""
OUTLIER = 3.0
"""Standard deviations from which a reading is not learned from."""
BETTER = 1.5
"""Standard deviations by which the mean of the latest readings must be better to become the level. Their own noise
reaches 1 in sixty readings; taking every better reading would put the level on top of the noise."""
NEAR = 40
"""Characters between the metric's name and its number at most."""


@dataclass(slots=True)
class Measured:
    """The metric's course so far."""

    metric: str = ""
    sign: int = 1
    """1 when higher is better, -1 when lower is."""
    tool: str = ""
    readings: int = 0
    level: float = 0.0
    """The level of calm: the mean of the first readings, later of the latest ones when that is clearly better."""
    latest: deque[float] = field(default_factory=deque)
    """The newest readings, as many as calm is learned from."""
    learned: int = 0
    """Readings that level and spread were learned from."""
    squares: float = 0.0
    """Sum of their squared deviations."""
    regret: float = 0.0
    """CUSUM of standardised regret."""
    since: int = 0
    """The event at which the present rise of regret began."""
    levels: Levels = field(default_factory=Levels)


@dataclass(frozen=True, slots=True)
class MetricDrift:
    """Page's CUSUM, one-sided, on readings of the declared metric. O(length of the result) per event."""

    thresholds: Drift = field(default_factory=Drift)
    name: ClassVar[str] = "metric"
    channel: ClassVar[Channel] = Channel.DRIFT
    version: ClassVar[int] = 1
    kinds: ClassVar[frozenset[str]] = frozenset({"run_started", "tool_finished"})

    def start(self) -> Measured:
        """No metric declared."""
        return Measured()

    def risk(self, state: Measured) -> float:
        """The CUSUM on a scale where CRIT is .9."""
        return min(1.0, 0.9 * state.regret / self.thresholds.metric_crit)

    def step(self, state: Measured, event: Event) -> tuple[Measured, tuple[Finding, ...]]:
        """The course after ``event``; a finding when the regret rises, its end when it is made good."""
        match event.body:
            case RunStarted() as body:
                over = state.levels.over(METRIC, Channel.DRIFT, seq=event.seq)
                sign = 1 if body.metric_better == "higher" else -1
                metric = body.metric.lower()[:100]
                return Measured(metric=metric, sign=sign, tool=body.metric_tool, levels=state.levels), over
            case ToolFinished() as body if state.metric and (not state.tool or body.tool == state.tool):
                value = reading(body.result.shown, state.metric)
                if value is not None:
                    return state, self._read(state, value, event.seq)
            case _:
                pass
        return state, NONE

    def _read(self, state: Measured, value: float, seq: int) -> tuple[Finding, ...]:
        limits = self.thresholds
        state.readings += 1
        if state.readings <= limits.metric_calm_steps:
            _learn(state, value)
            return NONE
        state.latest.append(value)
        if len(state.latest) > limits.metric_calm_steps:
            state.latest.popleft()
        deviation = math.sqrt(state.squares / max(1, state.learned - 1))
        spread = max(deviation * (1.0 + SMALL_SAMPLE / state.learned), abs(state.level) * 0.01, 1e-9)
        regret = state.sign * (state.level - value) / spread
        if state.regret == 0.0:
            state.since = seq
        state.regret = min(4 * limits.metric_crit, max(0.0, state.regret + regret - limits.metric_slack))
        mean = sum(state.latest) / len(state.latest)
        if len(state.latest) == limits.metric_calm_steps and state.sign * (mean - state.level) > BETTER * spread:
            state.level = mean
        elif state.regret < STILL_CALM and state.learned < LEARNED_AT_MOST and abs(regret) < OUTLIER:
            _learn(state, value)
        if state.regret < limits.metric_warn:
            over = state.regret < limits.metric_warn / 2
            return state.levels.over(METRIC, Channel.DRIFT, seq=seq) if over else NONE
        severity = Severity.CRIT if state.regret >= limits.metric_crit else Severity.WARN
        headline = (
            f"{state.metric} is {value:g}, against a best level of {state.level:g} (spread {spread:.3g}); "
            f"regret adds up to {state.regret:.1f} since event {state.since}"
        )
        return state.levels.raised(METRIC, Channel.DRIFT, severity, self.risk(state), headline, (state.since, seq))


def _learn(state: Measured, value: float) -> None:
    """Takes ``value`` into level and spread (Welford)."""
    state.learned += 1
    before = state.level
    state.level += (value - before) / state.learned
    state.squares += (value - before) * (value - state.level)


def reading(text: str, metric: str) -> float | None:
    """The last number in ``text`` that stands after ``metric`` (lower case); None when there is none."""
    low = text[-MOST_TEXT:].lower()
    at = low.rfind(metric)
    tries = 0
    while at >= 0 and tries < 16:
        before = low[at - 1 : at]
        end = at + len(metric)
        value = None if before.isalnum() or before == "_" else _number(low[end : end + NEAR + 24])
        if value is not None:
            return value
        at = low.rfind(metric, 0, at)
        tries += 1
    return None


def _number(text: str) -> float | None:
    """The first number in ``text``, if it begins within ``NEAR`` characters and only punctuation comes before."""
    for at, char in enumerate(text[:NEAR]):
        if char.isdecimal() and char.isascii():
            start = at - 1 if text[at - 1 : at] in ("-", "+") else at
            end = at
            while end < len(text) and (text[end] in "0123456789.eE" or (text[end] in "+-" and text[end - 1] in "eE")):
                end += 1
            return _float(text[start:end])
        if char.isalpha() or char == "\n":
            return None
    return None


def _float(text: str) -> float | None:
    while text:
        try:
            value = float(text)
        except ValueError:
            text = text[:-1]
            continue
        return value if math.isfinite(value) and abs(value) < 1e15 else None
    return None
