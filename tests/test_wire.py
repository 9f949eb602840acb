"""Every payload survives the wire, every topic is found again, and nothing that arrives can raise."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from typing import Any, Literal, cast, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watchdogd.core.chain import link
from watchdogd.core.errors import WireError
from watchdogd.core.escalation import Escalation
from watchdogd.core.events import Body, Event, Released, RunFinished, Tick
from watchdogd.core.health import Severity
from watchdogd.core.ids import SEGMENT, AgentRef, Role, canonical
from watchdogd.core.lease.messages import Beat
from watchdogd.wire.envelope import COMMANDS, MAX_BYTES, decode, encode, entry, opened, rfc3339, stamped, unix
from watchdogd.wire.messages import Message, Payload, Presence, Request, Response
from watchdogd.wire.presence import presence
from watchdogd.wire.topics import BASE, OPERATOR, ROUTES, VIEWER, Topics, matches, route_of

TOPICS = Topics(ref=AgentRef(site="lab", agent="a1"))
PAYLOADS: tuple[type, ...] = get_args(Payload)
BODIES: tuple[type, ...] = get_args(Body)

segments = st.from_regex(SEGMENT, fullmatch=True)
times = st.floats(min_value=1.0, max_value=4e9).map(lambda at: math.floor(at * 1e3) / 1e3)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
texts = st.text(max_size=60)
numbers = st.integers(0, 2**53) | st.floats(0, 1e12)

PLAIN: dict[object, st.SearchStrategy[Any]] = {
    str: texts,
    int: st.integers(0, 2**53),
    float: numbers,
    bool: st.booleans(),
    object: json_values,
    type(None): st.none(),
}


@functools.cache
def values(hint: Any) -> st.SearchStrategy[Any]:
    """Values of a type hint as the core writes them; hypothesis' own ``from_type`` also makes mappings nobody uses."""
    if hint in PLAIN:
        return PLAIN[hint]
    args = get_args(hint)
    if get_origin(hint) is Literal:
        return st.sampled_from(args)
    if get_origin(hint) is tuple:
        return st.lists(values(args[0]), max_size=3).map(tuple)
    if get_origin(hint) is Mapping:
        return st.dictionaries(values(args[0]), values(args[1]), max_size=3)
    if args:
        return st.one_of([values(one) for one in args])
    if is_dataclass(hint):
        made, hints = cast("type", hint), get_type_hints(hint)
        return st.builds(made, **{one.name: values(hints[one.name]) for one in fields(hint)})
    assert isinstance(hint, type)
    assert issubclass(hint, Enum)
    return st.sampled_from(hint)


@st.composite
def messages(draw: st.DrawFn, kind: type) -> Message:
    """A message as its sender would make it."""
    route = route_of_type(kind)
    user = draw(segments)
    payload: Any = draw(bodies_in_events() if kind is Event else values(kind))
    if kind is Presence:
        source: str = payload.role
    elif OPERATOR in route.writers:
        source = user
    else:
        source = draw(st.sampled_from(route.writers))
    if kind is Escalation:
        payload = replace(payload, id=draw(segments))
    if kind is Response:
        payload = replace(payload, request=draw(segments))
    expires = draw(st.none() | times)
    if kind is Request:
        payload = replace(payload, expires=expires)
    return Message(
        payload=payload,
        headline=draw(texts),
        at=draw(times),
        source=source,
        boot=draw(texts),
        seq=draw(st.none() | st.integers(1, 2**53)),
        run=draw(texts),
        policy=draw(texts),
        expires=expires,
        user=user if route.template.startswith("control/") else "",
        digest=payload.digest if kind is Event else draw(texts),
    )


def bodies_in_events() -> st.SearchStrategy[Event]:
    return st.builds(
        Event,
        seq=st.integers(1, 2**53),
        body=st.sampled_from(BODIES).flatmap(values),
        run=texts,
        step=st.integers(0, 10_000),
        at=st.none() | times,
        boot=texts,
        digest=texts,
    )


def route_of_type(kind: type):
    (found,) = [route for route in ROUTES if route.payload is kind]
    return found


