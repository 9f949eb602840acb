"""One phrase that changes in an answer that else stays: news, or drawn by lot ("just now", "a minute ago")."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from zlib import crc32

LONGEST = 6
"""Words of a phrase."""
LEAST_CONSTANT = 2
"""Words beside it that stay."""
CONSTANT_WORDS, FEWER_WORDS = 20, 9
"""In an answer of so many words a single word that is another one every time is drawn by lot, ..."""
DRAWN_MOVES, FEWER_MOVES = 4, 5
"""... when it has changed so often without a break (the shorter the answer, the oftener)."""
MOST_MOVES = 9
"""Changes without a break after which it may be the steps of something long."""
POOL_MOVES, PAIR_MOVES = 4, 6
"""Changes after which phrases that come back are drawn from a few; from two, which may be a switch."""
LEAST_SHUFFLED = 3
"""Words of a set that another order can be told from; two that change places may be two things that change."""
MEMORY = 32


@dataclass(slots=True)
class Phrase:
    """The one place where words change."""

    seen: frozenset[int]
    """Checksums of the answer's words, for each phrase that stood there."""
    moves: int = 0
    back: int = 0
    """Moves to a phrase that had been there before."""
    stays: int = 0
    length: int = 0
    """Words of the answer."""
    single: bool = True
    """Never more than one word."""
    new: bool = True
    """The latest one had not been there before."""

    @property
    def drawn(self) -> bool:
        """Whether the phrases are drawn by lot."""
        if self.back:
            enough = POOL_MOVES if len(self.seen) > 2 else PAIR_MOVES
            share = 3 if self.length > CONSTANT_WORDS else 2
            return self.moves >= enough and share * self.back >= self.moves and not self.new
        if not self.single or self.stays or self.moves > MOST_MOVES:
            return False
        return self.moves >= (DRAWN_MOVES if self.length > CONSTANT_WORDS else FEWER_MOVES) and (
            self.length > FEWER_WORDS
        )


def is_shuffled(words: Mapping[int, tuple[str, str]]) -> bool:
    """Whether the changed ``words`` are the same ones in another order, as sets are printed."""
    if len(words) < LEAST_SHUFFLED:
        return False
    return sorted(one for one, _ in words.values()) == sorted(other for _, other in words.values())


def is_phrase(words: Mapping[int, tuple[str, str]], tokens: list[str]) -> bool:
    """Whether the changed ``words``, by place, are one phrase of an answer of ``tokens`` that else stays."""
    first, last = min(words), max(words)
    size = sum(now.count(" ") + 1 for _, now in words.values())
    if last - first >= LONGEST or first < 0 <= last or size > LONGEST:
        return False
    return len(tokens) - size >= max(LEAST_CONSTANT, size)


def rephrased(
    phrase: Phrase | None, words: Mapping[int, tuple[str, str]], before: list[str], tokens: list[str]
) -> Phrase:
    """``phrase`` after one more change, from an answer of the tokens ``before`` to one of ``tokens``."""
    now = _key(tokens)
    if phrase is None:
        phrase = Phrase(frozenset((_key(before),)))
    phrase.moves += 1
    phrase.new = now not in phrase.seen
    phrase.back += not phrase.new
    if len(phrase.seen) < MEMORY:
        phrase.seen |= {now}
    phrase.length = len(tokens)
    phrase.single = phrase.single and len(words) == 1 and not any(" " in one for pair in words.values() for one in pair)
    return phrase


def stayed(phrase: Phrase) -> bool:
    """Takes in that the phrase stayed; whether it was news, as one that changed, never came back and now stays."""
    phrase.stays += 1
    if phrase.back:
        return False
    phrase.moves = 0
    return True


def _key(tokens: list[str]) -> int:
    """A checksum of the words without digits, which stamps beside the phrase do not change."""
    words = " ".join(one for one in tokens if one.isalpha())
    return crc32(words.encode("utf-8", "surrogatepass"))
