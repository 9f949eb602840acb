"""The two bounded queues of a connection: what waits to be sent and what waits to be read."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field

from watchdogd.core.ids import digest
from watchdogd.wire.envelope import MAX_BYTES

MOST_MESSAGES = 20_000
"""Waiting at most, each way. The protocol's window is 500 events, so only a flood comes near it."""
MOST_BYTES = 64 * 1024 * 1024
"""Waiting at most, each way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A message as it came; of one that is too large only digest and size are kept."""

    topic: str
    raw: bytes | None
    digest: str
    size: int
    retained: bool
    mid: int
    qos: int


def arrival(topic: str, payload: bytes, *, retained: bool, mid: int, qos: int) -> Arrival:
    """What is kept of a message."""
    raw = payload if len(payload) <= MAX_BYTES else None
    return Arrival(topic=topic, raw=raw, digest=digest(payload), size=len(payload), retained=retained, mid=mid, qos=qos)


class Inbox:
    """Arrivals in order. When full, the newest is dropped and counted: events and orders are sent again by protocol."""

    def __init__(self, *, most_messages: int = MOST_MESSAGES, most_bytes: int = MOST_BYTES) -> None:
        self._waiting: deque[Arrival] = deque()
        self._bytes = 0
        self._most_messages, self._most_bytes = most_messages, most_bytes
        self._more = asyncio.Event()
        self.dropped = 0

    def add(self, one: Arrival) -> bool:
        """Queues ``one``; False when there was no room."""
        held = len(one.raw or b"")
        if len(self._waiting) >= self._most_messages or self._bytes + held > self._most_bytes:
            self.dropped += 1
            self._more.set()
            return False
        self._waiting.append(one)
        self._bytes += held
        self._more.set()
        return True

    def next(self) -> Arrival | None:
        """The oldest arrival, None when nothing waits."""
        if not self._waiting:
            self._more.clear()
            return None
        one = self._waiting.popleft()
        self._bytes -= len(one.raw or b"")
        return one

    def wake(self) -> None:
        """Lets the reader look again."""
        self._more.set()

    async def more(self) -> None:
        """Waits until there may be something to read."""
        await self._more.wait()


@dataclass(slots=True, kw_only=True, eq=False)
class Outgoing:
    """A message to be sent."""

    topic: str
    raw: bytes
    qos: int
    retain: bool
    expiry_s: int | None = None
    taken: asyncio.Future[None] | None = field(default=None)
    """Resolved once the broker (QoS 1) or the socket (QoS 0) has it."""
    sent_at: float = 0.0
    """The loop's time of handing it to the socket (seconds)."""


class Outbox:
    """What waits to be sent, in order."""

    def __init__(self, *, most_messages: int = MOST_MESSAGES, most_bytes: int = MOST_BYTES) -> None:
        self._waiting: deque[Outgoing] = deque()
        self._bytes = 0
        self._most_messages, self._most_bytes = most_messages, most_bytes

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, one: Outgoing) -> bool:
        """Queues ``one``; False when there is no room."""
        if len(self._waiting) >= self._most_messages or self._bytes + len(one.raw) > self._most_bytes:
            return False
        self._waiting.append(one)
        self._bytes += len(one.raw)
        return True

    @property
    def first(self) -> Outgoing | None:
        """The next to be sent."""
        return self._waiting[0] if self._waiting else None

    def pop(self) -> Outgoing:
        """Takes the next one out."""
        one = self._waiting.popleft()
        self._bytes -= len(one.raw)
        return one

    def drain(self) -> list[Outgoing]:
        """Takes out everything."""
        all_of_them = list(self._waiting)
        self._waiting.clear()
        self._bytes = 0
        return all_of_them
