"""Whenever the overseer is killed, it finds afterwards what it would have found: its state comes from its record."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from tests.protocol.inmemory import Clock, Untouched
from watchdogd.app.detectors import detectors
from watchdogd.core.detect.bank import Bank
from watchdogd.core.events import Event
from watchdogd.core.lease.messages import Timing
from watchdogd.core.policy import Policy
from watchdogd.overseer import watch
from watchdogd.overseer.book import Book, load
from watchdogd.overseer.watch import Watch, whole_text
from watchdogd.sim.faults import INJECTORS, injected
from watchdogd.sim.record import MemoryDisk, MemoryRecord
from watchdogd.sim.wordings import SHIPPED
from watchdogd.wire.envelope import entry, recorded_event
from watchdogd.wire.trajectory import Step, Trajectory, events

BANK = detectors()


def base(seed: int) -> tuple[Event, ...]:
    rng = Random(seed)
    steps = [Step(i=0, kind="user", text="find the cheapest train")]
    for n in range(10):
        tool = rng.choice(["search", "fetch_page", "shell"])
        text = " ".join(f"{rng.randrange(24)}h-{rng.randrange(90)}eur" for _ in range(9))
        steps.append(Step(i=len(steps), kind="tool_call", tool=tool, args={"query": f"trains {n} {rng.random()}"}))
        steps.append(Step(i=len(steps), kind="tool_result", tool=tool, result=text))
    return tuple(events(Trajectory(id=f"run {seed}", goal="find the cheapest train", steps=tuple(steps))))


def faulty(kind: str) -> list[Event]:
    """A run with a fault of ``kind`` as a worker records and sends it."""
    made = next(one for seed in range(60) if (one := injected(kind, base(seed), Random(seed), SHIPPED)) is not None)
    record = MemoryRecord(MemoryDisk())
    record.claim()
    with record.transaction() as rows:
        return [recorded_event(rows.append(entry(one))) for one in made.events]


def opened(disk: MemoryDisk, bank: Bank) -> tuple[MemoryRecord, Book, Watch]:
    """An overseer that has just started on ``disk``."""
    record = MemoryRecord(disk)
    whole = whole_text(Untouched())
    book = load(
        record,
        epoch=record.claim(),
        policy=Policy(),
        bank=bank,
        timing=Timing(),
        clock=Clock(),
        whole=whole,
        supervisor_open=True,
    )
    return record, book, Watch(book, whole)


def found(fault: list[Event], *, killed_every: int) -> tuple[list[dict[str, Any]], object]:
    """The findings on record, and the channels' health at the end, of an overseer killed after so many events."""
    disk = MemoryDisk()
    record, book, watching = opened(disk, BANK)
    for at, event in enumerate(fault, start=1):
        if at % killed_every == 0:
            record, book, watching = opened(disk, BANK)
        with record.transaction() as changing:
            watching.take(changing, event)
            watching.tick(changing, at=1e9 + at)
    rows = [json.loads(row.body) for row in disk.rows]
    return [row["body"] for row in rows if row["kind"] == "finding"], book.health


@pytest.mark.parametrize("kind", sorted(INJECTORS))
@pytest.mark.parametrize("snapshot_every", [3, 10_000])
def test_a_kill_after_any_event_changes_no_finding(
    kind: str, snapshot_every: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault = faulty(kind)
    calm = found(fault, killed_every=10**9)
    monkeypatch.setattr(watch, "SNAPSHOT_EVERY", snapshot_every)
    assert found(fault, killed_every=4) == calm


def test_the_faults_are_found_at_all() -> None:
    assert {one["rule"] for one in found(faulty("exact-loop"), killed_every=4)[0]} >= {"progress/identical-call"}
