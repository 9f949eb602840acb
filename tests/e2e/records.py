"""What the records of a daemon prove, read after it ended: the truth that nobody can talk away."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.viewer import Seen
from watchdogd.adapters.sqlite import read_rows
from watchdogd.core.chain import Row, breaks
from watchdogd.core.events import Event, Impact, ToolFinished, ToolIntended, ToolStarted
from watchdogd.core.lease.messages import Answer, Beat
from watchdogd.wire.envelope import recorded_event

UNWATCHED_S = 5.0
"""Around a broker's death a viewer may miss leases that the worker got (seconds)."""


def rows(path: Path) -> list[Row]:
    """All rows of a record."""
    return list(read_rows(path))


def events(path: Path) -> list[Event]:
    """A worker's events."""
    return [recorded_event(row) for row in rows(path)]


def newest(path: Path) -> int:
    """The number of a record's newest row; 0 before there is one."""
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as db:
            return int(db.execute("SELECT max(seq) FROM rows").fetchone()[0] or 0)
    except sqlite3.Error:
        return 0


def entries(path: Path) -> list[dict[str, Any]]:
    """A record's rows as data."""
    return [json.loads(row.body) for row in rows(path)]


def cells(path: Path, prefix: str = "") -> dict[str, Any]:
    """A record's cells whose key begins with ``prefix``."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as db:
        found = db.execute("SELECT key, value FROM cells ORDER BY key").fetchall()
    return {key: json.loads(value) for key, value in found if key.startswith(prefix)}


@dataclass(frozen=True)
class Leases:
    """Every lease a viewer saw asked for and answered."""

    asked: Mapping[str, float]
    """Nonce to the wall clock of its beat (seconds)."""
    granted: Mapping[str, Answer]
    refused: frozenset[str]
    processed: Sequence[tuple[float, int]]
    """Wall clock and stored_seq of every answer, in order."""

    @staticmethod
    def of(seen: Iterable[Seen]) -> Leases:
        asked: dict[str, float] = {}
        granted: dict[str, Answer] = {}
        refused: set[str] = set()
        processed: list[tuple[float, int]] = []
        for one in seen:
            if one.message is None:
                continue
            match one.message.payload:
                case Beat() as beat:
                    asked[beat.nonce] = one.message.at
                case Answer() as answer:
                    processed.append((one.message.at, answer.stored_seq))
                    if answer.grant:
                        granted[answer.nonce] = answer
                    else:
                        refused.add(answer.nonce)
                case _:
                    pass
        return Leases(asked, granted, frozenset(refused), processed)


def chain_faults(path: Path) -> list[str]:
    """Gaps, forks and changes in a record."""
    found = rows(path)
    return breaks(found) or ([] if found else ["no rows at all"])


def start_faults(found: Sequence[Event], leases: Leases, *, ttl_s: float, deaths: Sequence[float] = ()) -> list[str]:
    """Calls that were started without a live lease, or before the overseer had processed their own intent.

    Args:
        found: the worker's events.
        leases: what a viewer saw.
        ttl_s: how long a lease holds (seconds).
        deaths: wall-clock times at which a broker died: around them a viewer may have missed a lease.
    """
    wrong: list[str] = []
    intents: dict[str, tuple[int, Impact | None]] = {}
    for event in found:
        match event.body:
            case ToolIntended() as intended:
                intents[intended.call] = (event.seq, intended.impact)
            case ToolStarted() as started:
                wrong += _start_faults(event, started, intents, leases, ttl_s, deaths)
            case _:
                pass
    return wrong


def _start_faults(
    event: Event,
    started: ToolStarted,
    intents: Mapping[str, tuple[int, Impact | None]],
    leases: Leases,
    ttl_s: float,
    deaths: Sequence[float],
) -> list[str]:
    name, at = f"row {event.seq} ({started.call})", event.at or 0.0
    if not started.lease_nonce or started.lease_epoch < 1:
        return [f"{name} was started without a lease"]
    if started.call not in intents:
        return [f"{name} was started without an intent"]
    wrong = []
    granted, asked = leases.granted.get(started.lease_nonce), leases.asked.get(started.lease_nonce)
    unwatched = any(abs(at - death) < UNWATCHED_S + ttl_s for death in deaths)
    if granted is None and (started.lease_nonce in leases.refused or not unwatched):
        wrong.append(f"{name} was started under {started.lease_nonce}, which nobody granted")
    if granted is not None and granted.epoch != started.lease_epoch:
        wrong.append(f"{name} names epoch {started.lease_epoch}, the lease was of {granted.epoch}")
    if asked is not None and at >= asked + ttl_s:
        wrong.append(f"{name} was started {at - asked:.1f} s after its beat, a lease holds {ttl_s:g} s")
    seq, impact = intents[started.call]
    known = max((stored for when, stored in leases.processed if when <= at), default=0)
    if impact is not Impact.READ and known < seq and not unwatched:
        wrong.append(f"{name} was started when row {known} was processed, its intent is {seq}")
    return wrong


def repeat_faults(found: Sequence[Event]) -> list[str]:
    """Calls that were started a second time although the first was not known to have come to nothing."""
    wrong = []
    last: dict[str, str] = {}
    for event in found:
        match event.body:
            case ToolStarted(call=call):
                before = last.get(call)
                if before not in (None, "aborted", "in_doubt read"):
                    wrong.append(f"row {event.seq}: {call} was started again after: {before}")
                last[call] = "started"
            case ToolFinished(call=call, outcome=outcome, error_class=error_class):
                last[call] = f"{outcome} {error_class}" if outcome == "in_doubt" else outcome
            case _:
                pass
    return wrong


def in_doubt(found: Sequence[Event]) -> dict[str, int]:
    """Calls with an effect whose end nobody saw, and the rows that say so."""
    return {
        event.body.call: event.seq
        for event in found
        if isinstance(event.body, ToolFinished)
        and event.body.outcome == "in_doubt"
        and event.body.error_class == "effect"
    }


def stored_faults(worker: Path, overseer: Path, *, whole: bool = True) -> list[str]:
    """Differences between the worker's rows and the events the overseer stored: each once, unchanged, in order.

    Args:
        worker: the worker's record.
        overseer: the overseer's record.
        whole: to the end; without it the newest rows may still be on their way (a daemon that was told to end).
    """
    mine = {row.seq: row.digest for row in rows(worker)}
    theirs = {
        int(key.split("/")[1]): value["digest"]
        for key, value in cells(overseer, "event/").items()
        if "/tick" not in key
    }
    wrong = [f"row {seq} is not stored by the overseer" for seq in sorted(mine.keys() - theirs.keys())[:5]]
    wrong += [
        f"the overseer stored event {seq}, the worker has no such row"
        for seq in sorted(theirs.keys() - mine.keys())[:5]
    ]
    wrong += [
        f"event {seq} is another than row {seq}" for seq in mine.keys() & theirs.keys() if mine[seq] != theirs[seq]
    ]
    stored = cells(overseer, "stored_seq").get("stored_seq", 0)
    if not whole:
        return [one for one in wrong if "not stored" not in one] + chain_of_seqs(theirs, stored)
    if stored != max(mine, default=0):
        wrong.append(f"stored_seq is {stored}, the worker's newest row {max(mine, default=0)}")
    return wrong


def chain_of_seqs(stored: Iterable[int], newest: int) -> list[str]:
    """Gaps below ``newest``."""
    missing = sorted(set(range(1, newest + 1)) - set(stored))
    return [f"event {seq} is missing, stored_seq is {newest}" for seq in missing[:5]]


def order_faults(worker: Path, overseer: Path) -> list[str]:
    """Orders that were numbered twice, lost, or applied more than once."""
    numbers = [one["body"]["n"] for one in entries(overseer) if one["kind"] == "order"]
    wrong = [] if numbers == list(range(1, len(numbers) + 1)) else [f"orders are numbered {numbers}"]
    applied = cells(worker, "last_n").get("last_n", 0)
    desired = cells(overseer, "desired").get("desired", {})
    if applied != len(numbers) or desired.get("acked_n", 0) != len(numbers):
        wrong.append(f"{len(numbers)} orders, applied up to {applied}, acknowledged up to {desired.get('acked_n', 0)}")
    found = events(worker)
    nudged = Counter(one.body.order for one in found if one.body.kind == "nudged")
    answered = Counter((one.run, one.body.question) for one in found if one.body.kind == "answered")
    wrong += [f"order {n} reached the conversation {times} times" for n, times in nudged.items() if times > 1]
    return wrong + [f"question {name} was answered {times} times" for name, times in answered.items() if times > 1]


def doubt_faults(worker: Path, overseer: Path) -> list[str]:
    """Calls in doubt that no person was asked about."""
    asked = {
        seq
        for one in entries(overseer)
        if one["kind"] == "escalation" and one["body"]["group"].startswith("in-doubt/")
        for seq in one["body"]["evidence"]
    }
    return [
        f"{call} is in doubt (row {seq}) and nobody was asked"
        for call, seq in in_doubt(events(worker)).items()
        if seq not in asked
    ]
