"""Where the broker is and who may speak there: the connection file that every part and the CLI read."""

from __future__ import annotations

import json
import os
import ssl
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal

from typing_extensions import override

from watchdogd.core.errors import ConfigError, Problem, WireError
from watchdogd.core.ids import AgentRef, Role
from watchdogd.wire import codec
from watchdogd.wire.topics import BASE, Topics

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class _ClosedOnFailure(ssl.SSLSocket):
    """Closes when the handshake fails; paho forgets such a socket, and a reconnecting daemon would collect them."""

    @override
    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except BaseException:
            self.close()
            raise


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A broker and the accounts known here. Never printed: the representation leaves the passwords out."""

    host: str
    port: int
    site: str
    agent: str
    base: str = BASE
    kind: Literal["mosquitto", "amqtt", "url"] = "url"
    version: Literal[4, 5] = 5
    """MQTT protocol: 5, or 4 for 3.1.1."""
    durable: bool = True
    """Whether the broker keeps a session for somebody who is away."""
    tls: bool = False
    ca_file: str = ""
    """Certificates to trust; empty = the system's."""
    role_prefix: str = ""
    """Put before the account names of the three roles, for a broker that serves several agents."""
    accounts: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Password by account: the roles, ``viewer`` and people."""

    @property
    def topics(self) -> Topics:
        """The agent's topics there."""
        return Topics(ref=AgentRef(site=self.site, agent=self.agent), base=self.base)

    def login(self, principal: Role | str) -> tuple[str, str | None]:
        """User name and password of ``principal``; no password when it is not known here."""
        name = str(principal)
        user = self.role_prefix + name if name in tuple(Role) else name
        return user, self.accounts.get(name)

    def only(self, *principals: Role | str) -> Connection:
        """The same broker with the accounts of ``principals`` alone: what a child process is given."""
        names = {str(one) for one in principals}
        return replace(self, accounts={name: word for name, word in self.accounts.items() if name in names})

    def tls_context(self) -> ssl.SSLContext | None:
        """How to talk TLS to it; None = it does not."""
        if not self.tls:
            return None
        context = ssl.create_default_context(cafile=self.ca_file or None)
        context.sslsocket_class = _ClosedOnFailure
        return context

    def to_json(self) -> str:
        """The connection as JSON, passwords and all."""
        return json.dumps(asdict(self), indent=2, sort_keys=True) + "\n"


def connection_of(text: str, origin: str) -> Connection:
    """The connection in ``text``, which was found in ``origin``.

    Raises:
        ConfigError: it is none.
    """
    try:
        return codec.load(Connection, json.loads(text))
    except (ValueError, WireError) as why:
        raise ConfigError([Problem(file=origin, line=0, key="", text=f"not a connection file: {why}")]) from None


def save(connection: Connection, path: Path) -> None:
    """Writes ``connection`` for its owner alone (0600), whole or not at all."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(connection.to_json())
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def load(path: Path) -> Connection:
    """The connection that ``path`` holds.

    Raises:
        ConfigError: there is none, it cannot be read, or it is not a connection file.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        problem = Problem(file=str(path), line=0, key="", text="no daemon has left a connection file here")
        raise ConfigError([problem]) from None
    except (OSError, UnicodeDecodeError) as why:
        raise ConfigError([Problem(file=str(path), line=0, key="", text=f"cannot be read: {why}")]) from None
    return connection_of(text, str(path))
