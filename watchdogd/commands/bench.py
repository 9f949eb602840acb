"""``watchdogd bench``: the measures of the detectors on one's own recordings."""

from __future__ import annotations

import json as jsonlib
import resource
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from watchdogd.app.detectors import detectors
from watchdogd.commands import labels
from watchdogd.commands import thresholds as named
from watchdogd.commands.measures import Estimate, area, auroc, percent, quantile, rate
from watchdogd.commands.recordings import Recording, Unread, recordings, with_ticks
from watchdogd.commands.rules_in_force import thresholds_of
from watchdogd.core.detect.bank import Bank, BankState
from watchdogd.core.health import Channel, Severity

LEVELS = (Severity.WARN, Severity.CRIT)


@dataclass(slots=True)
class Scored:
    """One run's scores."""

    labels: Mapping[str, bool]
    risk: Mapping[Channel, float]
    first: Mapping[tuple[Channel, Severity], int]
    """Step of the first finding of that level or worse."""
    onset: int | None


@dataclass(slots=True)
class Measured:
    """All runs of one bench."""

    runs: list[Scored] = field(default_factory=list)
    events: int = 0
    unread: int = 0
    times_us: list[float] = field(default_factory=list)
    largest_state: int = 0
    """Bytes of the largest final state, as a snapshot."""


