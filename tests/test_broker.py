"""A broker of ours: comes up, stays up, keeps people's commands valid, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.bus import samples
from tests.bus.worlds import HAVE_MOSQUITTO, PATIENCE_S, next_of, until, until_reachable
from watchdogd.adapters import broker_mosquitto
from watchdogd.adapters.broker import CONNECTION_FILE, BrokerSpec, RunningBroker, free_port, start_broker
from watchdogd.adapters.broker_child import BrokerChild
from watchdogd.adapters.broker_config import commands
from watchdogd.adapters.broker_connection import load
from watchdogd.adapters.clock import SystemClock
from watchdogd.adapters.mqtt import MqttBus, reachable
from watchdogd.core.errors import BusDown, ConfigError
from watchdogd.core.ids import AgentRef, Role
from watchdogd.wire.messages import Request
from watchdogd.wire.topics import Topics

TOPICS = Topics(ref=AgentRef(site="lab", agent="a1"))
CLOCK = SystemClock()
needs_mosquitto = pytest.mark.skipif(not HAVE_MOSQUITTO, reason="mosquitto is not installed")
KINDS = [pytest.param("mosquitto", marks=needs_mosquitto), "amqtt"]


def spec(directory: Path, kind: Any = "mosquitto", **rest: Any) -> BrokerSpec:
    return BrokerSpec(
        topics=TOPICS, state_dir=directory, operators=("anna",), kind=kind, allow_amqtt=kind == "amqtt", **rest
    )


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


def child_of(running: RunningBroker) -> BrokerChild:
    assert running.child is not None
    return running.child


def bus(running: RunningBroker, principal: Role | str = Role.WORKER) -> MqttBus:
    return MqttBus(running.connection, principal, clock=CLOCK, boot="b1")


@pytest.mark.parametrize("kind", KINDS)
async def test_a_broker_comes_up_with_its_connection_file_and_ends_with_its_block(tmp_path, kind):
    async with start_broker(spec(tmp_path, kind), clock=CLOCK) as running:
        assert load(tmp_path / CONNECTION_FILE) == running.connection
        assert sorted(running.connection.accounts) == ["anna", "overseer", "supervisor", "viewer", "worker"]
        pids = [child_of(running).pid, child_of(running).shim_pid]
        assert all(alive(pid) for pid in pids)
    assert not any(alive(pid) for pid in pids)


@pytest.mark.parametrize("kind", KINDS)
async def test_ports_and_passwords_people_noted_stay_valid(tmp_path, kind):
    async with start_broker(spec(tmp_path, kind), clock=CLOCK) as running:
        first = running.connection
    async with start_broker(replace(spec(tmp_path, kind), operators=("anna", "ben")), clock=CLOCK) as running:
        assert running.connection.port == first.port
        assert {name: running.connection.accounts[name] for name in first.accounts} == first.accounts
        assert "ben" in running.connection.accounts


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("victim", ["broker", "shim"])
async def test_a_killed_broker_comes_back_on_the_same_port(tmp_path, kind, victim):
    async with start_broker(spec(tmp_path, kind), clock=CLOCK) as running:
        child = child_of(running)
        before = (child.pid, child.shim_pid)
        os.kill(before[0] if victim == "broker" else before[1], signal.SIGKILL)
        await until(lambda: not alive(before[0]))
        await until(lambda: child.pid not in (0, before[0]))
        await until_reachable(bus(running))


@pytest.mark.parametrize("kind", KINDS)
async def test_nothing_is_left_when_the_daemon_is_killed(tmp_path, kind):
    script = f"""
