"""What a role is given by the supervisor, and nothing more."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from watchdogd.adapters.broker_connection import Connection
from watchdogd.core.budget import affordable_tokens, cost_usd
from watchdogd.core.events import Usage
from watchdogd.settings import model as conf
from watchdogd.settings.pricing import price_table
from watchdogd.wire import codec


class Bundle:
    """What a role is given by the supervisor, and nothing more."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.settings = conf.Settings.model_validate(data["settings"])
        self.connection = codec.load(Connection, data["connection"])
        self.boot = str(data["boot"])
        self.daemon_boot = str(data["daemon_boot"])
        self.api_key = str(data.get("api_key", ""))
        self.base_url = str(data.get("base_url", "")) or None
        self.demo = bool(data.get("demo", False))
        self.tool_cgroups = tuple(map(str, data.get("tool_cgroups", ())))
        """Directories below which each command of the worker gets a cgroup of its own."""


def bundle_data(
    settings: conf.Settings,
    connection: Connection,
    *,
    boot: str,
    daemon_boot: str,
    api_key: str,
    base_url: str,
    demo: bool,
) -> dict[str, Any]:
    """The bundle of a role, as it goes down its stdin."""
    return {
        "settings": settings.model_dump(mode="json"),
        "connection": json.loads(connection.to_json()),
        "boot": boot,
        "daemon_boot": daemon_boot,
        "api_key": api_key,
        "base_url": base_url,
        "demo": demo,
    }


def price_of(settings: conf.Settings) -> Callable[[str, Usage], float | None]:
    """What a call costs (USD); None = unknown."""
    prices = price_table(settings)
    return lambda model, usage: cost_usd(prices, model, usage)


def affords_of(settings: conf.Settings) -> Callable[..., int]:
    """The longest reply whose worst price fits into what is left."""
    return partial(affordable_tokens, price_table(settings))
