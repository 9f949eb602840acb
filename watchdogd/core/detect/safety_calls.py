"""What of a call is a command, a path or an address: told by the names of its arguments, not by the tool."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from shlex import join, quote

from watchdogd.core.detect.actions import acts_of, name_words, things_of
from watchdogd.core.detect.detector import NONE, Levels
from watchdogd.core.detect.lexicon import LOCAL_THINGS, SIDE_EFFECTS, Act
from watchdogd.core.events import Impact, RunStarted, ToolIntended
from watchdogd.core.health import Channel, Finding
from watchdogd.core.shell import Assessment, assess
from watchdogd.core.shell.paths import beneath, normal

_COMMAND_WORDS = frozenset(
    ["command", "cmd", "script", "shell", "bash", "sh", "exec", "cli", "commandline", "terminal", "commands", "console"]
)
_LINE_WORDS = frozenset(["input", "args", "argv", "line", "text", "keystrokes", "keys", "stdin"])
_VERB_WORDS = frozenset(["command", "cmd", "action", "operation", "op", "verb"])
_REST_WORDS = frozenset(["args", "argv", "arguments", "params", "parameters"])
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
        "uri",
        "source",
        "src",
    ]
)
_NO_TARGET_WORDS = frozenset(["source", "src", "input", "from", "read"])
_OUTPUT_WORDS = frozenset(["output", "outfile", "outdir", "save", "saveto", "saveas", "dest", "destination"])
"""Names of a place that is written, whatever the tool is called."""
_MOVES = frozenset(["move", "rename", "mv", "cut"])
_COPIES = frozenset(["copy", "cp", "export", "dump", "save", "extract", "unpack", "unzip", "link", "symlink", "clone"])
_EXECUTES = frozenset({Impact.EXECUTE, Impact.NETWORK, Impact.EXTERNAL, Impact.DESTRUCTIVE})

MOST = 8
"""Commands of one call that are looked at."""
MOST_PAIRS = 64
"""Arguments of one call that are looked at."""
MOST_ITEMS = 16
"""Items of one list that are looked at."""


def pairs(args: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """Name and value of every argument, nested objects opened; a list stays one value. Never recurses."""
    return _opened(args, 0)


def leaves(args: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """Name and value of every argument, objects and lists opened, an item under its list's name. Never recurses."""
    return _opened(args, MOST_ITEMS)


def _opened(args: Mapping[str, object], items: int) -> Iterator[tuple[str, object]]:
    left = [(str(name), value) for name, value in islice(args.items(), MOST_PAIRS)]
    visited = 0
    while left and visited < MOST_PAIRS:
        name, value = left.pop(0)
        visited += 1
        if isinstance(value, Mapping):
            left += [(str(inner), one) for inner, one in islice(value.items(), MOST_PAIRS)]
        elif items and isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
            left += [(name, one) for one in value[:items]]
        else:
            yield name, value


def words_of(name: str) -> frozenset[str]:
    """The lower-case words of a tool's or an argument's name; the same few names come again and again."""
    return _words_of(name[:200])


@lru_cache(maxsize=512)
def _words_of(name: str) -> frozenset[str]:
    return frozenset(name_words(name))


@lru_cache(maxsize=512)
def _singles_of(name: str) -> frozenset[str]:
    return frozenset(map(single, name_words(name)))


def singles_of(name: str) -> frozenset[str]:
    """The same without the ``s`` of the plural."""
    return _singles_of(name[:200])


def single(word: str) -> str:
    """``word`` without its plural's ``s``."""
    return word[:-1] if word.endswith("s") and len(word) > 3 else word


def commands(call: ToolIntended) -> tuple[str, ...]:
    """The shell commands (or programs, spelt as a command) that ``call`` would run; every rule asks for the newest."""
    newest = _newest[0]
    if newest is None or newest[0] is not call:
        newest = _newest[0] = (call, _commands(call))
    return newest[1]


