"""What a threshold trades: recall against false alarms, value by value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from watchdogd.app.detectors import detectors
from watchdogd.commands import tables
from watchdogd.commands.measured import LEVELS, Measured, area_of, as_json, fired, label_names, measure, share
from watchdogd.commands.measures import area, percent
from watchdogd.commands.recordings import Recording
from watchdogd.commands.thresholds import Sweep, changed
from watchdogd.core.detect.bank import Thresholds
from watchdogd.core.health import Channel

Rows = Sequence[tuple[float, Measured]]


def swept(sweep: Sweep, limits: Thresholds, runs: Sequence[Recording]) -> list[tuple[float, Measured]]:
    """``runs`` measured with each value of ``sweep``, all other thresholds as in ``limits``."""
    return [
        (value, measure(runs, detectors(changed(limits, sweep.family, sweep.field, value)))) for value in sweep.values
    ]


def trade_off(sweep: Sweep, limits: Thresholds, rows: Rows) -> list[Table | Text | str]:
    """A table per label: one line per value, the one in force marked."""
    channel = Channel(sweep.family)
    now = float(getattr(getattr(limits, sweep.family), sweep.field))
    parts: list[Table | Text | str] = [f"{sweep.name} (now {now:g}): what channel {channel.value} does with it"]
    for label in label_names(rows[0][1]):
        parts += ["", _by_label(label, channel, now, rows)]
    if not label_names(rows[0][1]):
        made = tables.table("value", "warn on all runs", "crit on all runs", right=("value",), keep=("value",))
        for value, measured in rows:
            cells = (percent(share(measured, channel, level)) for level in LEVELS)
            tables.row(made, _value(value, now), *cells)
        parts += ["", "no run says whether it is good or bad: how often it fires", made]
    return parts


def _by_label(label: str, channel: Channel, now: float, rows: Rows) -> Table:
    made = tables.table(
        *("value", "recall at warn", "false alarms at warn", "recall at crit", "false alarms at crit", "AUROC"),
        right=("value",),
        keep=("value",),
    )
    made.title, made.title_justify = label, "left"
    for value, measured in rows:
        cells = [percent(fired(measured, channel, level, label, bad=bad)) for level in LEVELS for bad in (True, False)]
        tables.row(made, _value(value, now), *cells, area(area_of(measured, channel, label)))
    return made


def _value(value: float, now: float) -> Text:
    return Text(f"{value:g}", style="bold" if value == now else "")


def trade_off_json(sweep: Sweep, limits: Thresholds, rows: Rows) -> dict[str, Any]:
    """The same as one object."""
    return {
        "sweep": sweep.name,
        "channel": sweep.family,
        "now": getattr(getattr(limits, sweep.family), sweep.field),
        "values": [{"value": value, **as_json(measured)} for value, measured in rows],
    }
