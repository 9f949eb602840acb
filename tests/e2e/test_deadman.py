"""The dead-man's switch with real processes: an overseer that stands still, a worker that does, what outlives both."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.e2e import records
from tests.e2e.daemon import Daemon, running
from tests.e2e.viewer import Seen, Viewer
from watchdogd.core.health import Channel, Severity
from watchdogd.wire.messages import ProcessReport, WorkerStatus

TIMING = {
    "beat_s": 0.5,
    "ttl_s": 3.0,
    "freeze_after_s": 6.0,
    "probation_s": 15.0,
    "order_resend_s": 1.0,
    "order_overdue_s": 5.0,
    "holding_beat_s": 0.5,
}
"""Much shorter than a configuration may have it; the order of events is the same."""


@pytest.fixture(scope="module")
def daemon(tmp_path_factory) -> Iterator[Daemon]:
    root = tmp_path_factory.mktemp("deadman") / "d"
    with running(root, timing=TIMING, trigger="request", speed=1.0) as daemon:
        yield daemon


@pytest.fixture(scope="module")
def operator(daemon: Daemon) -> Viewer:
    viewer = daemon.viewer()
    assert viewer.ask("run", "long-haul").status == "ok"
    viewer.event("tool_started")
    return viewer


def starts(daemon: Daemon) -> int:
    return sum(1 for one in records.events(daemon.record("worker")) if one.body.kind == "tool_started")


def process(viewer: Viewer, state: str, *, since: int) -> ProcessReport:
    def found(one: Seen) -> ProcessReport | None:
        return one.payload if isinstance(one.payload, ProcessReport) and one.payload.state == state else None

    return viewer.wait(f"process {state}", found, since=since)


def holds_without_lease(one: Seen) -> bool:
    status = one.payload
    return isinstance(status, WorkerStatus) and status.status == "holding" and "lease ended" in status.why


def unknown_on(channel: Channel) -> Callable[[Seen], bool]:
    return lambda one: one.topic == f"health/{channel}" and one.payload.health.severity is Severity.UNKNOWN


def stands_still(pid: int) -> bool:
    """As the kernel has it: stopped by a signal, or in a frozen cgroup."""
    return bool(psutil.Process(pid).status() == psutil.STATUS_STOPPED) or frozen_by_cgroup(pid)


def frozen_by_cgroup(pid: int) -> bool:
    lines = Path(f"/proc/{pid}/cgroup").read_text(encoding="ascii").splitlines()
    inside = next((line[3:] for line in lines if line.startswith("0::")), "")
    mounts = [line.split() for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()]
    tops = [Path(words[4]) for words in mounts if "cgroup2" in words]
    return any("frozen 1" in (top / inside.lstrip("/") / "cgroup.events").read_text() for top in tops)


def test_an_overseer_that_stands_still_holds_and_then_freezes_the_worker_and_its_return_thaws_it(daemon, operator):
    since, worker = operator.mark, daemon.pid("worker")
    overseer = daemon.signal("overseer", signal.SIGSTOP)
    operator.wait("a worker without a lease", holds_without_lease, since=since)
    frozen = process(operator, "frozen", since=since)
    assert frozen.proof is not None
    assert worker in frozen.proof.pids
    assert stands_still(worker), (frozen, psutil.Process(worker), operator.all("process", since=since))
    before = starts(daemon)
    os.kill(overseer, signal.SIGCONT)
    process(operator, "probation", since=since)
    daemon.until("further calls", lambda: starts(daemon) > before)
    assert daemon.pid("worker") == worker


def test_a_dead_overseers_health_is_overwritten_with_unknown(daemon, operator):
    since = operator.mark
    overseer = daemon.signal("overseer", signal.SIGSTOP)
    try:
        told = operator.wait(
            "health unknown",
            lambda one: one.message if one.topic == "health" and one.payload.severity is Severity.UNKNOWN else None,
            since=since,
        )
        assert told.source == "supervisor"
        for channel in Channel:
            operator.wait(f"{channel} unknown", unknown_on(channel), since=since)
        assert daemon.cli("status", "--json").returncode == 3
    finally:
        since = operator.mark
        os.kill(overseer, signal.SIGCONT)
    operator.wait("health again", lambda one: one.topic == "health" and one.message.source == "overseer", since=since)
    process(operator, "running", since=since)


def test_a_stop_that_a_frozen_worker_cannot_obey_becomes_a_kill_that_only_a_listed_person_lifts_for_good(
    daemon, operator
):
    since, worker = operator.mark, daemon.signal("worker", signal.SIGSTOP)
    bob = daemon.viewer("bob")
    assert bob.ask("stop", text="enough").status == "ok"
    stopped = process(operator, "stopped", since=since)
    assert stopped.decided == "kill"
    assert not psutil.pid_exists(worker) or psutil.Process(worker).status() == psutil.STATUS_ZOMBIE
    assert stopped.proof is not None
    assert stopped.proof.partial == (stopped.proof.how == "processes")

    daemon.kill("supervisor")
    daemon.start()
    again = daemon.viewer()
    said = again.wait("the process topic", lambda one: one.payload if one.topic == "process" else None)
    assert (said.state, said.decided) == ("stopped", "kill")
    again.wait("a lease or none", lambda one: one.topic == "health" and one.message.source == "overseer")
    assert daemon.pids("worker") == []
    assert daemon.viewer("bob").ask("resume").status == "rejected"
    assert daemon.pids("worker") == []

    daemon.signal("supervisor", signal.SIGSTOP)  # it will not hear that the decision is taken back
    assert daemon.viewer("anna").ask("resume").status == "ok"
    daemon.kill("supervisor")
    daemon.start()
    again, since = daemon.viewer(), 0
    process(again, "running", since=since)
    finished = again.event("run_finished", since=since)
    assert (finished.body.outcome, finished.body.reason) == ("stopped", "stopped by bob: enough")
    daemon.until("orders", lambda: not records.order_faults(daemon.record("worker"), daemon.record("overseer")))
