"""approve, deny, pause, resume, nudge, stop, level, ack, label: one request each."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from watchdogd.adapters.local_socket import SOCKET, ask
from watchdogd.commands.client import Client, NoDaemon, connection_in, state_dir_of
from watchdogd.settings.model import LOCAL_OPERATOR
from watchdogd.wire import codec
from watchdogd.wire.messages import Request, Response

Config = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="the configuration; else ./watchdogd.toml, else /etc/watchdogd/watchdogd.toml"),
]
StateDir = Annotated[Path | None, typer.Option("--state-dir", help="the daemon's state folder, instead of --config")]
User = Annotated[str, typer.Option("--user", "-u", help="whose broker account to use")]
AsJson = Annotated[bool, typer.Option("--json", help="print the answer as JSON")]
Text = Annotated[list[str] | None, typer.Argument(help="words for the record, or for the model")]


def send(
    command: str,
    *,
    target: str = "",
    text: str = "",
    config: Path | None,
    state_dir: Path | None,
    user: str,
    as_json: bool,
) -> None:
    """Asks the daemon, prints its answer; exit status 1 when it was not done."""
    where = state_dir_of(config, state_dir)
    try:
        client = Client(connection_in(where), user)
        name = f"c{client.clock.nonce()}"
        request = codec.load(Request, {"command": command, "id": name, "target": target, "text": text})
        answers = asyncio.run(client.ask(request, until_held=command in ("pause", "stop")))
    except NoDaemon as why:
        if command not in ("pause", "stop"):
            raise
        answers = [without_broker(where, command, text, why)]
    show(answers, as_json=as_json)
    if not answers or answers[-1].status != "ok":
        raise typer.Exit(1)


def without_broker(state_dir: Path, command: str, text: str, why: NoDaemon) -> Response:
    """Pause and stop need no broker: the daemon's local socket takes them too. Raises: NoDaemon."""
    try:
        reply = asyncio.run(ask(state_dir / SOCKET, command, text))
    except (OSError, TimeoutError, ValueError):
        raise why from None
    status = "ok" if reply.get("ok") else "error"
    said = f"{reply.get('text', '')} (through the local socket: {str(why).partition(';')[0]})"
    return codec.load(Response, {"request": "local", "command": command, "status": status, "text": said})


def show(answers: list[Response], *, as_json: bool) -> None:
    """Prints answers."""
    if as_json:
        print(json.dumps([codec.dump(one) for one in answers], indent=2))
        return
    out = Console(highlight=False)
    err = Console(stderr=True, highlight=False)
    for one in answers:
        if one.status == "ok":
            mark = "[yellow]…[/]" if one.stage in ("latched", "ordered") else "[green]✓[/]"
            proof = f" [dim]({escape(one.proof)})[/]" if one.proof else ""
            out.print(f"{mark} {escape(one.text)}{proof}", soft_wrap=True)
        else:
            err.print(f"[red]{one.status}:[/] {escape(one.text)}", soft_wrap=True)


def approve(
    question: Annotated[str, typer.Argument(help="the question's id, as `escalations` lists it")],
    text: Text = None,
    config: Config = None,
    state_dir: StateDir = None,
    user: User = LOCAL_OPERATOR,
    as_json: AsJson = False,
) -> None:
    """Approve the exact action a question shows, once (or the release it asks for).

    Words after the id go to the record; to a question the agent asked, they are its answer.
    """
    send(
        "approve",
        target=question,
        text=" ".join(text or []),
        config=config,
        state_dir=state_dir,
        user=user,
        as_json=as_json,
    )


def deny(
    question: Annotated[str, typer.Argument(help="the question's id")],
    text: Text = None,
    config: Config = None,
    state_dir: StateDir = None,
    user: User = LOCAL_OPERATOR,
    as_json: AsJson = False,
) -> None:
    """Deny what a question asks; the words go to the model. A pause it was about stays."""
    send(
        "deny",
        target=question,
        text=" ".join(text or []),
        config=config,
        state_dir=state_dir,
        user=user,
        as_json=as_json,
    )


def ack(
    notice: Annotated[str, typer.Argument(help="the notice's id")],
    config: Config = None,
    state_dir: StateDir = None,
    user: User = LOCAL_OPERATOR,
    as_json: AsJson = False,
) -> None:
    """Acknowledge a notice: it leaves the inbox."""
    send("ack", target=notice, config=config, state_dir=state_dir, user=user, as_json=as_json)


def pause(
    text: Text = None,
    config: Config = None,
    state_dir: StateDir = None,
    user: User = LOCAL_OPERATOR,
    as_json: AsJson = False,
) -> None:
    """Pause the worker; returns once it is proven that nothing can start any more."""
    send("pause", text=" ".join(text or []), config=config, state_dir=state_dir, user=user, as_json=as_json)


def resume(
    target: Annotated[str, typer.Argument(help="a latch or a question; empty = everything that is paused")] = "",
    text: Annotated[str, typer.Option("--say", help="words for the model")] = "",
    config: Config = None,
    state_dir: StateDir = None,
    user: User = LOCAL_OPERATOR,
    as_json: AsJson = False,
) -> None:
    """Release what is paused: everything, or the one pause that is named by its latch or its question.

    It also takes back a freeze or a kill by decision. What the supervisor froze because nobody was seen to watch it
    thaws by itself, and what waits for an answer needs that answer: the reply says so.
    """
    send("resume", target=target, text=text, config=config, state_dir=state_dir, user=user, as_json=as_json)


def nudge(
    text: Annotated[list[str], typer.Argument(help="what to say to the model")],
    config: Config = None,
    state_dir: StateDir = None,
    user: User = LOCAL_OPERATOR,
    as_json: AsJson = False,
) -> None:
    """Say something to the worker's model, in the run that is under way."""
    send("nudge", text=" ".join(text), config=config, state_dir=state_dir, user=user, as_json=as_json)


def stop(
    text: Text = None,
    config: Config = None,
    state_dir: StateDir = None,
    user: User = LOCAL_OPERATOR,
    as_json: AsJson = False,
) -> None:
    """Stop the run that is under way, and say how it ended; what it does not acknowledge is killed."""
    send("stop", text=" ".join(text or []), config=config, state_dir=state_dir, user=user, as_json=as_json)


def level(
    name: Annotated[str, typer.Argument(help="observe, suggest, assisted or autonomous")],
    config: Config = None,
    state_dir: StateDir = None,
    user: User = LOCAL_OPERATOR,
    as_json: AsJson = False,
) -> None:
    """Set how much the worker may do unasked, until it is set again. `watchdogd check` shows the table of levels."""
    send("level", target=name, config=config, state_dir=state_dir, user=user, as_json=as_json)


def label(
    target: Annotated[str, typer.Argument(help="an escalation's id or a rule")],
    verdict: Annotated[str, typer.Argument(help="false-alarm or right")],
    config: Config = None,
    state_dir: StateDir = None,
    user: User = LOCAL_OPERATOR,
    as_json: AsJson = False,
) -> None:
    """Say whether an alarm was right; kept in the record for back-tests."""
    send("label", target=target, text=verdict, config=config, state_dir=state_dir, user=user, as_json=as_json)
