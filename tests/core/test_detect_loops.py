"""The loop rules: what they see, at which call, and what only looks like a loop."""

from __future__ import annotations

import pytest

from tests.core.detecting import Tape, levels
from watchdogd.core.events import Gated, ToolFinished, ToolIntended
from watchdogd.core.health import Severity

W, C = Severity.WARN, Severity.CRIT
LISTING = "app.py\nREADME.md\ntests\nsetup.cfg and a few more files that are of no interest here"


def test_the_same_call_with_the_same_answer_warns_at_4_and_is_critical_at_6() -> None:
    tape = Tape()
    for _ in range(7):
        tape.call("ls", LISTING)
    found = tape.found()
    assert levels(found, "progress/identical-call") == [(7, W), (11, C)]
    assert found[0][1].headline == "run: same call 4 times in a row, same answer"
    assert found[0][1].evidence == (1, 3, 5, 7)


def test_varied_prose_between_does_not_hide_it() -> None:
    tape = Tape()
    for n in range(5):
        tape.say(f"attempt number {n}, with other words: {'xyz' * n}").call("ls", LISTING)
    assert "progress/identical-call" in tape.rules()


def test_failing_the_same_way_warns_at_3() -> None:
    tape = Tape()
    for _ in range(3):
        tape.call("frob", "frob: command not found", failed=True)
    assert levels(tape.found(), "progress/identical-call") == [(5, W)]


def test_the_same_call_failing_with_different_texts_warns_at_4() -> None:
    tape = Tape()
    for text in ("not found", "still nothing", "now with another message", "and a fourth one"):
        tape.call("frob", text, failed=True)
    assert "progress/same-call-failing" in tape.rules()


def test_denied_calls_count_too() -> None:
    tape = Tape()
    for n in range(3):
        tape.put(ToolIntended(call=f"d{n}", tool="sh", args={"c": "rm -rf raw"}))
        tape.put(Gated(call=f"d{n}", tool="sh", outcome="deny"))
        tape.put(ToolFinished(call=f"d{n}", tool="sh", outcome="denied"))
    assert tape.rules() == {"progress/identical-call": W}


def test_another_call_ends_it() -> None:
    tape = Tape()
    for _ in range(4):
        tape.call("ls", LISTING)
    tape.call("pwd", "/home/user")
    assert levels(tape.found(), "progress/identical-call") == [(7, W), (9, Severity.OK)]


def test_one_call_per_thing_a_person_said_is_a_conversation() -> None:
    tape = Tape()
    for _ in range(8):
        tape.user("and now?").call("show_cart", LISTING)
    assert tape.rules() == {}


@pytest.mark.parametrize("period", range(2, 9))
def test_cycles_of_2_to_8_calls_are_found_in_their_third_turn(period: int) -> None:
    tape = Tape()
    for turn in range(4):
        for n in range(period):
            tape.call(f"cat part{n}", f"{LISTING} {n}")
        if turn == 2:
            assert {"progress/cycle", "progress/nothing-new", "progress/interleaved-call"} & set(tape.rules())
    assert "progress/cycle" in tape.rules()


def test_a_cycle_of_3_with_counters_in_its_answers_is_found() -> None:
    tape = Tape()
    for turn in range(6):
        for n in range(3):
            tape.call(f"cat part{n}", f"{LISTING} {'x' * n} read #{40 + turn}")
    assert "progress/cycle" in tape.rules()


def test_one_call_again_and_again_between_others_is_found() -> None:
    tape = Tape()
    for n in range(4):
        tape.call("cat notes.md", LISTING).call(f"grep word{n} -r src", f"src/a{n}.py: word{n} stands here")
    assert levels(tape.found(), "progress/interleaved-call") == [(13, W)]


def test_a_stretch_that_is_lived_through_again_is_found() -> None:
    tape = Tape()
    stretch = [f"cat chapter{n}" for n in range(9)]
    for one in [*stretch, "date", *stretch]:
        tape.call(one, f"{one}: {LISTING}")
    assert "progress/replayed-stretch" in tape.rules()


def test_starting_over_from_the_beginning_is_found() -> None:
    tape = Tape()
    stretch = ["ls", "cat README.md", "cat app.py", "grep -n main app.py"]
    for one in [*stretch, "pytest -q", *stretch[:3]]:
        tape.call(one, f"{one}: {LISTING}")
    assert tape.rules()["recall/started-over"] is W


def test_reworded_questions_with_one_answer_are_stagnation() -> None:
    tape = Tape()
    for n, words in enumerate(
        ("cheap flights", "flights low price", "budget air", "air fare", "fly cheap", "low cost fly")
    ):
        tape.call(
            {"query": words, "page": n}, "Welcome. Use the search form to find what you need today.", tool="search"
        )
    assert levels(tape.found(), "progress/stagnation") == [(7, W)]


QUESTIONS = [
    "opening hours",
    "museum opening",
    "hours on sunday",
    "sunday opening hours",
    "museum hours",
    "museum sunday",
]


def test_a_question_in_other_words_is_stagnation_however_short_the_answer() -> None:
    tape = Tape()
    for words in QUESTIONS:
        tape.call({"query": words}, "See the desk.", tool="search")
    assert levels(tape.found(), "progress/stagnation") == [(11, W)]


