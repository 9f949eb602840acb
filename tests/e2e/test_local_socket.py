"""Pause and stop without a broker: the daemon's local socket takes them too."""

from __future__ import annotations

from tests.e2e.daemon import running
from watchdogd.adapters.broker import CONNECTION_FILE


def test_pause_and_stop_work_when_the_broker_cannot_be_reached(tmp_path):
    with running(tmp_path / "d", scenario="long-haul", speed=1.0) as daemon:
        viewer = daemon.viewer()
        viewer.event("tool_finished")
        (daemon.state / "broker" / CONNECTION_FILE).rename(tmp_path / "elsewhere")
        mark = viewer.mark
        paused = daemon.cli("pause", "lunch")
        assert paused.returncode == 0, paused.stderr
        assert "local socket" in paused.stdout
        viewer.wait(
            "the worker to be paused",
            lambda one: one.topic == "state" and one.payload is not None and one.payload.status == "paused",
            since=mark,
        )
        stopped = daemon.cli("stop", "enough")
        assert stopped.returncode == 0, stopped.stderr
        finished = viewer.event("run_finished")
        assert finished.body.outcome == "stopped"
        assert daemon.cli("resume").returncode == 4
        (tmp_path / "elsewhere").rename(daemon.state / "broker" / CONNECTION_FILE)
