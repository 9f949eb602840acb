"""A worker process: which adapter stands behind which port."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from watchdogd.adapters.checkpoints import WorkspaceSnapshots
from watchdogd.adapters.claude import Claude
from watchdogd.adapters.clock import SystemClock
from watchdogd.adapters.gauge import PsutilGauge
from watchdogd.adapters.mqtt import MqttBus
from watchdogd.adapters.objects import ObjectDirectory
from watchdogd.adapters.previews import StorePreviews
from watchdogd.adapters.prompts import Prompts
from watchdogd.adapters.redaction import SecretRedactor
from watchdogd.adapters.schedule import ApSchedule
from watchdogd.adapters.snapshots.archive import Quota
from watchdogd.adapters.snapshots.store import SnapshotStore
from watchdogd.adapters.sqlite import SqliteRecord
from watchdogd.adapters.toolboxes import Toolboxes
from watchdogd.app.bundle import Bundle, affords_of, price_of
from watchdogd.app.life import live
from watchdogd.core.ids import Role
from watchdogd.settings import model as conf
from watchdogd.settings.bounds import bounds, denied_paths, job
from watchdogd.settings.trigger import AtStart, Cron, Every, OnRequest
from watchdogd.worker.checkpoints import Checkpoints
from watchdogd.worker.control import Controller
from watchdogd.worker.gate import Gate
from watchdogd.worker.journal import Journal
from watchdogd.worker.missions import Missions, Trigger
from watchdogd.worker.orders import OrderBook
from watchdogd.worker.preview import Rehearsals
from watchdogd.worker.run import Mind, Runner
from watchdogd.worker.service import Worker
from watchdogd.worker.spending import vetoed

T = TypeVar("T")

SLOW_S = 1.0
"""A start that takes longer goes on with beats beside it (seconds); the sandbox's trial takes some 30 ms."""
GRACE_S = 15.0
"""A tool call that runs when the worker is told to end gets this long (seconds); the supervisor waits longer."""


async def beating(
    beat: Callable[[], Awaitable[None]],
    prepare: Callable[[], Awaitable[T]],
    *,
    again: Callable[[T], bool],
    patience_s: float = SLOW_S,
) -> T:
    """What ``prepare`` makes; when that takes long, ``beat`` runs beside it.

    A worker that is frozen while it tries its sandbox thaws without its tools, and so without that trial (PROTOCOL S3):
    only an acknowledged lease thaws them. What a slow trial came to is not believed (``again``), but tried once more.
    """
    preparing = asyncio.ensure_future(prepare())
    await asyncio.wait({preparing}, timeout=patience_s)
    if preparing.done():
        return preparing.result()
    living = asyncio.ensure_future(beat())
    try:
        await asyncio.wait({preparing, living}, return_when=asyncio.FIRST_COMPLETED)
        if living.done():
            living.result()
        made = await preparing
        return await prepare() if again(made) else made
    finally:
        preparing.cancel()
        living.cancel()
        await asyncio.wait({preparing, living})


