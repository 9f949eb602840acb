"""How a worker ends when it is told to: with its supervisor, or to be renewed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, cast

from tests.protocol.inmemory import PATIENCE_S, Clock
from watchdogd.worker.service import Worker


@dataclass
class Running:
    """A run whose tool call is under way; both the runner and the missions, as far as draining sees them."""

    executing: bool = True
    draining: bool = False
    cut: bool = False
    run_now: None = None

    def poke(self) -> None:
        """Nothing is queued."""

    def stop_now(self) -> None:
        self.cut = True


class Gate:
    """Holds nothing."""


def worker(running: Running) -> Worker:
    anything = cast("Any", Gate())
    return Worker(
        control=anything,
        gate=anything,
        runner=cast("Any", running),
        missions=cast("Any", running),
        checkpoints=anything,
        journal=anything,
        gauge=anything,
        clock=Clock(),
        disk_floor_bytes=0,
        sandbox="none",
    )


async def test_a_call_that_outlasts_its_grace_is_cut() -> None:
    running = Running()
    async with asyncio.timeout(PATIENCE_S):
        await worker(running).drain(0.01)
    assert (running.draining, running.cut) == (True, True)


async def test_a_renewal_waits_for_the_running_call() -> None:
    running = Running()
    drain = asyncio.create_task(worker(running).drain(None))
    await asyncio.wait({drain}, timeout=0.3)
    assert (running.draining, running.cut, drain.done()) == (True, False, False)
    running.executing = False
    async with asyncio.timeout(PATIENCE_S):
        await drain
    assert running.cut
