"""What the services need from the world, as small protocols. Adapters do it for real, ``sim`` in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from typing import Literal, Protocol

from watchdogd.core.conversation import Block, Conversation, ToolUse
from watchdogd.core.events import Usage

# --- time -------------------------------------------------------------------------------------------------------------


class Clock(Protocol):
    """Time and randomness; nothing else may ask for them."""

    def wall(self) -> float:
        """Unix time in seconds."""
        ...

    def boot(self) -> float:
        """Seconds of CLOCK_BOOTTIME: goes on during suspend, never jumps."""
        ...

    def nonce(self) -> str:
        """A fresh unguessable token of 16 hex digits."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Waits."""
        ...


# --- the model --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSpec:
    """A tool as the model is told of it."""

    name: str
    description: str
    schema: Mapping[str, object]
    """JSON schema of the arguments."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRequest:
    """One call to the model."""

    model: str
    system: str
    conversation: Conversation
    tools: Sequence[ToolSpec] = ()
    max_tokens: int = 8_000
    deadline_s: float = 600
    """Everything about this one attempt must be over by then (seconds)."""
    output_schema: Mapping[str, object] | None = None
    """Asks for structured output of this JSON schema; the reply is still validated by the caller."""
    effort: str | None = None
    stream: bool = True
    cache: bool = True
    """Marks the stable prefix (tools, system, conversation so far) for prompt caching."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelReply:
    """What the model answered. ``content`` is kept verbatim for the conversation and is never empty."""

    content: tuple[Block, ...]
    text: str
    tool_uses: tuple[ToolUse, ...]
    stop_reason: str
    usage: Usage
    model: str
    latency_s: float
    request_id: str = ""


class Model(Protocol):
    """A language model behind the Messages API."""

    async def ask(self, request: ModelRequest) -> ModelReply:
        """One attempt, no retries: the caller decides, so that every failure becomes an event.

        Raises:
            ModelError: nothing usable came back within ``deadline_s``; cancellation passes through.
        """
        ...

    async def close(self) -> None:
        """Lets go of connections."""
        ...


# --- tools ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxProfile:
    """What one command may touch. The profile's digest is part of what an approval binds."""

    workspace: str
    """Absolute path; the only path that can be writable."""
    writable: bool = True
    network: bool = False
    protected: tuple[str, ...] = ()
    """Paths below the workspace mounted read-only (relative, no leading slash)."""
    time_s: float = 120
    output_bytes: int = 64_000
    processes: int = 256
    memory_bytes: int = 2 * 1024**3
    file_bytes: int = 1024**3
    env: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandResult:
    """How a command ended."""

    outcome: Literal["exited", "signalled", "timeout", "aborted", "failed_to_start"]
    """``aborted``: the launcher saw its lease's deadline pass and never ran the command."""
    exit_code: int | None
    signal: int | None
    output: str
    """stdout and stderr as they came, head and tail when too long, decoded with replacement."""
    output_cut: bool
    duration_s: float


class Sandbox(Protocol):
    """Runs shell commands in containment."""

    @property
    def name(self) -> str:
        """``bwrap``, or ``none`` for the demo's scratch workspace."""
        ...

    async def run(
        self, command: str, profile: SandboxProfile, *, until_boot_s: float, launched: Callable[[], None]
    ) -> CommandResult:
        """Runs ``command`` with bash semantics in ``profile``; nothing of it survives this call.

        The launcher compares CLOCK_BOOTTIME with ``until_boot_s`` right before exec and aborts if it has passed;
        ``launched`` is called once exec is confirmed or will never happen. Cancellation kills the whole tree first.
        """
        ...


class Files(Protocol):
    """File access beneath one root, by directory descriptors: no symlink, no ``..``, no device leads out of it."""

    def read(self, path: str, *, limit_bytes: int) -> tuple[bytes, bool]:
        """The file's bytes and whether they were cut. Raises: ToolError."""
        ...

    def list(self, path: str, *, limit: int) -> tuple[list[str], bool]:
        """Entries of a directory (directories end in ``/``), sorted, and whether the list was cut. Raises: ToolError."""
        ...

    def is_dir(self, path: str) -> bool:
        """Whether ``path`` names a directory. Raises: ToolError when it cannot be looked at."""
        ...

    def write(self, path: str, data: bytes, *, create_only: bool) -> None:
        """Writes atomically (temp + rename), making parents. Raises: ToolError."""
        ...

    def digest(self, path: str) -> str | None:
        """sha256 of the file, None when there is none. Raises: ToolError."""
        ...


# --- objects ----------------------------------------------------------------------------------------------------------


class Objects(Protocol):
    """A content-addressed directory; every read is verified by digest."""

    def put(self, text: str) -> str:
        """Stores ``text`` synced; returns its digest. Raises: RecordError."""
        ...

    def get(self, digest: str) -> str | None:
        """The text, or None when it is missing or does not match its digest."""
        ...
