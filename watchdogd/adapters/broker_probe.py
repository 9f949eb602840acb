"""Whether the broker's walls stand: writes where each account must not, and looks whether it arrives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass

import aiomqtt

from watchdogd.adapters.broker_connection import Connection
from watchdogd.adapters.mqtt import raw_client
from watchdogd.adapters.mqtt_client import Heard, MqttClient
from watchdogd.adapters.mqtt_queues import Arrival, Outgoing
from watchdogd.core.errors import BusDown
from watchdogd.core.ids import Role
from watchdogd.ports import Clock
from watchdogd.wire.topics import ROUTES, VIEWER, Topics, matches

MARK = "watchdogd-probe"
"""Begins every probe's payload. It is no message of ours: whoever reads one ignores it."""
GRACE_S = 0.5
"""How long an intruder's message may take after everything that is allowed has come through (seconds)."""
CONNECT_S = 10.0
"""For one connection or subscription (seconds)."""
NOBODY = "nobody-at-all"
"""A name no account has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """Somebody writes where he must not."""

    writer: str
    """An account; empty = without any."""
    topic: str


def attempts(topics: Topics, accounts: Sequence[str]) -> Iterator[Attempt]:
    """Every kind of topic once for each account that may not write there.

    Requests are tried three times: in a person's name, in the writer's own (a ``pattern`` line lets that through), and
    in nobody's.
    """
    people = [name for name in accounts if name not in (*Role, VIEWER)]
    for writer in ("", *accounts):
        allowed = topics.grants(writer).write if writer else ()
        for route in ROUTES:
            names = ["probe"]
            if route.template.startswith("presence/"):
                names = [role.value for role in Role]
            elif route.template.startswith("control/"):
                names = list(dict.fromkeys([*people[:1], writer or NOBODY, NOBODY]))
            for name in names:
                topic = f"{topics.root}/{route.template.replace('{}', name, 1).replace('{}', MARK)}"
                if not any(matches(one, topic) for one in allowed):
                    yield Attempt(writer=writer, topic=topic)


async def probe_acl(connection: Connection, *, clock: Clock, deadline_s: float = 20) -> str | None:
    """What is wrong with the broker's walls, in one sentence; None when they stand.

    To be asked before any role is started: then nobody but viewers can see a probe that gets through. Tries every
    account whose password is known here; nothing it writes is retained.

    Raises:
        BusDown: the broker cannot be asked.
    """
    accounts = [name for name in (*Role, *connection.accounts) if name in connection.accounts]
    accounts = list(dict.fromkeys(str(name) for name in accounts))
    tried = list(attempts(connection.topics, accounts))
    arrived: set[int] = set()
    try:
        async with asyncio.timeout(deadline_s), AsyncExitStack() as stack:
            watchers = [
                await stack.enter_async_context(_watching(connection, name, arrived, clock)) for name in accounts
            ]
            for writer in ("", *accounts):
                mine = {number: one.topic for number, one in enumerate(tried) if one.writer == writer}
                await _try(connection, writer, mine, clock)
            for watcher, filters in watchers:
                await watcher.subscribe(filters, deadline_s)
            if connection.kind != "mosquitto":  # which passes a message on before it acknowledges it
                await clock.sleep(GRACE_S)
    except (TimeoutError, aiomqtt.MqttError, OSError) as why:
        raise BusDown(f"the broker's walls could not be looked at: {str(why) or 'no answer in time'}") from None
    return _told([one for number, one in enumerate(tried) if number in arrived])


def _told(through: Sequence[Attempt]) -> str | None:
    if not through:
        return None
    first = through[0]
    who = f"the account {first.writer!r}" if first.writer else "anybody without an account"
    more = f" (and {len(through) - 1} more like it)" if len(through) > 1 else ""
    return f"the broker lets {who} write to {first.topic}{more}: see watchdogd broker-config"


async def _try(connection: Connection, writer: str, mine: dict[int, str], clock: Clock) -> None:
    """Writes each probe; a broker that hangs up on the first forbidden one is called again for the next."""
    waiting = dict(mine)
    while waiting:
        before = len(waiting)
        with suppress(aiomqtt.MqttError, OSError):  # nobody is let in without an account: as it should be
            await _write_all(connection, writer, waiting, clock)
        if len(waiting) == before:
            if writer:
                raise OSError(f"{writer} could not write a single probe")
            return


async def _write_all(connection: Connection, writer: str, waiting: dict[int, str], clock: Clock) -> None:
    answered = asyncio.Event()
    heard = Heard(
        message=lambda _: None, published=lambda _mid, _refusal: answered.set(), gone=lambda _why: answered.set()
    )
    async with _client(connection, writer, heard, clock) as client:
        while waiting:
            number, topic = next(iter(waiting.items()))
            del waiting[number]
            answered.clear()
            # one second: a request that gets through shall not wait for an overseer
            one = Outgoing(topic=topic, raw=f"{MARK} {number}".encode(), qos=1, retain=False, expiry_s=1)
            if client.publish(one) is None:
                return
            await answered.wait()


@asynccontextmanager
async def _watching(
    connection: Connection, name: str, arrived: set[int], clock: Clock
) -> AsyncIterator[tuple[MqttClient, list[tuple[str, int]]]]:
    def seen(one: Arrival) -> None:
        words = (one.raw or b"").decode("utf-8", "replace").split()
        if len(words) == 2 and words[0] == MARK and words[1].isdecimal():
            arrived.add(int(words[1]))

    heard = Heard(message=seen, published=lambda _mid, _refusal: None, gone=lambda _why: None)
    filters = [(one, 1) for one in connection.topics.grants(name).read]
    async with _client(connection, name, heard, clock) as client:
        await client.subscribe(filters, CONNECT_S)
        yield client, filters


@asynccontextmanager
async def _client(connection: Connection, name: str, heard: Heard, clock: Clock) -> AsyncIterator[MqttClient]:
    made = raw_client(connection, name, clock=clock, deadline_s=CONNECT_S)
    client = MqttClient(made, heard, manual=False)
    try:
        await client.enter(CONNECT_S)
        yield client
    finally:
        client.drop()
