"""The overseer's state machine: what it grants, what it says, when a pause holds."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchdogd.core.lease import overseer
from watchdogd.core.lease.messages import Ack, Beat, Latch, Level, NudgeOrder, Timing
from watchdogd.core.lease.overseer import EventStep, OverseerState

TIMING = Timing()
PAUSE = Latch(name="operator/p", by="ada", reason="lunch")
OPEN = OverseerState(epoch=3, started_at=50.0, stored_seq=10, supervisor_open=True, timing=TIMING)


def beat(nonce: str = "n1", *, head: int = 10, applied: int = 0) -> Beat:
    return Beat(boot="b", nonce=nonce, head_seq=head, applied_n=applied)


def ack(*, epoch: int = 3, lrev: int = 0, nonce: str = "n1") -> Ack:
    return Ack(boot="b", epoch=epoch, lrev=lrev, nonce=nonce)


# --- events -----------------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(1, 12), max_size=60))
def test_whatever_arrives_is_folded_once_and_in_order(arriving) -> None:
    folded: list[int] = []
    for seq in arriving:
        if overseer.event_step(len(folded), seq) is EventStep.FOLD:
            folded.append(seq)
    assert folded == list(range(1, len(folded) + 1))


# --- answers ----------------------------------------------------------------------------------------------------------


@given(st.integers(0, 20), st.integers(0, 20), st.booleans(), st.sampled_from(["", "no glance for 2 h"]))
def test_every_beat_is_answered_with_the_whole_state_and_granted_only_when_all_is_processed(
    stored, head, channel, overdue
) -> None:
    state = replace(OPEN, stored_seq=stored, supervisor_open=channel, overdue=overdue, lrev=4, latches=(PAUSE,))
    after, said = overseer.beaten(state, 60.0, beat(head=head))
    assert said.grant == (stored >= head and channel and not overdue)
    assert bool(said.reason) == (not said.grant)
    assert (said.nonce, said.epoch, said.lrev) == ("n1", 3, 4)
    assert (said.stored_seq, said.latches, said.ttl_s) == (stored, (PAUSE,), TIMING.ttl_s)
    assert (after.kept is None) == said.grant


def test_a_kept_beat_is_granted_when_its_rows_are_committed_and_only_once() -> None:
    state, said = overseer.beaten(OPEN, 60.0, beat(head=12))
    assert not said.grant
    state, early = overseer.kept_answer(overseer.committed(state, 11), 61.0)
    assert early is None
    state, late = overseer.kept_answer(overseer.committed(state, 12), 62.0)
    assert late is not None
    assert (late.grant, late.nonce, late.stored_seq) == (True, "n1", 12)
    assert overseer.kept_answer(state, 63.0)[1] is None


def test_only_the_newest_refused_beat_is_kept() -> None:
    state, _ = overseer.beaten(OPEN, 60.0, beat("n1", head=12))
    state, _ = overseer.beaten(state, 61.0, beat("n2", head=13))
    _, said = overseer.kept_answer(overseer.committed(state, 13), 62.0)
    assert said is not None
    assert said.nonce == "n2"


def test_a_push_answers_the_newest_beat_with_the_new_latch() -> None:
    assert overseer.pushed(OPEN, 60.0)[1] is None, "nobody has asked yet"
    state, _ = overseer.beaten(OPEN, 60.0, beat())
    _, said = overseer.pushed(overseer.latched(state, 61.0, PAUSE), 61.0)
    assert said is not None
    assert (said.nonce, said.lrev, said.latches) == ("n1", 1, (PAUSE,))


def test_a_push_does_not_grant_what_is_not_processed() -> None:
    state, _ = overseer.beaten(OPEN, 60.0, beat(head=11))
    _, said = overseer.pushed(state, 61.0)
    assert said is not None
    assert not said.grant


# --- pauses -----------------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.sampled_from(["pause", "release", "level"]), st.sampled_from("ab")), max_size=20))
def test_every_change_of_the_desired_state_is_a_new_revision_and_nothing_else_is(steps) -> None:
    state = OPEN
    for what, name in steps:
        before = state
        if what == "pause":
            state = overseer.latched(state, 60.0, replace(PAUSE, name=name))
        elif what == "release":
            state = overseer.released(state, name)
        else:
            state = overseer.levelled(state, Level.SUGGEST if name == "a" else Level.ASSISTED)
        changed = (before.latches, before.level) != (state.latches, state.level)
        assert state.lrev == before.lrev + changed
        assert len({one.name for one in state.latches}) == len(state.latches)


def test_a_pause_holds_on_an_acknowledgement_of_its_revision_and_epoch_only() -> None:
    state = overseer.latched(OPEN, 60.0, PAUSE)
    for said in (ack(lrev=0), ack(lrev=1, epoch=2), ack(lrev=9, epoch=4)):
        state, held = overseer.acknowledged(state, 61.0, said)
        assert held == ()
    state, held = overseer.acknowledged(state, 61.0, ack(lrev=1))
    assert [one.name for one in held] == ["operator/p"]
    assert overseer.acknowledged(state, 62.0, ack(lrev=1))[1] == ()


@pytest.mark.parametrize(("started_at", "decided_at", "dead_at"), [(50.0, 60.0, 81.0), (70.0, 60.0, 91.0)])
def test_without_an_acknowledgement_a_pause_holds_when_every_older_lease_is_dead(
    started_at: float, decided_at: float, dead_at: float
) -> None:
    state = overseer.latched(replace(OPEN, started_at=started_at), decided_at, PAUSE)
    state, held = overseer.expired(state, dead_at)
    assert held == ()
    state, held = overseer.expired(state, dead_at + 0.01)
    assert [one.name for one in held] == ["operator/p"]
    assert overseer.expired(state, dead_at + 1)[1] == ()


def test_a_released_pause_is_never_reported_as_held() -> None:
    state = overseer.released(overseer.latched(OPEN, 60.0, PAUSE), "operator/p")
    assert overseer.expired(state, 1_000.0)[1] == ()
    assert overseer.acknowledged(state, 61.0, ack(lrev=9))[1] == ()


def test_a_second_pause_of_the_same_name_is_proven_anew() -> None:
    state = overseer.latched(OPEN, 60.0, PAUSE)
    state, _ = overseer.acknowledged(state, 61.0, ack(lrev=1))
    state = overseer.latched(state, 70.0, PAUSE)
    _, held = overseer.acknowledged(state, 71.0, ack(lrev=1))
    assert [one.name for one in held] == ["operator/p"]


# --- reports ----------------------------------------------------------------------------------------------------------


def test_only_an_acknowledged_lease_of_the_own_epoch_is_reported_with_its_age() -> None:
    state, _ = overseer.beaten(OPEN, 60.0, beat())
    assert overseer.lease_report(state, 61.0) is None
    for said in (ack(epoch=2), ack(nonce=""), ack(nonce="never granted")):
        assert overseer.lease_report(overseer.acknowledged(state, 61.0, said)[0], 62.0) is None
    state, _ = overseer.acknowledged(state, 61.0, ack())
    assert overseer.lease_report(state, 67.0) == 7.0


def test_a_refused_beat_is_no_lease_even_if_acknowledged() -> None:
    state, _ = overseer.beaten(OPEN, 60.0, beat(head=11))
    state, _ = overseer.acknowledged(state, 61.0, ack())
    assert overseer.lease_report(state, 61.0) is None


def test_issued_leases_are_remembered_within_bounds() -> None:
    state = OPEN
    for n in range(500):
        state, _ = overseer.beaten(state, 60.0 + n, beat(f"n{n}"))
    assert len(state.issued) == TIMING.nonce_memory
    assert "n499" in state.issued


# --- orders -----------------------------------------------------------------------------------------------------------


def test_the_oldest_order_is_resent_until_it_is_acknowledged_under_the_present_epoch() -> None:
    state = replace(OPEN, epoch=2)
    state, first = overseer.ordered(state, 60.0, "run", NudgeOrder(text="a"))
    state, second = overseer.ordered(state, 60.5, "run", NudgeOrder(text="b"))
    assert (first.n, second.n) == (1, 2)
    state = replace(state, epoch=3)
    assert overseer.order_to_resend(state, 61.9)[1] is None
    state, again = overseer.order_to_resend(state, 62.0)
    assert again == replace(first, epoch=3)
    assert overseer.order_to_resend(state, 63.9)[1] is None
    state, _ = overseer.beaten(state, 64.0, beat(applied=1))
    state, then = overseer.order_to_resend(state, 64.0)
    assert then == replace(second, epoch=3)
    assert overseer.order_to_resend(overseer.orders_acked(state, 2), 99.0)[1] is None


def test_acknowledgements_of_orders_never_go_back() -> None:
    state, _ = overseer.ordered(OPEN, 60.0, "run", NudgeOrder(text="a"))
    state = overseer.orders_acked(state, 1)
    assert overseer.orders_acked(state, 0) == state


def test_an_order_is_overdue_after_its_time_not_after_its_last_resend() -> None:
    state, order = overseer.ordered(OPEN, 60.0, "run", NudgeOrder(text="a"))
    state, _ = overseer.order_to_resend(state, 89.0)
    assert overseer.order_overdue(state, 90.0) is None
    late = overseer.order_overdue(state, 90.1)
    assert late is not None
    assert late.order.n == order.n
