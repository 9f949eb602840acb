"""Away from the task: acts that nothing the user said, and nothing found on the way from there, accounts for.

Only ever a WARN: words are a weak measure of purpose (DETECTION measured .65 to .84); the judge has to see the rest.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
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
"""One thing done to many things is a batch; other work is made of several kinds of steps."""
FEWEST_TERMS = 4
"""A goal of fewer telling words is no measure."""


@dataclass(slots=True)
class Way:
    """The user's words, and the words that led on from them."""

    goal: set[str] = field(default_factory=set)
    new: set[str] = field(default_factory=set)
    old: set[str] = field(default_factory=set)
    open: deque[str] = field(default_factory=lambda: deque(maxlen=32))
    """Calls that are on the way; what they return leads on."""
    strayed: deque[int] = field(default_factory=lambda: deque(maxlen=64))
    """Events of the calls in a row that nothing accounts for."""
    astray: set[str] = field(default_factory=set)
    """Their words: the same call once more is no step further away."""
    doings: set[str] = field(default_factory=set)
    """What kinds of things they do, the first few."""
    hits: deque[bool] = field(default_factory=deque)
    """Whether each of the latest calls names a term of the goal itself."""
    calls: int = 0
    start_share: float = 0.0
    planned: bool = False
    levels: Levels = field(default_factory=Levels)


@dataclass(frozen=True, slots=True)
class Derailment:
    """Follows a chain of custody from the goal's words over results to the next call. O(words) per event."""

    thresholds: Drift = field(default_factory=Drift)
    name: ClassVar[str] = "derailment"
    channel: ClassVar[Channel] = Channel.DRIFT
    version: ClassVar[int] = 2
    kinds: ClassVar[frozenset[str]] = frozenset(
        {"run_started", "user_said", "model_called", "tool_intended", "tool_finished"}
    )

    def start(self) -> Way:
        """No goal."""
        return Way()

    def risk(self, state: Way) -> float:
        """How far the row of strayed calls has come; WARN is at .45."""
        return min(0.6, 0.45 * len(state.strayed) / self.thresholds.derail_calls) if state.goal else 0.0

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
        given = values(body.args)
        words: set[str] = set()
        for text in given:
            words |= _specific(text)
        named = not state.goal.isdisjoint(words) or not state.goal.isdisjoint(name_words(body.tool))
        linked = named or not state.new.isdisjoint(words) or not state.old.isdisjoint(words)
        found = self._share(state, named=named, seq=seq)
        if not words and not named:
            state.open.append(body.call)  # looking around, testing, listing: no way of its own, and may show one
            return found
        if linked:
            state.open.append(body.call)
            state.strayed.clear()
            state.astray.clear()
            state.doings.clear()
            return found + state.levels.over(DERAILED, Channel.DRIFT, seq=seq)
        if words <= state.astray:
            return found  # the same again: loops have rules of their own
        if len(state.astray) < GENERATION:
            state.astray |= words
        state.strayed.append(seq)
        if len(state.doings) < DOINGS:
            state.doings.add(_doing(body))
        if len(state.strayed) < self.thresholds.derail_calls or len(state.doings) < DOINGS:
            return found
        headline = f"{len(state.strayed)} calls in a row share no word with the goal, the plan, or what they led to"
        evidence = (state.strayed[0], seq)
        risk = self.risk(state)
        return found + state.levels.raised(DERAILED, Channel.DRIFT, Severity.WARN, risk, headline, evidence)

    def _share(self, state: Way, *, named: bool, seq: int) -> tuple[Finding, ...]:
        limits = self.thresholds
        window = limits.terms_window_calls
        state.hits.append(named)
        state.calls += 1
        if len(state.hits) > window:
            state.hits.popleft()
        if state.calls < window:
            return NONE
        share = sum(state.hits) / len(state.hits)
        if state.calls == window:
            state.start_share = share
            return NONE
        if share > limits.terms_floor:
            return state.levels.over(TERMS, Channel.DRIFT, seq=seq)
        if state.start_share < limits.terms_start or state.calls < 2 * window:
            return NONE
        then = f"{state.start_share:.0%} of the first {window}"
        headline = f"{share:.0%} of the last {window} calls name anything of the goal, {then} did"
        return state.levels.raised(TERMS, Channel.DRIFT, Severity.WARN, 0.45, headline, (seq,))


def _doing(body: ToolIntended) -> str:
    """The kind of thing a call does: its tool, and for a command the program."""
    command = body.args.get("command")
    return f"{body.tool} {command.split(None, 1)[0]}" if isinstance(command, str) and command.strip() else body.tool


def _telling(text: str) -> set[str]:
    return {word for word in TOKEN.findall(text.lower()) if len(word) > 2 and word not in STOP}


def _specific(text: str) -> set[str]:
    """The words of ``text`` that another task would hold by chance only: no common acts, things, small numbers."""
    return {
        word
        for word in TOKEN.findall(text.lower())
        if len(word) > 3 and word not in STOP and word not in ACTS and word not in THINGS and not _small(word)
    }


def _small(word: str) -> bool:
    return word[0].isdigit() and (len(word) < 5 or word[:2] in ("19", "20"))


def _lead_on(state: Way, text: str) -> None:
    """The first specific words of ``text`` may be what the next call is about."""
    state.new.update(sorted(_specific(text))[:RESULT_WORDS])
    if len(state.new) > GENERATION:
        state.old, state.new = state.new, set()
