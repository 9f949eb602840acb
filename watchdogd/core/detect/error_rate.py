"""The share of calls that fail through the agent's own doing, over a sliding window."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import ClassVar

from watchdogd.core.detect.calls import Call
from watchdogd.core.detect.detector import NONE, Levels
from watchdogd.core.detect.failures import Fault
from watchdogd.core.detect.thresholds import Errors
from watchdogd.core.events import Event
from watchdogd.core.health import Channel, Finding, Severity

RULE = "errors/rate"


@dataclass(slots=True)
class Window:
    """The last calls: (seq, failed)."""

    calls: deque[tuple[int, bool]] = field(default_factory=deque)
    failed: int = 0
    levels: Levels = field(default_factory=Levels)


@dataclass(frozen=True, slots=True)
class ErrorRate:
    """Failures among the last calls; outages and calls of other people's services do not count. O(1) per event."""

    thresholds: Errors
    name: ClassVar[str] = "rate"
    channel: ClassVar[Channel] = Channel.ERRORS
    version: ClassVar[int] = 1
    kinds: ClassVar[frozenset[str]] = frozenset()

    def start(self) -> Window:
        """An empty window."""
        return Window()

    def step(self, state: Window, event: Event, call: Call | None) -> tuple[Window, tuple[Finding, ...]]:
        """The window after ``call``."""
        if call is None or call.fault is Fault.OUTAGE:
            return state, NONE
        limits, failed = self.thresholds, call.fault is not Fault.NONE
        state.calls.append((call.seq, failed))
        state.failed += failed
        if len(state.calls) > limits.window_calls:
            state.failed -= state.calls.popleft()[1]
        share = state.failed / len(state.calls)
        if len(state.calls) < limits.window_min_calls:
            return state, NONE
        if share < limits.window_warn:
            below = share < limits.window_warn - 0.1
            return state, state.levels.over(RULE, Channel.ERRORS, seq=event.seq) if below else NONE
        severity = Severity.CRIT if share >= limits.window_crit else Severity.WARN
        seqs = tuple(seq for seq, bad in state.calls if bad)[-8:]
        text = f"{state.failed} of the last {len(state.calls)} calls failed"
        return state, state.levels.raised(RULE, Channel.ERRORS, severity, min(1.0, share), text, seqs)

    def risk(self, state: Window) -> float:
        """The share of failures, damped while few calls are known."""
        return min(0.5, state.failed / max(len(state.calls), self.thresholds.window_min_calls))
