"""A budget that does not reach for another call: the run ends before it is made, with money left."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e import records
from tests.e2e.daemon import SCENARIOS, Daemon, running
from tests.e2e.viewer import Viewer
from watchdogd.core.events import ModelCalled

MISSION = """[missions.dear]
goal = "Write."
budget_usd = 0.025"""


@pytest.fixture
def daemon(tmp_path) -> Iterator[Daemon]:
    with running(tmp_path / "d", scenario=SCENARIOS / "dear.toml", mission=MISSION, trigger="request") as daemon:
        yield daemon


def test_the_run_ends_before_the_call_that_could_cost_more_than_is_left(daemon):
    operator: Viewer = daemon.viewer()
    assert operator.ask("run", "dear").status == "ok"
    finished = operator.event("run_finished").body
    assert (finished.outcome, finished.cost_usd) == ("budget", 0.022)
    assert "$0.0030 of $0.025 is left" in finished.reason
    calls = [one.body for one in records.events(daemon.record("worker")) if isinstance(one.body, ModelCalled)]
    assert [one.cost_usd for one in calls] == [0.022]
