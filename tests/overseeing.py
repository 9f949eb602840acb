"""The overseer's desk, deadlines and book on a disk in memory, without its loop."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal, Self

from tests.protocol.inmemory import Clock, Untouched
from watchdogd.core.access import Operator
from watchdogd.core.checkpoint import Retention
from watchdogd.core.detect.bank import bank
from watchdogd.core.events import Body, Event, RunFinished, RunStarted
from watchdogd.core.ids import digest
from watchdogd.core.lease.messages import Level, Mode, Timing
from watchdogd.core.policy import ALL_SCOPES, Policy
from watchdogd.overseer.book import Book, load
from watchdogd.overseer.deadlines import Deadlines
from watchdogd.overseer.desk import Desk
from watchdogd.overseer.enforce import Enforcer, Outgoing
from watchdogd.overseer.returns import Returns
from watchdogd.overseer.watch import Watch, whole_text
from watchdogd.ports import Received
from watchdogd.sim.record import MemoryDisk, MemoryRecord, MemoryTransaction
from watchdogd.wire import codec
from watchdogd.wire.messages import Message, Request, Response

MISSIONS = frozenset({"nightly"})


@dataclass
class Room:
    """One life of an overseer's parts over ``disk``."""

    disk: MemoryDisk
    clock: Clock
    record: MemoryRecord
    book: Book
    enforcer: Enforcer
    desk: Desk
    deadlines: Deadlines
    watch: Watch
    returns: Returns

    @classmethod
    def on(cls, disk: MemoryDisk, *, mode: Mode = Mode.ENFORCE, clock: Clock | None = None) -> Self:
        """A fresh start from what is on ``disk``."""
        clock = clock or Clock()
        record = MemoryRecord(disk)
        whole = whole_text(Untouched())
        policy = Policy(level=Level.ASSISTED, mode=mode, operators=(Operator(name="ada", may=ALL_SCOPES),))
        book = load(
            record,
            epoch=record.claim(),
            policy=policy,
            bank=bank(),
            timing=Timing(),
            clock=clock,
            whole=whole,
            supervisor_open=True,
        )
        enforcer = Enforcer(book, clock, "b2", lambda rule, headline: f"{rule}: {headline}")
        returns = Returns(book, enforcer, record, clock, Retention())
        desk = Desk(book, enforcer, record, clock, lambda: MISSIONS, returns)
        deadlines, watch = Deadlines(book, enforcer, clock), Watch(book, whole)
        return cls(disk, clock, record, book, enforcer, desk, deadlines, watch, returns)

    def transaction(self) -> AbstractContextManager[MemoryTransaction]:
        """One transaction of its record."""
        self.enforcer.out = Outgoing()
        return self.record.transaction()

    def run(self) -> None:
        """A run of mission ``nightly`` begins."""
        self._event(RunStarted(mission="nightly", goal="g", workspace="/w"))

    def run_over(self, outcome: Literal["done", "stopped"] = "done", reason: str = "it is") -> list[Response]:
        """That run is over; what was answered to that."""
        before = len(self.disk.rows)
        self._event(RunFinished(outcome=outcome, reason=reason, steps=1, cost_usd=0.0))
        return self._responses(before)

    def _event(self, body: Body) -> None:
        with self.transaction() as changing:
            self.folded(changing, body)

    def folded(self, changing: MemoryTransaction, body: Body) -> None:
        """The next event, in a transaction that is open."""
        event = self.event(body)
        self.watch.take(changing, event)
        self.desk.stops.to(changing, event)

    def event(self, body: Body) -> Event:
        """``body`` as the next event of run ``r1``."""
        return Event(seq=self.book.folded_seq + 1, body=body, run="r1", at=self.clock.wall())

    def asked(self, request: Request, *, user: str = "ada", raw: bytes = b"", link: str = "l1") -> list[Response]:
        """``request`` arrives; what was answered."""
        before = len(self.disk.rows)
        now = self.clock.wall()
        arrived = Received(
            topic=f"watchdogd/v1/lab/a1/control/request/{user}",
            message=Message(payload=request, headline=request.command, at=now, source=user, user=user),
            digest=digest(raw or request.command),
            size=len(raw),
            link=link,
        )
        with self.transaction() as changing:
            self.desk.take(changing, arrived)
        return self._responses(before)

    def _responses(self, before: int) -> list[Response]:
        return [
            codec.load(Response, one["body"])
            for one in (json.loads(row.body) for row in self.disk.rows[before:])
            if one["kind"] == "response"
        ]

    def orders(self) -> list[str]:
        """What was ordered so far, by kind."""
        found = [json.loads(row.body) for row in self.disk.rows]
        return [one["body"]["body"]["kind"] for one in found if one["kind"] == "order"]
