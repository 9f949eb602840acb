"""When two answers of one call say the same."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchdogd.core.detect.answers import Change, first_answer, next_answer
from watchdogd.core.detect.keys import answer_key, call_key, leaves
from watchdogd.core.events import Text


def last(answers: Sequence[str], *, quiet: bool = True) -> Change:
    texts = [Text.plain(one) for one in answers]
    seen = first_answer(texts[0], answer_key(texts[0]), 1, None)
    change = Change.NEW
    for text in texts[1:]:
        change = next_answer(seen, text, answer_key(text), quiet=quiet)
    return change


BODY = "files: a.txt b.txt c.txt; all of them are readable, none has changed since the last commit"

STAMPS = [
    ["12:00:01", "12:00:09", "12:01:30", "12:02:02"],
    ["2025-03-01T10:00:00Z", "2025-03-01T10:00:07Z", "2025-03-01T10:01:00Z", "2025-03-02T00:00:00Z"],
    ["ts=1741000001", "ts=1741000044", "ts=1741000100", "ts=1741000112"],
    ["req-8f3a91", "req-91bc02", "req-00aa17", "req-ffe310"],
    ["took 0.31s", "took 0.29s", "took 0.44s", "took 0.30s"],
    ["#7", "#8", "#9", "#10"],
    ["pid 4711", "pid 3999", "pid 5120", "pid 4800"],
    ["seq 88120", "seq 88127", "seq 88139", "seq 88140"],
    ["id qXkRzTpLmW", "id bbGkTTrwQz", "id wWpzkLmNcV", "id zzRTkqPLmx"],
    ["9:14 AM", "9:15 AM", "9:16 AM", "9:18 AM"],
    ["2026/11/01 09.38", "2026/11/02 10.04", "2026/11/03 11.10", "2026/11/04 12.42"],
    ["job:6SAFUU4SIXCYXWD6", "job:OTHECHOKWQVXNDYF", "job:WWVJM5GNIUDLYCY6", "job:INNJ5C75NBRUJYQQ"],
    ["node-d53", "node-d24", "node-a35", "node-b35"],
    ["cpu=57.1%", "cpu=12.9%", "cpu=44.0%", "cpu=3.2%"],
]


@pytest.mark.parametrize("stamps", STAMPS, ids=lambda stamps: str(stamps[0]))
@pytest.mark.parametrize("form", ["{} {}", "{1}\n{0}", "[{}] {}", "{1} ({0})"])
def test_a_stamp_does_not_hide_that_nothing_changed(stamps: list[str], form: str) -> None:
    assert last([form.format(one, BODY) for one in stamps]) is Change.STAMP


MOVING = [
    [f"step {n} of 9 done" for n in range(1, 6)],
    [f"{n}% complete" for n in (3, 17, 40, 66, 90)],
    [f"{n}/12 replicas ready" for n in (1, 3, 4, 7, 9)],
    [f"{n} rows copied so far, all well" for n in (12, 40, 77, 130, 190, 260)],
    [f"{n} items left in the queue" for n in (90, 71, 40, 22, 9, 4)],
    [f"ETA 00:{n}:00 until the build is ready" for n in (50, 40, 30, 20)],
]


@pytest.mark.parametrize("answers", MOVING, ids=lambda answers: str(answers[0]))
def test_numbers_that_go_somewhere_are_progress(answers: list[str]) -> None:
    assert last(answers) is Change.PROGRESS


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("state: queued, nothing to report yet", "state: running, nothing to report yet"),
        ("a b c", "a b c d e f"),
        ("line 1\nline 2", "line 1\nline 2\nline 3"),
        ("", "something"),
        ("compiling core", "compiling net"),
    ],
)
def test_other_words_are_news(one: str, other: str) -> None:
    assert last([one, other]) is Change.DIFFERENT


def test_a_changed_count_is_news_when_something_was_done_in_between() -> None:
    answers = ["3 failed, 5 passed", "2 failed, 6 passed"]
    assert last(answers, quiet=False) is Change.DIFFERENT
    assert last(answers, quiet=True) is Change.UNDECIDED


def test_a_clock_is_no_news_even_when_something_was_done_in_between() -> None:
    assert last([f"{BODY} at 10:00:0{n}" for n in range(4)], quiet=False) is Change.STAMP


def test_a_change_in_the_middle_of_a_long_answer_is_seen() -> None:
    long = [f"line {n} of the file" for n in range(2_000)]
    changed = [*long[:1_000], "something else here", *long[1_001:]]
    assert last(["\n".join(long), "\n".join(long)]) is Change.EQUAL
    assert last(["\n".join(long), "\n".join(changed)], quiet=False) is Change.DIFFERENT


def test_equal_calls_have_equal_keys_whatever_their_spelling() -> None:
    assert call_key("t", {"a": "1", "b": "2  3"}) == call_key("t", {"b": "2 3", "a": "1"})
    assert call_key("t", {"cmd": "ls"}) == call_key("t", {"command": "ls"})
    assert call_key("t", {"n": 1}) == call_key("t", {"n": 1.0})
    assert call_key("t", {"a": "1"}) != call_key("u", {"a": "1"})
    assert call_key("t", {"a": ["1", "2"]}) != call_key("t", {"a": ["1"], "b": "2"})
    assert call_key("t", {"offset": 1, "path": "a"}) != call_key("t", {"offset": 2001, "path": "a"})


def nested(depth: int) -> object:
    value: object = "x"
    for _ in range(depth):
        value = {"a": [value]}
    return value


@pytest.mark.parametrize(
    "value",
    [
        nested(50_000),
        ["x"] * 200_000,
        {str(n): n for n in range(100_000)},
        "\ud800\u200b" * 1_000,
        10**5_000,
        float("nan"),
        b"x",
    ],
    ids=["deep", "long", "wide", "surrogates", "huge", "nan", "bytes"],
)
def test_keys_of_hostile_arguments_are_bounded_and_never_raise(value: object) -> None:
    assert isinstance(call_key("t", {"a": value}), int)
    assert len(leaves({"a": value}, 64)) <= 64


@given(st.lists(st.text(max_size=200), min_size=2, max_size=6), st.booleans())
def test_any_answers_can_be_compared(answers: list[str], quiet: bool) -> None:
    assert last(answers, quiet=quiet) in Change
    assert last([answers[0], answers[0]], quiet=quiet) is Change.EQUAL


def test_a_clock_in_front_of_every_line_is_a_stamp() -> None:
    answers = ["\n".join(f"[10:{m:02}:{n:02}] line {n} of the file" for n in range(20)) for m in range(3)]
    assert last(answers, quiet=False) is Change.STAMP


def test_a_word_drawn_anew_every_time_in_a_long_answer_is_a_stamp_and_a_state_is_none() -> None:
    drawn = [f"{BODY} and nothing else, says {one}" for one in ("walrus", "kettle", "amber", "pine", "copper")]
    assert last(drawn) is Change.STAMP
    state = [f"{BODY} and nothing else, says {one}" for one in ("queued", "running", "queued", "running", "done")]
    assert last(state) is not Change.STAMP
