"""The lease protocol under faults: no promise is broken, and the faults really happened."""

from __future__ import annotations

import pytest

from tests.protocol.campaign import campaign
from tests.protocol.model import run

SCHEDULES = 300
pytestmark = pytest.mark.timeout(1800)  # simulated time is cheap, but this may run beside anything


def test_no_promise_breaks_in_300_random_schedules(capsys: pytest.CaptureFixture[str]) -> None:
    sums = campaign(range(SCHEDULES))
    with capsys.disabled():
        print(f"\nlease protocol: {sums.text()}")
    assert not sums.broken
    assert sums.counts["effects"] > 50 * SCHEDULES
    for rare in ("pauses held", "orders", "second looks that held", "fenced", "freezes", "thaws", "power losses"):
        assert sums.counts[rare] > SCHEDULES // 20, f"{rare} hardly ever happened: the schedules are too tame"


@pytest.mark.parametrize("kind", ["restarts", "distant"])
def test_an_overseer_away_for_less_than_a_minute_or_a_slow_link_freezes_nobody_for_long(kind: str) -> None:
    for seed in range(10_000, 10_006):
        assert run(seed, kind=kind).violations == ()


def test_a_schedule_is_the_same_every_time() -> None:
    assert run(7, 120.0) == run(7, 120.0)
