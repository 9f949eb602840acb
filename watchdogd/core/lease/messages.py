"""What worker and overseer say to each other about leases and orders."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, TypeAlias


class Mode(StrEnum):
    """ENFORCE acts; SHADOW only says what it would have done."""

    ENFORCE = "enforce"
    SHADOW = "shadow"


class Level(StrEnum):
    """How much the worker may do unasked (DESIGN 4), least first."""

    OBSERVE = "observe"
    SUGGEST = "suggest"
    ASSISTED = "assisted"
    AUTONOMOUS = "autonomous"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """The protocol's defaults (PROTOCOL 3), in seconds unless named otherwise."""

    beat_s: float = 5
    ttl_s: float = 20
    """At least three beats and 5 s."""
    max_ahead: int = 2
    """Reads that may start beyond what the overseer is known to have processed."""
    freeze_after_s: float = 90
    """At least 60 s for an overseer restart, two beats and a reconnect."""
    probation_s: float = 30
    nonce_memory: int = 40
    window_rows: int = 500
    """Events sent beyond what the overseer is known to have stored."""
    order_resend_s: float = 2
    order_overdue_s: float = 30
    fast_beat_s: float = 0.1
    """Shortest time between two beats while a call waits for the overseer to process it."""
    holding_beat_s: float = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Latch:
    """A named hold. As long as one stands, no effect starts."""

    name: str
    """Identity: ``operator/NAME``, ``policy/RULE``, ``question/ID``, ``verdict/…``."""
    by: str
    reason: str
    since: float = 0.0
    """Unix time (seconds), for people."""
    shadow_too: bool = False
    """Holds in shadow mode as well (an operator's pause)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ack:
    """What the worker has accepted and synced; repeated in every beat."""

    boot: str
    epoch: int
    lrev: int
    nonce: str = ""
    """Of the newest lease it holds; empty without one."""
    running: bool = False
    """A tool call that started earlier is still running."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """The worker asks for a lease."""

    boot: str
    nonce: str
    head_seq: int
    """Highest row synced before the beat: all of it must be processed for a lease."""
    applied_n: int
    """Last order applied."""
    ack: Ack | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A lease, or a refusal that says why; both carry the whole desired state."""

    nonce: str
    epoch: int
    lrev: int
    grant: bool
    reason: str
    stored_seq: int
    policy: str
    mode: Mode
    level: Level
    latches: tuple[Latch, ...]
    ttl_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NudgeOrder:
    """Say this to the model; the text comes from a template."""

    kind: Literal["nudge"] = "nudge"
    text: str
    rule: str = ""
    key: str = ""
    decision: str = ""
    by: str = ""
    """Set when a person sent it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerOrder:
    """A question was answered, or ran out."""

    kind: Literal["answer"] = "answer"
    question: str
    answer: Literal["approved", "denied", "expired"]
    action_digest: str
    by: str = ""
    text: str = ""
    valid_until: float = 0.0
    """Unix time after which an approval no longer holds (seconds)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StopOrder:
    """End the current run."""

    kind: Literal["stop"] = "stop"
    by: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOrder:
    """Start a mission now."""

    kind: Literal["run"] = "run"
    mission: str
    by: str = ""
    dry_run: bool = False
    request: str = ""
    """The person's request behind it, so that whoever sent it knows the run again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackOrder:
    """Return to a checkpoint."""

    kind: Literal["rollback"] = "rollback"
    checkpoint: str
    by: str = ""
    reason: str = ""
    """For people."""
    note: str = ""
    """For the model: a template's or a person's words, never a judge's."""
    latch: str = ""
    """The rollback's own latch, released by the overseer once it is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareOrder:
    """Say what a return to a checkpoint would change."""

    kind: Literal["compare"] = "compare"
    checkpoint: str
    request: str
    """The request it answers."""
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetOrder:
    """These checkpoints are no longer needed."""

    kind: Literal["forget"] = "forget"
    checkpoints: tuple[str, ...]


OrderBody: TypeAlias = NudgeOrder | AnswerOrder | StopOrder | RunOrder | RollbackOrder | CompareOrder | ForgetOrder


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A numbered one-off order."""

    epoch: int
    n: int
    run: str
    """The run it is meant for; empty = the worker itself."""
    body: OrderBody


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderAck:
    """The worker applied every order up to ``n``."""

    n: int
    note: str = ""
    """What became of it, when it could not be carried out as asked."""