import asyncio
from pathlib import Path
from typing import Any
from tests.test_broker import CLOCK, spec, start_broker
async def main():
    async with start_broker(spec(Path({str(tmp_path)!r}), {kind!r}), clock=CLOCK) as running:
        print(running.child.pid, running.child.shim_pid, flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""
    daemon = await asyncio.create_subprocess_exec(sys.executable, "-c", script, stdout=subprocess.PIPE)
    assert daemon.stdout is not None
    async with asyncio.timeout(PATIENCE_S):
        pids = [int(word) for word in (await daemon.stdout.readline()).split()]
    assert all(alive(pid) for pid in pids)
    daemon.kill()
    await daemon.wait()
    await until(lambda: not any(alive(pid) for pid in pids))


@needs_mosquitto
async def test_a_stopped_broker_ends_all_the_same(tmp_path):
    async with start_broker(spec(tmp_path), clock=CLOCK) as running:
        pid = child_of(running).pid
        os.kill(pid, signal.SIGSTOP)
    assert not alive(pid)


@pytest.mark.parametrize("kind", KINDS)
async def test_nobody_is_let_in_without_the_password(tmp_path, kind):
    async with start_broker(spec(tmp_path, kind), clock=CLOCK) as running:
        made = running.connection
        for accounts in ({}, {"worker": "wrong"}):
            wrong = replace(made, accounts=accounts)
            assert "uthori" in await reachable(wrong, Role.WORKER, clock=CLOCK, deadline_s=PATIENCE_S)


@needs_mosquitto
async def test_the_broker_listens_on_loopback_only(tmp_path):
    async with start_broker(spec(tmp_path), clock=CLOCK) as running:
        text = (tmp_path / "broker/mosquitto.conf").read_text()
        assert f"listener {running.connection.port} 127.0.0.1\n" in text
        assert "allow_anonymous false" in text


@needs_mosquitto
async def test_our_files_are_for_us_alone(tmp_path):
    async with start_broker(spec(tmp_path), clock=CLOCK) as running:
        for path in (tmp_path / "broker").iterdir():
            if path.name != "mosquitto.db":
                assert path.stat().st_mode & 0o077 == 0, path
        hashes = (tmp_path / "broker/passwords").read_text()
        assert not any(word in hashes for word in running.connection.accounts.values())


@needs_mosquitto
async def test_a_port_that_is_taken_is_said_and_nothing_is_left(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(BusDown, match="in use"):
            async with start_broker(spec(tmp_path, port=taken.getsockname()[1]), clock=CLOCK):
                pass


async def test_without_mosquitto_the_daemon_does_not_start(tmp_path, monkeypatch):
    monkeypatch.setattr(broker_mosquitto, "found", lambda name="mosquitto": None)
    for kind in ("auto", "mosquitto"):
        with pytest.raises(ConfigError, match="mosquitto"):
            async with start_broker(spec(tmp_path, kind), clock=CLOCK):
                pass


async def test_amqtt_comes_with_a_warning_and_only_where_it_is_allowed(tmp_path, monkeypatch):
    monkeypatch.setattr(broker_mosquitto, "found", lambda name="mosquitto": None)
    wanted = replace(spec(tmp_path, "auto"), allow_amqtt=True)
    async with start_broker(wanted, clock=CLOCK) as running:
        assert running.connection.kind == "amqtt"
        assert "lost" in running.warning
        assert not running.connection.durable


# --- a broker of one's own --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://localhost", "must be mqtt"),
        ("localhost:1883", "must be mqtt"),
        ("mqtt://", "must be mqtt"),
        ("mqtt://localhost:port", "not a number"),
        ("mqtt://me:secret@localhost", "passwords belong"),
        ("mqtt://broker.example", "another machine"),
        ("mqtt://10.0.0.5:1883", "another machine"),
        ("mqtt://localhost", "no password for"),
    ],
)
async def test_a_url_that_cannot_be_used_is_one_clear_problem(tmp_path, url, problem):
    with pytest.raises(ConfigError, match=problem) as why:
        async with start_broker(BrokerSpec(topics=TOPICS, state_dir=tmp_path, url=url), clock=CLOCK):
            pass
    assert "secret" not in str(why.value)


