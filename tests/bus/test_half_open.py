"""A connection that only looks alive is noticed; nobody waits for ever."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

import psutil
import pytest

from tests.bus import samples
from tests.bus.worlds import HAVE_MOSQUITTO, PATIENCE_S, RealWorld, next_of, until, world_of
from watchdogd.adapters.clock import SystemClock
from watchdogd.adapters.mqtt import MqttBus
from watchdogd.core.errors import BusDown
from watchdogd.core.ids import Role

pytestmark = pytest.mark.skipif(not HAVE_MOSQUITTO, reason="mosquitto is not installed")


class Tunnel:
    """A TCP relay that can stop relaying without closing anything."""

    def __init__(self, port: int) -> None:
        self.target, self.port = port, 0
        self.connections = self._busy = 0
        self._free = asyncio.Event()
        self._free.set()
        self._writers: list[asyncio.StreamWriter] = []

    def stick(self) -> None:
        self._free.clear()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                await self._free.wait()
                writer.write(data)
                await writer.drain()
        writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        self.connections += 1
        self._busy += 1
        with suppress(OSError):
            await self._free.wait()
            there, back = await asyncio.open_connection("127.0.0.1", self.target)
            self._writers.append(back)
            async with asyncio.TaskGroup() as both:
                both.create_task(self._copy(reader, back))
                both.create_task(self._copy(there, writer))
        writer.close()
        self._busy -= 1

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Tunnel]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            self._free.set()
            await until(lambda: self._busy == 0 or self._abort())
            await server.wait_closed()

    def _abort(self) -> bool:
        for writer in self._writers:
            writer.transport.abort()
        return False


@asynccontextmanager
async def behind(tmp_path, *, keepalive_s: int = 15, deadline_s: float = 0.5) -> AsyncIterator[tuple[Tunnel, MqttBus]]:
    async with world_of("mosquitto", tmp_path) as world:
        assert isinstance(world, RealWorld)
        made = world.running.connection
        async with Tunnel(made.port).open() as tunnel:
            bus = MqttBus(
                replace(made, port=tunnel.port),
                Role.WORKER,
                clock=SystemClock(),
                boot="b1",
                deadline_s=deadline_s,
                keepalive_s=keepalive_s,
            )
            yield tunnel, bus


async def test_a_send_into_a_half_open_link_ends_at_its_deadline(tmp_path):
    async with behind(tmp_path) as (tunnel, bus):
        with pytest.raises(BusDown, match="no acknowledgement"):
            async with bus.connect() as link, asyncio.timeout(PATIENCE_S):
                tunnel.stick()
                await link.send(samples.event(1))


async def test_a_reader_learns_that_what_was_put_is_not_acknowledged(tmp_path):
    async with behind(tmp_path) as (tunnel, bus):
        with pytest.raises(BusDown, match="no acknowledgement"):
            async with bus.connect() as link:
                tunnel.stick()
                link.put(samples.event(1))
                await next_of(link, lambda _: False)


async def test_a_silent_link_is_noticed_by_its_keepalive(tmp_path):
    async with behind(tmp_path, keepalive_s=1, deadline_s=10) as (tunnel, bus):
        with pytest.raises(BusDown, match="gone"):
            async with bus.connect() as link:
                tunnel.stick()
                await next_of(link, lambda _: False)


async def test_connecting_to_something_that_never_answers_ends_at_the_deadline(tmp_path):
    async with behind(tmp_path) as (tunnel, bus):
        tunnel.stick()
        with pytest.raises(BusDown, match=r"did not answer|timed out"):
            async with asyncio.timeout(PATIENCE_S), bus.connect():
                pass


async def test_giving_up_while_connecting_leaves_no_socket_behind(tmp_path):
    async with behind(tmp_path, deadline_s=5) as (tunnel, bus):
        tunnel.stick()

        async def connect() -> None:
            async with bus.connect():
                pass

        task = asyncio.get_running_loop().create_task(connect())
        await until(lambda: tunnel.connections == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_a_connection_that_succeeds_after_it_was_given_up_is_closed():
    with socket.socket() as listener, socket.socket() as filler:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        listener.setblocking(False)
        loop = asyncio.get_running_loop()
        filler.connect(listener.getsockname())  # the queue is full: the next connection hangs

        def ours() -> set[int]:
            return {one.laddr.port for one in outgoing(listener)} - {filler.getsockname()[1]}

        async def connect() -> None:
            async with world_less(listener.getsockname()[1]) as bus, bus.connect():
                pass

        task = loop.create_task(connect())
        await until(lambda: bool(ours()))
        hanging = ours()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(PATIENCE_S):
            while True:
                accepted, peer = await loop.sock_accept(listener)
                with accepted:
                    accepted.setblocking(False)
                    if peer[1] in hanging:
                        while await loop.sock_recv(accepted, 1_000):
                            pass
                        return


def outgoing(listener: socket.socket) -> list[Any]:
    port = listener.getsockname()[1]
    return [one for one in psutil.Process().net_connections("tcp4") if getattr(one.raddr, "port", 0) == port]


async def test_a_broker_that_hangs_up_at_once_is_not_waited_for():
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    async with server, world_less(server.sockets[0].getsockname()[1]) as bus:
        with pytest.raises(BusDown, match="hung up"):
            async with asyncio.timeout(PATIENCE_S), bus.connect():
                pass


@asynccontextmanager
async def world_less(port: int) -> AsyncIterator[MqttBus]:
    from watchdogd.adapters.broker_connection import Connection

    made = Connection(host="127.0.0.1", port=port, site="lab", agent="a1", accounts={"worker": "x"})
    yield MqttBus(made, Role.WORKER, clock=SystemClock(), boot="b1", deadline_s=600, keepalive_s=600)
