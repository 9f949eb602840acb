"""``watchdogd check``: is the configuration right, where does each value come from, what would the gate do."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from watchdogd.adapters import broker_mosquitto
from watchdogd.commands.asking import Config
from watchdogd.commands.client import config_of
from watchdogd.core.access import RIGHTS
from watchdogd.core.errors import ConfigError, Problem
from watchdogd.core.events import Impact
from watchdogd.core.shell import Assessment, headline
from watchdogd.settings import secrets
from watchdogd.settings.explain import Explained, at_every_level, explain
from watchdogd.settings.load import Loaded, load
from watchdogd.settings.model import Settings
from watchdogd.settings.resolve import plain

SHOWN_OF_POLICY = frozenset({"policy.name", "policy.mode", "policy.level"})
"""Of what the policy says, where not everything is asked for."""
BAD_CONFIG = 2
"""Exit status for a configuration that cannot be used."""


def refuse(why: ConfigError, *, as_json: bool = False) -> typer.Exit:
    """Prints every problem of ``why``, a line each, and returns the exit to raise."""
    for problem in why.problems:
        print(problem, file=sys.stderr)
    if as_json:
        print(json.dumps({"ok": False, "problems": [_problem(one) for one in why.problems]}, indent=2))
    return typer.Exit(BAD_CONFIG)


def _problem(one: Problem) -> Mapping[str, object]:
    return {"file": one.file, "line": one.line, "key": one.key, "text": one.text}


def _leaves(value: object, path: str = "") -> list[tuple[str, object]]:
    if isinstance(value, dict) and value:
        return [leaf for key, inner in value.items() for leaf in _leaves(inner, f"{path}.{key}".strip("."))]
    return [(path, value)]


def _levels() -> Mapping[str, Mapping[str, str]]:
    return {
        level.value: {impact.value: right.value for impact, right in rights.items()} for level, rights in RIGHTS.items()
    }


def _secrets(loaded: Loaded, env: Mapping[str, str]) -> tuple[Mapping[str, str], tuple[Problem, ...]]:
    """Which secrets were found where (never what they are), and which are missing."""
    found = secrets.read(loaded.settings, env)
    return found.sources, secrets.missing(loaded.settings, found)


def report(loaded: Loaded, env: Mapping[str, str]) -> Mapping[str, object]:
    """Everything ``check`` has to say, as JSON data.

    Raises:
        ConfigError: a credential cannot be read.
    """
    settings = loaded.settings
    sources, missing = _secrets(loaded, env)
    return {
        "ok": True,
        "digest": loaded.digest,
        "policy": {
            "name": settings.policy.name,
            "digest": settings.policy.digest,
            "mode": settings.policy.mode.value,
            "level": settings.policy.level.value,
        },
        "files": [str(path) for path in loaded.files],
        "values": {key: {"value": value, "from": str(loaded.origins[key])} for key, value in _leaves(plain(settings))},
        "missions": [
            {"name": one.name, "trigger": one.trigger, "budget_usd": one.budget_usd, "budget_tokens": one.budget_tokens}
            for one in settings.missions
        ],
        "levels": _levels(),
        "secrets": dict(sources),
        "missing_secrets": [str(one) for one in missing],
        "missing_programs": list(missing_programs(settings)),
        "warnings": [str(one) for one in loaded.warnings],
    }


def missing_programs(settings: Settings) -> Iterator[str]:
    """Programs of this machine that a daemon with these settings would look for in vain, and what follows."""
    if settings.broker.url == "auto" and broker_mosquitto.found() is None:
        yield 'mosquitto: not found, and broker.url is "auto": `run` will refuse; apt install mosquitto'
    if settings.tools.sandbox != "none" and shutil.which("bwrap") is None:
        then = "will not start (tools.sandbox)" if settings.tools.sandbox == "bwrap" else "will have no shell"
        yield f"bwrap: not found: the agent {then}; apt install bubblewrap"


def explanation(loaded: Loaded, command: str) -> Mapping[str, object]:
    """What the gate would do with ``command``, as JSON data."""
    seen, found = explain(loaded, command)
    return {
        "command": command,
        "headline": headline(seen),
        "class": seen.impact.value,
        "reasons": list(seen.reasons),
        "parsed": seen.parsed,
        "writes": list(seen.writes),
        "hosts": list(seen.hosts),
        "dangers": [danger.text for danger in seen.dangers],
        "mode": loaded.settings.policy.mode.value,
        "level": loaded.settings.policy.level.value,
        "levels": at_every_level(loaded, command),
        "decisions": [
            {
                "mission": one.mission or None,
                "outcome": one.outcome,
                "by": one.by,
                "reason": one.reason,
                "key": one.key,
                "from": str(one.origin),
                "then": one.then,
            }
            for one in found
        ],
    }


_COLOUR = {"allow": "green", "ask": "yellow", "deny": "red", "preview": "cyan", "ask_unless_listed": "yellow"}


def _coloured(word: str) -> str:
    return f"[{_COLOUR[word]}]{word.replace('_', ' ')}[/]"


def _shown(value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if value is None:
        return "not set"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _show(console: Console, loaded: Loaded, data: Mapping[str, object], *, every: bool) -> None:
    settings = loaded.settings
    left_out = 0
    values = Table(title="configuration", title_justify="left", box=None, pad_edge=False)
    for name in ("key", "value", "from"):
        values.add_column(name, overflow="fold")
    for key, value in _leaves(plain(settings)):
        if key == "policy.rules":
            value = f"{len(settings.policy.rules)} rules"
        origin = loaded.origins[key]
        if not every and (origin.kind == "default" or (origin.kind == "policy" and key not in SHOWN_OF_POLICY)):
            left_out += 1
            continue
        style = "dim" if origin.kind == "default" else ""
        text = _shown(value)
        values.add_row(escape(key), escape(text.strip()), escape(str(origin)), style=style)
    console.print(values)
    if left_out:
        console.print(f"[dim]and {left_out} more, from the policy and the defaults: --all[/]", highlight=False)
    missions = Table("mission", "starts", "may spend", "done when", box=None, pad_edge=False)
    for one in settings.missions:
        money = [] if one.budget_usd is None else [f"{one.budget_usd:.2f} USD"]
        tokens = [] if one.budget_tokens is None else [f"{one.budget_tokens:,} tokens"]
        missions.add_row(one.name, one.trigger, ", ".join(money + tokens), escape(one.done_when) or "the model says so")
    console.print()
    console.print(missions)
    levels = Table("level", *(impact.value for impact in Impact), box=None, pad_edge=False)
    for level, rights in RIGHTS.items():
        mark = "[bold]→ " if level is settings.policy.level else "  "
        levels.add_row(mark + level.value, *(_coloured(rights[impact].value) for impact in Impact))
    console.print()
    console.print(levels)
    console.print(f"\npolicy {escape(settings.policy.name)}, mode {settings.policy.mode.value}, ", end="")
    console.print(f"version {settings.policy.digest[:12]}; configuration {loaded.digest[:12]}", highlight=False)
    sources = data["secrets"]
    for name, source in sources.items() if isinstance(sources, dict) else []:
        console.print(f"secret {name}: from {source}", highlight=False, markup=False)


def _show_explanation(console: Console, command: str, seen: Assessment, found: tuple[Explained, ...]) -> None:
    console.print(f"[bold]{escape(command)}[/]", highlight=False)
    console.print(f"class {seen.impact.value}: {escape('; '.join(seen.reasons) or 'only reads')}", highlight=False)
    for name, values in (("changes", seen.writes), ("reaches", seen.hosts)):
        if values:
            console.print(f"{name} {escape(', '.join(values))}", highlight=False)
    for danger in seen.dangers:
        console.print(f"[red]{danger.kind}[/]: {escape(danger.text)}", highlight=False)
    for one in found:
        where = f"mission {one.mission}" if one.mission else "no mission"
        console.print(f"\n{where}: {_coloured(one.outcome)} ({one.by}): {escape(one.reason)}", highlight=False)
        console.print(f"  decided by {escape(one.key)}, {escape(str(one.origin))}", highlight=False)
        console.print(f"  then {escape(one.then)}", highlight=False)


def check(
    config: Config = None,
    command: Annotated[
        str | None, typer.Option("--explain", metavar="COMMAND", help="what would the gate do with this command?")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="values at their defaults too")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON, also on a terminal")] = False,
) -> None:
    """Say whether the configuration is right, where each value comes from, and what the gate would do with a command.

    Every problem is said at once, each on a line: file:line: key: problem. Warnings, such as a missing key for the
    model, go to stderr and leave the exit status 0.
    """
    env = dict(os.environ)
    try:
        loaded = load(config_of(config), env=env)
        data = report(loaded, env) if command is None else explanation(loaded, command)
    except ConfigError as why:
        raise refuse(why, as_json=as_json) from None
    console = Console()
    if as_json or not console.is_terminal:
        print(json.dumps(data, indent=2, ensure_ascii=False), flush=True)
    elif command is not None:
        _show_explanation(console, command, *explain(loaded, command))
    else:
        _show(console, loaded, data, every=every)
        console.print("[green]valid[/]")
    if command is None:
        warn(loaded, data)


def warn(loaded: Loaded, data: Mapping[str, object]) -> None:
    """What is allowed and worth a second look, a line each, on stderr: piped JSON stays JSON."""
    err = Console(stderr=True, highlight=False)
    missing = [data["missing_secrets"], data["missing_programs"]]
    absent = [line for lines in missing if isinstance(lines, list) for line in lines]
    for line in [*(str(one) for one in loaded.warnings), *absent]:
        err.print(f"[yellow]warning:[/] {escape(str(line))}", soft_wrap=True)
