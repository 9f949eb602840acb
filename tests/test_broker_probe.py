"""The walls are looked at from outside before anybody relies on them."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.bus.worlds import HAVE_MOSQUITTO, PATIENCE_S, until_reachable
from watchdogd.adapters.broker import BrokerSpec, RunningBroker, start_broker
from watchdogd.adapters.broker_probe import attempts, probe_acl
from watchdogd.adapters.clock import SystemClock
from watchdogd.adapters.mqtt import MqttBus
from watchdogd.core.errors import BusDown
from watchdogd.core.ids import AgentRef, Role
from watchdogd.wire.topics import Topics

TOPICS = Topics(ref=AgentRef(site="lab", agent="a1"))
CLOCK = SystemClock()
needs_mosquitto = pytest.mark.skipif(not HAVE_MOSQUITTO, reason="mosquitto is not installed")


@asynccontextmanager
async def broker(directory: Path, kind: str = "mosquitto") -> AsyncIterator[RunningBroker]:
    spec = BrokerSpec(
        topics=TOPICS,
        state_dir=directory,
        operators=("anna",),
        kind="mosquitto" if kind == "mosquitto" else "amqtt",
        allow_amqtt=True,
    )
    async with start_broker(spec, clock=CLOCK) as running:
        yield running


async def weakened(running: RunningBroker, directory: Path, *, acl: str, strangers: bool = False) -> str | None:
    """What the probe says once mosquitto runs with a worse configuration."""
    child = running.child
    assert child is not None
    path = directory / "broker/acl"
    path.write_text(acl + "\n" + path.read_text())
    path = directory / "broker/mosquitto.conf"
    if strangers:
        path.write_text(path.read_text().replace("allow_anonymous false", "allow_anonymous true"))
    pid, starts = child.pid, child.starts
    os.kill(pid, signal.SIGTERM)
    while child.starts == starts or not child.pid:
        await CLOCK.sleep(0.01)
    await until_reachable(MqttBus(running.connection, "anna", clock=CLOCK))
    return await probe_acl(running.connection, clock=CLOCK, deadline_s=PATIENCE_S)


@pytest.mark.parametrize("kind", [pytest.param("mosquitto", marks=needs_mosquitto), "amqtt"])
async def test_the_walls_of_our_own_brokers_stand(tmp_path, kind):
    async with broker(tmp_path, kind) as running:
        assert await probe_acl(running.connection, clock=CLOCK, deadline_s=PATIENCE_S) is None


@needs_mosquitto
async def test_a_pattern_line_that_lets_the_worker_ask_is_found(tmp_path):
    async with broker(tmp_path) as running:
        said = await weakened(running, tmp_path, acl=f"pattern write {TOPICS.root}/control/request/%u")
        assert said is not None
        assert "'worker'" in said or "'supervisor'" in said
        assert "control/request/" in said


@needs_mosquitto
async def test_a_worker_that_could_grant_itself_a_lease_is_found(tmp_path):
    async with broker(tmp_path) as running:
        said = await weakened(running, tmp_path, acl=f"user worker\ntopic write {TOPICS.root}/lease\n")
        assert said is not None
        assert f"'worker' write to {TOPICS.root}/lease" in said


@needs_mosquitto
async def test_a_broker_that_lets_strangers_write_is_found(tmp_path):
    async with broker(tmp_path) as running:
        acl = f"topic write {TOPICS.root}/control/request/#\n"
        said = await weakened(running, tmp_path, acl=acl, strangers=True)
        assert said is not None
        assert "anybody without an account" in said


async def test_a_broker_that_cannot_be_asked_is_no_proof(tmp_path):
    async with broker(tmp_path, "amqtt") as running:
        made = running.connection
    with pytest.raises(BusDown):
        await probe_acl(made, clock=CLOCK, deadline_s=PATIENCE_S)


def test_each_account_is_tried_on_every_kind_of_topic_it_may_not_write():
    tried = list(attempts(TOPICS, ["supervisor", "worker", "overseer", "viewer", "anna"]))
    worker = {one.topic.removeprefix(TOPICS.root + "/") for one in tried if one.writer == "worker"}
    assert {"lease", "order", "health", "inbox", "verdict", "decision", "presence/overseer"} <= worker
    assert {"control/request/anna", "control/request/worker"} <= worker
    assert not {"beat", "state", "lease/ack", "order/ack", "presence/worker"} & worker
    nobody = {one.topic for one in tried if one.writer == ""}
    assert f"{TOPICS.root}/control/request/anna" in nobody
    assert not [one for one in tried if one.writer == Role.OVERSEER and "/control/request/" in one.topic]
