"""What is kept of a long answer, and where two answers of the same call differ."""

from __future__ import annotations

import re
from zlib import crc32

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
MOST_MOVED = 4
"""Tokens by which two answers of unequal length may differ, in one place."""


_TOKEN = re.compile(r"[^\s,;(){}\[\]\"'=<>|\\]+")


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
    return _TOKEN.findall(sample)[:MOST_TOKENS]


def nearly(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Whether all but a few pieces are the same, wherever they stand."""
    return one == other or len(set(one) ^ set(other)) <= min(SHIFTED, max(len(one), len(other)))


def shifted(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Whether all but the first and the last piece, whose borders move with what stands in front, are the same."""
    return len(one) > 2 and abs(len(one) - len(other)) <= 1 and set(one[1:-1]) <= set(other)


def pairs_at_both_ends(
    old: list[str], new: list[str], old_tail: list[str], new_tail: list[str]
) -> dict[int, tuple[str, str]] | None:
    """The same for a long answer: its head is compared from the front, its tail from the back."""
    pairs = {at: (one, other) for at, (one, other) in enumerate(zip(old[:-1], new[:-1], strict=False)) if one != other}
    ends = zip(reversed(old_tail[1:]), reversed(new_tail[1:]), strict=False)
    pairs |= {-1 - at: (one, other) for at, (one, other) in enumerate(ends) if one != other}
    if len(pairs) > MOST_STAMPS or 2 * len(pairs) > len(new) + len(new_tail):
        return None
    return pairs


def pairs_of(old: list[str], new: list[str]) -> dict[int, tuple[str, str]] | None:
    """The places where ``old`` and ``new`` differ; None when they differ in more than a few tokens."""
    if len(old) == len(new):
        places = [place for place, (one, other) in enumerate(zip(old, new, strict=True)) if one != other]
        most = len(new) - 1 if len(new) <= FEW_TOKENS else (len(new) + 1) // 2
        if len(places) > min(MOST_STAMPS, max(1, most)):
            return None
        return {place: (old[place], new[place]) for place in places}
    start, shorter = 0, min(len(old), len(new))
    while start < shorter and old[start] == new[start]:
        start += 1
    end = 0
    while end < shorter - start and old[-1 - end] == new[-1 - end]:
        end += 1
    was, now = old[start : len(old) - end], new[start : len(new) - end]
    if not was or not now or max(len(was), len(now)) > MOST_MOVED or 2 * len(now) > len(new) + 1:
        return None
    return {start: (" ".join(was), " ".join(now))}
