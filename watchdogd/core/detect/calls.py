"""The finished call: intent and outcome put together, with what its answer says beside the answers before it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Protocol, TypeVar

from watchdogd.core.detect.answers import Answers, Change, first_answer, next_answer
from watchdogd.core.detect.excerpts import tokens_of
from watchdogd.core.detect.failures import HABIT_CHARS, Fault, Habit, fault_of, signature
from watchdogd.core.detect.keys import answer_key, call_key, leaves
from watchdogd.core.detect.manners import Effect, asks_to_wait, effect_of, unfinished
from watchdogd.core.detect.outage_signs import Side, core_of, side_of
from watchdogd.core.detect.surroundings import Surroundings
from watchdogd.core.events import Event, Text, ToolFinished, ToolIntended, UserSaid
from watchdogd.core.health import Channel, Finding

MOST_OPEN = 128
"""Calls intended and not finished that are remembered."""
MOST_CALLS = 96
"""Distinct calls whose last answer is remembered."""
MOST_TOOLS = 64
"""Tools whose habits are remembered."""
WAIT_GAP_S = 20.0
"""Seconds between equal calls from which they are polling on purpose, unless the whole run is that slow; a model turn
takes 2 to 15 s."""
LEAST_GAP_S = 8.0
"""The same where the run's own pace is known: so long, and four times that pace."""

S = TypeVar("S")
_SAME = frozenset({Change.EQUAL, Change.STAMP})
_COUNTING = frozenset({Change.UNDECIDED, Change.PROGRESS})
_MOVING = _COUNTING | {Change.REWORDED}


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
    whole: int
    """Key of this answer, character by character."""
    change: Change
    same: int
    """Answers in a row of this call that say the same, this one included."""
    fault: Fault
    error: int
    """Equal for errors of one signature; 0 where nothing failed."""
    turn: int
    """How many times a person had spoken before it."""
    size: int
    """Characters of the result."""
    words: tuple[str, ...]
    """Text leaves of the arguments, shortened."""
    at: float | None
    took_s: float | None
    effect: Effect
    waits: bool
    """A repetition that waits for something outside on purpose."""
    moved: bool
    """Failed before, and now answers otherwise, after something new was done in between: work on it goes on."""
    acts: int
    """How many different acts with an effect the run had done by then."""
    unsaid: bool
    """Failed, and neither its text nor the calls around it say whose fault it is."""
    together: bool
    """Failed, and was asked for before an earlier failure was known: one decision in several calls."""
    text: Text
    """The answer itself; not to be kept."""

    @property
    def symbol(self) -> int:
        """One number for call and answer."""
        return self.key ^ (self.answer * 3)

    @property
    def moving(self) -> bool:
        """Whether its answers are going somewhere, or might be."""
        return self.change in _MOVING

    @property
    def stale(self) -> bool:
        """Whether it was made before and said the same then."""
        return self.change in _SAME


@dataclass(slots=True)
class Intent:
    """A call that is not finished."""

    seq: int
    tool: str
    key: int
    words: tuple[str, ...]
    effect: Effect
    at: float | None


@dataclass(slots=True)
class CallState:
    """What is remembered to make finished calls out of events."""

    open: dict[str, Intent] = field(default_factory=dict)
    answers: OrderedDict[int, Answers] = field(default_factory=OrderedDict)
    number: int = 0
    newest: int = 0
    """Number of the last call that had not been made before."""
    turn: int = 0
    acts: int = 0
    """Different acts with an effect that did not fail."""
    around: Surroundings = field(default_factory=Surroundings)
    failed_seq: int = 0
    """The event of the last failure that the agent could have learned from."""
    habits: OrderedDict[str, Habit] = field(default_factory=OrderedDict)
    pace_s: float = 0.0
    """How long the agent usually takes from a result to its next call (seconds, 0 = not known)."""
    last_at: float | None = None


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
    """Takes ``event`` into ``state``; the call that it finished, if it did."""
    body = event.body
    if isinstance(body, ToolIntended):
        intent = Intent(
            event.seq,
            body.tool,
            call_key(body.tool, body.args),
            tuple(one[:200] for one in leaves(body.args, 8)),
            effect_of(body.tool, body.impact),
            event.at,
        )
        _paced(state, event.at)
        if len(state.open) >= MOST_OPEN:
            del state.open[next(iter(state.open))]
        state.open[body.call or f"seq {event.seq}"] = intent
        return None
    if isinstance(body, ToolFinished):
        return _answered(state, event, body)
    if isinstance(body, UserSaid):
        state.turn += 1
    return None


