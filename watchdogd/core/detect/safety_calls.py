"""What of a call is a command, a path or an address: told by the names of its arguments, not by the tool."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from shlex import join, quote

from watchdogd.core.detect.actions import acts_of, name_words, things_of
from watchdogd.core.detect.detector import NONE, Levels
from watchdogd.core.detect.lexicon import LOCAL_THINGS, SIDE_EFFECTS, Act
from watchdogd.core.events import Impact, ToolIntended
from watchdogd.core.health import Channel, Finding
from watchdogd.core.shell import Assessment, assess

_COMMAND_WORDS = frozenset(
    ["command", "cmd", "script", "shell", "bash", "sh", "exec", "cli", "commandline", "terminal", "commands", "console"]
)
_CODE_WORDS = frozenset(["code", "python", "ipython", "jupyter", "notebook", "cell", "program", "snippet"])
_RUN_WORDS = _COMMAND_WORDS | frozenset(["execute", "run", "ssh", "subprocess", "powershell"])
_PATH_WORDS = frozenset(
    [
        "path",
        "file",
        "filename",
        "filepath",
        "dir",
        "directory",
        "folder",
        "target",
        "destination",
        "dest",
        "output",
        "outfile",
    ]
)
_NO_TARGET_WORDS = frozenset(["source", "src", "input", "from", "read"])
_EXECUTES = frozenset({Impact.EXECUTE, Impact.NETWORK, Impact.EXTERNAL, Impact.DESTRUCTIVE})

MOST = 8
"""Commands of one call that are looked at."""
MOST_PAIRS = 64
"""Arguments of one call that are looked at."""


def pairs(args: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """Name and value of every argument, nested objects opened; a list stays one value. Never recurses."""
    left: list[tuple[str, object]] = [(str(name), value) for name, value in list(args.items())[:MOST_PAIRS]]
    visited = 0
    while left and visited < MOST_PAIRS:
        name, value = left.pop(0)
        visited += 1
        if isinstance(value, Mapping):
            left += [(str(inner), one) for inner, one in list(value.items())[:MOST_PAIRS]]
        else:
            yield name, value


def commands(call: ToolIntended) -> tuple[str, ...]:
    """The shell commands (or programs, spelt as a command) that ``call`` would run."""
    tool = set(name_words(call.tool))
    runs = bool(tool & _RUN_WORDS) or call.impact in _EXECUTES
    codes = bool(tool & _CODE_WORDS)
    found: list[str] = []
    for name, value in pairs(call.args):
        words = set(name_words(name))
        if words & _COMMAND_WORDS or (runs and words & {"input", "args", "argv", "line", "text"} and not codes):
            found += _spelt(value)
        elif (codes or runs) and words & _CODE_WORDS and isinstance(value, str):
            found.append(f"python -c {quote(value)}")
    return tuple(found[:MOST])


def _spelt(value: object) -> list[str]:
    if isinstance(value, str):
        return [value] if value.strip() else []
    if isinstance(value, Sequence) and value and all(isinstance(one, str) for one in value):
        words = [str(one) for one in value]
        return [join(words)] if not any(" " in word for word in words[:1]) else words
    return []


@lru_cache(maxsize=64)
def assessed(command: str, workspace: str, protected: tuple[str, ...]) -> Assessment:
    """The assessment of ``command``; the rules of this channel look at the same one."""
    return assess(command, workspace=workspace, protected=protected)


def sends(call: ToolIntended) -> bool:
    """Whether ``call`` carries something away from the machine, by its class or its tool's name."""
    if call.impact in (Impact.NETWORK, Impact.EXTERNAL):
        return True
    acts = own_acts(call)
    return bool(acts & (Act.SEND | Act.POST))


def own_acts(call: ToolIntended) -> int:
    """The classes of the tool's name; writing a file is no sending."""
    names = name_words(call.tool)
    acts = acts_of(names)
    if acts & Act.CREATE and acts & Act.SEND:
        keys = [word for name in list(call.args)[:MOST_PAIRS] for word in name_words(str(name))]
        if things_of([*names, *keys]) & LOCAL_THINGS or not things_of(names):
            acts &= ~Act.SEND
    return acts


def paths(call: ToolIntended) -> tuple[str, ...]:
    """The paths that ``call`` names as changed: what it declares, and path-like arguments of a call that changes."""
    found = list(call.writes)
    acts = acts_of(name_words(call.tool))
    changes = call.impact is not Impact.READ if call.impact is not None else bool(acts & SIDE_EFFECTS)
    if changes and not commands(call) and not sends(call) and not acts & Act.READ:
        for name, value in pairs(call.args):
            words = set(name_words(name))
            if words & _PATH_WORDS and not words & _NO_TARGET_WORDS and isinstance(value, str) and "\n" not in value:
                found.append(value)
    return tuple(dict.fromkeys(path for path in found if path and "://" not in path and len(path) < 4_096))


@dataclass(slots=True)
class Standing:
    """Findings of one rule that stay up until enough calls went by without a new one."""

    levels: Levels = field(default_factory=Levels)
    calm: int = 0
    now: float = 0.0
    """Risk of the newest call, fading with every later one."""

    def called(self, rules: Sequence[str], channel: Channel, seq: int, after: int) -> tuple[Finding, ...]:
        """Another call went by; what is over after ``after`` of them."""
        self.now *= 0.9
        if not self.levels.up:
            return NONE
        self.calm += 1
        if self.calm <= after:
            return NONE
        over = NONE
        for rule in rules:
            over += self.levels.over(rule, channel, seq=seq)
        return over
