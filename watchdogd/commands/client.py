"""A person's end of the bus for the CLI: what is retained, what is asked, what is answered."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from watchdogd.adapters import broker_connection
from watchdogd.adapters.broker import CONNECTION_FILE
from watchdogd.adapters.broker_connection import Connection
from watchdogd.adapters.clock import SystemClock
from watchdogd.adapters.mqtt import MqttBus
from watchdogd.core.errors import BusDown, ConfigError, Problem
from watchdogd.core.escalation import Escalation
from watchdogd.core.ids import Role
from watchdogd.core.spelling import did_you_mean
from watchdogd.ports import Received
from watchdogd.settings.model import LOCAL_OPERATOR
from watchdogd.settings.secrets import variable_of
from watchdogd.wire.messages import Message, ProcessReport, Request, Response

PLACES = (Path("watchdogd.toml"), Path("/etc/watchdogd/watchdogd.toml"))
"""Where a configuration is looked for when none is named."""
QUIET_S = 0.5
"""Retained messages have all come when none came for so long (seconds)."""
LONGEST_S = 5.0
"""What is retained is taken as complete after this (seconds)."""
ANSWER_S = 15.0
RESEND_S = 2.0
"""A request without an answer is sent again after this, under its own id, which is carried out once (seconds): until an
overseer has first subscribed the broker keeps nothing for it. Beats keep the loop turning."""


class NoDaemon(Exception):
    """There is no daemon to talk to; the text says why, in one line."""


@dataclass(slots=True)
class Seen:
    """What is retained just now, by topic below the agent's root."""

    messages: dict[str, Message] = field(default_factory=dict)

    def take(self, root: str, arrived: Received) -> None:
        """One arrival; an empty payload closes an escalation."""
        name = arrived.topic[len(root) + 1 :]
        if arrived.message is None:
            if arrived.problem is None:
                self.messages.pop(name, None)
            return
        self.messages[name] = arrived.message

    def of(self, name: str) -> Message | None:
        """The message on topic ``name``."""
        return self.messages.get(name)

    def escalations(self) -> list[Escalation]:
        """The open ones, oldest first."""
        found = [
            one.payload for one in self.messages.values() if isinstance(one.payload, Escalation) and one.payload.is_open
        ]
        return sorted(found, key=lambda one: (one.opened_at, one.id))


def config_of(config: Path | None) -> Path:
    """The configuration that is meant: named, or the first of ``PLACES``. Raises: ConfigError."""
    found = config or next((one for one in PLACES if one.exists()), None)
    if found is None:
        text = f"not there, and no {PLACES[1]}: name one with --config FILE, or begin with `watchdogd init DIR`"
        raise ConfigError([Problem(file=str(PLACES[0]), line=0, key="", text=text)])
    return found


def state_dir_of(config: Path | None, state_dir: Path | None) -> Path:
    """Where the daemon keeps its state: named, or from its configuration. Raises: ConfigError."""
    if state_dir is not None:
        return state_dir
    from watchdogd.settings.load import load

    return load(config_of(config), env=os.environ, demo=True).settings.agent.state_dir


def connection_in(state_dir: Path) -> Connection:
    """The running daemon's broker. Raises: NoDaemon."""
    path = state_dir / "broker" / CONNECTION_FILE
    if not path.exists():
        raise NoDaemon(f"no daemon has run here yet, there is no {path}: `watchdogd run` starts one")
    try:
        return broker_connection.load(path)
    except ConfigError as why:
        raise NoDaemon(f"no daemon here: {why}") from None


def account_of(connection: Connection, user: str) -> str:
    """``user``, when the password is known here. Raises: ConfigError."""
    if user in connection.accounts:
        return user
    people = [name for name in connection.accounts if name not in tuple(Role)]
    hint = did_you_mean(user, people)
    if connection.kind == "url":
        text = f"no password of {user} is known here{hint}: give the daemon ${variable_of(f'broker_password_{user}')}"
    else:
        known = ", ".join(people)
        text = f"{user} has no account; there are: {known}{hint}. A line in [broker.operators] and a restart make one"
    raise ConfigError([Problem(file="--user", line=0, key="", text=text)])


