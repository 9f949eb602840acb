"""Whether two answers of one call say the same: what changes between them is a stamp, progress, or news.

Nothing here knows the words of any tool. A clock, a random id or a call counter is recognised by how its token
changes from one answer to the next; a number that climbs towards a bound, a percentage, a count that grows is progress.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum

from watchdogd.core.detect.excerpts import (
    Pair,
    Pairs,
    moved_by,
    nearly,
    pairs_at_both_ends,
    pairs_of,
    sample_of,
    shifted,
    tokens_of,
)
from watchdogd.core.detect.phrases import Phrase, is_phrase, is_shuffled, rephrased, stayed
from watchdogd.core.detect.stamps import CLOCK, Kind, kind_of
from watchdogd.core.events import Text

MOST_VARYING = 16
"""Token positions that may change before two answers count as different, plain stamps apart."""
DASHBOARD = 4
"""So many numbers that go up and down, for each that has not done so yet, are readings: none of them goes anywhere."""
LONG_WORDS = 40
"""In an answer of so many words one changing number is not what it is about."""
SHORT_WORDS = 8
"""An answer of at most so many words is about the number in it."""
MOST_BY_CHANCE = 4
"""Moves in one direction that are no longer chance (1 in 24 for a number drawn by lot)."""
MOST_IN_LONG = 9
"""Moves in one direction beyond which nothing is a stamp: long waits are for something that goes on."""
LONGEST_UNIT = 3
"""Letters of a unit."""
_DAY = re.compile(r"[0-3]?\d(?:st|nd|rd|th|\.)?")
_DOT_CLOCK = re.compile(r"[0-2]?\d\.[0-5]\d")
_SPAN = re.compile(r"\d{1,6}(?:\.\d{1,3})?(?:d|h|hr|hrs|m|min|mins|s|sec|secs|ms)")
"""One of several units of a length of time ("1h 4m 7s")."""
_ELAPSED = re.compile(r"[^\d.\s]{0,2}\d{1,6}\.\d{1,6}(?:s|sec|ms|us)")


class Change(IntEnum):
    """How an answer differs from the answer before it."""

    NEW = 0
    """The call's first answer."""
    EQUAL = 1
    STAMP = 2
    """Equal but for clocks, ids and counters."""
    UNDECIDED = 3
    """Equal but for numbers of which it cannot be told yet whether they are going somewhere."""
    REWORDED = 4
    """Equal but for one phrase, of which it cannot be told yet whether it is news or drawn by lot."""
    PROGRESS = 5
    """Equal but for numbers that are going somewhere."""
    DIFFERENT = 6


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
    phrase: Phrase | None = None
    """The one place where words change."""


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
        _settled(seen, whole)
        seen.change = _verdict(seen) if seen.varying or (seen.phrase and seen.phrase.moves) else Change.EQUAL
        return seen.change
    head, tail, chunks = sample_of(text)
    change = _compared(seen, head, tail, chunks, quiet=quiet)
    seen.whole, seen.head, seen.tail, seen.chunks = whole, head, tail, chunks
    if change is Change.DIFFERENT:
        seen.identity, seen.same, seen.varying, seen.phrase = whole, 1, {}, None
    else:
        seen.same += 1
    seen.change = change
    return change


def _settled(seen: Answers, whole: int) -> None:
    """Takes in that the words stayed: a phrase that changed, never came back and now stays was news."""
    if seen.phrase is not None and seen.phrase.moves and stayed(seen.phrase):
        seen.identity, seen.same, seen.varying = whole, 2, {}


