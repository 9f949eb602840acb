"""Derailments: a healthy run of one task goes on with the calls of a run of another task.

``python -m tests.bench derailments``: how many are found, within how many calls, beside false alarms on the untouched
runs. *Far* is a task of another kind (another tool set), *near* one of the same kind with another goal.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from random import Random

from tests.bench.detectors import healthy
from watchdogd.app.detectors import detectors
from watchdogd.commands.drill import alarms_of
from watchdogd.commands.measures import quantile, rate
from watchdogd.commands.recordings import Recording
from watchdogd.core.detect.bank import Bank
from watchdogd.core.events import Event, ModelCalled, RunStarted, ToolFinished, ToolIntended, UserSaid
from watchdogd.core.health import Severity

RULES = ("drift/derailed", "drift/goal-terms")
COUNT = 300
WITHIN = 12
"""Calls within which it should be seen."""


def kind_of(run: Recording) -> str:
    """What a run works with: its recordings' folder and its suite or domain."""
    parts = run.id.split("/")
    return parts[2] if parts[0] == "agentdojo" else "/".join(parts[:2]) if parts[0] == "tau" else parts[0].split()[0]


def spliced(one: Recording, other: Sequence[Recording], rng: Random) -> tuple[list[Event], int, int] | None:
    """``one`` up to a random call, then the work of ``other``; the onset, and the finished calls of the new work."""
    ends = [at for at, event in enumerate(one.events) if isinstance(event.body, ToolFinished)]
    if len(ends) < 2:
        return None
    head = list(one.events[: ends[rng.randrange(1, min(len(ends), 12))] + 1])
    onset = head[-1].seq + 1
    calls = 0
    for number, run in enumerate(other):
        for event in run.events:
            if not isinstance(event.body, (ModelCalled, ToolIntended, ToolFinished)):
                continue
            body = event.body
            if isinstance(body, (ToolIntended, ToolFinished)):
                body = replace(body, call=f"other {number} {body.call}")
            calls += isinstance(body, ToolFinished)
            head.append(replace(event, seq=head[-1].seq + 1, body=body, at=None))
    return head, onset, calls


def found_after(of: Bank, events: Sequence[Event], onset: int) -> int | None:
    """Calls begun from the onset to the first alarm, the alarming one included."""
    seqs = [event.seq for event in events if event.seq >= onset and isinstance(event.body, ToolIntended)]
    for alarm in alarms_of(events, of):
        if alarm.seq >= onset and alarm.finding.rule in RULES:
            return sum(seq <= alarm.seq for seq in seqs)
    return None


def goal_of(run: Recording) -> str:
    """The words of the task."""
    said = [event.body for event in run.events if isinstance(event.body, (RunStarted, UserSaid))]
    return " ".join(one.goal if isinstance(one, RunStarted) else one.text.shown for one in said[:2])


def measured(
    of: Bank, runs: Sequence[Recording], *, far: bool, count: int
) -> Iterable[tuple[str, str, int, int | None]]:
    """For each splice: the run, its kind, how many calls of other work it has, and after how many it was seen."""
    rng = Random(f"derail {far}")
    by_kind: dict[str, list[Recording]] = {}
    for run in runs:
        by_kind.setdefault(kind_of(run), []).append(run)
    kinds = sorted(by_kind)
    made = 0
    while made < count:
        kind = kinds[made % len(kinds)]
        one = rng.choice(by_kind[kind])
        pool = by_kind[rng.choice([k for k in kinds if k != kind])] if far else by_kind[kind]
        others = [run for run in rng.sample(pool, min(len(pool), 8)) if goal_of(run) != goal_of(one)]
        taken: list[Recording] = []
        for run in others:  # short recordings one after the other, until there is enough of the other work
            taken.append(run)
            if sum(isinstance(event.body, ToolFinished) for each in taken for event in each.events) >= WITHIN + 4:
                break
        made += 1
        splice = spliced(one, taken, rng)
        if splice is not None and splice[2] >= WITHIN:
            yield one.id, kind, splice[2], found_after(of, splice[0], splice[1])


def run() -> None:
    """Prints recall and delay by distance, false alarms by source."""
    of = detectors()
    sources = healthy()
    runs = [one for group in sources.values() for one in group]
    for far in (True, False):
        rows = list(measured(of, runs, far=far, count=COUNT))
        hits = [calls for _, _, _, calls in rows if calls is not None]
        soon = rate(sum(calls <= WITHIN for calls in hits), len(rows))
        median = quantile([float(calls) for calls in hits], 0.5)
        where = "another kind" if far else "same kind"
        print(f"{where}: found {len(hits)}/{len(rows)}, within {WITHIN} calls {soon}, median {median}")
        for kind in sorted({kind for _, kind, _, _ in rows}):
            mine = [calls for _, one, _, calls in rows if one == kind]
            print(f"  {kind:<16}{sum(c is not None and c <= WITHIN for c in mine)}/{len(mine)}")
    for name, group in sources.items():
        loud = [
            one.id
            for one in group
            if any(
                a.finding.rule in RULES and a.finding.severity.rank >= Severity.WARN.rank
                for a in alarms_of(one.events, of)
            )
        ]
        print(f"false alarms, {name}: {len(loud)}/{len(group)} {loud[:3]}")


if __name__ == "__main__":
    run()
