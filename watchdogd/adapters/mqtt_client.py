"""An aiomqtt client for one connection, with the traps closed that FACTS and its source name.

All of them lie where asyncio, aiomqtt and paho meet, so this is the one place that reaches below aiomqtt's surface.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import aiomqtt
from paho.mqtt.client import MQTT_ERR_SUCCESS, MQTTMessage
from paho.mqtt.client import Client as Paho
from paho.mqtt.enums import MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from watchdogd.adapters.mqtt_queues import Arrival, Outgoing, arrival

if TYPE_CHECKING:
    from paho.mqtt.client import ConnectFlags, SocketLike

FAILURES = 0x80
"""MQTT 5, section 2.4: reason codes from here on say that something did not work."""
CONTENT_TYPE = "application/cloudevents+json"
MOST_IN_FLIGHT = 1_000
"""QoS 1 messages sent and not yet acknowledged; lower when the broker's Receive Maximum says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """Who is told what; all of it happens in the loop's thread."""

    message: Callable[[Arrival], None]
    published: Callable[[int, str], None]
    """The message id, and why the broker refused it (empty: it took it)."""
    gone: Callable[[str], None]
    """The connection is over, and why."""


class MqttClient:
    """Connects once, ends once."""

    def __init__(self, client: aiomqtt.Client, heard: Heard, *, manual: bool) -> None:
        self._client, self._heard, self._manual = client, heard, manual
        self._paho: Paho = client._client
        self._v5 = self._paho.protocol == MQTTProtocolVersion.MQTTv5
        self._loop, self._thread = asyncio.get_running_loop(), threading.get_ident()
        self._given_up = False
        self.window = MOST_IN_FLIGHT

    async def enter(self, deadline_s: float) -> None:
        """Connects; when given up meanwhile, the socket is closed as soon as the connecting thread hands it over.

        Raises:
            aiomqtt.MqttError, OSError, ValueError: it did not work.
        """
        paho = self._paho
        paho.on_message, paho.on_publish = self._on_message, self._on_publish
        paho.on_connect, paho.on_disconnect = self._on_connect, self._on_disconnect
        paho.on_socket_open, paho.on_socket_register_write = self._on_open, self._on_wish_to_write
        paho.manual_ack_set(self._manual)
        paho.connect_timeout = deadline_s
        entering = self._loop.create_task(self._client.__aenter__(), name="mqtt connect")
        try:
            await asyncio.shield(entering)
        except BaseException:
            self._given_up = True
            entering.add_done_callback(self._forget)
            raise
        self._client._disconnected.add_done_callback(self._on_gone)

    def _forget(self, entering: asyncio.Task[aiomqtt.Client]) -> None:
        if not entering.cancelled():
            entering.exception()
        self.drop()

    async def subscribe(self, filters: Sequence[tuple[str, int]], deadline_s: float) -> None:
        """Subscribes; retained copies are marked even when they arrive live, so that a retained request is recognised.

        Raises:
            aiomqtt.MqttError: the broker does not allow one of them, or does not answer.
        """
        wanted = (
            [(one, SubscribeOptions(qos=qos, noLocal=self._manual, retainAsPublished=True)) for one, qos in filters]
            if self._v5
            else list(filters)
        )
        answers = await self._client.subscribe(wanted, timeout=deadline_s)
        for (one, _), answer in zip(filters, answers, strict=False):
            code = answer.value if isinstance(answer, ReasonCode) else answer
            if isinstance(code, int) and code >= FAILURES:
                raise aiomqtt.MqttError(f"not allowed to read {one}")

    async def leave(self) -> None:
        """Says goodbye. Raises: aiomqtt.MqttError."""
        await self._client.__aexit__(None, None, None)

    def drop(self) -> None:
        """Closes the socket without a goodbye."""
        self._paho._sock_close()
        for waited_for in (self._client._connected, self._client._disconnected):
            waited_for.cancel()

    def publish(self, one: Outgoing) -> int | None:
        """Hands ``one`` to the socket; its message id, None when it was not taken."""
        info = self._paho.publish(one.topic, one.raw, one.qos, one.retain, self._properties(one))
        return info.mid if info.rc == MQTT_ERR_SUCCESS else None

    def acknowledge(self, mid: int, qos: int) -> None:
        """Tells the broker that a message is done with; nothing to do where that happens by itself."""
        self._paho.ack(mid, qos)

    def _properties(self, one: Outgoing) -> Properties | None:
        if not self._v5 or not one.raw:
            return None
        found = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        found.ContentType = CONTENT_TYPE
        if one.expiry_s is not None:
            found.MessageExpiryInterval = one.expiry_s
        return found

    # --- what paho says -----------------------------------------------------------------------------------------------

    def _on_open(self, client: Paho, userdata: object, sock: SocketLike) -> None:
        self._client._on_socket_open(client, userdata, sock)
        if self._given_up:
            self._loop.call_soon_threadsafe(self.drop)

    def _on_connect(
        self, client: Paho, userdata: object, flags: ConnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        most = getattr(properties, "ReceiveMaximum", None)
        if isinstance(most, int) and most > 0:
            self.window = min(self.window, most)
        self._client._on_connect(client, userdata, flags, reason, properties)

    def _on_disconnect(
        self, client: Paho, userdata: object, flags: object, reason: ReasonCode, properties: Properties | None
    ) -> None:
        """Without this a broker that hangs up before it has said anything is waited for until the deadline."""
        waiting = self._client._connected
        if not waiting.done():
            waiting.set_exception(aiomqtt.MqttError(f"the broker hung up: {reason}"))
        self._client._on_disconnect(client, userdata, flags, reason, properties)  # type: ignore[arg-type]

    def _on_gone(self, done: asyncio.Future[None]) -> None:
        why = None if done.cancelled() else done.exception()
        self._heard.gone(f"the connection to the broker is gone: {why or 'closed'}")

    def _on_wish_to_write(self, client: Paho, userdata: object, sock: SocketLike) -> None:
        """By itself aiomqtt waits for a later turn of the loop: a closed socket's number may be another's by then."""
        del client, userdata
        if threading.get_ident() == self._thread:
            self._watch_writes(sock)
        else:
            self._loop.call_soon_threadsafe(self._watch_writes, sock)

    def _watch_writes(self, sock: SocketLike) -> None:
        if self._paho.socket() is sock:
            self._loop.add_writer(sock.fileno(), self._write)

    def _write(self) -> None:
        try:
            self._paho.loop_write()
        except Exception as why:  # noqa: BLE001 - whatever it was, this connection is over, and its user is told
            self._heard.gone(f"writing failed: {why!r}")

    def _on_publish(
        self, client: Paho, userdata: object, mid: int, reason: ReasonCode, properties: Properties | None
    ) -> None:
        del client, userdata, properties
        self._heard.published(mid, str(reason) if reason.is_failure else "")

    def _on_message(self, client: Paho, userdata: object, message: MQTTMessage) -> None:
        del client, userdata
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = ""
        retained, raw = message.retain, bytes(message.payload)
        self._heard.message(arrival(topic, raw, retained=retained, mid=message.mid, qos=message.qos))
