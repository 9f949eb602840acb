"""Thresholds by name, for sweeps: ``progress/repeat.warn`` or ``progress.repeat_warn``."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import typer

from watchdogd.core.detect.bank import Thresholds


def parsed(sweep: str) -> tuple[str, str, tuple[float, ...]]:
    """Family, field and values of ``RULE.threshold=a,b,c``.

    Raises:
        typer.BadParameter: no such threshold, or a value that is no number.
    """
    name, equals, listed = sweep.partition("=")
    rule, _, last = name.strip().rpartition(".")
    family, _, stem = rule.partition("/")
    if not equals or not rule:
        raise typer.BadParameter(f"{sweep!r} is not RULE.threshold=a,b,c")
    try:
        values = tuple(float(one) for one in listed.split(",") if one.strip())
    except ValueError:
        raise typer.BadParameter(f"{listed!r}: values are numbers, joined by commas") from None
    known = {one.name: [field.name for field in fields(getattr(Thresholds(), one.name))] for one in fields(Thresholds)}
    names = known.get(family)
    if names is None:
        raise typer.BadParameter(f"no family {family!r}; there are {', '.join(known)}")
    wanted = f"{stem}_{last}".replace("-", "_") if stem else last.replace("-", "_")
    found = [one for one in names if one == wanted] or [one for one in names if one == last.replace("-", "_")]
    if not found or not values:
        raise typer.BadParameter(f"no threshold {name!r}; {family} has {', '.join(names)}")
    return family, found[0], values


def changed(thresholds: Thresholds, family: str, field: str, value: float) -> Thresholds:
    """``thresholds`` with one of them set, in its own type."""
    group: Any = getattr(thresholds, family)
    kind = type(getattr(group, field))
    new: Any = {family: replace(group, **{field: kind(value)})}
    return replace(thresholds, **new)
