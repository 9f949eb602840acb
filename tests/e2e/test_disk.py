"""A full disk: the worker holds, says so, and goes on when there is room, without doing anything twice."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import records
from tests.e2e.daemon import SCENARIOS, Daemon, running
from tests.e2e.viewer import Seen, Viewer
from watchdogd.wire.messages import ProcessReport, WorkerStatus

SIZE_MIB = 24


@pytest.fixture(scope="module")
def daemon(tmp_path_factory) -> Iterator[Daemon]:
    root = tmp_path_factory.mktemp("disk") / "d"
    state = root / "state"
    state.mkdir(parents=True)
    if os.geteuid() != 0:
        pytest.skip("not root: no small disk can be mounted")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MIB}m,mode=700", "watchdogd-test", str(state)],
        capture_output=True,
        check=False,
        text=True,
    )
    if mounted.returncode:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.strip()}")
    try:
        mission = '[missions.slow]\ngoal = "Write."\nbudget_usd = 1.0'
        with running(root, scenario=SCENARIOS / "slow.toml", mission=mission, trigger="request") as daemon:
            yield daemon
    finally:
        subprocess.run(["umount", "-l", str(state)], check=True, capture_output=True)


@pytest.fixture(scope="module")
def operator(daemon: Daemon) -> Viewer:
    return daemon.viewer()


def fill(state: Path) -> Path:
    """Takes all the room there is."""
    path = state / "filler"
    with path.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                continue
    return path


def starts(daemon: Daemon) -> int:
    return sum(1 for one in records.events(daemon.record("worker")) if one.body.kind == "tool_started")


def holds(one: Seen) -> WorkerStatus | None:
    status = one.payload
    return status if isinstance(status, WorkerStatus) and status.status == "holding" else None


def test_a_full_disk_holds_the_worker_which_says_so_and_goes_on_when_there_is_room(daemon, operator):
    assert operator.ask("run", "slow").status == "ok"
    for round_ in (1, 2):
        daemon.until("calls", lambda round_=round_: starts(daemon) > 5 * round_)
        since = operator.mark
        filler = fill(daemon.state)
        status = operator.wait("a worker that holds", holds, since=since)
        assert status.why
        before = starts(daemon)
        operator.wait("the worker's word that the record cannot be written", cannot_write, since=since)
        assert starts(daemon) == before
        if round_ == 2:  # one that starts into a full disk
            since = operator.mark
            daemon.kill("overseer")
            operator.wait("the word that nobody watches", nobody_watches, since=since)
            daemon.pid("overseer")
        filler.unlink()
        daemon.until("further calls", lambda before=before: starts(daemon) > before)
    found = records.events(daemon.record("worker"))
    assert any(one.body.kind == "held" and one.body.why == "disk" for one in found)


def nobody_watches(one: Seen) -> bool:
    return isinstance(one.payload, ProcessReport) and one.payload.overseer == "down"


def cannot_write(one: Seen) -> bool:
    status = holds(one)
    return status is not None and "cannot be written" in status.why


def test_nothing_was_lost_or_done_twice(daemon, operator):
    operator.event("run_finished")
    worker, overseer = daemon.record("worker"), daemon.record("overseer")
    daemon.until("every event to be stored", lambda: not records.stored_faults(worker, overseer))
    found = records.events(worker)
    assert records.repeat_faults(found) == []
    assert records.in_doubt(found) == {}
    assert (daemon.workspace / "log.txt").read_text().split() == [f"line-{number}" for number in range(1, 31)]
    assert records.chain_faults(worker) + records.chain_faults(overseer) == []
