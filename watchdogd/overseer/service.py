"""The overseer as one fold loop over everything that arrives, and the tasks that feed it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TypeAlias, assert_never

from watchdogd.core.errors import BusDown
from watchdogd.core.escalation import ApproveCall, AskedByWorker
from watchdogd.core.events import Event, Gated, ProviderError, RunFinished, RunStarted, ToolFinished
from watchdogd.core.health import Channel, ChannelHealth, Severity, after, channels, overall
from watchdogd.core.lease import overseer as lease
from watchdogd.core.lease.messages import Ack, AnswerOrder, Beat, OrderAck, StopOrder
from watchdogd.core.lease.overseer import EventStep
from watchdogd.core.plan import Tell
from watchdogd.core.policy import Policy, decide
from watchdogd.overseer.book import Book
from watchdogd.overseer.desk import Desk
from watchdogd.overseer.enforce import Enforcer, Outgoing, unreadable
from watchdogd.overseer.inspect import Inspection
from watchdogd.overseer.judge import Looked
from watchdogd.overseer.outbox import republished
from watchdogd.overseer.watch import Watch
from watchdogd.ports import Bus, Clock, Link, Received, Record, Transaction
from watchdogd.ports import Channel as SupervisorChannel
from watchdogd.wire.channel import Adopt, Command, Decide, Done, Hello, LeaseReport, Line, Ready, Restrict
from watchdogd.wire.messages import ChannelReport, HealthReport, Message

BATCH = 200
"""Arrivals folded in one transaction at most."""
TICK_S = 15.0
"""Between two ticks in the fold while a run is under way (seconds)."""
HEALTH_EVERY_S = 30.0
"""The retained health is repeated this often; it expires after 120 s (seconds)."""
RECONNECT_S = 0.5
LATENCY_S = 0.25
"""How often timers are looked at (seconds)."""


@dataclass(frozen=True, slots=True)
class Timer:
    """Time passed: due things are looked at in the fold loop."""


@dataclass(frozen=True, slots=True)
class Look:
    """The schedule says that the judge should look."""


Input: TypeAlias = Received | Timer | Look | Looked | Adopt | Command | Restrict


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
        inspection: Callable[[Callable[[], None]], Inspection],
        boot: str,
    ) -> None:
        self.book, self._record, self._bus, self._channel = book, record, bus, channel
        self._clock, self._watch, self._enforcer, self._desk, self._boot = clock, watch, enforcer, desk, boot
        self._queue: asyncio.Queue[Input] = asyncio.Queue(maxsize=20_000)
        self._inspection = inspection(lambda: self._offer(Look()))
        self._link: Link | None = None
        self._people_up = False
        self._rows_due = asyncio.Event()
        self._looks: asyncio.Queue[object] = asyncio.Queue(maxsize=1)
        self._last_tick = 0.0
        self._health_at = float("-inf")
        self._health_now: tuple[tuple[ChannelHealth, ...], str, str] | None = None
        self._reported: tuple[str, float] = ("", 0.0)
        self._ready_at = float("-inf")
        self._published_on_disk = book.published

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
        while True:
            try:
                async with self._bus.connect(persistent=True) as link:
                    self._people_up = True
                    async for arrived in link.received():
                        await self._queue.put(arrived)
            except* BusDown:
                pass
            finally:
                self._people_up = False
            await self._clock.sleep(RECONNECT_S)

    async def _supervisor(self) -> None:
        async for line in self._channel.received():
            match line:
                case Adopt() | Command() | Restrict():
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
        acked_before = self.book.proto.acked_n
        if all(isinstance(one, Timer) for one in batch) and not self._timer_due():
            proven = self._proto_timers()
            if not proven:
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
            if self.book.proto.acked_n != acked_before:
                self._enforcer.orders_done(changing, acked_before)
        for one in batch:
            if isinstance(one, Received) and one.done is not None:
                one.done()
        self._after_commit(beats, self._enforcer.out)

    def _timer_due(self) -> bool:
        now = self._clock.boot()
        tick = self.book.run.active and now - self._last_tick >= TICK_S
        health = now - self._health_at >= HEALTH_EVERY_S
        waiting = any(
            one.expires_at is not None and one.expires_at <= self._clock.wall()
            for one in self.book.escalations.values()
        )
        overdue = lease.order_overdue(self.book.proto, now) is not None
        return tick or health or waiting or overdue

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
                self._adopt(changing, one.policy, one.by)
            case Command():
                self._local(changing, one)
            case Restrict():
                self.book.restricted = one.why
            case _:
                assert_never(one)
        return None

    def _arrived(self, changing: Transaction, arrived: Received) -> Beat | None:
        if "/control/request/" in arrived.topic:
            self._desk.take(changing, arrived)
            return None
        message = arrived.message
        if message is None:
            if arrived.problem is not None:
                self._desk.ignore(changing, arrived, arrived.problem.reason)
            return None
        match message.payload:
            case Event() as event:
                self._event(changing, event)
            case Beat() as beat if not arrived.retained:
                if beat.ack is not None:
                    self._acked(changing, beat.ack)
                return beat
            case Ack() as ack:
                self._acked(changing, ack)
            case OrderAck() as done:
                self._order_done(changing, done)
            case _:
                pass  # presence, process and state are for viewers
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

    def _event(self, changing: Transaction, event: Event) -> None:
        folded = self._watch.take(changing, event)
        if folded.step is not EventStep.FOLD:
            return
        self._last_tick = self._clock.boot()
        if folded.broken:
            self._quarantine(changing, event, folded.broken)
        self._direct(changing, event)
        if folded.findings or self.book.health.live:
            self._decide(changing)
        if any(finding.severity.rank >= Severity.WARN.rank for finding in folded.findings):
            self._inspection.soon()

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

    def _direct(self, changing: Transaction, event: Event) -> None:
        """What follows from the event itself, without a detector."""
        body = event.body
        match body:
            case Gated(outcome="ask") if not body.by.startswith("shadow:"):
                self._question(changing, event, body)
            case Gated(outcome="deny", by="hard-denial") if self.book.policy.pause_on_denial:
                self._enforcer.decide_now(
                    changing,
                    rule="hard-denial",
                    latch=f"denial/{event.seq}",
                    reason=f"it tried what is forbidden: {body.reason}",
                    evidence=(event.seq,),
                    channel=Channel.SAFETY,
                )
            case ToolFinished(outcome="in_doubt", error_class="effect"):
                self._enforcer.decide_now(
                    changing,
                    rule="in-doubt",
                    latch=f"in-doubt/{event.seq}",
                    reason=f"a {body.tool} call was started and nobody saw its end; look before it goes on",
                    evidence=(event.seq,),
                    channel=Channel.SAFETY,
                    severity=Severity.WARN,
                )
            case ProviderError(error="auth"):
                self._notice(
                    changing, "provider-auth", Severity.CRIT, f"the provider refuses our key: {body.text}", event
                )
            case RunStarted():
                self.book.unknown_since.clear()
            case RunFinished():
                self._enforcer.withdraw(changing, event.run, "the run is over")
                if body.outcome not in ("done", "stopped"):
                    what = f"run {event.run} ended: {body.outcome}. {body.reason}"
                    self._notice(changing, f"run/{event.run}", Severity.WARN, what, event)
            case _:
                pass

    def _notice(self, changing: Transaction, group: str, severity: Severity, headline: str, event: Event) -> None:
        self._enforcer.tell(
            changing, Tell(group=group, severity=severity, headline=headline[:300], evidence=(event.seq,))
        )

    def _question(self, changing: Transaction, event: Event, body: Gated) -> None:
        if not self._enforcer.may_ask():
            cap = self.book.policy.questions.per_hour
            self._enforcer.order(
                changing,
                event.run,
                AnswerOrder(
                    question=body.question,
                    answer="expired",
                    action_digest=body.action_digest,
                    text=f"more than {cap} questions in an hour: people were not asked",
                ),
            )
            self._enforcer.decide_now(
                changing,
                rule="too-many-questions",
                latch="questions/too-many",
                reason=f"it asked people more than {cap} times in an hour",
                evidence=(event.seq,),
                channel=None,
                severity=Severity.WARN,
            )
            return
        if body.by == "worker":
            subject: ApproveCall | AskedByWorker = AskedByWorker(
                question=body.reason, options=body.options, action_digest=body.action_digest
            )
            headline = f"the worker asks: {body.reason}"
        else:
            subject = ApproveCall(
                tool=body.tool, action_digest=body.action_digest, shown=body.shown, reason=body.reason
            )
            headline = f"may it run {body.tool}: {' '.join(body.shown.split())}"
        tell = Tell(
            group=f"call/{body.call}",
            severity=Severity.WARN,
            headline=headline[:300],
            evidence=(event.seq,),
            subject=subject,
        )
        self._enforcer.tell(changing, tell, id=body.question)

    # --- time ---

    def _timed(self, changing: Transaction) -> None:
        now = self._clock.boot()
        if self.book.run.active and now - self._last_tick >= TICK_S:
            self._last_tick = now
            findings = self._watch.tick(changing, self._clock.wall())
            if findings or self.book.health.live:
                self._decide(changing)
        self._enforcer.run_out(changing)
        self._order_overdue(changing, now)
        self._inspection.standing(changing)
        self._unknown(changing)
        if self._inspection.late():
            with suppress(asyncio.QueueFull):
                self._looks.put_nowait(Look())

    def _order_overdue(self, changing: Transaction, now: float) -> None:
        late = lease.order_overdue(self.book.proto, now)
        if late is None:
            return
        group = f"order/{late.order.n}"
        if any(one.group == group for one in self.book.escalations.values()):
            return
        kind = late.order.body.kind
        headline = (
            f"order {late.order.n} ({kind}) was not acknowledged within {self.book.proto.timing.order_overdue_s:.0f} s"
        )
        self._enforcer.tell(changing, Tell(group=group, severity=Severity.CRIT, headline=headline, evidence=()))
        kill = isinstance(late.order.body, StopOrder)
        self._enforcer.out.lines.append(Decide(what="kill" if kill else "freeze", by="order overdue", reason=headline))

    def _unknown(self, changing: Transaction) -> None:
        """A channel that stays unknown while a run is on goes to people."""
        now = self._clock.boot()
        for state in channels(self.book.health):
            name = state.channel.value
            if state.severity is not Severity.UNKNOWN or not self.book.run.active:
                self.book.unknown_since.pop(name, None)
                continue
            since = self.book.unknown_since.setdefault(name, now)
            group = f"unknown/{name}"
            if now - since > self.book.policy.unknown_escalate_s and not any(
                one.group == group for one in self.book.escalations.values()
            ):
                headline = f"{name} has been unknown for {now - since:.0f} s: {state.headline}"
                self._enforcer.tell(
                    changing, Tell(group=group, severity=Severity.WARN, headline=headline, evidence=state.evidence)
                )

    # --- policy and local commands ---

    def _adopt(self, changing: Transaction, policy: Policy, by: str) -> None:
        if policy.digest == self.book.policy.digest:
            return
        changing.append(
            {
                "kind": "policy",
                "at": self._clock.wall(),
                "body": {"by": by, "from": self.book.policy.digest, "to": policy.digest},
            }
        )
        changing.put(f"policy/{policy.digest}", policy)
        self.book.policy = policy
        self.book.proto = replace(
            self.book.proto,
            policy=policy.digest,
            level=self.book.level or policy.level,
            lrev=self.book.proto.lrev + 1,
        )
        self._enforcer.save(changing)
        self._enforcer.out.push = True

    def _local(self, changing: Transaction, command: Command) -> None:
        """Pause or stop by somebody on this machine, with no broker in between."""
        if command.command == "pause":
            self._enforcer.latch(
                changing, f"local/{command.user}", command.user, command.text or "no reason given", shadow_too=True
            )
            done = Done(id=command.id, ok=True, text=f"paused by {command.user}")
        elif self.book.run.active:
            body = StopOrder(by=command.user, reason=command.text or "no reason given")
            self._enforcer.order(changing, self.book.run.id, body)
            done = Done(id=command.id, ok=True, text=f"run {self.book.run.id} is being stopped")
        else:
            done = Done(id=command.id, ok=False, text="no run is under way")
        self._enforcer.out.lines.append(done)

    # --- after the commit ---

    def _after_commit(self, beats: list[Beat], out: Outgoing) -> None:
        now = self._clock.boot()
        self.book.proto = lease.committed(self.book.proto, self.book.folded_seq)
        answers = []
        for beat in beats:
            self.book.proto, answer = lease.beaten(self.book.proto, now, beat)
            answers.append(answer)
        self.book.proto, kept = lease.kept_answer(self.book.proto, now)
        if kept is not None:
            answers.append(kept)
        if out.push:
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
        for message in out.messages:
            self._put(message)
        if out.inbox:
            self._put(self._enforcer.inbox_message())
        for line in out.lines:
            self._say(line)
        if out.inspect:
            self._inspection.soon()
        self._report(now)
        self._health(now)
        if self._record.head is not None and self._record.head.seq > self.book.published:
            self._rows_due.set()

    def _put(self, message: Message) -> None:
        if self._link is not None:
            with suppress(BusDown):
                self._link.put(message)

    def _say(self, line: Line) -> None:
        with suppress(BusDown):  # the supervisor is gone: its reader ends this process
            self._channel.send(line)

    def _report(self, now: float) -> None:
        """S1 and S3: what the supervisor's dead-man's switch lives on."""
        acked = self.book.proto.acked
        age = lease.lease_report(self.book.proto, now)
        if acked is not None and age is not None and self._reported != (acked.nonce, self.book.proto.acked_at):
            self._reported = (acked.nonce, self.book.proto.acked_at)
            self._say(LeaseReport(epoch=self.book.proto.epoch, age_s=age))
        if self._link is not None and not self.book.proto.overdue and now - self._ready_at >= 1.0:
            self._ready_at = now
            self._say(Ready(epoch=self.book.proto.epoch, status=self._status_line()))

    def _status_line(self) -> str:
        severity = overall(channels(self.book.health)).value
        latches = f", paused by {self.book.proto.latches[0].by}" if self.book.proto.latches else ""
        run = f"{self.book.run.mission} ({self.book.run.id})" if self.book.run.active else "idle"
        waiting = sum(1 for one in self.book.escalations.values() if one.is_open)
        return f"{run}; health {severity}; {waiting} waiting for people{latches}"

    def _health(self, now: float) -> None:
        states = channels(self.book.health)
        summary = (states, self.book.degraded, self.book.run.id)
        if summary == self._health_now and now - self._health_at < HEALTH_EVERY_S:
            return
        if self._link is None:
            return
        before = self._health_now[0] if self._health_now is not None else ()
        again = now - self._health_at >= HEALTH_EVERY_S
        changed = {one.channel for one in states if again or one not in before}
        self._health_now, self._health_at = summary, now
        expires = self._clock.wall() + 120
        for state in states:
            if state.channel in changed:
                report = ChannelReport(health=state)
                self._put(
                    replace(self._enforcer.message(report, f"{state.channel.value}: {state.headline}"), expires=expires)
                )
        worst = overall(states)
        whole = HealthReport(
            severity=worst,
            channels={one.channel: one.severity for one in states},
            run=self.book.run.id,
            degraded=self.book.degraded,
            judge_spent_usd=round(self.book.judge_spent_usd, 6),
            stored_seq=self.book.proto.stored_seq,
        )
        worst_state = max(states, key=lambda one: one.severity.rank)
        self._put(replace(self._enforcer.message(whole, f"{worst.value}: {worst_state.headline}"), expires=expires))

    # --- publishing from the record ---

    def _republish(self, link: Link) -> None:
        """Retained topics anew on every connection."""
        self._health_now, self._health_at = None, float("-inf")
        for one in self.book.escalations.values():
            link.put(self._enforcer.message(one, one.headline, run=one.run))
        link.put(self._enforcer.inbox_message())

    async def _publishing(self) -> None:
        """Verdicts, decisions, escalations: in order from the record; the cursor moves on the broker's word."""
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
                for message in republished(row):
                    await link.send(message)
            self.book.published = rows[-1].seq