def test_a_short_answer_about_one_thing_after_another_is_no_stagnation() -> None:
    tape = Tape()
    for name in ("Anna Meier", "Ben Kuhn", "Cem Polat", "Dora Lind", "Eva Stein", "Finn Berg", "Gerd Haas", "Ida Roth"):
        tape.call({"name": name}, "cleared", tool="look_up_visitor")
    assert tape.rules() == {}


def test_a_loop_whose_answers_are_drawn_from_a_few_is_found() -> None:
    tape = Tape()
    for ago in ("just now", "a moment ago", "an hour ago", "just now", "an hour ago", "a moment ago"):
        tape.call("cat notes", f"{LISTING} synced {ago}")
    assert "progress/identical-call" in tape.rules()


def test_a_state_that_moves_on_and_stays_is_counted_from_there() -> None:
    tape = Tape()
    for state in ("cold", "warm", "hot", "hot", "hot"):
        tape.call("read oven", f"{LISTING} the oven is {state}")
    assert tape.rules() == {}
    tape.call("read oven", f"{LISTING} the oven is hot")
    assert levels(tape.found(), "progress/identical-call") == [(11, W)]


def test_the_same_call_failing_in_other_words_each_time_is_still_failing() -> None:
    tape = Tape()
    for reason in ("too large", "not square", "out of ink", "upside down"):
        tape.call("print page", f"the page could not be printed: {reason}", failed=True)
    assert "progress/same-call-failing" in tape.rules()


@pytest.mark.parametrize("ack", ["ok", "Saved {}.", '{"success": true}', "", "Converted {} (1 file)"])
@pytest.mark.parametrize("tool", ["write_file", "shell", "convert"])
def test_batch_work_over_many_files_is_none(ack: str, tool: str) -> None:
    tape = Tape()
    for n in range(30):
        path = f"data/part-{n:03}.csv"
        tape.call({"path": path}, ack.replace("{}", path), tool=tool)
    assert tape.rules() == {}


@pytest.mark.parametrize(
    "status",
    [
        lambda n: f"progress: {7 * n}%",
        lambda n: f"{n + 1} of 20 done",
        lambda n: f"copied {13 * n * n + 40} MB",
        lambda n: "\n".join(f"task {m} ok" for m in range(n + 1)),
        lambda n: ["queued", "starting", "building", "testing", "packing", "uploading", "done"][n % 7],
    ],
)
def test_polling_whose_answers_move_is_none(status: object) -> None:
    tape = Tape()
    for n in range(12):
        tape.call("check job 7", status(n))  # type: ignore[operator]
    assert tape.rules() == {}


@pytest.mark.parametrize(
    ("call", "answer"),
    [("sleep 30; status", "state=busy"), ("job status 7", "pending"), ("kubectl get pod web", "0/1 Pending")],
)
def test_waiting_is_none_for_three_times_as_long(call: str, answer: str) -> None:
    tape = Tape()
    for _ in range(11):
        tape.call(call, answer)
    assert tape.rules() == {}
    assert levels(tape.call(call, answer).found(), "progress/identical-call") == [(23, W)]


def test_where_there_is_a_clock_waiting_is_told_by_it() -> None:
    slow, fast = Tape(every_s=3), Tape(every_s=3)
    for tape in (slow, fast):
        for n in range(6):
            tape.call(f"cat {n}", f"{LISTING} {n}")
    for _ in range(8):
        slow.call("show gate", "the gate has not been opened by the operator so far today", after_s=60)
        fast.call("show gate", "the gate has not been opened by the operator so far today")
    assert slow.rules() == {}
    assert "progress/identical-call" in fast.rules()


def test_edit_and_test_with_changing_results_is_none() -> None:
    tape = Tape()
    for n in range(7):
        tape.call({"path": "app.py", "new": f"return {n}"}, "edited", tool="edit_file")
        tape.call("pytest -q", f"{7 - n} failed, {n} passed in 0.{n}3s", failed=n < 6)
    assert tape.rules() == {}


def test_three_near_equal_messages_are_a_monologue_and_a_person_ends_it() -> None:
    tape = Tape()
    for n in range(3):
        tape.say(f"I'm thinking... {n}")
    tape.user("what about?")
    assert levels(tape.found(), "progress/monologue") == [(2, W), (3, Severity.OK)]


def test_different_messages_are_none() -> None:
    tape = Tape()
    for text in ("Reading the file first.", "The parser fails on dates.", "I will add a test.", "Done with the fix."):
        tape.say(text)
    assert tape.rules() == {}


def test_a_message_that_ends_in_one_phrase_over_and_over_is_chanting() -> None:
    assert "progress/chanting" in Tape().say("Let me see. " + "I will now fix the bug. " * 12).rules()
    assert Tape().say("-" * 4_000).rules() == {}
    assert Tape().say("\n".join(f"| {n} | {n * n} |" for n in range(400))).rules() == {}


def test_in_a_recording_without_results_calls_alone_must_do() -> None:
    tape = Tape()
    for n in range(5):
        tape.put(ToolIntended(call=str(n), tool="t", args={"a": 1}))
    assert levels(tape.found(), "progress/unanswered-loop") == [(4, W)]


def test_calls_made_at_once_are_no_blind_loop_once_results_come() -> None:
    tape = Tape()
    for n in range(4):
        tape.put(ToolIntended(call=str(n), tool="t", args={"n": n % 2}))
    for n in range(4):
        tape.put(ToolFinished(call=str(n), tool="t", outcome="ok"))
    assert tape.rules() == {}
