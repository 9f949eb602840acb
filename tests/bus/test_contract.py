"""What every bus promises, over each of the three brokers."""

from __future__ import annotations

import asyncio

import pytest

from tests.bus import samples
from tests.bus.worlds import TOPICS, MemoryWorld, World, cut, next_of, until, until_reachable
from watchdogd.core.errors import BusDown, WireError
from watchdogd.core.escalation import Escalation
from watchdogd.core.events import Event
from watchdogd.core.ids import Role
from watchdogd.core.lease.messages import Beat, Order
from watchdogd.ports import Received
from watchdogd.wire.messages import HealthReport, Presence, Request, Response, WorkerStatus

W, O, S = Role.WORKER, Role.OVERSEER, Role.SUPERVISOR  # noqa: E741


def carrying(kind: type):
    return lambda one: one.message is not None and isinstance(one.message.payload, kind)


def presence_of(role: Role, status: str):
    def fits(one: Received) -> bool:
        payload = one.message.payload if one.message is not None else None
        return isinstance(payload, Presence) and payload.role is role and payload.status == status

    return fits


def problem(reason: str):
    return lambda one: one.problem is not None and one.problem.reason == reason


async def test_what_the_worker_sends_reaches_the_overseer_whole(world: World):
    async with world.bus(O).connect() as overseer, world.bus(W).connect() as worker:
        sent = samples.event(1)
        await worker.send(sent)
        (seen,) = await next_of(overseer, carrying(Event))
        assert seen.message is not None
        assert seen.message.payload == sent.payload
        assert (seen.message.seq, seen.message.source, seen.message.headline) == (1, "worker", "event 1")
        assert not seen.retained


async def test_a_beat_never_overtakes_the_events_before_it(world: World):
    async with world.bus(O).connect() as overseer, world.bus(W).connect() as worker:
        for round_ in range(5):
            for seq in range(1, 201):
                worker.put(samples.event(round_ * 200 + seq))
            worker.put(samples.beat(f"n{round_}"))
        seen = await next_of(overseer, lambda one: carrying(Event)(one) or carrying(Beat)(one), 1_005)
        numbers = [one.message.seq for one in seen if one.message is not None]
        expected: list[int | None] = []
        for round_ in range(5):
            expected += [*range(round_ * 200 + 1, round_ * 200 + 201), None]
        assert numbers == expected


async def test_order_holds_when_the_broker_takes_few_at_a_time(world: World):
    async with world.bus(O).connect() as overseer, world.bus(W).connect() as worker:
        if not isinstance(world, MemoryWorld):
            worker._client.window = 2  # type: ignore[attr-defined] # a broker's Receive Maximum
        for seq in range(1, 101):
            worker.put(samples.event(seq))
        worker.put(samples.beat())
        seen = await next_of(overseer, lambda one: carrying(Event)(one) or carrying(Beat)(one), 101)
        assert [one.message.seq for one in seen if one.message is not None] == [*range(1, 101), None]


async def test_a_link_hears_only_what_it_asked_for(world: World):
    async with world.bus(O).connect() as overseer, world.bus(S).connect():
        await overseer.send(samples.health())
        async with world.bus(W).connect() as worker:
            await overseer.send(samples.order(1))
            (first,) = await next_of(worker, lambda _: True)
            assert carrying(Order)(first)


async def test_a_link_that_ends_in_the_middle_of_sending_troubles_nobody(world: World):
    troubles: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: troubles.append(context))
    async with world.bus(O).connect() as overseer:
        for seq in range(1, 6):
            with pytest.raises(ZeroDivisionError):
                async with world.bus(W).connect() as worker:
                    worker.put(samples.event(seq))
                    _ = 1 / 0
        async with world.bus(W).connect() as worker:
            await worker.send(samples.event(100))
        await next_of(overseer, lambda one: one.message is not None and one.message.seq == 100)
    assert troubles == []


async def test_send_comes_after_everything_put_before_it(world: World):
    async with world.bus(O).connect() as overseer, world.bus(W).connect() as worker:
        for seq in range(1, 50):
            worker.put(samples.event(seq))
        await worker.send(samples.event(50))
        seen = await next_of(overseer, carrying(Event), 50)
        assert [one.message.seq for one in seen if one.message is not None] == list(range(1, 51))


async def test_who_comes_later_finds_the_retained_state(world: World):
    async with world.bus(W).connect() as worker:
        await worker.send(samples.status("running"))
        async with world.bus(O).connect() as overseer:
            (seen,) = await next_of(overseer, carrying(WorkerStatus))
            assert seen.retained


async def test_a_worker_that_comes_and_goes_in_order_says_online_and_offline(world: World):
    async with world.bus(S).connect() as supervisor:
        async with world.bus(W, "boot-7").connect():
            (seen,) = await next_of(supervisor, presence_of(W, "online"))
            assert seen.message is not None
            assert seen.message.boot == "boot-7"
        await next_of(supervisor, presence_of(W, "offline"))


