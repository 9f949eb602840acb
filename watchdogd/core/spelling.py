"""What a mistyped word was probably meant to be."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

ALIKE = 0.6
"""difflib's own cutoff for close matches: two letters swapped in a short word still match."""


def meant(word: str, known: Iterable[str], *, alike: float = ALIKE) -> str | None:
    """The one of ``known`` that ``word`` was probably meant to be; None when nothing is at least ``alike`` (0..1)."""
    by_lower = {one.lower(): one for one in known}
    close = difflib.get_close_matches(word.lower()[:200], [*by_lower], n=1, cutoff=alike)
    return by_lower[close[0]] if close else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``; did you mean X?``, empty when nothing comes near."""
    found = meant(word, known)
    return f"; did you mean {found}?" if found else ""
