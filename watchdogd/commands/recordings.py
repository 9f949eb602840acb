"""Recorded runs from files: trajectories, the daemon's own records, captured event payloads."""

from __future__ import annotations

import gzip
import io
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import cast, overload

from typing_extensions import override

from watchdogd.adapters.objects import ObjectDirectory
from watchdogd.adapters.sqlite import read_rows
from watchdogd.core.chain import GENESIS, breaks
from watchdogd.core.errors import RecordError, WireError
from watchdogd.core.events import Event, RunStarted, Tick
from watchdogd.overseer.watch import whole_text
from watchdogd.wire import envelope, trajectory

SQLITE = b"SQLite format 3\0"
GZIP = b"\x1f\x8b"
BOM = b"\xef\xbb\xbf"
UTF16 = (b"\xff\xfe", b"\xfe\xff")
WORKER_RECORD = "worker/record.db"
"""Where a daemon's state directory holds what the agent did."""
SOME_UNREAD, NOTHING_READ = 1, 2
"""Exit statuses of whoever reads recordings."""
MOST_LINE_BYTES = 256 * 1024 * 1024
"""A longer line is refused (a decompression bomb, or no line at all)."""
MOST_SENTENCES = 20
"""Lines of one file that are named when they cannot be read; the others are counted."""
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
    remark: str = ""
    """What is odd about it although it can be read."""


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


@dataclass(slots=True)
class Reading:
    """Counts what cannot be read, and says on stderr where and why."""

    unread: int = 0
    read: int = 0

    @property
    def status(self) -> int:
        """The exit status that follows: 0 all was read, 1 some was not, 2 nothing was."""
        return NOTHING_READ if not self.read else SOME_UNREAD if self.unread else 0

    def readable(self, paths: Iterable[Path]) -> Iterator[Recording]:
        """Every run in ``paths`` that can be read."""
        named: dict[str, int] = {}
        for one in recordings(paths):
            if isinstance(one, Unread):
                self.unread += 1
                named[one.file] = named.get(one.file, 0) + 1
                if named[one.file] <= MOST_SENTENCES:
                    _say(one.sentence)
            else:
                if one.remark:
                    _say(f"{one.file}:{one.line}: {one.remark}" if one.line else f"{one.file}: {one.remark}")
                self.read += 1
                yield one
        for file, times in named.items():
            if times > MOST_SENTENCES:
                _say(f"{file}: {times - MOST_SENTENCES} more cannot be read")
        if self.unread:
            _say(f"{self.unread} could not be read")


def _say(sentence: str) -> None:
    shown = "".join(one if one.isprintable() else f"\\u{ord(one):04x}" for one in sentence)
    sys.stderr.write(f"{shown}\n")


def recordings(paths: Iterable[Path]) -> Iterator[Recording | Unread]:
    """Every run in ``paths``, in order; what cannot be read is said and does not stop the rest."""
    for path in paths:
        found = 0
        try:
            for one in _from_path(path):
                found += 1
                yield one
        except RecordError as why:
            yield Unread(file=str(path), line=0, reason=f"no daemon's record: {str(why).removeprefix(f'{path}: ')}")
        except OSError as why:
            yield Unread(file=str(path), line=0, reason=f"cannot be read: {why.strerror or why}")
        else:
            if not found:
                yield Unread(file=str(path), line=0, reason="there is no run in it")


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


def _from_path(path: Path) -> Iterator[Recording | Unread]:
    if path.is_dir():
        if not (path / WORKER_RECORD).is_file():
            yield Unread(file=str(path), line=0, reason=f"a directory without a daemon's record ({WORKER_RECORD})")
            return
        path = path / WORKER_RECORD
    with path.open("rb") as raw:
        magic = raw.peek(16)[:16]  # a pipe can be looked at once only
        if magic == SQLITE:
            yield from _from_record(path)
        elif magic[:2] in UTF16:
            yield Unread(file=str(path), line=1, reason="UTF-16, where UTF-8 is expected")
        elif magic[:2] == GZIP:
            with gzip.GzipFile(fileobj=raw) as lines:
                yield from _from_lines(path, cast("io.BufferedReader", lines))
        else:
            yield from _from_lines(path, raw)


