"""The broker the daemon speaks through: a child mosquitto, a child amqtt (demo and tests), or one of your own."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from watchdogd.adapters import broker_mosquitto
from watchdogd.adapters.broker_child import BrokerChild
from watchdogd.adapters.broker_config import principals
from watchdogd.adapters.broker_connection import LOOPBACK, Connection, load, save
from watchdogd.adapters.mqtt import reachable
from watchdogd.core.errors import BusDown, ConfigError, Problem
from watchdogd.core.ids import Role
from watchdogd.ports import Clock
from watchdogd.wire.topics import Topics

CONNECTION_FILE = "connection.json"
TRIES = 5
"""Ports tried before giving up: a free one may be taken before the broker gets to it."""
START_S = 15.0
"""How long a child may take until it lets us in."""
LOOK_S = 2.0
"""How long one look at a child may take; it may be somebody else's port, who never answers."""
ANSWER_S = 5.0
"""How long a broker of one's own may take to answer; some 3.1.1 brokers say nothing at all to MQTT 5."""
AMQTT_WARNING = (
    "no mosquitto here: using amqtt, for the demo and tests only. It forgets everything when it restarts, and requests "
    "sent while the overseer is away are lost. Install mosquitto for real work."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerSpec:
    """Which broker is wanted."""

    topics: Topics
    state_dir: Path
    operators: tuple[str, ...] = ()
    """People who get an account (a child), or whose passwords are known (a URL)."""
    kind: Literal["auto", "mosquitto", "amqtt", "url"] = "auto"
    """``auto``: the URL when there is one, else mosquitto, else amqtt where that is allowed."""
    url: str = ""
    """``mqtt://HOST[:1883]`` or ``mqtts://HOST[:8883]``; accounts go into ``accounts``."""
    accounts: Mapping[str, str] = field(default_factory=dict, repr=False)
    """For a URL: password by account."""
    role_prefix: str = ""
    ca_file: str = ""
    allow_plain: bool = False
    """Lets passwords and orders travel beyond this machine without TLS."""
    allow_amqtt: bool = False
    """The demo and tests only."""
    port: int = 0
    """For a child; 0 = the one used before if it is free, else any free one."""


@dataclass(slots=True, kw_only=True)
class RunningBroker:
    """A broker that let us in."""

    connection: Connection
    path: Path
    """The connection file."""
    warning: str = ""
    """For people, to be shown."""
    child: BrokerChild | None = None
    """None when it is not ours."""


@asynccontextmanager
async def start_broker(spec: BrokerSpec, *, clock: Clock) -> AsyncIterator[RunningBroker]:
    """The broker of ``spec``, ready, with its connection file written; a child is restarted when it dies.

    Raises:
        ConfigError: the specification cannot be used.
        BusDown: the broker does not come up or does not let us in.
    """
    kind = resolved(spec)
    path = spec.state_dir / CONNECTION_FILE
    if kind == "url":
        connection = await _agreed(_foreign(spec), clock=clock)
        save(connection, path)
        yield RunningBroker(connection=connection, path=path)
        return
    principals(spec.operators)
    spec.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    child, connection = await _child(spec, kind, path, clock=clock)
    try:
        save(connection, path)
        warning = AMQTT_WARNING if kind == "amqtt" else ""
        yield RunningBroker(connection=connection, path=path, warning=warning, child=child)
    finally:
        await child.stop()


def resolved(spec: BrokerSpec) -> Literal["mosquitto", "amqtt", "url"]:
    """What ``auto`` means here.

    Raises:
        ConfigError: nothing usable.
    """
    if spec.kind == "url" or (spec.kind == "auto" and spec.url):
        return "url"
    if spec.kind in ("auto", "mosquitto") and broker_mosquitto.found():
        return "mosquitto"
    if spec.kind == "mosquitto":
        raise _wrong("kind", "there is no mosquitto on this machine")
    if not spec.allow_amqtt:
        raise _wrong("kind", "auto needs mosquitto, which is not here: apt install mosquitto, or give broker.url")
    return "amqtt"


def _wrong(key: str, text: str) -> ConfigError:
    return ConfigError([Problem(file="broker", line=0, key=key, text=text)])


# --- a broker of one's own --------------------------------------------------------------------------------------------


def _foreign(spec: BrokerSpec) -> Connection:
    """The connection that the URL describes. Raises: ConfigError."""
    parts = urlsplit(spec.url)
    try:
        port = parts.port
    except ValueError:
        raise _wrong("url", "the port is not a number") from None
    if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname:
        raise _wrong("url", "must be mqtt://HOST[:PORT] or mqtts://HOST[:PORT]")
    if parts.username or parts.password or parts.path.strip("/") or parts.query:
        raise _wrong("url", "only scheme, host and port: passwords belong into the accounts")
    tls = parts.scheme == "mqtts"
    if not tls and parts.hostname not in LOOPBACK and not spec.allow_plain:
        raise _wrong("url", f"{parts.hostname} is another machine: use mqtts://, or allow plain MQTT explicitly")
    missing = [role.value for role in Role if role.value not in spec.accounts]
    if missing:
        raise _wrong("accounts", f"no password for {', '.join(missing)}")
    return Connection(
        host=parts.hostname,
        port=port or (8883 if tls else 1883),
        site=spec.topics.ref.site,
        agent=spec.topics.ref.agent,
        base=spec.topics.base,
        tls=tls,
        ca_file=spec.ca_file,
        role_prefix=spec.role_prefix,
        accounts=dict(spec.accounts),
    )


async def _agreed(connection: Connection, *, clock: Clock) -> Connection:
    """``connection`` with the newest protocol version the broker speaks. Raises: BusDown."""
    why = await reachable(connection, Role.SUPERVISOR, clock=clock, deadline_s=ANSWER_S)
    if not why:
        return connection
    older = replace(connection, version=4)
    if not await reachable(older, Role.SUPERVISOR, clock=clock, deadline_s=ANSWER_S):
        return older
    raise BusDown(f"{connection.host}:{connection.port}: {why}")


# --- a broker of ours -------------------------------------------------------------------------------------------------


def free_port() -> int:
    """A port of the loopback interface nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _usable(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _before(path: Path, spec: BrokerSpec) -> Connection | None:
    """The connection of the last start, so that ports and passwords people have noted stay valid."""
    try:
        old = load(path)
    except ConfigError:
        return None
    same = (old.site, old.agent, old.base) == (spec.topics.ref.site, spec.topics.ref.agent, spec.topics.base)
    return old if same and old.kind != "url" else None


async def _child(
    spec: BrokerSpec, kind: Literal["mosquitto", "amqtt"], path: Path, *, clock: Clock
) -> tuple[BrokerChild, Connection]:
    old = _before(path, spec)
    known = old.accounts if old is not None else {}
    accounts = {name: known.get(name) or clock.nonce() + clock.nonce() for name in principals(spec.operators)}
    port = spec.port or (old.port if old is not None and _usable(old.port) else 0)
    said, log = "", _log(spec)
    for _ in range(1 if spec.port else TRIES):
        connection = Connection(
            host="127.0.0.1",
            port=port or free_port(),
            site=spec.topics.ref.site,
            agent=spec.topics.ref.agent,
            base=spec.topics.base,
            kind=kind,
            version=5 if kind == "mosquitto" else 4,
            durable=kind == "mosquitto",
            accounts=accounts,
        )
        child = BrokerChild(_command(spec, connection), log, clock=clock)
        await child.start()
        try:
            said = await _ready(child, connection, clock=clock)
        except BaseException:
            await child.stop()
            raise
        if not said:
            return child, connection
        await child.stop()
        port = spec.port
    raise BusDown(f"the broker did not come up: {said}")


def _log(spec: BrokerSpec) -> Path:
    directory = spec.state_dir / "broker"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    return broker_mosquitto.written(directory / "broker.log", "")


def _command(spec: BrokerSpec, connection: Connection) -> tuple[str, ...]:
    directory = spec.state_dir / "broker"
    if connection.kind == "mosquitto":
        return broker_mosquitto.prepared(directory, connection.port, spec.topics, connection.accounts, spec.operators)
    grants = {name: spec.topics.grants(name) for name in connection.accounts}
    described = {
        "port": connection.port,
        "accounts": dict(connection.accounts),
        "grants": {name: {"read": one.read, "write": one.write} for name, one in grants.items()},
    }
    path = broker_mosquitto.written(directory / "amqtt.json", json.dumps(described))
    return (sys.executable, "-m", "watchdogd.adapters.broker_amqtt", str(path))


async def _ready(child: BrokerChild, connection: Connection, *, clock: Clock) -> str:
    """Waits until the broker lets us in with our password; why it does not, empty when it does."""
    until, why = clock.boot() + START_S, "no answer"
    while clock.boot() < until:
        if _listening(connection):
            why = await reachable(connection, Role.SUPERVISOR, clock=clock, deadline_s=LOOK_S)
            if not why:
                return ""
        if child.starts > 1:
            return child.last_words() or why
        await clock.sleep(0.01)
    return child.last_words() or why


def _listening(connection: Connection) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((connection.host, connection.port)) == 0