async def test_a_broker_nobody_answers_for_is_named(tmp_path):
    port = free_port()
    accounts = {role.value: "x" for role in Role}
    wanted = BrokerSpec(topics=TOPICS, state_dir=tmp_path, url=f"mqtt://127.0.0.1:{port}", accounts=accounts)
    with pytest.raises(BusDown, match=str(port)):
        async with start_broker(wanted, clock=CLOCK):
            pass


@pytest.mark.parametrize(("kind", "version"), [pytest.param("mosquitto", 5, marks=needs_mosquitto), ("amqtt", 4)])
async def test_the_newest_protocol_a_foreign_broker_speaks_is_used(tmp_path, kind, version):
    async with start_broker(spec(tmp_path / "theirs", kind), clock=CLOCK) as theirs:
        there = theirs.connection
        wanted = BrokerSpec(
            topics=TOPICS,
            state_dir=tmp_path / "ours",
            url=f"mqtt://127.0.0.1:{there.port}",
            accounts=there.accounts,
        )
        async with start_broker(wanted, clock=CLOCK) as running:
            assert running.child is None
            assert running.connection.version == version
            async with (
                bus(running, Role.OVERSEER).connect(persistent=True) as requests,
                bus(running, "anna").connect() as anna,
            ):
                await anna.send(samples.request())
                await next_of(requests, lambda one: one.message is not None)


@needs_mosquitto
@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
async def test_mqtts_verifies_the_brokers_certificate(tmp_path):
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    more = ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(cert)]
    subprocess.run([*make.split(), *more], check=True, capture_output=True)
    port, program = free_port(), broker_mosquitto.found()
    assert program is not None
    accounts = {role.value: "word" for role in Role}
    conf = broker_mosquitto.prepared(tmp_path / "tls", port, TOPICS, accounts | {"viewer": "v"}, ())[2]
    with Path(conf).open("a") as file:
        file.write(f"certfile {cert}\nkeyfile {key}\n")
    with (tmp_path / "log").open("w") as log:
        server = await asyncio.create_subprocess_exec(program, "-c", conf, stderr=log)
    try:
        await until(lambda: listening(port))
        wanted = BrokerSpec(
            topics=TOPICS,
            state_dir=tmp_path / "ours",
            url=f"mqtts://localhost:{port}",
            accounts=accounts,
            ca_file=str(cert),
        )
        async with start_broker(wanted, clock=CLOCK) as running, bus(running).connect() as link:
            await link.send(samples.event(1))
        with pytest.raises(BusDown, match="certificate"):
            async with start_broker(replace(wanted, ca_file=""), clock=CLOCK):
                pass
    finally:
        server.terminate()
        await server.wait()


def listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@needs_mosquitto
@pytest.mark.skipif(shutil.which("mosquitto_pub") is None, reason="mosquitto-clients are not installed")
async def test_the_printed_command_lines_work_as_they_stand(tmp_path):
    async with start_broker(spec(tmp_path), clock=CLOCK) as running:
        lines = commands(running.connection, TOPICS, "anna")
        async with bus(running, Role.OVERSEER).connect(persistent=True) as requests:
            (pause,) = [line for line in lines if line.endswith("-m pause")]
            told = await asyncio.create_subprocess_shell(pause)
            assert await told.wait() == 0
            (seen,) = await next_of(requests, lambda one: one.message is not None)
            assert seen.message is not None
            assert isinstance(seen.message.payload, Request)
            assert (seen.message.payload.command, seen.message.user) == ("pause", "anna")
        watch = await asyncio.create_subprocess_shell(f"exec {lines[0]} -C 1", stdout=subprocess.PIPE)
        assert watch.stdout is not None
        try:
            async with bus(running).connect(), asyncio.timeout(PATIENCE_S):
                line = await watch.stdout.readline()
            assert line.startswith(f"{TOPICS.root}/presence/".encode())
        finally:
            with suppress(ProcessLookupError):
                watch.kill()
            await watch.wait()
