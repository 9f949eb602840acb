"""Restarts: a pause that doubles, a budget, and forgiveness for what lived long."""

from __future__ import annotations

from watchdogd.core.restarts import Again, GiveUp, RestartBudget, Restarts, died

BUDGET = RestartBudget(most=3, window_s=100, first_pause_s=1, longest_pause_s=8, healthy_after_s=30)


def test_the_pause_doubles_up_to_its_limit_while_it_keeps_dying():
    seen, pauses = Restarts(), []
    for at in (0.0, 200.0, 400.0, 600.0, 800.0):
        seen, then = died(seen, BUDGET, started_at=at, now=at)
        pauses.append(then.pause_s)
    assert pauses == [1, 2, 4, 8, 8]


def test_a_process_that_lived_long_starts_with_the_first_pause_again():
    seen, _ = died(Restarts(), BUDGET, started_at=0, now=0)
    _, then = died(seen, BUDGET, started_at=200, now=240)
    assert then == Again(pause_s=1)


def test_too_many_deaths_in_the_window_are_given_up_with_a_reason():
    seen = Restarts()
    then: Again | GiveUp = Again(pause_s=0)
    for at in (0.0, 1.0, 2.0, 3.0):
        seen, then = died(seen, BUDGET, started_at=at, now=at)
    assert isinstance(then, GiveUp)
    assert then.pause_s == BUDGET.window_s
    assert "4 times" in then.reason
