"""The bus over the broker in memory."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Literal

from typing_extensions import override

from watchdogd.core.errors import BusDown, WireError
from watchdogd.core.ids import Role, digest
from watchdogd.ports import Bus, Clock, Link, Received
from watchdogd.sim.broker import MemoryBroker, Parcel
from watchdogd.wire.envelope import encode, opened, stamped
from watchdogd.wire.messages import Message
from watchdogd.wire.presence import presence

MOST_WAITING = 20_000
"""Messages a link keeps for its reader; the newest is dropped then, and the reader is told."""


class MemoryLink(Link):
    """One connection; it ends, it is never reused."""

    def __init__(
        self,
        broker: MemoryBroker,
        principal: Role | str,
        client: str,
        filters: tuple[tuple[str, int], ...],
        *,
        kept: bool,
        will: Message | None,
    ) -> None:
        self._broker, self.principal, self.client, self.filters, self.kept = broker, principal, client, filters, kept
        self._will = None if will is None else self._parcel(will)
        self._waiting: deque[Received] = deque()
        self._more = asyncio.Event()
        self._broken = ""
        self._dropped = 0

    def abort(self, why: str) -> None:
        """Breaks without a goodbye: the last will is delivered."""
        if not self._broken:
            self.drop(why)
            self._broker.detach(self, will=self._will)

    def drop(self, why: str) -> None:
        """Breaks on the broker's side."""
        self._broken = self._broken or why
        self._more.set()

    def leave(self) -> None:
        """Ends in order: the last will is not delivered."""
        if not self._broken:
            self.drop("closed")
            self._broker.detach(self, will=None)

    def deliver(self, parcel: Parcel) -> None:
        """Puts ``parcel`` before the reader."""
        if len(self._waiting) >= MOST_WAITING:
            self._dropped += 1
        else:
            message, problem = opened(self._broker.topics, parcel.topic, parcel.raw)
            self._waiting.append(
                Received(
                    topic=parcel.topic,
                    message=message,
                    problem=problem,
                    retained=parcel.retain,
                    digest=digest(parcel.raw),
                    size=len(parcel.raw),
                    done=partial(self._broker.acknowledge, self.client, parcel) if self.kept else None,
                )
            )
        self._more.set()

    @override
    async def send(self, message: Message) -> None:
        """Publishes. Raises: BusDown, WireError."""
        parcel = self._parcel(message)
        await asyncio.sleep(0)
        self._check()
        if not self._broker.publish(self.principal, parcel):
            raise BusDown(f"the broker refused {parcel.topic}: Not authorized")

    @override
    def put(self, message: Message) -> None:
        """Publishes without waiting. Raises: BusDown, WireError."""
        parcel = self._parcel(message)
        self._check()
        self._publish(parcel)

    @override
    def clear_retained(self, topic: str) -> None:
        """Removes a retained copy that must not be there. Raises: BusDown."""
        self._check()
        self._publish(Parcel(topic=topic, raw=b"", qos=1, retain=True, sender=self.client))

    @override
    async def received(self) -> AsyncIterator[Received]:
        """What arrives, in order, until the link breaks. Raises: BusDown."""
        while True:
            if self._waiting:
                yield self._waiting.popleft()
            elif self._dropped:
                lost, self._dropped = self._dropped, 0
                problem = WireError("flooded", f"{lost} messages came faster than they could be read and were dropped")
                yield Received(topic=self._broker.topics.root, message=None, problem=problem)
            else:
                self._check()
                self._more.clear()
                await self._more.wait()

    def _publish(self, parcel: Parcel) -> None:
        if not self._broker.publish(self.principal, parcel):
            problem = WireError("denied", f"the broker refused {parcel.topic}: Not authorized")
            self._waiting.append(Received(topic=parcel.topic, message=None, problem=problem))
            self._more.set()

    def _parcel(self, message: Message) -> Parcel:
        message = stamped(message)
        topic, raw, route = encode(self._broker.topics, message)
        left = None if message.expires is None else max(1.0, message.expires - self._broker.clock.wall())
        void_at = None if left is None else self._broker.clock.boot() + left
        return Parcel(topic=topic, raw=raw, qos=route.qos, retain=route.retain, sender=self.client, void_at=void_at)

    def _check(self) -> None:
        if self._broken:
            raise BusDown(self._broken)


class MemoryBus(Bus):
    """The broker in memory, as one principal: a role, or a person by name."""

    def __init__(self, broker: MemoryBroker, principal: Role | str, *, clock: Clock, boot: str = "") -> None:
        self._broker, self._principal, self._clock, self._boot = broker, principal, clock, boot

    @override
    @asynccontextmanager
    async def connect(self, *, persistent: bool = False) -> AsyncIterator[Link]:
        """A new connection with its subscriptions made and its presence published. Raises: BusDown."""
        role = self._principal if isinstance(self._principal, Role) and not persistent else None
        if not self._broker.up:
            raise BusDown("no connection to the broker: it is down")
        link = MemoryLink(
            self._broker,
            self._principal,
            self._client_id(persistent=persistent),
            self._broker.topics.subscriptions(self._principal, requests=persistent),
            kept=persistent,
            will=None if role is None else self._presence(role, "lost"),
        )
        self._broker.attach(link)
        try:
            if role is not None:
                await link.send(self._presence(role, "online"))
            yield link
        except (Exception, GeneratorExit) as why:
            link.abort(f"left by {type(why).__name__}")
            raise
        except BaseException:
            self._leave(link, role)
            raise
        else:
            self._leave(link, role)

    def _leave(self, link: MemoryLink, role: Role | None) -> None:
        try:
            if role is not None:
                link.put(self._presence(role, "offline"))
        except BusDown:
            return
        link.leave()

    def _presence(self, role: Role, status: Literal["online", "offline", "lost"]) -> Message:
        return presence(role, status, boot=self._boot, at=self._clock.wall())

    def _client_id(self, *, persistent: bool) -> str:
        if isinstance(self._principal, Role):
            return f"{self._principal}{'-requests' if persistent else ''}"
        return f"{self._principal}-{self._clock.nonce()}"
