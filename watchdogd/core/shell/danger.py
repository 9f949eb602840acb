"""What a danger is, and what rules about dangers are given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from watchdogd.core.shell.effects import Effect
from watchdogd.core.shell.paths import beneath, joined
from watchdogd.core.shell.simple import SimpleCommand

Kind: TypeAlias = Literal["destructive", "privilege", "persistence", "exfiltration", "tampering"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Danger:
    """One thing about a command that should worry somebody."""

    kind: Kind
    text: str
    argv: tuple[str, ...] = ()
    weight: float = 0.6
    """0..1, see the module."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A simple command, what it does, and where it starts from."""

    command: SimpleCommand
    effect: Effect
    workspace: str
    writes: tuple[str, ...]
    """The effect's paths as seen from the workspace; so are the next two."""
    removes: tuple[str, ...]
    trees: tuple[str, ...]


def looked_at(command: SimpleCommand, effect: Effect, workspace: str) -> Seen:
    """``command`` with its ``effect``, whose paths are seen from ``workspace``."""
    writes, removes, trees = (
        tuple(beneath(joined(command.cwd, path), workspace) for path in paths if path)
        for paths in (effect.writes, effect.removes, effect.trees)
    )
    return Seen(command=command, effect=effect, workspace=workspace, writes=writes, removes=removes, trees=trees)


def paths_of(one: Seen, paths: Sequence[str]) -> list[str]:
    """``paths`` as seen from the workspace."""
    return [beneath(joined(one.command.cwd, path), one.workspace) for path in paths if path]


def danger(one: Seen, kind: Kind, text: str, weight: float) -> Danger:
    """A danger of the command ``one``."""
    return Danger(kind=kind, text=text, argv=one.command.argv[:40], weight=weight)
