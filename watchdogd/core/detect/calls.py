"""The finished call: intent and outcome put together, with what its answer says beside the answers before it."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from watchdogd.core.detect.answers import Answers, Change, first_answer, next_answer
from watchdogd.core.detect.failures import Fault, fault_of
from watchdogd.core.detect.keys import call_key, leaves
from watchdogd.core.events import Event, ToolFinished, ToolIntended, UserSaid
from watchdogd.core.health import Channel, Finding

MOST_OPEN = 128
"""Calls intended and not finished that are remembered."""
MOST_CALLS = 96
"""Distinct calls whose last answer is remembered."""

S = TypeVar("S")


@dataclass(slots=True)
class Call:
    """One finished call. Mutable only to be cheap to make; nobody changes it."""

    number: int
    """Counts the finished calls of the run, from 1."""
    seq: int
    intended_seq: int
    tool: str
    key: int
    """Equal for equal calls."""
    answer: int
    """Equal for answers of the same call that say the same."""
    change: Change
    same: int
    """Answers in a row of this call that say the same, this one included."""
    fault: Fault
    turn: int
    """How many times a person had spoken before it."""
    size: int
    """Characters of the result."""
    words: tuple[str, ...]
    """Text leaves of the arguments, shortened."""
    at: float | None
    took_s: float | None
    answered: bool = True
    """False where the recording has no results at all."""


@dataclass(slots=True)
class Intent:
    """A call that is not finished."""

    seq: int
    tool: str
    key: int
    words: tuple[str, ...]
    at: float | None


@dataclass(slots=True)
class CallState:
    """What is remembered to make finished calls out of events."""

    open: dict[str, Intent] = field(default_factory=dict)
    answers: OrderedDict[int, Answers] = field(default_factory=OrderedDict)
    number: int = 0
    newest: int = 0
    """Number of the last call that was new, or answered something new."""
    turn: int = 0
    finished: bool = False
    """Whether any result was ever seen."""


class CallRule(Protocol[S]):
    """A detector over finished calls: like ``Detector``, with the call that the event finished, if it did."""

    @property
    def name(self) -> str:
        """A stable word."""
        ...

    @property
    def channel(self) -> Channel:
        """Where its breaking is reported."""
        ...

    def start(self) -> S:
        """The state before the first event."""
        ...

    def step(self, state: S, event: Event, call: Call | None) -> tuple[S, tuple[Finding, ...]]:
        """The state after ``event`` and what it shows; ``call`` is the call it finished."""
        ...


KINDS = frozenset({"tool_intended", "tool_finished", "user_said"})
"""The events that ``finished`` must see."""


def finished(state: CallState, event: Event) -> Call | None:
    """Takes ``event`` into ``state``; the call that it finished, if it did.

    In a recording without any results a call counts as finished, unanswered, when it is intended.
    """
    body = event.body
    if isinstance(body, ToolIntended):
        intent = Intent(
            event.seq,
            body.tool,
            call_key(body.tool, body.args),
            tuple(one[:200] for one in leaves(body.args, 8)),
            event.at,
        )
        if len(state.open) >= MOST_OPEN:
            del state.open[next(iter(state.open))]
        state.open[body.call or f"seq {event.seq}"] = intent
        return None if state.finished else _unanswered(state, event, intent)
    if isinstance(body, ToolFinished):
        state.finished = True
        return _answered(state, event, body)
    if isinstance(body, UserSaid):
        state.turn += 1
    return None


def _unanswered(state: CallState, event: Event, intent: Intent) -> Call:
    state.number += 1
    return Call(
        number=state.number,
        seq=event.seq,
        intended_seq=event.seq,
        tool=intent.tool,
        key=intent.key,
        answer=0,
        change=Change.EQUAL,
        same=1,
        fault=Fault.NONE,
        turn=state.turn,
        size=0,
        words=intent.words,
        at=event.at,
        took_s=None,
        answered=False,
    )


def _answered(state: CallState, event: Event, done: ToolFinished) -> Call:
    intent = state.open.pop(done.call, None) or Intent(event.seq, done.tool, call_key(done.tool, {}), (), event.at)
    state.number += 1
    seen = state.answers.get(intent.key)
    if seen is None:
        seen = state.answers[intent.key] = first_answer(done.result, state.number)
        change, state.newest = Change.NEW, state.number
        if len(state.answers) > MOST_CALLS:
            state.answers.popitem(last=False)
    else:
        change = next_answer(seen, done.result, state.number, quiet=state.newest <= seen.at)
        state.answers.move_to_end(intent.key)
        if change is Change.DIFFERENT:
            state.newest = state.number
    took_s = done.duration_s
    if took_s is None and event.at is not None and intent.at is not None:
        took_s = event.at - intent.at
    return Call(
        number=state.number,
        seq=event.seq,
        intended_seq=intent.seq,
        tool=intent.tool,
        key=intent.key,
        answer=seen.identity,
        change=change,
        same=seen.same,
        fault=fault_of(done),
        turn=state.turn,
        size=max(done.result.length, len(done.result.head)),
        words=intent.words,
        at=event.at,
        took_s=took_s,
    )
