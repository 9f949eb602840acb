"""Errors: recognised by flag, code, status and shape; counted against the run's own usual share; outages apart."""

from __future__ import annotations

from typing import Literal

import pytest

from tests.core.detecting import Tape, levels
from watchdogd.core.detect.failures import Fault, Habit, fault_of
from watchdogd.core.events import Text, ToolFinished
from watchdogd.core.health import Severity


def fault(
    text: str = "",
    *,
    outcome: Literal["ok", "error", "unknown", "denied", "aborted"] = "unknown",
    code: int | None = None,
    status: int | None = None,
    kind: str = "",
) -> Fault:
    done = ToolFinished(
        tool="t", outcome=outcome, exit_code=code, status=status, error_class=kind, result=Text.plain(text)
    )
    return fault_of(done, Habit())


@pytest.mark.parametrize(
    "text",
    [
        "bash: frobnicate: command not found",
        "ls: cannot access 'x': No such file or directory",
        'Traceback (most recent call last):\n  File "a.py", line 1\nKeyError: 1',
        "ValueError: invalid literal",
        "fatal: not a git repository",
        "npm ERR! missing script: build",
        "error[E0425]: cannot find value `x` in this scope",
        '{"error": "no such user"}',
        '{"success": false, "message": "nope"}',
        '{"detail": "Not found."}',
        "Reservation could not be found.",
        "Access is denied.",
        "make: *** No rule to make target 'all'.  Stop.",
        "thread 'main' panicked at src/main.rs:4",
        "Insufficient funds in account 7",
        "Wrong password",
        "Compilation failed: 2 errors",
        "That user name is already taken.",
    ],
)
def test_an_error_message_is_told_by_its_shape(text: str) -> None:
    assert fault(text) is Fault.OWN


@pytest.mark.parametrize(
    "text",
    [
        "",
        "installed 3 packages",
        "included, imported and indexed",
        "On branch main\nUntracked files: a.py; nothing else changed since yesterday evening, when all was committed",
        "iteration 300: error 2.1407",
        "0 errors, 12 warnings",
        "12 passed, 0 failed in 0.3s",
        "3 failed, 9 passed in 0.3s",
        "def handle_error(e):\n    raise ValueError('failed')\n" * 20,
        '{"error": null, "items": [1, 2]}',
        '{"errors": [], "ok": true}',
        "No matching records.",
        "The report lists every error of last week. " * 12,
        "README: how to read error messages\n\nAn error is ..." + "x" * 400,
    ],
)
def test_talk_of_errors_is_no_error(text: str) -> None:
    assert fault(text) is Fault.NONE


def test_flags_codes_and_statuses_come_before_text() -> None:
    assert fault("all is well", outcome="error") is Fault.OWN
    assert fault("all is well", code=127) is Fault.OWN
    assert fault("Error: boom", outcome="ok") is Fault.NONE
    assert fault("Error: boom", code=0) is Fault.NONE
    assert fault("x", status=503) is Fault.OUTAGE
    assert fault("x", outcome="error", kind="rate_limit") is Fault.OUTAGE
    assert fault("x", outcome="denied") is Fault.DENIED
    assert fault("Error: never ran", outcome="aborted") is Fault.NONE


def test_exit_code_1_alone_is_no_error_but_adds_weight() -> None:
    assert fault("", code=1) is Fault.NONE
    assert fault("3 failed, 9 passed", outcome="error", code=1, kind="exit") is Fault.NONE
    assert fault("cat: x: No such file or directory", code=1) is Fault.OWN
    assert fault("0\n[exit code 1]") is Fault.NONE
    assert fault("done\n[exit code 0]") is Fault.NONE
    assert fault("frob\n[exit code 2]") is Fault.OWN


@pytest.mark.parametrize(
    "text",
    [
        "503 Service Unavailable",
        "connect ECONNREFUSED 127.0.0.1:443",
        "curl: (6) Could not resolve host: example.com",
        "Operation timed out after 30001 milliseconds",
        '{"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}',
        "Error: socket hang up",
        "Too Many Requests",
        "HTTP 502: Bad Gateway",
    ],
)
def test_the_networks_and_services_failures_are_told_apart(text: str) -> None:
    assert fault(text) is Fault.OUTAGE
    assert fault(text, outcome="error") is Fault.OUTAGE


