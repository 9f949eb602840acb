"""What the service manager tells the daemon about itself reaches none of the processes that the daemon starts."""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from watchdogd.adapters import broker_mosquitto
from watchdogd.adapters.broker import BrokerSpec, start_broker
from watchdogd.adapters.children import Roles
from watchdogd.adapters.clock import SystemClock
from watchdogd.adapters.environment import SERVICE, kept
from watchdogd.adapters.ground import Ground
from watchdogd.adapters.sandbox import BubblewrapSandbox, NoSandbox
from watchdogd.adapters.scripted_server import scripted_server
from watchdogd.commands.notify import told
from watchdogd.core.errors import SandboxError
from watchdogd.core.ids import AgentRef, Role
from watchdogd.ports import SandboxProfile
from watchdogd.sim import catalogue
from watchdogd.wire.topics import Topics

PRIVATE = {"ANTHROPIC_API_KEY": "sk-nobody", "WATCHDOGD_JUDGE_API_KEY": "sk-nobody"}
CLOCK = SystemClock()
SHOWS = "import os, sys; sys.stdin.readline(); open({!r}, 'w').write('\\n'.join(os.environ))"


@pytest.fixture(autouse=True)
def service(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SERVICE:
        monkeypatch.setenv(name, "for the service alone")
    for name, value in PRIVATE.items():
        monkeypatch.setenv(name, value)


def test_what_would_let_a_child_speak_for_the_service_or_read_its_credentials_is_on_the_list() -> None:
    assert {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "CREDENTIALS_DIRECTORY"} <= SERVICE
    assert SERVICE.isdisjoint(kept(os.environ))


def names(pid: int) -> set[str]:
    words = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return {word.partition(b"=")[0].decode() for word in words if word}


def forbidden(found: set[str]) -> set[str]:
    assert "PATH" in found
    return found & (SERVICE | PRIVATE.keys())


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(
            "mosquitto", marks=pytest.mark.skipif(broker_mosquitto.found() is None, reason="no mosquitto here")
        ),
        "amqtt",
    ],
)
async def test_the_broker_and_its_shim(tmp_path: Path, kind: str) -> None:
    topics = Topics(ref=AgentRef(site="test", agent="a"))
    spec = BrokerSpec(topics=topics, state_dir=tmp_path, kind=kind, allow_amqtt=True)  # type: ignore[arg-type]
    async with start_broker(spec, clock=CLOCK) as running:
        assert running.child is not None
        assert forbidden(names(running.child.shim_pid)) == set()
        assert forbidden(names(running.child.pid)) == set()
        ours = os.getsid(0)
        assert os.getsid(running.child.shim_pid) == ours, "else it would be taken for an orphan of the worker's"


async def test_the_scripted_server() -> None:
    async with scripted_server(catalogue.directory("long-haul") / "scenario.toml"):
        children = []
        for one in psutil.Process().children():
            with suppress(psutil.ZombieProcess):  # of another test
                children += [one.pid] if "watchdogd.sim.messages_api" in one.cmdline() else []
        assert children
        assert all(forbidden(names(pid)) == set() for pid in children)
        assert {os.getsid(pid) for pid in children} == {os.getsid(0)}


@pytest.mark.parametrize("role", [Role.WORKER, Role.OVERSEER])
async def test_the_roles(tmp_path: Path, role: Role) -> None:
    def none(_: str) -> Path:
        raise SandboxError("none here")

    ground = Ground("watchdogd-test-environment", now=CLOCK.boot, home=none)
    roles = Roles(
        state_dir=tmp_path,
        clock=CLOCK,
        log=tmp_path / "log",
        ground=ground,
        program=(sys.executable, "-c", SHOWS.format(str(tmp_path / "shown"))),
    )
    child = await roles.spawn(role, {}, kept(os.environ))
    assert await child.wait() == 0, (tmp_path / "log").read_text()
    ground.close()
    assert forbidden(set((tmp_path / "shown").read_text().split())) == set()


@pytest.mark.parametrize("contained", [True, False])
async def test_the_workers_commands(tmp_path: Path, contained: bool) -> None:
    if contained and shutil.which("bwrap") is None:
        pytest.skip("no bwrap here")
    sandbox = BubblewrapSandbox(CLOCK) if contained else NoSandbox(CLOCK)
    (tmp_path / "w").mkdir()
    profile = SandboxProfile(workspace=str(tmp_path / "w"), time_s=60)
    result = await sandbox.run("env", profile, until_boot_s=CLOCK.boot() + 60, launched=lambda: None)
    assert result.exit_code == 0
    assert forbidden({line.partition("=")[0] for line in result.output.splitlines()}) == set()


def test_the_command_that_tells_people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":7")
    assert told(["/bin/sh", "-c", f"env > {tmp_path / 'env'}"], "hello", 30) == ""
    found = {line.partition("=")[0] for line in (tmp_path / "env").read_text().splitlines()}
    assert forbidden(found) == set()
    assert "DISPLAY" in found
