"""Away from the task: acts that nothing the user said, and nothing found on the way from there, accounts for.

Only ever a WARN: words are a weak measure of purpose (DETECTION measured .65 to .84); the judge has to see the rest.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field
from enum import Enum
from typing import ClassVar

from watchdogd.core.detect.actions import name_words
from watchdogd.core.detect.cues import TOKEN
from watchdogd.core.detect.detector import NONE, Levels
from watchdogd.core.detect.drift_thresholds import Drift
from watchdogd.core.detect.drift_trust import values
from watchdogd.core.detect.lexicon import ACTS, THINGS
from watchdogd.core.detect.provenance import STOP
from watchdogd.core.events import Event, ModelCalled, RunStarted, ToolFinished, ToolIntended, UserSaid
from watchdogd.core.health import Channel, Finding, Severity

DERAILED = "drift/derailed"
TERMS = "drift/goal-terms"

GENERATION = 1_000
"""Words from results that lead on; two generations are kept."""
RESULT_WORDS = 80
"""Words of one result that may lead on."""
DOINGS = 3
"""One thing done to many things is a batch; other work has several kinds of steps, and of each kind so many count."""
STRONG = 2
"""Words shared with what was found on the way that are no chance; one with a number in it is enough."""
WEAK_BACK = 2
"""Strayed calls that one shared word makes up for: it can be chance, once."""
FIRST_CALLS = 3
"""Calls without words at a run's beginning look around, ..."""
NO_WAY_YET = 4
"""... and so many with words, before any is on the way."""
MOST_TOOLS = 64
FEWEST_TERMS = 4
"""A goal of fewer telling words is no measure."""


_FLAG = re.compile(r"\s-[\w-]+")
_SHELL = re.compile(r"(?:\A|\s)-\w|[/|&;<>$'\"]")
"""What a command line has and a question has not."""
_PROGRAM = re.compile(r"[a-z][a-z0-9._/+-]{0,39}")


class Link(Enum):
    """What ties a call to the way."""

    STRONG = "strong"
    WEAK = "weak"
    """One common word, or none where none is needed: it neither strays nor comes back."""
    NONE = "none"


@dataclass(slots=True)
class Way:
    """The user's words, and the words that led on from them."""

    goal: set[str] = field(default_factory=set)
    new: set[str] = field(default_factory=set)
    old: set[str] = field(default_factory=set)
    open: deque[str] = field(default_factory=lambda: deque(maxlen=32))
    """Calls that are on the way; what they return leads on."""
    tools: set[str] = field(default_factory=set)
    """Tools used on the way."""
    strayed: int = 0
    """Calls that nothing accounts for since the last that something did; of each kind of step the first few."""
    since: int = 0
    """Event of the first of them."""
    astray: set[str] = field(default_factory=set)
    """Their words: the same call once more is no step further away."""
    doings: dict[str, int] = field(default_factory=dict)
    """How many of each kind of step they are."""
    hits: deque[bool] = field(default_factory=deque)
    """Whether each of the latest calls names a term of the goal itself."""
    calls: int = 0
    doing: str = ""
    """The kind of the latest step."""
    steps: int = 0
    """Calls, those of one kind in a row as one."""
    start_share: float = 0.0
    planned: bool = False
    levels: Levels = field(default_factory=Levels)


