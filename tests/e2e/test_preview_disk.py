"""A dry run that fills the disk on which the records lie: it ends, its copy makes room, and the worker goes on."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import records
from tests.e2e.daemon import HAVE_BWRAP, SCENARIOS, Daemon, running
from tests.workspaces import picture
from watchdogd.core.events import RunFinished

pytestmark = pytest.mark.skipif(not HAVE_BWRAP, reason="bubblewrap is not installed")

SIZE_MIB = 32
MISSION = '[missions.flood]\ngoal = "Write."\nbudget_usd = 1.0'


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A place for a daemon whose state lies on a small disk."""
    state = tmp_path / "d" / "state"
    state.mkdir(parents=True)
    if os.geteuid() != 0:
        pytest.skip("not root: no small disk can be mounted")
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MIB}m,mode=700", "watchdogd-test", str(state)]
    mounted = subprocess.run(mount, capture_output=True, check=False, text=True)
    if mounted.returncode:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.strip()}")
    try:
        yield tmp_path / "d"
    finally:
        subprocess.run(["umount", "-l", str(state)], check=True, capture_output=True)


def ended(daemon: Daemon) -> list[RunFinished]:
    found = records.events(daemon.record("worker"))
    return [one.body for one in found if isinstance(one.body, RunFinished)]


@pytest.mark.parametrize("floor", [0, 8 * 1024**2], ids=["no floor", "a floor"])
def test_a_dry_run_that_fills_the_disk_ends_and_gives_the_room_back(small, floor):
    mission, scenario = MISSION, SCENARIOS / "flood.toml"
    with running(small, scenario=scenario, mission=mission, trigger="request", floor=floor) as daemon:
        daemon.viewer().wait("a lease", lambda one: one.topic == "lease" and one.payload.grant)
        before = picture(daemon.workspace)
        done = daemon.cli("run-mission", "flood", "--dry-run")
        assert done.returncode == 1, done.stdout + done.stderr
        (finished,) = ended(daemon)
        assert finished.outcome == "failed"
        assert "disk" in finished.reason or "copy is gone" in finished.reason
        assert list((daemon.state / "checkpoints" / "previews").glob("*")) == []
        assert picture(daemon.workspace) == before
        free = os.statvfs(daemon.state)
        assert free.f_bavail * free.f_frsize > 16 * 1024**2
        again = daemon.viewer().ask("run", "flood", "--dry-run")
        assert again.status == "ok"
        daemon.until("another end", lambda: len(ended(daemon)) == 2)
