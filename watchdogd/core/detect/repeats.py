"""The same call with the same answer, again and again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from watchdogd.core.detect.answers import Change
from watchdogd.core.detect.calls import Call
from watchdogd.core.detect.detector import NONE, Levels
from watchdogd.core.detect.failures import Fault
from watchdogd.core.detect.thresholds import Progress
from watchdogd.core.events import Event
from watchdogd.core.health import Channel, Finding, Severity

RULE = "progress/identical-call"


@dataclass(slots=True)
class Streak:
    """Equal calls in a row."""

    key: int = 0
    answer: int = 0
    count: int = 0
    failed: int = 0
    first_turn: int = 0
    seqs: list[int] = field(default_factory=list)
    levels: Levels = field(default_factory=Levels)
    last_at: float | None = None
    slow: int = 0
    """Repeats that came late enough to be deliberate waiting."""


@dataclass(frozen=True, slots=True)
class IdenticalCall:
    """Consecutive equal (call, answer). O(1) per event."""

    thresholds: Progress
    name: ClassVar[str] = "identical-call"
    channel: ClassVar[Channel] = Channel.PROGRESS
    version: ClassVar[int] = 1
    kinds: ClassVar[frozenset[str]] = frozenset()

    def start(self) -> Streak:
        """No call yet."""
        return Streak()

    def step(self, state: Streak, event: Event, call: Call | None) -> tuple[Streak, tuple[Finding, ...]]:
        """The streak after ``call``."""
        if call is None:
            return state, NONE
        found = NONE
        if call.key != state.key or call.answer != state.answer or call.change is Change.PROGRESS:
            found = state.levels.over(RULE, Channel.PROGRESS, seq=event.seq)
            state.key, state.answer, state.count, state.failed, state.slow = call.key, call.answer, 0, 0, 0
            state.first_turn, state.seqs = call.turn, []
        state.count += 1
        state.failed = state.failed + 1 if call.fault is not Fault.NONE else 0
        if (
            call.at is not None
            and state.last_at is not None
            and call.at - state.last_at >= self.thresholds.waiting_gap_s
        ):
            state.slow += 1
        state.last_at = call.at
        state.seqs = [*state.seqs[-7:], call.seq]
        return state, found + self._seen(state, call)

    def _seen(self, state: Streak, call: Call) -> tuple[Finding, ...]:
        limits, count = self.thresholds, state.count
        if count < limits.repeat_failing_warn or call.change is Change.UNDECIDED:
            return NONE
        if count < 2 * (call.turn - state.first_turn + 1):
            return NONE  # one call per thing a person said is a conversation
        failing = state.failed == count
        warn, crit = (
            (limits.repeat_failing_warn, limits.repeat_failing_crit)
            if failing
            else (limits.repeat_warn, limits.repeat_crit)
        )
        if not call.answered:
            warn, crit = warn + 1, crit + 2
        if state.slow or call.fault is Fault.OUTAGE:
            warn, crit = warn * limits.waiting_factor, crit * limits.waiting_factor
        if count < warn:
            return NONE
        severity = Severity.CRIT if count >= crit else Severity.WARN
        what = "failing the same way" if failing else "same answer" if call.answered else "answers not recorded"
        return state.levels.raised(
            RULE,
            Channel.PROGRESS,
            severity,
            min(1.0, 0.5 + 0.1 * (count - warn) + (0.2 if severity is Severity.CRIT else 0.0)),
            f"{call.tool}: same call {count} times in a row, {what}",
            tuple(state.seqs),
            key=f"{call.key:016x}",
        )

    def risk(self, state: Streak) -> float:
        """How far the streak is on its way to the first level."""
        return min(0.5, 0.12 * max(0, state.count - 1))
