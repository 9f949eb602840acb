"""The dead-man's switch: what resets it, what thaws, what never does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from watchdogd.core.lease import supervisor
from watchdogd.core.lease.messages import Timing
from watchdogd.core.lease.supervisor import Act, Decided, Standing, SupervisorState

TIMING = Timing()
RUNNING = SupervisorState(last_ack=100.0, overseer_epoch=3, timing=TIMING)
FREEZE = Decided(kind="freeze", by="ada", reason="look at it", at=0.0)
KILL = Decided(kind="kill", by="ada", reason="enough", at=0.0)


def frozen() -> SupervisorState:
    state, acts = supervisor.timed(RUNNING, 190.1)
    assert acts == (Act.FREEZE,)
    return state


def on_probation(now: float = 200.0) -> SupervisorState:
    state, acts = supervisor.ready(frozen(), now)
    assert acts == (Act.THAW_WORKER,)
    return state


def test_silence_of_acknowledged_leases_freezes_after_90_s() -> None:
    assert supervisor.timed(RUNNING, 190.0) == (RUNNING, ())
    assert frozen().standing is Standing.FROZEN
    assert supervisor.timed(frozen(), 900.0)[1] == (), "frozen once is enough"


@pytest.mark.parametrize(("epoch", "age_s"), [(2, 1.0), (4, 1.0), (3, 20.0), (3, 500.0), (3, -1.0)])
def test_a_report_of_another_epoch_or_of_an_old_lease_resets_nothing(epoch: int, age_s: float) -> None:
    assert supervisor.reported(RUNNING, 150.0, epoch, age_s) == (RUNNING, ())


def test_a_report_of_an_acknowledged_lease_restarts_the_clock() -> None:
    state, acts = supervisor.reported(RUNNING, 150.0, 3, 19.9)
    assert acts == ()
    assert supervisor.timed(state, 240.0)[1] == ()
    assert supervisor.timed(state, 240.1)[1] == (Act.FREEZE,)


def test_a_new_worker_gets_a_new_clock() -> None:
    assert supervisor.timed(supervisor.spawned(RUNNING, 180.0), 270.0)[1] == ()


def test_probation_thaws_the_worker_and_an_acknowledged_lease_the_tools() -> None:
    state = on_probation()
    assert state.tools_frozen
    state, acts = supervisor.reported(state, 210.0, 3, 1.0)
    assert acts == (Act.THAW_TOOLS,)
    assert (state.standing, state.tools_frozen) == (Standing.RUNNING, False)
    assert supervisor.timed(state, 299.0)[1] == ()


def test_a_failed_probation_freezes_again_and_the_next_waits_longer() -> None:
    state, now, waits = frozen(), 200.0, []
    for _ in range(4):
        state, acts = supervisor.ready(state, now)
        assert acts == (Act.THAW_WORKER,)
        assert supervisor.timed(state, now + 29.9)[1] == ()
        state, acts = supervisor.timed(state, now + 30)
        assert acts == (Act.FREEZE,)
        waits.append(state.retry_at - (now + 30))
        assert supervisor.ready(state, state.retry_at - 0.1)[1] == ()
        now = state.retry_at
    assert waits == [5, 10, 20, 40]


def test_the_pause_between_probations_is_bounded_and_starts_anew_after_success() -> None:
    state = replace(on_probation(), retry_s=supervisor.LAST_RETRY_S)
    failed, _ = supervisor.timed(state, 230.0)
    assert failed.retry_s == supervisor.LAST_RETRY_S
    good, _ = supervisor.reported(state, 210.0, 3, 1.0)
    assert good.retry_s == supervisor.FIRST_RETRY_S


def test_a_late_report_thaws_nothing_that_is_frozen() -> None:
    state, acts = supervisor.reported(frozen(), 200.0, 3, 1.0)
    assert acts == ()
    assert state.standing is Standing.FROZEN


@pytest.mark.parametrize(("what", "act"), [(FREEZE, Act.FREEZE), (KILL, Act.KILL)])
def test_under_a_decision_nothing_thaws_and_nothing_is_spawned(what: Decided, act: Act) -> None:
    state, acts = supervisor.decided(RUNNING, what)
    assert acts == (act,)
    assert not supervisor.may_spawn(state)
    assert supervisor.ready(state, 900.0)[1] == ()
    assert supervisor.reported(state, 150.0, 3, 1.0)[1] == ()
    assert supervisor.timed(state, 900.0)[1] == ()


def test_a_decision_during_probation_ends_it() -> None:
    state, _ = supervisor.decided(on_probation(), FREEZE)
    assert supervisor.reported(state, 201.0, 3, 1.0)[1] == ()
    assert state.standing is Standing.FROZEN


def test_a_kill_is_never_weakened_to_a_freeze() -> None:
    killed, _ = supervisor.decided(RUNNING, KILL)
    assert supervisor.decided(killed, FREEZE) == (killed, ())
    stronger, acts = supervisor.decided(supervisor.decided(RUNNING, FREEZE)[0], KILL)
    assert (stronger.decided, acts) == (KILL, (Act.KILL,))


def test_a_lifted_freeze_is_a_probation_a_lifted_kill_lets_spawn() -> None:
    state, acts = supervisor.lifted(supervisor.decided(RUNNING, FREEZE)[0], 300.0)
    assert (acts, state.standing, state.tools_frozen) == ((Act.THAW_WORKER,), Standing.PROBATION, True)
    state, acts = supervisor.lifted(supervisor.decided(RUNNING, KILL)[0], 300.0)
    assert (acts, supervisor.may_spawn(state)) == ((), True)
    assert supervisor.timed(state, 389.0)[1] == ()
