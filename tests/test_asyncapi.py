"""The published description is the code's own, complete, and true of what is really sent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from tests.test_wire import PAYLOADS, TOPICS, messages
from watchdogd.core.errors import WireError
from watchdogd.wire.asyncapi import address, document, key_of, names_of, renewed, text
from watchdogd.wire.envelope import COMMANDS, encode, opened
from watchdogd.wire.examples import EXAMPLES, example
from watchdogd.wire.examples import TOPICS as SHOWN
from watchdogd.wire.messages import Request
from watchdogd.wire.topics import ROUTES

DOCS = Path(__file__).parent.parent / "docs"
DOCUMENT = document()
HINT = "run python -m watchdogd.wire.asyncapi docs"


def validator(route: Any) -> Draft202012Validator:
    payload = DOCUMENT["components"]["messages"][key_of(route)]["payload"]
    return Draft202012Validator({"components": DOCUMENT["components"], "allOf": [payload]})


def refs(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for one in value.values():
            yield from refs(one)
    elif isinstance(value, list):
        for one in value:
            yield from refs(one)


def test_the_file_in_docs_is_current():
    assert (DOCS / "asyncapi.json").read_text(encoding="utf-8") == text(), HINT


def test_the_page_about_topics_is_current():
    page = (DOCS / "topics.md").read_text(encoding="utf-8")
    assert page == renewed(page), HINT


def test_every_route_is_a_channel_with_one_operation_and_one_message():
    names = sorted(key_of(route) for route in ROUTES)
    assert len(set(names)) == len(ROUTES)
    assert sorted(DOCUMENT["channels"]) == names
    assert sorted(DOCUMENT["components"]["messages"]) == names
    assert sorted(one["channel"]["$ref"].rsplit("/", 1)[1] for one in DOCUMENT["operations"].values()) == names


def test_every_reference_leads_somewhere():
    for ref in refs(DOCUMENT):
        at: Any = DOCUMENT
        for part in ref.removeprefix("#/").split("/"):
            assert part in at, ref
            at = at[part]


def test_the_address_of_a_channel_is_the_topic_that_is_used():
    for route in ROUTES:
        topic, _, _ = encode(SHOWN, example(route.payload))
        _, parts = SHOWN.find(topic)
        known = {"site": "home", "agent": "orders", **dict(zip(names_of(route), parts, strict=True))}
        assert address(route).format(**known) == topic


def test_only_requests_are_received():
    received = [name for name, one in DOCUMENT["operations"].items() if one["action"] == "receive"]
    assert received == ["receive_control_request"]


def test_quality_and_retention_are_those_of_the_route():
    for route in ROUTES:
        (one,) = [op for op in DOCUMENT["operations"].values() if op["channel"]["$ref"].endswith("/" + key_of(route))]
        mqtt = one["bindings"]["mqtt"]
        assert (mqtt["qos"], mqtt["retain"]) == (route.qos, route.retain)
        assert mqtt.get("messageExpiryInterval") == route.expiry_s


def test_every_kind_of_payload_has_an_example_that_is_read_back_whole():
    assert {type(one.payload) for one in EXAMPLES} == set(PAYLOADS)
    for one in EXAMPLES:
        topic, raw, _ = encode(SHOWN, one)
        message, problem = opened(SHOWN, topic, raw)
        assert problem is None
        assert message == one
        shown = DOCUMENT["components"]["messages"][key_of(SHOWN.find(topic)[0])]["examples"][0]["payload"]
        assert shown == json.loads(raw)


@pytest.mark.parametrize("route", ROUTES, ids=key_of)
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_whatever_is_sent_fits_the_description(route, data):
    message = data.draw(messages(route.payload))
    try:
        _, raw, _ = encode(TOPICS, message)
    except WireError:
        return
    validator(route).validate(json.loads(raw))


def test_the_description_of_requests_covers_plain_words_and_plain_objects():
    (route,) = [one for one in ROUTES if one.payload is Request]
    check = validator(route)
    for command in COMMANDS:
        assert check.is_valid(f"{command} q-1 because")
        assert check.is_valid({"command": command})
    assert not check.is_valid("please pause")
    assert not check.is_valid({"command": "explode"})


@pytest.mark.parametrize("spoil", ["specversion", "type", "data", "source", "time"])
def test_the_description_refuses_an_envelope_that_lacks_something(spoil):
    for route in ROUTES:
        if route.payload is not Request:
            envelope = json.loads(encode(SHOWN, example(route.payload))[1])
            assert validator(route).is_valid(envelope)
            del envelope[spoil]
            assert not validator(route).is_valid(envelope)
