"""The command line: every command by name, errors in one line."""

from __future__ import annotations

import sys

import typer
from typer.core import TyperGroup

from watchdogd.core.errors import ConfigError, WatchdogdError

CONFIG_ERROR = 2
NO_DAEMON = 4


class Ordered(TyperGroup):
    """Commands in the order a new user needs them."""


app = typer.Typer(
    name="watchdogd",
    cls=Ordered,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="Runs an LLM agent under a separate overseer that can hold, correct and stop it, and asks people over MQTT.",
)


def _register() -> None:
    from watchdogd.commands import asking, bench, check, demo, drill, init, replay, run, status

    begin, watching, people, back = "Begin", "Watch", "Decide", "Measure"
    app.command("demo", rich_help_panel=begin)(demo.demo)
    app.command("init", rich_help_panel=begin)(init.init)
    app.command("check", rich_help_panel=begin)(check.check)
    app.command("run", rich_help_panel=begin)(run.run)
    app.command("broker-config", rich_help_panel=begin)(status.print_broker_config)
    app.command("version", rich_help_panel=begin)(status.version)
    app.command("status", rich_help_panel=watching)(status.status)
    app.command("watch", rich_help_panel=watching)(status.watch)
    app.command("escalations", rich_help_panel=watching)(status.escalations)
    app.command("approve", rich_help_panel=people)(asking.approve)
    app.command("deny", rich_help_panel=people)(asking.deny)
    app.command("ack", rich_help_panel=people)(asking.ack)
    app.command("pause", rich_help_panel=people)(asking.pause)
    app.command("resume", rich_help_panel=people)(asking.resume)
    app.command("nudge", rich_help_panel=people)(asking.nudge)
    app.command("stop", rich_help_panel=people)(asking.stop)
    app.command("run-mission", rich_help_panel=people)(asking.run_mission)
    app.command("level", rich_help_panel=people)(asking.level)
    app.command("label", rich_help_panel=people)(asking.label)
    app.command("replay", rich_help_panel=back)(replay.replay)
    app.command("bench", rich_help_panel=back)(bench.bench)
    app.command("drill", rich_help_panel=back)(drill.drill)


def main() -> int:
    """Runs the command line; the exit status."""
    from watchdogd.commands.client import NoDaemon

    _register()
    try:
        app(standalone_mode=True)
    except ConfigError as why:
        sys.stderr.write(f"{why}\n")
        return CONFIG_ERROR
    except NoDaemon as why:
        sys.stderr.write(f"watchdogd: {why}\n")
        return NO_DAEMON
    except WatchdogdError as why:
        sys.stderr.write(f"watchdogd: {why}\n")
        return 1
    return 0
