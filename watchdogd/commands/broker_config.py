"""broker-config: what a mosquitto of one's own must be told; version."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from watchdogd import __version__
from watchdogd.adapters.broker_config import broker_config
from watchdogd.commands.asking import Config
from watchdogd.commands.client import PLACES, config_of
from watchdogd.core.errors import WireError
from watchdogd.core.ids import AgentRef
from watchdogd.settings.load import load
from watchdogd.settings.model import LOCAL_OPERATOR
from watchdogd.wire.topics import BASE, Topics


def print_broker_config(
    config: Config = None,
    site: Annotated[str, typer.Option(help="the site, instead of a configuration")] = "",
    agent: Annotated[str, typer.Option(help="the agent, instead of a configuration")] = "",
    operators: Annotated[
        list[str] | None,
        typer.Option("--operator", help="one more person's account, beside those of the configuration; repeatable"),
    ] = None,
) -> None:
    """Print accounts, settings and access lines for a mosquitto of your own, with everybody in the configuration.

    For one more person: name the person under broker.operators (or with --operator), run this again, add what is new.
    """
    names, base, prefix = tuple(operators or ()), BASE, ""
    if config is not None or (not site and not agent and any(one.exists() for one in PLACES)):
        settings = load(config_of(config), env=os.environ, demo=True).settings
        site, agent, base = settings.agent.site, settings.agent.name, settings.broker.base
        names, prefix = (*settings.broker.operators, *names), settings.broker.role_prefix
    try:
        topics = Topics(ref=AgentRef(site=site or "local", agent=agent or "agent"), base=base)
    except (ValueError, WireError) as why:
        raise typer.BadParameter(str(why)) from None
    print(broker_config(topics, tuple(dict.fromkeys(names or (LOCAL_OPERATOR,))), role_prefix=prefix))


def version() -> None:
    """Print the version."""
    print(f"watchdogd {__version__}")
