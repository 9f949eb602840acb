"""Counts as people say them."""

from __future__ import annotations


def counted(count: int, noun: str, plural: str = "") -> str:
    """``1 run``, ``2 runs``; ``plural`` for nouns that take no s."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"