def _compared(seen: Answers, head: str, tail: str, chunks: tuple[int, ...], *, quiet: bool) -> Change:
    if abs(len(head) - len(seen.head)) > 40 + len(head) // 10 or bool(tail) != bool(seen.tail):
        return Change.DIFFERENT
    if quiet and not nearly(chunks, seen.chunks):
        return Change.DIFFERENT
    old, new = tokens_of(seen.head), tokens_of(head)
    pairs = pairs_at_both_ends(old, new, tokens_of(seen.tail), tokens_of(tail)) if tail else pairs_of(old, new)
    if pairs is None or (not quiet and chunks != seen.chunks and not (pairs and shifted(chunks, seen.chunks))):
        return Change.DIFFERENT
    if pairs.shifts:
        seen.varying = {moved_by(pairs.shifts, place): one for place, one in seen.varying.items()}
    words = _noted(seen, pairs, new)
    if words and not quiet:
        return Change.DIFFERENT
    if words and not is_shuffled(words):
        told = [*new, *tokens_of(tail)] if tail else new
        if not is_phrase(words, told):
            return Change.DIFFERENT
        before = [*old, *tokens_of(seen.tail)] if tail else old
        seen.phrase = rephrased(seen.phrase, words, before, told)
    if not quiet and any(one.kind in _NUMBERS for one in seen.varying.values()):
        seen.similar = True
        return Change.DIFFERENT
    seen.length = len(new)
    if not words:
        _settled(seen, seen.whole)
    return _verdict(seen)


def _noted(seen: Answers, pairs: Pairs, new: list[str]) -> dict[int, Pair]:
    """Notes the stamps and numbers among ``pairs``; the words among them."""
    words: dict[int, Pair] = {}
    for place, (before, now) in pairs.items():
        bounds = [token for at, token in _after(new, place) if at not in pairs and not _dated(at - place, token)]
        if _of_a_date(new, place, before, now):
            before, now = f"{before}-01-01", f"{now}-01-01"
        if _DOT_CLOCK.fullmatch(now) and _DOT_CLOCK.fullmatch(before) and _behind_a_date(pairs, new, place):
            before, now = before.replace(".", ":"), now.replace(".", ":")  # the time behind a date
        if not _taken(seen, place, before, now, bounds, span=_of_a_span(new, place, now)) and not _unit(pairs, place):
            words[place] = (before, now)
    return words


def _behind_a_date(pairs: Pairs, tokens: list[str], place: int) -> bool:
    """Whether something beside it changes as well, or a year stands shortly before."""
    if place - 1 in pairs or place + 1 in pairs:
        return True
    return place > 0 and any(_dated(1, one) for one in tokens[max(0, place - 3) : place])


def _dated(distance: int, token: str) -> bool:
    """Whether the number right behind is a year, not a bound."""
    return distance == 1 and len(token) == 4 and token[:2] in ("19", "20")


def _of_a_date(tokens: list[str], place: int, before: str, now: str) -> bool:
    """Whether the number that changes is the day of a date written in words: a year right behind, a time near by."""
    if place < 0 or not (_DAY.fullmatch(before) and _DAY.fullmatch(now)):
        return False
    near = tokens[place + 1 : place + 3]
    if near and (_dated(1, near[0]) or (len(near) > 1 and near[0].isalpha() and _dated(1, near[1]))):
        return True
    return (now[0] == "0" or now[-1] == ".") and any(CLOCK.fullmatch(one) for one in near)


def _after(tokens: list[str], place: int) -> Iterator[tuple[int, str]]:
    if place < 0:
        return iter(())
    return ((at, tokens[at]) for at in range(place + 1, min(len(tokens), place + 3)))


def _of_a_span(tokens: list[str], place: int, now: str) -> bool:
    """Whether it is a length of time to the fraction of a second, or one of several units of one."""
    if place < 0 or not _SPAN.fullmatch(now):
        return _ELAPSED.fullmatch(now) is not None
    return any(_SPAN.fullmatch(one) for one in (*tokens[max(0, place - 1) : place], *tokens[place + 1 : place + 2]))


