"""One and the same error, whatever is called."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from watchdogd.core.detect.calls import Call
from watchdogd.core.detect.detector import NONE, Levels, graded, level
from watchdogd.core.detect.failures import Fault
from watchdogd.core.detect.outage_signs import core_of
from watchdogd.core.detect.thresholds import Errors
from watchdogd.core.events import Event
from watchdogd.core.health import Channel, Finding, Severity

RULE = "errors/same-error"
CALM = 4
"""Calls without an error after which the streak is forgotten."""


@dataclass(slots=True)
class Signature:
    """Errors of one signature in a row."""

    key: int = 0
    count: int = 0
    calm: int = 0
    seqs: list[int] = field(default_factory=list)
    levels: Levels = field(default_factory=Levels)


@dataclass(frozen=True, slots=True)
class SameError:
    """Errors in a row of one signature, a few successes between allowed. O(1) per finished call."""

    thresholds: Errors
    name: ClassVar[str] = "same-error"
    channel: ClassVar[Channel] = Channel.ERRORS
    version: ClassVar[int] = 2
    kinds: ClassVar[frozenset[str]] = frozenset()

    def start(self) -> Signature:
        """No error yet."""
        return Signature()

    def step(self, state: Signature, event: Event, call: Call | None) -> tuple[Signature, tuple[Finding, ...]]:
        """The streak after ``call``."""
        if call is None or call.together or call.fault is Fault.OUTAGE or (call.moved and call.fault is Fault.OWN):
            return state, NONE  # it could not have learned yet; a test that fails otherwise after an edit is work
        if call.fault is Fault.NONE:
            if state.count:
                state.calm += 1
                if state.calm >= CALM:
                    state.key = state.count = state.calm = 0
                    return state, state.levels.over(RULE, Channel.ERRORS, seq=event.seq)
            return state, NONE
        key = call.error
        found = NONE
        if key != state.key:
            found = state.levels.over(RULE, Channel.ERRORS, seq=event.seq)
            state.key, state.count, state.seqs = key, 0, []
        state.count, state.calm = state.count + 1, 0
        state.seqs = [*state.seqs[-7:], call.seq]
        limits = self.thresholds
        severity = level(state.count, limits.same_error_warn, limits.same_error_crit)
        if severity is Severity.OK:
            return state, found
        text = f"the same error {state.count} times in a row: {_headline(call)}"
        risk = graded(state.count, limits.same_error_warn, limits.same_error_crit)
        seqs, name = tuple(state.seqs), f"{key:016x}"
        return state, found + state.levels.raised(RULE, Channel.ERRORS, severity, risk, text, seqs, key=name)

    def risk(self, state: Signature) -> float:
        """How far the streak is on its way to the first level."""
        return min(0.5, graded(state.count - 1, self.thresholds.same_error_warn, self.thresholds.same_error_crit))


def _headline(call: Call) -> str:
    line = " ".join(core_of(call.text).split())
    return line if len(line) <= 100 else f"{line[:97]}..."