def test_a_price_or_a_line_number_is_no_status() -> None:
    assert fault("{'Luxury Palace': 'Price range: 500.0 - 1000.0'}") is Fault.NONE
    assert fault("app.py:503: return x") is Fault.NONE


ERRORS = [
    "KeyError: 'a'",
    "bash: foo: command not found",
    "fatal: bad revision",
    "cat: x: No such file",
    "TypeError: no",
]


def test_a_burst_of_mixed_errors_is_seen_within_a_few_calls() -> None:
    tape = Tape()
    for n in range(10):
        tape.call(f"good {n}", f"line {n}")
    for n in range(12):
        bad = n % 5 < 3
        tape.call(f"do {n}", ERRORS[n % 5] if bad else f"fine {n}", failed=bad)
    found = levels(tape.found(), "errors/rate")
    assert found
    assert found[0][0] <= 20 + 2 * 9 + 1
    assert tape.found()[0][1].headline.endswith("calls failed")


def test_an_error_now_and_then_is_usual() -> None:
    tape = Tape()
    for n in range(60):
        tape.call(f"do {n}", "KeyError: 'x'" if n % 7 == 0 else f"fine {n}", failed=n % 7 == 0)
    assert tape.rules() == {}


def test_a_run_that_often_fails_by_nature_learns_it() -> None:
    tape, calm = Tape(), 0
    for n in range(120):
        bad = n % 4 == 0
        tape.call(f"do {n}", ERRORS[n % 5] if bad else f"fine {n}", failed=bad)
        calm += not bad
    assert "errors/rate" not in tape.rules()


def test_five_failures_in_a_row_are_said_and_a_success_ends_it() -> None:
    tape = Tape()
    for n in range(5):
        tape.call(f"do {n}", ERRORS[n], failed=True)
    tape.call("ls", "a.txt")
    assert levels(tape.found(), "errors/in-a-row") == [(9, Severity.WARN), (11, Severity.OK)]


def test_the_same_error_with_varied_arguments_has_one_signature() -> None:
    tape = Tape()
    for n in range(4):
        tape.call(
            f"open /srv/file{n}.txt",
            f"open: cannot open '/srv/file{n}.txt' at line {n}: Permission denied",
            failed=True,
        )
    found = [one for _, one in tape.found() if one.rule == "errors/same-error"]
    assert [one.severity for one in found] == [Severity.WARN]
    assert "the same error 4 times in a row" in found[0].headline


def test_different_errors_are_not_one() -> None:
    tape = Tape()
    for n, text in enumerate(ERRORS):
        tape.call(f"do {n}", text, failed=True).call(f"look {n}", f"fine {n}")
    assert "errors/same-error" not in tape.rules()


def test_an_outage_is_named_once_and_nobody_is_blamed() -> None:
    tape = Tape()
    for n in range(8):
        tape.call(f"fetch {n}", "503 Service Unavailable", failed=n % 2 == 0)
    assert set(tape.rules()) == {"errors/provider-or-network-outage"}


def test_several_tools_failing_alike_is_an_outage_whatever_its_words() -> None:
    tape = Tape()
    for n, tool in enumerate(
        ["read_mail", "book_room", "read_mail", "find_user", "book_room", "find_user", "read_mail"]
    ):
        tape.call({"n": n}, "the frobnicator went away", tool=tool, failed=True)
    rules = tape.rules()
    assert "errors/provider-or-network-outage" in rules
    assert "errors/rate" not in rules


def test_one_tool_failing_alike_is_its_own_fault() -> None:
    tape = Tape()
    for n in range(7):
        tape.call({"n": n}, "the frobnicator went away", tool="read_mail", failed=True)
    assert "errors/provider-or-network-outage" not in tape.rules()
