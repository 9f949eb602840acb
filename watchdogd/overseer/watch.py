"""Watching: each event checked, folded into findings and health, and stored, in one transaction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from watchdogd.core.chain import link
from watchdogd.core.events import Event, MemoryWritten, ModelCalled, RunStarted, Text, Tick, ToolFinished, UserSaid
from watchdogd.core.health import Finding
from watchdogd.core.ids import canonical
from watchdogd.core.lease.overseer import EventStep, event_step
from watchdogd.overseer.book import Book, event_key, fold_of, run_key, step, tick_key
from watchdogd.ports import Objects, Transaction
from watchdogd.wire import codec
from watchdogd.wire.envelope import entry

SNAPSHOT_EVERY = 200
"""Events between two snapshots of the fold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """What one event did."""

    step: EventStep
    findings: tuple[Finding, ...] = ()
    broken: str = ""
    """Why the event does not fit the chain; empty = it does."""
    odd: bool = False
    """It holds what no record can (an endless number): it is none of the worker's rows."""


def whole_text(objects: Objects) -> Callable[[Event], Event]:
    """Puts the whole of a cut text back into an event, so that detectors see every character."""

    def completed(text: Text) -> Text:
        if not text.cut:
            return text
        whole = objects.get(text.digest)
        return text if whole is None else Text(head=whole, length=len(whole), digest=text.digest)

    def completed_event(event: Event) -> Event:
        body = event.body
        match body:
            case ToolFinished(result=result) if result.cut:
                return replace(event, body=replace(body, result=completed(result)))
            case ModelCalled(text=text) | UserSaid(text=text) | MemoryWritten(text=text) if text.cut:
                return replace(event, body=replace(body, text=completed(text)))
            case _:
                return event

    return completed_event


class Watch:
    """Folds events into the book."""

    def __init__(self, book: Book, whole: Callable[[Event], Event]) -> None:
        self.book, self._whole = book, whole
        self._ticks = 0

    def take(self, changing: Transaction, event: Event) -> Folded:
        """The next event of the worker; anything else is only told apart."""
        where = event_step(self.book.folded_seq, event.seq)
        if where is not EventStep.FOLD:
            return Folded(step=where)
        try:
            broken = self._chain(event)
        except ValueError:
            return Folded(step=EventStep.GAP, odd=True)
        changing.put(event_key(event.seq), event)
        if isinstance(event.body, RunStarted):
            changing.put(run_key(event.seq), event.seq)
            changing.put("run_key", event_key(event.seq - 1) if event.seq > 1 else "")
        findings = self._fold(changing, event, event_key(event.seq))
        self.book.folded_seq, self.book.last_digest, self._ticks = event.seq, event.digest, 0
        changing.put("stored_seq", event.seq)
        changing.put("last_digest", event.digest)
        return Folded(step=where, findings=findings, broken=broken)

    def tick(self, changing: Transaction, at: float) -> tuple[Finding, ...]:
        """Time passed without an event."""
        self._ticks += 1
        event = Event(seq=self.book.folded_seq, body=Tick(), run=self.book.run.id, at=at)
        key = tick_key(self.book.folded_seq, self._ticks)
        changing.put(key, event)
        return self._fold(changing, event, key)

    def _chain(self, event: Event) -> str:
        """Whether the event's digest follows from the one before and from its own bytes."""
        if event.seq > 1 and not self.book.last_digest:
            return "" if self.book.folded_seq == 0 else "the digest of the event before is missing"
        prev = self.book.last_digest or "0" * 64
        if link(prev, event.seq, canonical(entry(event))) == event.digest:
            return ""
        return f"event {event.seq} does not follow from event {event.seq - 1}: its record was changed or forked"

    def _fold(self, changing: Transaction, event: Event, key: str) -> tuple[Finding, ...]:
        found = step(self.book, self._whole(event))
        self.book.fold_key = key
        self.book.folds += 1
        for finding in found:
            changing.append({"kind": "finding", "at": event.at, "run": event.run, "body": codec.dump(finding)})
        if self.book.folds >= SNAPSHOT_EVERY or isinstance(event.body, RunStarted):
            changing.put("fold", fold_of(self.book))
            self.book.folds = 0
        return found
