"""``watchdogd drill``: faults put into one's own healthy recordings, and what the detectors make of them."""

from __future__ import annotations

import json as jsonlib
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random  # noqa: TID251 - seeded by the person who asks: the same seed, the same faults
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from watchdogd.app.detectors import detectors
from watchdogd.commands import labels, tables
from watchdogd.commands.measures import percent, quantile, rate
from watchdogd.commands.recordings import Reading, Recording, with_ticks
from watchdogd.commands.rules_in_force import thresholds_of
from watchdogd.core.counting import counted
from watchdogd.core.detect.bank import Bank
from watchdogd.core.events import Event, ToolFinished
from watchdogd.core.health import Channel, Finding, Severity
from watchdogd.core.spelling import did_you_mean
from watchdogd.sim.faults import EXPECTED, INJECTORS, LOOK_ALIKES, injected
from watchdogd.sim.wordings import SHIPPED, Wordings


@dataclass(slots=True)
class Drilled:
    """One kind of fault, over all recordings."""

    kind: str
    runs: int = 0
    unfit: int = 0
    """Recordings too short or too bare for it."""
    seen: int = 0
    critical: int = 0
    calls: list[float] = field(default_factory=list)
    """Finished calls from onset to the first finding."""
    steps: list[float] = field(default_factory=list)
    rules: Counter[str] = field(default_factory=Counter)
    blamed: int = 0
    """Outages that some rule also held against the agent."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """A finding, and how many calls were finished by then."""

    finding: Finding
    seq: int
    calls: int


def drill(
    paths: Annotated[list[Path], typer.Argument(help="Healthy recordings; those labelled bad are left out.")],
    fault: Annotated[
        list[str] | None,
        typer.Option(metavar="KIND", help=f"May be given again; default: every kind. {', '.join(INJECTORS)}."),
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed, the same faults.")] = 0,
    count: Annotated[int, typer.Option(min=1, help="Recordings per kind, at most.")] = 200,
    json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
    config: Annotated[Path | None, typer.Option(help="Take the detectors' thresholds from this file.")] = None,
) -> None:
    """Inject faults into healthy recordings; print recall, steps to detection, and alarms on the untouched copies."""
    kinds = [one.strip().lower().replace("_", "-").replace(" ", "-") for one in fault or INJECTORS]
    unknown = [f"{one!r}{did_you_mean(one, INJECTORS)}" for one in kinds if one not in INJECTORS]
    if unknown:
        raise typer.BadParameter(f"no fault {', '.join(unknown)}; there are {', '.join(INJECTORS)}")
    reading = Reading()
    read = list(reading.readable(paths))
    runs = [one for one in read if not any(labels.known(one.labels).values())]
    if not read:
        raise typer.Exit(reading.status)
    if not runs:
        sys.stderr.write(f"nothing to drill: {counted(len(read), 'recording')}, all labelled bad\n")
        raise typer.Exit(1)
    one_bank = detectors(thresholds_of(config))
    alarms = [tuple(alarms_of(run.events, one_bank)) for run in runs]
    clean = [run for run, found in zip(runs, alarms, strict=True) if not found]
    untouched = Untouched(runs=len(runs), warn=len(runs) - len(clean), crit=sum(_critical(found) for found in alarms))
    drilled = [drilled_kind(kind, clean, one_bank, SHIPPED, seed=seed, count=count) for kind in kinds]
    if json:
        sys.stdout.write(jsonlib.dumps(as_json(untouched, drilled, seed)) + "\n")
    else:
        tables.show(*table(untouched, drilled))
    raise typer.Exit(reading.status)


@dataclass(frozen=True, slots=True, kw_only=True)
class Untouched:
    """What fired on the recordings as they are."""

    runs: int
    warn: int
    crit: int


def alarms_of(events: Sequence[Event], of: Bank) -> Iterator[Alarm]:
    """Every finding of ``of`` on ``events``, all-clears left out."""
    state, calls = of.start(), 0
    for event in with_ticks(events):
        calls += isinstance(event.body, ToolFinished)
        state, found = of.step(state, event)
        for one in found:
            if one.severity is not Severity.OK:
                yield Alarm(one, event.seq, calls)


def _critical(found: Sequence[Alarm]) -> bool:
    return any(one.finding.severity is Severity.CRIT for one in found)


def drilled_kind(
    kind: str, runs: Sequence[Recording], of: Bank, wordings: Wordings, *, seed: int, count: int
) -> Drilled:
    """``kind`` put into up to ``count`` of ``runs``."""
    result = Drilled(kind)
    for run in runs:
        if result.runs >= count:
            break
        rng = Random(f"{seed} {kind} {run.id}")  # noqa: S311 - not a secret, a repeatable choice
        made = injected(kind, run.events, rng, wordings)
        if made is None:
            result.unfit += 1
            continue
        result.runs += 1
        found = [one for one in alarms_of(made.events, of) if one.seq >= made.onset]
        hits = [one for one in found if _speaks(kind, one.finding)]
        if kind == "outage":
            result.blamed += any(blames(one.finding) for one in found)
        if hits:
            result.seen += 1
            result.critical += _critical(hits)
            result.calls.append(float(hits[0].calls - made.calls_at_onset))
            result.steps.append(float(hits[0].seq - made.onset))
            result.rules.update({one.finding.rule for one in hits})
    return result


def blames(finding: Finding) -> bool:
    """Whether it holds failing calls against the agent."""
    return not _names_outage(finding) and finding.channel in (Channel.ERRORS, Channel.PROGRESS, Channel.RECALL)


def _names_outage(finding: Finding) -> bool:
    return finding.rule.endswith("outage")


def _speaks(kind: str, finding: Finding) -> bool:
    """Whether ``finding`` is about a fault of ``kind``; of a look-alike every finding counts, as a false alarm."""
    if kind in LOOK_ALIKES:
        return True
    if kind == "outage":
        return _names_outage(finding)
    return finding.channel.value in EXPECTED.get(kind, ("progress",))


def table(untouched: Untouched, drilled: Sequence[Drilled]) -> list[Table | Text | str]:
    """What was seen, for people."""
    parts: list[Table | Text | str] = [
        f"{counted(untouched.runs, 'healthy recording')}; alarms on the untouched copies: "
        f"warn {percent(rate(untouched.warn, untouched.runs))}, crit {percent(rate(untouched.crit, untouched.runs))}",
        "faults go into the silent ones",
    ]
    faults = [one for one in drilled if one.kind not in LOOK_ALIKES]
    if faults:
        parts += ["", _table("fault", "seen [95 %]", faults)]
    parts += [
        f"outage: also blamed on the agent: {percent(rate(one.blamed, one.runs))}"
        for one in faults
        if one.kind == "outage"
    ]
    alike = [one for one in drilled if one.kind in LOOK_ALIKES]
    if alike:
        parts += ["", _table("no fault, only looks like one", "false alarms [95 %]", alike)]
    return parts


def _table(head: str, share: str, drilled: Sequence[Drilled]) -> Table:
    made = tables.table(
        head, "runs", share, "calls to warn", "steps", "rules", right=("runs", "steps"), keep=(head, share)
    )
    for one in drilled:
        median, most = quantile(one.calls, 0.5), quantile(one.calls, 0.9)
        delay = "-" if median is None else f"median {median:.0f}, 90 % {most:.0f}"
        steps = quantile(one.steps, 0.5)
        after = "-" if steps is None else f"{steps:.0f}"
        rules = ", ".join(f"{rule} {count}" for rule, count in one.rules.most_common(3))
        tables.row(made, one.kind, f"{one.runs}", percent(rate(one.seen, one.runs)), delay, after, rules)
    return made


def as_json(untouched: Untouched, drilled: Sequence[Drilled], seed: int) -> dict[str, Any]:
    """The same as one object."""
    return {
        "seed": seed,
        "untouched": {"runs": untouched.runs, "warn": untouched.warn, "crit": untouched.crit},
        "faults": [
            {
                "kind": one.kind,
                "look_alike": one.kind in LOOK_ALIKES,
                "runs": one.runs,
                "unfit": one.unfit,
                "seen": one.seen,
                "share": None if (share := rate(one.seen, one.runs)) is None else asdict(share),
                "critical": one.critical,
                "calls_to_first": quantile(one.calls, 0.5),
                "steps_to_first": quantile(one.steps, 0.5),
                "blamed": one.blamed,
                "rules": dict(one.rules),
            }
            for one in drilled
        ],
    }
