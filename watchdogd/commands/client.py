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
from watchdogd.core.errors import BusDown, ConfigError
from watchdogd.core.escalation import Escalation
from watchdogd.ports import Received
from watchdogd.settings.model import LOCAL_OPERATOR
from watchdogd.wire.messages import Message, Request, Response

PLACES = (Path("watchdogd.toml"), Path("/etc/watchdogd/watchdogd.toml"))
"""Where a configuration is looked for when none is named."""
QUIET_S = 0.5
"""Retained messages have all come when none came for so long (seconds)."""
LONGEST_S = 5.0
"""What is retained is taken as complete after this (seconds)."""
ANSWER_S = 15.0


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


def state_dir_of(config: Path | None, state_dir: Path | None) -> Path:
    """Where the daemon keeps its state: named, or from its configuration. Raises: NoDaemon, ConfigError."""
    if state_dir is not None:
        return state_dir
    path = config or next((one for one in PLACES if one.exists()), None)
    if path is None:
        raise NoDaemon(
            "no configuration found: name one with --config FILE, or the daemon's folder with --state-dir DIR"
        )
    from watchdogd.settings.load import load

    return load(path, env=os.environ, demo=True).settings.agent.state_dir


def connection_in(state_dir: Path) -> Connection:
    """The running daemon's broker. Raises: NoDaemon."""
    try:
        return broker_connection.load(state_dir / "broker" / CONNECTION_FILE)
    except ConfigError as why:
        raise NoDaemon(f"no daemon here: {why}") from None


class Client:
    """Talks to one agent as one person."""

    def __init__(self, connection: Connection, user: str = LOCAL_OPERATOR) -> None:
        self.connection, self.user = connection, user
        self.clock = SystemClock()
        self.bus = MqttBus(connection, user, clock=self.clock, deadline_s=5)
        self.root = connection.topics.root

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
            raise NoDaemon(f"no broker at {self.connection.host}:{self.connection.port}: {why}") from None

    async def follow(self, on: Callable[[Received], bool]) -> None:
        """Hands over every message until ``on`` returns True. Raises: NoDaemon, when there is no broker."""
        try:
            async with self.bus.connect() as link:
                async for arrived in link.received():
                    if on(arrived):
                        return
        except BusDown as why:
            raise NoDaemon(f"no broker at {self.connection.host}:{self.connection.port}: {why}") from None

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
                async for arrived in link.received():
                    payload = arrived.message.payload if arrived.message is not None else None
                    if not isinstance(payload, Response) or payload.request != request.id:
                        continue
                    answers.append(payload)
                    if payload.status != "ok" or payload.stage not in ("latched", "ordered") or not until_held:
                        return answers
        except BusDown as why:
            raise NoDaemon(f"no broker at {self.connection.host}:{self.connection.port}: {why}") from None
        except TimeoutError:
            if answers:
                return answers
            raise NoDaemon("the broker took the request, but no overseer answered") from None
        return answers


def is_terminal() -> bool:
    """Whether stdout is a terminal: tables and colours; else JSON where a command has it."""
    return sys.stdout.isatty()
