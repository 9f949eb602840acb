"""The bus over MQTT: a new client for every connection, made by aiomqtt and known nowhere else."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

import aiomqtt
from paho.mqtt.client import MQTT_CLEAN_START_FIRST_ONLY
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from typing_extensions import override

from watchdogd.adapters.broker_connection import Connection
from watchdogd.adapters.mqtt_link import MqttLink
from watchdogd.core.errors import BusDown
from watchdogd.core.ids import Role
from watchdogd.ports import Bus, Clock, Link
from watchdogd.wire.envelope import encode
from watchdogd.wire.messages import Message
from watchdogd.wire.presence import presence
from watchdogd.wire.topics import Topics

KEEPALIVE_S = 15
"""PROTOCOL 3; the broker gives a silent client up after 1.5 times this."""
SESSION_S = 7 * 24 * 3600
"""How long the broker keeps people's requests for an overseer that is away."""
MOST_UNCOMMITTED = 100
"""Requests the broker sends ahead of their ``done`` (Receive Maximum); the rest waits there."""
LARGEST_PACKET = 2 * 1024 * 1024
"""Bytes; larger ones the broker keeps to itself, so that no payload can exhaust our memory."""


class MqttBus(Bus):
    """A broker, as one principal: a role, or a person by name."""

    def __init__(
        self,
        connection: Connection,
        principal: Role | str,
        *,
        clock: Clock,
        boot: str = "",
        deadline_s: float = 10,
        keepalive_s: int = KEEPALIVE_S,
        nodelay: bool = True,
    ) -> None:
        self._connection, self._principal, self._clock, self._boot = connection, principal, clock, boot
        self._topics: Topics = connection.topics
        self._deadline_s, self._keepalive_s, self._nodelay = deadline_s, keepalive_s, nodelay

    @override
    @asynccontextmanager
    async def connect(self, *, persistent: bool = False) -> AsyncIterator[Link]:
        """A new connection with its subscriptions made and its presence published.

        Left in order or cancelled, it says ``offline``; left by an error, the last will says ``lost``.

        Raises:
            BusDown: no connection within the deadline.
        """
        announced = isinstance(self._principal, Role) and not persistent
        link = self._link(persistent=persistent, announced=announced)
        await link.open()
        try:
            if announced:
                await link.send(self._presence("online"))
            yield link
        except (Exception, GeneratorExit) as why:
            link.abort(f"left by {type(why).__name__}")
            raise
        except BaseException:
            await self._leave(link, announced=announced)
            raise
        else:
            await self._leave(link, announced=announced)

    async def _leave(self, link: MqttLink, *, announced: bool) -> None:
        try:
            if announced:
                link.put(self._presence("offline"))
        except BusDown:
            link.abort("was broken already")
        else:
            await link.close()

    def _presence(self, status: Literal["online", "offline", "lost"]) -> Message:
        return presence(Role(self._principal), status, boot=self._boot, at=self._clock.wall())

    def _link(self, *, persistent: bool, announced: bool) -> MqttLink:
        made = self._connection
        kept = persistent and made.durable
        user, password = made.login(self._principal)
        v5 = made.version == 5
        properties = Properties(PacketTypes.CONNECT) if v5 else None  # type: ignore[no-untyped-call]
        if properties is not None:
            properties.MaximumPacketSize = LARGEST_PACKET
            if kept:
                properties.SessionExpiryInterval = SESSION_S
                properties.ReceiveMaximum = MOST_UNCOMMITTED
        client = aiomqtt.Client(
            made.host,
            made.port,
            username=user,
            password=password,
            identifier=self._client_id(persistent=persistent),
            protocol=aiomqtt.ProtocolVersion.V5 if v5 else aiomqtt.ProtocolVersion.V311,
            will=self._will() if announced else None,
            clean_session=None if v5 else not kept,
            clean_start=not kept if v5 else MQTT_CLEAN_START_FIRST_ONLY,
            timeout=self._deadline_s,
            keepalive=self._keepalive_s,
            max_inflight_messages=65_535,
            properties=properties,
            tls_context=made.tls_context(),
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)] if self._nodelay else None,
        )
        return MqttLink(
            client,
            self._topics,
            self._topics.subscriptions(self._principal, requests=persistent),
            clock=self._clock,
            deadline_s=self._deadline_s,
            manual=kept,
        )

    def _client_id(self, *, persistent: bool) -> str:
        """A role's is the same every time, so that a new connection ends a half-open old one before it says online."""
        ref = self._topics.ref
        if isinstance(self._principal, Role):
            return f"watchdogd-{ref.site}-{ref.agent}-{self._principal}{'-requests' if persistent else ''}"
        return f"watchdogd-{self._principal}-{self._clock.nonce()}"

    def _will(self) -> aiomqtt.Will:
        topic, raw, route = encode(self._topics, self._presence("lost"))
        return aiomqtt.Will(topic, raw, qos=route.qos, retain=route.retain)


def raw_client(connection: Connection, principal: Role | str, *, clock: Clock, deadline_s: float) -> aiomqtt.Client:
    """A client that leaves no trace: no presence, no subscription, no session. An empty name logs in as nobody."""
    user, password = connection.login(principal) if principal else (None, None)
    return aiomqtt.Client(
        connection.host,
        connection.port,
        username=user,
        password=password,
        identifier=f"watchdogd-look-{clock.nonce()}",
        protocol=aiomqtt.ProtocolVersion.V5 if connection.version == 5 else aiomqtt.ProtocolVersion.V311,
        timeout=deadline_s,
        tls_context=connection.tls_context(),
        socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
    )


async def reachable(connection: Connection, principal: Role | str, *, clock: Clock, deadline_s: float) -> str:
    """Why ``principal`` cannot connect; empty when it can."""
    client = raw_client(connection, principal, clock=clock, deadline_s=deadline_s)
    link = MqttLink(client, connection.topics, (), clock=clock, deadline_s=deadline_s, manual=False)
    try:
        await link.open()
    except BusDown as why:
        return str(why)
    await link.close()
    return ""
