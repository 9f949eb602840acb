"""What the agent can still know: context that was cleared, and facts it could not recall when it was asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from watchdogd.core.detect.detector import NONE, Levels, graded, level
from watchdogd.core.detect.thresholds import Recall
from watchdogd.core.events import ContextEdited, Event, Probed, RunStarted, ToolFinished
from watchdogd.core.health import Channel, Finding, Severity

CLEARED = "recall/context-cleared"
PROBE = "recall/probe-failed"
HOLD_CALLS = 20
"""Finished calls after which what was cleared is no longer news."""


@dataclass(slots=True)
class Mind:
    """What is known about the agent's memory."""

    calls_since: int = 0
    share: float = 0.0
    wrong: float = 0.0
    levels: Levels = field(default_factory=Levels)


@dataclass(frozen=True, slots=True)
class Context:
    """Share of the context that an edit cleared, share of probe answers that were wrong. O(1) per event."""

    thresholds: Recall
    name: ClassVar[str] = "context"
    channel: ClassVar[Channel] = Channel.RECALL
    version: ClassVar[int] = 1
    kinds: ClassVar[frozenset[str]] = frozenset({"context_edited", "probed", "tool_finished", "run_started"})

    def start(self) -> Mind:
        """All is known."""
        return Mind()

    def step(self, state: Mind, event: Event) -> tuple[Mind, tuple[Finding, ...]]:
        """The mind after ``event``."""
        match event.body:
            case ContextEdited(cleared_tokens=cleared, kept_tokens=kept):
                return state, self._cleared(state, event, cleared, kept)
            case Probed(asked=asked, right=right) if asked > 0:
                return state, self._probed(state, event, asked, right)
            case ToolFinished() if state.share:
                state.calls_since += 1
                if state.calls_since < HOLD_CALLS:
                    return state, NONE
                state.share = 0.0
                return state, state.levels.over(CLEARED, Channel.RECALL, seq=event.seq)
            case RunStarted():
                over = state.levels.over(CLEARED, Channel.RECALL, seq=event.seq)
                return Mind(levels=state.levels), over + state.levels.over(PROBE, Channel.RECALL, seq=event.seq)
            case _:
                return state, NONE

    def risk(self, state: Mind) -> float:
        """Half the worst share."""
        return 0.5 * max(state.share, state.wrong)

    def _cleared(self, state: Mind, event: Event, cleared: int, kept: int) -> tuple[Finding, ...]:
        whole = cleared + kept
        state.share, state.calls_since = (cleared / whole if whole > 0 else 0.0), 0
        limits = self.thresholds
        severity = level(state.share, limits.cleared_warn, limits.cleared_crit)
        if severity is Severity.OK or cleared < limits.cleared_least_tokens:
            return NONE
        text = f"{state.share:.0%} of the context was cleared: {cleared} of {whole} tokens"
        risk = graded(state.share, limits.cleared_warn, limits.cleared_crit)
        return state.levels.raised(CLEARED, Channel.RECALL, severity, risk, text, (event.seq,))

    def _probed(self, state: Mind, event: Event, asked: int, right: int) -> tuple[Finding, ...]:
        limits = self.thresholds
        state.wrong = 1 - min(1.0, max(0, right) / asked)
        severity = level(state.wrong, limits.probe_wrong_warn, limits.probe_wrong_crit)
        if severity is Severity.OK or asked < limits.probe_least_asked:
            return state.levels.over(PROBE, Channel.RECALL, seq=event.seq)
        text = f"{asked - right} of {asked} facts from the record were not recalled"
        risk = graded(state.wrong, limits.probe_wrong_warn, limits.probe_wrong_crit)
        return state.levels.raised(PROBE, Channel.RECALL, severity, risk, text, (event.seq,))
