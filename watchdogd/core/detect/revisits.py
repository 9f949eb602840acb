"""Calls that were made before and say what they said: one of them again and again, or nearly all of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from watchdogd.core.detect.answers import Change
from watchdogd.core.detect.calls import Call, content, weighed
from watchdogd.core.detect.detector import NONE, Levels, graded, level
from watchdogd.core.detect.failures import Fault
from watchdogd.core.detect.manners import Effect
from watchdogd.core.detect.thresholds import Progress
from watchdogd.core.events import Event
from watchdogd.core.health import Channel, Finding, Severity

INTERLEAVED = "progress/interleaved-call"
STALE = "progress/nothing-new"
_NEWS = frozenset({Change.DIFFERENT, Change.REWORDED})

TURN_CALLS = 2
"""Calls of a streak that each thing a person says accounts for."""


@dataclass(slots=True)
class Visit:
    """One finished call, as far as these rules care."""

    symbol: int
    seq: int
    turn: int
    stale: bool
    moved: bool
    """A call made before gave a new answer: the world moves."""
    acts: int
    """Acts the run had done by then."""


@dataclass(slots=True)
class Visits:
    """The last calls."""

    window: deque[Visit] = field(default_factory=deque)
    streak: int = 0
    cleared: bool = False
    """The context was cleared: what was seen before counts as not seen."""
    since: int = 0
    """Turn of the streak's first call."""
    stale: int = 0
    """Stale calls in the window."""
    levels: Levels = field(default_factory=Levels)
    up: int | None = None
    """Symbol of the interleaved call that is up."""
    risk: float = 0.0


@dataclass(frozen=True, slots=True)
class Revisits:
    """Interleaved repetition, stale streak and stale density. O(16) per finished call."""

    thresholds: Progress
    name: ClassVar[str] = "revisits"
    channel: ClassVar[Channel] = Channel.PROGRESS
    version: ClassVar[int] = 3
    kinds: ClassVar[frozenset[str]] = frozenset({"context_edited"})

    def start(self) -> Visits:
        """No call yet."""
        return Visits()

    def step(self, state: Visits, event: Event, call: Call | None) -> tuple[Visits, tuple[Finding, ...]]:
        """The window after ``call``; after the context was cleared looking again is right."""
        if call is None:
            if event.body.kind == "context_edited":
                state.window.clear()
                state.streak = state.stale = 0
                state.cleared = True
            return state, NONE
        if call.waits or call.fault is Fault.OUTAGE:
            return state, NONE
        again = bool(state.window) and state.window[-1].symbol == call.symbol
        stale = call.stale and not again
        if state.cleared and stale:
            stale = any(one.symbol == call.symbol for one in state.window)
        moved = call.change in _NEWS and call.fault is Fault.NONE
        state.window.append(Visit(call.symbol, call.seq, call.turn, stale, moved, call.acts))
        state.stale += stale
        if len(state.window) > self.thresholds.stale_window_calls:
            state.stale -= state.window.popleft().stale
        state.streak = state.streak + 1 if stale else state.streak if again else 0
        if state.streak <= 1:
            state.since = call.turn
        state.risk = 0.0
        return state, self._interleaved(state, event, call, again=again) + self._stale(state, event)

    def risk(self, state: Visits) -> float:
        """How far the window is on its way to the first level."""
        return state.risk

    def _interleaved(self, state: Visits, event: Event, call: Call, *, again: bool) -> tuple[Finding, ...]:
        limits = self.thresholds
        window = list(state.window)[-limits.interleaved_window_calls :]
        found = NONE
        if state.up is not None and not any(
            one.symbol == state.up for one in window[-limits.interleaved_window_calls // 2 :]
        ):
            found, state.up = state.levels.over(INTERLEAVED, Channel.PROGRESS, seq=event.seq), None
        if not call.stale or again:
            return found
        same = [one for one in window if one.symbol == call.symbol]
        while len(same) > 1 and len(same) < 2 * (same[-1].turn - same[0].turn) + 2:
            del same[0]  # people kept asking
        if len(same) < 2:
            return found
        between = window[window.index(same[0]) :]
        weight = weighed(call, [one.acts for one in same])
        state.risk = min(0.5, graded(weight - 1, limits.interleaved_warn, limits.interleaved_crit))
        severity = level(weight, limits.interleaved_warn, limits.interleaved_crit)
        if severity is not Severity.OK and _works_on(between, call.symbol):
            if len(same) < limits.interleaved_crit or not _content(call):
                return found  # something else moves in between: that is work
            severity = Severity.WARN
        if severity is Severity.OK:
            return found
        state.up = call.symbol
        text = f"{call.tool}: same call {len(same)} times in {len(between)} calls, same answer"
        risk = graded(weight, limits.interleaved_warn, limits.interleaved_crit)
        risk = min(risk, 0.6) if severity is Severity.WARN else risk
        seqs = tuple(one.seq for one in same)
        key = f"{call.key:016x}"
        return found + state.levels.raised(INTERLEAVED, Channel.PROGRESS, severity, risk, text, seqs, key=key)

    def _stale(self, state: Visits, event: Event) -> tuple[Finding, ...]:
        limits = self.thresholds
        spoken = TURN_CALLS * (state.window[-1].turn - state.since)
        by_streak = level(state.streak - spoken, limits.stale_streak_warn, limits.stale_streak_crit)
        by_share = level(state.stale, limits.stale_density_warn, limits.stale_density_crit)
        severity = max(by_streak, by_share, key=lambda one: one.rank)
        if severity is Severity.OK:
            calm = state.stale < limits.stale_density_warn - 2 and state.streak == 0
            return state.levels.over(STALE, Channel.PROGRESS, seq=event.seq) if calm else NONE
        if by_streak is not severity and any(one.moved for one in state.window):
            return NONE  # the streak itself holds nothing that moved
        stale = [one for one in state.window if one.stale]
        if 2 * (stale[-1].turn - stale[0].turn) >= len(stale):
            return NONE
        text = f"{state.stale} of the last {len(state.window)} calls were made before and said the same then"
        risk = max(
            graded(state.streak, limits.stale_streak_warn, limits.stale_streak_crit),
            graded(state.stale, limits.stale_density_warn, limits.stale_density_crit),
        )
        return state.levels.raised(STALE, Channel.PROGRESS, severity, risk, text, tuple(one.seq for one in stale[-10:]))


def _works_on(between: Sequence[Visit], symbol: int) -> bool:
    """Whether something got a new answer in half of the gaps between the repetitions."""
    gaps, moving, moved = 0, 0, False
    for one in between[1:]:
        if one.symbol == symbol:
            gaps, moving, moved = gaps + 1, moving + moved, False
        moved = moved or one.moved
    return 2 * moving >= gaps and moving > 0


def _content(call: Call) -> bool:
    """Whether it reads something or does something of its own: not a step on the way, acknowledged in a word or two."""
    if call.effect is Effect.WRITE:
        return bool(call.words)
    return content(call)
