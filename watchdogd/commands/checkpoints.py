"""checkpoints, rollback: what can be returned to, and returning."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import replace
from datetime import datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from watchdogd.adapters.clock import SystemClock
from watchdogd.commands.asking import AsJson, Config, StateDir, User, show
from watchdogd.commands.client import Client, config_of, connection_in, is_terminal, state_dir_of
from watchdogd.core.counting import counted
from watchdogd.settings.load import load
from watchdogd.settings.model import LOCAL_OPERATOR, Settings
from watchdogd.wire import codec
from watchdogd.wire.messages import CheckpointList, CheckpointReport, Request, Response

LOOKS = {"passed": "green", "waiting": "yellow", "tainted": "red", "incomplete": "dim"}
MEANS = {
    "passed": "an inspection found everything up to it healthy",
    "waiting": "not inspected yet; the next inspection decides{when}",
    "tainted": "trouble began before it",
    "incomplete": "not whole; nothing returns to it",
}
LONGEST_S = 3600.0
"""A comparison or a return of a very large workspace may take long (seconds)."""


def checkpoints(
    config: Config = None,
    state_dir: StateDir = None,
    user: User = LOCAL_OPERATOR,
    as_json: AsJson = False,
) -> None:
    """List the saved states of workspace and conversation, newest first, and which have passed inspection."""
    client = Client(connection_in(state_dir_of(config, state_dir)), user)
    message = asyncio.run(client.retained()).of("checkpoints")
    found = message.payload.checkpoints if message and isinstance(message.payload, CheckpointList) else ()
    if as_json or not is_terminal():
        print(json.dumps([codec.dump(one) for one in found], indent=2))
        return
    out = Console(highlight=False)
    if not found:
        out.print("no checkpoint yet: the first is taken when a run begins")
        return
    out.print(_table(found))
    when = inspected(None if state_dir is not None else load(config_of(config), env=os.environ, demo=True).settings)
    for standing in dict.fromkeys(one.standing for one in found):
        out.print(f"[{LOOKS[standing]}]{standing}[/]: {MEANS[standing].format(when=when)}", style="dim")
    out.print("[dim]`watchdogd rollback ID` shows what a return would change, and asks[/]")


def inspected(settings: Settings | None) -> str:
    """When inspections come, as the end of a sentence; empty when the configuration is not known."""
    if settings is None:
        return ""
    judging = settings.policy.judging
    if not settings.judge.enabled:
        return f" (there is no judge: the detectors' all-clear, every {minutes(judging.every_s)})"
    span = f"{minutes(judging.every_s)} to {minutes(judging.at_most_s)}"
    return f" (the judge looks every {span} while there is anything new, and at once when a detector stirs)"


def minutes(seconds: float) -> str:
    """``seconds`` as people say it."""
    return f"{seconds:g} s" if seconds < 120 else f"{seconds / 60:g} min"


def _table(found: tuple[CheckpointReport, ...]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("id", "taken", "run", "after event", "files", "size", "standing", "what for"):
        right = name in ("files", "size", "after event")
        table.add_column(name, justify="right" if right else "left", no_wrap=name in ("id", "taken", "standing"))
    for one in found:
        what = one.reason if one.standing != "incomplete" else f"{one.reason}: {one.why}"
        what += f" ({counted(one.missed, 'path')} not saved)" if one.missed else ""
        table.add_row(
            one.id,
            _when(one.taken_at),
            f"{escape(one.mission)} ({one.run})" if one.run else "no run",
            str(one.at_seq),
            f"{one.files:,}",
            _size(one.bytes),
            f"[{LOOKS[one.standing]}]{one.standing}[/]",
            escape(what),
        )
    return table


def _when(at: float) -> str:
    """``at`` (unix seconds): the time of a day that is today, else day and time."""
    here = datetime.fromtimestamp(at).astimezone()
    today = datetime.fromtimestamp(SystemClock().wall()).astimezone().date()
    return here.strftime("%H:%M:%S" if here.date() == today else "%m-%d %H:%M")


def _size(count: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024 or unit == "GiB":
            return f"{count:.0f} {unit}"
        count /= 1024
    raise AssertionError


def rollback(
    checkpoint: Annotated[str, typer.Argument(help="its id, as `checkpoints` lists it")],
    reason: Annotated[str, typer.Option("--reason", "-r", help="for the record, and for the model")] = "",
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="do not ask; without a terminal nothing is done without it")
    ] = False,
    config: Config = None,
    state_dir: StateDir = None,
    user: User = LOCAL_OPERATOR,
    as_json: AsJson = False,
) -> None:
    """Return workspace and conversation to a checkpoint. Shows first what that would change.

    What is there now is saved and can be returned to in turn; files that the checkpoint does not have go to
    quarantine, not to the void.
    """
    client = Client(connection_in(state_dir_of(config, state_dir)), user)
    compared = _asked(client, checkpoint, "")
    shown = [_for_a_terminal(one) for one in compared if one.stage != "ordered" or one.status != "ok"]
    show(shown, as_json=as_json and not yes)
    if not compared or compared[-1].status != "ok":
        raise typer.Exit(1)
    if compared[-1].stage != "compared":
        Console(stderr=True).print("[red]the worker has not answered[/]: nothing was changed")
        raise typer.Exit(1)
    if not yes:
        if not sys.stdin.isatty():
            Console(stderr=True).print("nothing was changed; add --yes to return there")
            raise typer.Exit(1)
        typer.confirm(f"return to {checkpoint}?", abort=True)
    done = _asked(client, checkpoint, f"yes {reason}".strip())
    show(done, as_json=as_json)
    if not done or done[-1].status != "ok" or done[-1].stage != "done":
        raise typer.Exit(1)


def _for_a_terminal(said: Response) -> Response:
    """``said`` without its last line, which is for phones: here the question follows."""
    lines = said.text.splitlines()
    hint = said.stage == "compared" and len(lines) > 1 and lines[-1].startswith("`rollback ")
    return replace(said, text="\n".join(lines[:-1])) if hint else said


def _asked(client: Client, checkpoint: str, text: str) -> list[Response]:
    name = f"c{client.clock.nonce()}"
    request = codec.load(Request, {"command": "rollback", "id": name, "target": checkpoint, "text": text})
    return asyncio.run(client.ask(request, until_held=True, patience_s=LONGEST_S))