def _unit(pairs: Pairs, place: int) -> bool:
    """Whether it is the unit of a measurement that changes with the number in front of it ("980 ms", "1.2 s")."""
    number = pairs.get(place - 1)
    if number is None or not (number[0][-1:].isdigit() and number[1][-1:].isdigit()):
        return False
    return all(len(one) <= LONGEST_UNIT and one.isalpha() for one in pairs[place])


def _taken(seen: Answers, place: int, before: str, now: str, bounds: list[str], *, span: bool) -> bool:
    """Whether the change at ``place`` may be a stamp or progress of numbers; it is noted then."""
    kind, was, value = kind_of(before, now)
    one = seen.varying.get(place)
    if span:
        kind = Kind.SPAN
    if kind is Kind.WORD and one is not None and one.kind is Kind.STAMP and " " not in now:
        kind = Kind.STAMP  # an id that happens to look like a word this time
    if kind is Kind.WORD:
        return False
    if one is None:
        if len(seen.varying) >= MOST_VARYING:
            return kind is Kind.STAMP
        one = seen.varying[place] = Varying(kind, was, was)
    if Kind.STAMP in (kind, one.kind) and Kind.BOUNDED not in (kind, one.kind):
        one.kind = kind = Kind.STAMP  # once an id, always an id
    one.kind = max(one.kind, kind)
    one.bounded = one.bounded or _near_bound(bounds, value)
    if kind is Kind.STAMP and value == 0:
        return True  # an id has no size
    if value > one.last:
        one.ups += 1
        one.steps += value == one.last + 1
    elif value < one.last:
        one.downs += 1
    one.last = value
    return True


def _near_bound(bounds: list[str], value: float) -> bool:
    """Whether one of the unchanged words right after it is a plain number that it can climb to ("3 of 7")."""
    for token in bounds:
        plain = token.replace(",", "")
        if plain.isascii() and plain.isdecimal() and len(plain) < 13 and float(plain) >= value > 0:
            return True
    return False


def _verdict(seen: Answers) -> Change:
    verdict, open_, readings = Change.STAMP, 0, 0
    for one in seen.varying.values():
        going = _going(one, seen.length)
        verdict = max(verdict, going)
        open_ += going is not Change.STAMP
        readings += one.kind is not Kind.STAMP and one.ups > 0 and one.downs > 0
    if open_ and readings >= DASHBOARD * open_:
        verdict = Change.STAMP
    if seen.phrase is not None and seen.phrase.moves and not seen.phrase.drawn:
        verdict = max(verdict, Change.REWORDED)
    return verdict


def _going(one: Varying, length: int) -> Change:
    """Whether the position goes somewhere; ``length`` is that of the whole answer (words)."""
    moved = one.ups + one.downs
    if one.kind is Kind.STAMP:
        return Change.PROGRESS if one.downs >= 2 and one.ups == 0 else Change.STAMP
    if one.kind is Kind.SPAN:
        return Change.PROGRESS if one.downs > 1 + one.ups else Change.STAMP  # what is left of a time, not what is over
    if one.kind is Kind.BOUNDED or one.bounded:
        return Change.STAMP if 4 * min(one.ups, one.downs) >= max(one.ups, one.downs) else Change.PROGRESS  # a gauge
    if one.kind is Kind.DURATION and moved < MOST_BY_CHANCE:
        return Change.STAMP
    if one.ups and one.downs:
        return Change.STAMP
    if one.ups and one.first >= 1_000 and one.last <= one.first * (1 + 0.05 * one.ups):
        return Change.STAMP  # an id or a clock: it grows, but hardly
    if one.ups and length >= LONG_WORDS and moved <= MOST_IN_LONG:
        return Change.STAMP  # one number in a long text that stays as it is
    if one.steps == moved and (moved >= 2 if length > SHORT_WORDS else 8 <= moved <= MOST_IN_LONG):
        return Change.STAMP  # it counts the calls
    return Change.UNDECIDED if moved < MOST_BY_CHANCE else Change.PROGRESS
