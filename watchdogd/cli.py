"""The command line: every command by name, errors in one line."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Iterable

import typer
import typer.main
from typer.core import TyperGroup

from watchdogd.commands.manual import epilog
from watchdogd.core.errors import ConfigError, WatchdogdError

CONFIG_ERROR = 2
"""Also of what was typed wrongly."""
NO_DAEMON = 4


class Ordered(TyperGroup):
    """Commands in the order a new user needs them."""


MISTYPED: type[Exception] = typer.BadParameter.__mro__[2]
"""What typer raises about a command line: click's ClickException, wherever this typer keeps it."""

app = typer.Typer(
    name="watchdogd",
    cls=Ordered,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="Runs an LLM agent under a separate overseer that can hold, correct and stop it, and asks people over MQTT.",
    epilog="Begin with `watchdogd demo`, then `watchdogd init DIR`. Unless --config names a configuration, "
    "./watchdogd.toml is taken, then /etc/watchdogd/watchdogd.toml.\n\nOn a terminal commands print text; piped, "
    "check, status, escalations and checkpoints print JSON, and --json asks for it everywhere.",
)


BEGIN, WATCH, DECIDE, MEASURE = "Begin", "Watch", "Decide", "Measure"
COMMANDS: dict[str, tuple[str, str, str]] = {
    "demo": ("demo", "demo", BEGIN),
    "init": ("init", "init", BEGIN),
    "check": ("check", "check", BEGIN),
    "run": ("run", "run", BEGIN),
    "broker-config": ("broker_config", "print_broker_config", BEGIN),
    "notify": ("notify", "notify", BEGIN),
    "version": ("broker_config", "version", BEGIN),
    "status": ("status", "status", WATCH),
    "watch": ("watch", "watch", WATCH),
    "escalations": ("escalations", "escalations", WATCH),
    "checkpoints": ("checkpoints", "checkpoints", WATCH),
    "approve": ("asking", "approve", DECIDE),
    "deny": ("asking", "deny", DECIDE),
    "ack": ("asking", "ack", DECIDE),
    "pause": ("asking", "pause", DECIDE),
    "resume": ("asking", "resume", DECIDE),
    "nudge": ("asking", "nudge", DECIDE),
    "stop": ("asking", "stop", DECIDE),
    "run-mission": ("run_mission", "run_mission", DECIDE),
    "rollback": ("checkpoints", "rollback", DECIDE),
    "level": ("asking", "level", DECIDE),
    "label": ("asking", "label", DECIDE),
    "replay": ("replay", "replay", MEASURE),
    "bench": ("bench", "bench", MEASURE),
    "drill": ("drill", "drill", MEASURE),
}
"""Every command: the module below ``commands``, the function, the panel of the help."""


def register(names: Iterable[str]) -> None:
    """Adds ``names`` to the application. Each costs its imports, so a daemon loads no demo and no benchmark."""
    for name in names:
        module, function, panel = COMMANDS[name]
        command = getattr(importlib.import_module(f"watchdogd.commands.{module}"), function)
        said = flowing(inspect.getdoc(command) or "")
        app.command(name, help=said, rich_help_panel=panel, epilog=epilog(name))(command)


def flowing(text: str) -> str:
    """``text`` with a line for each paragraph: the help wraps at the terminal's width, not at the source's."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


@app.callback()
def _always_a_group() -> None:
    """With one command only, typer would drop its name."""


def main() -> int:
    """Runs the command line; the exit status."""
    from watchdogd.commands.client import NoDaemon

    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    register([wanted] if wanted in COMMANDS else COMMANDS)
    try:
        done = typer.main.get_command(app).main(prog_name="watchdogd", standalone_mode=False)
    except MISTYPED as why:
        return _mistyped(why)
    except typer.Abort:
        sys.stderr.write("nothing was done\n")
        return 1
    except ConfigError as why:
        sys.stderr.write(f"{why}\n")
        return CONFIG_ERROR
    except NoDaemon as why:
        sys.stderr.write(f"watchdogd: {why}\n")
        return NO_DAEMON
    except WatchdogdError as why:
        sys.stderr.write(f"watchdogd: {why}\n")
        return 1
    return done if isinstance(done, int) else 0


def _mistyped(why: Exception) -> int:
    """Says what was typed wrongly, in one line, and where the right words stand; the exit status."""
    message: Callable[[], str] = getattr(why, "format_message", why.__str__)
    text = " ".join(message().split())
    context = getattr(why, "ctx", None)
    command = context.command_path if context is not None else "watchdogd"
    if text:  # else no command was named at all, and the help has been printed
        sys.stderr.write(f"{command}: {text} ({command} --help)\n")
    return CONFIG_ERROR
