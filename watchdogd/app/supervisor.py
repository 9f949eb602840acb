"""The supervisor process: broker, scripted servers, roles, the local socket. No model SDK."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from watchdogd import __version__
from watchdogd.adapters.broker import BrokerSpec, RunningBroker, start_broker
from watchdogd.adapters.broker_probe import probe_acl
from watchdogd.adapters.children import Roles
from watchdogd.adapters.clock import SystemClock
from watchdogd.adapters.environment import kept
from watchdogd.adapters.ground import Ground, name_of
from watchdogd.adapters.local_socket import SOCKET, local_socket
from watchdogd.adapters.lock import exclusive
from watchdogd.adapters.mqtt import MqttBus
from watchdogd.adapters.proctree import adopt_orphans
from watchdogd.adapters.reaper import Reaper
from watchdogd.adapters.scripted_server import scripted_server
from watchdogd.adapters.sqlite import SqliteRecord
from watchdogd.adapters.systemd import Notify
from watchdogd.app.bundle import bundle_data
from watchdogd.core.errors import ConfigError, Problem
from watchdogd.core.ids import AgentRef, Role
from watchdogd.core.lease.messages import Mode
from watchdogd.core.policy import Policy
from watchdogd.core.proof import TreeState
from watchdogd.core.restarts import RestartBudget
from watchdogd.ports import Child
from watchdogd.settings.load import Loaded
from watchdogd.settings.model import Settings
from watchdogd.settings.secrets import Secrets
from watchdogd.sim.scenario import JUDGE_PATH
from watchdogd.supervisor.children import Ended, Keeper
from watchdogd.supervisor.deadman import DeadMan
from watchdogd.supervisor.service import Supervisor
from watchdogd.wire import codec
from watchdogd.wire.messages import Info
from watchdogd.wire.topics import Topics

REAP_S = 5.0
"""Between two looks for dead orphans (seconds)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Daemon:
    """What a daemon is started with."""

    loaded: Loaded
    secrets: Secrets
    reload: Callable[[], Policy]
    """Reads the policy anew (SIGHUP). Raises: ConfigError."""
    say: Callable[[str], None]
    """A line for the journal."""
    alarm: Callable[[str], None] = field(default=lambda _: None)
    """Tells people without MQTT; may block, so it is called in a thread."""
    demo: bool = False
    speed: float = 1.0
    """Scales the scripted server's latencies."""
    broker_kind: Literal["auto", "mosquitto", "amqtt"] = "auto"
    extra_operators: tuple[str, ...] = ()
    ready: Callable[[RunningBroker], None] = field(default=lambda _: None)
    """Called once the broker is up."""


@dataclass(slots=True)
class InForce:
    """The settings that a role is started with next: a reload changes their policy."""

    settings: Settings


def _spec(daemon: Daemon, topics: Topics) -> BrokerSpec:
    settings = daemon.loaded.settings
    url = settings.broker.url
    operators = tuple(dict.fromkeys((*settings.broker.operators, *daemon.extra_operators)))
    return BrokerSpec(
        topics=topics,
        state_dir=settings.agent.state_dir / "broker",
        operators=operators,
        kind="url" if url != "auto" else daemon.broker_kind,
        url="" if url == "auto" else url,
        accounts={name: word.get_secret_value() for name, word in daemon.secrets.broker_passwords.items()},
        role_prefix=settings.broker.role_prefix,
        ca_file=str(settings.broker.ca_file or ""),
        allow_plain=settings.broker.allow_plain,
        allow_amqtt=daemon.demo,
    )


async def _model_url(stack: AsyncExitStack, daemon: Daemon, role: Role, running: dict[Path, str]) -> str:
    settings = daemon.loaded.settings
    part = settings.worker if role is Role.WORKER else settings.judge
    if part.provider != "scripted" or part.scenario is None:
        return part.base_url
    if part.scenario not in running:
        running[part.scenario] = await stack.enter_async_context(scripted_server(part.scenario, speed=daemon.speed))
    return running[part.scenario] + (JUDGE_PATH if role is Role.OVERSEER else "")


async def supervise(daemon: Daemon, *, on_stop: Callable[[Callable[[], None]], None] | None = None) -> int:
    """Runs the daemon until SIGTERM (or the function handed to ``on_stop`` is called); its exit status.

    Raises:
        ConfigError: another daemon holds the state directory, or the broker cannot be used.
        BusDown: no broker.
        ModelError: a scripted server does not start.
    """
    settings, clock = daemon.loaded.settings, SystemClock()
    state_dir = settings.agent.state_dir
    state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    state_dir.chmod(0o700)
    boot = clock.nonce()
    adopt_orphans()
    async with AsyncExitStack() as stack:
        stack.enter_context(exclusive(state_dir / "lock"))
        (state_dir / "logs").mkdir(exist_ok=True)
        ground = Ground(name_of(state_dir), now=clock.boot)
        stack.callback(ground.close)
        if ground.why_none:
            daemon.say(f"processes are frozen and killed by signals, which is proven in part only: {ground.why_none}")
        roles = Roles(state_dir=state_dir, clock=clock, log=state_dir / "logs" / "roles.log", ground=ground)
        for proof in await asyncio.to_thread(roles.leftovers):
            daemon.say(f"ended what an earlier daemon left: {proof.headline}")
            if proof.state is not TreeState.EXITED:
                raise ConfigError(
                    [_problem(state_dir, f"processes of an earlier daemon are still there: {proof.headline}")]
                )
        topics = Topics(ref=AgentRef(site=settings.agent.site, agent=settings.agent.name), base=settings.broker.base)
        broker = await stack.enter_async_context(start_broker(_spec(daemon, topics), clock=clock))
        if broker.warning:
            daemon.say(broker.warning)
        servers: dict[Path, str] = {}
        urls = {role: await _model_url(stack, daemon, role, servers) for role in (Role.WORKER, Role.OVERSEER)}
        record = SqliteRecord(state_dir / "supervisor" / "record.db")
        stack.callback(record.close)
        record.claim()
        in_force = InForce(settings=settings)
        supervisor = _supervisor(daemon, in_force, roles, record, broker, urls, boot, clock)
        stack.callback(_signals(daemon, in_force, supervisor, on_stop))
        await stack.enter_async_context(_local(state_dir / SOCKET, supervisor))
        daemon.ready(broker)
        async with asyncio.TaskGroup() as tasks:
            reaping = tasks.create_task(_reap(clock), name="reaper")
            trying = tasks.create_task(_walls(daemon, supervisor, broker, clock), name="walls")
            await supervisor.run()
            trying.cancel()
            reaping.cancel()
    return 0


