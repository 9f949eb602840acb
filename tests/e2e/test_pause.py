"""A pause sticks: latched, then held, through the death of every process, until a listed person releases it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

import pytest

from tests.e2e import records
from tests.e2e.daemon import HAVE_CLIENTS, Daemon, running
from tests.e2e.viewer import Seen, Viewer
from watchdogd.core.events import Event
from watchdogd.core.lease.messages import Answer
from watchdogd.wire.messages import WorkerStatus

BEATS = 3
"""Leases in a row without a call prove that a running worker would have made one."""


@pytest.fixture(scope="module")
def daemon(tmp_path_factory) -> Iterator[Daemon]:
    with running(tmp_path_factory.mktemp("pause") / "d", trigger="request") as daemon:
        yield daemon


@pytest.fixture(scope="module")
def operator(daemon: Daemon) -> Viewer:
    return daemon.viewer()


def say_plainly(daemon: Daemon, user: str, text: str) -> None:
    """Plain text, as a button on a phone sends it: with ``mosquitto_pub`` where it is installed."""
    if not HAVE_CLIENTS:
        daemon.viewer(user).publish(f"control/request/{user}", text)
        return
    made = daemon.connection
    account, password = made.login(user)
    line = ["mosquitto_pub", "-h", made.host, "-p", str(made.port), "-u", account, "-P", password or "", "-q", "1"]
    topic = f"{made.topics.root}/control/request/{user}"
    subprocess.run([*line, "-t", topic, "-m", text], check=True, capture_output=True, timeout=30)


def starts(daemon: Daemon) -> list[Event]:
    return [one for one in records.events(daemon.record("worker")) if one.body.kind == "tool_started"]


def paused(one: Seen) -> WorkerStatus | None:
    status = one.payload
    return status if isinstance(status, WorkerStatus) and status.status == "paused" else None


def leases(viewer: Viewer, *, since: int, epoch: int = 0) -> None:
    """Waits until the worker was granted several leases, of a later epoch than ``epoch``."""
    for _ in range(BEATS):
        hit = viewer.wait(
            "a lease",
            lambda one: (
                one if isinstance(one.payload, Answer) and one.payload.grant and one.payload.epoch > epoch else None
            ),
            since=since,
        )
        since = viewer.seen.index(hit, since) + 1


def test_anybodys_pause_is_latched_then_held_and_no_call_starts_after_that(daemon, operator):
    bob = daemon.viewer("bob")
    assert operator.ask("run", "long-haul").status == "ok"
    operator.event("tool_started")
    since = bob.mark
    say_plainly(daemon, "bob", "pause lunch")

    def stage(name: str) -> Seen:
        found: Seen = bob.wait(
            name, lambda one: one if "/response/" in one.topic and one.payload.stage == name else None, since=since
        )
        return found

    latched, held = stage("latched"), stage("held")
    assert bob.seen.index(latched) < bob.seen.index(held)
    assert latched.payload.text.startswith("paused by bob: lunch")
    status = operator.wait("a paused worker", paused)
    assert [(one.name, one.by, one.reason) for one in status.latches] == [("operator/bob", "bob", "lunch")]
    leases(operator, since=operator.mark)
    assert held.message is not None
    assert [one.seq for one in starts(daemon) if (one.at or 0) > held.message.at] == []


def test_an_unlisted_person_cannot_release_what_it_paused(daemon):
    bob = daemon.viewer("bob")
    answer = bob.ask("resume")
    assert answer.status == "rejected"
    assert "bob may not resume" in answer.text


@pytest.mark.parametrize("role", ["worker", "overseer", "broker", "supervisor"])
def test_the_pause_survives_the_death_of(daemon, operator, role):
    before = len(starts(daemon))
    since = operator.mark
    epoch = int(records.cells(daemon.record("overseer"))["epoch"])
    daemon.kill(role)
    if role == "supervisor":
        daemon.start()
        operator = daemon.viewer()
        since = 0
    status = operator.wait("a paused worker", paused, since=since) if role != "overseer" else None
    leases(operator, since=since, epoch=int(str(epoch)) if role in ("overseer", "supervisor") else 0)
    assert status is None or status.latches[0].name == "operator/bob"
    assert len(starts(daemon)) == before
    latest = operator.latest("state")
    assert latest is not None
    assert latest.payload.status == "paused"


def test_a_listed_person_releases_it_and_calls_run_again(daemon):
    operator = daemon.viewer()
    since = operator.mark
    say_plainly(daemon, "anna", "resume")
    operator.event("tool_finished", since=since)
    since = operator.mark
    latest = operator.wait("a running worker", lambda one: one.payload if one.topic == "state" else None, since=0)
    assert latest is not None


def test_status_says_the_health_with_its_exit_status(daemon):
    done = daemon.cli("status", "--json")
    said = json.loads(done.stdout)
    assert done.returncode == {"ok": 0, "warn": 1, "crit": 2, "unknown": 3}[said["health"]]
    assert said["topics"]["process"]["state"] == "running"


def test_told_to_end_it_ends_in_order_and_the_run_goes_on_with_the_next_start(daemon):
    assert daemon.stop() == 0
    assert daemon.left() == []
    before = starts(daemon)
    done = daemon.cli("status")
    assert done.returncode == 4, done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    daemon.start()
    daemon.until("further calls", lambda: len(starts(daemon)) > len(before) + 3)
    found = records.events(daemon.record("worker"))
    assert len([one for one in found if one.body.kind == "run_started"]) == 1
    assert records.repeat_faults(found) == []
    assert records.in_doubt(found[: before[-1].seq + 1]) == {}
