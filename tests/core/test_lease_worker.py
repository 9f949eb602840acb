"""The worker's state machine: what it takes, what it acknowledges, when a call may start."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchdogd.core.events import Impact
from watchdogd.core.lease import worker
from watchdogd.core.lease.messages import Answer, Latch, Level, Mode, NudgeOrder, Order, Timing
from watchdogd.core.lease.worker import Control, OrderStep, WorkerState

TIMING = Timing()
PAUSE = Latch(name="operator/p", by="ada", reason="lunch")


def answer(nonce: str, *, epoch: int = 1, lrev: int = 1, grant: bool = True, stored: int = 0, latches=()) -> Answer:
    return Answer(
        nonce=nonce,
        epoch=epoch,
        lrev=lrev,
        grant=grant,
        reason="" if grant else "because",
        stored_seq=stored,
        policy="p",
        mode=Mode.ENFORCE,
        level=Level.SUGGEST,
        latches=latches,
        ttl_s=TIMING.ttl_s,
    )


def beating(*nonces: str, at: float = 100.0, head: int = 0) -> WorkerState:
    """A connected worker that sent these beats, one a second."""
    state = worker.connected(worker.rows_synced(WorkerState(boot="b", timing=TIMING), head))
    rows = worker.rows_to_send(state)
    state = worker.rows_sent(state, rows[-1]) if rows else state
    for n, nonce in enumerate(nonces):
        state, _ = worker.beat(state, at + n, nonce)
    return state


def holding(state: WorkerState, now: float, said: Answer) -> WorkerState:
    """``state`` after an accepted answer that is on disk."""
    state, heard = worker.answered(state, now, said)
    assert heard.accepted
    return worker.synced(state, heard.sync) if heard.sync is not None else state


# --- rows -------------------------------------------------------------------------------------------------------------


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 40), st.integers(1, 50))
def test_only_synced_rows_within_the_window_are_sent_and_each_once(head, known, sent, window) -> None:
    state = WorkerState(
        boot="b", head=head, known=known, sent=sent, connected=True, timing=replace(TIMING, window_rows=window)
    )
    rows = worker.rows_to_send(state)
    assert all(sent < seq <= head and seq <= known + window for seq in rows)
    assert set(range(sent + 1, min(head, known + window) + 1)) == set(rows)


def test_a_row_that_is_written_but_not_synced_is_not_sent() -> None:
    state = worker.connected(WorkerState(boot="b", timing=TIMING))
    assert not worker.rows_to_send(state)
    assert list(worker.rows_to_send(worker.rows_synced(state, 2))) == [1, 2]


def test_nothing_is_sent_without_a_connection() -> None:
    assert not worker.rows_to_send(worker.rows_synced(WorkerState(boot="b", timing=TIMING), 5))


def test_a_new_connection_sends_everything_above_known_again() -> None:
    state = beating("n1", head=8)
    state = holding(state, 101, answer("n1", grant=False, stored=3))
    state = worker.rows_sent(state, 8)
    assert list(worker.rows_to_send(worker.connected(state))) == [4, 5, 6, 7, 8]


def test_a_beat_claims_every_synced_row_also_what_the_window_holds_back() -> None:
    state = replace(beating(head=0), timing=replace(TIMING, window_rows=10))
    state = worker.rows_synced(state, 600)
    state = worker.rows_sent(state, worker.rows_to_send(state)[-1])
    _, beat = worker.beat(state, 1.0, "n1")
    assert (state.sent, beat.head_seq) == (10, 600)


# --- answers ----------------------------------------------------------------------------------------------------------


def test_a_lease_counts_from_its_beats_sending_not_from_its_arrival() -> None:
    state = holding(beating("n1"), 115.0, answer("n1"))
    assert state.lease is not None
    assert state.lease.until == 100.0 + TIMING.ttl_s


def test_an_answer_to_a_beat_that_was_never_sent_is_ignored() -> None:
    state, heard = worker.answered(beating("n1"), 101.0, answer("other"))
    assert not heard.accepted
    assert state == beating("n1")


@pytest.mark.parametrize("which", ["n1", "n2", "n3"])
def test_the_answer_to_any_outstanding_beat_counts(which: str) -> None:
    state = holding(beating("n1", "n2", "n3"), 103.0, answer(which))
    assert state.lease is not None
    assert state.lease.nonce == which


def test_an_older_lease_never_shortens_a_newer_one() -> None:
    state = holding(beating("n1", "n2"), 103.0, answer("n2"))
    state = holding(state, 103.0, answer("n1"))
    assert state.lease is not None
    assert (state.lease.nonce, state.lease.until) == ("n2", 101.0 + TIMING.ttl_s)


def test_forgotten_beats_give_no_lease() -> None:
    nonces = [f"n{n}" for n in range(TIMING.nonce_memory + 1)]
    _, heard = worker.answered(beating(*nonces), 101.0, answer("n0"))
    assert heard.why == "unknown nonce"


def test_an_answer_that_comes_after_its_lease_ended_brings_latches_but_no_lease() -> None:
    state = holding(beating("n1"), 100.0 + TIMING.ttl_s, answer("n1", latches=(PAUSE,)))
    assert state.lease is None
    assert state.control.latches == (PAUSE,)


def test_a_refusal_takes_the_lease_away() -> None:
    state = holding(beating("n1", "n2"), 102.0, answer("n1"))
    state = holding(state, 102.0, answer("n2", grant=False))
    assert state.lease is None
    assert worker.second_look(state, 102.0) is not None


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(0, 4), st.booleans()), max_size=30))
def test_epoch_and_lrev_never_go_back(said) -> None:
    state = beating("n1")
    for epoch, lrev, grant in said:
        before = state.control.pair
        state, heard = worker.answered(state, 101.0, answer("n1", epoch=epoch, lrev=lrev, grant=grant))
        assert state.control.pair >= before
        assert heard.accepted == ((epoch, lrev) >= before)


def test_a_new_epoch_is_believed_although_its_lrev_is_lower() -> None:
    state = holding(beating("n1"), 101.0, answer("n1", epoch=1, lrev=9, latches=(PAUSE,)))
    state = holding(state, 101.0, answer("n1", epoch=2, lrev=1))
    assert state.control == Control(epoch=2, lrev=1)


def test_an_older_answer_does_not_take_a_latch_away() -> None:
    state = holding(beating("n1", "n2"), 102.0, answer("n2", lrev=2, latches=(PAUSE,)))
    state, heard = worker.answered(state, 102.0, answer("n1", lrev=1))
    assert not heard.accepted
    assert worker.latch_in_force(state) == PAUSE


def test_a_restarted_worker_ignores_the_overseer_that_was_replaced() -> None:
    durable = Control(epoch=3, lrev=1, latches=(PAUSE,))
    state = WorkerState(boot="b2", control=durable, durable=durable, timing=TIMING)
    state, _ = worker.beat(worker.connected(state), 100.0, "n1")
    state, heard = worker.answered(state, 101.0, answer("n1", epoch=2, lrev=8))
    assert heard.why == "older epoch"
    assert worker.latch_in_force(state) == PAUSE


# --- going back -------------------------------------------------------------------------------------------------------


def test_a_refusal_with_an_older_stored_seq_makes_the_worker_send_again() -> None:
    state, heard = worker.answered(beating("n1", head=9), 101.0, answer("n1", grant=False, stored=4))
    assert heard.went_back
    assert list(worker.rows_to_send(state)) == [5, 6, 7, 8, 9]


def test_it_goes_back_once_per_round_trip_however_long_that_is() -> None:
    state = beating("n1", "n2", "n3", head=9)
    state, first = worker.answered(state, 130.0, answer("n1", grant=False, stored=4))
    state = worker.rows_sent(state, 9)
    state, second = worker.answered(state, 131.0, answer("n2", grant=False, stored=4))
    state, _ = worker.beat(state, 132.0, "n4")
    state, third = worker.answered(state, 160.0, answer("n4", grant=False, stored=4))
    assert (first.went_back, second.went_back, third.went_back) == (True, False, True)


def test_a_refusal_from_before_the_connection_says_nothing_about_the_rows_sent_on_it() -> None:
    state = worker.connected(beating("n1", head=9))
    state = worker.rows_sent(state, 9)
    _, heard = worker.answered(state, 101.0, answer("n1", grant=False, stored=4))
    assert not heard.went_back


# --- acknowledgements -------------------------------------------------------------------------------------------------


def test_a_state_is_acknowledged_only_once_it_is_on_disk() -> None:
    state, heard = worker.answered(beating("n1"), 101.0, answer("n1", latches=(PAUSE,)))
    assert heard.sync is not None
    assert worker.ack(state) is None
    assert worker.latch_in_force(state) == PAUSE, "it holds before it is on disk"
    said = worker.ack(worker.synced(state, heard.sync))
    assert said is not None
    assert (said.epoch, said.lrev, said.nonce) == (1, 1, "n1")


def test_a_state_on_disk_says_nothing_about_a_newer_one() -> None:
    state, first = worker.answered(beating("n1", "n2"), 102.0, answer("n1", lrev=1))
    state, second = worker.answered(state, 102.0, answer("n2", lrev=2, latches=(PAUSE,)))
    assert first.sync is not None
    assert second.sync is not None
    assert worker.ack(worker.synced(state, first.sync)) is None


def test_a_latch_that_changed_under_the_same_revision_is_synced_too() -> None:
    state = holding(beating("n1", "n2"), 102.0, answer("n1"))
    _, heard = worker.answered(state, 102.0, answer("n2", latches=(PAUSE,)))
    assert heard.sync == Control(epoch=1, lrev=1, latches=(PAUSE,))


def test_acknowledgements_wait_while_a_launch_is_under_way() -> None:
    state = worker.launch_began(holding(beating("n1"), 101.0, answer("n1")))
    assert worker.ack(state) is None
    _, beat = worker.beat(state, 102.0, "n2")
    assert beat.ack is None
    said = worker.ack(worker.launch_over(state))
    assert said is not None
    assert said.running


def test_a_launch_under_way_is_dead_once_its_lease_has_ended() -> None:
    state = worker.launch_began(holding(beating("n1"), 101.0, answer("n1")))
    assert not worker.launch_dead(state, 119.9)
    assert worker.launch_dead(state, 120.0)
    assert not worker.launch_dead(worker.launch_over(state), 120.0)


def test_a_lease_that_comes_later_does_not_prolong_a_launch() -> None:
    state = worker.launch_began(holding(beating("n1", "n2"), 102.0, answer("n1")))
    state = holding(state, 102.0, answer("n2"))
    assert worker.launch_dead(state, 120.0)


# --- orders -----------------------------------------------------------------------------------------------------------


@given(st.integers(0, 3), st.integers(0, 9), st.integers(1, 12), st.integers(1, 4))
def test_orders_are_applied_once_and_in_sequence(own_epoch, last_n, n, epoch) -> None:
    state = WorkerState(boot="b", control=Control(epoch=own_epoch), last_n=last_n, timing=TIMING)
    step = worker.order_step(state, Order(epoch=epoch, n=n, run="", body=NudgeOrder(text="x")))
    if epoch < own_epoch:
        assert step is OrderStep.IGNORE
    elif n == last_n + 1:
        assert step is OrderStep.APPLY
        again = worker.order_step(
            worker.order_applied(state, n), Order(epoch=epoch, n=n, run="", body=NudgeOrder(text="x"))
        )
        assert again is OrderStep.ACKNOWLEDGE
    else:
        assert step is (OrderStep.ACKNOWLEDGE if n <= last_n else OrderStep.IGNORE)


# --- the gate ---------------------------------------------------------------------------------------------------------


def leased(*, known: int = 10, latches=()) -> WorkerState:
    return holding(beating("n1", head=10), 101.0, answer("n1", stored=known, latches=latches))


@pytest.mark.parametrize("impact", [one for one in Impact if one is not Impact.READ])
def test_a_call_above_read_waits_until_its_own_intent_is_processed(impact: Impact) -> None:
    wait = worker.may_start(leased(known=9), 101.0, impact, 10, ())
    assert wait is not None
    assert wait.by == "processing"
    assert worker.may_start(leased(known=10), 101.0, impact, 10, ()) is None


def test_reads_run_at_most_max_ahead_of_what_is_processed() -> None:
    assert worker.may_start(leased(known=5), 101.0, Impact.READ, 10, (5, 7)) is None
    wait = worker.may_start(leased(known=5), 101.0, Impact.READ, 10, (5, 7, 9))
    assert wait is not None
    assert wait.by == "ahead"


@pytest.mark.parametrize("impact", list(Impact))
def test_nothing_starts_under_a_latch_without_a_lease_or_after_its_end(impact: Impact) -> None:
    assert worker.may_start(leased(), 119.9, impact, 10, ()) is None
    paused = worker.may_start(leased(latches=(PAUSE,)), 101.0, impact, 10, ())
    ended = worker.may_start(leased(), 120.0, impact, 10, ())
    none = worker.may_start(beating("n1", head=10), 101.0, impact, 10, ())
    assert [one.by if one is not None else "" for one in (paused, ended, none)] == ["latch", "lease", "lease"]


def test_the_second_look_sees_a_latch_and_the_end_of_the_lease() -> None:
    assert worker.second_look(leased(), 101.0) is None
    assert worker.second_look(leased(latches=(PAUSE,)), 101.0) is not None
    assert worker.second_look(leased(), 120.0) is not None


def test_shadow_mode_needs_no_lease_but_keeps_an_operators_pause() -> None:
    state = replace(WorkerState(boot="b", timing=TIMING), mode=Mode.SHADOW)
    assert worker.may_start(state, 101.0, Impact.DESTRUCTIVE, 10, ()) is None
    policy = replace(state, control=Control(epoch=1, latches=(PAUSE,)))
    person = replace(state, control=Control(epoch=1, latches=(replace(PAUSE, shadow_too=True),)))
    assert worker.may_start(policy, 101.0, Impact.WRITE, 10, ()) is None
    assert worker.may_start(person, 101.0, Impact.WRITE, 10, ()) is not None


# --- beats ------------------------------------------------------------------------------------------------------------


def test_a_link_is_given_up_after_two_beats_without_an_answer() -> None:
    state = beating(at=100.0)
    for n in range(3):
        assert not worker.needs_new_connection(state)
        state, _ = worker.beat(state, 100.0 + n * TIMING.beat_s, f"n{n}")
    assert worker.needs_new_connection(state)
    assert not worker.needs_new_connection(holding(state, 111.0, answer("n0")))


def test_quick_beats_do_not_make_a_slow_link_a_dead_one() -> None:
    assert not worker.needs_new_connection(beating(*(f"n{n}" for n in range(9))))


def test_beats_are_slow_with_a_lease_faster_without_and_fastest_while_a_call_waits() -> None:
    with_lease = leased()
    assert worker.next_beat_in(with_lease, 101.0, waiting=False) == TIMING.beat_s
    assert worker.next_beat_in(with_lease, 120.0, waiting=False) == TIMING.holding_beat_s
    assert worker.next_beat_in(beating("n1"), waiting=False) == TIMING.holding_beat_s
    assert worker.next_beat_in(with_lease, 101.0, waiting=True) == TIMING.fast_beat_s


def test_beats_that_get_no_answer_slow_down_so_that_none_is_forgotten_within_ttl() -> None:
    state, now, sent = leased(), 200.0, []
    while now < 200.0 + TIMING.ttl_s:
        state, _ = worker.beat(state, now, f"m{now}")
        sent.append(f"m{now}")
        now += worker.next_beat_in(state, now, waiting=True)
    assert {name for name, _ in state.nonces} >= set(sent)
