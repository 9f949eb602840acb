"""demo: a night shift in a minute. Real processes, real MQTT, real tools; the model is scripted."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console

from watchdogd.adapters.broker import RunningBroker
from watchdogd.adapters.broker_config import commands
from watchdogd.adapters.clock import SystemClock
from watchdogd.app.supervisor import Daemon, supervise
from watchdogd.commands.client import Client, NoDaemon
from watchdogd.commands.demo_end import Ending, judged
from watchdogd.commands.demo_person import Person
from watchdogd.commands.demo_timeline import Timeline
from watchdogd.core.errors import BusDown, ConfigError, ModelError, Problem
from watchdogd.core.policy import Policy
from watchdogd.core.spelling import did_you_mean
from watchdogd.settings import secrets
from watchdogd.settings.load import load
from watchdogd.settings.model import LOCAL_OPERATOR
from watchdogd.sim import catalogue

MISSION = "nightly-orders"
PERSON = "anna"
LONGEST_S = 300.0
"""A demo that is not over by then is broken (seconds)."""
CONFIG = """\
# The demo's daemon. Compare with a real one: worker and judge talk to a scripted server instead of a provider.

[agent]
site = "demo"
name = "orders"
state_dir = "state"
workspace = "workspace"

[broker.operators]
operator = ["pause", "resume", "nudge", "rollback", "approve", "deny", "ack", "stop", "run", "level", "label"]
{person} = ["resume", "nudge", "approve", "rollback"]

[worker]
provider = "scripted"
model = "claude-sonnet-5-5"
scenario = "{scenario}"

[judge]
provider = "scripted"
model = "claude-haiku-5-5"
scenario = "{scenario}"

[policy]
base = "assisted"

[policy.judging]
every_s = {every_s}
at_most_s = 4
jitter_s = 0.2

[checkpoints]
every_s = {save_s}

{mission}
trigger = "start"
"""


def prepared(directory: Path, scenario: str, speed: float = 1.0) -> Path:
    """A scratch workspace and a configuration in ``directory``; the configuration's path.

    Raises:
        ConfigError: the directory is in use.
    """
    source = catalogue.directory(MISSION)
    if (directory / "workspace").exists() or (directory / "state").exists():
        raise ConfigError(
            [Problem(file=str(directory), line=0, key="", text="already holds a demo: name another folder")]
        )
    directory.mkdir(parents=True, exist_ok=True)
    shutil.copytree(source / "workspace", directory / "workspace")
    shutil.copy(source / scenario, directory / "scenario.toml")
    mission = (source / "mission.toml").read_text(encoding="utf-8").rstrip()
    path = directory / "watchdogd.toml"
    path.write_text(
        CONFIG.format(
            person=PERSON,
            scenario="scenario.toml",
            mission=mission,
            every_s=4 if speed >= 1 else 1,
            save_s=3 if speed >= 1 else 0.5,
        ),
        encoding="utf-8",
    )
    return path


def demo(
    keep: Annotated[Path | None, typer.Option(help="work in this folder and leave everything there for a look")] = None,
    speed: Annotated[float, typer.Option(min=0.0, help="scale the pauses: 0 = as fast as it goes")] = 1.0,
    scenario: Annotated[str, typer.Option(help="another story, for tests", hidden=True)] = "scenario.toml",
    broker: Annotated[str, typer.Option(help="auto, mosquitto or amqtt")] = "auto",
) -> None:
    """Watch a worker go wrong and be put right: about a minute, no key, no root, no broker needed."""
    if broker not in ("auto", "mosquitto", "amqtt"):
        hint = did_you_mean(broker, ("auto", "mosquitto", "amqtt"))
        raise typer.BadParameter(f"--broker must be auto, mosquitto or amqtt, not {broker!r}{hint}")
    directory = keep or Path(tempfile.mkdtemp(prefix="watchdogd-demo-"))
    out = Console(highlight=False)
    try:
        config = prepared(directory.absolute(), scenario, speed)
        ending = asyncio.run(_play(config, out, speed, broker))
    except KeyboardInterrupt:
        out.print("\nended by you")
        raise typer.Exit(130) from None
    except (BusDown, ModelError, NoDaemon) as why:
        sys.stderr.write(f"watchdogd demo: {why}\n")
        raise typer.Exit(1) from None
    finally:
        if keep is None:
            shutil.rmtree(directory, ignore_errors=True)
    ending.show(out, kept=keep)
    raise typer.Exit(0 if ending.good else 1)


async def _play(
    config: Path, out: Console, speed: float, broker: Literal["auto", "mosquitto", "amqtt"] | str
) -> Ending:
    clock = SystemClock()
    loaded = load(config, env={}, demo=True)
    settings = loaded.settings
    timeline = Timeline(out, clock.boot())
    stopper: list[Callable[[], None]] = []
    up: asyncio.Future[RunningBroker] = asyncio.get_running_loop().create_future()

    def reload() -> Policy:
        return load(config, env=os.environ, demo=True).settings.policy

    daemon = Daemon(
        loaded=loaded,
        secrets=secrets.read(settings, {}),
        reload=reload,
        say=timeline.note,
        demo=True,
        speed=speed,
        broker_kind=broker,  # type: ignore[arg-type] # checked by the caller
        ready=up.set_result,
    )
    timeline.opening(settings)
    async with asyncio.TaskGroup() as tasks:
        daemon_task = tasks.create_task(supervise(daemon, on_stop=stopper.append), name="daemon")
        viewers = tasks.create_task(_around(up, daemon_task, timeline, speed), name="viewers")
        both: set[asyncio.Task[Any]] = {viewers, daemon_task}
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        for stop in stopper:
            stop()
    timeline.closing()
    return await asyncio.to_thread(judged, settings, timeline, catalogue.directory(MISSION))


async def _around(
    up: asyncio.Future[RunningBroker], daemon: asyncio.Task[int], timeline: Timeline, speed: float
) -> None:
    """The viewer and the person, from when there is a broker until the run is over."""
    either: set[asyncio.Future[Any]] = {up, daemon}
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    if not up.done():
        return
    running = up.result()
    timeline.broker(running.connection, commands(running.connection, running.connection.topics, LOCAL_OPERATOR))
    viewer = Client(running.connection, LOCAL_OPERATOR)
    person = Person(Client(running.connection, PERSON), speed=speed, said=timeline.person)
    ahead = asyncio.get_running_loop().create_task(person.run(), name="person")
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(LONGEST_S):
                while not timeline.over:
                    with suppress(NoDaemon):
                        await viewer.follow(timeline.take)
    finally:
        ahead.cancel()
        with suppress(asyncio.CancelledError):
            await ahead
