"""The overseer as one fold loop over everything that arrives, and the tasks that feed it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TypeAlias, assert_never

from watchdogd.core.errors import BusDown, WireError
from watchdogd.core.events import Event
from watchdogd.core.health import Severity, after
from watchdogd.core.lease import overseer as lease
from watchdogd.core.lease.messages import Ack, Beat, OrderAck
from watchdogd.core.lease.overseer import EventStep
from watchdogd.core.plan import Tell
from watchdogd.core.policy import decide
from watchdogd.overseer.book import Book, unreadable
from watchdogd.overseer.deadlines import Deadlines
from watchdogd.overseer.desk import Desk
from watchdogd.overseer.enforce import Enforcer, Outgoing
from watchdogd.overseer.inspect import Inspection
from watchdogd.overseer.judge import Looked
from watchdogd.overseer.local import LocalDesk
from watchdogd.overseer.outbox import republished
from watchdogd.overseer.reactions import Reactions
from watchdogd.overseer.reports import Reports
from watchdogd.overseer.retention import RecordRetention
from watchdogd.overseer.returns import Returns
from watchdogd.overseer.watch import Folded, Watch
from watchdogd.ports import Bus, Clock, Link, Received, Record, Transaction
from watchdogd.ports import Channel as SupervisorChannel
from watchdogd.wire.channel import Adopt, Command, Hello, Lifted, Line, Restrict
from watchdogd.wire.messages import Message, ProcessReport, WorkerStatus

BATCH = 200
"""Arrivals folded in one transaction at most."""
TICK_S = 15.0
"""Between two ticks in the fold while a run is under way (seconds)."""
STANDING_S = 5.0
"""How often degraded mode, overdue inspection and unknown channels are looked at (seconds)."""
RECONNECT_S = 0.5
LATENCY_S = 0.25
"""How often timers are looked at (seconds)."""


@dataclass(frozen=True, slots=True)
class Timer:
    """Time passed: due things are looked at in the fold loop."""


@dataclass(frozen=True, slots=True)
class Look:
    """The schedule says that the judge should look."""


Input: TypeAlias = Received | Timer | Look | Looked | Adopt | Command | Lifted | Restrict


class Overseer:
    """Everything an overseer process does. All state changes happen in ``_fold_loop``."""

    def __init__(
        self,
        *,
        book: Book,
        record: Record,
        bus: Bus,
        channel: SupervisorChannel,
        clock: Clock,
        watch: Watch,
        enforcer: Enforcer,
        desk: Desk,
        returns: Returns,
        inspection: Callable[[Callable[[], None]], Inspection],
        retention: RecordRetention,
        boot: str,
    ) -> None:
        self.book, self._record, self._bus, self._channel = book, record, bus, channel
        self._returns = returns
        self._clock, self._watch, self._enforcer, self._desk, self._boot = clock, watch, enforcer, desk, boot
        self._queue: asyncio.Queue[Input] = asyncio.Queue(maxsize=20_000)
        self._inspection = inspection(lambda: self._offer(Look()))
        self._link: Link | None = None
        self._people_link: Link | None = None
        self._retention = retention
        self._people_since = ("", 0.0)
        """Name of that connection, and CLOCK_BOOTTIME of its beginning (seconds)."""
        self._rows_due = asyncio.Event()
        self._walls_known = asyncio.Event()
        """The supervisor has said whether people may command through this broker."""
        self._looks: asyncio.Queue[object] = asyncio.Queue(maxsize=1)
        self._last_tick = 0.0
        self._timed_at = float("-inf")
        self._reactions = Reactions(book, enforcer)
        self._deadlines = Deadlines(book, enforcer, clock)
        self._local = LocalDesk(book, enforcer, clock)
        self._reports = Reports(book=book, enforcer=enforcer, clock=clock, put=self._put, say=self._say)
        self._published_on_disk = book.published
        self._acked_on_disk = book.proto.acked_n

    def _offer(self, what: Input) -> None:
        with suppress(asyncio.QueueFull):  # timers and looks come again; events are asked for again by the protocol
            self._queue.put_nowait(what)

    async def run(self) -> None:
        """Lives until cancelled, or until the record belongs to a successor.

        Raises:
            RecordError: the record refuses; the process ends and starts again from what is on disk.
        """
        self._channel.send(Hello(epoch=self.book.proto.epoch))
        self._inspection.arm()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._fold_loop(), name="fold")
            tasks.create_task(self._timers(), name="timers")
            tasks.create_task(self._roles(), name="roles")
            tasks.create_task(self._people(), name="people")
            tasks.create_task(self._supervisor(), name="supervisor")
            tasks.create_task(self._publishing(), name="outbox")
            tasks.create_task(self._looking(), name="judge")

    # --- feeding ---

    async def _timers(self) -> None:
        while True:
            await self._clock.sleep(LATENCY_S)
            self._offer(Timer())

    async def _roles(self) -> None:
        while True:
            try:
                self._record.check()  # O1: a fenced overseer never reconnects
                async with self._bus.connect() as link:
                    self._link = link
                    self._republish(link)
                    self._rows_due.set()
                    async for arrived in link.received():
                        await self._queue.put(arrived)
            except* BusDown:
                pass
            finally:
                self._link = None
            await self._clock.sleep(RECONNECT_S)

    async def _people(self) -> None:
        await self._walls_known.wait()  # the broker keeps requests till then: none is refused for being early
        while True:
            try:
                self._record.check()  # O1, for people's requests too: they belong to the successor
                async with self._bus.connect(persistent=True) as link:
                    self._people_link = link
                    self._people_since = (self._clock.nonce(), self._clock.boot())
                    async for arrived in link.received():
                        await self._queue.put(replace(arrived, link=self._people_since[0]))
            except* BusDown:
                pass
            finally:
                self._people_link, self._people_since = None, ("", 0.0)
            await self._clock.sleep(RECONNECT_S)

    async def _supervisor(self) -> None:
        async for line in self._channel.received():
            match line:
                case Adopt() | Command() | Lifted() | Restrict():
                    await self._queue.put(line)
                case _:
                    continue
        raise BusDown("the supervisor is gone")

    async def _looking(self) -> None:
        judge = self._inspection.judge
        while judge is not None:
            await self._looks.get()
            glance = self._inspection.next_glance()
            if glance is None:
                self._inspection.arm()
                continue
            self._inspection.looking = True
            try:
                looked = await judge.look(glance)
            finally:
                self._inspection.looking = False
            await self._queue.put(looked)

    # --- the fold loop ---

    async def _fold_loop(self) -> None:
        while True:
            batch = [await self._queue.get()]
            while len(batch) < BATCH and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            self._fold(batch)

    def _fold(self, batch: list[Input]) -> None:
        """One batch, one transaction; then, and only then, everything that may leave."""
        self._enforcer.out = Outgoing()
        beats: list[Beat] = []
        proven: tuple[lease.Unproven, ...] = ()
        if all(isinstance(one, Timer) for one in batch) and not self._timer_due():
            proven = self._proto_timers()
            if not proven:
                self._record.check()  # the fence stands before what leaves without a transaction too
                self._after_commit([], self._enforcer.out)
                return
        with self._record.transaction() as changing:
            if self.book.published != self._published_on_disk:
                changing.put("published", self.book.published)
                self._published_on_disk = self.book.published
            for one in batch:
                beat = self._input(changing, one)
                if beat is not None:
                    beats.append(beat)
            proven = (*proven, *self._proto_timers())
            if proven:
                self._desk.held(changing, proven, "every lease without the latch has ended")
            if self.book.proto.acked_n != self._acked_on_disk:
                self._enforcer.orders_done(changing, self._acked_on_disk)
                self._acked_on_disk = self.book.proto.acked_n
        for one in batch:
            if isinstance(one, Received) and one.done is not None:
                one.done()
        self._after_commit(beats, self._enforcer.out)

    def _timer_due(self) -> bool:
        now = self._clock.boot()
        tick = self.book.run.active and now - self._last_tick >= TICK_S
        return tick or self._deadlines.due() or now - self._timed_at >= STANDING_S

    def _proto_timers(self) -> tuple[lease.Unproven, ...]:
        self.book.proto, held = lease.expired(self.book.proto, self._clock.boot())
        return held

    def _input(self, changing: Transaction, one: Input) -> Beat | None:
        match one:
            case Received():
                return self._arrived(changing, one)
            case Timer():
                self._timed(changing)
            case Look():
                with suppress(asyncio.QueueFull):
                    self._looks.put_nowait(one)
            case Looked():
                self._inspection.take(changing, one)
                self._inspection.arm()
            case Adopt():
                self._local.adopt(changing, one.policy, one.by)
            case Command():
                self._local.command(changing, one)
            case Lifted():
                self._enforcer.lifted(changing, one.n)
            case Restrict():
                self.book.restricted = one.why
                self._walls_known.set()
            case _:
                assert_never(one)
        return None

    def _arrived(self, changing: Transaction, arrived: Received) -> Beat | None:
        if "/control/request/" in arrived.topic:
            if arrived.retained and self._people_link is not None:
                with suppress(BusDown):  # a broken link's successor will hear of it again
                    self._people_link.clear_retained(arrived.topic)  # else it would come back with every connection
            self._desk.take(changing, arrived)
            return None
        message = arrived.message
        if message is None:
            if arrived.problem is not None:
                self._desk.ignore(changing, arrived, arrived.problem.reason)
            return None
        match message.payload:
            case Event() as event:
                if self._event(changing, event).odd:
                    self._desk.ignore(changing, arrived, "schema")
            case Beat() as beat if not arrived.retained:
                if beat.ack is not None:
                    self._acked(changing, beat.ack)
                return beat
            case Ack() as ack:
                self._acked(changing, ack)
            case OrderAck() as done:
                self._order_done(changing, done)
            case ProcessReport() | WorkerStatus() as said:
                self.book.told(said)
            case _:
                pass  # presence is for viewers
        return None

    def _order_done(self, changing: Transaction, done: OrderAck) -> None:
        self.book.proto = lease.orders_acked(self.book.proto, done.n)
        if done.note:
            body = {"n": done.n, "note": done.note[:500]}
            changing.append({"kind": "order-note", "at": self._clock.wall(), "body": body})

    def _acked(self, changing: Transaction, ack: Ack) -> None:
        self.book.proto, held = lease.acknowledged(self.book.proto, self._clock.boot(), ack)
        if held:
            self._desk.held(changing, held, f"the worker acknowledged revision {ack.lrev} of epoch {ack.epoch}")

    # --- events ---

    def _event(self, changing: Transaction, event: Event) -> Folded:
        folded = self._watch.take(changing, event)
        if folded.step is not EventStep.FOLD:
            return folded
        self._last_tick = self._clock.boot()
        if folded.broken:
            self._quarantine(changing, event, folded.broken)
        self._reactions.to(changing, event)
        self._returns.trouble(changing, folded.findings)
        self._returns.to(changing, event)
        self._desk.stops.to(changing, event)
        if folded.findings or self.book.health.live:
            self._decide(changing)
        if any(finding.severity.rank >= Severity.WARN.rank for finding in folded.findings):
            self._inspection.soon()
        return folded

    def _quarantine(self, changing: Transaction, event: Event, why: str) -> None:
        finding = unreadable(why, event.seq)
        self.book.health = after(self.book.health, (finding,), event.seq, event.at)
        self.book.proto = replace(self.book.proto, unreadable=why)
        changing.put("unreadable", why)
        changing.append({"kind": "quarantined", "at": self._clock.wall(), "body": {"seq": event.seq, "why": why}})
        tell = Tell(group="record-broken", severity=Severity.CRIT, headline=why, evidence=(event.seq,))
        self._enforcer.tell(changing, tell)

    def _decide(self, changing: Transaction) -> None:
        self.book.memory, decisions = decide(
            self.book.policy,
            self.book.health,
            None,
            self.book.memory,
            now=self._clock.wall(),
            seq=self.book.folded_seq,
        )
        if decisions:
            self._enforcer.enforce(changing, decisions)

    # --- time ---

    def _timed(self, changing: Transaction) -> None:
        now = self._clock.boot()
        self._timed_at = now
        if self.book.run.active and now - self._last_tick >= TICK_S:
            self._last_tick = now
            findings = self._watch.tick(changing, self._clock.wall())
            self._returns.trouble(changing, findings)
            if findings or self.book.health.live:
                self._decide(changing)
        self._deadlines.look(changing)
        self._desk.redeliveries.settle(changing, *self._people_since)
        self._retention.look(changing)
        self._inspection.standing(changing)
        if self._inspection.late():
            with suppress(asyncio.QueueFull):
                self._looks.put_nowait(Look())

    # --- policy and local commands ---

    # --- after the commit ---

    def _after_commit(self, beats: list[Beat], out: Outgoing) -> None:
        now = self._clock.boot()
        self.book.proto = lease.committed(self.book.proto, self.book.folded_seq)
        self._answer(beats, now, push=out.push)
        for message in out.messages:
            self._put(message)
        if out.inbox:
            self._put(self._enforcer.inbox_message())
        if out.checkpoints:
            self._put(self._returns.message())
        for line in out.lines:
            self._say(line)
        if out.inspect:
            self._inspection.soon()
        self._reports.supervisor(now, connected=self._link is not None)
        if self._link is not None:
            self._reports.health(now)
        if self._record.head is not None and self._record.head.seq > self.book.published:
            self._rows_due.set()

    def _answer(self, beats: list[Beat], now: float, *, push: bool) -> None:
        """O3: every beat gets its answer, a kept one its grant, and a changed state goes out at once; O6: resends."""
        answers = []
        for beat in beats:
            self.book.proto, answer = lease.beaten(self.book.proto, now, beat)
            answers.append(answer)
        self.book.proto, kept = lease.kept_answer(self.book.proto, now)
        if kept is not None:
            answers.append(kept)
        if push:
            self.book.proto, pushed = lease.pushed(self.book.proto, now)
            if pushed is not None:
                answers.append(pushed)
        self.book.proto, again = lease.order_to_resend(self.book.proto, now)
        expires = self._clock.wall() + self.book.proto.timing.ttl_s
        for answer in answers:
            headline = "lease granted" if answer.grant else f"lease refused: {answer.reason}"
            self._put(replace(self._enforcer.message(answer, headline), expires=expires))
        if again is not None:
            self._put(self._enforcer.message(again, f"order {again.n}: {again.body.kind}", run=again.run))

    def _put(self, message: Message) -> None:
        if self._link is not None:
            with suppress(BusDown):
                self._link.put(message)

    def _say(self, line: Line) -> None:
        with suppress(BusDown):  # the supervisor is gone: its reader ends this process
            self._channel.send(line)

    # --- publishing from the record ---

    def _republish(self, link: Link) -> None:
        """Retained topics anew on every connection."""
        self._reports.anew()
        for one in self.book.escalations.values():
            link.put(self._enforcer.message(one, one.headline, run=one.run))
        link.put(self._enforcer.inbox_message())
        link.put(self._returns.message())

    async def _publishing(self) -> None:
        """Verdicts, decisions, escalations, answers, in order from the record; the next one waits for the broker."""
        while True:
            await self._rows_due.wait()
            self._rows_due.clear()
            link = self._link
            if link is None:
                continue
            try:
                await self._publish_rows(link)
            except BusDown:
                continue

    async def _publish_rows(self, link: Link) -> None:
        while self._record.head is not None and self.book.published < self._record.head.seq:
            rows = self._record.rows(self.book.published + 1, self.book.published + 100)
            if not rows:
                return
            for row in rows:
                with suppress(WireError):  # too large for the wire: it stays in the record, what follows goes on
                    for message in republished(row):
                        await link.send(message)
            self.book.published = rows[-1].seq
