"""The worker's record of events: on disk before anybody hears of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from watchdogd.core.events import HEAD_CHARS, TAIL_CHARS, Body, Event, Text
from watchdogd.ports import Clock, Objects, Record, Redactor, Transaction
from watchdogd.wire.envelope import entry, recorded_event


class Journal:
    """Appends events, synced; tells ``on_rows`` how far the record reaches."""

    def __init__(self, record: Record, objects: Objects, redactor: Redactor, clock: Clock, boot: str) -> None:
        self._record, self._objects, self._redactor, self._clock = record, objects, redactor, clock
        self.boot = boot
        self.run = ""
        self.step = 0
        self.on_rows: Callable[[int], None] | None = None

    @property
    def head(self) -> int:
        """The newest synced row."""
        return self._record.head.seq if self._record.head else 0

    def text(self, whole: str) -> Text:
        """``whole`` ready to travel; what does not fit is kept in ``objects`` first."""
        whole = self._redactor.text(whole)  # before it is cut: half a secret has no shape to be known by
        if len(whole) > HEAD_CHARS + TAIL_CHARS:
            self._objects.put(whole)
        return Text.of(whole)

    @contextmanager
    def transaction(self) -> Iterator[Writing]:
        """Events and cells that become durable together. Raises: RecordFull, RecordFenced."""
        with self._record.transaction() as changing:
            writing = Writing(self, changing)
            yield writing
        if writing.last and self.on_rows is not None:
            self.on_rows(writing.last)

    def append(self, *bodies: Body) -> int:
        """Records ``bodies`` in one synced transaction; returns the last one's number."""
        with self.transaction() as writing:
            for body in bodies:
                writing.event(body)
        return writing.last

    def events(self, first: int, last: int) -> list[Event]:
        """The events of rows ``first`` to ``last`` as they are published."""
        return [recorded_event(row) for row in self._record.rows(first, last)]

    def clean(self, value: object) -> object:
        """``value`` with secrets taken out of every string in it."""
        if isinstance(value, str):
            return self._redactor.text(value)
        if isinstance(value, Mapping):
            return {key: self.clean(one) for key, one in value.items()}
        if isinstance(value, list):
            return [self.clean(one) for one in value]
        return value

    def entry(self, body: Body) -> dict[str, object]:
        """The row for ``body``, redacted."""
        event = Event(seq=0, body=body, run=self.run, step=self.step, at=self._clock.wall(), boot=self.boot)
        data = entry(event)
        data["body"] = self.clean(data["body"])
        return data


class Writing:
    """One transaction of the journal."""

    def __init__(self, journal: Journal, changing: Transaction) -> None:
        self._journal, self._changing = journal, changing
        self.last = 0

    def event(self, body: Body) -> int:
        """Appends one event; its number."""
        self.last = self._changing.append(self._journal.entry(body)).seq
        return self.last

    def put(self, key: str, value: object) -> None:
        """Sets a cell in the same transaction."""
        self._changing.put(key, value)

    def drop(self, key: str) -> None:
        """Removes a cell in the same transaction."""
        self._changing.drop(key)
