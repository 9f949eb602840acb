"""What the services need from the world, as small protocols. Adapters do it for real, ``sim`` in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar

from watchdogd.core.chain import Row
from watchdogd.core.changes import Changes
from watchdogd.core.checkpoint import Manifest
from watchdogd.core.conversation import Block, Conversation, ToolUse
from watchdogd.core.errors import WireError
from watchdogd.core.events import Resources, Usage
from watchdogd.core.proof import Proof
from watchdogd.core.rollback import Restored
from watchdogd.wire.channel import Line
from watchdogd.wire.messages import Message

T = TypeVar("T")

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
    shown_as: str = ""
    """For a copy: the workspace in whose place the command sees it (absolute path). Such a command has no network."""
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

    @property
    def seen_at(self) -> str:
        """Where the command sees its workspace."""
        return self.shown_as or self.workspace


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
        """Sorted entries of a directory (sub-directories end in ``/``); whether the list was cut. Raises: ToolError."""
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


class WorkspaceCopy(Protocol):
    """A throw-away copy of the workspace."""

    @property
    def path(self) -> str:
        """Where it lies (absolute)."""
        ...

    @property
    def missing(self) -> Sequence[tuple[str, str]]:
        """Paths that the copy does not have, and why."""
        ...

    async def compared(self, *, lines: int) -> tuple[Changes, Sequence[str]]:
        """What is different by now from the workspace as it was copied; the same readable, so many lines at most.

        Raises:
            SnapshotError: it cannot be read.
        """
        ...

    async def discard(self) -> None:
        """Removes it; what cannot be removed now goes with the next start."""
        ...


class Previews(Protocol):
    """Throw-away copies of the one workspace; what a worker that died left of them is gone."""

    async def make(self, name: str) -> WorkspaceCopy:
        """A copy called ``name`` ([A-Za-z0-9_-]); cancelled, it leaves none.

        Raises:
            SnapshotError: there can be none (too large, unreadable, changing, full disk); in one sentence.
        """
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


class Snapshots(Protocol):
    """Checkpoints of one workspace (DESIGN 8). The work is done beside the caller's loop, one piece at a time."""

    async def open(self) -> Restored | None:
        """Makes the store ready, and finishes a restore that a crash interrupted; that one, or None.

        Raises:
            RestoreUnfinished: it could not end this time either.
            SnapshotError: the store cannot be used.
        """
        ...

    async def take(self, id: str, *, reason: str, at_seq: int, extra: Mapping[str, bytes]) -> Manifest:
        """Saves the workspace and ``extra`` under ``id``, synced; late or disturbed it is incomplete.

        Raises:
            SnapshotError: the root is refused, the id is taken, the quota or the disk is full; nothing was changed.
        """
        ...

    async def restore(self, id: str, *, quarantine: str) -> Restored:
        """Brings the workspace to checkpoint ``id``; what it does not have goes to ``quarantine``.

        A restore that had ended under the same quarantine is not done again.

        Raises:
            SnapshotError: it cannot be done; nothing was changed.
            RestoreUnfinished: it had begun and could not end; ``open`` goes on.
        """
        ...

    async def compare(self, id: str) -> Changes:
        """What is different in the workspace since checkpoint ``id``. Raises: SnapshotError."""
        ...

    async def manifest(self, id: str) -> Manifest:
        """What checkpoint ``id`` holds. Raises: SnapshotError."""
        ...

    async def blob(self, id: str, name: str) -> bytes:
        """What was given to ``take`` as ``extra[name]``. Raises: SnapshotError."""
        ...

    async def ids(self) -> frozenset[str]:
        """All checkpoints, incomplete ones too."""
        ...

    async def forget(self, ids: frozenset[str]) -> None:
        """Removes these and what only they hold. Raises: SnapshotError; nothing of the others was lost."""
        ...


class Schedule(Protocol):
    """Wall-clock schedules; a job is a plain function run on the caller's loop."""

    def cron(self, expression: str, job: Callable[[], None]) -> None:
        """Five fields, as crontab has them, in the machine's time zone. Raises: ValueError."""
        ...

    def every(self, seconds: float, job: Callable[[], None], *, jitter_s: float = 0) -> None:
        """Every ``seconds``, give or take ``jitter_s``."""
        ...

    def once_in(self, seconds: float, job: Callable[[], None], *, name: str, jitter_s: float = 0) -> None:
        """Once; a second call with the same ``name`` replaces the first."""
        ...

    def close(self) -> None:
        """Ends all of it."""
        ...


# --- the record -------------------------------------------------------------------------------------------------------


class Transaction(Protocol):
    """Rows and cells that become durable together, or not at all."""

    def append(self, entry: Mapping[str, object]) -> Row:
        """The next row of the chain; ``seq`` is added to ``entry``."""
        ...

    def put(self, key: str, value: object) -> None:
        """Sets a cell to a value of the core (or plain JSON data)."""
        ...

    def drop(self, key: str) -> None:
        """Removes a cell."""
        ...


