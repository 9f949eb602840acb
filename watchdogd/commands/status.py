"""status, watch, escalations, broker-config, version: what is going on."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from watchdogd import __version__
from watchdogd.adapters.broker_config import broker_config, commands
from watchdogd.adapters.local_socket import SOCKET, ask
from watchdogd.commands.asking import AsJson, Config, StateDir, User
from watchdogd.commands.client import Client, NoDaemon, Seen, connection_in, is_terminal, state_dir_of
from watchdogd.core.errors import WireError
from watchdogd.core.escalation import ApproveCall, AskedByWorker, Escalation, Inbox, ReleaseLatch
from watchdogd.core.events import Event
from watchdogd.core.health import Channel, Severity
from watchdogd.core.ids import AgentRef
from watchdogd.ports import Received
from watchdogd.settings.model import LOCAL_OPERATOR
from watchdogd.wire import codec
from watchdogd.wire.messages import ChannelReport, HealthReport, Message, ProcessReport, VerdictReport, WorkerStatus
from watchdogd.wire.topics import BASE, Topics

EXIT = {Severity.OK: 0, Severity.WARN: 1, Severity.CRIT: 2, Severity.UNKNOWN: 3}
"""The exit status of ``status`` says the health; 4 = no daemon."""
COLOUR = {Severity.OK: "green", Severity.WARN: "yellow", Severity.CRIT: "red", Severity.UNKNOWN: "magenta"}
NO_DAEMON = 4
REPEATING = ("health", "state", "process", "presence", "info", "inbox", "checkpoints")
"""Retained topics: they say what is so, again and again."""


def _payload(seen: Seen, name: str, kind: type) -> object | None:
    message = seen.of(name)
    return message.payload if message is not None and isinstance(message.payload, kind) else None


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at).astimezone().strftime("%H:%M:%S")


def health_of(seen: Seen) -> Severity:
    """The health that counts: none published, or a worker that is not as it should be, is unknown."""
    health = _payload(seen, "health", HealthReport)
    process = _payload(seen, "process", ProcessReport)
    if not isinstance(health, HealthReport) or not isinstance(process, ProcessReport):
        return Severity.UNKNOWN
    if process.overseer != "up" or process.state in ("unproven", "exited"):
        return Severity.UNKNOWN
    return health.severity


def status(
    config: Config = None,
    state_dir: StateDir = None,
    user: User = LOCAL_OPERATOR,
    as_json: AsJson = False,
) -> None:
    """Show what the daemon does. Exit status: 0 ok, 1 warn, 2 crit, 3 unknown, 4 no daemon."""
    try:
        where = state_dir_of(config, state_dir)
        client = Client(connection_in(where), user)
        seen = asyncio.run(client.retained())
    except NoDaemon as why:
        _local_only(state_dir_of(config, state_dir) if config or state_dir else None, str(why))
        raise typer.Exit(NO_DAEMON) from None
    worst = health_of(seen)
    if as_json or not is_terminal():
        found = {name: codec.dump(message.payload) for name, message in sorted(seen.messages.items())}
        lines = list(commands(client.connection, client.connection.topics, user))
        print(json.dumps({"health": worst.value, "topics": found, "commands": lines}, indent=2))
    else:
        _table(seen, client, worst)
    raise typer.Exit(EXIT[worst])


def _local_only(state_dir: Path | None, why: str) -> None:
    """Without a broker the local socket may still answer."""
    err = Console(stderr=True, highlight=False)
    if state_dir is not None:
        try:
            reply = asyncio.run(ask(state_dir / SOCKET, "status"))
        except (OSError, TimeoutError, ValueError):
            reply = {}
        if reply.get("ok"):
            err.print(f"[yellow]no broker, but the daemon answers on its local socket:[/] {escape(str(reply['text']))}")
            return
    err.print(f"[red]{escape(why)}[/]", soft_wrap=True)


def _table(seen: Seen, client: Client, worst: Severity) -> None:
    out = Console(highlight=False)
    process = _payload(seen, "process", ProcessReport)
    worker = _payload(seen, "state", WorkerStatus)
    health = _payload(seen, "health", HealthReport)
    box = _payload(seen, "inbox", Inbox)
    out.print(f"[bold]{client.root}[/]  health [{COLOUR[worst]} bold]{worst.value}[/]")
    if isinstance(process, ProcessReport):
        out.print(f"process   {process.state} [dim]{escape(process.reason)}[/], overseer {process.overseer}")
    if isinstance(worker, WorkerStatus):
        money = "" if worker.spent_usd is None else f", ${worker.spent_usd:.4f} of ${worker.budget_usd or 0:.2f} spent"
        run = f" {worker.mission} ({worker.run}), step {worker.step}{money}" if worker.run else ""
        out.print(f"worker    {worker.status}{run} [dim]{escape(worker.why)}[/]")
        out.print(f"commands  {escape(worker.sandbox)}")
        for latch in worker.latches:
            out.print(
                f"          [yellow]paused by {escape(latch.by)}[/]: {escape(latch.reason)} [dim]({latch.name})[/]"
            )
    if isinstance(health, HealthReport) and health.degraded:
        out.print(f"inspection [yellow]{escape(health.degraded)}[/]")
    table = Table(box=None, pad_edge=False, show_header=False)
    for channel in Channel:
        report = _payload(seen, f"health/{channel.value}", ChannelReport)
        if isinstance(report, ChannelReport):
            state = report.health
            table.add_row(channel.value, f"[{COLOUR[state.severity]}]{state.severity.value}[/]", escape(state.headline))
    out.print(table)
    if isinstance(box, Inbox):
        out.print(
            f"inbox     {box.open} waiting: {escape(box.headline)}" if box.open else "inbox     nothing waits for you"
        )
    for one in seen.escalations():
        out.print(f"  [{COLOUR[one.severity]}]{one.id}[/] {escape(one.headline)} [dim]({' | '.join(one.options)})[/]")
    out.print("\n[dim]the same with any MQTT client:[/]")
    for line in commands(client.connection, client.connection.topics, client.user):
        out.print(f"  {escape(line)}", soft_wrap=True)


def escalations(
    config: Config = None,
    state_dir: StateDir = None,
    user: User = LOCAL_OPERATOR,
    as_json: AsJson = False,
) -> None:
    """List what waits for people, each question with the exact action it is about."""
    client = Client(connection_in(state_dir_of(config, state_dir)), user)
    found = asyncio.run(client.retained()).escalations()
    if as_json or not is_terminal():
        print(json.dumps([codec.dump(one) for one in found], indent=2))
        return
    out = Console(highlight=False)
    if not found:
        out.print("nothing waits for you")
    for one in found:
        out.print(
            f"[{COLOUR[one.severity]} bold]{one.id}[/]  {_clock(one.opened_at)}  {escape(one.headline)}", soft_wrap=True
        )
        for line in about(one):
            out.print(f"    {escape(line)}", soft_wrap=True)


def about(one: Escalation) -> list[str]:
    """What a person needs to decide, line by line."""
    lines = []
    match one.subject:
        case ApproveCall(tool=tool, shown=shown, action_digest=digest):
            lines += [f"{tool}:", *(f"  {line}" for line in shown.splitlines()), f"action {digest[:16]}"]
        case ReleaseLatch(latch=latch):
            lines.append(f"paused under {latch}")
        case AskedByWorker(question=question, options=options):
            lines += [question, *(f"  - {option}" for option in options)]
        case None:
            pass
    if one.evidence:
        lines.append(f"evidence: event {', '.join(str(seq) for seq in one.evidence)}")
    if one.expires_at is not None:
        lines.append(f"expires {_clock(one.expires_at)}; unanswered means no")
    lines.append("answer with: " + " | ".join(f"watchdogd {option} {one.id}" for option in one.options))
    return lines


def watch(
    config: Config = None,
    state_dir: StateDir = None,
    user: User = LOCAL_OPERATOR,
    as_json: AsJson = False,
    all_topics: Annotated[bool, typer.Option("--all", help="beats and leases too, and repetitions")] = False,
) -> None:
    """Follow the agent: a line per event, decision, verdict and escalation. Ctrl-C ends it."""
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
    return f"[dim]{_clock(message.at)}[/] [{colour}]{escape(name):<24}[/] {escape(message.headline)}"


def print_broker_config(
    config: Config = None,
    site: Annotated[str, typer.Option(help="site, without a configuration")] = "local",
    agent: Annotated[str, typer.Option(help="agent, without a configuration")] = "agent",
    operators: Annotated[
        list[str] | None, typer.Option("--operator", help="a person's account; may be repeated")
    ] = None,
) -> None:
    """Print accounts, settings and ACL lines for a mosquitto of your own."""
    names, base = tuple(operators or ()), BASE
    if config is not None:
        import os

        from watchdogd.settings.load import load

        settings = load(config, env=os.environ, demo=True).settings
        site, agent, base = settings.agent.site, settings.agent.name, settings.broker.base
        names = (*settings.broker.operators, *names)
    try:
        topics = Topics(ref=AgentRef(site=site, agent=agent), base=base)
    except (ValueError, WireError) as why:
        raise typer.BadParameter(str(why)) from None
    print(broker_config(topics, tuple(dict.fromkeys(names or (LOCAL_OPERATOR,)))))


def version() -> None:
    """Print the version."""
    print(f"watchdogd {__version__}")