async def test_a_worker_that_dies_is_said_to_be_lost_with_its_boot(world: World):
    async with world.bus(S).connect() as supervisor, world.bus(W, "boot-9").connect() as worker:
        await next_of(supervisor, presence_of(W, "online"))
        cut(worker)
        (seen,) = await next_of(supervisor, presence_of(W, "lost"))
        assert seen.message is not None
        assert seen.message.payload == Presence(role=W, status="lost", boot="boot-9")


async def test_leaving_by_an_error_counts_as_lost(world: World):
    async with world.bus(S).connect() as supervisor:
        with pytest.raises(ZeroDivisionError):
            async with world.bus(W).connect():
                _ = 1 / 0
        await next_of(supervisor, presence_of(W, "lost"))


async def test_a_cancelled_role_leaves_in_order(world: World):
    async with world.bus(S).connect() as supervisor:
        there = asyncio.Event()

        async def role() -> None:
            async with world.bus(W).connect():
                there.set()
                await asyncio.Event().wait()

        task = asyncio.get_running_loop().create_task(role())
        await there.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await next_of(supervisor, presence_of(W, "offline"))


async def test_people_publish_no_presence(world: World):
    async with world.bus(S).connect() as supervisor:
        async with world.bus("anna").connect():
            pass
        async with world.bus(W).connect():
            pass
        (first,) = await next_of(supervisor, lambda one: carrying(Presence)(one) and not presence_of(S, "online")(one))
        assert presence_of(W, "online")(first)


async def test_a_new_connection_of_a_role_ends_the_old_one(world: World):
    if world.name == "amqtt":
        pytest.skip("amqtt leaves the old connection of a clean session open")
    async with world.bus(S).connect() as supervisor, world.bus(W, "old").connect() as old:
        async with world.bus(W, "new").connect():
            with pytest.raises(BusDown):
                await next_of(old, lambda _: False)
            await next_of(supervisor, presence_of(W, "online"))
        await next_of(supervisor, presence_of(W, "offline"))


async def test_a_request_arrives_over_the_persistent_link_alone(world: World):
    async with (
        world.bus(O).connect() as overseer,
        world.bus(O).connect(persistent=True) as requests,
        world.bus("anna").connect() as anna,
        world.bus(W).connect() as worker,
    ):
        await anna.send(samples.request())
        (seen,) = await next_of(requests, carrying(Request))
        assert seen.message is not None
        assert (seen.message.user, seen.message.source) == ("anna", "anna")
        await worker.send(samples.event(1))
        (first,) = await next_of(overseer, lambda one: carrying(Request)(one) or carrying(Event)(one))
        assert carrying(Event)(first)


async def test_a_request_sent_while_the_overseer_is_away_is_kept(world: World):
    if not world.durable:
        pytest.skip("amqtt does not keep a session; the daemon says so")
    async with world.bus(O).connect(persistent=True):
        pass
    async with world.bus("anna").connect() as anna:
        await anna.send(samples.request(name="r-7"))
    async with world.bus(O).connect(persistent=True) as requests:
        (seen,) = await next_of(requests, carrying(Request))
        assert seen.message is not None
        assert isinstance(seen.message.payload, Request)
        assert seen.message.payload.id == "r-7"
        assert not seen.retained


async def test_a_request_that_was_not_committed_comes_again(world: World):
    if not world.durable:
        pytest.skip("amqtt does not keep a session; the daemon says so")
    async with world.bus(O).connect(persistent=True) as requests, world.bus("anna").connect() as anna:
        await anna.send(samples.request(name="r-1"))
        await anna.send(samples.request(name="r-2"))
        first, _second = await next_of(requests, carrying(Request), 2)
        assert first.done is not None
        first.done()
    async with world.bus(O).connect(persistent=True) as requests:
        (seen,) = await next_of(requests, carrying(Request))
        assert seen.message is not None
        assert isinstance(seen.message.payload, Request)
        assert seen.message.payload.id == "r-2"


async def test_requests_survive_the_brokers_death(world: World):
    if not world.durable:
        pytest.skip("amqtt forgets everything when it restarts; the daemon says so")
    async with world.bus(O).connect(persistent=True):
        pass
    async with world.bus("anna").connect() as anna, world.bus("ben").connect() as ben:
        await anna.send(samples.request(name="r-1"))
        await ben.send(samples.request("ben", name="r-2"))
        await until(lambda: world.has_saved(b"r-1") and world.has_saved(b"r-2"))
    await world.crash()
    async with world.bus(O).connect(persistent=True) as requests:
        seen = await next_of(requests, carrying(Request), 2)
        assert {one.message.user for one in seen if one.message is not None} == {"anna", "ben"}


