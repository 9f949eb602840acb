"""APScheduler behind the Schedule port."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.cron import CronTrigger
from tzlocal import get_localzone

from watchdogd.ports import Clock

MISFIRE_GRACE_S = 300
"""A job that is late by less still runs, once; APScheduler's own default of 1 s loses jobs on a busy machine."""


class ApSchedule:
    """Wall-clock jobs on the running loop. It follows the wall clock, so what must not be missed has another check."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._zone = get_localzone()
        self._scheduler = AsyncIOScheduler(
            timezone=self._zone,
            job_defaults={"misfire_grace_time": MISFIRE_GRACE_S, "coalesce": True, "max_instances": 1},
        )

    def _begin(self) -> None:
        if not self._scheduler.running:
            self._scheduler.start()

    def cron(self, expression: str, job: Callable[[], None]) -> None:
        """Five fields, as crontab has them. Raises: ValueError."""
        self._begin()
        self._scheduler.add_job(_in_loop(job), CronTrigger.from_crontab(expression, timezone=self._zone))

    def every(self, seconds: float, job: Callable[[], None], *, jitter_s: float = 0) -> None:
        """Every ``seconds``, give or take ``jitter_s``."""
        self._begin()
        self._scheduler.add_job(_in_loop(job), "interval", seconds=seconds, jitter=jitter_s or None)

    def once_in(self, seconds: float, job: Callable[[], None], *, name: str, jitter_s: float = 0) -> None:
        """Once; replaces the job of the same ``name``."""
        self._begin()
        spread = (int(self._clock.nonce(), 16) / 2**64 * 2 - 1) * jitter_s
        at = datetime.fromtimestamp(self._clock.wall(), self._zone) + timedelta(seconds=max(0.0, seconds + spread))
        self._scheduler.add_job(_in_loop(job), "date", run_date=at, id=name, replace_existing=True)

    def close(self) -> None:
        """Ends all of it."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)


def _in_loop(job: Callable[[], None]) -> Callable[[], object]:
    """A coroutine function, so that APScheduler runs it on the loop and not in a thread."""

    async def run() -> None:
        job()

    return run
