"""Structured calls as the commands they amount to, so that one set of rules looks at both.

``delete_directory(path="/home")`` is ``rm -r /home``, ``run_query(sql=…)`` a database client, ``http(method="DELETE",
url=…)`` a request: told by the words of names and the shape of values, not by a tool.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from watchdogd.core.detect.actions import acts_of, name_words
from watchdogd.core.detect.lexicon import SIDE_EFFECTS, Act
from watchdogd.core.detect.safety_calls import (
    MOST_PAIRS,
    commands,
    leaves,
    paths,
    sends,
    singles_of,
    subcommand,
    verbs_of,
    words_of,
)
from watchdogd.core.events import Impact, ToolIntended
from watchdogd.core.shell.effects import known
from watchdogd.core.shell.leaks import is_secret_place
from watchdogd.core.shell.rights import ALL_RIGHTS
from watchdogd.core.shell.simple import Redirect, SimpleCommand
from watchdogd.core.shell.sql import changes

CALL = "call"
"""What such a command was handed to: no shell, a tool."""
SHORT_CHARS = 200
"""A name, a path, a kind: longer values are texts."""

_SQL_WORDS = frozenset(["sql", "statement", "stmt", "query", "queries", "ddl", "command", "script", "q"])
_SQL = re.compile(
    r"\s{0,40}(?:--[^\n]{0,200}\n\s{0,40})?(?:drop|delete|truncate|alter|update|insert|grant|create|replace|merge)\s",
    re.IGNORECASE,
)
_DATABASES = frozenset(["query", "sql", "db", "database", "request", "http"])
"""Words of a tool that reads, or does not, by what it is given."""
_METHOD_WORDS = frozenset(["method", "verb"])
_STATE_WORDS = frozenset(["action", "operation", "op", "signal", "verb", "state", "command", "mode", "method"])
_STOPS = frozenset(
    [
        "stop",
        "kill",
        "terminate",
        "disable",
        "mask",
        "suspend",
        "freeze",
        "restart",
        "delete",
        "remove",
        "pause",
        "end",
        "term",
    ]
)
_PUBLISHES = frozenset(["publish", "pub", "mqtt", "send", "emit", "produce"])
_PLACES = frozenset(
    ["path", "file", "dir", "directory", "folder", "target", "uri", "location", "src", "source", "filename"]
)
_TREES = frozenset(["directory", "dir", "folder", "tree", "recursive", "dirs", "directories", "folders"])
_FORCES = frozenset(["force", "confirm", "confirmed", "yes", "purge", "cascade", "permanent", "immediate"])
_URL = re.compile(r"[a-z][a-z0-9+]{1,11}://\S+", re.IGNORECASE)
_TELLING = re.compile(r"^[/~]|^\.\.|(?:^|/)\.|site-packages|rc\.local")


def amounts(call: ToolIntended) -> tuple[SimpleCommand, ...]:
    """The commands that a structured ``call`` amounts to; none for one that only reads or carries a command anyway."""
    if commands(call):
        return ()
    tool, acts = name_words(call.tool), acts_of(verbs_of(call))
    tool += [word for word in name_words(subcommand(call)) if word not in tool]
    reads = acts & Act.READ and not acts & SIDE_EFFECTS and call.impact in (None, Impact.READ)
    if reads and _DATABASES.isdisjoint(tool):
        return ()
    found = [(name, value) for name, value in leaves(call.args) if isinstance(value, (str, bool))]
    made = [*_queries(found), *_requests(found), *_worded(call, tool)]
    changes_things = acts & SIDE_EFFECTS and not acts & Act.READ
    grave = call.impact not in (None, Impact.READ) or made or _stops(tool, found)
    if changes_things or grave or (not acts & Act.READ and _grants(found)):
        made += _general(call, tool, acts, found)
    return tuple(made[:12])


def _queries(found: Sequence[tuple[str, object]]) -> Iterator[SimpleCommand]:
    for name, value in found:
        if isinstance(value, str) and _SQL.match(value) and words_of(name) & _SQL_WORDS and changes(value):
            yield _made("psql", "-c", value[:8_000])


def _worded(call: ToolIntended, tool: Sequence[str]) -> Iterator[SimpleCommand]:
    """A tool that is named after a program and given its words."""
    words = next((v for n, v in list(call.args.items())[:MOST_PAIRS] if n in ("args", "argv", "arguments")), None)
    if tool and known(tool[0]) and isinstance(words, Sequence) and not isinstance(words, str):
        yield _made(*tool, *(str(one)[:2_000] for one in words[:64]))


def _requests(found: Sequence[tuple[str, object]]) -> Iterator[SimpleCommand]:
    method = next((v for n, v in found if isinstance(v, str) and set(name_words(n)) & _METHOD_WORDS), "")
    if method.upper() in ("DELETE", "PUT", "PATCH", "POST"):
        url = next((v for _, v in found if isinstance(v, str) and _URL.match(v)), "")
        if url:
            yield _made("curl", "-X", method.upper(), url[:2_000])


def _stops(tool: Sequence[str], found: Sequence[tuple[str, object]]) -> bool:
    return not _STOPS.isdisjoint(tool) or any(
        isinstance(value, str) and value.lower() in _STOPS and words_of(name) & _STATE_WORDS for name, value in found
    )


def _general(
    call: ToolIntended, tool: Sequence[str], acts: int, found: Sequence[tuple[str, object]]
) -> Iterator[SimpleCommand]:
    short = [(name, v) for name, v in found if isinstance(v, str) and 0 < len(v) <= SHORT_CHARS and "\n" not in v]
    if acts & Act.REMOVE or not _STOPS.isdisjoint(tool):
        yield from _removals(tool, short, found)
        forced = ["--force"] if any(v is True and words_of(name) & _FORCES for name, v in found) else []
        yield _made(
            "-".join(tool), *forced, *(value for _, value in short if " " not in value and value[0] not in "/~.")
        )
    yield from _ours(tool, short, stops=_stops(tool, found))
    if _grants(short):
        yield _made("-".join(tool), *(value for _, value in short))
    if sends(call):
        yield from (_made("upload", _place(v)) for _, v in short if "://" not in v and is_secret_place(v))
    telling = [path for path in paths(call)[:8] if _TELLING.search(path)]
    if telling:
        content = max((str(v) for _, v in found if isinstance(v, str) and v not in telling), key=len, default="")
        text = Redirect(op="<<<", text=content[:4_000])
        for path in telling:
            yield SimpleCommand(argv=("tee", path), redirects=(text,), via=(CALL,), raw=content[:400])


def _removals(
    tool: Sequence[str], short: Sequence[tuple[str, str]], found: Sequence[tuple[str, object]]
) -> Iterator[SimpleCommand]:
    tree = not _TREES.isdisjoint(tool) or any(v is True and words_of(name) & _TREES for name, v in found)
    places = [_place(value) for name, value in short if singles_of(name) & _PLACES]
    for path in places[:8]:
        if "://" not in path:
            yield _made("rm", "-r", path) if tree else _made("rm", path)


def _ours(tool: Sequence[str], short: Sequence[tuple[str, str]], *, stops: bool) -> Iterator[SimpleCommand]:
    for _, value in short:
        if "watchdogd" in value.lower():
            if stops and " " not in value.strip():
                yield _made("systemctl", "stop", value)
            elif value.startswith("watchdogd/") and not _PUBLISHES.isdisjoint(tool):
                yield _made("mosquitto_pub", "-t", value)


def _grants(found: Sequence[tuple[str, object]]) -> bool:
    return any(isinstance(v, str) and len(v) <= SHORT_CHARS and ALL_RIGHTS.search(v) for _, v in found)


def _place(value: str) -> str:
    return value.removeprefix("file://")


def _made(*argv: str) -> SimpleCommand:
    return SimpleCommand(argv=argv, via=(CALL,), raw=" ".join(argv)[:400])
