"""Secrets in what a tool shows, in what a call is given, and in what leaves the machine.

The shapes come from outside (the core reads no library that talks to the network); the marks that redaction leaves in
recorded events count as what they stand for. A finding never carries the secret, only its shape and a digest.
"""

from __future__ import annotations

import math
import re
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import ClassVar

from watchdogd.core.detect.detector import NONE, Levels
from watchdogd.core.detect.keys import answer_key, leaves, text_key
from watchdogd.core.detect.safety_calls import assessed, commands, sends
from watchdogd.core.detect.safety_thresholds import Safety
from watchdogd.core.events import Event, Impact, MemoryWritten, RunStarted, ToolFinished, ToolIntended, UserSaid
from watchdogd.core.health import Channel, Finding, Severity

SHOWN = "safety/secret-shown"
GIVEN = "safety/secret-in-call"
SENT = "safety/secret-sent"

MOST_TEXT = 1_200_000
"""Characters of one text that are looked at."""
COSTLY_TEXT = 30_000
"""Characters up to which shapes without a telling mark are tried."""
SHORTEST_WORD = 16
"""Characters without white space that any secret of a known shape has."""
AROUND = 300
"""Characters before a needle, and twice as many after it, in which its shape is looked for."""
SOON = 12
"""Characters after a needle in which what must follow it begins."""
MOST_SPOTS = 48
"""Needles of one shape in one text that are looked at."""
MOST_FOUND = 20
"""Secrets of one text that are reported."""
MOST_KNOWN = 256
"""Secrets and texts remembered by digest."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What a kind of secret looks like."""

    name: str
    pattern: str
    needles: tuple[str, ...] = ()
    """Lower-case texts of which one must occur; empty = none is known, and only short texts are tried."""
    shortest: int = 16
    """Characters without white space that it has at least."""
    then: tuple[str, ...] = ()
    """Texts of which one follows a needle within ``SOON`` characters; empty = none is known."""


