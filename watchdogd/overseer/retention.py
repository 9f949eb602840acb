"""Retention: the overseer's copies of events, answers to old requests and closed questions are dropped in time.

Rows are never dropped: they are the chain. What is dropped is told in a row of it, in the same transaction.
"""

from __future__ import annotations

from collections.abc import Mapping

from watchdogd.core.errors import WireError
from watchdogd.core.events import Event
from watchdogd.core.retention import Keep, horizon, kept_from
from watchdogd.overseer.book import Book, run_key
from watchdogd.ports import Clock, Record, Transaction
from watchdogd.wire.envelope import row_data

PAGE = 500
"""Events or rows looked at in one transaction: some 20 ms, so that leases are not late."""
EVERY_S = 3_600.0
"""Between two looks once nothing was left to drop (seconds): often enough that the size is bounded too."""
STARTS = 100_000


class RecordRetention:
    """Looks at a page whenever it is asked, until nothing is old any more; again an hour later."""

    def __init__(self, book: Book, record: Record, clock: Clock, keep: Keep) -> None:
        self.book, self._record, self._clock, self._keep = book, record, clock, keep
        self._next_at = float("-inf")
        self._swept = record.load(int, "swept") or 0

    def look(self, changing: Transaction) -> None:
        """One page, when it is time."""
        now = self._clock.boot()
        if now < self._next_at:
            return
        more = self._events(changing)
        more = self._answers(changing) or more
        if not more:
            self._next_at = now + EVERY_S

    # --- copies of events ---

    def _events(self, changing: Transaction) -> bool:
        starts = self._record.scan(int, "run/", limit=STARTS)
        first = kept_from([seq for _, seq in starts], self._keep, self._needed())
        too_large = self._record.size_bytes > self._keep.size_bytes
        old = horizon(self._keep, self._clock.wall())
        page = self._record.scan(Event, "event/", limit=PAGE)
        gone: list[tuple[str, Event]] = []
        for key, event in page:
            if event.seq >= first or not (too_large or (event.at or 0.0) < old):
                break  # the rest is younger: what stays is without a gap
            gone.append((key, event))
        for key, _ in gone:
            changing.drop(key)
        if gone:
            self._forget_starts(changing, [seq for _, seq in starts], gone[-1][1].seq)
            self._tell(changing, {"events": [gone[0][1].seq, gone[-1][1].seq], "digest": gone[-1][1].digest})
        return len(gone) == PAGE

    def _needed(self) -> list[int]:
        """What open questions and notices show, and what is not folded into a snapshot yet."""
        shown = [seq for one in self.book.escalations.values() for seq in one.evidence]
        return [*shown, self.book.run.started_seq or 0, self.book.folded_seq]

    @staticmethod
    def _forget_starts(changing: Transaction, starts: list[int], upto: int) -> None:
        for seq in starts:
            if seq <= upto:
                changing.drop(run_key(seq))

    # --- answers and closed questions ---

    def _answers(self, changing: Transaction) -> bool:
        """Walks the record's own rows, which are in the order of time, and drops the cells that belong to them."""
        old = horizon(self._keep, self._clock.wall())
        rows = self._record.rows(self._swept + 1, self._swept + PAGE)
        dropped, upto = 0, self._swept
        for row in rows:
            try:
                entry = row_data(row)
            except WireError:  # it is the chain's to say that a row is broken; what belongs to it stays
                entry = {}
            if float(str(entry.get("at") or 0.0)) >= old:
                break
            key = _cell_of(entry)
            if key:
                changing.drop(key)
                dropped += 1
            upto = row.seq
        if upto > self._swept:
            self._swept = upto
            changing.put("swept", upto)
        if dropped:
            self._tell(changing, {"answers": dropped})
        return len(rows) == PAGE and upto == rows[-1].seq

    def _tell(self, changing: Transaction, what: dict[str, object]) -> None:
        changing.append({"kind": "forgot", "at": self._clock.wall(), "body": what})


def _cell_of(entry: Mapping[str, object]) -> str:
    """The cell that goes with a row; empty = none does."""
    match entry:
        case {"kind": "response", "user": str(user), "body": {"request": str(name)}}:
            return f"request/{user}/{name}"
        case {"kind": "escalation", "body": {"id": str(name), "state": str(state)}} if state != "open":
            return f"closed/{name}"
        case _:
            return ""
