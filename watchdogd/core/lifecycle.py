"""Missions and runs: what is to be done, and how far it has come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from watchdogd.core.lease.messages import Latch


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """What a mission measures itself by."""

    name: str
    """The word or field name that stands before the number in a result."""
    better: Literal["higher", "lower"] = "higher"
    tool: str = ""
    """Only results of this tool are read for it; empty = of any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mission:
    """A job: the goal in the user's words, its rules, how one knows that it is done."""

    name: str
    goal: str
    rules: tuple[str, ...] = ()
    protect: tuple[str, ...] = ()
    """Workspace paths no call may change: hard denials, and mounted read-only in the sandbox."""
    deny_commands: tuple[str, ...] = ()
    """Regular expressions over commands that are refused at every level."""
    hosts: tuple[str, ...] = ()
    done_when: str = ""
    """A command; exit status 0 = done. Empty: the model's word counts."""
    done_timeout_s: float = 120
    done_attempts: int = 3
    """How often the model may say it is done while ``done_when`` disagrees."""
    budget_usd: float | None = None
    budget_tokens: int | None = None
    deadline_s: float | None = None
    max_steps: int = 1_000
    metric: Metric | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One attempt at a mission; on disk after every step."""

    id: str
    mission: Mission
    trigger: str = ""
    started_at: float = 0.0
    """Unix time (seconds)."""
    step: int = 0
    messages: int = 0
    """Length of the conversation on disk."""
    spent_usd: float = 0.0
    tokens: int = 0
    unpriced: bool = False
    """Some call's cost is unknown, so ``spent_usd`` is a lower bound."""
    done_checks: int = 0
    refusals: int = 0
    """Replies in a row that were refused or cut without a call."""
    stop_reason: str = ""
    """Why the model's last reply ended."""
    stop: str = ""
    """Who ordered the end and why; empty = nobody."""
    dry_run: bool = False

    def left_usd(self) -> float | None:
        """Money left (USD); None without a money budget."""
        return None if self.mission.budget_usd is None else self.mission.budget_usd - self.spent_usd

    def left_tokens(self) -> int | None:
        """Tokens left; None without a token budget."""
        return None if self.mission.budget_tokens is None else self.mission.budget_tokens - self.tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A call that was started and has not been seen to end."""

    call: str
    tool: str
    run: str
    seq: int
    action_digest: str
    approval: str = ""
    reading: bool = False
    summary: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A question the run waits on."""

    question: str
    call: str
    run: str
    action_digest: str
    asked_at: float


Status = Literal["idle", "running", "holding", "paused", "asking", "rolling_back", "stopped", "failed"]


def status(run: Run | None, latch: Latch | None, hold: str, asking: bool, returning: str) -> tuple[Status, str]:
    """What the worker should say of itself, and why.

    Args:
        run: the run under way.
        latch: the latch in force.
        hold: why it holds otherwise (lease, disk, budget); empty = it does not.
        asking: a question is open.
        returning: what a rollback under way is doing; empty = there is none.
    """
    if returning:
        return "rolling_back", returning
    if latch is not None:
        return "paused", f"paused by {latch.by}: {latch.reason}"
    if run is None:
        return "idle", ""
    if asking:
        return "asking", "waiting for a person's answer"
    if hold:
        return "holding", hold
    return "running", ""
