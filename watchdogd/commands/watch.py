"""watch: a line per event, decision, verdict and escalation, as they come."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from watchdogd.commands.asking import Config, StateDir, User
from watchdogd.commands.client import Client, connection_in, state_dir_of
from watchdogd.commands.status import COLOUR, clock_time
from watchdogd.core.escalation import Escalation
from watchdogd.core.events import Event
from watchdogd.core.health import Severity
from watchdogd.ports import Received
from watchdogd.settings.model import LOCAL_OPERATOR
from watchdogd.wire import codec
from watchdogd.wire.messages import ChannelReport, Message, VerdictReport

REPEATING = ("health", "state", "process", "presence", "info", "inbox", "checkpoints")
"""Retained topics: they say what is so, again and again."""


def watch(
    config: Config = None,
    state_dir: StateDir = None,
    user: User = LOCAL_OPERATOR,
    as_json: Annotated[bool, typer.Option("--json", help="a JSON object per line, with the whole payload")] = False,
    all_topics: Annotated[bool, typer.Option("--all", help="beats and leases too, and repetitions")] = False,
) -> None:
    """Follow the agent: a line per event, decision, verdict and escalation. Ctrl-C ends it; the daemon goes on."""
    client = Client(connection_in(state_dir_of(config, state_dir)), user)
    out = Console(highlight=False)
    quiet = {"beat", "lease", "lease/ack", "order/ack"}
    standing: dict[str, str] = {}
    """What was last shown of each topic that repeats what is so."""

    def on(arrived: Received) -> bool:
        name = arrived.topic[len(client.root) + 1 :]
        message = arrived.message
        if message is None or (name in quiet and not all_topics):
            return False
        if name.partition("/")[0] in REPEATING and not all_topics:
            if standing.get(name) == message.headline:
                return False
            standing[name] = message.headline
            if arrived.retained and _calm(message):
                return False  # the line of all channels says it
        if as_json:
            print(
                json.dumps({"topic": arrived.topic, "headline": message.headline, "data": codec.dump(message.payload)}),
                flush=True,
            )
        else:
            out.print(line_of(name, message), soft_wrap=True)
        return False

    try:
        asyncio.run(client.follow(on))
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


def _calm(message: Message) -> bool:
    payload = message.payload
    return isinstance(payload, ChannelReport) and payload.health.severity is Severity.OK


def line_of(name: str, message: Message) -> str:
    """One message as one line for a terminal."""
    payload = message.payload
    colour = "cyan"
    match payload:
        case Event(body=body):
            name = f"{body.kind} #{payload.seq}"
        case ChannelReport(health=health):
            colour = COLOUR[health.severity]
        case Escalation(severity=severity):
            colour = COLOUR[severity]
        case VerdictReport(valid=valid):
            colour = "blue" if valid else "magenta"
        case _:
            pass
    said = escape(undoubled(message.headline, after=name.rpartition("/")[2]))
    return f"[dim]{clock_time(message.at)}[/] [{colour}]{escape(name):<24}[/] {said}"


def undoubled(headline: str, *, after: str) -> str:
    """``headline`` without what stands before it already, and without saying the same word twice."""
    text = headline.removeprefix(f"{after}: ")
    first, _, rest = text.partition(": ")
    return first if first == rest else text
