"""How a worker ends when it is told to: with its supervisor, or to be renewed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, cast

from tests.protocol.inmemory import PATIENCE_S, Clock
from watchdogd.worker.run import over
from watchdogd.worker.service import Worker
from watchdogd.worker.tools.call import Outcome


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


async def test_a_tool_is_gone_before_its_run_ends_however_often_that_is_cancelled() -> None:
    gone, may_go = False, asyncio.Event()

    async def tool() -> Outcome:
        nonlocal gone
        try:
            await asyncio.Event().wait()
        finally:
            await may_go.wait()
            gone = True
        raise AssertionError

    running = asyncio.create_task(tool())
    await asyncio.sleep(0)
    ending = asyncio.create_task(over(running))
    for _ in range(3):
        await asyncio.sleep(0)
        ending.cancel()
    await asyncio.wait({ending}, timeout=0.1)
    assert not ending.done()
    may_go.set()
    async with asyncio.timeout(PATIENCE_S):
        await asyncio.wait({ending})
    assert (ending.cancelled(), gone) == (True, True)
