"""Reading again what has not changed, and doing again what is done."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import ClassVar

from watchdogd.core.detect.calls import Call, content, weighed
from watchdogd.core.detect.detector import NONE, Levels, graded, level
from watchdogd.core.detect.failures import Fault
from watchdogd.core.detect.manners import Effect
from watchdogd.core.detect.thresholds import Recall
from watchdogd.core.events import Event
from watchdogd.core.health import Channel, Finding, Severity

REREAD = "recall/re-read"
REDONE = "recall/done-again"
FOLLOWS = 0.1
"""What an act that only names its object, or a look at a state, counts when another act was done before it."""
MOST_CALLS = 128
"""Distinct calls that are followed."""


@dataclass(slots=True)
class Again:
    """One call's repetitions, other calls between."""

    numbers: list[int]
    seqs: list[int]
    turns: list[int]
    acts: list[int]


@dataclass(slots=True)
class Repetitions:
    """By (call, answer)."""

    calls: OrderedDict[int, Again] = field(default_factory=OrderedDict)
    last: int = 0
    levels: Levels = field(default_factory=Levels)
    up: dict[str, int] = field(default_factory=dict)
    """Key of what is up to the number of the call that raised it last."""
    risk: float = 0.0


@dataclass(frozen=True, slots=True)
class Rereads:
    """Unchanged content read again, the same act done again, within a window of calls. O(1) per finished call."""

    thresholds: Recall
    name: ClassVar[str] = "re-read"
    channel: ClassVar[Channel] = Channel.RECALL
    version: ClassVar[int] = 3
    kinds: ClassVar[frozenset[str]] = frozenset({"context_edited"})

    def start(self) -> Repetitions:
        """No call yet."""
        return Repetitions()

    def step(self, state: Repetitions, event: Event, call: Call | None) -> tuple[Repetitions, tuple[Finding, ...]]:
        """The repetitions after ``call``; after the context was cleared reading once more is right."""
        if call is None:
            if event.body.kind == "context_edited":
                state.calls.clear()
            return state, NONE
        state.risk = 0.0
        found = self._faded(state, event, call) if state.up else NONE
        charged = _charged(call)
        symbol, last, state.last = call.key if charged else call.symbol, state.last, call.key
        if call.fault is not Fault.NONE or call.waits or last == call.key:
            return state, found
        one = state.calls.get(symbol)
        if one is None or not (call.stale or (charged and call.moved)):
            state.calls[symbol] = Again([call.number], [call.seq], [call.turn], [call.acts])
            if len(state.calls) > MOST_CALLS:
                state.calls.popitem(last=False)
            return state, found
        state.calls.move_to_end(symbol)
        one.numbers.append(call.number)
        one.seqs.append(call.seq)
        one.turns.append(call.turn)
        one.acts.append(call.acts)
        while call.number - one.numbers[0] > self.thresholds.reread_window_calls or len(one.numbers) > 16:
            del one.numbers[0], one.seqs[0], one.turns[0], one.acts[0]
        return state, found + self._seen(state, one, call)

    def risk(self, state: Repetitions) -> float:
        """How far the latest repetition is on its way to the first level."""
        return state.risk

    def _seen(self, state: Repetitions, one: Again, call: Call) -> tuple[Finding, ...]:
        limits, first = self.thresholds, _since(one)
        count = len(one.numbers) - first
        if call.effect is Effect.WRITE:
            rule, warn, crit, what = REDONE, limits.redone_warn, limits.redone_crit, "done"
        elif call.size >= limits.reread_least_chars:
            rule, warn, crit, what = REREAD, limits.reread_warn, limits.reread_crit, "read, unchanged,"
        else:
            return NONE
        acts = one.acts[first:]
        if rule == REREAD and content(call):
            weight = weighed(call, acts)
        else:
            weight = _follows(acts, charged=rule == REDONE and _charged(call))
        state.risk = min(0.5, graded(weight - 1, warn, crit))
        severity = level(weight, warn, crit)
        if severity is Severity.OK:
            return NONE
        key = f"{call.key:016x}"
        state.up[key] = call.number
        text = (
            f"{call.tool}: the same thing {what} {count} times within {one.numbers[-1] - one.numbers[first] + 1} calls"
        )
        return state.levels.raised(
            rule, Channel.RECALL, severity, graded(weight, warn, crit), text, tuple(one.seqs[first:]), key
        )

    def _faded(self, state: Repetitions, event: Event, call: Call) -> tuple[Finding, ...]:
        found = NONE
        for key, number in list(state.up.items()):
            if call.number - number > self.thresholds.reread_window_calls // 2:
                del state.up[key]
                for rule in (REREAD, REDONE):
                    found += state.levels.over(rule, Channel.RECALL, key, seq=event.seq)
        return found


def _charged(call: Call) -> bool:
    """Whether it is an act with more to it than its object, a sum or a text, and its answer only a receipt."""
    if call.effect is not Effect.WRITE or content(call):
        return False
    return len(call.words) > 1 or any(" " in one for one in call.words)


def _follows(acts: Sequence[int], *, charged: bool) -> float:
    """How many times it was done; what only names its object, or shows a state, may follow up acts, as saving does."""
    if charged or not acts:
        return float(len(acts))
    return 1 + sum(FOLLOWS if later > earlier else 1.0 for earlier, later in pairwise(acts))


def _since(one: Again) -> int:
    """The repetition from which on there are more of them than people spoke, once for each thing they said apart."""
    last = len(one.turns)
    spoken = one.turns[-1]
    return next((at for at in range(last) if last - at > 1 + spoken - one.turns[at] or one.turns[at] == spoken), last)
