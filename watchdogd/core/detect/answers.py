"""Whether two answers of one call say the same: what changes between them is a stamp, progress, or news.

Nothing here knows the words of any tool. A clock, a random id or a call counter is recognised by how its token
changes from one answer to the next; a number that climbs towards a bound, a percentage, a count that grows is progress.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import IntEnum

from watchdogd.core.detect.keys import answer_key
from watchdogd.core.events import Text

SAMPLE_CHARS = 1_600
"""Head and tail kept of an answer (each half of it); longer texts also compare by the key of the whole."""
MOST_TOKENS = 400
"""Tokens of a sample that are compared."""
MOST_VARYING = 8
"""Token positions that may change before two answers count as different."""

_TOKEN = re.compile(r"[^\s,;(){}\[\]\"'=<>|\\]+")
_CLOCK = re.compile(r"\D{0,3}\d{1,4}[-:/.]\d{1,2}[-:/.]\d{1,4}\D?.{0,24}|\D{0,2}\d{1,2}:\d{2}\D{0,3}")
_DECIMAL = re.compile(r"[^\d.]{0,2}(\d{1,15}\.\d{1,12})([^\d]{0,4})")
_INTEGER = re.compile(r"[^\d]{0,3}(\d{1,18})([^\d]{0,4})")
_BOUNDED = re.compile(r"(\d{1,12}(?:\.\d{1,6})?)(?:%|/\d{1,12}%?)")
_EPOCH = re.compile(r"1\d{9}(?:\d{3}|\d{6}|\d{9})?(?:\.\d{1,9})?")


class Change(IntEnum):
    """How an answer differs from the answer before it."""

    NEW = 0
    """The call's first answer."""
    EQUAL = 1
    STAMP = 2
    """Equal but for clocks, ids and counters."""
    UNDECIDED = 3
    """Equal but for numbers of which it cannot be told yet whether they are going somewhere."""
    PROGRESS = 4
    """Equal but for numbers that are going somewhere."""
    DIFFERENT = 5


class Kind(IntEnum):
    """What the changing token of a position looks like."""

    STAMP = 0
    NUMBER = 1
    BOUNDED = 2
    WORD = 3


@dataclass(slots=True)
class Varying:
    """A token position that changes between answers."""

    kind: Kind
    first: float
    last: float
    ups: int = 0
    downs: int = 0
    steps: int = 0
    """Changes by exactly +1."""
    bounded: bool = False


@dataclass(slots=True)
class Answers:
    """What is remembered of one call's answers."""

    whole: int
    """Key of the last answer's whole text."""
    sample: str
    identity: int
    """Key of the first of the answers that say the same; stays while they do."""
    same: int = 1
    """Answers in a row that say the same."""
    change: Change = Change.NEW
    at: int = 0
    """Number of the finished call that gave the last answer."""
    varying: dict[int, Varying] = field(default_factory=dict)


def sample_of(text: Text) -> str:
    """The part of ``text`` that is kept for comparing."""
    head, half = text.head, SAMPLE_CHARS // 2
    if len(head) + len(text.tail) <= SAMPLE_CHARS:
        return f"{head}\n{text.tail}" if text.tail else head
    return f"{head[:half]}\n{(text.tail or head)[-half:]}"


def first_answer(text: Text, at: int) -> Answers:
    """The memory after a call's first answer."""
    whole = answer_key(text)
    return Answers(whole=whole, sample=sample_of(text), identity=whole, at=at)


def next_answer(seen: Answers, text: Text, at: int, *, quiet: bool) -> Change:
    """Takes the next answer of the same call into ``seen`` and says how it differs from the one before.

    ``quiet`` says that nothing new was done since the last answer; only then can a changed small number be a stamp.
    """
    whole, seen.at = answer_key(text), at
    if whole == seen.whole:
        seen.same += 1
        seen.change = _verdict(seen) if seen.varying else Change.EQUAL
        return seen.change
    sample = sample_of(text)
    change = _compared(seen, sample, quiet=quiet)
    seen.whole, seen.sample = whole, sample
    if change is Change.DIFFERENT:
        seen.identity, seen.same, seen.varying = whole, 1, {}
    else:
        seen.same += 1
    seen.change = change
    return change


