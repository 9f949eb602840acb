"""The detectors over recorded runs: risks, first findings, delays, cost."""

from __future__ import annotations

import resource
import time
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from watchdogd.commands import labels
from watchdogd.commands.measures import Estimate, auroc, quantile, rate
from watchdogd.commands.recordings import Recording, with_ticks
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
    times_us: array[float] = field(default_factory=lambda: array("d"))
    largest_state: int = 0
    """Bytes of the largest final state, as a snapshot."""


def measure(runs: Iterable[Recording], of: Bank) -> Measured:
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


def label_names(measured: Measured) -> list[str]:
    """Every label that says good or bad of some run."""
    return sorted({name for run in measured.runs for name in run.labels})


def area_of(measured: Measured, channel: Channel, label: str) -> Estimate | None:
    """How well the highest risk of ``channel`` tells bad runs from good ones."""
    bad = [run.risk[channel] for run in measured.runs if run.labels.get(label) is True]
    good = [run.risk[channel] for run in measured.runs if run.labels.get(label) is False]
    return auroc(bad, good)


def fired(measured: Measured, channel: Channel, level: Severity, label: str, *, bad: bool) -> Estimate | None:
    """The share of bad (or good) runs in which ``channel`` reached ``level``."""
    runs = [run for run in measured.runs if run.labels.get(label) is bad]
    return rate(sum((channel, level) in run.first for run in runs), len(runs))


def delays(measured: Measured, channel: Channel, level: Severity) -> list[float]:
    """Steps from the known onset to the first finding, of the runs where one came at or after it."""
    found = []
    for run in measured.runs:
        at = run.first.get((channel, level))
        if run.onset is not None and at is not None and at >= run.onset:
            found.append(float(at - run.onset))
    return found


def share(measured: Measured, channel: Channel, level: Severity) -> Estimate | None:
    """The share of all runs in which ``channel`` reached ``level``."""
    return rate(sum((channel, level) in run.first for run in measured.runs), len(measured.runs))


def as_json(measured: Measured) -> dict[str, Any]:
    """The measures as one object."""
    return {
        "runs": len(measured.runs),
        "events": measured.events,
        "unread": measured.unread,
        "labels": {
            label: {
                channel.value: {"auroc": _plain(area_of(measured, channel, label)), **_rates(measured, channel, label)}
                for channel in Channel
            }
            for label in label_names(measured)
        },
        "steps_from_onset": {
            channel.value: {
                "runs": len(delays(measured, channel, Severity.WARN)),
                "median": quantile(delays(measured, channel, Severity.WARN), 0.5),
                "p90": quantile(delays(measured, channel, Severity.WARN), 0.9),
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
        f"{level.value}_{'bad' if bad else 'good'}": _plain(fired(measured, channel, level, label, bad=bad))
        for level in LEVELS
        for bad in (True, False)
    }


def _plain(estimate: Estimate | None) -> dict[str, float] | None:
    return None if estimate is None else {"value": estimate.value, "low": estimate.low, "high": estimate.high}
