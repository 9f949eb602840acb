"""Three brokers under one suite: in memory, mosquitto, amqtt."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

import aiomqtt
from typing_extensions import override

from watchdogd.adapters import broker_mosquitto
from watchdogd.adapters.broker import BrokerSpec, RunningBroker, start_broker
from watchdogd.adapters.clock import SystemClock
from watchdogd.adapters.mqtt import MqttBus
from watchdogd.core.errors import BusDown
from watchdogd.core.ids import AgentRef, Role
from watchdogd.ports import Bus, Link, Received
from watchdogd.sim.broker import MemoryBroker, Parcel
from watchdogd.sim.bus import MemoryBus
from watchdogd.wire.topics import Topics

TOPICS = Topics(ref=AgentRef(site="lab", agent="a1"))
PEOPLE = ("anna", "ben")
PATIENCE_S = 30.0
HAVE_MOSQUITTO = broker_mosquitto.found() is not None


class World(Protocol):
    """A broker with everything a test may do to it."""

    name: str
    durable: bool
    marks_retained: bool
    """Live messages published as retained are seen to be."""
    says_denied: bool
    """A refused publish is noticed by who sent it."""

    def bus(self, principal: Role | str, boot: str = "b1") -> Bus: ...

    async def raw(self, principal: Role | str, topic: str, payload: bytes, *, retain: bool = False) -> None: ...

    async def crash(self) -> None:
        """The broker dies and comes back."""
        ...

    def has_saved(self, text: bytes) -> bool:
        """Whether a message with ``text`` in it would survive the broker's death."""
        ...


class MemoryWorld(World):
    name, durable, marks_retained, says_denied = "memory", True, True, True

    def __init__(self) -> None:
        self.clock = SystemClock()
        self.broker = MemoryBroker(TOPICS, clock=self.clock)

    @override
    def bus(self, principal: Role | str, boot: str = "b1") -> Bus:
        return MemoryBus(self.broker, principal, clock=self.clock, boot=boot)

    @override
    async def raw(self, principal: Role | str, topic: str, payload: bytes, *, retain: bool = False) -> None:
        self.broker.publish(principal, Parcel(topic=topic, raw=payload, qos=1, retain=retain))

    @override
    async def crash(self) -> None:
        self.broker.stop()
        self.broker.start()

    @override
    def has_saved(self, text: bytes) -> bool:
        return True


class RealWorld(World):
    def __init__(self, running: RunningBroker) -> None:
        self.running, self.clock = running, SystemClock()
        self.name = running.connection.kind
        self.durable = self.marks_retained = self.says_denied = self.name == "mosquitto"

    @override
    def bus(self, principal: Role | str, boot: str = "b1") -> Bus:
        return MqttBus(self.running.connection, principal, clock=self.clock, boot=boot)

    @override
    async def raw(self, principal: Role | str, topic: str, payload: bytes, *, retain: bool = False) -> None:
        made = self.running.connection
        user, password = made.login(principal)
        protocol = aiomqtt.ProtocolVersion.V5 if made.version == 5 else aiomqtt.ProtocolVersion.V311
        async with aiomqtt.Client(
            made.host, made.port, username=user, password=password, protocol=protocol, timeout=PATIENCE_S
        ) as client:
            await client.publish(topic, payload, qos=1, retain=retain)

    @override
    async def crash(self) -> None:
        child = self.running.child
        assert child is not None
        starts = child.starts
        os.kill(child.pid, signal.SIGKILL)
        await until(lambda: child.starts > starts)
        await until_reachable(self.bus("ben"))

    @override
    def has_saved(self, text: bytes) -> bool:
        saved = self.running.path.parent / "broker/mosquitto.db"
        return saved.exists() and text in saved.read_bytes()


@asynccontextmanager
async def world_of(kind: str, directory: Path) -> AsyncIterator[World]:
    if kind == "memory":
        yield MemoryWorld()
        return
    spec = BrokerSpec(
        topics=TOPICS,
        state_dir=directory,
        operators=PEOPLE,
        kind="mosquitto" if kind == "mosquitto" else "amqtt",
        allow_amqtt=True,
    )
    async with start_broker(spec, clock=SystemClock()) as running:
        yield RealWorld(running)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await asyncio.sleep(0.01)


async def until_reachable(bus: Bus) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                async with bus.connect():
                    return
            except BusDown:
                await asyncio.sleep(0.02)


async def next_of(link: Link, wanted: Callable[[Received], bool], count: int = 1) -> list[Received]:
    """The next ``count`` arrivals that are ``wanted``; others are passed over."""
    found: list[Received] = []
    async with asyncio.timeout(PATIENCE_S):
        async for one in link.received():
            if wanted(one):
                found.append(one)
                if len(found) == count:
                    break
    return found


def cut(link: Link) -> None:
    """The connection dies without a goodbye."""
    link.abort("cut by the test")  # type: ignore[attr-defined]
