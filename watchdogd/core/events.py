"""What happened: the closed set of events a run is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, TypeAlias

from watchdogd.core.ids import digest

Args: TypeAlias = Mapping[str, object]
"""A tool call's arguments: a JSON object."""

HEAD_CHARS = 6_000
TAIL_CHARS = 2_000
"""What of a long text travels in an event; the whole lies in ``objects/`` under its digest."""


class Impact(StrEnum):
    """What a call can do to the world, mildest first. The class selects the sandbox."""

    READ = "read"
    WRITE = "write"
    EXECUTE = "execute"
    NETWORK = "network"
    EXTERNAL = "external"
    DESTRUCTIVE = "destructive"


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A text as it travels: whole when short, else its head and tail; ``digest`` is that of the whole."""

    head: str
    tail: str = ""
    length: int = 0
    """Characters of the whole text."""
    digest: str = ""
    """sha256 of the whole, or empty when it was never computed (recordings of others)."""

    @property
    def cut(self) -> bool:
        """Whether something between head and tail is missing here."""
        return self.length > len(self.head) + len(self.tail)

    @property
    def shown(self) -> str:
        """What is here, with a mark where something is missing."""
        return f"{self.head}\n[…]\n{self.tail}" if self.tail else self.head

    @staticmethod
    def of(whole: str) -> Text:
        """``whole`` ready to travel."""
        if len(whole) <= HEAD_CHARS + TAIL_CHARS:
            return Text(head=whole, length=len(whole), digest=digest(whole))
        return Text(head=whole[:HEAD_CHARS], tail=whole[-TAIL_CHARS:], length=len(whole), digest=digest(whole))

    @staticmethod
    def plain(whole: str) -> Text:
        """``whole``, uncut and without a digest: for recordings and for detectors that want every character."""
        return Text(head=whole, length=len(whole))


NO_TEXT = Text(head="")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted:
    """A mission began, or a recording starts."""

    kind: Literal["run_started"] = "run_started"
    mission: str = ""
    goal: str = ""
    system: str = ""
    rules: tuple[str, ...] = ()
    """The mission's rules, in the user's words."""
    protected: tuple[str, ...] = ()
    """Paths below the workspace that no call may change."""
    workspace: str = ""
    hosts: tuple[str, ...] = ()
    """Network destinations the mission needs."""
    metric: str = ""
    """What the mission measures itself by: the word or field name that stands before the number (``accuracy``)."""
    metric_better: Literal["higher", "lower"] = "higher"
    """Which way is better."""
    metric_tool: str = ""
    """Only results of this tool are read for it; empty = of any."""
    budget_usd: float | None = None
    deadline_s: float | None = None
    trigger: str = ""
    attempt: int = 1
    dry_run: bool = False
    """Everything happens in a throw-away copy of the workspace."""
    request: str = ""
    """The request of a person that asked for it; empty = a trigger of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UserSaid:
    """A person's words to the agent, beyond the goal."""

    kind: Literal["user_said"] = "user_said"
    text: Text
    who: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelStarted:
    """The model was asked."""

    kind: Literal["model_started"] = "model_started"
    call: str = ""
    model: str = ""
    prompt_digest: str = ""
    deadline_s: float | None = None
    """How long this call may take before it is given up (seconds)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens of one model call, as the provider counted them."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCalled:
    """The model answered (also: the agent said something, in a recording)."""

    kind: Literal["model_called"] = "model_called"
    call: str = ""
    model: str = ""
    text: Text = NO_TEXT
    stop_reason: str | None = None
    usage: Usage | None = None
    """None = unknown (recordings)."""
    cost_usd: float | None = None
    """None = unknown: no price, or no usage."""
    latency_s: float | None = None
    prompt_digest: str = ""
    tool_calls: int = 0
    speaker: str = ""
    """Name of the speaker in a multi-agent recording."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolIntended:
    """The model wants this call; nothing has run yet."""

    kind: Literal["tool_intended"] = "tool_intended"
    call: str = ""
    tool: str
    args: Args = field(default_factory=dict)
    impact: Impact | None = None
    """None = unknown (recordings)."""
    action_digest: str = ""
    summary: str = ""
    """The call in a few words for people."""
    reasons: tuple[str, ...] = ()
    """Why the call has its class (what the grammar saw)."""
    writes: tuple[str, ...] = ()
    """Paths the call names as written or removed, as far as parsing tells."""
    speaker: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gated:
    """What the gate said to an intended call, when it was not simply let through."""

    kind: Literal["gated"] = "gated"
    call: str = ""
    tool: str = ""
    outcome: Literal["allow", "deny", "ask", "wait", "preview"] = "deny"
    """``preview``: it runs in a throw-away copy of the workspace."""
    by: str = ""
    """Which line of the gate decided: latch, lease, hard-denial, level, approval, budget, dry-run, preview."""
    reason: str = ""
    question: str = ""
    action_digest: str = ""
    shown: str = ""
    """For a question: every byte of the action, escaped for reading."""
    options: tuple[str, ...] = ()
    instead: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolStarted:
    """The call is about to run; on disk before it does."""

    kind: Literal["tool_started"] = "tool_started"
    call: str = ""
    tool: str = ""
    action_digest: str = ""
    approval: str = ""
    """The question whose answer allowed it, if one did; consumed by this very row."""
    lease_nonce: str = ""
    lease_epoch: int = 0
    deadline_s: float | None = None
    """How long the call may run (seconds)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolFinished:
    """The call's outcome."""

    kind: Literal["tool_finished"] = "tool_finished"
    call: str = ""
    tool: str
    outcome: Literal["ok", "error", "unknown", "denied", "aborted", "in_doubt"] = "unknown"
    """``unknown``: the recording does not say; ``denied``: the gate refused, nothing ran; ``aborted``: it never
    started (lease past its deadline); ``in_doubt``: it started and nobody saw the end."""
    error_class: str = ""
    """Typed cause where there is one: exit, signal, timeout, not_found, permission, http_503, provider, …"""
    status: int | None = None
    """HTTP status where the tool has one."""
    exit_code: int | None = None
    result: Text = NO_TEXT
    duration_s: float | None = None
    changed: tuple[str, ...] = ()
    """Files the call changed, as far as the tool itself knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Previewed:
    """What a call, or a whole dry run, would have changed. The workspace is as it was."""

    kind: Literal["previewed"] = "previewed"
    call: str = ""
    """The call that ran in a throw-away copy; empty = the whole dry run."""
    tool: str = ""
    summary: str = ""
    """How many of what, in a line."""
    total: int | None = 0
    """How many paths would have changed; None = it could not be found out."""
    changed: tuple[str, ...] = ()
    """The first of them, a line each: A added, D removed, M modified, K another kind, P permissions, O owner."""
    diff: Text = NO_TEXT
    """The list and the changed lines of text files, for reading."""
    missing: tuple[str, ...] = ()
    """What the copy did not have, and why; it behaves as if that were not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextEdited:
    """Parts of the conversation were cleared or summarised."""

    kind: Literal["context_edited"] = "context_edited"
    by: str = ""
    cleared_tokens: int = 0
    kept_tokens: int = 0
    cleared_tool_uses: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryWritten:
    """The memory directory changed."""

    kind: Literal["memory_written"] = "memory_written"
    path: str = ""
    text: Text = NO_TEXT


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderError:
    """The model's provider failed; never the agent's fault."""

    kind: Literal["provider_error"] = "provider_error"
    error: str = ""
    """The ``kind`` of ModelError."""
    status: int | None = None
    text: str = ""
    attempt: int = 1
    retry_in_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointTaken:
    """Conversation, memory and workspace were saved under one id."""

    kind: Literal["checkpoint_taken"] = "checkpoint_taken"
    checkpoint: str = ""
    reason: str = ""
    complete: bool = True
    files: int = 0
    bytes: int = 0
    duration_s: float = 0
    at_seq: int = 0
    """The last event the checkpoint contains."""
    why: str = ""
    """What made it incomplete, or why there is none at all (then ``checkpoint`` is empty)."""
    missed: int = 0
    """Paths that were not captured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RolledBack:
    """The worker returned to a checkpoint (or says why not)."""

    kind: Literal["rolled_back"] = "rolled_back"
    checkpoint: str = ""
    saved_as: str = ""
    """The checkpoint that holds what was there before."""
    ok: bool = True
    reason: str = ""
    """What it was for; when it did not happen, why not."""
    at: Literal["target", "before", "between"] = "target"
    """Where the workspace is. ``between``: a restore was begun and cannot end yet; it is tried again."""
    latch: str = ""
    """The latch of the order, which the overseer releases."""
    by: str = ""
    to_seq: int = 0
    """The last event that still counts."""
    changed: int = 0
    quarantined: int = 0
    outside: tuple[str, ...] = ()
    """What left the machine or is in doubt since the checkpoint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What a return to a checkpoint would change, for the person who asked."""

    kind: Literal["compared"] = "compared"
    checkpoint: str = ""
    request: str = ""
    by: str = ""
    ok: bool = True
    text: str = ""
    """How many of what; when it could not be compared, why not."""
    lines: tuple[str, ...] = ()
    """A line per path, the first ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Nudged:
    """A corrective message from the overseer reached the conversation."""

    kind: Literal["nudged"] = "nudged"
    order: int = 0
    text: str = ""
    rule: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """A recall probe was answered on a fork of the conversation."""

    kind: Literal["probed"] = "probed"
    order: int = 0
    asked: int = 0
    right: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """The worker stopped before an effect: ``why`` is latch, lease, disk, budget or question."""

    kind: Literal["held"] = "held"
    why: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """The worker goes on."""

    kind: Literal["released"] = "released"
    why: str = ""
    held_s: float = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A person's answer to a question reached the worker."""

    kind: Literal["answered"] = "answered"
    question: str = ""
    answer: Literal["approved", "denied", "expired"] = "expired"
    by: str = ""
    action_digest: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What the worker's process tree uses (psutil)."""

    kind: Literal["resources"] = "resources"
    cpu_percent: float = 0
    rss_bytes: int = 0
    children: int = 0
    open_files: int = 0
    disk_free_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished:
    """The run is over."""

    kind: Literal["run_finished"] = "run_finished"
    outcome: Literal["done", "failed", "stopped", "gave_up", "budget"] = "done"
    reason: str = ""
    cost_usd: float | None = None
    steps: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """Time passed; recorded by the overseer from its own clock so that silence can be seen."""

    kind: Literal["tick"] = "tick"


Body: TypeAlias = (
    RunStarted
    | UserSaid
    | ModelStarted
    | ModelCalled
    | ToolIntended
    | Gated
    | ToolStarted
    | ToolFinished
    | Previewed
    | ContextEdited
    | MemoryWritten
    | ProviderError
    | CheckpointTaken
    | RolledBack
    | Compared
    | Nudged
    | Probed
    | Held
    | Released
    | Answered
    | Resources
    | RunFinished
    | Tick
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened, with its place in the record.

    ``seq`` rises by one for the life of a source's record; (source, seq) is the identity. In a recording ``seq`` is
    the step's index and ``digest`` is empty.
    """

    seq: int
    body: Body
    run: str = ""
    step: int = 0
    """The model turn it belongs to (0 before the first)."""
    at: float | None = None
    """Unix time in seconds; None when the recording carries no time."""
    boot: str = ""
    digest: str = ""
    """The row's chain digest in its source's record."""