@dataclass(frozen=True, slots=True)
class Derailment:
    """Follows a chain of custody from the goal's words over results to the next call. O(words) per event."""

    thresholds: Drift = field(default_factory=Drift)
    name: ClassVar[str] = "derailment"
    channel: ClassVar[Channel] = Channel.DRIFT
    version: ClassVar[int] = 3
    kinds: ClassVar[frozenset[str]] = frozenset(
        {"run_started", "user_said", "model_called", "tool_intended", "tool_finished"}
    )

    def start(self) -> Way:
        """No goal."""
        return Way()

    def risk(self, state: Way) -> float:
        """How far the row of strayed calls has come; WARN is at .45."""
        return min(0.6, 0.45 * state.strayed / self.thresholds.derail_calls) if state.goal else 0.0

    def step(self, state: Way, event: Event) -> tuple[Way, tuple[Finding, ...]]:
        """The way after ``event``."""
        match event.body:
            case RunStarted() as body:
                levels = state.levels
                over = levels.over(DERAILED, Channel.DRIFT, seq=event.seq) + levels.over(
                    TERMS, Channel.DRIFT, seq=event.seq
                )
                new = Way(levels=levels)
                new.goal.update(_telling(" ".join((body.goal, *body.rules))[:8_000]))
                return new, over
            case UserSaid(text=text):
                state.goal.update(list(_telling(text.shown[:4_000]))[: max(0, 1_000 - len(state.goal))])
            case ModelCalled(text=text) if not state.planned and len(text.head) > 20:
                state.planned = True
                _lead_on(state, text.head[:2_000])
            case ToolIntended() as body if len(state.goal) >= FEWEST_TERMS:
                return state, self._intended(state, body, event.seq)
            case ToolFinished() as body if body.call in state.open:
                _lead_on(state, body.result.head[:3_000])
            case _:
                pass
        return state, NONE

    def _intended(self, state: Way, body: ToolIntended, seq: int) -> tuple[Finding, ...]:
        words: set[str] = set()
        given = values(body.args)
        for text in given:
            plain = _FLAG.sub(" ", text) if " -" in text else text
            words |= _specific(plain)
        named = not state.goal.isdisjoint(words)
        called = not named and not state.goal.isdisjoint(name_words(body.tool))
        doing = _doing(body)
        found = self._share(state, named=named or called, doing=doing, seq=seq)
        link = _link(state, words, body.tool, named=named, called=called)
        if link is Link.NONE:
            things = {one for text in given for one in _things(text)}
            if not state.goal.isdisjoint(things):
                link, words = Link.WEAK, things
        if link is Link.STRONG:
            return found + self._back(state, body, seq)
        if link is Link.WEAK:
            if words:
                state.strayed = max(0, state.strayed - WEAK_BACK)
            if not state.strayed:
                state.open.append(body.call)
            return found
        if not state.tools and state.calls <= NO_WAY_YET:
            return found
        step = words or {body.tool[:120]}
        if step <= state.astray:
            return found  # the same again: loops have rules of their own
        if len(state.astray) < GENERATION:
            state.astray |= step
        return found + self._strayed(state, doing, seq)

    def _back(self, state: Way, body: ToolIntended, seq: int) -> tuple[Finding, ...]:
        state.open.append(body.call)
        if len(state.tools) < MOST_TOOLS:
            state.tools.add(body.tool[:120])
        if not state.strayed:
            return NONE
        state.strayed = 0
        state.astray.clear()
        state.doings.clear()
        return state.levels.over(DERAILED, Channel.DRIFT, seq=seq)

    def _strayed(self, state: Way, doing: str, seq: int) -> tuple[Finding, ...]:
        before = state.doings.get(doing, 0)
        if before > DOINGS or (not before and len(state.doings) >= MOST_TOOLS):
            return NONE
        state.doings[doing] = before + 1
        if before == DOINGS:
            state.strayed = max(0, state.strayed - DOINGS)  # a batch is work of its own
            return NONE
        if not state.strayed:
            state.since = seq
        state.strayed += 1
        if state.strayed < self.thresholds.derail_calls or len(state.doings) < DOINGS:
            return NONE
        headline = f"{state.strayed} calls in a row share no word with the goal, the plan, or what they led to"
        evidence = (state.since, seq)
        return state.levels.raised(DERAILED, Channel.DRIFT, Severity.WARN, self.risk(state), headline, evidence)

    def _share(self, state: Way, *, named: bool, doing: str, seq: int) -> tuple[Finding, ...]:
        limits = self.thresholds
        window = limits.terms_window_calls
        state.calls += 1
        if doing == state.doing and state.hits:
            state.hits[-1] = state.hits[-1] or named  # the same kind of step in a row is one
            return NONE
        state.doing = doing
        state.hits.append(named)
        state.steps += 1
        if len(state.hits) > window:
            state.hits.popleft()
        if state.steps < window:
            return NONE
        share = sum(state.hits) / len(state.hits)
        if state.steps == window:
            state.start_share = share
            return NONE
        if share > limits.terms_floor:
            return state.levels.over(TERMS, Channel.DRIFT, seq=seq)
        if state.start_share < limits.terms_start or state.steps < 2 * window:
            return NONE
        then = f"{state.start_share:.0%} of the first {window}"
        headline = f"{share:.0%} of the last {window} calls name anything of the goal, {then} did"
        return state.levels.raised(TERMS, Channel.DRIFT, Severity.WARN, 0.45, headline, (seq,))


def _link(state: Way, words: set[str], tool: str, *, named: bool, called: bool) -> Link:
    """What ties a call of ``words`` to the way so far; ``called`` says that its tool's name has a word of the goal."""
    if named or (called and (not state.strayed or tool[:120] in state.tools)):
        return Link.STRONG
    found = words & state.new | words & state.old
    if len(found) >= STRONG or any(_is_a_thing(one) for one in found):
        return Link.STRONG
    if found:
        return Link.WEAK
    if words:
        return Link.NONE
    known = tool[:120] in state.tools or state.calls <= FIRST_CALLS
    return Link.WEAK if known else Link.NONE


def _is_a_thing(word: str) -> bool:
    """Whether one thing only is called so: letters and digits mixed, or a long number."""
    return any(one.isdigit() for one in word)


def _doing(body: ToolIntended) -> str:
    """The kind of step a call is: its tool, and for a command the program."""
    if len(body.args) == 1:
        name, given = next(iter(body.args.items()))
        if isinstance(given, str):
            program, _, rest = given.strip()[:200].partition(" ")
            if rest and _PROGRAM.fullmatch(program) and (name == "command" or _SHELL.search(rest)):
                return f"{body.tool[:120]} {program}"
    return body.tool[:120]


def _telling(text: str) -> set[str]:
    return {word for word in TOKEN.findall(text.lower()) if len(word) > 2 and word not in STOP}


def _specific(text: str) -> set[str]:
    """The words of ``text`` that another task would hold by chance only: no common acts, things, small numbers."""
    return {
        word
        for word in TOKEN.findall(text.lower())
        if len(word) > 3 and word not in STOP and word not in ACTS and word not in THINGS and not _small(word)
    }


def _things(text: str) -> set[str]:
    """The common things that ``text`` names."""
    return {word for word in TOKEN.findall(text.lower()) if word in THINGS}


def _small(word: str) -> bool:
    return word[0].isdigit() and (len(word) < 5 or word[:2] in ("19", "20"))


def _lead_on(state: Way, text: str) -> None:
    """The first specific words of ``text`` may be what the next call is about."""
    state.new.update(sorted(_specific(text))[:RESULT_WORDS])
    if len(state.new) > GENERATION:
        state.old, state.new = state.new, set()
