"""The scenarios that come with watchdogd, by name."""

from __future__ import annotations

from pathlib import Path

_SHELF = Path(__file__).parent / "scenarios"


def names() -> tuple[str, ...]:
    """What there is."""
    return tuple(sorted(one.parent.name for one in _SHELF.glob("*/scenario.toml")))


def directory(name: str) -> Path:
    """Where ``scenario.toml``, ``mission.toml`` and ``workspace/`` of ``name`` lie.

    Raises:
        KeyError: there is no such scenario.
    """
    if name not in names():
        raise KeyError(f"no scenario {name!r}; there are {', '.join(names())}")
    return _SHELF / name
