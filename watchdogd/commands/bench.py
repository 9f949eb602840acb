"""``watchdogd bench``: the measures of the detectors on one's own recordings."""

from __future__ import annotations

import json as jsonlib
import resource
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from watchdogd.app.detectors import detectors
from watchdogd.commands import tables
from watchdogd.commands.measured import LEVELS, Measured, area_of, as_json, delays, fired, label_names, measure, share
from watchdogd.commands.measures import area, percent, quantile
from watchdogd.commands.recordings import Reading
from watchdogd.commands.rules_in_force import thresholds_of
from watchdogd.commands.sweep import swept, trade_off, trade_off_json
from watchdogd.commands.thresholds import parsed
from watchdogd.core.counting import counted
from watchdogd.core.health import Channel, Severity


def bench(
    paths: Annotated[list[Path], typer.Argument(help="Trajectories (JSON lines, plain or gzip) or a daemon's record.")],
    sweep: Annotated[
        list[str] | None,
        typer.Option(
            help="RULE.threshold=a,b,c or =first:last:count: recall and false alarms of each value; repeatable."
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout (one per sweep).")] = False,
    config: Annotated[Path | None, typer.Option(help="Take the detectors' thresholds from this file.")] = None,
) -> None:
    """Measure the detectors on recorded runs: AUROC, rates with 95 % intervals, steps from onset, cost."""
    limits = thresholds_of(config)
    wanted = [parsed(one, limits) for one in sweep or ()]
    reading = Reading()
    runs = reading.readable(paths)
    if wanted:
        kept = list(runs)
        for one in wanted if kept else ():
            rows = swept(one, limits, kept)
            if json:
                sys.stdout.write(jsonlib.dumps(trade_off_json(one, limits, rows)) + "\n")
            else:
                tables.show(*trade_off(one, limits, rows))
    else:
        measured = measure(runs, detectors(limits))
        measured.unread = reading.unread
        if not measured.runs:
            raise typer.Exit(reading.status)
        if json:
            sys.stdout.write(jsonlib.dumps(as_json(measured)) + "\n")
        else:
            tables.show(*table(measured))
    raise typer.Exit(reading.status)


def table(measured: Measured) -> list[Table | Text | str]:
    """The measures for people: coverage first."""
    names = label_names(measured)
    parts: list[Table | Text | str] = [
        f"{counted(len(measured.runs), 'run')}, {counted(measured.events, 'event')}, {measured.unread} unreadable"
    ]
    for name in names:
        bad = sum(run.labels.get(name) is True for run in measured.runs)
        good = sum(run.labels.get(name) is False for run in measured.runs)
        parts.append(f"  {name}: {bad} bad, {good} good, {len(measured.runs) - bad - good} unknown")
    known = counted(sum(run.onset is not None for run in measured.runs), "run")
    parts.append(f"  onset known in {known}")
    for name in names:
        parts += ["", _by_label(measured, name)]
    everything = tables.table("channel", "warn", "crit", "steps from onset to first warn", keep=("channel",))
    everything.title, everything.title_justify = "all runs", "left"
    for channel in Channel:
        shares = (percent(share(measured, channel, level)) for level in LEVELS)
        tables.row(everything, channel.value, *shares, _steps(delays(measured, channel, Severity.WARN)))
    return [*parts, "", everything, "", *_cost(measured)]


def _by_label(measured: Measured, name: str) -> Table:
    made = tables.table("channel", "AUROC [95 %]", "level", "fires on bad", "on good (false alarms)", keep=("channel",))
    made.title, made.title_justify = name, "left"
    for channel in Channel:
        for level in LEVELS:
            first = level is Severity.WARN
            tables.row(
                made,
                channel.value if first else "",
                area(area_of(measured, channel, name)) if first else "",
                tables.level(level),
                percent(fired(measured, channel, level, name, bad=True)),
                percent(fired(measured, channel, level, name, bad=False)),
            )
    return made


def _steps(found: Sequence[float]) -> str:
    if not found:
        return "-"
    runs = counted(len(found), "run")
    return f"median {quantile(found, 0.5):.0f}, 90 % within {quantile(found, 0.9):.0f} ({runs})"


def _cost(measured: Measured) -> list[str]:
    times = measured.times_us
    if not times:
        return []
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return [
        f"cost: {sum(times) / len(times):.1f} us per event, p50 {quantile(times, 0.5):.0f}, "
        f"p99 {quantile(times, 0.99):.0f}, most {max(times):.0f}",
        f"memory: process peak {peak_mib:.0f} MiB, largest live state {measured.largest_state / 1024:.0f} KiB",
    ]
