"""A guard, how it is taken out, and what has to turn red then: plain data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Edit:
    """An exact string of one file and what replaces it; ``old`` must occur exactly once."""

    file: str
    """Relative to the project's root."""
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Tests:
    """Tests of which at least one must fail."""

    nodes: tuple[str, ...]
    """As pytest takes them."""


@dataclass(frozen=True, slots=True)
class Schedules:
    """Simulated schedules of which one must break a promise."""

    last: int
    """Seeds 0 to this."""
    kind: str = ""
    """A kind of schedule instead of a mix."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One guard taken out in one way."""

    guard: str
    """What the guard is, in the words of the protocol or the gate."""
    how: str
    """How it was removed."""
    edits: tuple[Edit, ...]
    checks: tuple[Tests | Schedules, ...]
    """Run in order until one turns red."""
    why_green: str = ""
    """Why nothing can turn red; then nothing has to."""