_newest: list[tuple[ToolIntended, tuple[str, ...]] | None] = [None]
"""The call that was looked at last, and its commands."""


def _commands(call: ToolIntended) -> tuple[str, ...]:
    tool = words_of(call.tool)
    runs = bool(tool & _RUN_WORDS) or call.impact in _EXECUTES
    codes = bool(tool & _CODE_WORDS)
    found: list[str] = []
    program = ""
    verb = "" if tool & _RUN_WORDS else subcommand(call)
    for name, value in pairs(call.args):
        words = words_of(name)
        if program and words & _REST_WORDS and isinstance(value, Sequence) and not isinstance(value, str):
            found[-1] = join([program, *(str(one) for one in value[:2_000])])
            program = ""
        elif verb and value == verb:
            continue
        elif words & _COMMAND_WORDS or (runs and words & _LINE_WORDS and not codes):
            found += _spelt(value)
            program = value if isinstance(value, str) and value.strip() and not value.split()[1:] else ""
        elif (codes or runs) and words & _CODE_WORDS and not words & _PATH_WORDS and isinstance(value, str):
            found.append(f"python -c {quote(value)}")
    return tuple(found[:MOST])


def subcommand(call: ToolIntended) -> str:
    """The bare word by which ``call`` says which act of its tool it is (``command="create"`` and a path), or empty."""
    places = False
    verb = ""
    for name, value in list(call.args.items())[:MOST_PAIRS]:
        words = words_of(str(name))
        places = places or bool(words & _PATH_WORDS)
        if words & _VERB_WORDS and isinstance(value, str) and len(value) <= 24 and value.isidentifier():
            verb = value
    return verb if verb and (places or verb.lower() != verb) and acts_of(words_of(verb)) else ""


def verbs_of(call: ToolIntended) -> frozenset[str]:
    """The words of what ``call`` does: of its subcommand, else of its tool."""
    return words_of(subcommand(call)) or words_of(call.tool)


def _spelt(value: object) -> list[str]:
    if isinstance(value, str):
        return [value] if value.strip() else []
    if isinstance(value, Sequence) and value and all(isinstance(one, str) for one in value):
        words = [str(one) for one in value]
        return [join(words)] if not any(" " in word for word in words[:1]) else words
    return []


def bounds_of(run: RunStarted) -> tuple[str, ...]:
    """What ``run`` protects, relative to its workspace where it lies inside; patterns stay patterns."""
    return tuple(beneath(normal(path), run.workspace) for path in run.protected)


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


def _keyed(args: Mapping[str, object]) -> list[str]:
    """The paths that are the keys of an object named as files (``files={"a.py": "…"}``)."""
    return [
        str(key)
        for name, value in list(args.items())[:MOST_PAIRS]
        if isinstance(value, Mapping) and singles_of(str(name)) & _PATH_WORDS
        for key in list(value)[:MOST_PAIRS]
        if "." in str(key) or "/" in str(key)
    ]


def paths(call: ToolIntended) -> tuple[str, ...]:
    """The paths that ``call`` names as changed: what it declares, and path-like arguments of a call that changes."""
    found = list(call.writes)
    if not commands(call):
        tool = verbs_of(call)
        acts = acts_of(tool)
        changes = call.impact is not Impact.READ if call.impact is not None else bool(acts & SIDE_EFFECTS)
        changes = changes or (call.impact is None and not (_MOVES | _COPIES).isdisjoint(tool))
        changes = changes and not sends(call) and not acts & Act.READ
        found += _keyed(call.args) if changes else ()
        takes_away = bool(acts & Act.REMOVE) or not _MOVES.isdisjoint(tool)
        for name, value in leaves(call.args):
            if isinstance(value, str) and "\n" not in value:
                words = singles_of(name)
                if (changes and words & _PATH_WORDS and (takes_away or not words & _NO_TARGET_WORDS)) or (
                    words & _OUTPUT_WORDS and ("/" in value or value[:1] == "~")
                ):
                    found.append(value.removeprefix("file://"))
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
