"""A daemon as a child process: configured, started, watched, killed in parts, and always ended."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import psutil

from tests.e2e.viewer import WAIT_S, Late, Viewer
from watchdogd.adapters import broker_connection, broker_mosquitto
from watchdogd.adapters.broker import CONNECTION_FILE
from watchdogd.adapters.broker_connection import Connection
from watchdogd.sim import catalogue

T = TypeVar("T")
REPOSITORY = Path(__file__).parents[2]
SCENARIOS = Path(__file__).parent / "scenarios"
HAVE_MOSQUITTO = broker_mosquitto.found() is not None
HAVE_CLIENTS = all(shutil.which(name) for name in ("mosquitto_pub", "mosquitto_sub"))
HAVE_BWRAP = shutil.which("bwrap") is not None
QUICK = {"beat_s": 0.5, "ttl_s": 6.5, "order_resend_s": 1.0, "holding_beat_s": 0.5}
"""Timings a configuration may have (sanity._timing); they make tests quick, not the protocol different."""
CONFIG = """\
[agent]
site = "e2e"
name = "agent"
state_dir = "state"
workspace = "workspace"

[broker.operators]
operator = ["pause", "resume", "nudge", "rollback", "approve", "deny", "ack", "stop", "run", "level", "label"]
anna = ["resume", "nudge", "approve"]
bob = []

[worker]
provider = "scripted"
model = "claude-sonnet-5-5"
scenario = "scenario.toml"

{judge}

{policy}

[limits]
disk_floor_bytes = {floor}

