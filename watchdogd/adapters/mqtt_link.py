"""One connection to a broker: keeps order, acknowledges, notices when it is dead, and ends."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial

import aiomqtt

from watchdogd.adapters.mqtt_client import Heard, MqttClient
from watchdogd.adapters.mqtt_queues import Arrival, Inbox, Outbox, Outgoing
from watchdogd.core.errors import BusDown, WireError
from watchdogd.ports import Clock, Received
from watchdogd.wire.envelope import encode, opened, stamped
from watchdogd.wire.messages import Message
from watchdogd.wire.topics import Topics, matches

LONGEST_EXPIRY_S = 2**32 - 1
"""MQTT 5, section 3.3.2.3.3."""
MOST_NOTICES = 1_000
"""Refused publishes kept for the reader; the oldest go first."""


class MqttLink:
    """A link over one client that was never used before and will never be used again."""

    def __init__(
        self,
        client: aiomqtt.Client,
        topics: Topics,
        filters: tuple[tuple[str, int], ...],
        *,
        clock: Clock,
        deadline_s: float,
        manual: bool,
    ) -> None:
        heard = Heard(message=self._arrived, published=self._published, gone=self._gone)
        self._client = MqttClient(client, heard, manual=manual)
        self._topics, self._filters, self._clock = topics, filters, clock
        self._deadline_s, self._manual = deadline_s, manual
        self._loop = asyncio.get_running_loop()
        self._inbox, self._outbox = Inbox(), Outbox()
        self._in_flight: dict[int, Outgoing] = {}
        self._notices: deque[Received] = deque(maxlen=MOST_NOTICES)
        self._told_dropped = 0
        self._broken: BusDown | None = None
        self._drained: asyncio.Future[None] | None = None
        self._check: asyncio.TimerHandle | None = None

    # --- opening and ending -------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Connects and subscribes.

        Raises:
            BusDown: it did not work within the deadline.
        """
        try:
            async with asyncio.timeout(self._deadline_s):
                await self._client.enter(self._deadline_s)
                if self._filters:
                    await self._client.subscribe(self._filters, self._deadline_s)
        except TimeoutError:
            self.abort("no connection in time")
            raise BusDown(f"the broker did not answer within {self._deadline_s:g} s") from None
        except (aiomqtt.MqttError, OSError, ValueError) as why:
            self.abort(str(why))
            raise BusDown(f"no connection to the broker: {why}") from None
        except BaseException:
            self.abort("given up")
            raise
        self._check = self._loop.call_later(self._deadline_s / 4, self._look)

    async def close(self) -> None:
        """Sends what waits and says goodbye; the last will is not delivered."""
        if self._broken is None:
            with suppress(BusDown, aiomqtt.MqttError, TimeoutError):
                async with asyncio.timeout(self._deadline_s):
                    await self._flushed()
                    await self._client.leave()
        self.abort("closed")

    def abort(self, why: str) -> None:
        """Drops the connection without a goodbye: the broker will deliver the last will."""
        self._gone(why)
        if self._check is not None:
            self._check.cancel()
        self._client.drop()

    async def _flushed(self) -> None:
        if self._in_flight or len(self._outbox):
            self._drained = self._loop.create_future()
            await self._drained

    # --- sending ------------------------------------------------------------------------------------------------------

    async def send(self, message: Message) -> None:
        """Publishes; returns once the broker (QoS 1) or the socket (QoS 0) has it.

        Raises:
            BusDown: it was not taken within the deadline, or the broker does not allow it.
            WireError: it does not fit on the wire.
        """
        one = self._outgoing(message)
        one.taken = self._loop.create_future()
        self._enqueue(one)
        try:
            async with asyncio.timeout(self._deadline_s):
                await one.taken
        except TimeoutError:
            why = f"no acknowledgement for {one.topic} within {self._deadline_s:g} s"
            self._gone(why)
            raise BusDown(why) from None

    def put(self, message: Message) -> None:
        """Publishes without waiting, in order with everything else on this link.

        A refusal by the broker appears among what is received, as a problem ``denied``.

        Raises:
            BusDown: the link is broken, or too much waits already.
            WireError: it does not fit on the wire.
        """
        self._enqueue(self._outgoing(message))

    def clear_retained(self, topic: str) -> None:
        """Removes a retained copy that must not be there. Raises: BusDown."""
        self._enqueue(Outgoing(topic=topic, raw=b"", qos=1, retain=True))

    def _outgoing(self, message: Message) -> Outgoing:
        message = stamped(message)
        topic, raw, route = encode(self._topics, message)
        left = None if message.expires is None else math.ceil(message.expires - self._clock.wall())
        expiry_s = None if left is None else min(max(1, left), LONGEST_EXPIRY_S)
        return Outgoing(topic=topic, raw=raw, qos=route.qos, retain=route.retain, expiry_s=expiry_s)

    def _enqueue(self, one: Outgoing) -> None:
        if self._broken is not None:
            raise BusDown(str(self._broken))
        if not self._outbox.add(one):
            raise BusDown("too much waits to be sent")
        self._pump()

    def _pump(self) -> None:
        """Hands over what may go: order holds because nothing overtakes, whatever its QoS."""
        while self._broken is None and (one := self._outbox.first) is not None:
            if one.qos and len(self._in_flight) >= self._client.window:
                return
            self._outbox.pop()
            mid = self._client.publish(one)
            if mid is None:
                resolve(one, BusDown(f"{one.topic} could not be sent"))
                self._gone(f"{one.topic} could not be sent")
                return
            one.sent_at = self._loop.time()
            if one.qos or one.taken is not None:
                self._in_flight[mid] = one

    # --- what the broker says -----------------------------------------------------------------------------------------

    def _published(self, mid: int, refusal: str) -> None:
        one = self._in_flight.pop(mid, None)
        if one is not None:
            problem = BusDown(f"the broker refused {one.topic}: {refusal}") if refusal else None
            if problem is not None and one.taken is None:
                self._notices.append(Received(topic=one.topic, message=None, problem=WireError("denied", str(problem))))
                self._inbox.wake()
            resolve(one, problem)
        self._pump()
        if self._drained is not None and not self._in_flight and not len(self._outbox):
            settle(self._drained, None)

    def _arrived(self, one: Arrival) -> None:
        if one.topic and not any(matches(pattern, one.topic) for pattern, _ in self._filters):
            self._acknowledge(one)
            return  # amqtt sends retained messages nobody subscribed to
        self._inbox.add(one)

    def _look(self) -> None:
        """A half-open link shows as an acknowledgement that does not come."""
        now = self._loop.time()
        oldest = next(iter(self._in_flight.values()), None)
        if oldest is not None and now - oldest.sent_at > self._deadline_s:
            self._gone(f"no acknowledgement for {oldest.topic} within {self._deadline_s:g} s")
        elif self._broken is None:
            self._check = self._loop.call_later(self._deadline_s / 4, self._look)

    def _gone(self, why: str) -> None:
        if self._broken is not None:
            return
        self._broken = BusDown(why)
        for one in (*self._in_flight.values(), *self._outbox.drain()):
            resolve(one, BusDown(why))
        self._in_flight.clear()
        if self._drained is not None:
            settle(self._drained, BusDown(why))
        self._inbox.wake()

    # --- reading ------------------------------------------------------------------------------------------------------

    async def received(self) -> AsyncIterator[Received]:
        """What arrives, in order, until the link breaks.

        Raises:
            BusDown: the link broke; everything that had arrived was delivered before.
        """
        while True:
            while self._notices:
                yield self._notices.popleft()
            one = self._inbox.next()
            if one is not None:
                yield self._read(one)
            elif self._inbox.dropped > self._told_dropped:
                yield self._flooded()
            elif self._broken is not None:
                raise BusDown(str(self._broken))
            else:
                await self._inbox.more()

    def _flooded(self) -> Received:
        lost, self._told_dropped = self._inbox.dropped - self._told_dropped, self._inbox.dropped
        problem = WireError("flooded", f"{lost} messages came faster than they could be read and were dropped")
        return Received(topic=self._topics.root, message=None, problem=problem)

    def _read(self, one: Arrival) -> Received:
        message, problem = (
            (None, WireError("too-large", f"{one.size} bytes"))
            if one.raw is None
            else opened(self._topics, one.topic, one.raw)
        )
        return Received(
            topic=one.topic,
            message=message,
            problem=problem,
            retained=one.retained,
            digest=one.digest,
            size=one.size,
            done=partial(self._acknowledge, one) if self._manual else None,
        )

    def _acknowledge(self, one: Arrival) -> None:
        if self._manual and self._broken is None:
            self._client.acknowledge(one.mid, one.qos)


def resolve(one: Outgoing, problem: BusDown | None) -> None:
    """Tells whoever waits for ``one``."""
    if one.taken is not None:
        settle(one.taken, problem)


def settle(waiting: asyncio.Future[None], problem: BusDown | None) -> None:
    """Ends a wait, well or with ``problem``; one that was given up stays so."""
    if waiting.done():
        return
    if problem is None:
        waiting.set_result(None)
    else:
        waiting.set_exception(problem)
