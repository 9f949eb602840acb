"""Whether two answers of one call say the same: what changes between them is a stamp, progress, or news.

Nothing here knows the words of any tool. A clock, a random id or a call counter is recognised by how its token
changes from one answer to the next; a number that climbs towards a bound, a percentage, a count that grows is progress.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from zlib import crc32

from watchdogd.core.detect.excerpts import (
    nearly,
    pairs_at_both_ends,
    pairs_of,
    sample_of,
    shifted,
    tokens_of,
)
from watchdogd.core.events import Text

MOST_VARYING = 8
"""Token positions that may change before two answers count as different, plain stamps apart."""
CONSTANT_WORDS = 20
"""In an answer of so many words a single word that is another one every time is drawn by lot."""
LONG_WORDS = 40
"""In an answer of so many words one changing number is not what it is about."""
SHORT_WORDS = 8
"""An answer of at most so many words is about the number in it."""
MOST_BY_CHANCE = 4
"""Moves in one direction that are no longer chance (1 in 24 for a number drawn by lot)."""
_CLOCK = re.compile(r"\D{0,3}\d{1,4}[-:/.]\d{1,2}[-:/.]\d{1,4}\D?.{0,24}|\D{0,2}\d{1,2}:\d{2}\D{0,3}")
_DAY = re.compile(r"[0-3]?\d(?:st|nd|rd|th|\.)?")
_DOT_CLOCK = re.compile(r"[0-2]\d\.[0-5]\d")
_DECIMAL = re.compile(r"[^\d.]{0,2}(\d{1,15}\.\d{1,12})([^\d]{0,4})")
_INTEGER = re.compile(r"[^\d]{0,3}(\d{1,18})([^\d]{0,4})")
_BOUNDED = re.compile(r"(\d{1,12}(?:\.\d{1,6})?)(?:%|/\d{1,12}%?)")
_EPOCH = re.compile(r"1\d{9}(?:\d{3}|\d{6}|\d{9})?(?:\.\d{1,9})?")
_NO_VOWEL = re.compile(r"[^aeiouyAEIOUY\W\d_]{5}")
_DIGITS = re.compile(r"\d+")


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
    DURATION = 1
    """A fraction with a unit: a measurement, most often of time."""
    NUMBER = 2
    BOUNDED = 3
    WORD = 4


_NUMBERS = frozenset({Kind.DURATION, Kind.NUMBER})


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
    words: frozenset[int] = frozenset()
    """Checksums of the words seen here."""


@dataclass(slots=True)
class Answers:
    """What is remembered of one call's answers."""

    whole: int
    """Key of the last answer's whole text."""
    head: str
    tail: str
    chunks: tuple[int, ...]
    identity: int
    """Key of the first of the answers that say the same; stays while they do."""
    number: int
    """Number of the finished call that gave the last answer."""
    same: int = 1
    """Answers in a row that say the same."""
    change: Change = Change.NEW
    at: float | None = None
    """When the last answer came (Unix time)."""
    failed: bool = False
    """Whether the last answer was an error."""
    similar: bool = False
    """The last answer counts as different only for numbers in it, because something was done in between."""
    length: int = 0
    """Words of the last answer that was compared."""
    varying: dict[int, Varying] = field(default_factory=dict)


def first_answer(text: Text, whole: int, number: int, at: float | None) -> Answers:
    """The memory after a call's first answer."""
    head, tail, chunks = sample_of(text)
    return Answers(whole=whole, head=head, tail=tail, chunks=chunks, identity=whole, number=number, at=at)


def next_answer(seen: Answers, text: Text, whole: int, *, quiet: bool) -> Change:
    """Takes the next answer of the same call into ``seen`` and says how it differs from the one before.

    ``whole`` is its key. ``quiet`` says that nothing new was done since the last answer; only then can a changed small
    number be a stamp.
    """
    seen.similar = False
    if whole == seen.whole:
        seen.same += 1
        if any(one.kind is Kind.WORD for one in seen.varying.values()):
            seen.varying = {}  # a word that stays is no stamp
        seen.change = _verdict(seen) if seen.varying else Change.EQUAL
        return seen.change
    head, tail, chunks = sample_of(text)
    change = _compared(seen, head, tail, chunks, quiet=quiet)
    seen.whole, seen.head, seen.tail, seen.chunks = whole, head, tail, chunks
    if change is Change.DIFFERENT:
        seen.identity, seen.same, seen.varying = whole, 1, {}
    else:
        seen.same += 1
    seen.change = change
    return change


