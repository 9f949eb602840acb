"""A call before it runs, and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from watchdogd.core.conversation import ToolUse
from watchdogd.core.errors import ToolError
from watchdogd.core.events import Args, Impact
from watchdogd.ports import SandboxProfile, ToolSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What a tool says about a call, from its arguments alone."""

    impact: Impact
    summary: str
    """In a few words, for people."""
    reasons: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    """Paths it names as changed: relative to the workspace inside it."""
    reads: tuple[str, ...] = ()
    """Files whose content the action depends on: an approval does not hold once they changed."""
    hosts: tuple[str, ...] = ()
    dangers: tuple[str, ...] = ()
    profile: SandboxProfile | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call as the gate sees it."""

    use: ToolUse
    impact: Impact
    summary: str
    reasons: tuple[str, ...]
    writes: tuple[str, ...]
    hosts: tuple[str, ...]
    dangers: tuple[str, ...]
    action_digest: str
    """Binds an approval: run, tool, whole arguments, working directory, sandbox profile, files named."""
    shown: str
    """Every byte of the action, control and bidi characters escaped."""
    profile: SandboxProfile | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a call ended; becomes ``tool_finished``."""

    ok: bool
    text: str
    error_class: str = ""
    exit_code: int | None = None
    status: int | None = None
    duration_s: float = 0.0
    changed: tuple[str, ...] = ()
    aborted: bool = False
    """It never began: the launcher saw the lease's end."""


class Tool(Protocol):
    """One tool."""

    @property
    def spec(self) -> ToolSpec:
        """As the model is told of it."""
        ...

    def prepare(self, args: Args) -> Prepared:
        """What a call would do. Raises: ToolError, for arguments that do not fit."""
        ...

    async def run(
        self, args: Args, prepared: SandboxProfile | None, *, until_boot_s: float, launched: Callable[[], None]
    ) -> Outcome:
        """Does it unless ``until_boot_s`` has passed (CLOCK_BOOTTIME); calls ``launched`` once it began or never will."""
        ...


def text_arg(args: Args, name: str, *, empty: bool = False) -> str:
    """The string ``name`` of ``args``. Raises: ToolError."""
    value = args.get(name)
    if not isinstance(value, str):
        raise ToolError(f"{name} must be a string" if name in args else f"{name} is missing")
    if not value and not empty:
        raise ToolError(f"{name} must not be empty")
    return value


def int_arg(args: Args, name: str) -> int | None:
    """The whole number ``name`` of ``args``, None when it is not given. Raises: ToolError."""
    value = args.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ToolError(f"{name} must be a whole number of at least 1")
    return value


def only(args: Args, *names: str) -> None:
    """Refuses arguments nobody asked for: what is not read must not look as if it counted. Raises: ToolError."""
    strangers = sorted(set(args) - set(names))
    if strangers:
        raise ToolError(f"unknown argument {', '.join(strangers)}; there are: {', '.join(names)}")
