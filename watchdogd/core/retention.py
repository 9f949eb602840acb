"""What a role forgets of its record: copies and answers that nobody needs any more, never a row of the chain."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

DAY_S = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """How long, and how much."""

    days: float = 30
    """What is younger stays, as long as there is room."""
    runs: int = 20
    """The events of the newest runs stay whatever their age and size."""
    size_bytes: int = 2 * 1024**3
    """Beyond this, events go before their time, oldest first."""


def horizon(keep: Keep, now: float) -> float:
    """Unix time before which things are old (seconds)."""
    return now - keep.days * DAY_S


def kept_from(starts: Sequence[int], keep: Keep, needed: Iterable[int]) -> int:
    """The first event that stays whatever its age.

    Args:
        starts: numbers of the events that began a run, ascending.
        keep: the newest ``runs`` of them, and one at least: the run under way, or the last one, is folded anew and
            inspected from its beginning.
        needed: numbers of events that something open refers to.
    """
    newest = starts[-max(1, keep.runs) :]
    return min([newest[0] if newest else 0, *(one for one in needed if one > 0)])