def _compared(seen: Answers, head: str, tail: str, chunks: tuple[int, ...], *, quiet: bool) -> Change:
    if abs(len(head) - len(seen.head)) > 40 + len(head) // 10 or bool(tail) != bool(seen.tail):
        return Change.DIFFERENT
    if quiet and not nearly(chunks, seen.chunks):
        return Change.DIFFERENT
    old, new = tokens_of(seen.head), tokens_of(head)
    pairs = pairs_at_both_ends(old, new, tokens_of(seen.tail), tokens_of(tail)) if tail else pairs_of(old, new)
    if pairs is None or (not quiet and chunks != seen.chunks and not (pairs and shifted(chunks, seen.chunks))):
        return Change.DIFFERENT
    lone = quiet and len(pairs) == 1 and len(new) > CONSTANT_WORDS and len(old) == len(new)
    for place, (before, now) in pairs.items():
        bounds = [token for at, token in _after(new, place) if at not in pairs and not _dated(at - place, token)]
        if _of_a_date(new, place, before, now):
            before, now = f"{before}-01-01", f"{now}-01-01"
        if (place - 1 in pairs or place + 1 in pairs) and _DOT_CLOCK.fullmatch(before) and _DOT_CLOCK.fullmatch(now):
            before, now = before.replace(".", ":"), now.replace(".", ":")  # the time behind a date
        if not _taken(seen, place, before, now, bounds, lone=lone):
            return Change.DIFFERENT
    if not quiet and any(one.kind in _NUMBERS for one in seen.varying.values()):
        seen.similar = True
        return Change.DIFFERENT
    seen.length = len(new)
    return _verdict(seen)


def _dated(distance: int, token: str) -> bool:
    """Whether the number right behind is a year, not a bound."""
    return distance == 1 and len(token) == 4 and token[:2] in ("19", "20")


def _of_a_date(tokens: list[str], place: int, before: str, now: str) -> bool:
    """Whether the number that changes is the day of a date written in words: a year right behind, a time near by."""
    if place < 0 or not (_DAY.fullmatch(before) and _DAY.fullmatch(now)):
        return False
    near = tokens[place + 1 : place + 3]
    if near and _dated(1, near[0]):
        return True
    return (now[0] == "0" or now[-1] == ".") and any(_CLOCK.fullmatch(one) for one in near)


def _after(tokens: list[str], place: int) -> Iterator[tuple[int, str]]:
    if place < 0:
        return iter(())
    return ((at, tokens[at]) for at in range(place + 1, min(len(tokens), place + 3)))


def _taken(seen: Answers, place: int, before: str, now: str, bounds: list[str], *, lone: bool) -> bool:
    """Whether the change at ``place`` may be a stamp or progress; it is noted then.

    ``lone`` says that it is the only change in a long answer, so that even a word may be a stamp.
    """
    kind, was, value = _kind(before, now)
    one = seen.varying.get(place)
    if kind is Kind.WORD and one is not None and one.kind is Kind.STAMP and len(before) == len(now):
        kind = Kind.STAMP  # an id that happens to look like a word this time
    if kind is Kind.WORD and not lone:
        return False
    if one is None:
        if len(seen.varying) >= MOST_VARYING:
            return kind is Kind.STAMP
        one = seen.varying[place] = Varying(kind, was, was)
    if Kind.STAMP in (kind, one.kind) and Kind.BOUNDED not in (kind, one.kind):
        one.kind = kind = Kind.STAMP  # once an id, always an id
    one.kind = max(one.kind, kind)
    one.bounded = one.bounded or _near_bound(bounds, value)
    if kind is Kind.WORD:
        one.words = (one.words | {crc32(before.encode("utf-8", "surrogatepass"))}) if len(one.words) < 32 else one.words
        if crc32(now.encode("utf-8", "surrogatepass")) in one.words:
            return False  # a state that comes back
        one.ups += 1
    elif kind is Kind.STAMP and value == 0:
        return True  # an id has no size
    elif value > one.last:
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
    if (a := _DECIMAL.fullmatch(one)) and (b := _DECIMAL.fullmatch(other)):
        return (Kind.DURATION if a[2][:1].isalpha() else Kind.NUMBER), float(a[1]), float(b[1])
    if (a := _INTEGER.fullmatch(one)) and (b := _INTEGER.fullmatch(other)):
        if one[0] == other[0] == "#":
            return Kind.STAMP, float(a[1]), float(b[1])
        return Kind.NUMBER, float(a[1]), float(b[1])
    if (a := _DIGITS.search(one)) and (b := _DIGITS.search(other)):
        return _numbered(one, other, a, b)
    return (Kind.STAMP if _drawn(one, other) else Kind.WORD), 0.0, 0.0


