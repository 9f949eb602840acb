"""run: the daemon in the foreground, as systemd starts it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import suppress
from datetime import datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from tzlocal import get_localzone

from watchdogd import __version__
from watchdogd.adapters.broker import RunningBroker
from watchdogd.adapters.clock import SystemClock
from watchdogd.app.supervisor import Daemon, supervise
from watchdogd.commands.asking import Config
from watchdogd.commands.client import config_of
from watchdogd.commands.notify import told
from watchdogd.core.errors import BusDown, ConfigError, ModelError, Problem, RecordError
from watchdogd.core.policy import Policy
from watchdogd.settings import secrets
from watchdogd.settings.load import load
from watchdogd.settings.model import JudgeSettings, Mission, Settings, WorkerSettings
from watchdogd.settings.reload import load_policy
from watchdogd.settings.trigger import AtStart, OnRequest, next_start


def say(text: str) -> None:
    """A line for the journal; one that cannot be written (the terminal is gone) must not end the watching."""
    with suppress(OSError):
        print(text, file=sys.stderr, flush=True)


def starts(mission: Mission, now: datetime) -> str:
    """When ``mission`` runs next, in words."""
    trigger = mission.starts
    match trigger:
        case AtStart():
            return "now, at the daemon's start"
        case OnRequest():
            return f"when somebody asks: watchdogd run-mission {mission.name}"
        case _:
            at = next_start(trigger, now)
            return f"{at:%a %Y-%m-%d %H:%M} ({mission.trigger})" if at else mission.trigger


def _model(part: WorkerSettings | JudgeSettings) -> str:
    return part.model if part.provider == "anthropic" else f"{part.model} ({part.provider})"


def summary(settings: Settings, running: RunningBroker, now: datetime) -> list[tuple[str, str]]:
    """What was started, a word and a line each: where, with which model and broker, what runs next, what to type."""
    agent, policy, broker = settings.agent, settings.policy, running.connection
    judge = f"judged by {_model(settings.judge)}" if settings.judge.enabled else "no judge: detectors alone watch"
    kind = "your own" if broker.kind == "url" else broker.kind
    missions = [("mission", f"{one.name}: {starts(one, now)}") for one in settings.missions]
    return [
        ("watchdogd", f"{__version__} watches {agent.name} at {agent.site}"),
        ("files", f"{agent.workspace} is what it may change; records and logs in {agent.state_dir}"),
        ("model", f"{_model(settings.worker)}, {judge}"),
        ("policy", f"{policy.name}, mode {policy.mode.value}, level {policy.level.value}"),
        ("broker", f"{kind} on {broker.host}:{broker.port}; {', '.join(settings.broker.operators)} may answer"),
        *(missions or [("mission", "none: there is nothing to do")]),
    ]


HINTS = (
    ("look", "in another terminal: watchdogd watch, watchdogd status, watchdogd escalations"),
    ("hold", "watchdogd pause; watchdogd resume"),
    ("end", "Ctrl-C, or SIGTERM: the agent ends at a step, and its run goes on with the next start"),
)
"""For whoever has just typed it, and not for the journal."""


def announce(settings: Settings, running: RunningBroker) -> None:
    """Says what runs now: a summary on a terminal, lines for the journal elsewhere."""
    now = datetime.fromtimestamp(SystemClock().wall(), get_localzone())
    rows = summary(settings, running, now)
    if not sys.stderr.isatty():
        for name, text in rows:
            say(f"{name}: {text}")
        return
    table = Table.grid(padding=(0, 2, 0, 0))
    for name, text in (*rows, *HINTS):
        table.add_row(f"[bold]{name}[/]", escape(text))
    Console(stderr=True, highlight=False).print(table)


def run(
    config: Config = None,
    speed: Annotated[float, typer.Option(help="scale the scripted model's latencies (0 = at once)", hidden=True)] = 1.0,
) -> None:
    """Run the daemon in the foreground until Ctrl-C or SIGTERM. SIGHUP reads the policy anew.

    On a terminal it begins with a summary, and ends in order when that terminal closes; elsewhere it writes lines for
    the journal to stderr.
    """
    path = config_of(config)
    loaded = load(path, env=os.environ)
    keys = secrets.read(loaded.settings, os.environ)
    missing = secrets.missing(loaded.settings, keys)
    if missing:
        raise ConfigError(missing)
    for warning in loaded.warnings:
        say(f"warning: {warning}")

    on_terminal = sys.stderr.isatty()

    def reload() -> Policy:
        if on_terminal and not sys.stderr.isatty():  # a terminal that closes says SIGHUP too
            signal.raise_signal(signal.SIGTERM)
            raise ConfigError([Problem(file="SIGHUP", line=0, key="", text="the terminal is gone: ending in order")])
        found = load_policy(path, env=os.environ, before=loaded.settings)
        for key in found.restart:
            say(f"{key} has changed too; it counts after a restart")
        return found.policy

    def alarm(text: str) -> None:
        why = told(loaded.settings.notify.command, text, loaded.settings.notify.timeout_s)
        if why:
            say(f"nobody could be told without MQTT: {why}")

    def ready(running: RunningBroker) -> None:
        announce(loaded.settings, running)

    daemon = Daemon(loaded=loaded, secrets=keys, reload=reload, say=say, alarm=alarm, speed=speed, ready=ready)
    try:
        code = asyncio.run(supervise(daemon))
    except (BusDown, ModelError, RecordError) as why:
        say(f"watchdogd cannot run: {why}")
        raise typer.Exit(1) from None
    say("ended in order; `watchdogd run` goes on where it was" if code == 0 else f"ended with status {code}")
    raise typer.Exit(code)
