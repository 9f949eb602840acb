"""A run that lives through an earlier stretch of itself once more, or starts over from its beginning."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import ClassVar

from watchdogd.core.detect.answers import Change
from watchdogd.core.detect.calls import Call
from watchdogd.core.detect.detector import NONE, Levels, graded, level
from watchdogd.core.detect.failures import Fault
from watchdogd.core.detect.thresholds import Progress, Recall
from watchdogd.core.events import Event
from watchdogd.core.health import Channel, Finding, Severity

REPLAY = "progress/replayed-stretch"
RESTART = "recall/started-over"
MEMORY = 512
"""Distinct (call, answer) pairs whose follower is remembered."""
BEGINNING = 12
"""Calls that count as a run's beginning."""


@dataclass(slots=True)
class Path:
    """What followed what, and how far the run follows it again."""

    follower: OrderedDict[int, int] = field(default_factory=OrderedDict)
    """(call, answer) to what came after it the last time."""
    last: int = 0
    length: int = 0
    """Calls in a row that the run has made in this order before."""
    distinct: set[int] = field(default_factory=set)
    seqs: list[int] = field(default_factory=list)
    turn: int = 0
    levels: Levels = field(default_factory=Levels)


@dataclass(frozen=True, slots=True)
class Replay:
    """The same calls in the same order with the same answers as before. O(1) per finished call."""

    thresholds: Progress
    name: ClassVar[str] = "replayed-stretch"
    channel: ClassVar[Channel] = Channel.PROGRESS
    version: ClassVar[int] = 2
    kinds: ClassVar[frozenset[str]] = frozenset({"context_edited"})

    def start(self) -> Path:
        """No call yet."""
        return Path()

    def step(self, state: Path, event: Event, call: Call | None) -> tuple[Path, tuple[Finding, ...]]:
        """The path after ``call``; after the context was cleared going it again is right."""
        if event.body.kind == "context_edited":
            state.follower.clear()
            state.length = 0
        if call is None or call.waits or call.fault is Fault.OUTAGE:
            return state, NONE
        symbol, last = call.symbol, state.last
        if symbol == last:
            return state, NONE  # standing still is another rule's
        expected = state.follower.get(last)
        state.follower[last] = symbol
        state.follower.move_to_end(last)
        if len(state.follower) > MEMORY:
            state.follower.popitem(last=False)
        state.last = symbol
        found = NONE
        if expected != symbol or not call.stale:
            found = state.levels.over(REPLAY, Channel.PROGRESS, seq=event.seq)
            state.length, state.distinct, state.seqs, state.turn = int(call.stale), {symbol}, [call.seq], call.turn
            return state, found
        state.length += 1
        state.seqs = [*state.seqs[-9:], call.seq]
        if len(state.distinct) < BEGINNING:
            state.distinct.add(symbol)
        return state, self._seen(state, call)

    def _seen(self, state: Path, call: Call) -> tuple[Finding, ...]:
        limits = self.thresholds
        severity = level(state.length, limits.replay_warn, limits.replay_crit)
        if severity is Severity.OK or len(state.distinct) < 3 or 2 * (call.turn - state.turn) >= state.length:
            return NONE
        text = f"{state.length} calls in a row repeat an earlier stretch of the run, same answers"
        risk = graded(state.length, limits.replay_warn, limits.replay_crit)
        return state.levels.raised(REPLAY, Channel.PROGRESS, severity, risk, text, tuple(state.seqs))

    def risk(self, state: Path) -> float:
        """How far the stretch is on its way to the first level."""
        return min(0.5, graded(state.length - 1, self.thresholds.replay_warn, self.thresholds.replay_crit))


@dataclass(slots=True)
class Beginning:
    """The run's first calls, and how many of them it has just made again, in order."""

    first: list[tuple[int, int]] = field(default_factory=list)
    """(call, call and answer) of each call that was made for the first time."""
    at: int = 0
    """How far the run follows its beginning again."""
    again: int = 0
    """Calls on this way with the same answer."""
    seqs: list[int] = field(default_factory=list)
    turn: int = 0
    levels: Levels = field(default_factory=Levels)


@dataclass(frozen=True, slots=True)
class Restart:
    """The run's own beginning, once more. O(1) per finished call."""

    thresholds: Recall
    name: ClassVar[str] = "started-over"
    channel: ClassVar[Channel] = Channel.RECALL
    version: ClassVar[int] = 2
    kinds: ClassVar[frozenset[str]] = frozenset({"run_started"})

    def start(self) -> Beginning:
        """No call yet."""
        return Beginning()

    def step(self, state: Beginning, event: Event, call: Call | None) -> tuple[Beginning, tuple[Finding, ...]]:
        """The beginning after ``call``; a new run begins anew."""
        if call is None:
            if event.body.kind != "run_started":
                return state, NONE
            return Beginning(levels=state.levels), state.levels.over(RESTART, Channel.RECALL, seq=event.seq)
        if call.fault is Fault.OUTAGE:
            return state, NONE
        symbol = call.symbol
        if call.change is Change.NEW and len(state.first) < BEGINNING:
            state.first.append((call.key, symbol))
        if call.change is Change.NEW:
            was, state.at, state.again, state.seqs = state.at, 0, 0, []
            return state, state.levels.over(RESTART, Channel.RECALL, seq=event.seq) if was else NONE
        return state, self._follow(state, event, call, symbol)

    def _follow(self, state: Beginning, event: Event, call: Call, symbol: int) -> tuple[Finding, ...]:
        limits, at = self.thresholds, state.at
        if at < len(state.first) and state.first[at][0] == call.key:
            state.at += 1
        elif at and state.first[at - 1][0] == call.key:
            return NONE
        elif state.first and state.first[0][0] == call.key:
            state.at, state.again, state.seqs = 1, 0, []
        elif any(key == call.key for key, _ in state.first[:at]):
            return NONE  # made more than once then, too
        else:
            state.at, state.again, state.seqs = 0, 0, []
            return state.levels.over(RESTART, Channel.RECALL, seq=event.seq)
        if state.at == 1:
            state.turn = call.turn
        if state.first[state.at - 1][1] != symbol:
            return NONE  # the world has moved on since
        state.again += 1
        state.seqs.append(call.seq)
        severity = level(state.again, limits.restart_warn, limits.restart_crit)
        if severity is Severity.OK or 2 * (call.turn - state.turn) >= state.again:
            return NONE
        text = f"{state.again} of the run's first {state.at} calls were made again in the same order, same answers"
        risk = graded(state.again, limits.restart_warn, limits.restart_crit)
        return state.levels.raised(RESTART, Channel.RECALL, severity, risk, text, tuple(state.seqs))

    def risk(self, state: Beginning) -> float:
        """How far the run has started over."""
        return min(0.5, graded(state.again - 1, self.thresholds.restart_warn, self.thresholds.restart_crit))
