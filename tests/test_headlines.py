"""What people read first: questions in one line, and what became of a resume."""

from __future__ import annotations

import pytest

from tests.overseeing import Room
from watchdogd.core.events import Gated, Impact, ToolIntended
from watchdogd.core.lease.messages import Latch
from watchdogd.overseer.headlines import COMMAND_CHARS, may_it, released
from watchdogd.overseer.reactions import Reactions
from watchdogd.sim.record import MemoryDisk
from watchdogd.wire.messages import ProcessReport, Request, WorkerStatus

RESUME = Request(command="resume", id="a")


def command(text: str, impact: Impact = Impact.EXECUTE) -> ToolIntended:
    return ToolIntended(call="c1", tool="shell", args={"command": text}, impact=impact, summary=text[:20])


# --- questions ---


@pytest.mark.parametrize(
    ("intended", "headline"),
    [
        (command("pytest -q"), "may it run `pytest -q`?"),
        (command("rm -r old", Impact.DESTRUCTIVE), "may it run `rm -r old` (destructive)?"),
        (command("a\n  b"), "may it run `a b`?"),
        (ToolIntended(call="c1", tool="edit", args={"path": "r.md"}, summary="edit r.md"), "may it edit r.md?"),
        (ToolIntended(call="c1", tool="edit"), "may it make a call of edit?"),
    ],
)
def test_a_question_is_one_short_sentence(intended: ToolIntended, headline: str) -> None:
    assert may_it(intended.tool, intended) == headline


def test_a_command_too_long_for_a_headline_says_how_much_is_missing() -> None:
    text = "pytest -q; " + "x" * 500
    assert may_it("shell", command(text)) == f"may it run `{text[:COMMAND_CHARS]}…` (511 characters in all)?"


def test_what_could_deceive_a_reader_is_escaped_in_a_headline() -> None:
    assert "\u202e" not in may_it("shell", command("echo \u202egnp.exe"))


def test_a_call_that_is_not_known_any_more_is_asked_about_by_its_tool() -> None:
    assert may_it("shell", None) == "may it make a call of shell?"


def asked(room: Room, *bodies: ToolIntended | Gated) -> str:
    """The headline of the question that follows from ``bodies``."""
    room.run()
    reactions = Reactions(room.book, room.enforcer)
    with room.transaction() as changing:
        for body in bodies:
            reactions.to(changing, room.event(body))
    return room.book.escalations["q1"].headline


GATED = Gated(call="c1", tool="shell", outcome="ask", question="q1", shown="shell in /w\ncommand:\n│ pytest -q")


def test_a_question_is_headed_by_the_call_it_is_about_and_shows_all_of_it_below() -> None:
    room = Room.on(MemoryDisk())
    assert asked(room, command("pytest -q"), GATED) == "may it run `pytest -q`?"
    subject = room.book.escalations["q1"].subject
    assert getattr(subject, "shown", "") == GATED.shown


def test_a_question_is_never_headed_by_another_call() -> None:
    other = ToolIntended(call="c2", tool="shell", args={"command": "ls"}, summary="ls")
    assert asked(Room.on(MemoryDisk()), other, GATED) == "may it make a call of shell?"


# --- resuming ---


def test_a_resume_names_who_had_paused_it_and_why() -> None:
    room = Room.on(MemoryDisk())
    room.asked(Request(command="pause", id="p", text="look first"))
    (answer,) = room.asked(RESUME)
    assert answer.text == "resumed by ada; it was paused by ada (look first)"


def test_a_resume_names_the_freeze_it_takes_back_beside_the_pause() -> None:
    room = Room.on(MemoryDisk())
    room.book.process = ProcessReport(state="frozen", reason="freeze by root: look", decided="freeze")
    room.asked(Request(command="pause", id="p", text="look first"))
    (answer,) = room.asked(RESUME)
    assert answer.text == "resumed by ada; it was paused by ada (look first); taken back: freeze by root: look"


def test_a_resume_of_one_pause_takes_back_no_freeze() -> None:
    room = Room.on(MemoryDisk())
    room.book.process = ProcessReport(state="frozen", reason="freeze by root: look", decided="freeze")
    room.asked(Request(command="pause", id="p", text="look first"))
    (answer,) = room.asked(Request(command="resume", id="a", target="operator/ada"))
    assert "taken back" not in answer.text


def test_a_resume_of_one_pause_names_those_that_stay() -> None:
    one, other = (Latch(name=name, by=name, reason="why", since=1.0) for name in ("bob", "policy"))
    assert released("ada", [one], [other]) == (
        "resumed by ada; it was paused by bob (why). It stays paused: by policy (why)"
    )


def test_a_resume_of_what_nobody_paused_says_so() -> None:
    (answer,) = Room.on(MemoryDisk()).asked(RESUME)
    assert answer.text == "nothing was paused"


@pytest.mark.parametrize("state", ["frozen", "probation"])
def test_a_resume_of_what_the_supervisor_froze_alone_says_what_thaws_it(state: str) -> None:
    room = Room.on(MemoryDisk())
    room.book.process = ProcessReport(state=state, reason="running")  # type: ignore[arg-type]
    (answer,) = room.asked(RESUME)
    assert answer.status == "ok"
    assert "the supervisor froze" in answer.text.lower()
    assert "thaws them by itself" in answer.text


def test_a_resume_of_a_freeze_by_decision_says_whose_it_was() -> None:
    room = Room.on(MemoryDisk())
    room.book.process = ProcessReport(state="frozen", reason="freeze by policy: out of hand", decided="freeze")
    (answer,) = room.asked(RESUME)
    assert answer.text == "taken back: freeze by policy: out of hand"


def test_a_resume_while_a_question_waits_names_the_question() -> None:
    room = Room.on(MemoryDisk())
    asked(room, command("pytest -q"), GATED)
    (answer,) = room.asked(RESUME)
    assert answer.text == "nobody has paused it; it waits for people: approve or deny q1"


def test_a_resume_of_a_worker_that_holds_by_itself_gives_its_reason() -> None:
    room = Room.on(MemoryDisk())
    room.book.status = WorkerStatus(status="holding", why="less than 1 GiB is free")
    (answer,) = room.asked(RESUME)
    assert answer.text == "nobody has paused it; it holds by itself: less than 1 GiB is free"
