"""Whatever arrives, the stream goes on, and what was ignored can be recorded."""

from __future__ import annotations

import hashlib
import json

import pytest

from tests.bus import samples
from tests.bus.test_contract import O, S, W, carrying, problem
from tests.bus.worlds import TOPICS, World, next_of
from watchdogd.core.events import Event
from watchdogd.wire.envelope import MAX_BYTES, encode
from watchdogd.wire.messages import Request

HOSTILE: dict[str, tuple[bytes, str]] = {
    "not JSON": (b"{nope", "not-json"),
    "not an object": (b"[1,2]", "schema"),
    "NaN": (b'{"specversion": NaN}', "not-json"),
    "invalid UTF-8": (b"\xff\xfe\x00pause", "not-json"),
    "binary": (bytes(range(256)), "not-json"),
    "empty": (b"", "empty"),
    "deep": (b"[" * 100_000, "not-json"),
    "deep object": (b'{"command":' * 5_000 + b"1" + b"}" * 5_000, "not-json"),
    "wrong schema": (b'{"command": "explode"}', "schema"),
    "wrong types": (b'{"command": {"a": 1}, "expires": "soon"}', "schema"),
    "huge number": (b'{"command": "pause", "expires": ' + b"9" * 5_000 + b"}", "not-json"),
    "another major": (
        b'{"specversion":"1.0","type":"watchdogd.control.request.v9","time":"2026-01-01T00:00:00Z","data":{}}',
        "major",
    ),
    "not ours": (b'{"specversion":"1.0","type":"com.example.order","data":{}}', "schema"),
    "too large": (b" " * (MAX_BYTES + 1), "too-large"),
    "lone surrogate": (b'{"command": "\\ud800"}', "schema"),
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_request_is_named_and_the_next_one_is_read(world: World, name: str):
    raw, reason = HOSTILE[name]
    async with world.bus(O).connect(persistent=True) as requests:
        await world.raw("anna", f"{TOPICS.root}/control/request/anna", raw)
        (seen,) = await next_of(requests, lambda one: one.topic.endswith("/anna"))
        assert seen.message is None
        assert seen.problem is not None
        assert seen.problem.reason in (reason, "schema" if name == "deep object" else reason)
        assert (seen.size, seen.digest) == (len(raw), hashlib.sha256(raw).hexdigest())
        if seen.done is not None:
            seen.done()
        await world.raw("anna", f"{TOPICS.root}/control/request/anna", b"pause")
        await next_of(requests, carrying(Request))


async def test_a_request_in_plain_words_is_understood(world: World):
    async with world.bus(O).connect(persistent=True) as requests:
        await world.raw("anna", f"{TOPICS.root}/control/request/anna", b" approve q-17 go ahead\n")
        (seen,) = await next_of(requests, carrying(Request))
        assert seen.message is not None
        body = seen.message.payload
        assert isinstance(body, Request)
        assert (body.command, body.target, body.text, seen.message.user) == ("approve", "q-17", "go ahead", "anna")


async def test_an_expired_request_carries_its_expiry(world: World):
    async with world.bus(O).connect(persistent=True) as requests:
        raw = json.dumps({"command": "pause", "expires": 1_000_000}).encode()
        await world.raw("anna", f"{TOPICS.root}/control/request/anna", raw)
        (seen,) = await next_of(requests, carrying(Request))
        assert seen.message is not None
        assert seen.message.expires == 1_000_000


async def test_the_user_is_the_topics_whatever_the_payload_says(world: World):
    async with world.bus(O).connect(persistent=True) as requests:
        _, raw, _ = encode(TOPICS, samples.request("ben"))
        await world.raw("anna", f"{TOPICS.root}/control/request/anna", raw)
        (seen,) = await next_of(requests, carrying(Request))
        assert seen.message is not None
        assert (seen.message.user, seen.message.source) == ("anna", "anna")


async def test_nobody_speaks_for_another_role_on_his_own_topic(world: World):
    async with world.bus(S).connect() as supervisor:
        forged = encode(TOPICS, samples.presence_of_overseer())[1]
        await world.raw(W, f"{TOPICS.root}/presence/worker", forged, retain=True)
        (seen,) = await next_of(supervisor, lambda one: one.topic.endswith("/presence/worker"))
        assert seen.problem is not None
        assert seen.problem.reason == "topic"


async def test_an_event_on_another_kinds_topic_is_refused(world: World):
    async with world.bus(O).connect() as overseer:
        raw = encode(TOPICS, samples.event(1))[1]
        await world.raw(W, f"{TOPICS.root}/event/run_finished", raw)
        (seen,) = await next_of(overseer, lambda one: "/event/" in one.topic)
        assert seen.problem is not None
        assert seen.problem.reason == "topic"


async def test_a_topic_with_odd_parts_stops_nothing(world: World):
    async with world.bus(O).connect() as overseer, world.bus(W).connect() as worker:
        odd = ["event/ü", "event/a b", "event/" + "x" * 65, "event/..", "event/%2f"]
        for part in odd:
            await world.raw(W, f"{TOPICS.root}/{part}", b"{}")
        await worker.send(samples.event(1))
        found = await next_of(overseer, lambda one: problem("topic")(one) or carrying(Event)(one), len(odd) + 1)
        assert [one.problem is not None for one in found] == [True] * len(odd) + [False]


async def test_another_agents_topics_are_out_of_reach(world: World):
    async with world.bus(O).connect() as overseer, world.bus(W).connect() as worker:
        await world.raw(W, f"{TOPICS.base}/lab/a2/event/tick", encode(TOPICS, samples.event(7))[1])
        await worker.send(samples.event(1))
        (first,) = await next_of(overseer, lambda one: "/event/" in one.topic)
        assert first.message is not None
        assert first.message.seq == 1
