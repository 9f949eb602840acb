"""What is kept of a long answer, and where two answers of the same call differ."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeAlias
from zlib import crc32

from watchdogd.core.detect.stamps import SPINNER
from watchdogd.core.events import Text

SAMPLE_CHARS = 1_600
"""Head and tail kept of an answer, half each."""
MIDDLE_CHARS, MOST_CHUNKS = 16_384, 64
"""So much of what lies between is remembered as checksums of pieces, at most so many, and one for the rest."""
SHIFTED = 4
"""Pieces that may differ because a stamp before them is longer or shorter this time, or stands in them."""
MOST_TOKENS = 400
"""Tokens of a sample that are compared."""
MOST_STAMPS = 64
"""Positions that may change where all beyond the first few are plainly stamps (a clock in front of every line)."""
FEW_TOKENS = 8
"""An answer of so few tokens may be stamps but for one of them; a longer one for half of them."""
MOST_MOVED = 6
"""Tokens of one place at which two answers of unequal length may differ."""
TELLING = 3
"""Letters of a word by which two places are told to be the same; for anything shorter the next one must agree, too."""
MOST_PLACES = 16
"""Such places."""
Pair: TypeAlias = tuple[str, str]
"""What stood there, what stands there now."""

_TOKEN = re.compile(r"[^\s,;(){}\[\]\"'=<>|\\]+")
_THOUSANDS = re.compile(r"\d,\d{3}(?!\d)")
_TOKEN_OR_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})+(?![\d,])|[^\s,;(){}\[\]\"'=<>|\\]+")


class Pairs(dict[int, Pair]):
    """The places where two answers differ, counted in the new one; from its end, where below 0."""

    shifts: tuple[tuple[int, int], ...] = ()
    """(place in the old answer, tokens by which what follows has moved), in order."""


def sample_of(text: Text) -> tuple[str, str, tuple[int, ...]]:
    """The parts of ``text`` that are kept as they are, and checksums of what lies between."""
    head, tail, half = text.head, text.tail, SAMPLE_CHARS // 2
    if len(head) + len(tail) <= SAMPLE_CHARS:
        return (f"{head}\n{tail}" if tail else head), "", ()
    end = len(head) if tail else len(head) - half
    return head[:half], (tail or head)[-half:], _chunks(head, half, end)


def _chunks(text: str, start: int, end: int) -> tuple[int, ...]:
    """Checksums of pieces whose borders lie in the text itself, so that a longer stamp in front moves none of them."""
    limit = min(end, start + MIDDLE_CHARS)
    middle = text[start:limit].encode("utf-8", "surrogatepass")
    pieces = middle.split(b"\n")
    if len(pieces) * 512 < len(middle):
        pieces = middle.split(b" ")
    found: list[int] = []
    border, whole = 7 if len(pieces) < 512 else 63, 0
    for piece in pieces[1:-1]:  # the first and the last are cut anywhere
        one = crc32(piece)
        whole = (whole * 31 + one) & 0xFFFFFFFF
        if one & border == 0 and len(found) < MOST_CHUNKS:
            found.append(whole)
            whole = 0
    found.append(whole)
    if end > limit:
        found.append(crc32(text[limit:end].encode("utf-8", "surrogatepass")))
    return tuple(found)


def tokens_of(sample: str) -> list[str]:
    """The words of ``sample``, punctuation apart."""
    pattern = _TOKEN_OR_THOUSANDS if _THOUSANDS.search(sample) else _TOKEN
    return pattern.findall(sample)[:MOST_TOKENS]


def nearly(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Whether all but a few pieces are the same, wherever they stand."""
    return one == other or len(set(one) ^ set(other)) <= min(SHIFTED, max(len(one), len(other)))