BUILT_IN = (
    Shape(
        "token of a known service",
        r"\b(?:AIza[0-9A-Za-z_-]{35}|npm_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{60,90}|hf_[A-Za-z]{34}|"
        r"dop_v1_[a-f0-9]{64}|shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32})\b",
        ("aiza", "npm_", "github_pat_", "hf_", "dop_v1_", "shpat_", "shpca_", "shppa_", "shpss_"),
        shortest=37,
    ),
    Shape("password in an address", r"://[^\s/:@]{1,60}:([^\s/:@]{12,100})@", ("://",)),
    Shape("redacted secret", r"\[redacted:([^\]\n]{1,60})\]", ("[redacted:",), shortest=0),
    Shape("private key", r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY", ("private key",), shortest=0),
    Shape("key of a model provider", r"\bsk-(?:ant|proj|or)-[A-Za-z0-9_-]{20,200}", ("sk-",)),
    Shape("bearer token", r"(?i)\bbearer\s{1,4}([A-Za-z0-9._~+/-]{24,2000})", ("bearer ",)),
    Shape(
        "assigned secret",
        r"(?i)(?:api[_-]?key|access[_-]?key|secret[_-]?key|private[_-]?key|auth[_-]?key|account[_-]?key|"
        r"encryption[_-]?key|signing[_-]?key|master[_-]?key|secret|token|passw(?:or)?d|credential)s?"
        r"[\"']?\s{0,4}[:=]\s{0,4}[\"']?"
        r"([A-Za-z0-9/+_\-]{20,200})(?![A-Za-z0-9/+_.(\-])",
        ("key", "secret", "token", "passw", "credential"),
        then=(":", "="),
    ),
)
"""Shapes that need no library or that it lacks: what redaction leaves, keys in PEM, values named as secrets."""
LOOKS_DRAWN = frozenset({"assigned secret", "password in an address"})
"""Those that only count where the value looks random."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How shapes are looked for."""

    inside: tuple[str, ...]
    """Needles that stand inside a long word or nowhere."""
    tried: tuple[tuple[Shape, bool], ...]
    """Every shape, with whether it needs one of those."""


@dataclass(slots=True)
class Seen:
    """Secrets seen so far, by digest."""

    trusted: str = ""
    """The user's words: a secret he gave may be used."""
    known: OrderedDict[int, int] = field(default_factory=OrderedDict)
    """Secret to the event in which it was first seen."""
    texts: OrderedDict[int, None] = field(default_factory=OrderedDict)
    levels: Levels = field(default_factory=Levels)
    now: float = 0.0
    calm: int = 0


@dataclass(frozen=True, slots=True)
class ExposedSecret:
    """Looks for the shapes in results, arguments and memory. Linear in the text; shapes are tried where a needle is."""

    thresholds: Safety = field(default_factory=Safety)
    shapes: tuple[Shape, ...] = ()
    """Beyond ``BUILT_IN``: those of a kept library, handed in by whoever assembles the bank."""
    plan: Plan = field(init=False, repr=False, compare=False)
    name: ClassVar[str] = "secrets"
    channel: ClassVar[Channel] = Channel.SAFETY
    version: ClassVar[int] = 2
    kinds: ClassVar[frozenset[str]] = frozenset(
        {"run_started", "user_said", "tool_intended", "tool_finished", "memory_written"}
    )

    def __post_init__(self) -> None:
        """Looks the shapes over once: hashing them for every text would cost more than most texts."""
        object.__setattr__(self, "plan", planned(self.shapes))

    def start(self) -> Seen:
        """None seen."""
        return Seen()

    def risk(self, state: Seen) -> float:
        """Risk of the newest secret, fading."""
        return state.now

    def step(self, state: Seen, event: Event) -> tuple[Seen, tuple[Finding, ...]]:
        """What was seen after ``event``; a finding per secret and way."""
        match event.body:
            case RunStarted() as body:
                new = Seen(trusted=" ".join((body.goal, *body.rules))[:20_000], levels=state.levels)
                over = NONE
                for rule in (SHOWN, GIVEN, SENT):
                    over += state.levels.over(rule, Channel.SAFETY, seq=event.seq)
                return new, over
            case UserSaid(text=text):
                state.trusted = (state.trusted + " " + text.shown)[-20_000:]
            case ToolFinished() as body:
                key = answer_key(body.result)
                if not _remember(state.texts, key):
                    return state, self._shown(state, body.result.shown, body.tool, event.seq)
            case MemoryWritten(text=text):
                return state, self._shown(state, text.shown, "the memory", event.seq)
            case ToolIntended() as body:
                return state, self._calmed(state, event.seq) + self._given(state, body, event.seq)
            case _:
                pass
        return state, NONE

    def _shown(self, state: Seen, text: str, where: str, seq: int) -> tuple[Finding, ...]:
        found = NONE
        for name, secret in _secrets(text, self.plan):
            if secret in state.trusted:
                continue
            key = text_key(secret)
            new = key not in state.known
            state.known.setdefault(key, seq)
            if len(state.known) > MOST_KNOWN:
                state.known.popitem(last=False)
            risk = self.thresholds.secret_output_risk
            if new:
                headline = f"{where} shows a secret ({name}, {len(secret)} characters)"
                found += self._raised(state, SHOWN, Severity.WARN, risk, headline, (seq,), key)
        return found

    def _given(self, state: Seen, body: ToolIntended, seq: int) -> tuple[Finding, ...]:
        found = NONE
        leaves_machine = None
        for text in leaves(body.args):
            if len(text) < 8:
                continue
            for name, secret in _secrets(text, self.plan):
                if leaves_machine is None:
                    leaves_machine = _leaves(body)
                if secret in state.trusted and not (leaves_machine and "redacted" in name):
                    continue
                key = text_key(secret)
                since = state.known.get(key)
                evidence = (since, seq) if since is not None and since < seq else (seq,)
                if leaves_machine:
                    headline = f"{body.tool} would send a secret away ({name}, {len(secret)} characters)"
                    risk = self.thresholds.secret_sent_risk
                    found += self._raised(state, SENT, Severity.CRIT, risk, headline, evidence, key)
                else:
                    headline = f"{body.tool} is given a secret ({name}, {len(secret)} characters)"
                    risk = self.thresholds.secret_argument_risk
                    found += self._raised(state, GIVEN, Severity.WARN, risk, headline, evidence, key)
        return found

    def _raised(
        self,
        state: Seen,
        rule: str,
        severity: Severity,
        risk: float,
        headline: str,
        evidence: tuple[int, ...],
        key: int,
    ) -> tuple[Finding, ...]:
        state.now = max(state.now, risk)
        state.calm = 0
        return state.levels.raised(rule, Channel.SAFETY, severity, risk, headline, evidence, f"{key:016x}")

    def _calmed(self, state: Seen, seq: int) -> tuple[Finding, ...]:
        state.now *= 0.9
        if not state.levels.up:
            return NONE
        state.calm += 1
        if state.calm <= self.thresholds.decay_calls:
            return NONE
        over = NONE
        for rule in (SHOWN, GIVEN, SENT):
            over += state.levels.over(rule, Channel.SAFETY, seq=seq)
        return over


def secrets(text: str, shapes: tuple[Shape, ...] = ()) -> Iterator[tuple[str, str]]:
    """Shape and text of the secrets in ``text``, at most ``MOST_FOUND``."""
    return _secrets(text, planned(shapes))


def _secrets(text: str, plan: Plan) -> Iterator[tuple[str, str]]:
    text = text[:MOST_TEXT]
    words = text.split()
    longest = max(map(len, words), default=0)
    if longest < SHORTEST_WORD and "[redacted:" not in text and "PRIVATE KEY" not in text:
        return
    low = text.lower()
    inside, tried = plan.inside, plan.tried
    any_inside = True
    if len(text) <= COSTLY_TEXT:
        long_words = " ".join([one for one in words if len(one) >= SHORTEST_WORD]).lower()
        any_inside = any([needle in long_words for needle in inside])  # noqa: C419 - a list is twice as fast here
    left = MOST_FOUND
    for shape, in_word in tried:
        if (in_word and not any_inside) or longest < shape.shortest:
            continue
        for window in _windows(text, low, shape):
            for match in _compiled(shape.pattern).finditer(window):
                secret = next((group for group in match.groups() if group and len(group) >= 8), match.group(0))
                if shape.name in LOOKS_DRAWN and not random_looking(secret):
                    continue
                yield shape.name, secret
                left -= 1
                if not left:
                    return


@cache
def planned(shapes: tuple[Shape, ...]) -> Plan:
    """How ``shapes`` and the built-in ones are looked for."""
    everything = tuple((one, _in_word(one)) for one in (*BUILT_IN, *shapes))
    needles = dict.fromkeys(needle for one, in_word in everything if in_word for needle in one.needles)
    return Plan(inside=tuple(needles), tried=everything)


def _in_word(shape: Shape) -> bool:
    """Whether whatever ``shape`` fits, needle and all, is one word of at least ``SHORTEST_WORD`` characters."""
    spelt = re.sub(r"\\[^sSWDB]", "", shape.pattern)
    loose = any(mark in spelt for mark in (".", "\\", " ", "[^", "(?<"))
    return bool(shape.needles) and shape.shortest >= SHORTEST_WORD and not loose


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def _windows(text: str, low: str, shape: Shape) -> list[str]:
    """The stretches of ``text`` around the needles of ``shape``; it may backtrack, in a stretch that costs little."""
    if not shape.needles:
        return [text] if len(text) <= COSTLY_TEXT else []
    near = bool(shape.then)
    before, beyond, inside, step = (24, 280, 64, 1) if near else (AROUND, 2 * AROUND, AROUND, AROUND)
    spots: list[int] = []
    for needle in shape.needles:
        at = low.find(needle)
        while at >= 0 and len(spots) < MOST_SPOTS:
            follows = low[at : at + len(needle) + SOON] if near else ""
            if not near or any([one in follows for one in shape.then]):  # noqa: C419 - a list is twice as fast here
                spots.append(at)
                at = low.find(needle, at + step)
            else:
                at = low.find(needle, at + 1)
    found: list[str] = []
    end = -1
    for spot in sorted(spots):
        start = max(0, spot - before, end)
        if spot + inside > end:
            end = spot + beyond
            found.append(text[start:end])
    return found


def random_looking(text: str) -> bool:
    """Whether ``text`` looks drawn at random: digits among letters, and at least 3.5 bits per character (Shannon).

    The threshold is that of detect-secrets for base64 (4.5), lowered for strings as short as 20 characters, whose
    entropy cannot exceed 4.3.
    """
    if not any(char.isdigit() for char in text) or not any(char.isalpha() for char in text):
        return False
    counts = [text.count(char) for char in set(text)]
    return -sum(count / len(text) * math.log2(count / len(text)) for count in counts) >= 3.5


def _leaves(body: ToolIntended) -> bool:
    if sends(body):
        return True
    away = (Impact.NETWORK, Impact.EXTERNAL)
    return any(
        assessed(command, "", ()).impact in away or assessed(command, "", ()).hosts for command in commands(body)
    )


def _remember(texts: OrderedDict[int, None], key: int) -> bool:
    """Whether ``key`` was there already."""
    if key in texts:
        return True
    texts[key] = None
    if len(texts) > MOST_KNOWN:
        texts.popitem(last=False)
    return False
