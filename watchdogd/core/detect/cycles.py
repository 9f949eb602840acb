"""Two to eight calls that go round and round with the same answers."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import ClassVar

from watchdogd.core.detect.calls import Call
from watchdogd.core.detect.detector import NONE, Levels, graded, level
from watchdogd.core.detect.failures import Fault
from watchdogd.core.detect.thresholds import Progress
from watchdogd.core.events import Event
from watchdogd.core.health import Channel, Finding, Severity

RULE = "progress/cycle"
LONGEST = 8
"""Calls in the longest cycle that is looked for; longer ones are found as a replayed stretch."""
MEMORY = LONGEST * 4


@dataclass(slots=True)
class Round:
    """The last calls, and how long they have equalled those one period earlier."""

    symbols: deque[int] = field(default_factory=deque)
    seqs: deque[int] = field(default_factory=deque)
    turns: deque[int] = field(default_factory=deque)
    moving: deque[bool] = field(default_factory=deque)
    """Whether the calls' answers were going somewhere."""
    matches: list[int] = field(default_factory=lambda: [0] * (LONGEST + 1))
    """By period: consecutive calls equal to the one a period earlier."""
    waits: int = 0
    """Calls since the last that waited, counted down."""
    period: int = 0
    """Of the cycle that is up; 0 when none is."""
    levels: Levels = field(default_factory=Levels)
    risk: float = 0.0


@dataclass(frozen=True, slots=True)
class Cycle:
    """K(t) = K(t - p) for p = 2 to 8. O(8) per finished call."""

    thresholds: Progress
    name: ClassVar[str] = "cycle"
    channel: ClassVar[Channel] = Channel.PROGRESS
    version: ClassVar[int] = 1
    kinds: ClassVar[frozenset[str]] = frozenset()

    def start(self) -> Round:
        """No call yet."""
        return Round()

    def step(self, state: Round, event: Event, call: Call | None) -> tuple[Round, tuple[Finding, ...]]:
        """The round after ``call``."""
        if call is None:
            return state, NONE
        symbols, symbol, matches = state.symbols, call.symbol, state.matches
        size, best = len(symbols), 0
        for period in range(2, LONGEST + 1):
            if period <= size and symbols[size - period] == symbol:
                matches[period] += 1
                if best == 0 and matches[period] >= period:
                    best = period
            elif matches[period]:
                matches[period] = 0
        symbols.append(symbol)
        state.seqs.append(call.seq)
        state.turns.append(call.turn)
        state.moving.append(call.moving)
        if size >= MEMORY:
            symbols.popleft()
            state.seqs.popleft()
            state.turns.popleft()
            state.moving.popleft()
        state.waits = MEMORY if call.waits or call.fault is Fault.OUTAGE else max(0, state.waits - 1)
        found = NONE
        if state.period and not matches[state.period]:
            found, state.period = state.levels.over(RULE, Channel.PROGRESS, seq=event.seq), 0
        state.risk = 0.0
        return state, found + (self._seen(state, best) if best else NONE)

    def risk(self, state: Round) -> float:
        """How far a cycle is on its way to the first level."""
        return state.risk

    def _seen(self, state: Round, period: int) -> tuple[Finding, ...]:
        limits = self.thresholds
        turns = state.matches[period] // period + 1
        factor = limits.waiting_factor if state.waits else 1
        warn, crit = factor * limits.cycle_warn_turns, factor * limits.cycle_crit_turns
        last = list(state.symbols)[-period:]
        if len(set(last)) == 1:
            return NONE  # the same call over and over is another rule's
        state.risk = min(0.5, graded(turns - 1, warn, crit))
        severity = level(turns, warn, crit)
        if severity is Severity.OK or any(list(state.moving)[-period:]):
            return NONE
        length = min(len(state.seqs), period * turns)
        if 2 * (state.turns[-1] - state.turns[-length]) >= length:
            return NONE  # people keep asking
        state.period = period
        text = f"the same {period} calls, {turns} times round, same answers"
        risk = graded(turns, warn, crit)
        seqs = tuple(list(state.seqs)[-min(length, 2 * period) :])
        return state.levels.raised(
            RULE, Channel.PROGRESS, severity, risk, text, seqs, key=f"{min(last) & (2**64 - 1):016x}"
        )