def shifted(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Whether all but the first and the last piece, whose borders move with what stands in front, are the same."""
    return len(one) > 2 and abs(len(one) - len(other)) <= 1 and set(one[1:-1]) <= set(other)


def pairs_at_both_ends(old: list[str], new: list[str], old_tail: list[str], new_tail: list[str]) -> Pairs | None:
    """The same for a long answer: its head is compared from the front, its tail from the back."""
    pairs = Pairs((at, pair) for at, pair in enumerate(zip(old[:-1], new[:-1], strict=False)) if pair[0] != pair[1])
    if 4 * len(pairs) > len(new) and (moved := _aligned(old, new, cut=True)) is not None:
        pairs = moved
    ends = zip(reversed(old_tail[1:]), reversed(new_tail[1:]), strict=False)
    back = Pairs((-1 - at, pair) for at, pair in enumerate(ends) if pair[0] != pair[1])
    if 4 * len(back) > len(new_tail) and (moved := _aligned(old_tail[::-1], new_tail[::-1], cut=True)) is not None:
        back = Pairs((-1 - at, pair) for at, pair in moved.items())
    pairs.update(back)
    if len(pairs) > MOST_STAMPS or 2 * len(pairs) > len(new) + len(new_tail):
        return None
    return pairs


def pairs_of(old: list[str], new: list[str]) -> Pairs | None:
    """The places where ``old`` and ``new`` differ; None when they differ in more than a few tokens."""
    if len(old) == len(new):
        places = [place for place, (one, other) in enumerate(zip(old, new, strict=True)) if one != other]
        most = len(new) - 1 if len(new) <= FEW_TOKENS else (len(new) + 1) // 2
        if len(places) <= min(MOST_STAMPS, max(1, most)):
            return Pairs((place, (old[place], new[place])) for place in places)
    return _aligned(old, new)


def moved_by(shifts: Sequence[tuple[int, int]], place: int) -> int:
    """Where ``place`` of the old answer is in the new one."""
    return place + next((by for at, by in reversed(shifts) if at <= place), 0)


def _aligned(old: list[str], new: list[str], *, cut: bool = False) -> Pairs | None:
    """The places where they differ, though some are longer now than they were; None when there are too many.

    ``cut`` says that both may end anywhere.
    """
    pairs, shifts = Pairs(), list[tuple[int, int]]()
    at, to, places, changed = 0, 0, 0, 0
    while at < len(old) or to < len(new):
        if at < len(old) and to < len(new) and old[at] == new[to]:
            at, to = at + 1, to + 1
            continue
        if cut and min(len(old) - at, len(new) - to) <= MOST_MOVED:
            break
        gone, come = _gap(old, new, at, to)
        places += 1
        changed += come
        if gone < 0 or places > MOST_PLACES:
            return None
        if gone == come:
            pairs.update((to + n, (old[at + n], new[to + n])) for n in range(come))
        elif not (gone and come):
            if any(one not in SPINNER for one in (*old[at : at + gone], *new[to : to + come])):
                return None
        else:
            pairs[to] = (" ".join(old[at : at + gone]), " ".join(new[to : to + come]))
        if gone != come:
            shifts.append((at + gone, to + come - at - gone))
        at, to = at + gone, to + come
    if 2 * changed > len(new) + 1:
        return None
    pairs.shifts = tuple(shifts)
    return pairs


_GAPS = sorted(
    ((gone, come) for gone in range(MOST_MOVED + 1) for come in range(MOST_MOVED + 1) if gone or come),
    key=lambda gap: (gap[0] + gap[1] + 2 * (gap[0] != gap[1]), gap),
)


def _gap(old: list[str], new: list[str], at: int, to: int) -> tuple[int, int]:
    """How many tokens were there and are there now before both go on alike; (-1, -1) when they do not."""
    for gone, come in _GAPS:
        one, other = at + gone, to + come
        if one > len(old) or other > len(new):
            continue
        if one == len(old) or other == len(new):
            alike = one == len(old) and other == len(new)
        else:
            told = gone == come or (len(old[one]) >= TELLING and old[one].isalpha())
            alike = old[one] == new[other] and (told or old[one + 1 : one + 2] == new[other + 1 : other + 2])
        if alike:
            return gone, come
    return -1, -1