@pytest.mark.parametrize("kind", PAYLOADS, ids=lambda kind: kind.__name__)
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_a_payload_survives_the_wire_whole(kind, data):
    message = data.draw(messages(kind))
    try:
        topic, raw, route = encode(TOPICS, message)
    except WireError as why:
        assert why.reason == "too-large"  # noqa: PT017 - anything else is a bug
        return
    assert route.payload is kind
    assert TOPICS.find(topic)[0] is route
    assert decode(TOPICS, topic, raw) == message
    assert opened(TOPICS, topic, raw) == (message, None)


@given(messages(Event))
@settings(max_examples=80, deadline=None)
def test_an_event_read_back_has_the_digest_of_its_row(message):
    assert isinstance(message.payload, Event)
    before = canonical(entry(message.payload))
    topic, raw, _ = encode(TOPICS, message)
    after = decode(TOPICS, topic, raw).payload
    assert isinstance(after, Event)
    assert link("0" * 64, after.seq, canonical(entry(after))) == link("0" * 64, after.seq, before)


@pytest.mark.parametrize("body", [Released(why="x", held_s=0), Released(held_s=3), RunFinished(cost_usd=1)])
def test_a_whole_number_where_a_fraction_may_stand_keeps_the_digest(body):
    event = Event(seq=1, body=body, at=1, digest="d")
    message = Message(payload=event, headline="", at=1.0, source=Role.WORKER)
    topic, raw, _ = encode(TOPICS, message)
    back = decode(TOPICS, topic, raw).payload
    assert isinstance(back, Event)
    assert canonical(entry(back)) == canonical(entry(event))


@given(st.binary(max_size=400), st.sampled_from([route.template for route in ROUTES]), segments, segments)
@settings(max_examples=100, deadline=None)
def test_no_bytes_on_any_topic_can_raise(raw, template, one, other):
    topic = f"{TOPICS.root}/{template.replace('{}', one, 1).replace('{}', other)}"
    message, problem = opened(TOPICS, topic, raw)
    closed = not raw and template.startswith("escalation/")
    assert closed or (message is None) != (problem is None)


@given(json_values, st.sampled_from([route.template for route in ROUTES]))
@settings(max_examples=100, deadline=None)
def test_no_json_on_any_topic_can_raise(value, template):
    topic = f"{TOPICS.root}/{template.replace('{}', 'x')}"
    message, problem = opened(TOPICS, topic, json.dumps(value).encode())
    assert (message is None) != (problem is None)


@given(
    messages(Beat),
    st.sampled_from(["specversion", "id", "source", "type", "time", "data", "seq", "expires"]),
    json_values,
)
@settings(max_examples=100, deadline=None)
def test_an_envelope_with_any_attribute_spoilt_cannot_raise(message, name, value):
    topic, raw, _ = encode(TOPICS, message)
    envelope = json.loads(raw)
    envelope[name] = value
    message, problem = opened(TOPICS, topic, json.dumps(envelope).encode())
    assert (message is None) != (problem is None)


@given(st.text(max_size=200))
def test_no_topic_can_raise_anything_but_a_problem(topic):
    for one in (topic, f"{TOPICS.root}/{topic}"):
        message, problem = opened(TOPICS, one, b"{}")
        assert message is None
        assert problem is not None


def test_every_payload_has_exactly_one_route():
    assert sorted(route.payload.__name__ for route in ROUTES) == sorted(kind.__name__ for kind in PAYLOADS)


def test_whoever_reads_or_writes_a_route_is_granted_it():
    for route in ROUTES:
        filled = route.template.replace("{}", "anna", 1).replace("{}", "r1")
        for name in (*Role, VIEWER, "anna"):
            grants = TOPICS.grants(name)
            topic = f"{TOPICS.root}/{filled if route.payload is not Presence else f'presence/{name}'}"
            who = OPERATOR if name == "anna" else name
            may_write = any(matches(one, topic) for one in grants.write)
            clears = name == Role.OVERSEER and route.payload is Request
            assert may_write == (who in route.writers or clears), (route.template, name)
            if who in route.readers:
                assert any(matches(one, topic) for one in grants.read), (route.template, name)


