"""kill -9 of every process at random moments of a long mission: three rounds here, thirty in ``make drill``."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.e2e.drill_kill import Round, planned, played

SEEDS = (11, 12, 13)


@pytest.fixture(scope="module")
def rounds() -> dict[int, Round]:
    """All rounds at once: each waits a good part of its time for processes to start again."""
    with ThreadPoolExecutor(len(SEEDS)) as pool:
        return dict(zip(SEEDS, pool.map(played, SEEDS), strict=True))


@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", SEEDS)
def test_no_promise_is_broken_by_killing_every_process_at_random_moments(rounds, seed):
    print(rounds[seed])
    assert rounds[seed].faults == []
    assert rounds[seed].outcome == "done"
    assert {role for role, _ in rounds[seed].kills} == {role for role, _, _ in planned(seed)}
