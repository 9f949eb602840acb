"""notify: tells people through the configuration's own command, when MQTT cannot."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from watchdogd.adapters.environment import without_service
from watchdogd.commands.asking import Config
from watchdogd.commands.client import config_of
from watchdogd.settings.layers import PREFIX
from watchdogd.settings.load import load


def told(command: Sequence[str], text: str, timeout_s: float) -> str:
    """Runs ``command`` with ``text`` on its stdin; why it failed, empty when it did not."""
    if not command:
        return "no [notify] command is configured"
    try:
        done = subprocess.run(
            list(command),
            input=text.encode(),
            timeout=timeout_s,
            capture_output=True,
            check=False,
            env=without_service(os.environ, PREFIX),
        )
    except (OSError, subprocess.TimeoutExpired) as why:
        return f"{command[0]}: {why}"
    if done.returncode:
        return (
            f"{command[0]} ended with status {done.returncode}: {done.stderr.decode(errors='replace').strip()[-200:]}"
        )
    return ""


def notify(
    text: Annotated[list[str], typer.Argument(help="what to tell")],
    config: Config = None,
) -> None:
    """Tell people through the configured command (notify.command); what systemd starts when the daemon has failed."""
    settings = load(config_of(config), env=os.environ).settings
    why = told(settings.notify.command, " ".join(text), settings.notify.timeout_s)
    if why:
        sys.stderr.write(f"watchdogd: nobody was told: {why}\n")
        raise typer.Exit(1)
