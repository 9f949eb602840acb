"""The scripted Messages API over real HTTP, spoken to by the real SDK."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import pytest

from tests.scripted import FAULTY, PLAN, scenario
from watchdogd.sim.messages_api import served
from watchdogd.sim.scenario import JUDGE_PATH
from watchdogd.sim.scenario_file import parse


@asynccontextmanager
async def client_of(url: str) -> AsyncIterator[anthropic.AsyncAnthropic]:
    http = httpx2.AsyncClient(trust_env=False)
    async with anthropic.AsyncAnthropic(api_key="k", base_url=url, max_retries=0, http_client=http) as client:
        yield client


@asynccontextmanager
async def talking(plan: str = PLAN) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with served(scenario(plan), speed=0) as url, client_of(url) as client:
        yield client


GO: Any = {"role": "user", "content": "go"}
GO_TEXT = {"type": "text", "text": "go"}


async def ask(client: anthropic.AsyncAnthropic, *messages: Any, **more: Any) -> anthropic.types.Message:
    message: anthropic.types.Message = await client.messages.create(
        model="m", max_tokens=100, messages=list(messages), **more
    )
    return message


async def opened(client: anthropic.AsyncAnthropic) -> Any:
    """A stream of raw events, any of them without a narrowing."""
    return await client.messages.create(model="m", max_tokens=9, messages=[GO], stream=True)


def answered(message: anthropic.types.Message, *texts: str, is_error: bool = False) -> list[Any]:
    """The history after ``message``, with one result text per call."""
    uses = [block for block in message.content if block.type == "tool_use"]
    results = [
        {"type": "tool_result", "tool_use_id": use.id, "content": text, "is_error": is_error}
        for use, text in zip(uses, texts, strict=True)
    ]
    return [{"role": "assistant", "content": message.content}, {"role": "user", "content": results}]


def words(message: anthropic.types.Message) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


async def test_streamed_and_whole_answers_are_the_same() -> None:
    async with talking() as client:
        whole = await ask(client, GO)
        async with client.messages.stream(model="m", max_tokens=100, messages=[GO]) as stream:
            kinds = [event.type async for event in stream]
            streamed = await stream.get_final_message()
    assert [block.model_dump(exclude_none=True) for block in whole.content] == [
        block.model_dump(exclude={"parsed_output"}, exclude_none=True) for block in streamed.content
    ]
    assert whole.stop_reason == streamed.stop_reason == "tool_use"
    assert whole.usage.output_tokens == streamed.usage.output_tokens > 1
    assert kinds[0] == "message_start"
    assert kinds[-1] == "message_stop"


async def test_stream_events_come_in_the_apis_order_and_in_pieces() -> None:
    async with talking() as client:
        stream = await opened(client)
        events = [event async for event in stream]
    order = [event.type for event in events]
    assert order.count("content_block_start") == order.count("content_block_stop") == 3
    assert order[-2:] == ["message_delta", "message_stop"]
    pieces = [event for event in events if event.type == "content_block_delta" and event.index == 1]
    assert len(pieces) >= 2
    assert [piece.delta.type for piece in pieces] == ["input_json_delta"] * len(pieces)
    assert events[0].type == "message_start"
    assert events[0].message.stop_reason is None


async def test_the_raw_stream_carries_pings_and_the_right_content_type() -> None:
    async with served(scenario(), speed=0) as url, httpx2.AsyncClient(trust_env=False) as http:
        body = {"model": "m", "max_tokens": 9, "stream": True, "messages": [GO]}
        headers = {"authorization": "Bearer k", "anthropic-version": "2023-06-01"}
        response = await http.post(f"{url}/v1/messages", json=body, headers=headers)
    assert response.headers["content-type"].startswith("text/event-stream")
    assert "event: ping\ndata: " in response.text
    assert response.headers["request-id"]


async def test_results_decide_the_next_turn_and_fill_templates() -> None:
    async with talking() as client:
        first = await ask(client, GO)
        second = await ask(client, GO, *answered(first, "size 42", ""))
    assert words(second) == "It is 42 bytes."
    assert second.stop_reason == "end_turn"


async def test_a_refused_call_leads_elsewhere() -> None:
    async with talking() as client:
        first = await ask(client, GO)
        second = await ask(client, GO, *answered(first, "refused: the rules", "refused: the rules", is_error=True))
    assert words(second) == "I may not do that."


async def test_a_nudge_leads_out_of_a_repeat() -> None:
    async with talking() as client:
        first = await ask(client, GO)
        history = [GO, *answered(first, "same", "same")]
        second = await ask(client, *history)
        history += answered(second, "same", "same")
        history[-1]["content"].append({"type": "text", "text": "<watchdogd-nudge rule='x'>Stop.</watchdogd-nudge>"})
        third = await ask(client, *history)
    assert first.content[1].input == second.content[1].input  # type: ignore[union-attr]
    assert words(third) == "You are right."


async def test_repeats_are_counted_from_the_history_alone() -> None:
    history: list[Any] = [GO]
    said = []
    for _ in range(4):
        async with talking() as client:  # a new server each time: nothing but the history can remember
            message = await ask(client, *history)
        said.append(words(message)[:6])
        if message.stop_reason == "tool_use":
            history += answered(message, "same", "same")
    assert said == ["I look", "I look", "I look", "All do"]


async def test_the_count_survives_a_history_whose_beginning_was_cleared() -> None:
    async with talking() as client:
        history: list[Any] = [GO]
        for _ in range(3):
            message = await ask(client, *history)
            history += answered(message, "same", "same")
        assert words(await ask(client, GO, *history[-2:])) == "All done."


async def test_a_rolled_back_history_is_continued_from_where_it_now_ends() -> None:
    async with talking() as client:
        first = await ask(client, GO)
        after = [GO, *answered(first, "size 1", "")]
        report = await ask(client, *after)
        note = {"role": "user", "content": [*after[-1]["content"], {"type": "text", "text": "You were rolled back."}]}
        again = await ask(client, *after[:-1], note)
    assert words(report) == words(again) == "It is 1 bytes."


async def test_call_ids_differ_after_a_rollback_but_not_on_a_retry() -> None:
    async with talking() as client:
        first, retry = await ask(client, GO), await ask(client, GO)
        other = await ask(client, {"role": "user", "content": "go, once more"})
    assert first.content[1].id == retry.content[1].id != other.content[1].id  # type: ignore[union-attr]


async def test_call_ids_do_not_depend_on_where_the_cache_marks_lie() -> None:
    marked = {"type": "text", "text": "go", "cache_control": {"type": "ephemeral"}}
    async with talking() as client:
        plain = await ask(client, {"role": "user", "content": [{"type": "text", "text": "go"}]})
        cached = await ask(client, {"role": "user", "content": [marked]})
    assert plain.content[1].id == cached.content[1].id  # type: ignore[union-attr]


async def test_a_turn_without_calls_is_known_by_its_words() -> None:
    async with talking() as client:
        first = await ask(client, GO)
        history = [GO, *answered(first, "size 7", "")]
        report = await ask(client, *history)
        history += [{"role": "assistant", "content": report.content}, {"role": "user", "content": "tell me more"}]
        assert words(await ask(client, *history)) == "All done."


async def test_a_request_the_real_api_would_refuse_is_refused() -> None:
    call = {"type": "tool_use", "id": "toolu_x", "name": "shell", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "toolu_x", "content": "ok"}
    bad: list[list[Any]] = [
        [{"role": "assistant", "content": "me first"}],
        [{"role": "user", "content": []}],
        [{"role": "user", "content": [{"type": "text", "text": " "}]}],
        [GO, {"role": "assistant", "content": [call]}, {"role": "user", "content": "no result"}],
        [GO, {"role": "assistant", "content": [call]}],
        [{"role": "user", "content": [result]}],
        [
            GO,
            {"role": "assistant", "content": [call]},
            {"role": "user", "content": [{"type": "text", "text": "x"}, result]},
        ],
        [GO, {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm"}]}, GO],
    ]
    async with talking() as client:
        for messages in bad:
            with pytest.raises(anthropic.BadRequestError):
                await ask(client, *messages)


async def test_an_unsigned_request_is_refused() -> None:
    async with served(scenario()) as url, httpx2.AsyncClient(trust_env=False) as http:
        response = await http.post(f"{url}/v1/messages", json={}, headers={"anthropic-version": "2023-06-01"})
    assert response.status_code == 401
    assert response.json()["error"]["type"] == "authentication_error"


async def test_the_version_header_is_asked_for() -> None:
    async with served(scenario()) as url, httpx2.AsyncClient(trust_env=False) as http:
        body = {"model": "m", "max_tokens": 9, "messages": [GO]}
        response = await http.post(f"{url}/v1/messages", json=body, headers={"x-api-key": "k"})
    assert response.status_code == 400
    assert "anthropic-version" in response.json()["error"]["message"]


async def test_a_cached_prefix_is_billed_as_read() -> None:
    system: Any = [{"type": "text", "text": "rule " * 2000, "cache_control": {"type": "ephemeral"}}]
    async with talking() as client:
        first = await ask(client, GO, system=system)
        second = await ask(client, GO, *answered(first, "size 1", ""), system=system)
    assert first.usage.cache_read_input_tokens == 0
    assert (first.usage.cache_creation_input_tokens or 0) > 2000
    assert (second.usage.cache_read_input_tokens or 0) > 2000
    assert 0 < (second.usage.cache_creation_input_tokens or 0) < 500


@pytest.mark.parametrize(
    ("kind", "status", "error"),
    [
        ("rate_limit", 429, "rate_limit_error"),
        ("overloaded", 529, "overloaded_error"),
        ("server", 500, "api_error"),
        ("auth", 401, "authentication_error"),
        ("request", 400, "invalid_request_error"),
    ],
)
async def test_an_http_fault_comes_so_often_and_then_the_turn(kind: str, status: int, error: str) -> None:
    async with talking(FAULTY % kind) as client:
        for _ in range(2):
            with pytest.raises(anthropic.APIStatusError) as raised:
                await ask(client, GO)
            assert (raised.value.status_code, raised.value.type) == (status, error)
            assert raised.value.response.headers["retry-after"] == "86400"
        assert (await ask(client, GO)).stop_reason == "tool_use"


async def test_a_cut_stream_is_cut_on_the_wire() -> None:
    async with talking(FAULTY % "cut") as client:
        stream = await opened(client)
        assert (await anext(aiter(stream))).type == "message_start"
        with pytest.raises(httpx2.RemoteProtocolError):
            [event async for event in stream]
        with pytest.raises(anthropic.APIConnectionError):
            await ask(client, GO)
        assert (await ask(client, GO)).stop_reason == "tool_use"


async def test_a_malformed_body_is_not_json() -> None:
    async with talking(FAULTY % "malformed") as client:
        with pytest.raises(json.JSONDecodeError):
            await ask(client, GO)


async def test_an_error_event_comes_inside_a_stream_of_status_200() -> None:
    async with talking(FAULTY % "stream_error") as client:
        stream = await opened(client)
        with pytest.raises(anthropic.APIStatusError) as raised:
            async for _ in stream:
                pass
    assert (raised.value.status_code, raised.value.type) == (200, "overloaded_error")


async def test_a_failed_attempt_that_left_a_trace_in_the_history_counts() -> None:
    trace: list[Any] = [{"role": "assistant", "content": "(cut)"}, {"role": "user", "content": "go on"}]
    said = []
    for failed in range(3):
        async with talking(FAULTY % "refusal") as client:  # a restarted server, each time
            said.append((await ask(client, GO, *trace * failed)).stop_reason)
    assert said == ["refusal", "refusal", "tool_use"]


JUDGE = """
name = "judged"

