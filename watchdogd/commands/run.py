"""run: the daemon in the foreground, as systemd starts it."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from watchdogd.app.supervisor import Daemon, supervise
from watchdogd.commands.notify import told
from watchdogd.core.errors import BusDown, ConfigError, ModelError, RecordError
from watchdogd.core.policy import Policy
from watchdogd.settings import secrets
from watchdogd.settings.load import load
from watchdogd.settings.reload import load_policy


def say(text: str) -> None:
    """A line for the journal."""
    print(text, file=sys.stderr, flush=True)


def run(
    config: Annotated[Path, typer.Option("--config", "-c", help="the configuration file (TOML)")],
    speed: Annotated[float, typer.Option(help="scale the scripted model's latencies (0 = at once)", hidden=True)] = 1.0,
) -> None:
    """Run the daemon until SIGTERM. SIGHUP reads the policy anew."""
    loaded = load(config, env=os.environ)
    keys = secrets.read(loaded.settings, os.environ)
    missing = secrets.missing(loaded.settings, keys)
    if missing:
        raise ConfigError(missing)
    for warning in loaded.warnings:
        say(str(warning))

    def reload() -> Policy:
        found = load_policy(config, env=os.environ, before=loaded.settings)
        for key in found.restart:
            say(f"{key} has changed too; it counts after a restart")
        return found.policy

    def alarm(text: str) -> None:
        why = told(loaded.settings.notify.command, text, loaded.settings.notify.timeout_s)
        if why:
            say(f"nobody could be told without MQTT: {why}")

    daemon = Daemon(loaded=loaded, secrets=keys, reload=reload, say=say, alarm=alarm, speed=speed)
    try:
        code = asyncio.run(supervise(daemon))
    except (BusDown, ModelError, RecordError) as why:
        say(f"watchdogd cannot run: {why}")
        raise typer.Exit(1) from None
    raise typer.Exit(code)
