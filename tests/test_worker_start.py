"""A worker whose start takes long beats meanwhile: frozen over it, only an acknowledged lease thaws the rest."""

from __future__ import annotations

import asyncio

import pytest

from tests.protocol.inmemory import PATIENCE_S
from watchdogd.app.worker import beating


async def test_a_quick_start_needs_no_beat() -> None:
    async def beat() -> None:
        raise AssertionError("nobody is waited for")

    async def prepare() -> str:
        return "made"

    async with asyncio.timeout(PATIENCE_S):
        assert await beating(beat, prepare, again=lambda _: False) == "made"


async def test_a_start_that_hangs_until_there_is_a_lease_gets_one() -> None:
    leased = asyncio.Event()

    async def beat() -> None:
        leased.set()
        await asyncio.Event().wait()

    async def prepare() -> str:
        await leased.wait()
        return "made"

    async with asyncio.timeout(PATIENCE_S):
        assert await beating(beat, prepare, again=lambda _: False, patience_s=0.01) == "made"


async def test_what_a_slow_trial_came_to_is_tried_once_more() -> None:
    leased = asyncio.Event()
    tries: list[str] = []

    async def beat() -> None:
        leased.set()
        await asyncio.Event().wait()

    async def prepare() -> str:
        await leased.wait()
        tries.append("no sandbox" if not tries else "bwrap")
        return tries[-1]

    async with asyncio.timeout(PATIENCE_S):
        made = await beating(beat, prepare, again=lambda one: one == "no sandbox", patience_s=0.01)
    assert made == "bwrap"


async def test_a_record_that_belongs_to_a_successor_ends_the_start() -> None:
    async def beat() -> None:
        raise RuntimeError("fenced")

    async def prepare() -> str:
        await asyncio.Event().wait()
        return "never"

    async with asyncio.timeout(PATIENCE_S):
        with pytest.raises(RuntimeError, match="fenced"):
            await beating(beat, prepare, again=lambda _: False, patience_s=0.01)
