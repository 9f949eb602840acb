"""A broker in memory, for dry runs and tests: the rules of ours over MQTT, without a socket and with faults on request.

Same grants, retained copies, last wills, order, sessions that outlive a connection, message expiry. It keeps what a
broker keeps on disk over ``stop`` and ``start``, unless told to lose it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Protocol

from watchdogd.core.ids import Role
from watchdogd.ports import Clock
from watchdogd.wire.topics import Topics, matches


class Connected(Protocol):
    """A client's end of a connection, as the broker sees it."""

    client: str
    principal: Role | str
    filters: tuple[tuple[str, int], ...]
    kept: bool

    def deliver(self, parcel: Parcel) -> None:
        """Puts ``parcel`` before the reader."""
        ...

    def abort(self, why: str) -> None:
        """Breaks without a goodbye: the last will is delivered."""
        ...

    def drop(self, why: str) -> None:
        """Breaks on the broker's side."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """A message on its way."""

    topic: str
    raw: bytes
    qos: int
    retain: bool
    sender: str = ""
    """The client it came from."""
    void_at: float | None = None
    """Boot time after which it is not delivered any more (seconds)."""


@dataclass(slots=True, kw_only=True, eq=False)
class Session:
    """What the broker knows of a client."""

    client: str
    principal: Role | str
    filters: tuple[tuple[str, int], ...]
    kept: bool
    """Outlives its connection."""
    link: Connected | None = None
    unacknowledged: deque[Parcel] = field(default_factory=deque)


@dataclass(slots=True, kw_only=True, eq=False)
class Fault:
    """The next ``times`` deliveries on topics that fit ``pattern`` go wrong."""

    kind: str
    pattern: str
    times: int


class MemoryBroker:
    """The broker. Everything happens at once and in order, so that a test decides what goes wrong and when."""

    def __init__(self, topics: Topics, *, clock: Clock) -> None:
        self.topics, self.clock = topics, clock
        self.retained: dict[str, Parcel] = {}
        self.sessions: dict[str, Session] = {}
        self.up = True
        self._faults: list[Fault] = []
        self._held: list[tuple[Session, Parcel]] = []

    # --- faults -------------------------------------------------------------------------------------------------------

    def lose(self, pattern: str, times: int = 1) -> None:
        """The next ``times`` deliveries on topics that fit are lost."""
        self._faults.append(Fault(kind="lose", pattern=pattern, times=times))

    def repeat(self, pattern: str, times: int = 1) -> None:
        """The next ``times`` deliveries on topics that fit come twice."""
        self._faults.append(Fault(kind="repeat", pattern=pattern, times=times))

    def hold(self, pattern: str, times: int = 1) -> None:
        """The next ``times`` deliveries on topics that fit wait for ``let_go``."""
        self._faults.append(Fault(kind="hold", pattern=pattern, times=times))

    def let_go(self) -> None:
        """Delivers what was held, in order."""
        held, self._held = self._held, []
        for session, parcel in held:
            self._hand(session, parcel)

    def stop(self, *, losing: bool = False) -> None:
        """Every connection breaks and none is made; ``losing`` forgets retained copies and sessions as well.

        A broker that dies delivers no last will: the retained presence keeps saying ``online``.
        """
        self.up = False
        if losing:
            self.retained.clear()
        for session in list(self.sessions.values()):
            if session.link is not None:
                session.link.drop("the broker went down")
                session.link = None
            if losing or not session.kept:
                del self.sessions[session.client]

    def start(self) -> None:
        """Connections are taken again."""
        self.up = True

    # --- what a broker does -------------------------------------------------------------------------------------------

    def attach(self, link: Connected) -> None:
        """Takes a connection; an older one of the same client ends, and its last will is delivered."""
        old = self.sessions.get(link.client)
        if old is not None and old.link is not None:
            old.link.abort("another connection of the same client took over")
        if old is None or not link.kept:
            old = Session(client=link.client, principal=link.principal, filters=link.filters, kept=link.kept)
            self.sessions[link.client] = old
        old.link, old.filters = link, link.filters
        for parcel in list(old.unacknowledged):
            link.deliver(parcel)
        for topic in sorted(self.retained):
            if self._wants(old, self.retained[topic]):
                link.deliver(self.retained[topic])

    def detach(self, link: Connected, *, will: Parcel | None) -> None:
        """Lets a connection go."""
        session = self.sessions.get(link.client)
        if session is None or session.link is not link:
            return
        session.link = None
        if not session.kept:
            del self.sessions[link.client]
        if will is not None:
            self.publish(link.principal, will)

    def publish(self, principal: Role | str, parcel: Parcel) -> bool:
        """Takes a message from ``principal``; False when its grants do not cover the topic."""
        if not any(matches(one, parcel.topic) for one in self.topics.grants(principal).write):
            return False
        if parcel.retain:
            if parcel.raw:
                self.retained[parcel.topic] = parcel
            else:
                self.retained.pop(parcel.topic, None)
        for session in list(self.sessions.values()):
            own = session.kept and session.client == parcel.sender
            if not own and self._wants(session, parcel):
                self._pass_on(session, parcel)
        return True

    def acknowledge(self, client: str, parcel: Parcel) -> None:
        """The reader is done with ``parcel``: it will not be delivered again."""
        session = self.sessions.get(client)
        if session is not None and parcel in session.unacknowledged:
            session.unacknowledged.remove(parcel)

    def _wants(self, session: Session, parcel: Parcel) -> bool:
        if parcel.void_at is not None and self.clock.boot() > parcel.void_at:
            return False
        asked = any(matches(one, parcel.topic) for one, _ in session.filters)
        return asked and any(matches(one, parcel.topic) for one in self.topics.grants(session.principal).read)

    def _pass_on(self, session: Session, parcel: Parcel) -> None:
        fault = next((one for one in self._faults if one.times and matches(one.pattern, parcel.topic)), None)
        if fault is not None:
            fault.times -= 1
            if fault.kind == "lose":
                return
            if fault.kind == "hold":
                self._held.append((session, parcel))
                return
            self._hand(session, parcel)
        self._hand(session, parcel)

    def _hand(self, session: Session, parcel: Parcel) -> None:
        if session.kept and parcel.qos:
            session.unacknowledged.append(parcel)
        if session.link is not None:
            session.link.deliver(parcel)
