"""A flood costs bounded memory, is told to the reader, and never silences the link."""

from __future__ import annotations

import pytest

from tests.bus import samples
from tests.bus.test_contract import O, W, carrying, problem
from tests.bus.worlds import TOPICS, MemoryWorld, World, next_of, until
from watchdogd.adapters.mqtt import MOST_UNCOMMITTED
from watchdogd.adapters.mqtt_queues import Inbox, Outbox, Outgoing, arrival
from watchdogd.core.errors import BusDown
from watchdogd.core.events import Event
from watchdogd.sim import bus as memory
from watchdogd.wire.envelope import MAX_BYTES


def arrived(size: int = 10):
    return arrival("t", b"x" * size, retained=False, mid=1, qos=1)


async def test_an_inbox_takes_no_more_than_its_messages():
    inbox = Inbox(most_messages=3, most_bytes=1_000)
    assert [inbox.add(arrived()) for _ in range(5)] == [True, True, True, False, False]
    assert inbox.dropped == 2
    while inbox.next() is not None:
        pass
    assert inbox.add(arrived())


async def test_an_inbox_takes_no_more_than_its_bytes():
    inbox = Inbox(most_messages=100, most_bytes=25)
    assert [inbox.add(arrived()) for _ in range(3)] == [True, True, False]
    assert inbox.next() is not None
    assert inbox.add(arrived())


async def test_of_what_is_too_large_only_digest_and_size_are_kept():
    kept = arrived(MAX_BYTES + 1)
    assert kept.raw is None
    assert kept.size == MAX_BYTES + 1
    assert len(kept.digest) == 64
    inbox = Inbox(most_messages=1_000, most_bytes=10)
    assert all(inbox.add(kept) for _ in range(500))


async def test_an_outbox_is_bounded_both_ways():
    def one(size: int) -> Outgoing:
        return Outgoing(topic="t", raw=b"x" * size, qos=1, retain=False)

    outbox = Outbox(most_messages=2, most_bytes=10)
    assert [outbox.add(one(4)) for _ in range(3)] == [True, True, False]
    outbox.pop()
    assert not outbox.add(one(7))
    assert outbox.add(one(6))
    assert [len(left.raw) for left in outbox.drain()] == [4, 6]
    assert outbox.add(one(10))


def small(world: World, link, monkeypatch, most: int) -> None:
    if isinstance(world, MemoryWorld):
        monkeypatch.setattr(memory, "MOST_WAITING", most)
    else:
        link._inbox = Inbox(most_messages=most)


async def test_a_reader_that_was_flooded_is_told_how_much_it_missed_and_goes_on(world: World, monkeypatch):
    async with world.bus(O).connect() as overseer, world.bus(W).connect() as worker:
        small(world, overseer, monkeypatch, 50)
        for seq in range(1, 201):
            worker.put(samples.event(seq))
        await worker.send(samples.event(201))
        if not isinstance(world, MemoryWorld):
            await until(lambda: overseer._inbox.dropped > 0)  # type: ignore[attr-defined]
        (told,) = await next_of(overseer, problem("flooded"))
        assert told.message is None
        assert "dropped" in str(told.problem)
        await worker.send(samples.event(202))
        (seen,) = await next_of(overseer, lambda one: one.message is not None and one.message.seq == 202)
        assert seen.topic == f"{TOPICS.root}/event/tick"


async def test_a_flood_of_requests_leaves_the_events_alone(world: World):
    if not world.durable:
        pytest.skip("amqtt has no receive maximum")
    async with (
        world.bus(O).connect() as overseer,
        world.bus(O).connect(persistent=True) as requests,
        world.bus("anna").connect() as anna,
        world.bus(W).connect() as worker,
    ):
        for number in range(500):
            anna.put(samples.request(name=f"r-{number}"))
        await anna.send(samples.request(name="r-500"))
        await worker.send(samples.event(1))
        await next_of(overseer, carrying(Event))
        seen = 0
        async for one in requests.received():
            assert one.message is not None
            assert one.done is not None
            assert one.message.payload.id == f"r-{seen}"  # type: ignore[union-attr]
            one.done()
            seen += 1
            if seen == 501:
                break


async def test_the_broker_keeps_the_requests_that_cannot_be_committed_yet(world: World):
    if world.name != "mosquitto":
        pytest.skip("Receive Maximum is MQTT 5")
    async with world.bus(O).connect(persistent=True) as requests, world.bus("anna").connect() as anna:
        for number in range(300):
            anna.put(samples.request(name=f"r-{number}"))
        await anna.send(samples.request(name="last"))
        async with world.bus(W).connect() as worker:
            await worker.send(samples.event(1))
        waiting = requests._inbox._waiting  # type: ignore[attr-defined]
        await until(lambda: len(waiting) >= MOST_UNCOMMITTED)
        await world.raw("ben", f"{TOPICS.root}/control/request/ben", b"pause")
        assert len(waiting) == MOST_UNCOMMITTED


async def test_more_than_the_outbox_holds_is_refused_not_kept(world: World):
    if isinstance(world, MemoryWorld):
        pytest.skip("in memory nothing waits to be sent")
    async with world.bus(W).connect() as worker:
        worker._outbox = Outbox(most_messages=5)  # type: ignore[attr-defined]
        worker._client.window = 1  # type: ignore[attr-defined]
        with pytest.raises(BusDown, match="too much waits"):
            for seq in range(1, 20):
                worker.put(samples.event(seq))
