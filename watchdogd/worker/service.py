"""The worker as a list of named tasks that live and die together."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from watchdogd.core.errors import RecordFull
from watchdogd.core.events import Resources
from watchdogd.core.lease.messages import Order, RollbackOrder, StopOrder
from watchdogd.core.lifecycle import status
from watchdogd.ports import Clock, Gauge
from watchdogd.wire.messages import WorkerStatus
from watchdogd.worker.checkpoints import Checkpoints
from watchdogd.worker.control import Controller
from watchdogd.worker.gate import Gate
from watchdogd.worker.journal import Journal
from watchdogd.worker.missions import Missions
from watchdogd.worker.run import Drained, Runner

SAMPLE_S = 5.0
"""Between two looks at the disk (seconds)."""
RESOURCES_EVERY_S = 60.0
"""Between two ``resources`` events (seconds)."""


class Worker:
    """Everything a worker process does."""

    def __init__(
        self,
        *,
        control: Controller,
        gate: Gate,
        runner: Runner,
        missions: Missions,
        checkpoints: Checkpoints,
        journal: Journal,
        gauge: Gauge,
        clock: Clock,
        disk_floor_bytes: int,
        sandbox: str,
    ) -> None:
        self._control, self._gate, self._runner = control, gate, runner
        self._checkpoints = checkpoints
        self._missions, self._journal, self._gauge, self._clock = missions, journal, gauge, clock
        self._floor_bytes, self._sandbox = disk_floor_bytes, sandbox
        self._low = ""
        self._since = clock.wall()
        gate.on_change = self.say
        gate.also_hold = lambda: self._low

    def applied(self, order: Order) -> None:
        """An order took effect on disk: wakes whoever it concerns."""
        if isinstance(order.body, StopOrder | RollbackOrder):
            self._missions.stop_now()
        self._checkpoints.poke()
        self._missions.poke()
        self._control.poke()

    async def run(self) -> None:
        """Lives until drained or cancelled."""
        async with asyncio.TaskGroup() as tasks:
            others = [
                tasks.create_task(self._control.run(), name="control"),
                tasks.create_task(self._watching_resources(), name="resources"),
                tasks.create_task(self._saying(), name="state"),
                tasks.create_task(self._checkpoints.errands(), name="errands"),
            ]
            with suppress(Drained):
                await self._missions.run()
            await self._control.farewell()
            for task in others:
                task.cancel()

    async def drain(self, grace_s: float | None) -> None:
        """Ends at the next boundary; the run stays open on disk and goes on with the next start.

        Args:
            grace_s: a tool call that is running gets this long to end (seconds); then it is killed and is in doubt.
                None: as long as it takes.
        """
        self._runner.draining = True
        self._missions.poke()
        with suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                while self._runner.executing:
                    await self._clock.sleep(0.05)
        self._missions.stop_now()

    def say(self) -> None:
        """Tells the state topic what the worker is doing."""
        run = self._runner.run_now
        now, why = status(
            run,
            self._control.latch,
            self._gate.hold,
            self._gate.asking,
            returning=self._checkpoints.returning,
        )
        if now != self._control.status.status:
            self._since = self._clock.wall()
        self._control.say(
            WorkerStatus(
                status=now,
                mission=run.mission.name if run else "",
                run=run.id if run else "",
                step=run.step if run else 0,
                latches=self._control.latches,
                why=why,
                checkpoint=self._checkpoints.latest,
                sandbox=self._sandbox,
                since=self._since,
                spent_usd=None if run is None or run.unpriced else round(run.spent_usd, 6),
                budget_usd=run.mission.budget_usd if run else None,
            )
        )

    async def _saying(self) -> None:
        while True:
            self.say()
            await self._clock.sleep(0.5)

    async def _watching_resources(self) -> None:
        last = -RESOURCES_EVERY_S
        while True:
            sample = self._gauge.sample()
            self._low = self._too_low(sample)
            now = self._clock.boot()
            if self._runner.run_now is not None and now - last >= RESOURCES_EVERY_S:
                last = now
                with suppress(RecordFull):  # the runner says so and waits; a sample may be lost
                    self._journal.append(sample)
            await self._clock.sleep(SAMPLE_S)

    def _too_low(self, sample: Resources) -> str:
        if sample.disk_free_bytes >= self._floor_bytes:
            return ""
        return f"only {sample.disk_free_bytes // 2**20} MiB free on disk, the floor is {self._floor_bytes // 2**20} MiB"
