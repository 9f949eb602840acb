"""What only looks like a fault, and faults that hide in what looks healthy."""

from __future__ import annotations

from random import Random

import pytest

from tests.core.detecting import Tape
from watchdogd.core.detect.failures import Habit, says_error
from watchdogd.core.detect.manners import unfinished
from watchdogd.core.detect.outage_signs import is_outage
from watchdogd.core.events import ContextEdited, Text
from watchdogd.core.health import Severity

LOOP, WOVEN = "progress/identical-call", "progress/interleaved-call"
COLOURS = ("red", "green", "blue", "white", "brown", "yellow", "orange", "violet")
AGAIN, OVER = "recall/re-read", "recall/started-over"
PAGE = "\n".join(f"{n}: {'lorem ipsum dolor sit amet'[n % 9 :]} {n * n}" for n in range(120))


def errors(text: str) -> bool:
    return says_error(Text.plain(text), Habit())


@pytest.mark.parametrize(
    "answer",
    ["", "[finished with exit code 0]", '{"stdout": "", "exit_code": 0}', "<exit_code>0</exit_code>\n<o>\n</o>"],
)
def test_an_empty_state_is_nothing_to_wait_for(answer: str) -> None:
    assert not unfinished("bash", ("tree status",), answer)
    tape = Tape()
    for _ in range(4):
        tape.call("tree status", answer)
    assert tape.rules()[LOOP] is Severity.WARN


@pytest.mark.parametrize(
    "answer", ["transcoding", "The oven is heating.", '{"phase": "Provisioning"}', "now baking..."]
)
def test_a_participle_that_says_what_goes_on_is_waited_for(answer: str) -> None:
    assert unfinished("get_state", (), answer)


def test_a_participle_that_describes_a_thing_is_not_waited_for() -> None:
    assert not unfinished("bash", ("tree status",), "nothing to commit, working tree clean")


@pytest.mark.parametrize("place", ["front", "back"])
def test_a_stamp_of_changing_length_does_not_hide_a_loop_of_a_long_answer(place: str) -> None:
    tape, rng = Tape(), Random(3)
    for n in range(6):
        stamp = f"request {rng.getrandbits(16 + 8 * (n % 3)):x}z{n}"
        tape.call("show page", f"{stamp}\n{PAGE}" if place == "front" else f"{PAGE}\n{stamp}")
    assert LOOP in tape.rules()


def test_a_line_changed_in_the_middle_of_a_long_file_is_news() -> None:
    tape = Tape()
    for n in range(8):
        lines = PAGE.split("\n")
        lines[50] += f" edited {'abcdefgh'[n] * 5}"
        tape.call({"path": "a", "old": f"{n}"}, "ok", tool="edit")
        tape.call({"path": "a"}, "\n".join(lines), tool="read_file")
    assert AGAIN not in tape.rules()
    assert WOVEN not in tape.rules()


def test_starting_over_is_seen_although_the_world_has_moved_on() -> None:
    tape = Tape()
    first = [("look around", "a b c"), ("open plan", "the plan is long"), ("state", "clean"), ("open notes", "n 1 2 3")]
    for command, answer in first:
        tape.call(command, answer)
    for n in range(5):
        tape.call(f"work {n}", f"did {n * 37} things of kind {n}")
    for command, answer in first:
        tape.call(command, answer if command != "state" else "three files changed")
    assert tape.rules()[OVER] is Severity.WARN


def test_repetitions_are_counted_since_people_last_spoke() -> None:
    tape = Tape()
    tape.call({"name": "ada"}, "user_ada_4711_main", tool="find_user")
    for n in range(8):
        tape.user(f"and now something else, number {n}")
        tape.call(f"other {n}", f"entry {n * 31} of the list")
    for n in range(5):
        tape.call({"name": "ada"}, "user_ada_4711_main", tool="find_user")
        tape.call(f"next {n}", f"line {n * 17} of the book")
    assert AGAIN in tape.rules()


def test_content_read_over_and_over_while_other_things_move_is_a_loop() -> None:
    tape = Tape()
    for n in range(7):
        tape.call({"path": "manual"}, PAGE[:400], tool="read_page")
        tape.call("tests", f"of the {COLOURS[n]} ones there are fewer now")
    assert tape.rules()[WOVEN] is Severity.WARN


