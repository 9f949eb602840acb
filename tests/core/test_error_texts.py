"""Which texts are errors when no flag says so, and where errors lie, by tables."""

from __future__ import annotations

import pytest

from tests.core.error_texts import ERRORS, NO_ERRORS, TAKEN_FOR_ERRORS
from tests.core.outage_texts import OUTSIDE, OWN
from watchdogd.core.detect.failures import Fault, Habit, fault_of, says_error
from watchdogd.core.detect.outage_signs import Side, side_of, speaks_of_outage
from watchdogd.core.events import Text, ToolFinished


def is_error(text: str) -> bool:
    return says_error(Text.plain(text), Habit())


@pytest.mark.parametrize("text", ERRORS)
def test_an_error_without_a_flag_is_told(text: str) -> None:
    assert is_error(text)


@pytest.mark.parametrize("text", NO_ERRORS)
def test_a_text_that_only_speaks_of_errors_is_none(text: str) -> None:
    assert not is_error(text)


def test_what_is_taken_for_an_error_is_known() -> None:
    assert [text for text in TAKEN_FOR_ERRORS if not is_error(text)] == []


@pytest.mark.parametrize("text", OUTSIDE)
def test_an_error_outside_of_the_agent_is_told_in_whatever_words(text: str) -> None:
    assert side_of(text) is Side.OUTSIDE


@pytest.mark.parametrize("text", OWN)
def test_the_agents_own_fault_is_no_outage_although_it_names_a_server(text: str) -> None:
    assert side_of(text) is not Side.OUTSIDE


@pytest.mark.parametrize("text", ["timeout = 30", "max_connections: 100", "503", "retries: 3"])
def test_a_setting_reports_no_outage(text: str) -> None:
    assert not speaks_of_outage(text)


@pytest.mark.parametrize("text", ["replication lag, standby is catching up", "server is starting, retry later"])
def test_a_service_on_its_way_is_no_outage_unless_a_call_was_refused_for_it(text: str) -> None:
    assert not speaks_of_outage(text)


@pytest.mark.parametrize(
    ("status", "fault"),
    [
        (404, Fault.OWN),
        (422, Fault.OWN),
        (408, Fault.OUTAGE),
        (425, Fault.OUTAGE),
        (429, Fault.OUTAGE),
        (503, Fault.OUTAGE),
    ],
)
def test_a_typed_status_comes_before_the_text(status: int, fault: Fault) -> None:
    assert fault_of(ToolFinished(tool="t", status=status, result=Text.plain("all is well")), Habit()) is fault


def test_a_status_in_a_failing_test_is_the_tests_matter() -> None:
    assert side_of("E   assert 503 == 200\nE    +  where 503 = <Response>.status_code") is Side.OWN
    assert side_of("AssertionError: expected status 200 but got 503") is Side.OWN


def test_of_a_stack_trace_the_last_line_says_where_the_fault_lies() -> None:
    trace = (
        "Traceback (most recent call last):\nConnectionRefusedError: [Errno 111] Connection refused\n\n"
        'During handling of the above exception, another exception occurred:\n\n  File "run.py", line 3\n'
    )
    text = Text.plain(trace + "KeyError: 'host'")
    assert fault_of(ToolFinished(tool="t", outcome="error", result=text), Habit()) is Fault.OWN


def test_an_exit_code_1_in_the_tail_does_not_cut_the_head() -> None:
    body = "fatal: unable to write the index\n" + "x " * 200
    assert is_error(f"{body}\nexit code 1\n{'y ' * 94}")


def test_words_that_meet_by_chance_in_a_long_output_name_no_outage() -> None:
    output = "step 1: copy the pages of the handbook into the folder of the new edition, one after the other\n" * 3
    text = f"{output}step 4: the request form was closed on Monday\nstep 5: done with 3 of 4\n"
    assert side_of(text) is not Side.OUTSIDE
    assert side_of(f"{output}HTTP 503 Service Unavailable\n") is Side.OUTSIDE
