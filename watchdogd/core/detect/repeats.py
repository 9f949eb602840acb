"""The same call with the same answer, again and again; the same call failing, whatever its text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from watchdogd.core.detect.answers import Change
from watchdogd.core.detect.calls import Call
from watchdogd.core.detect.detector import NONE, Levels, graded, level
from watchdogd.core.detect.failures import Fault
from watchdogd.core.detect.thresholds import Progress
from watchdogd.core.events import Event
from watchdogd.core.health import Channel, Finding, Severity

IDENTICAL = "progress/identical-call"
FAILING = "progress/same-call-failing"


@dataclass(slots=True)
class Streak:
    """Equal calls in a row."""

    key: int = 0
    answer: int = 0
    calls: int = 0
    """Equal calls in a row, whatever the answer."""
    count: int = 0
    """Those of them with the same answer."""
    failed: int = 0
    """Those of them that failed, in a row."""
    waits: int = 0
    turn: int = 0
    """Turn of the first of them."""
    seqs: list[int] = field(default_factory=list)
    levels: Levels = field(default_factory=Levels)
    risk: float = 0.0


@dataclass(frozen=True, slots=True)
class IdenticalCall:
    """Consecutive equal calls. O(1) per event."""

    thresholds: Progress
    name: ClassVar[str] = "identical-call"
    channel: ClassVar[Channel] = Channel.PROGRESS
    version: ClassVar[int] = 3
    kinds: ClassVar[frozenset[str]] = frozenset()

    def start(self) -> Streak:
        """No call yet."""
        return Streak()

    def step(self, state: Streak, event: Event, call: Call | None) -> tuple[Streak, tuple[Finding, ...]]:
        """The streak after ``call``."""
        if call is None:
            return state, NONE
        found = NONE
        if call.key != state.key:
            found = self._over(state, event, FAILING) + self._over(state, event, IDENTICAL)
            state.key, state.calls, state.failed, state.waits = call.key, 0, 0, 0
            state.turn, state.seqs, state.answer = call.turn, [], call.answer
            state.count = 0
        elif call.answer != state.answer:
            found = self._over(state, event, IDENTICAL)
            state.answer, state.count = call.answer, min(call.same, state.calls + 1) - 1
        elif call.moving:
            found = self._over(state, event, IDENTICAL)
        state.calls += 1
        state.count += 1
        state.failed = state.failed + 1 if call.fault is not Fault.NONE else 0
        state.waits += call.waits or call.fault is Fault.OUTAGE
        state.seqs = [*state.seqs[-7:], call.seq]
        if state.calls < 2:
            state.risk = 0.0
            return state, found
        return state, found + self._seen(state, call)

    def risk(self, state: Streak) -> float:
        """How far the streak is on its way to the first level."""
        return state.risk

    def _over(self, state: Streak, event: Event, rule: str) -> tuple[Finding, ...]:
        return state.levels.over(rule, Channel.PROGRESS, seq=event.seq)

    def _seen(self, state: Streak, call: Call) -> tuple[Finding, ...]:
        limits = self.thresholds
        factor = limits.waiting_factor if state.waits else 1
        if state.failed >= state.count:
            warn, crit = limits.repeat_failing_warn, limits.repeat_failing_crit
        else:
            warn, crit = limits.repeat_warn, limits.repeat_crit
        warn, crit = factor * warn, factor * crit
        state.risk = min(0.5, graded(state.count - 1, warn, crit))
        turns = call.turn - state.turn + 1
        reworded = call.change is Change.REWORDED
        if (call.moving and not reworded) or state.calls < 2 * turns:
            return NONE  # it goes somewhere, or one call per thing a person said: that is a conversation
        severity = Severity.OK if reworded else level(state.count, warn, crit)
        found = NONE
        if severity is not Severity.OK:
            how = "failing the same way" if state.failed >= state.count else "same answer"
            text = f"{call.tool}: same call {state.count} times in a row, {how}"
            found = self._raised(state, call, IDENTICAL, severity, graded(state.count, warn, crit), text)
        severity = level(state.failed, factor * limits.same_call_failing_warn, factor * limits.same_call_failing_crit)
        if severity is not Severity.OK and (reworded or state.failed > state.count):
            text = f"{call.tool}: same call failed {state.failed} times in a row, with different texts"
            found += self._raised(state, call, FAILING, severity, 0.6, text)
        return found

    def _raised(
        self, state: Streak, call: Call, rule: str, severity: Severity, risk: float, text: str
    ) -> tuple[Finding, ...]:
        key = f"{call.key:016x}"
        return state.levels.raised(rule, Channel.PROGRESS, severity, risk, text, tuple(state.seqs), key=key)