{missions}
"""
NO_JUDGE = "[judge]\nenabled = false"
JUDGE = '[judge]\nprovider = "scripted"\nmodel = "claude-haiku-5-5"\nscenario = "scenario.toml"'


@dataclass(kw_only=True)
class Daemon:
    """One daemon in ``root``."""

    root: Path
    scenario: str | Path = "long-haul"
    """A shipped scenario by name, or a file of one's own (with a ``mission``)."""
    mission: str = ""
    policy: str = '[policy]\nbase = "assisted"'
    judge: str = NO_JUDGE
    trigger: str = "start"
    timing: Mapping[str, float] | None = field(default_factory=lambda: dict(QUICK))
    broker: str = "auto"
    floor: int = 0
    speed: float = 0.0
    env: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    viewers: list[Viewer] = field(default_factory=list)

    # --- files ---

    @property
    def state(self) -> Path:
        return self.root / "state"

    @property
    def workspace(self) -> Path:
        return self.root / "workspace"

    @property
    def config(self) -> Path:
        return self.root / "watchdogd.toml"

    def record(self, role: str) -> Path:
        return self.state / role / "record.db"

    def prepare(self) -> None:
        """Writes workspace, scenario and configuration."""
        self.root.mkdir(parents=True, exist_ok=True)
        (self.root / "tmp").mkdir()
        mission = self.mission
        if isinstance(self.scenario, str):
            source = catalogue.directory(self.scenario)
            shutil.copytree(source / "workspace", self.workspace)
            shutil.copy(source / "scenario.toml", self.root / "scenario.toml")
            mission = mission or (source / "mission.toml").read_text(encoding="utf-8")
        else:
            self.workspace.mkdir(exist_ok=True)
            shutil.copy(self.scenario, self.root / "scenario.toml")
        self.configure(mission=f'{mission.rstrip()}\ntrigger = "{self.trigger}"\n')

    def configure(self, *, policy: str | None = None, mission: str = "") -> None:
        """Writes the configuration, with another policy where one is given."""
        self.policy = self.policy if policy is None else policy
        self.mission = mission or self.mission
        text = CONFIG.format(judge=self.judge, policy=self.policy, floor=self.floor, missions=self.mission)
        self.config.write_text(text, encoding="utf-8")

    # --- life ---

    def start(self) -> None:
        """Starts it and waits until its worker has answered to its overseer."""
        command = [sys.executable, "-m", "tests.e2e.entry", "--config", str(self.config), "--broker", self.broker]
        command += ["--speed", str(self.speed)]
        if self.timing is not None:
            command += ["--timing", json.dumps(dict(self.timing))]
        if not HAVE_BWRAP or not HAVE_MOSQUITTO or self.broker == "amqtt":
            command += ["--scratch"]
        with (self.root / "supervisor.log").open("ab") as log:
            self.process = subprocess.Popen(
                command,
                cwd=REPOSITORY,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "TMPDIR": str(self.root / "tmp"), **self.env},
                start_new_session=True,
            )
        self.until(f"{self.state} to have a broker", self._is_up)

    def _is_up(self) -> bool:
        if self.process is None or self.process.poll() is not None:
            raise Late(f"the daemon ended by itself:\n{self.logs()}")
        with suppress(OSError):
            newest = (self.state / "broker" / CONNECTION_FILE).stat().st_mtime
            return newest >= psutil.Process(self.process.pid).create_time() and bool(self.pids("overseer"))
        return False

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(WAIT_S)
        except subprocess.TimeoutExpired:
            raise Late(f"SIGTERM did not end the daemon:\n{self.logs()}") from None

    def end(self) -> None:
        """Whatever happened: nothing of it is left."""
        for viewer in self.viewers:
            viewer.close()
        self.viewers.clear()
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for left in self.left():
            with suppress(psutil.NoSuchProcess):
                left.kill()

    # --- processes ---

    def all(self) -> list[psutil.Process]:
        """The supervisor and everything below it."""
        if self.process is None:
            return []
        try:
            me = psutil.Process(self.process.pid)
            return [me, *me.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def pids(self, role: str) -> list[int]:
        """Live process ids of ``supervisor``, ``worker``, ``overseer``, ``broker``, ``shim`` or ``server``."""
        if role == "supervisor":
            alive = self.process is not None and self.process.poll() is None
            return [self.process.pid] if alive and self.process is not None else []
        marks: dict[str, Sequence[str]] = {
            "worker": ("watchdogd.app", "worker"),
            "overseer": ("watchdogd.app", "overseer"),
            "shim": ("watchdogd.adapters.broker_shim",),
            "server": ("watchdogd.sim.messages_api",),
        }
        found = []
        for one in self.all():
            with suppress(psutil.Error):
                line = one.cmdline()
                if one.status() == psutil.STATUS_ZOMBIE:
                    continue
                if role == "broker":
                    name = Path(line[0]).name if line else ""
                    if name == "mosquitto" or line[1:3] == ["-m", "watchdogd.adapters.broker_amqtt"]:
                        found.append(one.pid)
                elif all(mark in line for mark in marks[role]):
                    found.append(one.pid)
        return found

    def pid(self, role: str) -> int:
        """The process id of ``role``, waited for."""
        return self.until(f"a {role}", lambda: next(iter(self.pids(role)), None))

    def signal(self, role: str, number: signal.Signals) -> int:
        """Signals ``role``; its process id."""
        pid = self.pid(role)
        os.kill(pid, number)
        return pid

    def kill(self, role: str) -> int:
        """kill -9; returns once that process is gone."""
        pid = self.signal(role, signal.SIGKILL)
        if role == "supervisor" and self.process is not None:
            self.process.wait()
        self.until(f"{role} {pid} to be gone", lambda: not psutil.pid_exists(pid) or _is_zombie(pid))
        return pid

    def left(self) -> list[psutil.Process]:
        """Every process on this machine that came from this daemon and is still there."""
        mark = f"{self.root}/"
        found = []
        for one in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                if one.pid == os.getpid() or one.status() == psutil.STATUS_ZOMBIE:
                    continue
                environ = one.environ().get("TMPDIR", "")
                if (
                    environ == f"{mark}tmp"
                    or any(mark in part for part in one.cmdline())
                    or f"{one.cwd()}/".startswith(mark)
                ):
                    found.append(one)
        return found

    # --- watching ---

    @property
    def connection(self) -> Connection:
        return broker_connection.load(self.state / "broker" / CONNECTION_FILE)

    def viewer(self, user: str = "operator") -> Viewer:
        """A new connection as ``user``."""
        made = Viewer(self.connection, user)
        self.viewers.append(made)
        return made

    def until(self, what: str, test: Callable[[], T | None], deadline_s: float = WAIT_S) -> T:
        """What ``test`` says, once that is something."""
        until = time.monotonic() + deadline_s
        while True:
            hit = test()
            if hit is not None and hit is not False:
                return hit
            if time.monotonic() > until:
                raise Late(f"waited {deadline_s:.0f} s for {what}\n{self.logs()}")
            time.sleep(0.03)

    def logs(self) -> str:
        """The end of everything it wrote."""
        found = []
        for path in (
            self.root / "supervisor.log",
            self.state / "logs" / "roles.log",
            *self.state.glob("broker/*/*.log"),
        ):
            with suppress(OSError):
                found.append(f"--- {path.name}\n{path.read_text(errors='replace')[-3_000:]}")
        return "\n".join(found)

    def cli(self, *arguments: str, user: str = "") -> subprocess.CompletedProcess[str]:
        """A command of the command line against this daemon."""
        line = [sys.executable, "-m", "watchdogd", *arguments, "--state-dir", str(self.state)]
        line += ["--user", user] if user else []
        return subprocess.run(line, cwd=REPOSITORY, capture_output=True, text=True, timeout=WAIT_S, check=False)


def _is_zombie(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


@contextmanager
def running(root: Path, **settings: Any) -> Iterator[Daemon]:
    """A prepared, started daemon; ended whatever happens, its logs printed when something did."""
    daemon = Daemon(root=root, **settings)
    daemon.prepare()
    try:
        daemon.start()
        yield daemon
    except BaseException:
        print(daemon.logs())
        raise
    finally:
        daemon.end()