async def test_a_link_breaks_with_the_broker_and_a_new_one_works(world: World):
    async with world.bus(W).connect() as worker:
        await world.crash()
        with pytest.raises(BusDown):
            await next_of(worker, lambda _: False)
        with pytest.raises(BusDown):
            worker.put(samples.event(1))
        with pytest.raises(BusDown):
            await worker.send(samples.event(1))
    await until_reachable(world.bus(W))
    async with world.bus(O).connect() as overseer, world.bus(W).connect() as worker:
        await worker.send(samples.event(2))
        await next_of(overseer, carrying(Event))


async def test_a_closed_escalation_is_no_problem_and_no_message(world: World):
    async with world.bus(O).connect() as overseer, world.bus("anna").connect() as anna:
        await overseer.send(samples.escalation("q-1"))
        (seen,) = await next_of(anna, carrying(Escalation))
        assert seen.topic == f"{TOPICS.root}/escalation/q-1"
        await overseer.send(samples.escalation("q-1", closed=True))
        (closed,) = await next_of(anna, lambda one: one.topic.endswith("/escalation/q-1") and one.message is None)
        assert closed.problem is None
        await overseer.send(samples.escalation("q-2"))
        async with world.bus("ben").connect() as ben:
            (left,) = await next_of(ben, lambda one: "/escalation/" in one.topic)
            assert left.topic.endswith("/q-2")


async def test_a_response_reaches_its_person_and_nobody_else(world: World):
    async with (
        world.bus(O).connect() as overseer,
        world.bus("anna").connect() as anna,
        world.bus("ben").connect() as ben,
    ):
        await overseer.send(samples.response("anna"))
        await overseer.send(samples.response("ben"))
        (seen,) = await next_of(anna, carrying(Response))
        assert seen.message is not None
        assert seen.message.user == "anna"
        (seen,) = await next_of(ben, carrying(Response))
        assert seen.message is not None
        assert seen.message.user == "ben"


async def test_an_expiry_of_the_route_travels_with_the_message(world: World):
    async with world.bus(O).connect() as overseer, world.bus("anna").connect() as anna:
        sent = samples.health()
        await overseer.send(sent)
        (seen,) = await next_of(anna, carrying(HealthReport))
        assert seen.message is not None
        assert seen.message.expires == pytest.approx(sent.at + 120, abs=0.01)


async def test_a_message_too_large_to_send_is_refused_before_it_leaves(world: World):
    async with world.bus(O).connect() as overseer:
        with pytest.raises(WireError) as why:
            overseer.put(samples.escalation("x" * 65))
        assert why.value.reason == "topic"
        await overseer.send(samples.health())


async def test_the_worker_cannot_give_itself_an_order(world: World):
    async with world.bus(O).connect() as overseer, world.bus(W).connect() as worker:
        worker.put(samples.order(1))
        if world.says_denied:
            (denied,) = await next_of(worker, problem("denied"))
            assert denied.message is None
            with pytest.raises(BusDown, match="refused"):
                await worker.send(samples.order(2))
        await overseer.send(samples.order(3))
        (first,) = await next_of(worker, carrying(Order))
        assert first.message is not None
        assert first.message.seq == 3


async def test_nobody_can_ask_in_anothers_name(world: World):
    async with world.bus(O).connect(persistent=True) as requests:
        topic = f"{TOPICS.root}/control/request"
        for forger, victim in ((W, "anna"), (W, "worker"), (S, "anna"), ("ben", "anna"), ("viewer", "viewer")):
            await world.raw(forger, f"{topic}/{victim}", b"pause")
        await world.raw("anna", f"{topic}/anna", b"resume")
        (first,) = await next_of(requests, lambda one: "/control/request/" in one.topic)
        assert first.message is not None
        assert isinstance(first.message.payload, Request)
        assert (first.message.payload.command, first.message.user) == ("resume", "anna")


async def test_a_retained_request_is_marked_and_can_be_cleared(world: World):
    topic = f"{TOPICS.root}/control/request/anna"
    await world.raw("anna", topic, b"pause", retain=True)
    async with world.bus(O).connect(persistent=True) as requests:
        (seen,) = await next_of(requests, lambda one: one.topic == topic and one.retained)
        if seen.done is not None:
            seen.done()
        requests.clear_retained(topic)
    async with world.bus(O).connect(persistent=True) as requests, world.bus("ben").connect() as ben:
        await ben.send(samples.request("ben"))
        (first,) = await next_of(requests, lambda one: "/control/request/" in one.topic)
        assert first.topic.endswith("/ben")
    assert seen.size == len(b"pause")


async def test_a_request_retained_while_the_overseer_listens_is_marked(world: World):
    if not world.marks_retained:
        pytest.skip("3.1.1 marks retained messages only on subscribing")
    topic = f"{TOPICS.root}/control/request/anna"
    async with world.bus(O).connect(persistent=True) as requests:
        await world.raw("anna", topic, b"pause", retain=True)
        (seen,) = await next_of(requests, lambda one: one.topic == topic)
        assert seen.retained
