"""Recall: reading and doing again, asking again, acting against what was said, what was cleared."""

from __future__ import annotations

import pytest

from tests.core.detecting import Tape, levels
from watchdogd.core.events import ContextEdited, Probed, RunStarted
from watchdogd.core.health import Severity

W, C = Severity.WARN, Severity.CRIT
CONTENT = "chapter one: the setting of the story and everybody in it, with their names and ages"


def test_unchanged_content_read_again_warns_at_the_fourth_time() -> None:
    tape = Tape()
    for n in range(4):
        tape.call("cat story.txt", CONTENT)
        for m in range(4):
            tape.call(f"cat other{n}{m}", f"{CONTENT} {n}{m}")
    found = [one for _, one in tape.found() if one.rule == "recall/re-read"]
    assert [one.severity for one in found] == [W]
    assert "4 times within 16 calls" in found[0].headline


def test_reading_again_after_the_context_was_cleared_is_right() -> None:
    tape = Tape()
    for n in range(4):
        tape.call("cat story.txt", CONTENT)
        tape.put(ContextEdited(cleared_tokens=100, kept_tokens=9_000))
        for m in range(4):
            tape.call(f"cat other{n}{m}", f"{CONTENT} {n}{m}")
    assert "recall/re-read" not in tape.rules()


def test_content_that_changed_is_read_for_good_reason() -> None:
    tape = Tape()
    for n in range(6):
        tape.call("cat story.txt", f"{CONTENT} {'more ' * n}")
        for m in range(3):
            tape.call(f"cat other{n}{m}", f"{CONTENT} {n}{m}")
    assert tape.rules() == {}


def test_the_same_act_done_again_warns_at_the_third_time() -> None:
    tape = Tape()
    for n in range(3):
        tape.call({"to": "ann@example.org", "text": "hello"}, "sent", tool="send_email")
        for m in range(5):
            tape.call(f"cat other{n}{m}", f"{CONTENT} {n}{m}")
    assert tape.rules()["recall/done-again"] is W


def test_a_question_asked_again_after_its_answer_warns_at_the_second_time() -> None:
    tape = Tape()
    for _ in range(3):
        tape.say("Could you please provide the order number of the broken lamp?").user("It is 48213.")
    assert levels(tape.found(), "recall/asked-again") == [(4, W)]


@pytest.mark.parametrize(
    "question",
    ["Is there anything else I can help you with?", "Shall I go on?", "Do you confirm the cancellation of this order?"],
)
def test_courtesies_and_confirmations_recur(question: str) -> None:
    tape = Tape()
    for n in range(6):
        tape.say(question).user(f"yes, order {n} too")
    assert tape.rules() == {}


@pytest.mark.parametrize(
    ("rules", "tool", "args", "hit"),
    [
        ("never delete anything in raw/", "shell", {"command": "rm raw/2024.csv"}, C),
        ("Do not delete anything in raw/.", "delete_file", {"path": "raw/a.csv"}, C),
        ("Do not delete anything in raw/.", "read_file", {"path": "raw/a.csv"}, None),
        ("Do not delete anything in raw/.", "delete_file", {"path": "tmp/a.csv"}, None),
        ("You must not send emails to customers.", "send_email", {"to": "bob", "to_group": "customers"}, W),
        ("Don't buy anything.", "purchase_item", {"item": "lamp"}, W),
        ("Do not delete raw/ unless the checks passed", "shell", {"command": "rm raw/x"}, None),
        ("Don't make assumptions about values.", "create_event", {"title": "lunch"}, None),
    ],
)
def test_acting_against_a_rule_of_the_mission_is_seen_before_the_call_runs(
    rules: str, tool: str, args: dict[str, object], hit: Severity | None
) -> None:
    tape = Tape().put(RunStarted(goal="load the orders", rules=(rules,)))
    tape.call(args, "done", tool=tool)
    assert levels(tape.found(), "recall/against-rule") == ([(1, hit)] if hit else [])


def test_the_users_own_words_bind_until_they_ask_for_it() -> None:
    tape = Tape().put(RunStarted()).user("Please don't cancel reservation K7Q2ZZ.")
    tape.call({"reservation_id": "K7Q2ZZ"}, "cancelled", tool="cancel_reservation")
    assert levels(tape.found(), "recall/against-rule") == [(2, W)]
    lifted = Tape().put(RunStarted()).user("Please don't cancel K7Q2ZZ.").user("Fine, go ahead and cancel it.")
    lifted.call({"reservation_id": "K7Q2ZZ"}, "cancelled", tool="cancel_reservation")
    assert lifted.rules() == {}


def test_nearly_all_context_cleared_is_said_and_passes() -> None:
    tape = Tape().put(ContextEdited(cleared_tokens=90_000, kept_tokens=10_000))
    for n in range(20):
        tape.call(f"cat {n}", f"{CONTENT} {n}")
    assert [severity for _, severity in levels(tape.found(), "recall/context-cleared")] == [W, Severity.OK]
    assert Tape().put(ContextEdited(cleared_tokens=50_000, kept_tokens=50_000)).rules() == {}


def test_wrong_answers_to_probes_are_said_until_they_are_right() -> None:
    tape = Tape().put(Probed(asked=5, right=1)).put(Probed(asked=5, right=5))
    assert levels(tape.found(), "recall/probe-failed") == [(0, C), (1, Severity.OK)]
    assert Tape().put(Probed(asked=2, right=0)).rules() == {}
