"""The worker's end of the bus: rows out, beats out, leases and orders in (PROTOCOL W1-W6)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Protocol

from watchdogd.core.errors import BusDown, RecordError, WireError
from watchdogd.core.events import Event, Impact
from watchdogd.core.ids import Role
from watchdogd.core.lease import worker as lease
from watchdogd.core.lease.messages import Ack, Answer, Beat, Latch, Level, Mode, Order, OrderAck, Timing
from watchdogd.core.lease.worker import Control, OrderStep, Wait, WorkerState
from watchdogd.ports import Bus, Clock, Link, Record
from watchdogd.wire.messages import Message, WorkerStatus
from watchdogd.worker.headlines import headline
from watchdogd.worker.journal import Journal

RECONNECT_S = 0.5
"""Pause between two attempts to reach the broker (seconds)."""
REPEAT_STATE_S = 60
"""The retained state is repeated this often, so that a viewer sees that it lives (seconds)."""


class Orders(Protocol):
    """Carries out orders."""

    def apply(self, order: Order) -> str:
        """Applies ``order`` and its number in one synced transaction; a note when it could not be done as asked."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the overseer last said, for the rest of the worker."""

    level: Level
    mode: Mode
    policy: str


class Controller:
    """Owns the protocol's state; everything else asks it."""

    def __init__(
        self, *, bus: Bus, record: Record, journal: Journal, clock: Clock, timing: Timing, boot: str, mode: Mode
    ) -> None:
        self._bus, self._record, self._journal, self._clock = bus, record, journal, clock
        durable = record.load(Control, "control") or Control()
        self._state = WorkerState(
            boot=boot,
            control=durable,
            durable=durable,
            last_n=record.load(int, "last_n") or 0,
            head=journal.head,
            mode=mode,
            timing=timing,
        )
        journal.on_rows = self._rows
        self.orders: Orders | None = None
        self._changed = asyncio.Event()
        self._to_send = asyncio.Event()
        self._beat_now = asyncio.Event()
        self._waiting = 0
        self._last_beat = -1e9
        self._acked: Ack | None = None
        self._status = WorkerStatus(status="idle")
        self._status_dirty = True
        self._link: Link | None = None

    # --- what the gate asks ---

    @property
    def told(self) -> Told:
        """Level, mode and policy as last heard from the overseer."""
        return Told(level=self._state.level, mode=self._state.mode, policy=self._state.policy)

    @property
    def latch(self) -> Latch | None:
        """The latch in force."""
        return lease.latch_in_force(self._state)

    @property
    def latches(self) -> tuple[Latch, ...]:
        """All latches, in force or not."""
        return self._state.control.latches

    @property
    def last_n(self) -> int:
        """The newest order applied."""
        return self._state.last_n

    @property
    def lease_until(self) -> float:
        """When the lease ends (CLOCK_BOOTTIME seconds); no lease = the past; shadow mode = never."""
        if self._state.mode is Mode.SHADOW:
            return float("inf")
        return self._state.lease.until if self._state.lease is not None else float("-inf")

    @property
    def lease_name(self) -> tuple[int, str]:
        """Epoch and nonce of the lease, for the record."""
        held = self._state.lease
        return (held.epoch, held.nonce) if held is not None else (0, "")

    def second_look(self) -> Wait | None:
        """Latches and lease, right now."""
        return lease.second_look(self._state, self._clock.boot())

    def may_start(self, impact: Impact, intent_seq: int, started: tuple[int, ...]) -> Wait | None:
        """Whether the protocol lets a call start now."""
        return lease.may_start(self._state, self._clock.boot(), impact, intent_seq, started)

    @property
    def launching(self) -> bool:
        """A tool is being spawned."""
        return self._state.launching

    @property
    def launch_dead(self) -> bool:
        """The launch under way can only abort, and its launcher may never say so."""
        return lease.launch_dead(self._state, self._clock.boot())

    def launch_began(self) -> None:
        """A tool is being spawned."""
        self._state = lease.launch_began(self._state)

    def launch_over(self) -> None:
        """Exec is confirmed or will never happen."""
        self._state = lease.launch_over(self._state)
        self._acknowledge()

    def call_over(self) -> None:
        """No call is running."""
        self._state = lease.call_over(self._state)
        self._acknowledge()

    async def change(self, *, fast: bool = False, at_most_s: float = 1.0) -> None:
        """Waits until something was heard (or ``at_most_s`` passed: a lease also ends by time alone).

        Args:
            fast: a call waits for the overseer to process it: beat at the protocol's highest rate.
            at_most_s: seconds.
        """
        if fast:
            self._waiting += 1
            self._beat_now.set()
        self._changed.clear()
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(at_most_s):
                    await self._changed.wait()
        finally:
            if fast:
                self._waiting -= 1

    def poke(self) -> None:
        """Wakes whoever waits for a change."""
        self._changed.set()

    def say(self, status: WorkerStatus) -> None:
        """Publishes what the worker is doing, when it changed."""
        if replace(status, since=0) != replace(self._status, since=0):
            self._status, self._status_dirty = status, True
            self._to_send.set()

    @property
    def status(self) -> WorkerStatus:
        """What was last said."""
        return self._status

    # --- rows ---

    def _rows(self, head: int) -> None:
        self._state = lease.rows_synced(self._state, head)
        self._to_send.set()

    # --- the connection ---

    async def run(self) -> None:
        """Keeps a connection for as long as the worker lives; a fresh one each time."""
        while True:
            try:
                async with self._bus.connect() as link:
                    await self._serve(link)
            except* (BusDown, WireError):
                pass  # a row that cannot travel holds the worker: no lease is granted beyond it
            finally:
                self._link = None
                self._state = lease.disconnected(self._state)
            await self._clock.sleep(RECONNECT_S)

    async def _serve(self, link: Link) -> None:
        self._state = lease.connected(self._state)
        self._link, self._acked, self._status_dirty = link, None, True
        self._to_send.set()
        self._beat_now.set()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._sending(link), name="rows")
            tasks.create_task(self._beating(link), name="beats")
            tasks.create_task(self._hearing(link), name="answers")

    async def _sending(self, link: Link) -> None:
        while True:
            await self._to_send.wait()
            self._to_send.clear()
            self._send_rows(link)
            if self._status_dirty:
                self._status_dirty = False
                await link.send(self._message(self._status, self._status.why or self._status.status))

    def _send_rows(self, link: Link) -> None:
        due = lease.rows_to_send(self._state)
        if not due:
            return
        for event in self._journal.events(due.start, due.stop - 1):
            link.put(self._event(event))
        self._state = lease.rows_sent(self._state, due.stop - 1)

    async def _beating(self, link: Link) -> None:
        while True:
            pause = lease.next_beat_in(self._state, self._clock.boot(), waiting=self._waiting > 0)
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._beat_now.wait()
            self._beat_now.clear()
            too_soon = self._last_beat + self._state.timing.fast_beat_s - self._clock.boot()
            if too_soon > 0:
                await self._clock.sleep(too_soon)
            if lease.needs_new_connection(self._state):
                raise BusDown("two beats went unanswered")
            self._send_rows(link)
            now = self._clock.boot()
            self._last_beat = now
            self._state, asking = lease.beat(self._state, now, self._clock.nonce())
            expires = self._clock.wall() + self._state.timing.ttl_s
            link.put(self._message(asking, f"asks for a lease up to row {asking.head_seq}", expires=expires))

    async def _hearing(self, link: Link) -> None:
        async for arrived in link.received():
            if arrived.message is None or arrived.retained:
                continue
            match arrived.message.payload:
                case Answer() as answer:
                    self._heard(answer)
                case Order() as order:
                    await self._ordered(link, order)
                case _:
                    continue

    def _heard(self, answer: Answer) -> None:
        self._state, heard = lease.answered(self._state, self._clock.boot(), answer)
        if not heard.accepted:
            return
        if heard.sync is not None:
            try:
                with self._record.transaction() as changing:
                    changing.put("control", heard.sync)
            except RecordError:
                return  # not on disk, so not acknowledged; the latches hold in memory already
            self._state = lease.synced(self._state, heard.sync)
        if heard.went_back:
            self._to_send.set()
        self._acknowledge()
        self._changed.set()

    def _acknowledge(self) -> None:
        now = lease.ack(self._state)
        if now is None or now == self._acked or self._link is None:
            return
        try:
            self._link.put(self._message(now, "accepted", expires=self._clock.wall() + self._state.timing.ttl_s))
        except BusDown:
            return
        self._acked = now

    async def _ordered(self, link: Link, order: Order) -> None:
        step = lease.order_step(self._state, order)
        if step is OrderStep.IGNORE or self.orders is None:
            return
        note = ""
        if step is OrderStep.APPLY:
            try:
                note = self.orders.apply(order)
            except RecordError:
                return  # not applied: it comes again
            self._state = lease.order_applied(self._state, order.n)
            self._changed.set()
        await link.send(self._message(OrderAck(n=self._state.last_n, note=note), f"order {order.n} applied"))

    def _event(self, event: Event) -> Message:
        return Message(
            payload=event,
            headline=headline(event),
            at=event.at or 0.0,
            source=Role.WORKER,
            boot=event.boot,
            seq=event.seq,
            run=event.run,
            policy=self._state.policy,
            digest=event.digest,
        )

    def _message(
        self, payload: Ack | WorkerStatus | OrderAck | Beat, text: str, *, expires: float | None = None
    ) -> Message:
        return Message(
            payload=payload,
            headline=text,
            at=self._clock.wall(),
            source=Role.WORKER,
            boot=self._state.boot,
            run=self._journal.run,
            policy=self._state.policy,
            expires=expires,
        )

    async def farewell(self, publish: Callable[[Link], Awaitable[None]] | None = None) -> None:
        """Gives what is recorded a last chance to leave, within the broker's own deadline."""
        if self._link is None:
            return
        with suppress(BusDown):
            self._send_rows(self._link)
            if publish is not None:
                await publish(self._link)