class Record(Protocol):
    """One role's append-only record, plus the cells that change together with it."""

    @property
    def head(self) -> Row | None:
        """The newest row that is synced."""
        ...

    def transaction(self) -> AbstractContextManager[Transaction]:
        """Synced when the block is left, undone when it raises.

        Raises:
            RecordFull: the disk refuses.
            RecordFenced: another process has claimed a higher epoch.
        """
        ...

    def claim(self) -> int:
        """Takes the record: an epoch one higher than any before, synced; fences every earlier holder."""
        ...

    def check(self) -> None:
        """Raises: RecordFenced, when somebody else has claimed the record since."""
        ...

    def rows(self, first: int, last: int) -> Sequence[Row]:
        """Rows ``first`` to ``last``, both included, as far as they exist."""
        ...

    def load(self, kind: type[T], key: str) -> T | None:
        """The cell ``key``. Raises: RecordError, when it does not hold a ``kind``."""
        ...

    def scan(self, kind: type[T], prefix: str, *, after: str = "", limit: int = 1_000) -> Sequence[tuple[str, T]]:
        """Cells whose key begins with ``prefix`` and is greater than ``after``, in order of their keys."""
        ...

    @property
    def size_bytes(self) -> int:
        """What rows and cells take; what was dropped does not count, though the file may not have shrunk."""
        ...

    def close(self) -> None:
        """Lets go of the file."""
        ...


# --- the bus ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """What arrived on a topic: a message, or the reason why it is none."""

    topic: str
    message: Message | None
    problem: WireError | None = None
    retained: bool = False
    """Delivered as a retained copy (or marked so by retain-as-published)."""
    digest: str = ""
    """sha256 of the payload, for the record of what was ignored."""
    size: int = 0
    link: str = ""
    """Names the connection it came by, where that matters (people's requests)."""
    done: Callable[[], None] | None = None
    """On a persistent link: acknowledges it to the broker; to be called once it is committed."""


class Link(Protocol):
    """One connection; it ends, it is never reused."""

    async def send(self, message: Message) -> None:
        """Publishes; returns once the broker has it (QoS 1) or it is on the socket (QoS 0).

        Raises:
            BusDown: it was not taken within the deadline.
        """
        ...

    def put(self, message: Message) -> None:
        """Publishes without waiting, in order with everything else on this link. Raises: BusDown."""
        ...

    def clear_retained(self, topic: str) -> None:
        """Removes a retained copy that must not be there."""
        ...

    def received(self) -> AsyncIterator[Received]:
        """What arrives, in order, until the link breaks. Raises: BusDown."""
        ...


class Bus(Protocol):
    """A broker that can be connected to, as one principal."""

    def connect(self, *, persistent: bool = False) -> AbstractAsyncContextManager[Link]:
        """A new connection with its subscriptions made and its presence published; a last will stands behind it.

        Args:
            persistent: for people's requests: the session outlives the connection, each message is acknowledged only
                by its ``done``; such a link publishes no presence.

        Raises:
            BusDown: no connection within the deadline.
        """
        ...


class Channel(Protocol):
    """The socketpair between overseer and supervisor."""

    def send(self, line: Line) -> None:
        """Puts ``line`` on the socket. Raises: BusDown, when the other end is gone."""
        ...

    def received(self) -> AsyncIterator[Line]:
        """What the other end says, until it is gone."""
        ...


# --- processes --------------------------------------------------------------------------------------------------------


class Tree(Protocol):
    """The process tree of one child."""

    def freeze(self) -> Proof:
        """Stops every process of the tree from running, and looks."""
        ...

    def thaw(self) -> Proof:
        """Lets them go on, and looks."""
        ...

    def kill(self) -> Proof:
        """Ends every process of the tree, and looks."""
        ...

    def look(self) -> Proof:
        """What the tree is doing."""
        ...


class Redactor(Protocol):
    """Takes secrets out of what is recorded and published."""

    def text(self, text: str) -> str:
        """``text`` with our credentials and known shapes of secrets replaced by a mark."""
        ...


class Gauge(Protocol):
    """What this process and its children use."""

    def sample(self) -> Resources:
        """CPU, memory, children, open files, free disk where the record lies."""
        ...


class WorkerTree(Tree, Protocol):
    """The worker's process tree: the worker itself and its tools can be thawed apart (PROTOCOL S3)."""

    def thaw_worker(self) -> Proof:
        """Lets only the worker go on; its tools stay as they are."""
        ...


class Child(Protocol):
    """A role's process."""

    @property
    def pid(self) -> int:
        """Its process id."""
        ...

    @property
    def tree(self) -> WorkerTree:
        """It and everything it started."""
        ...

    @property
    def channel(self) -> Channel | None:
        """The socketpair to it, for the overseer."""
        ...

    async def wait(self) -> int:
        """Its exit status, negative for a signal; may be called more than once."""
        ...

    def terminate(self) -> None:
        """Asks it to end (SIGTERM)."""
        ...

    def renew(self) -> None:
        """Asks it to end as soon as nothing it does is cut short (SIGHUP)."""
        ...


class Notifier(Protocol):
    """The service manager."""

    def ready(self, status: str) -> None:
        """The daemon can be used."""
        ...

    def ping(self, status: str) -> None:
        """All is as it should be."""
        ...

    def stopping(self) -> None:
        """The daemon is on its way down."""
        ...