async def _reap(clock: SystemClock) -> None:
    reaper = Reaper()
    while True:
        await clock.sleep(REAP_S)
        await asyncio.to_thread(reaper.look)


async def _walls(daemon: Daemon, supervisor: Supervisor, broker: RunningBroker, clock: SystemClock) -> None:
    """Tries a foreign broker's walls; until they are seen to stand, people can watch there and not command."""
    if broker.connection.kind != "url":
        return  # written by ourselves, line by line
    supervisor.restrict("the broker's walls are still being tried")
    why = await probe_acl(broker.connection, clock=clock)
    if why:
        daemon.say(f"remote control is off, monitoring only: {why}")
    supervisor.restrict(why or "")


def _problem(path: Path, text: str) -> Problem:
    return Problem(file=str(path), line=0, key="", text=text)


def _local(path: Path, supervisor: Supervisor) -> AbstractAsyncContextManager[None]:
    async def answer(command: str, user: str, text: str) -> dict[str, Any]:
        said = await supervisor.local(command, user, text)
        return {"ok": said.ok, "text": said.text, "status": codec.dump(said.status) if said.status else None}

    return local_socket(path, answer, supervisor.of_worker)


def _signals(
    daemon: Daemon, in_force: InForce, supervisor: Supervisor, on_stop: Callable[[Callable[[], None]], None] | None
) -> Callable[[], None]:
    loop = asyncio.get_running_loop()

    def reload() -> None:
        try:
            policy = daemon.reload()
        except ConfigError as why:
            for problem in why.problems:
                daemon.say(f"not reloaded: {problem}")
            return
        in_force.settings = in_force.settings.model_copy(update={"policy": policy})
        told = supervisor.adopt(policy, by=f"SIGHUP (uid {os.geteuid()})")
        daemon.say(f"policy {policy.name} ({policy.digest[:12]}) read" + ("" if told else "; no overseer to adopt it"))

    if on_stop is not None:
        on_stop(supervisor.stop)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, supervisor.stop)
    loop.add_signal_handler(signal.SIGHUP, reload)

    def forget() -> None:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.remove_signal_handler(number)

    return forget


def _supervisor(
    daemon: Daemon,
    in_force: InForce,
    roles: Roles,
    record: SqliteRecord,
    broker: RunningBroker,
    urls: dict[Role, str],
    boot: str,
    clock: SystemClock,
) -> Supervisor:
    settings = daemon.loaded.settings
    env = kept(os.environ)
    keys = {Role.WORKER: daemon.secrets.worker_api_key, Role.OVERSEER: daemon.secrets.judge_api_key}

    def keeper(role: Role) -> Callable[[Callable[[], bool], Callable[[Child], None], Callable[[Ended], None]], Keeper]:
        async def spawn() -> Child:
            key = keys[role]
            data = bundle_data(
                in_force.settings,
                broker.connection.only(role),
                boot=clock.nonce(),
                daemon_boot=boot,
                api_key=key.get_secret_value() if key is not None else "",
                base_url=urls[role],
                demo=daemon.demo,
            )
            return await roles.spawn(role, data, env)

        return lambda may, started, ended: Keeper(
            role=role,
            spawn=spawn,
            clock=clock,
            budget=RestartBudget(),
            may_start=may,
            on_started=started,
            on_ended=ended,
        )

    policy = settings.policy
    info = Info(
        version=__version__,
        policy=policy.digest,
        policy_name=policy.name,
        mode=policy.mode,
        level=policy.level,
        worker_model=settings.worker.model,
        judge_model=settings.judge.model if settings.judge.enabled else "",
        config_digest=daemon.loaded.digest,
        missions=tuple(one.name for one in settings.missions),
        broker=broker.connection.kind,
    )
    supervisor_holder: list[Supervisor] = []
    deadman = DeadMan(
        record=record,
        clock=clock,
        timing=settings.timing,
        enforcing=lambda: in_force.settings.policy.mode is Mode.ENFORCE,
        on_change=lambda _: supervisor_holder[0].changed() if supervisor_holder else None,
    )
    supervisor = Supervisor(
        deadman=deadman,
        worker=keeper(Role.WORKER),
        overseer=keeper(Role.OVERSEER),
        bus=MqttBus(broker.connection, Role.SUPERVISOR, clock=clock, boot=boot),
        clock=clock,
        notifier=Notify(os.environ, clock),
        info=info,
        boot=boot,
        say=daemon.say,
        alarm=daemon.alarm,
    )
    supervisor_holder.append(supervisor)
    return supervisor
