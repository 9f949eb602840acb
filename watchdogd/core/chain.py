"""The hash chain of a record: any edit, gap or fork shows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from watchdogd.core.ids import canonical, digest

GENESIS = "0" * 64
"""What the first row follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of a record, whole."""

    seq: int
    body: str
    """Canonical JSON of the entry, including its seq."""
    prev: str
    digest: str


def link(prev: str, seq: int, body: str) -> str:
    """The digest of the row ``seq`` with ``body`` that follows ``prev``."""
    return digest(f"{prev}\n{seq}\n{body}")


def row(prev: str, seq: int, entry: object) -> Row:
    """The row for ``entry``."""
    body = canonical(entry)
    return Row(seq=seq, body=body, prev=prev, digest=link(prev, seq, body))


def breaks(rows: Iterable[Row], *, prev: str = GENESIS, first: int = 1) -> list[str]:
    """What is wrong with ``rows``, in plain words; empty when the chain holds."""
    found = []
    expected = first
    for one in rows:
        if one.seq != expected:
            found.append(f"row {expected} is missing: found {one.seq}")
        if one.prev != prev:
            found.append(f"row {one.seq} does not follow the row before it")
        if link(one.prev, one.seq, one.body) != one.digest:
            found.append(f"row {one.seq} was changed after it was written")
        prev, expected = one.digest, one.seq + 1
    return found
