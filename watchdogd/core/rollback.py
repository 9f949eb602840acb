"""A rollback as small steps: conversation, memory and workspace go back together, whatever dies in between."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from watchdogd.core.events import Event, Impact, ToolFinished, ToolIntended
from watchdogd.core.tree import Residue


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """How a restore ended. Every path was compared with the checkpoint afterwards."""

    checkpoint: str
    quarantine: str
    """Where what was moved lies; empty when nothing had to be changed."""
    at: Literal["target", "before"]
    """Where the workspace is: at the checkpoint, or untouched (a restore that died before its first change)."""
    changed: int = 0
    """Paths put in place or given other permissions."""
    quarantined: tuple[str, ...] = ()
    """Paths that were moved out of the workspace."""
    residue: tuple[Residue, ...] = ()
    """Paths that are not as they were, because they were not captured or must not be touched."""
    finished_forward: bool = False
    """Whether a crash lay in between."""


LEAVING = (Impact.NETWORK, Impact.EXTERNAL)
OUTSIDE_NAMED = 50
"""Of what left the machine; the note says how many more there are."""


def outside(events: Iterable[Event], since: int = 0) -> tuple[str, ...]:
    """What ended after event ``since`` and left the machine, or may have: no restore takes it back.

    A destructive call counts unless it names what it writes, which then lies in the workspace. A call that nobody saw
    end counts as one that may have happened.
    """
    meant: dict[str, ToolIntended] = {}
    found: list[str] = []
    for event in events:
        match event.body:
            case ToolIntended() as intended:
                meant[intended.call] = intended
            case ToolFinished(outcome="ok" | "error" | "unknown" | "in_doubt") as ended if event.seq > since:
                call = meant.get(ended.call)
                unnamed = call is not None and call.impact is Impact.DESTRUCTIVE and not call.writes
                if call is not None and (call.impact in LEAVING or unnamed):
                    doubt = " (in doubt)" if ended.outcome in ("in_doubt", "unknown") else ""
                    found.append(f"{call.summary or call.tool}{doubt}"[:200])
            case _:
                pass
    rest = len(found) - OUTSIDE_NAMED
    return (*found[:OUTSIDE_NAMED], *((f"and {rest} more",) if rest > 0 else ()))


def outside_note(target: str, outside: tuple[str, ...], reason: str = "") -> str:
    """What the conversation is told after a rollback, so that nothing is done twice."""
    head = f"You were taken back to checkpoint {target}: files, memory and conversation are as they were then."
    head += f" Why: {reason}" if reason else ""
    if not outside:
        return f"{head} Nothing left the machine since."
    listed = "\n".join(f"- {one}" for one in outside)
    return (
        f"{head} What left the machine since cannot be taken back, and may have happened even where it says in doubt; "
        f"do not do it again without checking:\n{listed}"
    )
