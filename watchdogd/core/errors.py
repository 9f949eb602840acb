"""Every error watchdogd raises on purpose.

WatchdogdError
├── ConfigError            the configuration cannot be used (carries every problem found)
├── BusDown                the broker did not take or deliver a message in time
├── RecordError            the record could not be written or read
│   ├── RecordFull         the disk has no room
│   └── RecordFenced       a newer process of the same role owns the record
├── ModelError             the model's provider gave no usable reply (carries its class)
├── ToolError              a tool could not do what was asked (told to the model)
├── SandboxError           no command can be contained here
├── SnapshotError          a checkpoint could not be taken, read or restored
├── WireError              bytes that are not a message of ours
└── RequestRefused         a person's request that cannot be carried out (one sentence)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from typing_extensions import override


class WatchdogdError(Exception):
    """Base of all errors raised on purpose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing wrong with a configuration, and where."""

    file: str
    line: int
    """1-based; 0 when the problem has no line (a missing file, an environment variable)."""
    key: str
    text: str

    @override
    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        return f"{where}: {self.key}: {self.text}" if self.key else f"{where}: {self.text}"


class ConfigError(WatchdogdError):
    """The configuration cannot be used; ``problems`` lists everything found."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


class BusDown(WatchdogdError):
    """The broker did not take a message, or the connection is gone."""


class RecordError(WatchdogdError):
    """The record could not be written or read."""


class RecordFull(RecordError):
    """The disk has no room (or went read-only): nothing may happen that would need a record."""


class RecordFenced(RecordError):
    """A newer process of the same role has taken the record; this one must end."""

    def __init__(self, own: int, found: int) -> None:
        super().__init__(f"record belongs to epoch {found}, not to {own}")
        self.own, self.found = own, found


class ModelError(WatchdogdError):
    """The provider gave no usable reply.

    ``kind`` is one of ``timeout``, ``connection``, ``rate_limit``, ``overloaded``, ``server``, ``auth``, ``request``,
    ``malformed``, ``cut`` or ``budget``; ``retry_after_s`` is what the provider asked for, if it did.
    """

    def __init__(self, kind: str, text: str, *, status: int | None = None, retry_after_s: float | None = None) -> None:
        super().__init__(text)
        self.kind, self.status, self.retry_after_s = kind, status, retry_after_s


class ToolError(WatchdogdError):
    """A tool could not do what was asked; the text goes to the model.

    ``kind`` is ``invalid`` (arguments), ``not_found``, ``permission``, ``protected``, ``exists``, ``disk`` or ``tool``.
    """

    def __init__(self, text: str, *, kind: str = "tool") -> None:
        super().__init__(text)
        self.kind = kind


class SandboxError(WatchdogdError):
    """A command cannot be contained on this machine."""


class SnapshotError(WatchdogdError):
    """A checkpoint could not be taken, read or restored; nothing was changed."""


class RestoreUnfinished(SnapshotError):
    """A restore had begun to change the workspace and could not end; recovering finishes it, forward."""


class WireError(WatchdogdError):
    """Bytes that are not a message of ours; ``reason`` is a short code for the record."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class RequestRefused(WatchdogdError):
    """A person's request that cannot be carried out; the text is one sentence for that person."""
