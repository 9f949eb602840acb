"""One connection to a broker: keeps order, acknowledges, notices when it is dead, and ends."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import aiomqtt
from paho.mqtt.client import MQTT_ERR_SUCCESS, MQTTMessage
from paho.mqtt.client import Client as Paho
from paho.mqtt.enums import MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from watchdogd.adapters.mqtt_queues import Arrival, Inbox, Outbox, Outgoing, arrival
from watchdogd.core.errors import BusDown, WireError
from watchdogd.ports import Clock, Received
from watchdogd.wire.envelope import encode, opened, stamped
from watchdogd.wire.messages import Message
from watchdogd.wire.topics import Topics, matches

if TYPE_CHECKING:
    from paho.mqtt.client import ConnectFlags

MOST_IN_FLIGHT = 1_000
"""QoS 1 messages sent and not yet acknowledged; lower when the broker's Receive Maximum says so."""
LONGEST_EXPIRY_S = 2**32 - 1
"""MQTT 5, section 3.3.2.3.3."""
CONTENT_TYPE = "application/cloudevents+json"


class MqttLink:
    """A link over one aiomqtt client that was never used before and will never be used again."""

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
        self._client, self._topics, self._filters, self._clock = client, topics, filters, clock
        self._inner: Paho = client._client
        self._v5 = self._inner.protocol == MQTTProtocolVersion.MQTTv5
        self._deadline_s, self._manual = deadline_s, manual
        self._loop = asyncio.get_running_loop()
        self._inbox, self._outbox = Inbox(), Outbox()
        self._in_flight: dict[int, Outgoing] = {}
        self._window = MOST_IN_FLIGHT
        self._notices: list[Received] = []
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
        inner = self._inner
        inner.on_message, inner.on_publish = self._on_message, self._on_publish
        inner.on_connect, inner.on_disconnect = self._on_connect, self._on_disconnect
        inner.manual_ack_set(self._manual)
        inner.connect_timeout = self._deadline_s
        try:
            async with asyncio.timeout(self._deadline_s):
                await self._enter()
                if self._filters:
                    await self._subscribe()
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

    async def _enter(self) -> None:
        """Connects; when given up meanwhile, the socket is closed as soon as the connecting thread hands it over."""
        entering = self._loop.create_task(self._client.__aenter__(), name="mqtt connect")
        try:
            await asyncio.shield(entering)
        except BaseException:
            entering.add_done_callback(self._forget)
            raise
        self._client._disconnected.add_done_callback(self._on_disconnected)

    def _forget(self, entering: asyncio.Task[aiomqtt.Client]) -> None:
        if not entering.cancelled():
            entering.exception()
        self._inner._sock_close()

    async def _subscribe(self) -> None:
        wanted = (
            [(one, _options(qos, no_local=self._manual)) for one, qos in self._filters]
            if self._v5
            else list(self._filters)
        )
        for one, answer in zip(
            self._filters, await self._client.subscribe(wanted, timeout=self._deadline_s), strict=False
        ):
            code = answer.value if isinstance(answer, ReasonCode) else answer
            if isinstance(code, int) and code >= 0x80:
                raise aiomqtt.MqttError(f"not allowed to read {one[0]}")

    async def close(self) -> None:
        """Sends what waits and says goodbye; the last will is not delivered."""
        if self._broken is None:
            with suppress(BusDown, aiomqtt.MqttError, TimeoutError):
                async with asyncio.timeout(self._deadline_s):
                    await self._flushed()
                    await self._client.__aexit__(None, None, None)
        self.abort("closed")

    def abort(self, why: str) -> None:
        """Drops the connection without a goodbye: the broker will deliver the last will."""
        self._break(BusDown(why))
        if self._check is not None:
            self._check.cancel()
        self._inner._sock_close()
        done = self._client._disconnected
        if not done.done():
            done.cancel()

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
        taken: asyncio.Future[None] = self._loop.create_future()
        one = self._outgoing(message)
        one.taken = taken
        self._enqueue(one)
        try:
            async with asyncio.timeout(self._deadline_s):
                await taken
        except TimeoutError:
            self._break(BusDown(f"no acknowledgement for {one.topic} within {self._deadline_s:g} s"))
            raise BusDown(f"no acknowledgement for {one.topic} within {self._deadline_s:g} s") from None

    def put(self, message: Message) -> None:
        """Publishes without waiting, in order with everything else on this link.

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
            if one.qos and len(self._in_flight) >= self._window:
                return
            self._outbox.pop()
            info = self._inner.publish(one.topic, one.raw, one.qos, one.retain, self._properties(one))
            if info.rc != MQTT_ERR_SUCCESS:
                resolve(one, BusDown(f"{one.topic} could not be sent"))
                self._break(BusDown(f"{one.topic} could not be sent (paho {int(info.rc)})"))
                return
            one.sent_at = self._loop.time()
            if one.qos or one.taken is not None:
                self._in_flight[info.mid] = one

    def _properties(self, one: Outgoing) -> Properties | None:
        if not self._v5 or not one.raw:
            return None
        found = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        found.ContentType = CONTENT_TYPE
        if one.expiry_s is not None:
            found.MessageExpiryInterval = one.expiry_s
        return found

    # --- what the broker says -----------------------------------------------------------------------------------------

    def _on_connect(
        self,
        client: Paho,
        userdata: object,
        flags: ConnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        most = getattr(properties, "ReceiveMaximum", None)
        if isinstance(most, int) and most > 0:
            self._window = min(self._window, most)
        self._client._on_connect(client, userdata, flags, reason, properties)

    def _on_disconnect(
        self, client: Paho, userdata: object, flags: object, reason: ReasonCode, properties: Properties | None
    ) -> None:
        """Aiomqtt waits out its deadline when the broker hangs up before it has said anything."""
        waiting = self._client._connected
        if not waiting.done():
            waiting.set_exception(aiomqtt.MqttError(f"the broker hung up: {reason}"))
        self._client._on_disconnect(client, userdata, flags, reason, properties)  # type: ignore[arg-type]

    def _on_publish(
        self, client: Paho, userdata: object, mid: int, reason: ReasonCode, properties: Properties | None
    ) -> None:
        del client, userdata, properties
        one = self._in_flight.pop(mid, None)
        if one is not None:
            problem = BusDown(f"the broker refused {one.topic}: {reason}") if reason.is_failure else None
            if problem is not None and one.taken is None:
                self._notices.append(Received(topic=one.topic, message=None, problem=WireError("denied", str(problem))))
                self._inbox.wake()
            resolve(one, problem)
        self._pump()
        if self._drained is not None and not self._in_flight and not len(self._outbox):
            settle(self._drained, None)

    def _on_message(self, client: Paho, userdata: object, message: MQTTMessage) -> None:
        del client, userdata
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = ""
        if topic and not any(matches(one, topic) for one, _ in self._filters):
            self._acknowledge(message.mid, message.qos)
            return  # amqtt sends retained messages nobody subscribed to
        one = arrival(topic, bytes(message.payload), retained=message.retain, mid=message.mid, qos=message.qos)
        self._inbox.add(one)

    def _on_disconnected(self, done: asyncio.Future[None]) -> None:
        why = None if done.cancelled() else done.exception()
        self._break(BusDown(f"the connection to the broker is gone: {why or 'closed'}"))

    def _look(self) -> None:
        """A half-open link shows as an acknowledgement that does not come."""
        now = self._loop.time()
        oldest = next(iter(self._in_flight.values()), None)
        if oldest is not None and now - oldest.sent_at > self._deadline_s:
            self.abort(f"no acknowledgement for {oldest.topic} within {self._deadline_s:g} s")
        elif self._broken is None:
            self._check = self._loop.call_later(self._deadline_s / 4, self._look)

    def _break(self, why: BusDown) -> None:
        if self._broken is not None:
            return
        self._broken = why
        for one in (*self._in_flight.values(), *self._outbox.drain()):
            resolve(one, BusDown(str(why)))
        self._in_flight.clear()
        if self._drained is not None:
            settle(self._drained, why)
        self._inbox.wake()

    # --- reading ------------------------------------------------------------------------------------------------------

    async def received(self) -> AsyncIterator[Received]:
        """What arrives, in order, until the link breaks.

        Raises:
            BusDown: the link broke; everything that had arrived was delivered before.
        """
        while True:
            while self._notices:
                yield self._notices.pop(0)
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
        done = partial(self._acknowledge, one.mid, one.qos) if self._manual else None
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
            done=done,
        )

    def _acknowledge(self, mid: int, qos: int) -> None:
        if self._manual and self._broken is None:
            self._inner.ack(mid, qos)


def _options(qos: int, *, no_local: bool) -> SubscribeOptions:
    """Retained copies are marked as such even when they arrive live: a retained request is recognised."""
    return SubscribeOptions(qos=qos, noLocal=no_local, retainAsPublished=True)


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