def test_turning_pages_is_no_loop() -> None:
    tape = Tape()
    for n in range(8):
        tape.call({"button": "next"}, "clicked", tool="click")
        tape.call({}, f"a chapter about {COLOURS[n]} and other things", tool="screen")
    assert WOVEN not in tape.rules()


def test_a_check_after_each_new_act_weighs_less_than_a_repetition() -> None:
    checked, bare = Tape(), Tape()
    for n in range(5):
        checked.call({"path": "a", "text": f"{n}"}, "ok", tool="write_file")
        bare.call({"query": f"{n}"}, f"hit {n * 77}", tool="search")
        for tape in (checked, bare):
            tape.call("make check", "1 failed, 30 passed, see the log for what is wrong with it")
    assert WOVEN in bare.rules()
    assert WOVEN not in checked.rules()


def test_a_short_verdict_after_each_new_act_is_no_loop_whatever_the_tool_is_called() -> None:
    tape = Tape()
    for n in range(9):
        tape.call({"name": f"thing {n}"}, "added", tool="add_item")
        tape.call({}, "yes", tool="check_cart")
    assert tape.rules() == {}


def test_one_look_for_each_thing_a_person_says_is_no_forgetting_and_two_are() -> None:
    once, twice = Tape(), Tape()
    for n in range(8):
        for tape, looks in ((once, 1), (twice, 2)):
            tape.user(f"and what about town {n}?")
            for look in range(looks):
                tape.call({"to": f"town {n} {look}"}, f"{n + look * 3} trains to town {n}", tool="find_trains")
                tape.call({}, f"the profile of Ada Berg: {PAGE[:200]}", tool="my_profile")
    assert AGAIN not in once.rules()
    assert AGAIN in twice.rules()


def test_the_day_of_a_date_in_words_goes_nowhere() -> None:
    tape = Tape()
    for n in range(5):
        tape.call("report", f"printed on March {n + 3}, 2031 at 9:1{n} PM: all quiet at the gate")
    assert LOOP in tape.rules()


@pytest.mark.parametrize(
    "text",
    [
        "dial tcp: lookup shop.example: server misbehaving",
        "Too many connections",
        "ERR_CONNECTION_RESET",
        "The remote host closed the connection",
        "The shop is experiencing heavy load. Retry after 30 seconds.",
        "We are having technical difficulties, come back in a few minutes.",
        "Quota exceeded for requests per minute",
    ],
)
def test_a_service_that_cannot_answer_is_an_outage(text: str) -> None:
    assert errors(text)
    assert is_outage(Text.plain(text))


@pytest.mark.parametrize(
    "text",
    [
        "backend frontend README.md",
        "timeout = 30",
        "rate_limit: 100",
        "branch 'main' set up to track 'origin/main'.",
        "503 items in stock",
        "429",
        "temporary files removed",
        "No errors found.",
        "Rejected: 0, accepted: 5",
        "error.log access.log",
        "internal/errors.go",
        "The network is healthy",
        "nothing to commit, working tree clean",
    ],
)
def test_what_only_names_such_things_is_no_error(text: str) -> None:
    assert not errors(text)


@pytest.mark.parametrize(
    "text", ["Nenhum resultado encontrado.", "Aucun résultat.", "Sorry, no hits.", "{'items': []}"]
)
def test_nothing_said_in_another_way_or_language_stagnates(text: str) -> None:
    tape = Tape()
    for word in ("lamp", "oak", "light", "bulb", "shade", "cable", "plug"):
        tape.call({"query": f"{word} cheap"}, text, tool="search")
    assert "progress/stagnation" in tape.rules()


def test_an_act_whose_text_speaks_of_a_check_waits_for_nothing() -> None:
    tape = Tape()
    for _ in range(4):
        tape.call({"path": "a", "text": "# check 4"}, "ok", tool="edit")
    assert LOOP in tape.rules()


def test_looking_again_after_the_context_was_cleared_is_right() -> None:
    found = {}
    for cleared in (False, True):
        tape = Tape()
        for turn in range(2):
            for n in range(5):
                tape.call(f"cat part{n}", f"{PAGE[:80]} {COLOURS[n]}")
            if cleared and not turn:
                tape.put(ContextEdited(by="provider", cleared_tokens=50_000, kept_tokens=9_000))
        found[cleared] = tape.rules()
    assert "progress/nothing-new" in found[False]
    assert not {"progress/nothing-new", "progress/replayed-stretch"} & set(found[True])
