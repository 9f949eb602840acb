"""Silence: nothing happens although nobody is waited for, or a call runs past its deadline."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from watchdogd.core.detect.detector import NONE, Levels
from watchdogd.core.detect.thresholds import Progress
from watchdogd.core.events import (
    Answered,
    Event,
    Gated,
    Held,
    ModelCalled,
    ModelStarted,
    ProviderError,
    Released,
    RunFinished,
    RunStarted,
    Tick,
    ToolFinished,
    ToolIntended,
    ToolStarted,
    UserSaid,
)
from watchdogd.core.health import Channel, Finding, Severity

SILENCE = "progress/silence"
OVERDUE = "progress/call-overdue"
GRACE_S = 30.0
"""Seconds past its own deadline after which a running call should have been ended by whoever runs it."""


@dataclass(slots=True)
class Activity:
    """What is going on."""

    active: bool = False
    """A run is under way and nobody else's turn is waited for."""
    since: float | None = None
    """Unix time of the last activity."""
    seq: int = 0
    running: str = ""
    """The call that is running, in words; empty when none is."""
    until: float | None = None
    """When the running call must be over (Unix time)."""
    announces: bool = False
    """Whether the source says when calls start (the daemon does, recordings do not)."""
    levels: Levels = field(default_factory=Levels)


@dataclass(frozen=True, slots=True)
class Stall:
    """Silence with a clock; recordings without times show none. Idle, held, asking and waiting are not stalled."""

    thresholds: Progress
    name: ClassVar[str] = "stall"
    channel: ClassVar[Channel] = Channel.PROGRESS
    version: ClassVar[int] = 1

    def start(self) -> Activity:
        """No run."""
        return Activity()

    def step(self, state: Activity, event: Event) -> tuple[Activity, tuple[Finding, ...]]:
        """What is going on after ``event``."""
        if event.at is None:
            return state, NONE
        if isinstance(event.body, Tick):
            return state, self._looked(state, event, event.at)
        if event.body.kind == "resources":
            return state, NONE  # the tree breathes; that is no activity of the agent
        waited_for_person = isinstance(event.body, (UserSaid, Answered, Released, RunStarted, RunFinished))
        found = NONE if waited_for_person else self._looked(state, event, event.at)
        found = tuple(one for one in found if one.severity is not Severity.OK)
        found += state.levels.over(SILENCE, Channel.PROGRESS, seq=event.seq)
        found += state.levels.over(OVERDUE, Channel.PROGRESS, seq=event.seq)
        state.since, state.seq = event.at, event.seq
        self._taken(state, event, event.at)
        return state, found

    def _taken(self, state: Activity, event: Event, at: float) -> None:
        default_s = self.thresholds.call_default_deadline_s
        match event.body:
            case ToolStarted(tool=tool, deadline_s=deadline_s):
                state.announces = state.active = True
                state.running, state.until = f"tool {tool}", at + (default_s if deadline_s is None else deadline_s)
            case ModelStarted(deadline_s=deadline_s):
                state.announces = state.active = True
                state.running, state.until = "a model call", at + (default_s if deadline_s is None else deadline_s)
            case ProviderError(retry_in_s=retry_in_s):
                state.running, state.until = "the pause before a retry", at + (retry_in_s or 0.0)
            case ToolIntended(tool=tool) if not state.announces:
                state.active, state.running, state.until = True, f"tool {tool}", at + default_s
            case Gated(outcome="ask" | "wait") | Held() | RunFinished():
                state.active, state.running, state.until = False, "", None
            case ModelCalled(tool_calls=0, stop_reason=reason) if reason in (
                None,
                "end_turn",
                "stop_sequence",
                "refusal",
            ):
                state.active, state.running, state.until = False, "", None
            case ModelCalled() | ToolFinished() | RunStarted() | UserSaid() | Released() | Answered() | ToolIntended():
                state.active, state.running, state.until = True, "", None
            case _:
                pass

    def _looked(self, state: Activity, event: Event, at: float) -> tuple[Finding, ...]:
        if not state.active or state.since is None:
            return NONE
        quiet_s = at - state.since
        if state.until is not None:
            late_s = at - state.until
            if late_s < GRACE_S:
                return NONE
            severity = Severity.CRIT if late_s >= self.thresholds.silence_warn_s else Severity.WARN
            text = f"{state.running} runs for {quiet_s:.0f} s, {late_s:.0f} s past its deadline"
            return state.levels.raised(OVERDUE, Channel.PROGRESS, severity, 0.7, text, (state.seq, event.seq))
        if quiet_s < self.thresholds.silence_warn_s:
            return NONE
        severity = Severity.CRIT if quiet_s >= self.thresholds.silence_crit_s else Severity.WARN
        text = f"nothing happened for {quiet_s:.0f} s, with no call running and nobody waited for"
        risk = min(1.0, 0.5 + 0.5 * quiet_s / self.thresholds.silence_crit_s)
        return state.levels.raised(SILENCE, Channel.PROGRESS, severity, risk, text, (state.seq, event.seq))
