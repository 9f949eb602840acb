"""Every topic: what goes there, who writes it, who reads it, and how it travels (DESIGN 3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from watchdogd.core.errors import WireError
from watchdogd.core.escalation import Escalation, Inbox
from watchdogd.core.events import Event
from watchdogd.core.ids import SEGMENT, AgentRef, Role
from watchdogd.core.lease.messages import Ack, Answer, Beat, Order, OrderAck
from watchdogd.wire.messages import (
    ChannelReport,
    CheckpointList,
    DecisionReport,
    HealthReport,
    Info,
    Message,
    Presence,
    ProcessReport,
    Request,
    Response,
    VerdictReport,
    WorkerStatus,
)

BASE = "watchdogd/v1"

OPERATOR = "<person>"
"""Stands for any person's account in the tables below; no account can be called so."""
VIEWER = "viewer"
"""The account that may look at everything but requests and their answers, and write nothing."""
RESERVED = frozenset({*Role, OPERATOR, VIEWER})
"""Names no person's account can have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grants:
    """What one account may do at the broker, as topic filters."""

    read: tuple[str, ...]
    write: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """How one kind of message travels."""

    template: str
    """Below ``{base}/{site}/{agent}/``; ``{}`` is the variable part."""
    payload: type
    writers: tuple[Role | str, ...]
    readers: tuple[Role | str, ...]
    """Roles that subscribe; people may read everything but requests and responses of others."""
    summary: str
    qos: int = 1
    retain: bool = False
    expiry_s: float | None = None
    """MQTT 5 message expiry and the ``expires`` attribute (seconds)."""


def matches(pattern: str, topic: str) -> bool:
    """Whether the MQTT filter ``pattern`` (``+`` for one part, ``#`` for the rest) covers ``topic``."""
    wanted, have = pattern.split("/"), topic.split("/")
    if wanted[-1] == "#":
        return len(have) >= len(wanted) - 1 and all(w in ("+", h) for w, h in zip(wanted[:-1], have, strict=False))
    return len(wanted) == len(have) and all(w in ("+", h) for w, h in zip(wanted, have, strict=True))


W, O, S = Role.WORKER, Role.OVERSEER, Role.SUPERVISOR  # noqa: E741 - the three columns of the table
ROUTES: tuple[Route, ...] = (
    Route(
        template="presence/{}",
        payload=Presence,
        writers=(W, O, S),
        readers=(O, S),
        summary="whether a role is there; lost is its last will",
        retain=True,
    ),
    Route(template="info", payload=Info, writers=(S,), readers=(), summary="what is running here", retain=True),
    Route(
        template="process",
        payload=ProcessReport,
        writers=(S,),
        readers=(O,),
        summary="what the process tree really does, with proof",
        retain=True,
    ),
    Route(
        template="state",
        payload=WorkerStatus,
        writers=(W,),
        readers=(O,),
        summary="what the worker is doing, in its own words",
        retain=True,
    ),
    Route(template="event/{}", payload=Event, writers=(W,), readers=(O,), summary="what happened, one per event"),
    Route(template="beat", payload=Beat, writers=(W,), readers=(O,), summary="the worker asks", qos=0, expiry_s=20),
    Route(
        template="lease",
        payload=Answer,
        writers=(O,),
        readers=(W,),
        summary="the overseer grants or refuses, with the whole desired state",
        qos=0,
        expiry_s=20,
    ),
    Route(
        template="lease/ack",
        payload=Ack,
        writers=(W,),
        readers=(O,),
        summary="what the worker has accepted and synced",
        qos=0,
        expiry_s=20,
    ),
    Route(
        template="health",
        payload=HealthReport,
        writers=(O, S),
        readers=(S,),
        summary="AI health, all channels",
        retain=True,
        expiry_s=120,
    ),
    Route(
        template="health/{}",
        payload=ChannelReport,
        writers=(O, S),
        readers=(),
        summary="AI health, one channel",
        retain=True,
        expiry_s=120,
    ),
    Route(template="verdict", payload=VerdictReport, writers=(O,), readers=(), summary="an inspection's result"),
    Route(template="decision", payload=DecisionReport, writers=(O,), readers=(), summary="what the policy decided"),
    Route(template="order", payload=Order, writers=(O,), readers=(W,), summary="numbered one-off orders"),
    Route(template="order/ack", payload=OrderAck, writers=(W,), readers=(O,), summary="what was applied"),
    Route(
        template="escalation/{}",
        payload=Escalation,
        writers=(O,),
        readers=(OPERATOR,),
        summary="a notice or a question to people; an empty payload closes it",
        retain=True,
    ),
    Route(
        template="inbox",
        payload=Inbox,
        writers=(O,),
        readers=(OPERATOR,),
        summary="how many are open, the newest headline, the worst severity",
        retain=True,
    ),
    Route(
        template="checkpoints",
        payload=CheckpointList,
        writers=(O,),
        readers=(),
        summary="the saved states that can be returned to, and which have passed inspection",
        retain=True,
    ),
    Route(
        template="control/request/{}",
        payload=Request,
        writers=(OPERATOR,),
        readers=(O,),
        summary="what a person asks for; JSON or plain text; never retained",
    ),
    Route(
        template="control/response/{}/{}",
        payload=Response,
        writers=(O,),
        readers=(OPERATOR,),
        summary="what became of a request",
    ),
)

_BY_PAYLOAD = {route.payload: route for route in ROUTES}


def route_of(payload: object) -> Route:
    """How ``payload`` travels."""
    return _BY_PAYLOAD[type(payload)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Topics:
    """The topics of one agent."""

    ref: AgentRef
    base: str = BASE

    @property
    def root(self) -> str:
        """What every topic of this agent begins with, without a slash at the end."""
        return f"{self.base}/{self.ref.site}/{self.ref.agent}"

    def of(self, message: Message) -> str:
        """Where ``message`` goes."""
        payload = message.payload
        route = route_of(payload)
        match payload:
            case Presence():
                parts: Sequence[str] = (payload.role.value,)
            case Event():
                parts = (payload.body.kind,)
            case ChannelReport():
                parts = (payload.health.channel.value,)
            case Escalation():
                parts = (payload.id,)
            case Request():
                parts = (message.user,)
            case Response():
                parts = (message.user, payload.request)
            case _:
                parts = ()
        for part in parts:
            if not SEGMENT.match(part):
                raise WireError("topic", f"{part!r} cannot be part of a topic")
        return f"{self.root}/{route.template.format(*parts)}"

    def find(self, topic: str) -> tuple[Route, tuple[str, ...]]:
        """The route of ``topic`` and its variable parts.

        Raises:
            WireError: no topic of ours.
        """
        if not topic.startswith(self.root + "/"):
            raise WireError("topic", "not a topic of this agent")
        rest = topic[len(self.root) + 1 :].split("/")
        for route in ROUTES:
            shape = route.template.split("/")
            if len(shape) != len(rest):
                continue
            parts = tuple(have for want, have in zip(shape, rest, strict=True) if want == "{}")
            fixed = all(want in ("{}", have) for want, have in zip(shape, rest, strict=True))
            if fixed and all(SEGMENT.match(part) for part in parts):
                return route, parts
        raise WireError("topic", "unknown topic")

    def filters(self, reader: Role | str, *, user: str = "") -> tuple[tuple[str, int], ...]:
        """What ``reader`` subscribes to: filters and QoS. A person reads all but others' requests and responses."""
        if reader == OPERATOR:
            found = [(f"{self.root}/{self._filter(r, user)}", r.qos) for r in ROUTES if "control/" not in r.template]
            return (*found, (f"{self.root}/control/response/{user}/+", 1))
        return tuple((f"{self.root}/{self._filter(r, user)}", r.qos) for r in ROUTES if reader in r.readers)

    @staticmethod
    def _filter(route: Route, user: str) -> str:
        if user and route.payload in (Request, Response):
            return route.template.format(user, "+")
        return route.template.replace("{}", "+")

    def filters_of(self, payload: type) -> tuple[str, ...]:
        """The filters that cover every topic of ``payload``."""
        return tuple(f"{self.root}/{self._filter(route, '')}" for route in ROUTES if route.payload is payload)

    def subscriptions(self, principal: Role | str, *, requests: bool = False) -> tuple[tuple[str, int], ...]:
        """What a link of ``principal`` subscribes to: filters and QoS.

        A role's people's requests come over a link of their own (``requests``), whose session outlives it: what waits
        there is not read twice, and a flood of requests cannot crowd out events.
        """
        if principal == VIEWER:
            return tuple((one, 1) for one in self.grants(VIEWER).read)
        if principal not in tuple(Role):
            return self.filters(OPERATOR, user=principal)
        apart = self.filters_of(Request)
        return tuple(one for one in self.filters(principal) if (one[0] in apart) is requests)

    def grants(self, principal: Role | str) -> Grants:
        """What the account ``principal`` (a role, ``viewer`` or a person's name) may read and write, in full.

        The overseer may write to requests for one reason: to clear a retained copy that must not be there.
        """
        if principal in tuple(Role):
            role = Role(principal)
            extra = (f"{self.root}/control/request/+",) if role is Role.OVERSEER else ()
            return Grants(read=tuple(one for one, _ in self.filters(role)), write=(*self.writable(role), *extra))
        if principal == VIEWER:
            open_to_all = tuple(f"{self.root}/{self._filter(r, '')}" for r in ROUTES if "control/" not in r.template)
            return Grants(read=open_to_all, write=())
        return Grants(
            read=tuple(one for one, _ in self.filters(OPERATOR, user=principal)),
            write=self.writable(OPERATOR, user=principal),
        )

    def writable(self, writer: Role | str, *, user: str = "") -> tuple[str, ...]:
        """The filters ``writer`` may publish to: explicit lines for the broker's ACL."""
        found = []
        for route in ROUTES:
            if writer not in route.writers:
                continue
            if route.payload is Presence:
                found.append(f"{self.root}/presence/{writer}")
            else:
                found.append(f"{self.root}/{self._filter(route, user)}")
        return tuple(found)
