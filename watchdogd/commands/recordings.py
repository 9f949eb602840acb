"""Recorded runs from files: trajectories, the daemon's own records, captured event payloads."""

from __future__ import annotations

import gzip
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from watchdogd.core.chain import Row
from watchdogd.core.errors import WireError
from watchdogd.core.events import Event, Tick
from watchdogd.wire import envelope, trajectory

SQLITE = b"SQLite format 3\0"
GZIP = b"\x1f\x8b"
WORKER_RECORD = "worker/record.db"
"""Where a daemon's state directory holds what the agent did."""
MOST_LINE_BYTES = 512 * 1024 * 1024
"""A longer line is refused (a decompression bomb, or no line at all)."""
TICK_S = 60.0
"""Where a recording has times, a pause is filled with ticks as the live overseer would record them."""
MOST_TICKS = 30
"""Ticks per pause; the later ones stand further and further apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One recorded run, ready to be replayed."""

    id: str
    goal: str = ""
    labels: Mapping[str, object] = field(default_factory=dict)
    onset_step: int | None = None
    events: Sequence[Event] = ()
    """In order; in a trajectory ``seq`` is the step's index."""
    file: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """Something that could not be read, and where."""

    file: str
    line: int
    """1-based; 0 for the whole file."""
    reason: str

    @property
    def sentence(self) -> str:
        """Where and why."""
        return f"{self.file}:{self.line}: {self.reason}" if self.line else f"{self.file}: {self.reason}"


def recordings(paths: Iterable[Path]) -> Iterator[Recording | Unread]:
    """Every run in ``paths``, in order; what cannot be read is said and does not stop the rest."""
    for path in paths:
        try:
            yield from _from_file(path / WORKER_RECORD if path.is_dir() else path)
        except (OSError, EOFError, gzip.BadGzipFile, sqlite3.Error) as why:
            yield Unread(file=str(path), line=0, reason=f"cannot be read: {why}")


def with_ticks(events: Iterable[Event]) -> Iterator[Event]:
    """``events`` with ticks in the pauses between those that carry a time.

    A tick has the ``seq`` of the event it comes before, so that what it shows counts from that event on.
    """
    last: float | None = None
    for event in events:
        if event.at is None:
            yield event
            continue
        if last is not None and event.at - last > TICK_S and not isinstance(event.body, Tick):
            for at in _ticks(last, event.at):
                yield Event(seq=event.seq, body=Tick(), run=event.run, step=event.step, at=at)
        last = event.at
        yield event


def _ticks(first: float, last: float) -> Iterator[float]:
    at, step = first, TICK_S
    for count in range(MOST_TICKS):
        at += step
        if at >= last:
            return
        yield at
        if count >= MOST_TICKS // 2:
            step *= 1.5


def _from_file(path: Path) -> Iterator[Recording | Unread]:
    with path.open("rb") as raw:
        magic = raw.read(16)
    if magic == SQLITE:
        yield from _from_record(path)
        return
    captured: dict[str, list[Event]] = {}
    with gzip.open(path) if magic[:2] == GZIP else path.open("rb") as lines:
        number = 0
        while line := lines.readline(MOST_LINE_BYTES):
            number += 1
            if not line.strip():
                continue
            found = _from_line(line, str(path), number)
            if isinstance(found, Event):
                captured.setdefault(found.run, []).append(found)
            else:
                yield found
    for run, events in captured.items():
        yield Recording(id=run or path.stem, events=tuple(_unique(events)), file=str(path))


def _from_line(line: bytes, file: str, number: int) -> Recording | Event | Unread:
    try:
        data = trajectory.json_object(line)
        if "specversion" in data:  # a line of mosquitto_sub
            inner = data.get("data")
            data = inner["entry"] if isinstance(inner, dict) and isinstance(inner.get("entry"), dict) else data
        if "body" in data and "schema" not in data:
            return envelope.event_of(data, "")
        run = trajectory.of(data)
    except WireError as why:
        return Unread(file=file, line=number, reason=str(why))
    return Recording(
        id=run.id,
        goal=run.goal,
        labels=run.labels,
        onset_step=run.onset_step,
        events=tuple(trajectory.events(run)),
        file=file,
        line=number,
    )


def _unique(events: list[Event]) -> Iterator[Event]:
    seen: set[int] = set()
    for event in sorted(events, key=lambda one: one.seq):
        if event.seq not in seen:
            seen.add(event.seq)
            yield event


def _from_record(path: Path) -> Iterator[Recording | Unread]:
    runs: dict[str, list[Event]] = {}
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
        for seq, prev, digest, body in db.execute("SELECT seq, prev, digest, body FROM rows ORDER BY seq"):
            try:
                event = envelope.recorded_event(Row(seq=seq, prev=prev, digest=digest, body=body))
            except (WireError, ValueError) as why:
                yield Unread(file=str(path), line=0, reason=f"row {seq}: {why}")
                continue
            runs.setdefault(event.run, []).append(event)
    for run, events in runs.items():
        if run or len(runs) == 1:
            yield Recording(id=run or path.stem, events=tuple(events), file=str(path))
