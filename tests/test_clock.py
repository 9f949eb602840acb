"""Both clocks keep the same promises; the one moved by hand moves only by hand."""

import asyncio
import time

import pytest

from watchdogd.adapters.clock import SystemClock
from watchdogd.ports import Clock
from watchdogd.sim.clock import HandClock


@pytest.fixture(params=[SystemClock, HandClock])
def clock(request) -> Clock:
    made: Clock = request.param()
    return made


def test_boot_time_never_goes_back(clock):
    seen = [clock.boot() for _ in range(1_000)]
    assert seen == sorted(seen)


def test_a_nonce_is_16_hex_digits_and_does_not_repeat(clock):
    seen = [clock.nonce() for _ in range(1_000)]
    assert len(set(seen)) == 1_000
    assert all(len(nonce) == 16 and int(nonce, 16) >= 0 for nonce in seen)


async def test_sleeping_no_time_returns(clock):
    async with asyncio.timeout(30):
        await clock.sleep(0)
        await clock.sleep(-1)


async def test_the_real_sleep_lasts_at_least_as_long_as_asked():
    clock = SystemClock()
    before = clock.boot()
    await clock.sleep(0.02)
    assert clock.boot() - before >= 0.019


def test_the_real_boot_clock_is_the_kernels_boottime():
    before = time.clock_gettime(time.CLOCK_BOOTTIME)
    now = SystemClock().boot()
    assert before <= now <= time.clock_gettime(time.CLOCK_BOOTTIME)


async def test_a_sleeper_wakes_only_when_its_time_was_moved_past():
    clock = HandClock()
    woken = []

    async def sleeper(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append(name)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(sleeper("late", 10))
        tasks.create_task(sleeper("early", 5))
        await asyncio.sleep(0)
        assert clock.next_due == clock.boot() + 5
        clock.advance(4.9)
        await asyncio.sleep(0)
        assert woken == []
        clock.advance(0.2)
        await asyncio.sleep(0)
        assert woken == ["early"]
        clock.advance(100)
    assert woken == ["early", "late"]
    assert clock.next_due is None


async def test_a_cancelled_sleeper_is_forgotten():
    clock = HandClock()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await clock.sleep(5)
    assert clock.next_due is None
    clock.advance(10)


def test_the_wall_clock_jumps_and_boot_time_does_not_notice():
    clock = HandClock(wall=100.0, boot=7.0)
    clock.jump_wall(-3_600)
    assert (clock.wall(), clock.boot()) == (-3_500.0, 7.0)
    clock.advance(1)
    assert (clock.wall(), clock.boot()) == (-3_499.0, 8.0)


def test_boot_time_cannot_be_moved_back():
    with pytest.raises(ValueError, match="never goes back"):
        HandClock().advance(-1)


def test_the_same_seed_gives_the_same_nonces():
    assert [HandClock(seed="a").nonce(), HandClock(seed="a").nonce()] == [HandClock(seed="a").nonce()] * 2
    assert HandClock(seed="a").nonce() != HandClock(seed="b").nonce()
