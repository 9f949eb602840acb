"""amqtt as a broker of last resort, for the demo and tests: ``python -m watchdogd.adapters.broker_amqtt FILE``.

It speaks MQTT 3.1.1 only, keeps nothing over a restart and loses what was queued for somebody who is away. The file is
JSON: ``{"port": …, "accounts": {user: password}, "grants": {user: {"read": […], "write": […]}}}``.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from amqtt.broker import Broker
from amqtt.contexts import Action, BaseContext
from amqtt.plugins.base import BaseAuthPlugin, BaseTopicPlugin
from amqtt.session import Session
from typing_extensions import override

from watchdogd.wire.topics import matches


class Accounts(BaseAuthPlugin):  # type: ignore[misc] # amqtt has no types
    """Lets in who has one of the passwords."""

    @dataclass
    class Config:
        """Password by user."""

        accounts: dict[str, str] = field(default_factory=dict)

    def __init__(self, context: BaseContext) -> None:
        super().__init__(context)
        self._accounts: dict[str, str] = self._get_config_option("accounts", {})

    @override
    async def authenticate(self, *, session: Session) -> bool:
        """Whether user and password fit."""
        want = self._accounts.get(session.username or "")
        return want is not None and hmac.compare_digest(want.encode(), (session.password or "").encode())


class Walls(BaseTopicPlugin):  # type: ignore[misc] # amqtt has no types
    """Explicit grants per user; what is not granted is denied."""

    @dataclass
    class Config:
        """Filters by user, for reading and for writing."""

        read: dict[str, list[str]] = field(default_factory=dict)
        write: dict[str, list[str]] = field(default_factory=dict)

    def __init__(self, context: BaseContext) -> None:
        super().__init__(context)
        self._read: dict[str, list[str]] = self._get_config_option("read", {})
        self._write: dict[str, list[str]] = self._get_config_option("write", {})

    @override
    async def topic_filtering(
        self, *, session: Session | None = None, topic: str | None = None, action: Action | None = None
    ) -> bool:
        """Whether ``session`` may do ``action`` on ``topic``. Subscribing is free: what is not readable never comes."""
        if session is None or not topic or not session.username:
            return False
        if action == Action.SUBSCRIBE:
            return True
        granted = (self._write if action == Action.PUBLISH else self._read).get(session.username, [])
        return any(matches(one, topic) for one in granted)


def settings(described: dict[str, Any]) -> dict[str, Any]:
    """Amqtt's configuration for the accounts and grants of the file."""
    grants = described["grants"]
    here = f"{__package__}.broker_amqtt"
    return {
        "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{int(described['port'])}"}},
        "plugins": {
            f"{here}.Accounts": {"accounts": described["accounts"]},
            f"{here}.Walls": {kind: {user: one[kind] for user, one in grants.items()} for kind in ("read", "write")},
        },
    }


async def serve(described: dict[str, Any]) -> None:
    """Serves until it is killed."""
    broker = Broker(settings(described))
    await broker.start()
    await asyncio.Event().wait()


def main() -> None:
    """Serves what the file describes."""
    logging.basicConfig(level=logging.ERROR, stream=sys.stderr)
    asyncio.run(serve(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))


if __name__ == "__main__":
    main()