def bench(
    paths: Annotated[list[Path], typer.Argument(help="Trajectories (JSON lines, plain or gzip) or a daemon's record.")],
    sweep: Annotated[
        list[str] | None, typer.Option(help="RULE.threshold=a,b,c: measure with each value; may be given again.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
    config: Annotated[Path | None, typer.Option(help="Take the detectors' thresholds from this file.")] = None,
) -> None:
    """Measure the detectors on recorded runs: AUROC, rates with 95 % intervals, steps from onset, cost."""
    limits = thresholds_of(config)
    wanted = [named.parsed(one) for one in sweep or ()]
    runs: list[Recording] = []
    unread = 0
    for one in recordings(paths):
        if isinstance(one, Unread):
            unread += 1
            sys.stderr.write(f"{one.sentence}\n")
        else:
            runs.append(one)
    if not wanted:
        measured = measure(runs, detectors(limits))
        measured.unread = unread
        sys.stdout.write(jsonlib.dumps(as_json(measured)) + "\n" if json else table(measured))
    for family, name, values in wanted:
        rows = [(value, measure(runs, detectors(named.changed(limits, family, name, value)))) for value in values]
        sys.stdout.write(
            jsonlib.dumps({"sweep": f"{family}.{name}", "values": [{"value": v, **as_json(m)} for v, m in rows]}) + "\n"
            if json
            else trade_off(f"{family}.{name}", Channel(family), rows)
        )
    if unread:
        raise typer.Exit(1)


def measure(runs: Sequence[Recording], of: Bank) -> Measured:
    """``runs`` through ``of``, with the time each event took."""
    measured = Measured()
    for run in runs:
        measured.runs.append(_scored(run, of, measured))
    return measured


def _scored(run: Recording, of: Bank, measured: Measured) -> Scored:
    state: BankState = of.start()
    highest = dict.fromkeys(Channel, 0.0)
    first: dict[tuple[Channel, Severity], int] = {}
    clock = time.perf_counter
    for event in with_ticks(run.events):
        began = clock()
        state, found = of.step(state, event)
        measured.times_us.append((clock() - began) * 1e6)
        for channel, risk in of.risk(state).items():
            highest[channel] = max(highest[channel], risk)
        for one in found:
            highest[one.channel] = max(highest[one.channel], one.risk)
            for level in LEVELS:
                if one.severity.rank >= level.rank and one.severity is not Severity.UNKNOWN:
                    first.setdefault((one.channel, level), event.seq)
        measured.events += 1
    measured.largest_state = max(measured.largest_state, len(of.dump(state)))
    return Scored(labels=labels.known(run.labels), risk=highest, first=first, onset=run.onset_step)


def _names(measured: Measured) -> list[str]:
    return sorted({name for run in measured.runs for name in run.labels})


def _area(measured: Measured, channel: Channel, label: str) -> Estimate | None:
    bad = [run.risk[channel] for run in measured.runs if run.labels.get(label) is True]
    good = [run.risk[channel] for run in measured.runs if run.labels.get(label) is False]
    return auroc(bad, good)


def _fired(measured: Measured, channel: Channel, level: Severity, label: str, *, bad: bool) -> Estimate | None:
    runs = [run for run in measured.runs if run.labels.get(label) is bad]
    return rate(sum((channel, level) in run.first for run in runs), len(runs))


def _delays(measured: Measured, channel: Channel, level: Severity) -> list[float]:
    """Steps from the known onset to the first finding, of the runs where one came at or after it."""
    found = []
    for run in measured.runs:
        at = run.first.get((channel, level))
        if run.onset is not None and at is not None and at >= run.onset:
            found.append(float(at - run.onset))
    return found


def table(measured: Measured) -> str:
    """The measures for people: coverage first."""
    names = _names(measured)
    lines = [f"{len(measured.runs)} runs, {measured.events} events, {measured.unread} unreadable"]
    for name in names:
        bad = sum(run.labels.get(name) is True for run in measured.runs)
        good = sum(run.labels.get(name) is False for run in measured.runs)
        lines.append(f"  {name}: {bad} bad, {good} good, {len(measured.runs) - bad - good} unknown")
    lines.append(f"  onset known in {sum(run.onset is not None for run in measured.runs)} runs")
    for name in names:
        head = f"  {'channel':<10}{'AUROC [95 %]':<24}{'level':<6}{'fires on bad':<24}on good (false alarms)"
        lines += ["", name, head]
        for channel in Channel:
            score = area(_area(measured, channel, name))
            for level in LEVELS:
                bad_rate = percent(_fired(measured, channel, level, name, bad=True))
                good_rate = percent(_fired(measured, channel, level, name, bad=False))
                left = f"{channel.value:<10}{score:<24}" if level is Severity.WARN else " " * 34
                lines.append(f"  {left}{level.value:<6}{bad_rate:<24}{good_rate}")
    lines += ["", "all runs", f"  {'channel':<10}{'warn':<24}{'crit':<24}steps from onset to first warn"]
    for channel in Channel:
        warn, crit = (_share(measured, channel, level) for level in LEVELS)
        steps = _steps(_delays(measured, channel, Severity.WARN))
        lines.append(f"  {channel.value:<10}{warn:<24}{crit:<24}{steps}")
    lines += ["", *_cost(measured)]
    return "\n".join(lines) + "\n"


def _share(measured: Measured, channel: Channel, level: Severity) -> str:
    return percent(rate(sum((channel, level) in run.first for run in measured.runs), len(measured.runs)))


def _steps(delays: Sequence[float]) -> str:
    if not delays:
        return "-"
    return f"median {quantile(delays, 0.5):.0f}, 90 % within {quantile(delays, 0.9):.0f} ({len(delays)} runs)"


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


def trade_off(name: str, channel: Channel, rows: Sequence[tuple[float, Measured]]) -> str:
    """One line per value of a threshold."""
    lines = [f"{name}: what channel {channel.value} does with it"]
    for label in _names(rows[0][1]) or [""]:
        heads = "".join(f"{head:<22}" for head in ("warn on bad", "warn on good", "crit on bad", "crit on good"))
        lines += ["", label or "(no labels)", f"  {'value':>8}  {heads}AUROC"]
        for value, measured in rows:
            cells = [
                percent(_fired(measured, channel, level, label, bad=bad)) for level in LEVELS for bad in (True, False)
            ]
            text = "".join(f"{cell:<22}" for cell in cells)
            lines.append(f"  {value:>8g}  {text}{area(_area(measured, channel, label))}")
    return "\n".join(lines) + "\n"


def as_json(measured: Measured) -> dict[str, Any]:
    """The measures as one object."""
    return {
        "runs": len(measured.runs),
        "events": measured.events,
        "unread": measured.unread,
        "labels": {
            label: {
                channel.value: {"auroc": _plain(_area(measured, channel, label)), **_rates(measured, channel, label)}
                for channel in Channel
            }
            for label in _names(measured)
        },
        "steps_from_onset": {
            channel.value: {
                "runs": len(_delays(measured, channel, Severity.WARN)),
                "median": quantile(_delays(measured, channel, Severity.WARN), 0.5),
                "p90": quantile(_delays(measured, channel, Severity.WARN), 0.9),
            }
            for channel in Channel
        },
        "us_per_event": {
            "mean": sum(measured.times_us) / max(1, len(measured.times_us)),
            "p99": quantile(measured.times_us, 0.99) or 0.0,
            "max": max(measured.times_us, default=0.0),
        },
        "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "largest_state_bytes": measured.largest_state,
    }


def _rates(measured: Measured, channel: Channel, label: str) -> dict[str, dict[str, float] | None]:
    return {
        f"{level.value}_{'bad' if bad else 'good'}": _plain(_fired(measured, channel, level, label, bad=bad))
        for level in LEVELS
        for bad in (True, False)
    }


def _plain(estimate: Estimate | None) -> dict[str, float] | None:
    return None if estimate is None else {"value": estimate.value, "low": estimate.low, "high": estimate.high}
