"""A rollback survives a crash after any step."""

from dataclasses import replace
from typing import assert_never

from hypothesis import given
from hypothesis import strategies as st

from watchdogd.core.rollback import (
    ReleaseLatch,
    RestoreTalk,
    RestoreWorkspace,
    Rollback,
    SavePresent,
    SetLatch,
    Standing,
    outside_note,
    steps,
)

ORDER = Rollback(id="r1", target="good", saved_as="before")
FRESH = Standing(latched=False, saved=False, workspace=False, talk=False)
DONE = Standing(latched=False, saved=True, workspace=True, talk=True)


def applied(now, step):
    match step:
        case SetLatch():
            return replace(now, latched=True)
        case SavePresent():
            assert now.latched, "saved while the worker may act"
            assert not now.workspace, "saved a mixture"
            return replace(now, saved=True)
        case RestoreWorkspace():
            assert now.latched, "restored while the worker may act"
            assert now.saved, "restored what was not saved"
            return replace(now, workspace=True)
        case RestoreTalk():
            assert now.latched, "restored while the worker may act"
            return replace(now, talk=True)
        case ReleaseLatch():
            assert now.workspace, "released between two states"
            assert now.talk, "released between two states"
            return replace(now, latched=False)
        case _:
            assert_never(step)


@given(st.lists(st.integers(0, 5), max_size=6))
def test_a_rollback_survives_a_crash_after_any_step(crashes):
    now = FRESH
    for survived in [*crashes, 99]:
        for step in list(steps(ORDER, now))[:survived]:
            now = applied(now, step)
    assert now == DONE


def test_a_rollback_that_is_done_has_no_steps():
    assert list(steps(ORDER, DONE)) == []


def test_a_rollback_never_saves_once_the_workspace_is_at_the_target():
    torn = Standing(latched=True, saved=False, workspace=True, talk=False)
    assert list(steps(ORDER, torn)) == [RestoreTalk("good"), ReleaseLatch("r1")]


def test_the_note_names_everything_that_left_the_machine():
    note = outside_note("c7", ("mail sent to ops", "deploy: in doubt"))
    assert "- mail sent to ops\n- deploy: in doubt" in note
    assert "Nothing left the machine" in outside_note("c7", ())
