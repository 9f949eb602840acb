"""What overseer and supervisor say to each other over their socketpair: one JSON line each."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from watchdogd.core.errors import WireError
from watchdogd.core.ids import canonical
from watchdogd.core.policy import Policy
from watchdogd.wire import codec


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """The overseer has claimed its record."""

    kind: Literal["hello"] = "hello"
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseReport:
    """The worker acknowledged a lease of this epoch that was granted ``age_s`` seconds ago."""

    kind: Literal["lease"] = "lease"
    epoch: int
    age_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """The overseer can watch: bus connected, record writable, inspection not overdue."""

    kind: Literal["ready"] = "ready"
    epoch: int
    status: str = ""
    """A line for ``systemctl status``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decide:
    """Freeze or kill the worker's tree, by decision."""

    kind: Literal["decide"] = "decide"
    what: Literal["freeze", "kill"]
    by: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lift:
    """A listed person takes such a decision back; said again until it is answered."""

    kind: Literal["lift"] = "lift"
    by: str
    n: int
    """Of the row in the overseer's record: rises with every lift."""
    at: float
    """When it was asked for (unix seconds): what was decided later stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifted:
    """The supervisor has it on disk that lift ``n`` was carried out."""

    kind: Literal["lifted"] = "lifted"
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopt:
    """The supervisor has read a new policy (SIGHUP)."""

    kind: Literal["adopt"] = "adopt"
    policy: Policy
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """From the local socket, which needs no broker: pause or stop by a local user."""

    kind: Literal["command"] = "command"
    id: str
    command: Literal["pause", "stop"]
    user: str
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The overseer's word on a ``Command``."""

    kind: Literal["done"] = "done"
    id: str
    ok: bool
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Restrict:
    """Remote control is off: only monitoring, because the broker lets the wrong principals write."""

    kind: Literal["restrict"] = "restrict"
    why: str


Line: TypeAlias = Hello | LeaseReport | Ready | Decide | Lift | Lifted | Adopt | Command | Done | Restrict


def encode(line: Line) -> bytes:
    """``line`` with its newline."""
    return canonical(codec.dump(line)).encode() + b"\n"


def decode(raw: bytes) -> Line:
    """The line in ``raw``. Raises: WireError."""
    try:
        data: Any = json.loads(raw)
    except (ValueError, RecursionError):
        raise WireError("not-json", "a line on the channel is not JSON") from None
    return codec.load(Line, data)  # type: ignore[arg-type] # a union of types is not a type
