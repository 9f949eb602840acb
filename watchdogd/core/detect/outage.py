"""Failures of the provider or the network: named as what they are, never the agent's fault."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import ClassVar

from watchdogd.core.detect.calls import Call
from watchdogd.core.detect.detector import NONE, Levels
from watchdogd.core.detect.failures import Fault
from watchdogd.core.detect.thresholds import Errors
from watchdogd.core.events import Event, ModelCalled, ProviderError
from watchdogd.core.health import Channel, Finding, Severity

RULE = "errors/provider-or-network-outage"
WINDOW = 6


@dataclass(slots=True)
class Attempts:
    """The last attempts to reach something outside: (seq, failed)."""

    last: deque[tuple[int, bool]] = field(default_factory=deque)
    row: int = 0
    levels: Levels = field(default_factory=Levels)


@dataclass(frozen=True, slots=True)
class Outage:
    """Several failures of provider or network among the last attempts. O(1) per event."""

    thresholds: Errors
    name: ClassVar[str] = "provider-or-network-outage"
    channel: ClassVar[Channel] = Channel.ERRORS
    version: ClassVar[int] = 1
    kinds: ClassVar[frozenset[str]] = frozenset({"provider_error", "model_called"})

    def start(self) -> Attempts:
        """Nothing tried yet."""
        return Attempts()

    def step(self, state: Attempts, event: Event, call: Call | None) -> tuple[Attempts, tuple[Finding, ...]]:
        """The attempts after ``event``."""
        body = event.body
        if isinstance(body, ProviderError):
            failed, what = True, body.error or str(body.status or "provider error")
        elif call is not None:
            failed, what = call.fault is Fault.OUTAGE, call.tool
        elif isinstance(body, ModelCalled) and body.usage is not None:
            failed, what = False, ""
        else:
            return state, NONE
        state.last.append((event.seq, failed))
        if len(state.last) > WINDOW:
            state.last.popleft()
        state.row = state.row + 1 if failed else 0
        bad = tuple(seq for seq, missed in state.last if missed)
        if len(bad) < self.thresholds.outage_warn:
            gone = not failed and len(bad) <= 1
            return state, state.levels.over(RULE, Channel.ERRORS, seq=event.seq) if gone else NONE
        severity = Severity.CRIT if state.row >= self.thresholds.outage_crit else Severity.WARN
        count = max(state.row, len(bad))
        text = f"outage of the provider or the network: {count} attempts failed ({what}); not the agent's fault"
        return state, state.levels.raised(RULE, Channel.ERRORS, severity, 0.5 + 0.08 * len(bad), text, bad)