def test_what_a_link_subscribes_to_is_what_it_may_read():
    for name in (*Role, VIEWER, "anna"):
        asked = {one for requests in (False, True) for one, _ in TOPICS.subscriptions(name, requests=requests)}
        assert asked == set(TOPICS.grants(name).read)


def test_requests_come_over_a_link_of_their_own():
    apart = TOPICS.subscriptions(Role.OVERSEER, requests=True)
    assert [one for one, _ in apart] == [f"{TOPICS.root}/control/request/+"]
    assert not set(apart) & set(TOPICS.subscriptions(Role.OVERSEER))


@pytest.mark.parametrize(
    ("pattern", "topic", "fits"),
    [
        ("a/b", "a/b", True),
        ("a/+", "a/b", True),
        ("a/+", "a/b/c", False),
        ("a/+", "a", False),
        ("a/#", "a/b/c", True),
        ("a/#", "a", True),
        ("#", "a/b", True),
        ("a/b", "a/c", False),
        ("+/b", "a/b", True),
        ("a/+/c", "a/b/c", True),
    ],
)
def test_filters_mean_what_mqtt_says(pattern, topic, fits):
    assert matches(pattern, topic) is fits


def test_a_topic_of_another_site_agent_or_base_is_none_of_ours():
    for root in (f"{BASE}/lab/a2", f"{BASE}/other/a1", "other/v1/lab/a1", f"{BASE}/lab/a1x"):
        with pytest.raises(WireError):
            TOPICS.find(f"{root}/state")


def test_a_name_that_would_leave_its_place_never_becomes_a_topic():
    for bad in ("a/b", "+", "#", "", "x" * 65, "ä"):
        body = Escalation(id=bad, run="r", severity=Severity.WARN, headline="h")
        with pytest.raises(WireError):
            encode(TOPICS, Message(payload=body, headline="h", at=1.0, source=Role.OVERSEER))


def test_what_is_larger_than_the_limit_is_not_sent():
    message = presence(Role.WORKER, "online", boot="x" * MAX_BYTES, at=1.0)
    with pytest.raises(WireError) as why:
        encode(TOPICS, message)
    assert why.value.reason == "too-large"


def test_a_role_that_does_not_write_there_is_refused():
    topic, raw, _ = encode(TOPICS, presence(Role.WORKER, "online", boot="b", at=1.0))
    assert opened(TOPICS, topic, raw)[1] is None
    forged = raw.replace(b"/worker", b"/overseer")
    assert forged != raw
    problem = opened(TOPICS, topic, forged)[1]
    assert problem is not None
    assert problem.reason == "source"


def test_presence_speaks_for_its_own_role_only():
    _, raw, _ = encode(TOPICS, presence(Role.OVERSEER, "offline", boot="b", at=1.0))
    message, problem = opened(TOPICS, f"{TOPICS.root}/presence/worker", raw)
    assert message is None
    assert problem is not None


@pytest.mark.parametrize("words", sorted(COMMANDS))
def test_each_command_can_be_said_in_plain_words(words):
    topic = f"{TOPICS.root}/control/request/anna"
    message = decode(TOPICS, topic, f"{words.upper()} q-1 because of this".encode())
    assert isinstance(message.payload, Request)
    assert message.payload.command == words
    assert (message.user, message.source) == ("anna", "anna")
    assert "because of this" in message.payload.text


def test_beats_and_leases_expire_and_an_expiry_of_ones_own_wins():
    body = Beat(boot="b", nonce="n", head_seq=0, applied_n=0)
    message = Message(payload=body, headline="", at=100.0, source=Role.WORKER)
    assert stamped(message).expires == 100.0 + (route_of(body).expiry_s or 0)
    assert stamped(replace(message, expires=101.0)).expires == 101.0
    event = Message(payload=Event(seq=1, body=Tick()), headline="", at=100.0, source=Role.WORKER)
    assert stamped(event).expires is None


@given(times)
def test_a_time_survives_the_envelope_to_the_microsecond(at):
    assert unix(rfc3339(at)) == pytest.approx(at, abs=1e-6)


@pytest.mark.parametrize("text", ["", "yesterday", "2026-01-01", "2026-01-01T00:00:00", "9" * 40])
def test_a_time_without_a_zone_is_no_time(text):
    with pytest.raises(WireError):
        unix(text)
