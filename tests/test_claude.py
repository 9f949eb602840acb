"""The model port against the scripted API: every failure is one ModelError of the right kind."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from tests.scripted import FAULTY, PLAN, scenario
from watchdogd.adapters.claude import Claude, body_of, retry_after_s
from watchdogd.adapters.clock import SystemClock
from watchdogd.adapters.reply import EMPTY, Answer, Assembly, Incomplete, answer_in_body
from watchdogd.core.conversation import Conversation, Message, result, said, with_user
from watchdogd.core.errors import ModelError
from watchdogd.core.events import Usage
from watchdogd.ports import ModelReply, ModelRequest, ToolSpec
from watchdogd.sim.messages_api import served

GO: Conversation = (said("user", "go"),)
REQUEST = ModelRequest(model="m", system="Be good.", conversation=GO, max_tokens=100, deadline_s=30)
BOTH = pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])


@asynccontextmanager
async def claude(plan: str = PLAN, **more: Any) -> AsyncIterator[Claude]:
    async with served(scenario(plan), speed=0) as url:
        model = Claude(clock=SystemClock(), api_key="k", base_url=url, **more)
        try:
            yield model
        finally:
            await model.close()


@asynccontextmanager
async def claude_before(handler: Callable[[web.Request], Any]) -> AsyncIterator[Claude]:
    """A model whose provider is ``handler``."""
    app = web.Application()
    app.router.add_post("/v1/messages", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.5)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    model = Claude(clock=SystemClock(), api_key="k", base_url=f"http://127.0.0.1:{runner.addresses[0][1]}")
    try:
        yield model
    finally:
        await model.close()
        await runner.cleanup()


def went_on(reply: ModelReply, conversation: Conversation = GO) -> Conversation:
    """The conversation after ``reply``, every call answered."""
    after = (*conversation, Message(role="assistant", content=reply.content))
    blocks = [result(use.id, "ok", is_error=False) for use in reply.tool_uses]
    return with_user(after, blocks or [{"type": "text", "text": "go on"}])


@BOTH
async def test_a_reply_carries_words_calls_and_the_bill(stream: bool) -> None:
    async with claude() as model:
        reply = await model.ask(replace(REQUEST, stream=stream))
    assert reply.text.startswith("I look around")
    assert [(use.name, use.args) for use in reply.tool_uses] == [
        ("shell", {"command": "ls -la"}),
        ("view", {"path": "a.txt"}),
    ]
    assert reply.stop_reason == "tool_use"
    assert reply.usage.input_tokens > 0
    assert reply.usage.output_tokens > 5
    assert reply.model == "m"
    assert reply.request_id.startswith("msg_")


@pytest.mark.parametrize(
    ("fault", "kind", "status"),
    [
        ("rate_limit", "rate_limit", 429),
        ("overloaded", "overloaded", 529),
        ("server", "server", 500),
        ("auth", "auth", 401),
        ("request", "request", 400),
        ("cut", "cut", None),
        ("malformed", "malformed", None),
    ],
)
@BOTH
async def test_each_fault_has_its_kind(fault: str, kind: str, status: int | None, stream: bool) -> None:
    async with claude(FAULTY % fault) as model:
        with pytest.raises(ModelError) as raised:
            await model.ask(replace(REQUEST, stream=stream))
        assert (raised.value.kind, raised.value.status) == (kind, status)
        assert raised.value.retry_after_s == (86400 if status else None)


async def test_an_error_event_inside_a_stream_is_read_by_its_type() -> None:
    async with claude(FAULTY % "stream_error") as model:
        with pytest.raises(ModelError) as raised:
            await model.ask(REQUEST)
    assert raised.value.kind == "overloaded"


@BOTH
async def test_a_hanging_provider_is_left_at_the_deadline(stream: bool) -> None:
    async with claude(FAULTY % "hang") as model:
        with pytest.raises(ModelError) as raised:
            await model.ask(replace(REQUEST, stream=stream, deadline_s=0.3))
    assert raised.value.kind == "timeout"


async def test_a_stream_that_trickles_for_ever_is_left_at_the_deadline() -> None:
    async def trickle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        while True:
            await response.write(b'event: ping\ndata: {"type": "ping"}\n\n')
            await asyncio.sleep(0.01)

    async with claude_before(trickle) as model:
        with pytest.raises(ModelError) as raised:
            await model.ask(replace(REQUEST, deadline_s=0.4))
    assert raised.value.kind == "timeout"


async def test_nobody_listening_is_a_connection_error() -> None:
    async with served(scenario()) as url:
        pass
    model = Claude(clock=SystemClock(), api_key="k", base_url=url)
    with pytest.raises(ModelError) as raised:
        await model.ask(REQUEST)
    await model.close()
    assert raised.value.kind == "connection"


async def test_the_sdk_does_not_retry_behind_our_back() -> None:
    asked = 0

    async def busy(request: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        return web.json_response({"type": "error", "error": {"type": "overloaded_error", "message": "x"}}, status=529)

    async with claude_before(busy) as model:
        with pytest.raises(ModelError):
            await model.ask(REQUEST)
    assert asked == 1


async def test_cancelling_passes_through_unchanged() -> None:
    arrived = asyncio.Event()

    async def silent(request: web.Request) -> web.Response:
        arrived.set()
        await asyncio.Event().wait()
        raise AssertionError

    async with claude_before(silent) as model, asyncio.TaskGroup() as tasks:
        asking = tasks.create_task(model.ask(REQUEST))
        async with asyncio.timeout(60):
            await arrived.wait()
        asking.cancel()
        await asyncio.wait([asking])
        assert asking.cancelled()


async def test_a_veto_sends_nothing() -> None:
    async with claude(FAULTY % "server", before_attempt=lambda _: "the day's money is spent") as model:
        with pytest.raises(ModelError) as raised:
            await model.ask(REQUEST)
    assert raised.value.kind == "budget"
    assert "money is spent" in str(raised.value)


def test_an_empty_key_is_not_looked_for_elsewhere() -> None:
    with pytest.raises(ValueError, match="key is empty"):
        Claude(clock=SystemClock(), api_key="")


@BOTH
@pytest.mark.parametrize("fault", ["empty", "refusal", "max_tokens", "pause_turn"])
async def test_a_useless_reply_is_a_reply_and_the_conversation_stays_valid(fault: str, stream: bool) -> None:
    async with claude(FAULTY % fault) as model:
        reply = await model.ask(replace(REQUEST, stream=stream))
        assert reply.stop_reason == ("end_turn" if fault == "empty" else fault)
        assert reply.content
        assert reply.tool_uses == ()
        again = await model.ask(replace(REQUEST, conversation=went_on(reply), stream=stream))
        third = await model.ask(replace(REQUEST, conversation=went_on(again, went_on(reply)), stream=stream))
    assert [use.args["command"] for use in third.tool_uses] == ["rm -rf /srv/build/old-of-yesterday"]


async def test_an_empty_reply_says_so_in_the_conversation_only() -> None:
    async with claude(FAULTY % "empty") as model:
        reply = await model.ask(REQUEST)
    assert reply.text == ""
    assert reply.content == ({"type": "text", "text": EMPTY},)


async def test_half_a_command_is_never_a_call() -> None:
    async with claude(FAULTY % "max_tokens") as model:
        reply = await model.ask(REQUEST)
    assert reply.tool_uses == ()
    assert "inside a call to `shell`" in json.dumps(reply.content)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[1, 2]",
        b'"words"',
        b"{}",
        b'{"type": "message"}',
        b'{"type": "message", "content": null, "stop_reason": "end_turn", "model": "m", "usage": {}}',
        b'{"type": "message", "content": ["x"], "stop_reason": "end_turn", "model": "m", "usage": {"input_tokens": 1}}',
        b'{"type": "message", "content": [{"type": "text"}], "stop_reason": "end_turn", "model": "m",'
        b' "usage": {"input_tokens": 1, "output_tokens": 1}}',
        b'{"type": "message", "content": [{"type": "text", "text": "hi"}], "stop_reason": "end_turn", "model": "m"}',
        b'\xff\xfe{"type"',
    ],
)
async def test_a_broken_body_is_malformed_whatever_it_holds(body: bytes) -> None:
    async def broken(request: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    async with claude_before(broken) as model:
        with pytest.raises(ModelError) as raised:
            await model.ask(replace(REQUEST, stream=False))
    assert raised.value.kind == "malformed"


@pytest.mark.parametrize(
    "lines",
    [
        b"event: message_start\ndata: []\n\n",
        b"event: message_start\ndata: null\n\n",
        b'event: message_start\ndata: {"type": "message_start"}\n\n',
        b'event: message_start\ndata: {"type": "message_start", "message": 7}\n\n',
        b'event: content_block_delta\ndata: {"type": "content_block_delta", "index": 0, "delta": {}}\n\n',
        b"event: message_start\ndata: \xff\xfe\n\n",
    ],
)
async def test_a_broken_stream_is_malformed_whatever_it_holds(lines: bytes) -> None:
    async def broken(request: web.Request) -> web.Response:
        return web.Response(body=lines, content_type="text/event-stream")

    async with claude_before(broken) as model:
        with pytest.raises(ModelError) as raised:
            await model.ask(REQUEST)
    assert raised.value.kind == "malformed"


async def test_a_stream_that_ends_politely_but_early_is_cut() -> None:
    async def short(request: web.Request) -> web.Response:
        return web.Response(body=b'event: ping\ndata: {"type": "ping"}\n\n', content_type="text/event-stream")

    async with claude_before(short) as model:
        with pytest.raises(ModelError) as raised:
            await model.ask(REQUEST)
    assert raised.value.kind == "cut"


async def test_an_html_page_from_a_proxy_is_named_by_its_status() -> None:
    async def proxy(request: web.Request) -> web.Response:
        return web.Response(status=502, text="<html>Bad gateway</html>", content_type="text/html")

    async with claude_before(proxy) as model:
        with pytest.raises(ModelError) as raised:
            await model.ask(REQUEST)
    assert (raised.value.kind, raised.value.status) == ("server", 502)


async def test_a_page_of_status_200_is_malformed() -> None:
    async def portal(request: web.Request) -> web.Response:
        return web.Response(text="<html>Please log in</html>", content_type="text/html")

    async with claude_before(portal) as model:
        for stream, kind in ((False, "malformed"), (True, "cut")):
            with pytest.raises(ModelError) as raised:
                await model.ask(replace(REQUEST, stream=stream))
            assert raised.value.kind == kind


async def test_a_proxy_of_the_environment_is_not_used_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with claude() as model:
        assert (await model.ask(REQUEST)).stop_reason == "tool_use"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "86400"}, 86400.0),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Fri, 20 Nov 2026 10:01:00 GMT", "date": "Fri, 20 Nov 2026 10:00:00 GMT"}, 60.0),
        ({"retry-after": "Fri, 20 Nov 2026 09:00:00 GMT", "date": "Fri, 20 Nov 2026 10:00:00 GMT"}, 0.0),
        ({"retry-after": "Fri, 20 Nov 2026 10:01:00 GMT"}, None),
    ],
)
def test_retry_after_is_read_in_all_its_forms(headers: Mapping[str, str], seconds: float | None) -> None:
    assert retry_after_s(headers) == seconds


TOOL = ToolSpec(name="shell", description="Runs a command.", schema={"type": "object"})


def test_the_stable_prefix_and_the_newest_block_carry_cache_marks() -> None:
    body: Any = body_of(
        replace(REQUEST, tools=(TOOL,), conversation=(*GO, said("assistant", "hm"), said("user", "on")))
    )
    mark = {"type": "ephemeral"}
    assert body["system"][-1]["cache_control"] == mark
    assert body["messages"][-1]["content"][-1]["cache_control"] == mark
    assert json.dumps(body).count("cache_control") == 2
    assert "cache_control" not in json.dumps(body_of(replace(REQUEST, tools=(TOOL,), cache=False)))


def test_without_a_system_prompt_the_tools_carry_the_mark() -> None:
    body: Any = body_of(replace(REQUEST, tools=(TOOL,), system=""))
    assert "system" not in body
    assert body["tools"][-1]["cache_control"] == {"type": "ephemeral"}


def test_marks_do_not_reach_the_conversation_itself() -> None:
    before = [dict(block) for block in GO[-1].content]
    body_of(REQUEST)
    assert [dict(block) for block in GO[-1].content] == before


def test_structured_output_travels_in_output_config() -> None:
    body = body_of(replace(REQUEST, output_schema={"type": "object"}, effort="low"))
    assert body["output_config"] == {"format": {"type": "json_schema", "schema": {"type": "object"}}, "effort": "low"}
    assert "output_config" not in body_of(REQUEST)


USAGE = {"input_tokens": 3, "output_tokens": 1, "cache_read_input_tokens": 50, "cache_creation_input_tokens": 30}
START = {
    "type": "message_start",
    "message": {"model": "m", "usage": {**USAGE, "cache_creation": {"ephemeral_1h_input_tokens": 10}}},
}
STOP = {"type": "message_stop"}


def ended(why: str) -> dict[str, Any]:
    return {"type": "message_delta", "delta": {"stop_reason": why}, "usage": {"output_tokens": 9, "input_tokens": None}}


Events = list[dict[str, Any]]


def block(index: int, start: Mapping[str, Any], *deltas: Mapping[str, Any], closed: bool = True) -> Events:
    events: Events = [{"type": "content_block_start", "index": index, "content_block": dict(start)}]
    events += [{"type": "content_block_delta", "index": index, "delta": dict(delta)} for delta in deltas]
    return [*events, {"type": "content_block_stop", "index": index}] if closed else events


def call(index: int, *pieces: str, closed: bool = True) -> list[dict[str, Any]]:
    start = {"type": "tool_use", "id": f"toolu_{index}", "name": "shell", "input": {}}
    return block(
        index, start, *({"type": "input_json_delta", "partial_json": piece} for piece in pieces), closed=closed
    )


def assembled(*events: Mapping[str, Any]) -> Answer:
    assembly = Assembly()
    for one in events:
        assembly.take(one)
    return assembly.answer()


def test_usage_tells_hour_long_cache_writes_apart() -> None:
    answer = assembled(START, *call(0, "{}"), ended("tool_use"), STOP)
    assert answer.usage == Usage(
        input_tokens=3, output_tokens=9, cache_read_tokens=50, cache_write_tokens=20, cache_write_1h_tokens=10
    )


def test_thinking_keeps_its_signature() -> None:
    think = block(
        0,
        {"type": "thinking", "thinking": "", "signature": ""},
        {"type": "thinking_delta", "thinking": "Let me "},
        {"type": "thinking_delta", "thinking": "see."},
        {"type": "signature_delta", "signature": "c2ln"},
    )
    answer = assembled(START, *think, *call(1, '{"a"', ": 1}"), ended("tool_use"), STOP)
    assert answer.content[0] == {"type": "thinking", "thinking": "Let me see.", "signature": "c2ln"}
    assert answer.calls[0].args == {"a": 1}


def test_unsigned_thinking_cut_by_max_tokens_is_not_kept() -> None:
    think = block(
        0, {"type": "thinking", "thinking": "", "signature": ""}, {"type": "thinking_delta", "thinking": "Le"}
    )
    answer = assembled(START, *think, ended("max_tokens"), STOP)
    assert answer.content == ({"type": "text", "text": EMPTY},)


def test_a_whole_call_before_a_cut_one_is_kept() -> None:
    answer = assembled(
        START, *call(0, '{"a": 1}'), *call(1, '{"a": "rm -rf /', closed=False), ended("max_tokens"), STOP
    )
    assert [use.id for use in answer.calls] == ["toolu_0"]


def test_a_call_whose_arguments_end_exactly_at_the_limit_is_whole() -> None:
    assert assembled(START, *call(0, '{"a": 1}'), ended("max_tokens"), STOP).calls[0].args == {"a": 1}


def test_a_call_cut_before_its_first_argument_is_not_a_call_without_arguments() -> None:
    assert assembled(START, *call(0), ended("max_tokens"), STOP).calls == ()


def test_a_call_without_arguments_is_a_call() -> None:
    assert assembled(START, *call(0, ""), ended("tool_use"), STOP).calls[0].args == {}


def test_broken_arguments_in_a_whole_message_are_malformed() -> None:
    with pytest.raises(ValueError, match="not a JSON object"):
        assembled(START, *call(0, '{"a": '), ended("tool_use"), STOP)


def test_a_refused_message_has_no_calls() -> None:
    assert assembled(START, *call(0, '{"a": 1}'), ended("refusal"), STOP).calls == ()


def test_repeated_call_ids_are_malformed() -> None:
    events = [*call(0, "{}"), *call(1, "{}")]
    events[3]["content_block"]["id"] = "toolu_0"
    with pytest.raises(ValueError, match="repeated"):
        assembled(START, *events, ended("tool_use"), STOP)


def test_the_last_call_of_a_body_cut_by_max_tokens_counts_as_cut() -> None:
    use = {"type": "tool_use", "id": "toolu_1", "name": "shell", "input": {"command": "rm -rf /"}}
    body = {"type": "message", "model": "m", "usage": USAGE, "content": [use], "stop_reason": "max_tokens"}
    assert answer_in_body(body).calls == ()
    assert len(answer_in_body({**body, "stop_reason": "tool_use"}).calls) == 1


WHOLE = [
    START,
    *block(0, {"type": "text", "text": ""}, {"type": "text_delta", "text": "Hi."}),
    *call(1, '{"a"', ": 1}"),
]
WHOLE = [*WHOLE, ended("tool_use"), STOP]


@pytest.mark.parametrize("length", range(len(WHOLE)))
def test_a_stream_that_stops_anywhere_is_incomplete(length: int) -> None:
    with pytest.raises(Incomplete):
        assembled(*WHOLE[:length])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "type", "index"]), inner, max_size=3)
    ),
    max_leaves=5,
)


@given(
    st.integers(0, len(WHOLE) - 1),
    st.sampled_from(["type", "index", "delta", "content_block", "message", "usage"]),
    JSON,
)
def test_no_damage_to_a_stream_gets_past_as_anything_but_malformed_or_cut(at: int, key: str, value: Any) -> None:
    events = [dict(one) for one in WHOLE]
    events[at][key] = value
    try:
        answer = assembled(*events)
    except (ValueError, Incomplete):
        return
    assert answer.content
    assert all(use.id for use in answer.calls)