class Client:
    """Talks to one agent as one person. Raises: ConfigError, when that person's password is not known."""

    def __init__(self, connection: Connection, user: str = LOCAL_OPERATOR) -> None:
        self.connection, self.user = connection, account_of(connection, user)
        self.clock = SystemClock()
        self.bus = MqttBus(connection, user, clock=self.clock, deadline_s=5)
        self.root = connection.topics.root

    def _away(self, why: BusDown) -> str:
        start = "" if self.connection.kind == "url" else "; does `watchdogd run` still run?"
        return f"no broker at {self.connection.host}:{self.connection.port}: {why}{start}"

    async def retained(self) -> Seen:
        """Everything that is retained. Raises: NoDaemon."""
        seen = Seen()
        try:
            async with self.bus.connect() as link:
                with suppress(TimeoutError):
                    async with asyncio.timeout(QUIET_S) as quiet, asyncio.timeout(LONGEST_S):
                        async for arrived in link.received():
                            seen.take(self.root, arrived)
                            if arrived.retained:  # live messages never end on a busy agent
                                quiet.reschedule(asyncio.get_running_loop().time() + QUIET_S)
                return seen
        except BusDown as why:
            raise NoDaemon(self._away(why)) from None

    async def follow(self, on: Callable[[Received], bool]) -> None:
        """Hands over every message until ``on`` returns True. Raises: NoDaemon, when there is no broker."""
        try:
            async with self.bus.connect() as link:
                async for arrived in link.received():
                    if on(arrived):
                        return
        except BusDown as why:
            raise NoDaemon(self._away(why)) from None

    async def ask(self, request: Request, *, until_held: bool = False, patience_s: float = 30) -> list[Response]:
        """Sends ``request`` and waits for its answer.

        Args:
            request: what to ask.
            until_held: wait also for what follows an answer that is ``latched`` or ``ordered``.
            patience_s: how long for that (seconds).

        Raises:
            NoDaemon: no broker, or no overseer that answers.
        """
        answers: list[Response] = []
        process: ProcessReport | None = None
        try:
            async with asyncio.timeout(ANSWER_S + (patience_s if until_held else 0)), self.bus.connect() as link:
                message = Message(
                    payload=request,
                    headline=f"{request.command} {request.target} {request.text}".strip(),
                    at=self.clock.wall(),
                    source=self.user,
                    user=self.user,
                    boot=self.clock.nonce(),
                    expires=self.clock.wall() + 60,
                )
                await link.send(message)
                sent = self.clock.boot()
                async for arrived in link.received():
                    if not answers and self.clock.boot() - sent > RESEND_S:
                        await link.send(message)
                        sent = self.clock.boot()
                    payload = arrived.message.payload if arrived.message is not None else None
                    if isinstance(payload, ProcessReport):
                        process = payload
                    if not isinstance(payload, Response) or payload.request != request.id:
                        continue
                    answers.append(payload)
                    if payload.status != "ok" or payload.stage not in ("latched", "ordered") or not until_held:
                        return answers
        except BusDown as why:
            raise NoDaemon(self._away(why)) from None
        except TimeoutError:
            if answers:
                return answers
            raise NoDaemon(f"the broker took the request, but no overseer answered{_standing(process)}") from None
        return answers


def _standing(process: ProcessReport | None) -> str:
    """What the supervisor says meanwhile."""
    if process is None:
        return ""
    state = f"; the supervisor says: overseer {process.overseer}, agent's processes {process.state}"
    if process.state in ("frozen", "probation") and not process.decided:
        return f"{state}. It froze them by itself and thaws them as soon as they are watched again"
    return state


def is_terminal() -> bool:
    """Whether stdout is a terminal: tables and colours; else JSON where a command has it."""
    return sys.stdout.isatty()
