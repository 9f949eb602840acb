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
    assert last([one, other]) in (Change.DIFFERENT, Change.REWORDED)


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


LONG = f"{BODY}, and the index of all of them was written in the night before the last one"


def test_phrases_drawn_from_a_few_are_stamps_once_they_come_back() -> None:
    ago = ["just now", "a moment ago", "two minutes ago", "a moment ago", "just now", "a moment ago", "just now"]
    assert last([f"synced {one}. {LONG}" for one in ago]) is Change.STAMP
    assert last([f"synced {one}. {LONG}" for one in ago[:4]]) is Change.REWORDED


def test_a_phrase_that_has_not_been_there_before_is_never_a_stamp_of_a_few() -> None:
    states = ["open", "in review", "open", "in review", "open", "in review", "handed over to the lawyers"]
    assert last([f"case is {one}. {LONG}" for one in states]) is Change.REWORDED


def test_steps_of_which_few_come_back_are_no_stamp() -> None:
    steps = [f"page {one} opened" for one in ("title", "names", "dates", "places", "photo", "oath", "title", "names")]
    assert last(steps) is Change.REWORDED


def test_a_phrase_that_changed_and_then_stays_starts_the_count_anew() -> None:
    texts = [
        Text.plain(f"The oven is {one} at this moment in the day") for one in ("cold", "warm", "hot", "hot", "hot")
    ]
    seen = first_answer(texts[0], answer_key(texts[0]), 1, None)
    for text in texts[1:]:
        next_answer(seen, text, answer_key(text), quiet=True)
    assert (seen.change, seen.same) == (Change.EQUAL, 3)


def test_a_set_printed_in_another_order_says_the_same() -> None:
    orders = ["amber, birch, cedar, elm", "elm, birch, amber, cedar", "cedar, amber, elm, birch"]
    assert last([f"tags: {one}; {BODY}" for one in orders]) is Change.STAMP
    assert last(["left is open, right is shut", "left is shut, right is open"]) is Change.REWORDED


def test_stamps_that_take_more_words_than_before_are_stamps() -> None:
    answers = [
        f"up {one}, load {load}; {BODY}" for one, load in (("57m 4s", 0.2), ("1h 0m 13s", 0.9), ("1h 2m 8s", 0.4))
    ]
    assert last(answers) is Change.STAMP
    rows = [
        "\n".join(f"{n} | {took} | row {n} is as it was" for n, took in enumerate(times))
        for times in (("4.1 s", "310 ms", "2.2 s"), ("980 ms", "1 m 2.5 s", "4.0 s"), ("3.3 s", "290 ms", "1.9 s"))
    ]
    assert last(rows) is Change.STAMP


def test_numbers_with_thousands_are_one_number() -> None:
    assert (
        last([f"indexed {n:,} documents so far" for n in (353, 1_576, 2_210, 3_904, 5_101, 6_020)]) is Change.PROGRESS
    )
    assert last([f"{n:,} hits" for n in (1_203_442, 1_203_460, 1_203_471, 1_203_490)]) is Change.STAMP


def test_what_turns_in_one_place_is_a_stamp() -> None:
    assert last([f"{BODY} {one} refreshed" for one in "|/-|/-"]) is Change.STAMP
    assert last([f"{BODY} {one} refreshed" for one in "⠋⠙⠹⠸"]) is Change.STAMP


def test_a_page_of_readings_goes_nowhere_although_one_has_only_risen() -> None:
    rows = [(71, 12, 55, 40, 3), (64, 30, 49, 44, 5), (70, 22, 57, 41, 8), (61, 28, 50, 47, 9)]
    assert last([" ".join(f"{name} {n}" for name, n in zip("abcde", row, strict=True)) for row in rows]) is Change.STAMP


def test_the_state_in_a_long_answer_is_not_taken_for_an_id_because_of_its_capitals() -> None:
    states = [f"{BODY}: {one}" for one in ("ReadyToShip", "WaitingForCarrier", "HandedOverToCarrier")]
    assert last(states) is Change.REWORDED
    assert last([f"{BODY}: {one}" for one in ("qXkRzTpL-mW", "bbG_kTTrwQz", "wWpzkLm-NcV")]) is Change.STAMP


def test_a_number_that_climbs_on_and_on_in_a_long_answer_is_progress() -> None:
    answers = [f"{LONG}; copied {31 * n} of the lines; {BODY}" for n in range(1, 13)]
    assert last(answers[:4]) is Change.STAMP
    assert last(answers) is Change.PROGRESS


def test_a_short_answer_about_a_number_that_rises_by_one_is_progress_in_the_end() -> None:
    assert last([f"Elevator at floor {n}" for n in range(12)]) is Change.PROGRESS


def test_numbers_in_scientific_notation_are_numbers() -> None:
    assert last([f"residual {2.0 * 0.7**n:.3e}" for n in range(8)]) is Change.PROGRESS


def test_a_day_before_its_month_in_words_and_a_time_with_a_dot_are_stamps() -> None:
    assert last([f"{BODY}\nil {n} novembre 2026 alle {n}.{10 + n}" for n in range(1, 8)]) is Change.STAMP