async def worker_main(bundle: Bundle) -> int:
    """A worker process."""
    settings, clock = bundle.settings, SystemClock()
    state_dir = settings.agent.state_dir
    record = SqliteRecord(state_dir / "worker" / "record.db")
    record.claim()
    objects = ObjectDirectory(state_dir / "objects")
    redactor = SecretRedactor((bundle.api_key, *bundle.connection.accounts.values()))
    journal = Journal(record, objects, redactor, clock, bundle.boot)
    bus = MqttBus(bundle.connection, Role.WORKER, clock=clock, boot=bundle.boot)
    control = Controller(
        bus=bus,
        record=record,
        journal=journal,
        clock=clock,
        timing=settings.timing,
        boot=bundle.boot,
        mode=settings.policy.mode,
    )
    kept = settings.checkpoints
    store = SnapshotStore(
        str(state_dir / "checkpoints"),
        clock=clock,
        quota=Quota(
            store_bytes=kept.store_bytes, file_bytes=kept.file_bytes, free_bytes=settings.limits.disk_floor_bytes
        ),
        state=str(state_dir),
    )
    snapshots = WorkspaceSnapshots(
        store, str(settings.agent.workspace), deadline_s=kept.deadline_s, exclude=kept.exclude
    )
    checkpoints = Checkpoints(
        snapshots=snapshots,
        record=record,
        journal=journal,
        clock=clock,
        every_s=kept.every_s,
        before_risky=kept.before_risky,
    )
    toolboxes = await beating(
        control.run,
        lambda: Toolboxes.prepared(settings, clock=clock, demo=bundle.demo, cgroups=bundle.tool_cgroups),
        again=lambda made: bool(made.why_none),
    )
    rehearsals = Rehearsals(
        previews=StorePreviews(
            store, str(settings.agent.workspace), opened=snapshots.open, exclude=settings.checkpoints.exclude
        ),
        plain=toolboxes.of,
        over=toolboxes.over,
        journal=journal,
        clock=clock,
    )
    gate = Gate(
        control=control,
        journal=journal,
        record=record,
        toolbox=rehearsals.toolbox,
        bounds=lambda run: bounds(settings, settings.mission(run.mission.name)),
        clock=clock,
        stage=rehearsals.stage,
    )
    prompts = Prompts().load()
    price = price_of(settings)
    affords = affords_of(settings)
    model = Claude(
        clock=clock,
        api_key=bundle.api_key or "scripted",
        base_url=bundle.base_url,
        before_attempt=lambda request: vetoed(request, runner.run_now, affords),
    )
    runner = Runner(
        mind=Mind(
            model=model,
            name=settings.worker.model,
            system=lambda run: prompts.worker(run.mission),
            max_tokens=settings.worker.max_tokens,
            deadline_s=settings.worker.deadline_s,
            effort=settings.worker.effort,
            price=price,
            affords=affords,
        ),
        gate=gate,
        journal=journal,
        record=record,
        toolbox=rehearsals.toolbox,
        clock=clock,
        control=control,
        checkpoints=checkpoints,
    )
    missions = Missions(
        missions={
            one.name: job(one, (*settings.policy.listed_hosts, *settings.tools.hosts)) for one in settings.missions
        },
        triggers=[_trigger(one) for one in settings.missions],
        runner=runner,
        record=record,
        journal=journal,
        schedule=ApSchedule(clock),
        clock=clock,
        checkpoints=checkpoints,
        workspace=str(settings.agent.workspace),
        daemon_boot=bundle.daemon_boot,
        rehearsals=rehearsals,
        denied_paths=denied_paths(settings),
    )
    orders = OrderBook(record=record, journal=journal, missions=lambda: frozenset(missions.missions))
    control.orders = orders
    worker = Worker(
        control=control,
        gate=gate,
        runner=runner,
        missions=missions,
        checkpoints=checkpoints,
        journal=journal,
        gauge=PsutilGauge(state_dir),
        clock=clock,
        disk_floor_bytes=settings.limits.disk_floor_bytes,
        sandbox=toolboxes.name,
    )
    orders.on_applied = worker.applied

    def drain(grace_s: float | None) -> None:
        background.append(asyncio.get_running_loop().create_task(worker.drain(grace_s), name="drain"))

    background: list[asyncio.Task[None]] = []
    try:
        return await live(worker.run, lambda _: drain(GRACE_S), lambda: drain(None))
    finally:
        await model.close()
        snapshots.close()
        record.close()


def _trigger(mission: conf.Mission) -> Trigger:
    starts = mission.starts
    match starts:
        case AtStart():
            return Trigger(mission=mission.name, kind="start")
        case OnRequest():
            return Trigger(mission=mission.name, kind="request")
        case Cron(expression=expression):
            return Trigger(mission=mission.name, kind="cron", cron=expression)
        case Every(seconds=seconds):
            return Trigger(mission=mission.name, kind="interval", every_s=seconds)