def _answered(state: CallState, event: Event, done: ToolFinished) -> Call:
    intent = state.open.pop(done.call, None)
    if intent is None:
        intent = Intent(event.seq, done.tool, call_key(done.tool, {}), (), effect_of(done.tool, None), event.at)
    state.number += 1
    seen, whole, waits = state.answers.get(intent.key), answer_key(done.result), False
    moved = worked = False
    if seen is None:
        seen = state.answers[intent.key] = first_answer(done.result, whole, state.number, event.at)
        change, state.newest = Change.NEW, state.number
        if len(state.answers) > MOST_CALLS:
            state.answers.popitem(last=False)
    else:
        quiet = state.newest <= seen.number
        change = next_answer(seen, done.result, whole, quiet=quiet)
        state.answers.move_to_end(intent.key)
        if change is not Change.DIFFERENT:
            waits = _waits(state, intent, seen, done.result)
        else:
            moved = not quiet and (seen.failed or seen.similar)
        worked = not seen.failed and quiet
        seen.number, seen.at = state.number, event.at
    state.last_at = event.at
    took_s = done.duration_s
    if took_s is None and event.at is not None and intent.at is not None:
        took_s = event.at - intent.at
    fault, error, unsaid = _fault(state, done, intent, took_s, event.at, new=not worked)
    if change in _COUNTING and done.outcome == "unknown" and done.exit_code is None:
        fault, error, unsaid = Fault.NONE, 0, False  # only its words say error, and its numbers go somewhere
    seen.failed = fault is not Fault.NONE
    together = seen.failed and intent.seq < state.failed_seq
    if seen.failed and not together:
        state.failed_seq = event.seq
    state.acts += change is Change.NEW and intent.effect is Effect.WRITE and not seen.failed
    return Call(
        number=state.number,
        seq=event.seq,
        intended_seq=intent.seq,
        tool=intent.tool,
        key=intent.key,
        answer=seen.identity,
        whole=whole,
        change=change,
        same=seen.same,
        fault=fault,
        error=error,
        turn=state.turn,
        size=max(done.result.length, len(done.result.head)),
        words=intent.words,
        at=event.at,
        took_s=took_s,
        effect=intent.effect,
        waits=waits,
        moved=moved,
        acts=state.acts,
        unsaid=unsaid,
        together=together,
        text=done.result,
    )


CHECKED = 0.5
"""What one more call counts after a new act: it may check what the act did."""
CONTENT_TOKENS = 10
"""An answer of so many words can be an acknowledgement, or a state."""


def content(call: Call) -> bool:
    """Whether its answer is more than an acknowledgement or a state."""
    return len(tokens_of(call.text.head[:400])) > CONTENT_TOKENS


def weighed(call: Call, acts: Sequence[int]) -> float:
    """How many times ``call`` was made, given the run's acts at each time.

    A command, or a look at a state, may check what was done since; reading content again does not.
    """
    if not acts or acts[0] == acts[-1] or (call.effect is Effect.READ and content(call)):
        return float(len(acts))
    return 1 + sum(CHECKED if later > earlier else 1.0 for earlier, later in pairwise(acts))


def _paced(state: CallState, at: float | None) -> None:
    if at is not None and state.last_at is not None and 0 <= at - state.last_at < WAIT_GAP_S:
        gap_s = at - state.last_at
        state.pace_s = gap_s if state.pace_s == 0 else 0.9 * state.pace_s + 0.1 * gap_s


def _waits(state: CallState, intent: Intent, seen: Answers, answer: Text) -> bool:
    least_s = max(LEAST_GAP_S, 4 * state.pace_s) if state.pace_s else WAIT_GAP_S
    if intent.at is not None and seen.at is not None and intent.at - seen.at >= least_s:
        return True
    if asks_to_wait(intent.tool, intent.words):
        return True
    words = (
        () if effect_of(intent.tool, None) is Effect.WRITE else intent.words
    )  # an act asks for no state, whatever its text speaks of
    return unfinished(intent.tool, words, answer.head)


def _fault(
    state: CallState, done: ToolFinished, intent: Intent, took_s: float | None, at: float | None, *, new: bool
) -> tuple[Fault, int, bool]:
    habit, tool = state.habits.get(done.tool), done.tool[:120]
    if habit is None:
        habit = state.habits[done.tool] = Habit()
        if len(state.habits) > MOST_TOOLS:
            state.habits.popitem(last=False)
    fault = fault_of(done, Habit() if _waiting(done, habit, intent) else habit)
    if fault is Fault.NONE:
        habit.take(done.result.head[:HABIT_CHARS])
        state.around.works(tool, state.number)
        return fault, 0, False
    error, side = signature(done.result, intent.words), Side.OWN
    if fault is not Fault.DENIED:
        side = Side.OUTSIDE if fault is Fault.OUTAGE else side_of(core_of(done.result))
        told = done.outcome == "error" or done.exit_code is not None
        took_s = took_s if told and intent.effect is Effect.READ else None
        if state.around.outside(side, tool, error, state.number, at, took_s, new=new or not told):
            fault = Fault.OUTAGE
    return fault, error, fault is Fault.OWN and side is Side.OPEN


def _waiting(done: ToolFinished, habit: Habit, intent: Intent) -> bool:
    """Whether an answer that is odd for its tool is that of a call that waits, or asks whether something is ready."""
    if done.outcome != "unknown" or not habit.odd(done.result.head[:HABIT_CHARS].lstrip()):
        return False
    return asks_to_wait(intent.tool, intent.words) or unfinished(intent.tool, intent.words, done.result.head)