def _compared(seen: Answers, sample: str, *, quiet: bool) -> Change:
    if abs(len(sample) - len(seen.sample)) > 40 + len(sample) // 10:
        return Change.DIFFERENT
    old, new = _TOKEN.findall(seen.sample)[:MOST_TOKENS], _TOKEN.findall(sample)[:MOST_TOKENS]
    pairs = _pairs(old, new)
    if pairs is None:
        return Change.DIFFERENT
    for place, (before, now) in pairs.items():
        if not _taken(seen, place, before, now, new, quiet=quiet):
            return Change.DIFFERENT
    return _verdict(seen)


def _pairs(old: list[str], new: list[str]) -> dict[int, tuple[str, str]] | None:
    """The places where ``old`` and ``new`` differ; None when they differ in more than a few tokens."""
    if len(old) == len(new):
        places = [place for place, (one, other) in enumerate(zip(old, new, strict=True)) if one != other]
        if len(places) > MOST_VARYING or 2 * len(places) > len(new) + 1:
            return None
        return {place: (old[place], new[place]) for place in places}
    return None


def _taken(seen: Answers, place: int, before: str, now: str, tokens: list[str], *, quiet: bool) -> bool:
    """Whether the change at ``place`` may be a stamp or progress; it is noted then."""
    kind, was, value = _kind(before, now)
    if kind is Kind.WORD or (kind is Kind.NUMBER and not quiet):
        return False
    one = seen.varying.get(place)
    if one is None:
        if len(seen.varying) >= MOST_VARYING:
            return False
        one = seen.varying[place] = Varying(kind, was, was)
    one.kind = max(one.kind, kind)
    one.bounded = one.bounded or _near_bound(tokens, place, value)
    if value > one.last:
        one.ups += 1
        one.steps += value == one.last + 1
    elif value < one.last:
        one.downs += 1
    one.last = value
    return True


def _kind(before: str, now: str) -> tuple[Kind, float, float]:
    """What the pair looks like, and its values as numbers where it has them."""
    one, other = before.strip(".:!?"), now.strip(".:!?")
    if (a := _BOUNDED.fullmatch(one)) and (b := _BOUNDED.fullmatch(other)):
        return Kind.BOUNDED, float(a[1]), float(b[1])
    if _EPOCH.fullmatch(one) and _EPOCH.fullmatch(other):
        return Kind.STAMP, float(one), float(other)
    if _CLOCK.fullmatch(one) and _CLOCK.fullmatch(other):
        return Kind.STAMP, _digits(one), _digits(other)
    for shape in (_DECIMAL, _INTEGER):
        if (a := shape.fullmatch(one)) and (b := shape.fullmatch(other)):
            return Kind.NUMBER, float(a[1]), float(b[1])
    if any(one.isdigit() for one in before) and any(one.isdigit() for one in now):
        return Kind.STAMP, 0.0, 0.0
    return Kind.WORD, 0.0, 0.0


def _digits(token: str) -> float:
    return float("".join(one for one in token[:40] if one in "0123456789") or 0)


def _near_bound(tokens: list[str], place: int, value: float) -> bool:
    """Whether another plain number follows within two tokens that ``value`` can climb to ("3 of 7")."""
    for token in tokens[place + 1 : place + 3]:
        if token.isdecimal() and len(token) < 13 and float(token) >= value > 0:
            return True
    return False


def _verdict(seen: Answers) -> Change:
    verdict = Change.STAMP
    for one in seen.varying.values():
        verdict = max(verdict, _going(one))
    return verdict


def _going(one: Varying) -> Change:
    """Whether the position goes somewhere."""
    moved = one.ups + one.downs
    if one.kind is Kind.STAMP:
        return Change.PROGRESS if one.downs >= 2 and one.ups == 0 else Change.STAMP
    if one.kind is Kind.BOUNDED or one.bounded:
        return Change.PROGRESS
    if one.ups and one.downs:
        return Change.STAMP
    if one.ups and one.first >= 1_000 and one.last <= one.first * (1 + 0.05 * one.ups):
        return Change.STAMP
    if one.steps == moved and moved >= 4:
        return Change.STAMP
    return Change.UNDECIDED if moved < 4 else Change.PROGRESS
