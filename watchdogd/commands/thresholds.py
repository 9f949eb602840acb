"""Thresholds by name, for sweeps: ``progress/repeat.warn`` or ``progress.repeat_warn``."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import Any

import typer

from watchdogd.core.detect.bank import Thresholds
from watchdogd.core.spelling import did_you_mean, meant
from watchdogd.settings.rule_ids import RULE_IDS

LIKE_A_THRESHOLD = 0.8
"""Names of thresholds end alike (``_warn``, ``_crit``): less likeness than this says nothing."""
MOST_VALUES = 50
"""Values of one sweep: each is a pass over all recordings."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """One threshold, and the values it is measured with."""

    family: str
    field: str
    values: tuple[float, ...]

    @property
    def name(self) -> str:
        """As in the configuration, below ``[detect]``."""
        return f"{self.family}.{self.field}"


def parsed(sweep: str, limits: Thresholds | None = None) -> Sweep:
    """The threshold and the values of ``RULE.threshold=a,b,c`` or ``RULE.threshold=first:last:count``.

    Raises:
        typer.BadParameter: no such threshold, or no such values.
    """
    name, equals, listed = sweep.partition("=")
    rule, _, last = name.strip().rpartition(".")
    family, _, stem = rule.partition("/")
    if not equals or not rule or not last:
        raise typer.BadParameter(f"{sweep!r} is not RULE.threshold=a,b,c or RULE.threshold=first:last:count")
    known = {one.name: [field.name for field in fields(getattr(Thresholds(), one.name))] for one in fields(Thresholds)}
    names = known.get(family)
    if names is None:
        raise typer.BadParameter(f"no family {family!r}; there are {', '.join(known)}{did_you_mean(family, known)}")
    wanted = f"{stem}_{last}".replace("-", "_") if stem else last.replace("-", "_")
    if wanted not in names:
        near = meant(wanted, names, alike=LIKE_A_THRESHOLD)
        hint = f"; did you mean {family}.{near}?" if near else ""
        if not near and rule in RULE_IDS:
            hint = f". docs/rules/{rule.replace('/', '-')}.md names those of {rule}"
        raise typer.BadParameter(f"no threshold {name.strip()!r}; {family} has {', '.join(names)}{hint}")
    whole = isinstance(getattr(getattr(limits or Thresholds(), family), wanted), int)
    return Sweep(family, wanted, _values(listed.strip(), whole=whole))


def _values(listed: str, *, whole: bool) -> tuple[float, ...]:
    """The numbers that ``listed`` names, in order, each once; whole ones where the threshold counts something."""
    values = _range(listed) if ":" in listed else [_number(one) for one in listed.split(",")]
    if whole:
        if ":" in listed:
            values = [float(round(one)) for one in values]
        bad = next((one for one in values if one != int(one)), None)
        if bad is not None:
            raise typer.BadParameter(f"{bad:g}: this threshold counts something, its values are whole numbers")
    found = tuple(dict.fromkeys(values))
    if len(found) > MOST_VALUES:
        raise typer.BadParameter(f"{len(found)} values; {MOST_VALUES} at most, each is a pass over all recordings")
    return found


def _range(listed: str) -> list[float]:
    parts = listed.split(":")
    if len(parts) != 3:
        raise typer.BadParameter(f"{listed!r} is not first:last:count")
    first, last, count = (_number(one) for one in parts)
    if count != int(count) or not 2 <= count <= MOST_VALUES:
        raise typer.BadParameter(f"{parts[2]!r}: the count is a whole number from 2 to {MOST_VALUES}")
    return [round(first + (last - first) * at / (count - 1), 9) for at in range(int(count))]


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or not 0 <= value < 1e15:
        raise typer.BadParameter(f"{text.strip()!r} is not a number from 0 on")
    return value


def changed(thresholds: Thresholds, family: str, field: str, value: float) -> Thresholds:
    """``thresholds`` with one of them set, in its own type."""
    group: Any = getattr(thresholds, family)
    kind = type(getattr(group, field))
    new: Any = {family: replace(group, **{field: kind(value)})}
    return replace(thresholds, **new)
