"""status: what the daemon does, what waits for people, how to watch and answer with any MQTT client."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime
from pathlib import Path

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from watchdogd.adapters.broker_config import commands
from watchdogd.adapters.broker_connection import Connection
from watchdogd.adapters.local_socket import SOCKET, ask
from watchdogd.commands.asking import AsJson, Config, StateDir, User
from watchdogd.commands.client import Client, NoDaemon, Seen, connection_in, is_terminal, state_dir_of
from watchdogd.core.escalation import AskedByWorker, Escalation, Inbox
from watchdogd.core.health import Channel, Severity
from watchdogd.core.ids import Role
from watchdogd.settings.model import LOCAL_OPERATOR
from watchdogd.wire import codec
from watchdogd.wire.messages import ChannelReport, HealthReport, Info, ProcessReport, WorkerStatus
from watchdogd.wire.topics import VIEWER

EXIT = {Severity.OK: 0, Severity.WARN: 1, Severity.CRIT: 2, Severity.UNKNOWN: 3}
"""The exit status of ``status`` says the health; 4 = no daemon."""
COLOUR = {Severity.OK: "green", Severity.WARN: "yellow", Severity.CRIT: "red", Severity.UNKNOWN: "magenta"}
NO_DAEMON = 4


def _payload(seen: Seen, name: str, kind: type) -> object | None:
    message = seen.of(name)
    return message.payload if message is not None and isinstance(message.payload, kind) else None


def clock_time(at: float) -> str:
    """``at`` (unix seconds) as people here say it."""
    return datetime.fromtimestamp(at).astimezone().strftime("%H:%M:%S")


def answers(one: Escalation) -> tuple[str, ...]:
    """The requests that answer it, as typed on the command line or sent as plain words over MQTT."""
    match one.subject:
        case AskedByWorker():
            return (f"approve {one.id} YOUR ANSWER", f"deny {one.id}")
        case _:
            return tuple(f"{option} {one.id}" for option in one.options)


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
    """Show what the daemon does and what waits for people. The exit status says the health.

    With --user NAME the MQTT lines at its end are that person's, password and all.
    """
    where = state_dir_of(config, state_dir)
    try:
        connection = connection_in(where)
        strange = connection.kind == "url" and user not in connection.accounts
        client = Client(connection, LOCAL_OPERATOR if strange else user)  # a password that only its owner knows
        seen = asyncio.run(client.retained())
    except NoDaemon as why:
        _local_only(where, str(why))
        raise typer.Exit(NO_DAEMON) from None
    worst = health_of(seen)
    if as_json or not is_terminal():
        found = {name: codec.dump(message.payload) for name, message in sorted(seen.messages.items())}
        lines = list(commands(connection, connection.topics, user))
        print(json.dumps({"health": worst.value, "topics": found, "commands": lines}, indent=2))
    else:
        _table(seen, client, worst, user)
    raise typer.Exit(EXIT[worst])


def _local_only(state_dir: Path, why: str) -> None:
    """Without a broker the local socket may still answer."""
    err = Console(stderr=True, highlight=False)
    try:
        reply = asyncio.run(ask(state_dir / SOCKET, "status"))
    except (OSError, TimeoutError, ValueError):
        reply = {}
    if not reply.get("ok"):
        err.print(f"[red]{escape(why)}[/]", soft_wrap=True)
        return
    process = reply.get("status") or {}
    said = f"{reply['text']}; agent's processes {process.get('state', 'unknown')}"
    err.print(f"[yellow]no broker, but the daemon answers on its local socket:[/] {escape(said)}", soft_wrap=True)
    err.print("pause and stop work without the broker; everything else needs it")


def _table(seen: Seen, client: Client, worst: Severity, user: str) -> None:
    out = Console(highlight=False)

    info = _payload(seen, "info", Info)
    out.print(f"[bold]{client.root}[/]  health [{COLOUR[worst]} bold]{worst.value}[/]")
    if isinstance(info, Info):
        remote = "" if info.remote_control else f", [red]remote control is off[/]: {escape(info.remote_control_why)}"
        out.print(f"policy    {info.policy_name}, mode {info.mode.value}, level {info.level.value}{remote}")
    for text in (*_process(seen), *_worker(seen)):
        out.print(text)
    _channels(seen, out)
    box = _payload(seen, "inbox", Inbox)
    waits = isinstance(box, Inbox) and box.open
    out.print(
        f"inbox     {box.open} waiting" if isinstance(box, Inbox) and waits else "inbox     nothing waits for you"
    )
    for one in seen.escalations():
        out.print(
            f"  [{COLOUR[one.severity]}]{one.id}[/] {escape(one.headline)} [dim]({', or '.join(answers(one))})[/]"
        )
    if waits:
        out.print("  [dim]`watchdogd escalations` shows each whole, and how to answer[/]")
    by_hand(client.connection, user, out)


def _process(seen: Seen) -> list[str]:
    process = _payload(seen, "process", ProcessReport)
    if not isinstance(process, ProcessReport):
        return ["process   [magenta]the supervisor has said nothing[/]"]
    why = f" [dim]{escape(process.reason)}[/]" if process.reason != process.state else ""
    if process.state in ("frozen", "probation") and not process.decided:
        why = " [dim]by the supervisor: nobody was seen to watch it; it thaws by itself once somebody is[/]"
    return [f"process   {process.state}{why}, overseer {process.overseer}"]


def _worker(seen: Seen) -> list[str]:
    worker = _payload(seen, "state", WorkerStatus)
    if not isinstance(worker, WorkerStatus):
        return []
    money = "" if worker.spent_usd is None else f", ${worker.spent_usd:.4f} of ${worker.budget_usd or 0:.2f} spent"
    run = f" {worker.mission} ({worker.run}), step {worker.step}{money}" if worker.run else ""
    why = f" [dim]{escape(worker.why)}[/]" if worker.why and worker.why != worker.status else ""
    paused = [
        f"          [yellow]paused by {escape(latch.by)}[/]: {escape(latch.reason)} [dim]({latch.name})[/]"
        for latch in worker.latches
    ]
    return [f"worker    {worker.status}{run}{why}", f"commands  {escape(worker.sandbox)}", *paused]


def _channels(seen: Seen, out: Console) -> None:
    health = _payload(seen, "health", HealthReport)
    if isinstance(health, HealthReport) and health.degraded:
        out.print(f"judge     [yellow]{escape(health.degraded)}[/]")
    reports = [_payload(seen, f"health/{channel.value}", ChannelReport) for channel in Channel]
    states = [one.health for one in reports if isinstance(one, ChannelReport)]
    if states and all(one.severity is Severity.OK for one in states):
        out.print(f"channels  [green]ok[/]: {', '.join(one.channel.value for one in states)}")
        return
    table = Table(box=None, pad_edge=False, show_header=False)
    for state in states:
        said = "" if state.headline == state.severity.value else escape(state.headline)
        table.add_row(f"{state.channel.value:<9}", f"[{COLOUR[state.severity]}]{state.severity.value}[/]", said)
    out.print(table)


def by_hand(connection: Connection, user: str, out: Console) -> None:
    """A few complete command lines. Never wrapped or indented by us: whoever copies one gets one line."""
    people = [name for name in connection.accounts if name not in (*Role, VIEWER)]
    out.print(f"\n[dim]The same with any MQTT client, as {escape(user)}:[/]")
    lines = commands(connection, connection.topics, user)
    shown = lines if user == VIEWER else (*lines[:3], lines[-1])
    out.file.write("".join(f"{one}\n" for one in shown))
    others = [name for name in people if name != user]
    if connection.kind == "url":
        how = "`watchdogd broker-config` says what makes an account"
    else:
        how = "a line in \\[broker.operators] and a restart make an account with its password"
    more = f"; so have {', '.join(others)}: `watchdogd status --user NAME`" if others else ""
    words = "resume, approve ID, deny ID, ack ID, stop, nudge WORDS"
    out.print(f"[dim]Other words than pause: {words}. {user} has an account{more}; {how}.[/]")
