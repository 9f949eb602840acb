"""A run that must end does not wait in the gate any longer: not for a lease, not at a boundary, not for an answer."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.protocol.inmemory import PATIENCE_S, RUN
from tests.protocol.test_gate import Worker, running
from watchdogd.core.conversation import ToolUse
from watchdogd.core.events import Gated, Impact, ToolStarted
from watchdogd.core.lease.messages import Level
from watchdogd.worker.gate import Gate, Overtaken

USE = ToolUse(id="c1", name="shell", args={"command": "true"})


async def overtaken(worker: Worker, gate: Gate, waiting: asyncio.Future[Any]) -> None:
    """Ends the run after it has waited for some beats, and sees that this ends the wait."""
    try:
        await worker.beats(3)
        assert not waiting.done()
        gate.over = lambda: True
        worker.parts.control.poke()
        async with asyncio.timeout(PATIENCE_S):
            with pytest.raises(Overtaken):
                await waiting
    finally:
        waiting.cancel()
    assert gate.hold == ""
    assert not gate.asking
    assert not any(isinstance(body, ToolStarted) for body in worker.record.bodies())


async def test_a_call_that_waits_for_a_lease() -> None:
    async with running(grant=False) as worker:
        gate = worker.parts.gate(Impact.WRITE)
        await overtaken(worker, gate, asyncio.ensure_future(gate.admit(RUN, USE)))


async def test_a_step_that_waits_for_a_lease() -> None:
    async with running(grant=False) as worker:
        gate = worker.parts.gate(Impact.WRITE)
        await overtaken(worker, gate, asyncio.ensure_future(gate.boundary()))


async def test_a_call_that_waits_for_an_answer() -> None:
    async with running(level=Level.SUGGEST) as worker:
        gate = worker.parts.gate(Impact.WRITE)
        admitting = asyncio.ensure_future(gate.admit(RUN, USE))
        async with asyncio.timeout(PATIENCE_S):
            while not gate.asking:
                await asyncio.sleep(0.01)
        await overtaken(worker, gate, admitting)
        assert any(isinstance(body, Gated) and body.outcome == "ask" for body in worker.record.bodies())