def _from_lines(path: Path, lines: io.BufferedReader) -> Iterator[Recording | Unread]:
    captured: dict[str, list[Event]] = {}
    for number, line in _lines(lines):
        if isinstance(line, str):
            yield Unread(file=str(path), line=number, reason=line)
        elif line.strip():
            found = _from_line(line.removeprefix(BOM) if number == 1 else line, str(path), number)
            if isinstance(found, Event):
                captured.setdefault(found.run, []).append(found)
            else:
                yield found
    for run, events in captured.items():
        kept, remark = _in_order(events)
        yield Recording(id=run or path.stem, goal=_goal(kept), events=kept, file=str(path), remark=remark)


def _lines(lines: io.BufferedReader) -> Iterator[tuple[int, bytes | str]]:
    """Every line with its number; of one that cannot be had the reason."""
    number = 0
    while True:
        number += 1
        try:
            line = lines.readline(MOST_LINE_BYTES)
            if len(line) >= MOST_LINE_BYTES and not line.endswith(b"\n"):
                while (line := lines.readline(1024 * 1024)) and not line.endswith(b"\n"):
                    pass
                yield number, f"longer than {MOST_LINE_BYTES // 1024**2} MiB"
                continue
        except EOFError:
            yield number, "the file ends in the middle of its gzip data"
            return
        except (gzip.BadGzipFile, zlib.error) as why:
            yield number, f"the gzip data is damaged: {why}"
            return
        if not line:
            return
        yield number, line


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
    remark = _misnumbered(run.steps)
    return Recording(
        id=run.id,
        goal=run.goal,
        labels=run.labels,
        onset_step=run.onset_step,
        events=tuple(trajectory.events(replace(run, steps=trajectory.numbered(run.steps)) if remark else run)),
        file=file,
        line=number,
        remark=remark,
    )


def _misnumbered(steps: Sequence[trajectory.Step]) -> str:
    last = -1
    for at, step in enumerate(steps):
        if step.i <= last:
            after = f"after {last}" if at else "the first step's"
            return f"steps[{at}].i is {step.i}, {after}: they must rise, so all are numbered by their place"
        last = step.i
    return ""


def _in_order(events: list[Event]) -> tuple[tuple[Event, ...], str]:
    """``events`` by number, each once; and what is odd about their numbers."""
    kept: dict[int, Event] = {}
    odd: list[str] = []
    for event in events:
        before = kept.setdefault(event.seq, event)
        if before != event:
            odd.append(f"event {event.seq} comes twice and differs")
    numbers = sorted(kept)
    odd += [f"{high - low - 1} events after {low} are missing" for low, high in pairwise(numbers) if high - low > 1]
    return tuple(kept[one] for one in numbers), _listed(odd)


def _listed(odd: Sequence[str]) -> str:
    more = f" and {len(odd) - 3} more" if len(odd) > 3 else ""
    return "; ".join(odd[:3]) + more


class Completed(Sequence[Event]):
    """Events whose long texts are read from the daemon's objects when they are looked at, as the overseer does."""

    def __init__(self, events: Sequence[Event], whole: Callable[[Event], Event]) -> None:
        self._events, self._whole = events, whole

    @override
    def __len__(self) -> int:
        return len(self._events)

    @overload
    def __getitem__(self, at: int) -> Event: ...
    @overload
    def __getitem__(self, at: slice) -> Completed: ...
    @override
    def __getitem__(self, at: int | slice) -> Event | Completed:
        if isinstance(at, slice):
            return Completed(self._events[at], self._whole)
        return self._whole(self._events[at])


def _from_record(path: Path) -> Iterator[Recording | Unread]:
    runs: dict[str, list[Event]] = {}
    odd: list[str] = []
    prev, expected = GENESIS, 1
    for row in read_rows(path.absolute()):
        odd += breaks((row,), prev=prev, first=expected)
        prev, expected = row.digest, row.seq + 1
        try:
            event = envelope.recorded_event(row)
        except (WireError, ValueError) as why:
            yield Unread(file=str(path), line=0, reason=f"row {row.seq}: {why}")
            continue
        runs.setdefault(event.run, []).append(event)
    objects = path.absolute().parent.parent / "objects"
    whole = whole_text(ObjectDirectory(objects)) if objects.is_dir() else _as_recorded
    remark = _listed(odd)
    for run, events in runs.items():
        if run or len(runs) == 1:
            name, goal = run or path.stem, _goal(events)
            yield Recording(id=name, goal=goal, events=Completed(events, whole), file=str(path), remark=remark)
            remark = ""  # the file's, said once


def _goal(events: Sequence[Event]) -> str:
    return next((one.body.goal for one in events[:10] if isinstance(one.body, RunStarted)), "")


def _as_recorded(event: Event) -> Event:
    return event
