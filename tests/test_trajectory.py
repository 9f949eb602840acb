"""The trajectory format: what becomes of each step, and what is refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchdogd.core.errors import WireError
from watchdogd.core.events import ModelCalled, RunStarted, ToolFinished, ToolIntended, UserSaid
from watchdogd.wire.trajectory import BEFORE, SCHEMA, Step, Trajectory, events, line_of, parsed


def line(steps: list[object], **more: object) -> str:
    return json.dumps({"schema": SCHEMA, "id": "t", "goal": "g", "steps": steps, **more})


def test_steps_become_events_with_their_number_as_seq() -> None:
    run = parsed(
        line(
            [
                {"i": 0, "kind": "user", "text": "hi"},
                {"i": 1, "kind": "assistant", "text": "ok", "agent": "planner"},
                {"i": 2, "kind": "tool_call", "tool": "ls", "args": {"path": "."}},
                {"i": 3, "kind": "tool_result", "tool": "ls", "result": "a.txt", "is_error": True},
            ],
            system="be good",
        )
    )
    found = list(events(run))
    assert [event.seq for event in found] == [BEFORE, 0, 1, 2, 3]
    started, said, called, intended, finished = (event.body for event in found)
    assert isinstance(started, RunStarted)
    assert (started.goal, started.system) == ("g", "be good")
    assert isinstance(said, UserSaid)
    assert isinstance(called, ModelCalled)
    assert called.speaker == "planner"
    assert called.usage is None
    assert isinstance(intended, ToolIntended)
    assert intended.impact is None
    assert isinstance(finished, ToolFinished)
    assert (finished.outcome, finished.exit_code, finished.call) == ("error", None, intended.call)


def test_a_result_belongs_to_the_oldest_open_call_of_its_tool() -> None:
    steps: list[object] = [
        {"kind": "tool_call", "tool": "a", "args": {"n": 1}},
        {"kind": "tool_call", "tool": "b", "args": {}},
        {"kind": "tool_call", "tool": "a", "args": {"n": 2}},
        {"kind": "tool_result", "tool": "a", "result": "first"},
        {"kind": "tool_result", "tool": "a", "result": "second"},
        {"kind": "tool_result", "tool": "b", "result": "b"},
        {"kind": "tool_result", "tool": "b", "result": "of nothing"},
    ]
    found = [event.body for event in events(parsed(line(steps)))]
    intended = {body.call: body for body in found if isinstance(body, ToolIntended)}
    calls = [body.call for body in found if isinstance(body, ToolFinished)]
    assert [intended[call].args for call in calls[:2]] == [{"n": 1}, {"n": 2}]
    assert [intended[calls[2]].tool, calls[3]] == ["b", ""]


def test_a_message_counts_the_calls_right_behind_it() -> None:
    steps = (
        Step(i=0, kind="assistant", text="I look."),
        Step(i=1, kind="tool_call", tool="ls"),
        Step(i=2, kind="tool_call", tool="pwd"),
        Step(i=3, kind="tool_result", tool="ls"),
        Step(i=4, kind="assistant", text="Done."),
    )
    said = [one.body for one in events(Trajectory(id="r", steps=steps)) if isinstance(one.body, ModelCalled)]
    assert [one.tool_calls for one in said] == [2, 0]


def test_is_error_false_means_unknown() -> None:
    run = parsed(line([{"kind": "tool_result", "tool": "a", "result": "x", "is_error": False}]))
    body = list(events(run))[1].body
    assert isinstance(body, ToolFinished)
    assert body.outcome == "unknown"


def test_times_become_event_times_and_are_not_guessed() -> None:
    run = parsed(line([{"kind": "user", "text": "a", "t": 2.5}, {"kind": "user", "text": "b", "t": float("nan")}]))
    assert [event.at for event in events(run)] == [2.5, 2.5, None]
    assert [event.at for event in events(parsed(line([{"kind": "user", "text": "a"}])))] == [None, None]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("", "json"),
        ("[1]", "schema"),
        ("{", "json"),
        ("[" * 100_000, "json"),
        ('{"schema": "watchdogd.trajectory/2", "steps": []}', "schema"),
        (line([]).replace('"steps": []', '"steps": 3'), "schema"),
        (line([3]), "schema"),
        (line([{"kind": "thought", "text": "x"}]), "schema"),
    ],
)
def test_what_is_no_trajectory_is_refused_with_a_reason(bad: str, reason: str) -> None:
    with pytest.raises(WireError) as why:
        parsed(bad)
    assert why.value.reason == reason


def test_bytes_that_are_not_utf_8_do_not_lose_the_run() -> None:
    run = parsed(line([{"kind": "user", "text": "caf\u00e9"}]).encode().replace(b"\\u00e9", b"\xe9"))
    assert run.steps[0].text == "caf\ufffd"


def test_odd_values_are_taken_as_text_or_unknown() -> None:
    step = {"kind": "tool_result", "tool": None, "result": {"a": [1, 2]}, "is_error": 1, "i": "x", "t": 10**400}
    one = parsed(line([step])).steps[0]
    assert (one.i, one.tool, one.result, one.is_error, one.t) == (0, "", '{"a": [1, 2]}', False, None)
    assert parsed(line([{"kind": "tool_call", "tool": "x", "args": [1]}])).steps[0].args == {"value": [1]}


texts = st.text(st.characters(), max_size=30)
step_objects = st.fixed_dictionaries(
    {"kind": st.sampled_from(["user", "assistant", "tool_call", "tool_result"])},
    optional={
        "text": texts | st.none() | st.integers(),
        "tool": texts,
        "args": st.dictionaries(texts, texts | st.integers() | st.lists(texts, max_size=3), max_size=3),
        "result": texts,
        "is_error": st.booleans(),
        "agent": texts,
        "t": st.floats(allow_nan=False, allow_infinity=False),
    },
)


@given(st.lists(step_objects, max_size=8))
def test_every_trajectory_that_is_read_can_be_written_and_read_again(steps: list[object]) -> None:
    run = parsed(line(steps))
    again: Trajectory = parsed(line_of(run))
    assert list(events(again)) == list(events(run))
