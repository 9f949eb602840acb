"""A program call as the shell would make it: words, redirections, surroundings."""

from __future__ import annotations

from dataclasses import dataclass, field

from watchdogd.core.shell.paths import UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirect:
    """A redirection: ``op`` as written, ``target`` a path or descriptor, ``text`` a here-document's body."""

    op: str
    target: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimpleCommand:
    """One program call. Words hold ``UNKNOWN`` where only running would tell."""

    argv: tuple[str, ...]
    redirects: tuple[Redirect, ...] = ()
    cwd: str = ""
    """Directory it runs in, relative to where the whole command starts; ``UNKNOWN`` when not static."""
    via: tuple[str, ...] = ()
    """Programs it was handed to (``sudo``, ``xargs``, ``sh -c``), outermost first."""
    stdin: SimpleCommand | None = None
    """What is piped into it."""
    background: bool = False
    raw: str = ""
    """Its source text, cut."""

    program: str = field(init=False, default="")
    """The last path segment of the first word."""

    def __post_init__(self) -> None:
        """Looks up the program once; every rule asks for it."""
        if self.argv:
            object.__setattr__(self, "program", self.argv[0].rsplit("/", 1)[-1])

    @property
    def dynamic(self) -> bool:
        """Whether the program itself is not known before it runs."""
        return bool(self.argv) and UNKNOWN in self.argv[0]
