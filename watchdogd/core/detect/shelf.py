"""Texts too long, or too full of orders, to be kept sentence by sentence: searched once a call names something.

However many orders surround the one that is obeyed, the value that the call takes from it leads back to it.
"""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

MOST_BYTES = 262_144
"""Compressed bytes on the shelf; the oldest text goes first, and one that is larger by itself is cut to fit."""
AT_ONCE = 32_768
"""Bytes that are compressed before a look at how many they became."""
NEAR_CHARS = 16_000
"""Characters of the latest short texts."""
HEAD, TAIL = 1_500_000, 500_000
"""Characters of one text that are kept."""
BESIDE = 900
"""Characters on either side of a value that are read."""
MOST_PLACES = 6
"""Places of one value that are read: the first and the last."""
SHORTEST = 4
"""Characters from which a value is looked for."""
SEARCHED = 8
"""Values of one call that are looked for, the longest first."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One text on the shelf."""

    seq: int
    """The event it was read in."""
    delegated: bool
    packed: bytes
    length: int
    """Bytes unpacked: what a snapshot of somebody's making cannot exceed."""


@dataclass(slots=True)
class Shelf:
    """The texts, oldest first."""

    texts: deque[Kept] = field(default_factory=deque)
    near: deque[tuple[int, bool, str, str]] = field(default_factory=deque)
    """The latest short texts as they are: event, whether delegated, text, the same in lower case."""
    near_chars: int = 0

    def put_near(self, text: str, seq: int, *, delegated: bool) -> None:
        """Keeps a short ``text`` for a while."""
        self.near.append((seq, delegated, text, text.lower()))
        self.near_chars += len(text)
        while self.near_chars > NEAR_CHARS:
            self.near_chars -= len(self.near.popleft()[2])

    def near_with(self, values: Sequence[str]) -> Iterator[tuple[int, bool, str, str]]:
        """Event, whether delegated, which of ``values`` (lower case) a latest text holds, the stretch around it."""
        for seq, delegated, text, low in self.near:
            for value in values:
                at = low.find(value)
                if at >= 0:
                    yield seq, delegated, value, text[max(0, at - BESIDE) : at + BESIDE]

    def put(self, text: str, seq: int, *, delegated: bool) -> None:
        """Keeps ``text``, which was read in event ``seq``."""
        if len(text) > HEAD + TAIL:
            text = f"{text[:HEAD]}\n{text[-TAIL:]}"
        raw = text.encode("utf-8", "surrogatepass")
        packed, length = _packed(raw)
        self.texts.append(Kept(seq=seq, delegated=delegated, packed=packed, length=length))
        while sum(len(one.packed) for one in self.texts) > MOST_BYTES and len(self.texts) > 1:
            self.texts.popleft()

    def around(self, values: Iterable[str]) -> Iterator[tuple[int, bool, str]]:
        """Event, whether delegated, and the stretch of text around each place where one of ``values`` stands."""
        wanted = sorted({one.lower() for one in values if len(one) >= SHORTEST}, key=lambda one: (-len(one), one))
        if not wanted:
            return
        for kept in self.texts:
            text = zlib.decompressobj().decompress(kept.packed, kept.length).decode("utf-8", "replace")
            low = text.lower()
            read = -1
            for at in sorted({at for one in wanted[:SEARCHED] for at in _places(low, one)}):
                if at > read:
                    read = at + BESIDE
                    yield kept.seq, kept.delegated, text[max(0, at - BESIDE) : read]


def _packed(raw: bytes) -> tuple[bytes, int]:
    """As much of ``raw`` as fits the shelf, compressed; and how much that is."""
    packer, found, size, at = zlib.compressobj(1), [], 0, 0
    while at < len(raw) and size < MOST_BYTES - AT_ONCE:
        found.append(packer.compress(raw[at : at + AT_ONCE]))
        size += len(found[-1])
        at += AT_ONCE
    return b"".join([*found, packer.flush()]), min(at, len(raw))


def _places(low: str, value: str) -> list[int]:
    found: list[int] = []
    at = low.find(value)
    while at >= 0 and len(found) < MOST_PLACES - 1:
        found.append(at)
        at = low.find(value, at + len(value))
    if at >= 0:
        found.append(low.rfind(value))
    return found
