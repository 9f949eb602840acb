"""A call before it runs, and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from watchdogd.core.conversation import ToolUse
from watchdogd.core.events import Args, Body, Impact
from watchdogd.ports import SandboxProfile, ToolSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What a tool says about a call before anything runs."""

    impact: Impact
    summary: str
    """In a few words, for people."""
    reasons: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    """Paths it names as changed: relative to the workspace inside it, in one spelling."""
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
    """Binds an approval: run, tool, whole arguments, working directory, sandbox and its profile, files named."""
    shown: str
    """Every byte of the action, control and bidi characters escaped, and what it would run in."""
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
    events: tuple[Body, ...] = ()
    """Recorded together with its end."""


class Tool(Protocol):
    """One tool. Its arguments have passed its schema when ``prepare`` sees them."""

    @property
    def spec(self) -> ToolSpec:
        """As the model is told of it."""
        ...

    def prepare(self, args: Args) -> Prepared:
        """What a call would do. Raises: ToolError, when it cannot come to anything."""
        ...

    async def run(
        self, args: Args, profile: SandboxProfile | None, *, until_boot_s: float, launched: Callable[[], None]
    ) -> Outcome:
        """Does it unless ``until_boot_s`` has passed (CLOCK_BOOTTIME).

        Nothing is awaited before the effect, or the spawn, begins; ``launched`` is called once it began or never will.
        """
        ...


NOT_RUN = Outcome(ok=False, text="not run: the lease had ended", error_class="lease", aborted=True)
"""The outcome of a call that came too late."""
