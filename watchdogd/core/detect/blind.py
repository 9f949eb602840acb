"""Loops in recordings that have no results: calls alone, with thresholds to match."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import ClassVar

from watchdogd.core.detect.detector import NONE, Levels, graded, level
from watchdogd.core.detect.keys import call_key
from watchdogd.core.detect.thresholds import Progress
from watchdogd.core.events import Event, ToolFinished, ToolIntended
from watchdogd.core.health import Channel, Finding, Severity

RULE = "progress/unanswered-loop"
LONGEST = 8
MEMORY = 32


@dataclass(slots=True)
class Asked:
    """The last calls that were asked for."""

    keys: deque[int] = field(default_factory=deque)
    seqs: deque[int] = field(default_factory=deque)
    matches: list[int] = field(default_factory=lambda: [0] * (LONGEST + 1))
    sighted: bool = False
    """A result was seen: from then on the other rules judge."""
    levels: Levels = field(default_factory=Levels)
    risk: float = 0.0


@dataclass(frozen=True, slots=True)
class BlindLoop:
    """Equal calls and cycles of calls up to 8, until the first result. O(8) per call."""

    thresholds: Progress
    name: ClassVar[str] = "unanswered-loop"
    channel: ClassVar[Channel] = Channel.PROGRESS
    version: ClassVar[int] = 1
    kinds: ClassVar[frozenset[str]] = frozenset({"tool_intended", "tool_finished"})

    def start(self) -> Asked:
        """Nothing asked for."""
        return Asked()

    def step(self, state: Asked, event: Event) -> tuple[Asked, tuple[Finding, ...]]:
        """What was asked for after ``event``."""
        body = event.body
        if state.sighted:
            return state, NONE
        if isinstance(body, ToolFinished):
            return Asked(sighted=True), state.levels.over(RULE, Channel.PROGRESS, seq=event.seq)
        if not isinstance(body, ToolIntended):
            return state, NONE
        key, size, best = call_key(body.tool, body.args), len(state.keys), 0
        for period in range(1, LONGEST + 1):
            if period <= size and state.keys[size - period] == key:
                state.matches[period] += 1
                best = best or period
            else:
                state.matches[period] = 0
        state.keys.append(key)
        state.seqs.append(event.seq)
        if size >= MEMORY:
            state.keys.popleft()
            state.seqs.popleft()
        return state, self._seen(state, event, body.tool, best)

    def risk(self, state: Asked) -> float:
        """How far a loop is on its way to the first level."""
        return state.risk

    def _seen(self, state: Asked, event: Event, tool: str, period: int) -> tuple[Finding, ...]:
        limits = self.thresholds
        turns = state.matches[period] // period + 1 if period else 1
        if period == 1:
            warn, crit = limits.blind_repeat_warn, limits.blind_repeat_crit
            text = f"{tool}: same call {turns} times in a row; its answers are not in the recording"
        else:
            warn, crit = limits.blind_cycle_warn_turns, limits.blind_cycle_crit_turns
            text = f"the same {period} calls, {turns} times round; their answers are not in the recording"
        state.risk = min(0.5, graded(turns - 1, warn, crit))
        severity = level(turns, warn, crit)
        if severity is Severity.OK:
            return state.levels.over(RULE, Channel.PROGRESS, seq=event.seq) if not period else NONE
        seqs = tuple(state.seqs)[-min(len(state.seqs), max(4, 2 * period)) :]
        return state.levels.raised(RULE, Channel.PROGRESS, severity, graded(turns, warn, crit), text, seqs)
