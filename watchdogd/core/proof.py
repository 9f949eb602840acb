"""What is known about a tree of processes after it was looked at, frozen, thawed or killed, and how it is known."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal


class TreeState(StrEnum):
    """What a tree of processes really does."""

    RUNNING = "running"
    FROZEN = "frozen"
    EXITED = "exited"
    UNPROVEN = "unproven"
    """Something was asked for and could not be seen to have happened: never to be taken for done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """A state, and what it rests on."""

    state: TreeState
    how: Literal["cgroup", "processes"]
    partial: bool
    """True where a process of the tree may exist that nobody saw."""
    checked: tuple[str, ...] = ()
    """What was looked at and what stood in the way, a sentence each."""
    pids: tuple[int, ...] = ()
    """The live processes seen last."""
    took_s: float = 0.0

    @property
    def headline(self) -> str:
        """The proof in a line for people."""
        count = len(self.pids)
        noun = "process" if count == 1 else "processes"
        doubt = ", partial" if self.partial else ""
        return f"{self.state}: {count} {noun} by {self.how}{doubt} ({'; '.join(self.checked)})"
