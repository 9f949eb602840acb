"""A rollback as small steps: conversation, memory and workspace go back together, whatever dies in between."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollback:
    """What was ordered; on disk before the first step."""

    id: str
    """Names its latch and its quarantine."""
    target: str
    """The checkpoint to return to."""
    saved_as: str
    """The checkpoint that will hold what is there now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What is so at the moment, as read from disk."""

    latched: bool
    """The rollback's own latch is set: nothing but these steps happens."""
    saved: bool
    """``saved_as`` exists and is complete."""
    workspace: bool
    """The workspace is at the target (its restore ended and was verified)."""
    talk: bool
    """Conversation and memory are at the target, with the note of what happened outside since."""


@dataclass(frozen=True, slots=True)
class SetLatch:
    """Nothing of the worker's may act from here on."""

    latch: str


@dataclass(frozen=True, slots=True)
class SavePresent:
    """Checkpoints what is there now."""

    checkpoint: str


@dataclass(frozen=True, slots=True)
class RestoreWorkspace:
    """Brings the workspace to the target; finishes a restore that was begun."""

    checkpoint: str
    quarantine: str


@dataclass(frozen=True, slots=True)
class RestoreTalk:
    """Brings conversation and memory to the target and adds the note, in one transaction of the worker's record."""

    checkpoint: str


@dataclass(frozen=True, slots=True)
class ReleaseLatch:
    """The worker may go on (other latches stay)."""

    latch: str


Step: TypeAlias = SetLatch | SavePresent | RestoreWorkspace | RestoreTalk | ReleaseLatch


def steps(rollback: Rollback, now: Standing) -> Iterator[Step]:
    """What is left to do; each step may be repeated, and dying between any two leaves the latch set.

    The workspace goes before the conversation: a worker must never remember less than what it may find done.
    """
    done = now.workspace and now.talk
    if not now.latched and not done:
        yield SetLatch(rollback.id)
    if not done:
        # Once the workspace was touched, saving again would save a mixture.
        if not now.saved and not now.workspace:
            yield SavePresent(rollback.saved_as)
        if not now.workspace:
            yield RestoreWorkspace(rollback.target, rollback.id)
        if not now.talk:
            yield RestoreTalk(rollback.target)
    if now.latched or not done:
        yield ReleaseLatch(rollback.id)


def outside_note(target: str, outside: tuple[str, ...]) -> str:
    """What the conversation is told after a rollback, so that nothing is done twice."""
    head = f"You were taken back to checkpoint {target}: files, memory and conversation are as they were then."
    if not outside:
        return f"{head} Nothing left the machine since."
    listed = "\n".join(f"- {one}" for one in outside)
    return (
        f"{head} What left the machine since cannot be taken back, and may have happened even where it says in doubt; "
        f"do not do it again without checking:\n{listed}"
    )
