"""Everything that travels on the bus, beside what the core already defines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from watchdogd.core.checkpoint import Grade
from watchdogd.core.escalation import Escalation, Inbox
from watchdogd.core.events import Event
from watchdogd.core.health import Channel, ChannelHealth, Severity
from watchdogd.core.ids import Role
from watchdogd.core.lease.messages import Ack, Answer, Beat, Latch, Level, Mode, Order, OrderAck
from watchdogd.core.policy import Decision
from watchdogd.core.proof import Proof


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence:
    """Whether a role is there; ``lost`` is its last will."""

    role: Role
    status: Literal["online", "offline", "lost"]
    boot: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Info:
    """What is running here; no secrets."""

    version: str
    policy: str
    policy_name: str
    mode: Mode
    level: Level
    worker_model: str
    judge_model: str
    config_digest: str
    missions: tuple[str, ...]
    broker: str
    remote_control: bool = True
    remote_control_why: str = ""


ProcessState: TypeAlias = Literal["running", "frozen", "probation", "exited", "stopped", "unproven"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessReport:
    """What the process tree really does; outranks what others say."""

    state: ProcessState
    reason: str
    proof: Proof | None = None
    worker_pid: int | None = None
    overseer_pid: int | None = None
    restarts: Mapping[str, int] = field(default_factory=dict)
    decided: str = ""
    """``freeze`` or ``kill`` while such a decision stands."""
    overseer: Literal["up", "down"] = "up"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStatus:
    """What the worker is doing, in its own words."""

    status: Literal["idle", "running", "holding", "paused", "asking", "rolling_back", "stopped", "failed"]
    mission: str = ""
    run: str = ""
    step: int = 0
    latches: tuple[Latch, ...] = ()
    why: str = ""
    checkpoint: str = ""
    sandbox: str = ""
    """What contains its commands: ``bwrap``, ``none`` (the demo's scratch workspace), or why there is no shell tool."""
    since: float = 0.0
    """Unix time (seconds)."""
    spent_usd: float | None = None
    budget_usd: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthReport:
    """All channels at once."""

    severity: Severity
    channels: Mapping[Channel, Severity]
    run: str
    degraded: str = ""
    """Why inspection is reduced; empty = it is not."""
    judge_spent_usd: float | None = None
    stored_seq: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelReport:
    """One AI-health channel."""

    health: ChannelHealth


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictReport:
    """One inspection's result, also when it is void."""

    id: str
    valid: bool
    reason: str = ""
    model: str = ""
    prompt_digest: str = ""
    channels: Mapping[Channel, float] = field(default_factory=dict)
    action: str = ""
    rationale: str = ""
    evidence: tuple[int, ...] = ()
    onset: int | None = None
    first_seq: int = 0
    last_seq: int = 0
    cost_usd: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionReport:
    """What the policy decided and what became of it."""

    id: str
    decision: Decision
    effects: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointReport:
    """One checkpoint, without its content."""

    id: str
    taken_at: float
    """Unix time (seconds)."""
    at_seq: int
    """The last event it contains."""
    standing: Grade
    """``passed``: a later inspection found everything up to it healthy; ``tainted``: trouble began before it."""
    run: str = ""
    mission: str = ""
    reason: str = ""
    """What it was taken for."""
    files: int = 0
    bytes: int = 0
    why: str = ""
    """What made it incomplete."""
    missed: int = 0
    """Paths that were not captured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointList:
    """The checkpoints that are kept, newest first."""

    checkpoints: tuple[CheckpointReport, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a person asks for. The user is the topic's last part, never the payload."""

    command: Literal["pause", "resume", "nudge", "rollback", "approve", "deny", "ack", "stop", "run", "level", "label"]
    id: str = ""
    """Chosen by the sender; the response names it. Repeats are answered again, not carried out again."""
    target: str = ""
    """An escalation id, a mission, a latch, a level, a checkpoint: what the command is about."""
    text: str = ""
    expires: float | None = None
    """Unix time after which it is void (seconds)."""


Stage: TypeAlias = Literal["done", "latched", "held", "ordered", "compared"]
"""``latched`` is followed by ``held``; ``ordered`` by ``compared`` or ``done`` (a stop: once the run is over)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What became of a request."""

    request: str
    command: str
    status: Literal["ok", "error", "rejected"]
    stage: Stage = "done"
    text: str
    proof: str = ""


Payload: TypeAlias = (
    Presence
    | Info
    | ProcessReport
    | WorkerStatus
    | Event
    | Beat
    | Answer
    | Ack
    | HealthReport
    | ChannelReport
    | VerdictReport
    | DecisionReport
    | Order
    | OrderAck
    | Escalation
    | Inbox
    | CheckpointList
    | Request
    | Response
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A payload with what every message carries."""

    payload: Payload
    headline: str
    """In plain words, for a person who sees nothing else."""
    at: float
    """Unix time (seconds)."""
    source: Role | str
    """The role that sent it; for requests, the user."""
    boot: str = ""
    seq: int | None = None
    """Number in the sender's record, for what is recorded."""
    run: str = ""
    policy: str = ""
    expires: float | None = None
    """Unix time after which it means nothing any more (seconds)."""
    user: str = ""
    """For control topics: whose they are."""
    digest: str = ""
    """The row's chain digest, for what is recorded."""
    closed: bool = False
    """For escalations: over; the retained copy is cleared."""