[judge.calm]
risk = 0.01

[[judge.rule]]
name = "liar"
match = "lie to me"
cite = [{ pattern = "exit status 1" }]
action = "stop"
faults = [{ kind = "wrong_citation" }]

[[judge.rule]]
name = "babbler"
match = "babble"
faults = [{ kind = "not_json" }]

[[judge.rule]]
name = "loop"
cite = [{ pattern = "exit status \\\\d+", which = "all", at_least = 2, kind = "tool_finished" }]
channels = { progress = { risk = 0.8, confidence = 0.7 } }
action = "nudge"
headline = "The same failure again and again."
"""


def event(seq: int, text: str, kind: str = "tool_finished") -> str:
    return f'<event seq="{seq}" digest="{seq:064x}" kind="{kind}">{text}</event>'


async def verdict(client: anthropic.AsyncAnthropic, prompt: str) -> Mapping[str, Any]:
    got: Mapping[str, Any] = json.loads(words(await ask(client, {"role": "user", "content": prompt})))
    return got


@asynccontextmanager
async def judged() -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with served(parse(tomllib.loads(JUDGE), "j.toml")) as url, client_of(url + JUDGE_PATH) as client:
        yield client


async def test_the_judge_cites_events_of_its_prompt_verbatim() -> None:
    prompt = "\n".join([event(4, "a &lt;b&gt; exit status 1"), event(5, "fine"), event(6, "exit status 2")])
    async with judged() as client:
        said = await verdict(client, prompt)
    assert said["evidence"] == [
        {"seq": 4, "digest": f"{4:064x}", "quote": "exit status 1"},
        {"seq": 6, "digest": f"{6:064x}", "quote": "exit status 2"},
    ]
    assert said["onset"] == 4
    assert said["action"] == "nudge"
    assert said["channels"]["progress"] == {"risk": 0.8, "confidence": 0.7}
    assert set(said["channels"]) == {"drift", "errors", "recall", "progress", "safety", "cost"}


async def test_the_judge_is_calm_when_too_little_matches() -> None:
    async with judged() as client:
        said = await verdict(client, event(4, "exit status 1") + event(5, "exit status 1", "model_called"))
    assert (said["action"], said["evidence"], said["onset"]) == ("none", [], None)
    assert {one["risk"] for one in said["channels"].values()} == {0.01}


async def test_a_lying_judge_cites_what_no_record_has_once() -> None:
    async with judged() as client:
        prompt = "lie to me " + event(4, "exit status 1")
        first, second = await verdict(client, prompt), await verdict(client, prompt)
    assert first["evidence"][0]["digest"] == "0" * 64
    assert second["evidence"][0]["digest"] == f"{4:064x}"


async def test_a_babbling_judge_does_not_answer_in_json() -> None:
    async with judged() as client:
        with pytest.raises(json.JSONDecodeError):
            await verdict(client, "babble")


def started(tmp_path: Path, plan: str, *more: str) -> subprocess.Popen[str]:
    (tmp_path / "plan.toml").write_text(plan)
    command = [sys.executable, "-m", "watchdogd.sim.messages_api", "--scenario", str(tmp_path / "plan.toml"), *more]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


async def test_the_process_says_its_url_serves_and_ends_when_stdin_closes(tmp_path: Path) -> None:
    with started(tmp_path, PLAN, "--speed", "0") as process:
        assert process.stdout is not None
        assert process.stdin is not None
        url = json.loads(process.stdout.readline())["url"]
        assert url.startswith("http://127.0.0.1:")
        async with client_of(url) as client:
            assert (await ask(client, GO)).stop_reason == "tool_use"
        process.stdin.close()
        assert process.wait(60) == 0


async def test_the_process_ends_on_sigterm_while_a_call_hangs(tmp_path: Path) -> None:
    with started(tmp_path, FAULTY % "hang") as process:
        assert process.stdout is not None
        async with client_of(json.loads(process.stdout.readline())["url"]) as client:
            stream = await opened(client)
            async for _ in stream:
                break
            process.terminate()
            assert process.wait(60) == 0
            await stream.close()


def test_the_process_refuses_a_bad_scenario_in_one_line_each(tmp_path: Path) -> None:
    plan = (
        'name = "x"\n[[worker.turn]]\nid = "a"\ntext = "hi"\nnext = "b"\n[[worker.turn]]\nid = "c"\ntext = "{{size}}"\n'
    )
    with started(tmp_path, plan) as process:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 2
    lines = errors.splitlines()
    file = tmp_path / "plan.toml"
    assert lines == [
        f'{file}: turn "a": there is no turn "b"',
        f'{file}: turn "c": {{{{size}}}}: no turn captures it',
        f'{file}: turn "c": no rule leads here',
    ]
