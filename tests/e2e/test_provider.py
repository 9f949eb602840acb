"""A provider in trouble: the worker survives each fault, the events say what happened, and nobody blames the agent."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.e2e import records
from tests.e2e.daemon import Daemon
from watchdogd.core.events import Event, ModelCalled, ProviderError, RunFinished, ToolFinished, ToolStarted

LONGEST_S = 240.0
"""The back-off pauses alone take a minute (seconds)."""


@pytest.fixture(scope="module")
def events(in_trouble: Daemon) -> list[Event]:
    def over() -> list[Event] | None:
        path = in_trouble.record("worker")
        if not records.newest(path):
            return None
        found = records.events(path)
        return found if any(isinstance(one.body, RunFinished) for one in found) else None

    return in_trouble.until("the mission's end", over, LONGEST_S)


def test_the_mission_ends_well_and_every_line_is_written_once(in_trouble, events):
    (finished,) = [one.body for one in events if isinstance(one.body, RunFinished)]
    assert (finished.outcome, (in_trouble.workspace / "lines.txt").read_text()) == ("done", "one\ntwo\nthree\nfour\n")


def test_each_fault_is_an_event_that_names_it(events):
    errors = Counter(one.body.error for one in events if isinstance(one.body, ProviderError))
    # A request the scripted server finds invalid is answered with 400 ("request"): the conversation stayed valid.
    assert errors == {"rate_limit": 2, "server": 1, "overloaded": 5, "cut": 2, "malformed": 1}


def test_replies_of_no_use_are_answered_and_not_taken_for_the_end(events):
    stops = [one.body.stop_reason for one in events if isinstance(one.body, ModelCalled)]
    assert {"max_tokens", "pause_turn"} <= set(stops)
    ends = [one.seq for one in events if isinstance(one.body, ModelCalled) and one.body.stop_reason == "end_turn"]
    checks = [one.seq for one in events if isinstance(one.body, ToolStarted) and one.body.call.startswith("done-")]
    assert len(ends) == 2, "one reply was empty, one said that it was done"
    assert len(checks) == 1, "only what says something can claim anything"


def test_no_call_ran_twice(events):
    assert records.repeat_faults(events) == []
    ran = Counter(one.body.call for one in events if isinstance(one.body, ToolFinished))
    assert set(ran.values()) == {1}


def test_the_providers_faults_are_not_the_agents(in_trouble):
    rows = records.entries(in_trouble.record("overseer"))
    found = [one["body"] for one in rows if one["kind"] == "finding" and one["body"]["channel"] == "errors"]
    assert {one["rule"] for one in found} == {"errors/provider-or-network-outage"}
    assert {one["severity"] for one in found} <= {"ok", "warn"}
