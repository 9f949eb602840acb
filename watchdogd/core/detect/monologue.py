"""Talking without doing: near-equal messages in a row, and a message that repeats one phrase."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import ClassVar

from watchdogd.core.detect.detector import NONE, Levels, graded, level
from watchdogd.core.detect.keys import text_key
from watchdogd.core.detect.thresholds import Progress
from watchdogd.core.events import (
    Answered,
    Event,
    ModelCalled,
    Nudged,
    RunStarted,
    Text,
    ToolFinished,
    ToolIntended,
    UserSaid,
)
from watchdogd.core.health import Channel, Finding, Severity

RULE = "progress/monologue"
CHANT = "progress/chanting"
COMPARED_CHARS = 600
TAIL_CHARS = 4_000
"""The end of a message in which a phrase is looked for."""
ALIKE = 0.85
"""Share of common words from which two messages are near-equal (Dice)."""

_NOISE = re.compile(r"[\W\d_]+")


@dataclass(slots=True)
class Talk:
    """The last messages since anything was done."""

    words: frozenset[str] = frozenset()
    key: int = 0
    speaker: str = ""
    count: int = 0
    seqs: list[int] = field(default_factory=list)
    levels: Levels = field(default_factory=Levels)


@dataclass(frozen=True, slots=True)
class Monologue:
    """Near-equal messages with nothing done and nobody speaking between; phrases over and over in one message."""

    thresholds: Progress
    name: ClassVar[str] = "monologue"
    channel: ClassVar[Channel] = Channel.PROGRESS
    version: ClassVar[int] = 1
    kinds: ClassVar[frozenset[str]] = frozenset(
        {"model_called", "tool_intended", "tool_finished", "user_said", "answered", "nudged", "run_started"}
    )

    def start(self) -> Talk:
        """Nothing said."""
        return Talk()

    def step(self, state: Talk, event: Event) -> tuple[Talk, tuple[Finding, ...]]:
        """The talk after ``event``."""
        match event.body:
            case ModelCalled(text=text, speaker=speaker):
                return state, self._said(state, event, text, speaker)
            case ToolIntended() | ToolFinished() | UserSaid() | Answered() | Nudged() | RunStarted():
                state.count, state.seqs, state.words, state.key = 0, [], frozenset(), 0
                if not state.levels.up:
                    return state, NONE
                return state, state.levels.over(RULE, Channel.PROGRESS, seq=event.seq)
            case _:
                return state, NONE

    def risk(self, state: Talk) -> float:
        """How far the talk is on its way to the first level."""
        return min(0.5, graded(state.count - 1, self.thresholds.monologue_warn, self.thresholds.monologue_crit))

    def _said(self, state: Talk, event: Event, text: Text, speaker: str) -> tuple[Finding, ...]:
        found = self._chanting(state, event, text)
        key = text_key(text.head) if text.head else 0
        alike = key == state.key and speaker == state.speaker and bool(text.head.strip())
        words = frozenset[str]()
        if not alike:
            words = _words(text)
            alike = bool(words) and speaker == state.speaker and _alike(words, state.words)
        if not text.head.strip():
            return found  # a message that only calls tools says nothing
        state.count = state.count + 1 if alike else 1
        state.seqs = [*state.seqs[-7:], event.seq] if alike else [event.seq]
        state.key, state.speaker = key, speaker
        state.words = words or state.words
        limits = self.thresholds
        severity = level(state.count, limits.monologue_warn, limits.monologue_crit)
        if severity is Severity.OK:
            return found + state.levels.over(RULE, Channel.PROGRESS, seq=event.seq)
        sentence = f"{state.count} messages in a row say the same, and nothing was done between them"
        risk = graded(state.count, limits.monologue_warn, limits.monologue_crit)
        return found + state.levels.raised(RULE, Channel.PROGRESS, severity, risk, sentence, tuple(state.seqs))

    def _chanting(self, state: Talk, event: Event, text: Text) -> tuple[Finding, ...]:
        whole = text.tail or text.head
        repeats, phrase = _phrase(whole[-TAIL_CHARS:])
        limits = self.thresholds
        severity = level(repeats, limits.chant_repeats_warn, limits.chant_repeats_crit)
        if severity is Severity.OK:
            return state.levels.over(CHANT, Channel.PROGRESS, seq=event.seq)
        risk = graded(repeats, limits.chant_repeats_warn, limits.chant_repeats_crit)
        sentence = f"a message ends in one phrase {repeats} times over ({phrase[:40].strip()!r})"
        return state.levels.raised(CHANT, Channel.PROGRESS, severity, risk, sentence, (event.seq,))


def _words(text: Text) -> frozenset[str]:
    return frozenset(_NOISE.sub(" ", text.head[:COMPARED_CHARS]).lower().split()[:80])


def _alike(one: frozenset[str], other: frozenset[str]) -> bool:
    return 2 * len(one & other) >= ALIKE * (len(one) + len(other))


def _phrase(tail: str) -> tuple[int, str]:
    """How often the text's last phrase (12 to 400 characters) stands at its very end, back to back, and the phrase."""
    if len(tail) < 120:
        return 0, ""
    last = tail[-24:]
    period = len(tail) - 24 - tail.rfind(last, 0, len(tail) - 1)
    if not 2 <= period <= 400 or tail.rfind(last, 0, len(tail) - 1) < 0:
        return 0, ""
    phrase = tail[-period:]
    if not any(one.isalpha() for one in phrase) or len(set(phrase)) < 4:
        return 0, ""
    repeats, at = 0, len(tail)
    while at >= period and tail.startswith(phrase, at - period):
        repeats, at = repeats + 1, at - period
    return (repeats, phrase) if repeats * period >= 120 else (0, "")
