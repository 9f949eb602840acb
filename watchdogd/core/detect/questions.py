"""Asking a person again what that person has answered."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field
from typing import ClassVar

from watchdogd.core.detect.detector import NONE, Levels, graded, level
from watchdogd.core.detect.thresholds import Recall
from watchdogd.core.events import Answered, Event, ModelCalled, RunStarted, Text, UserSaid
from watchdogd.core.health import Channel, Finding, Severity

RULE = "recall/asked-again"
MOST_QUESTIONS = 24
"""Answered questions that are remembered."""
MOST_SENTENCES = 6
"""Questions of one message."""
LEAST_WORDS = 3
"""Content words of a question; shorter ones ("anything else?") recur in every conversation."""
ALIKE = 0.8
"""Share of common content words from which two questions are the same (Dice)."""

_WORD = re.compile(r"[^\W\d_]{3,}|\d+")
_QUESTION = re.compile(r"[^.?!\n]{8,300}\?")
_ASKS_FACT = re.compile(
    r"\b(?:what|which|who|whom|whose|when|where|how (?:many|much|old|long|often)|provide|tell me|give me|share|specify"
    r"|send me|enter)\b",
    re.IGNORECASE,
)
_EVERYWHERE = """
the and you your for with this that please could would can may what which who whom whose when where how many much are
have has does did was were will shall should about from into any there here them they their our out like know let
provide tell give share specify need want help also just
"""
_COMMON = frozenset(_EVERYWHERE.split())


@dataclass(slots=True)
class Asked:
    """A question, and how often it was asked after it had been answered."""

    words: frozenset[str]
    text: str
    seq: int
    again: int = 0


@dataclass(slots=True)
class Asking:
    """Questions open and answered."""

    open: list[Asked] = field(default_factory=list)
    answered: deque[Asked] = field(default_factory=deque)
    levels: Levels = field(default_factory=Levels)


@dataclass(frozen=True, slots=True)
class AskedAgain:
    """Questions for facts, asked again after an answer that held some. O(questions) per message with a question."""

    thresholds: Recall
    name: ClassVar[str] = "asked-again"
    channel: ClassVar[Channel] = Channel.RECALL
    version: ClassVar[int] = 2
    kinds: ClassVar[frozenset[str]] = frozenset(
        {"model_called", "user_said", "answered", "run_started", "tool_intended"}
    )

    def start(self) -> Asking:
        """Nothing asked."""
        return Asking()

    def step(self, state: Asking, event: Event) -> tuple[Asking, tuple[Finding, ...]]:
        """The questions after ``event``."""
        match event.body:
            case ModelCalled(text=text):
                return state, self._said(state, event, text)
            case UserSaid(text=text):
                self._answer(state, text.head)
                return state, NONE
            case Answered(text=answer):
                self._answer(state, answer)
                return state, NONE
            case RunStarted():
                return Asking(levels=state.levels), state.levels.over(RULE, Channel.RECALL, seq=event.seq)
            case _:
                return state, NONE

    def _answer(self, state: Asking, text: str) -> None:
        words = _words(text[:2_000])
        if len(words) >= 2 or any(one.isdigit() for one in words):
            state.answered.extend(state.open)
            while len(state.answered) > MOST_QUESTIONS:
                state.answered.popleft()
        state.open = []

    def _said(self, state: Asking, event: Event, text: Text) -> tuple[Finding, ...]:
        whole = text.tail or text.head
        if "?" not in whole:
            return NONE
        found, limits = NONE, self.thresholds
        state.open = []
        for sentence in _QUESTION.findall(whole[-3_000:])[-MOST_SENTENCES:]:
            if not _ASKS_FACT.search(sentence):
                continue
            words = _words(sentence)
            if len(words) < LEAST_WORDS:
                continue
            known = next((one for one in state.answered if _alike(words, one.words)), None)
            if known is None:
                state.open.append(Asked(words, " ".join(sentence.split())[:100], event.seq))
                continue
            known.again += 1
            severity = level(known.again, limits.asked_again_warn, limits.asked_again_crit)
            if severity is not Severity.OK:
                sentence = f'asked {known.again} times again what was answered: "{known.text}"'
                risk = graded(known.again, limits.asked_again_warn, limits.asked_again_crit)
                evidence = (known.seq, event.seq)
                found += state.levels.raised(RULE, Channel.RECALL, severity, risk, sentence, evidence, str(known.seq))
        return found


def _words(text: str) -> frozenset[str]:
    return frozenset(word for word in map(str.lower, _WORD.findall(text)) if word not in _COMMON)


def _alike(one: frozenset[str], other: frozenset[str]) -> bool:
    return 2 * len(one & other) >= ALIKE * (len(one) + len(other))
