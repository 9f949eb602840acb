"""Calls that fail through the agent's own doing: too many for this run, or too many in a row."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from math import log, sqrt
from typing import ClassVar

from watchdogd.core.detect.calls import Call
from watchdogd.core.detect.detector import NONE, Levels, graded, level
from watchdogd.core.detect.failures import Fault
from watchdogd.core.detect.surroundings import WINDOW_CALLS
from watchdogd.core.detect.thresholds import Errors
from watchdogd.core.events import Event
from watchdogd.core.health import Channel, Finding, Severity

RATE = "errors/rate"
ROW = "errors/in-a-row"
PRIOR_CALLS = 12.0
"""Calls that the assumed usual share weighs as much as."""
MEMORY_CALLS = 200.0
"""Calls over which the usual share is learned."""
LEAST, MOST = 0.15, 0.3
"""Bounds of the learned usual share: a calm start must not make one failure an alarm, nor a bad one hide trouble."""


@dataclass(slots=True)
class Tally:
    """Failures so far."""

    score: float = 0.0
    """Log-likelihood of trouble, not below 0 (nats)."""
    usual_failed: float = 0.0
    usual_calls: float = 0.0
    """Calls and failures seen in calm, fading."""
    last: deque[tuple[int, bool]] = field(default_factory=deque)
    failed: int = 0
    unsaid: list[tuple[int, int, float]] = field(default_factory=list)
    """The last failures that nobody has explained: (number of the call, its event, what it added to the score)."""
    outage: int = 0
    """Number of the last call that an outage failed, no failure of the agent's own since."""
    row: int = 0
    seqs: list[int] = field(default_factory=list)
    levels: Levels = field(default_factory=Levels)


@dataclass(frozen=True, slots=True)
class ErrorRate:
    """CUSUM of log-likelihood against the run's own baseline; failures in a row. Outages do not count. O(1)."""

    thresholds: Errors
    name: ClassVar[str] = "rate"
    channel: ClassVar[Channel] = Channel.ERRORS
    version: ClassVar[int] = 3
    kinds: ClassVar[frozenset[str]] = frozenset()

    def start(self) -> Tally:
        """No call yet."""
        return Tally()

    def step(self, state: Tally, event: Event, call: Call | None) -> tuple[Tally, tuple[Finding, ...]]:
        """The tally after ``call``."""
        if call is None or call.together or (call.moved and call.fault is Fault.OWN):
            return state, NONE  # it could not have learned yet; a test that fails otherwise after an edit is work
        if call.fault is Fault.OUTAGE:
            again = state.outage > 0 and call.number - state.outage <= WINDOW_CALLS
            state.outage = call.number
            if not again:
                return state, NONE
            _forgive(state, call.number)
            return state, state.levels.over(ROW, Channel.ERRORS, seq=event.seq)
        failed = call.fault is not Fault.NONE
        if failed and not call.unsaid:
            state.outage = 0
        if call.unsaid:
            state.unsaid = [*state.unsaid[-WINDOW_CALLS:], (call.number, call.seq, self._weight(state, failed=True))]
        state.last.append((call.seq, failed))
        state.failed += failed
        if len(state.last) > self.thresholds.window_calls:
            state.failed -= state.last.popleft()[1]
        state.score = max(0.0, state.score + self._weight(state, failed=failed))
        if state.score < 1.0:
            self._learn(state, failed=failed)
        return state, self._rate(state, event) + self._row(state, event, call, failed=failed)

    def risk(self, state: Tally) -> float:
        """How far the score is on its way to the first level."""
        return min(0.5, graded(state.score, self.thresholds.rate_warn, self.thresholds.rate_crit))

    def _usual(self, state: Tally) -> float:
        """The share of failed calls that is usual for this run."""
        calls = state.usual_calls + PRIOR_CALLS
        return min(MOST, max(LEAST, (state.usual_failed + PRIOR_CALLS * self.thresholds.rate_usual) / calls))

    def _most_usual(self, state: Tally) -> float:
        """Failures in the window that chance alone would exceed once in 160 windows (2.5 standard deviations)."""
        usual, calls = self._usual(state), len(state.last)
        return calls * usual + 2.5 * sqrt(calls * usual * (1 - usual))

    def _weight(self, state: Tally, *, failed: bool) -> float:
        usual, trouble = self._usual(state), self.thresholds.rate_trouble
        return log(trouble / usual) if failed else log((1 - trouble) / (1 - usual))

    def _learn(self, state: Tally, *, failed: bool) -> None:
        fade = 1 - 1 / MEMORY_CALLS
        state.usual_calls = state.usual_calls * fade + 1
        state.usual_failed = state.usual_failed * fade + failed

    def _rate(self, state: Tally, event: Event) -> tuple[Finding, ...]:
        limits = self.thresholds
        severity = level(state.score, limits.rate_warn, limits.rate_crit)
        if severity is Severity.OK and state.failed >= limits.window_warn and state.failed > self._most_usual(state):
            severity = Severity.WARN
        if severity is Severity.OK:
            over = state.score < limits.rate_warn / 3
            return state.levels.over(RATE, Channel.ERRORS, seq=event.seq) if over else NONE
        text = f"{state.failed} of the last {len(state.last)} calls failed"
        seqs = tuple(seq for seq, bad in state.last if bad)[-8:]
        risk = max(0.5, graded(state.score, limits.rate_warn, limits.rate_crit))
        return state.levels.raised(RATE, Channel.ERRORS, severity, risk, text, seqs)

    def _row(self, state: Tally, event: Event, call: Call, *, failed: bool) -> tuple[Finding, ...]:
        if not failed:
            state.row, state.seqs = 0, []
            return state.levels.over(ROW, Channel.ERRORS, seq=event.seq)
        limits = self.thresholds
        state.row += 1
        state.seqs = [*state.seqs[-7:], call.seq]
        severity = level(state.row, limits.row_warn, limits.row_crit)
        if severity is Severity.OK:
            return NONE
        text = f"{state.row} calls in a row failed"
        risk = graded(state.row, limits.row_warn, limits.row_crit)
        return state.levels.raised(ROW, Channel.ERRORS, severity, risk, text, tuple(state.seqs))


def _forgive(state: Tally, number: int) -> None:
    """Takes back what failures right before an outage have added that did not say what they were."""
    near = {seq: weight for then, seq, weight in state.unsaid if number - then <= WINDOW_CALLS}
    state.score = max(0.0, state.score - sum(near.values()))
    state.failed -= sum(failed and seq in near for seq, failed in state.last)
    state.last = deque((seq, failed and seq not in near) for seq, failed in state.last)
    state.unsaid, state.row, state.seqs = [], 0, []