def _numbered(one: str, other: str, a: re.Match[str], b: re.Match[str]) -> tuple[Kind, float, float]:
    """A word with digits in it: a numbered thing when only one short number changes, else an id."""
    same_words = one[: a.start()] == other[: b.start()] and one[a.end() :] == other[b.end() :]
    if same_words and len(a[0]) < 6 and len(b[0]) < 6:
        return Kind.NUMBER, float(a[0]), float(b[0])
    return Kind.STAMP, 0.0, 0.0


def _drawn(one: str, other: str) -> bool:
    """Whether both words look drawn by lot, or one does and the other is as long; what they share in front aside."""
    start = 0
    while start < min(len(one), len(other)) and one[start] == other[start]:
        start += 1
    while start and one[start - 1].isalnum():
        start -= 1
    one, other = one[start:], other[start:]
    first, second = _random(one), _random(other)
    return first and second if len(one) != len(other) else first or second


def _random(word: str) -> bool:
    """Whether ``word`` looks drawn by lot: letters and digits mixed, capitals inside, hardly a vowel in a long run."""
    if len(word) < 6 or not word.isalnum():
        return False
    if not word.isalpha():
        return not word.isdecimal()
    inner = word[1:]
    if not inner.islower() and not word.isupper() and sum(one.isupper() for one in inner) >= 2:
        return True
    return sum(one in "aeiouyAEIOUY" for one in word) * 6 < len(word) or (
        len(word) >= 8 and bool(_NO_VOWEL.search(word))
    )


def _digits(token: str) -> float:
    return float("".join(_DIGITS.findall(token[:40])) or 0)


def _near_bound(bounds: list[str], value: float) -> bool:
    """Whether one of the unchanged words right after it is a plain number that it can climb to ("3 of 7")."""
    for token in bounds:
        if token.isascii() and token.isdecimal() and len(token) < 13 and float(token) >= value > 0:
            return True
    return False


def _verdict(seen: Answers) -> Change:
    verdict = Change.STAMP
    for one in seen.varying.values():
        verdict = max(verdict, _going(one, seen.length))
    return verdict


def _going(one: Varying, length: int) -> Change:
    """Whether the position goes somewhere; ``length`` is that of the whole answer (words)."""
    moved = one.ups + one.downs
    if one.kind is Kind.STAMP:
        return Change.PROGRESS if one.downs >= 2 and one.ups == 0 else Change.STAMP
    if one.kind is Kind.BOUNDED or one.bounded:
        return Change.STAMP if 4 * min(one.ups, one.downs) > max(one.ups, one.downs) else Change.PROGRESS  # a gauge
    if one.kind is Kind.WORD:
        return Change.STAMP if moved >= MOST_BY_CHANCE else Change.UNDECIDED
    if one.kind is Kind.DURATION and moved < MOST_BY_CHANCE:
        return Change.STAMP
    if one.ups and one.downs:
        return Change.STAMP
    if one.ups and one.first >= 1_000 and one.last <= one.first * (1 + 0.05 * one.ups):
        return Change.STAMP  # an id or a clock: it grows, but hardly
    if one.ups and length >= LONG_WORDS:
        return Change.STAMP  # one number in a long text that stays as it is
    if one.steps == moved and moved >= (2 if length > SHORT_WORDS else 8):
        return Change.STAMP  # it counts the calls
    return Change.UNDECIDED if moved < MOST_BY_CHANCE else Change.PROGRESS
