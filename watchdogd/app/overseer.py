"""An overseer process: which adapter stands behind which port."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from typing import Any

from watchdogd.adapters.children import CHANNEL_FD
from watchdogd.adapters.claude import Claude
from watchdogd.adapters.clock import SystemClock
from watchdogd.adapters.mqtt import MqttBus
from watchdogd.adapters.objects import ObjectDirectory
from watchdogd.adapters.prompts import Prompts
from watchdogd.adapters.schedule import ApSchedule
from watchdogd.adapters.socketpair import SocketChannel
from watchdogd.adapters.sqlite import SqliteRecord
from watchdogd.app.bundle import Bundle, price_of
from watchdogd.app.detectors import detectors
from watchdogd.app.life import live
from watchdogd.core.errors import RecordFull
from watchdogd.core.ids import Role
from watchdogd.core.retention import Keep
from watchdogd.overseer.book import load
from watchdogd.overseer.desk import Desk
from watchdogd.overseer.enforce import Enforcer
from watchdogd.overseer.inspect import Inspection
from watchdogd.overseer.judge import Judge
from watchdogd.overseer.retention import RecordRetention
from watchdogd.overseer.returns import Returns
from watchdogd.overseer.service import Overseer
from watchdogd.overseer.watch import Watch, whole_text

DISK_RETRY_S = 1.0

log = logging.getLogger("watchdogd")


async def overseer_main(bundle: Bundle) -> int:
    """An overseer process."""
    return await live(lambda: _oversee(bundle), _cancelled)


def _cancelled(work: asyncio.Task[Any]) -> None:
    work.cancel()


async def _oversee(bundle: Bundle) -> None:

    sock = socket.socket(fileno=int(os.environ.pop(CHANNEL_FD)))
    channel = await SocketChannel.over(sock)
    clock = SystemClock()
    while True:
        try:
            await _oversee_once(bundle, channel, clock)
        except* RecordFull as why:
            log.warning("the record cannot be written (%s): no lease is granted until it can", why.exceptions[0])
        await clock.sleep(DISK_RETRY_S)


async def _oversee_once(bundle: Bundle, channel: SocketChannel, clock: SystemClock) -> None:

    settings = bundle.settings
    record = SqliteRecord(settings.agent.state_dir / "overseer" / "record.db")
    schedule = ApSchedule(clock)
    model = None
    book = None
    try:
        epoch = record.claim()
        policy = settings.policy
        with record.transaction() as changing:
            changing.put(f"policy/{policy.digest}", policy)
            changing.append({"kind": "started", "at": clock.wall(), "epoch": epoch, "policy": policy.digest})
        whole = whole_text(ObjectDirectory(settings.agent.state_dir / "objects"))
        book = load(
            record,
            epoch=epoch,
            policy=policy,
            bank=detectors(settings.detect),
            timing=settings.timing,
            clock=clock,
            whole=whole,
            supervisor_open=True,
            restricted="the supervisor has not said yet that people may command through this broker",
        )
        kept = settings.records
        keep = Keep(days=kept.keep_days, runs=kept.keep_runs, size_bytes=kept.size_bytes)
        prompts = Prompts().load()
        enforcer = Enforcer(book, clock, bundle.boot, prompts.nudge)
        missions = frozenset(one.name for one in settings.missions)
        returns = Returns(book, enforcer, record, clock, settings.checkpoints.keep)
        desk = Desk(book, enforcer, record, clock, lambda: missions, returns)
        judge = None
        if settings.judge.enabled:
            model = Claude(clock=clock, api_key=bundle.api_key or "scripted", base_url=bundle.base_url)
            judge = Judge(
                model=model,
                name=settings.judge.model,
                system=prompts.judge_glance(),
                max_tokens=settings.judge.max_tokens,
                deadline_s=settings.judge.deadline_s,
                effort=settings.judge.effort,
            )
        overseer = Overseer(
            book=book,
            record=record,
            bus=MqttBus(bundle.connection, Role.OVERSEER, clock=clock, boot=bundle.boot),
            channel=channel,
            clock=clock,
            watch=Watch(book, whole),
            enforcer=enforcer,
            desk=desk,
            returns=returns,
            inspection=lambda start: Inspection(
                book=book,
                enforcer=enforcer,
                record=record,
                clock=clock,
                schedule=schedule,
                judge=judge,
                price=price_of(settings),
                start_look=start,
                returns=returns,
            ),
            retention=RecordRetention(book, record, clock, keep),
            boot=bundle.boot,
        )
        await overseer.run()
    finally:
        if book is not None:  # a policy adopted meanwhile stays in force when the record can be written again
            bundle.settings = bundle.settings.model_copy(update={"policy": book.policy})
        schedule.close()
        if model is not None:
            await model.close()
        record.close()
