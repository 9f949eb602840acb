"""The shipped unit in a real systemd (tests/systemd/bed.sh boots one on a throw-away overlay of this machine)."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

T = TypeVar("T")
REPOSITORY = Path(__file__).parents[1]
UNITS = REPOSITORY / "systemd"
BED = REPOSITORY / "tests" / "systemd" / "bed.sh"
PYTHON = Path(f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}")
WAIT_S = 90.0
TOOLS_RAN = """
import json, sqlite3
db = sqlite3.connect("file:/var/lib/watchdogd/worker/record.db?mode=ro", uri=True)
bodies = [json.loads(row[0])["body"] for row in db.execute("SELECT body FROM rows")]
print(json.dumps([b for b in bodies if b["kind"] == "tool_finished" and b["tool"] == "shell"]))
"""


def _why_not() -> str:
    if os.geteuid() != 0:
        return "needs root: a systemd is booted in namespaces of its own"
    missing = [name for name in ("systemctl", "unshare", "nsenter", "useradd", "bwrap", "mosquitto") if not _has(name)]
    if missing or not Path("/lib/systemd/systemd").exists():
        return f"not installed here: {', '.join(missing) or 'systemd'}"
    if not PYTHON.exists():
        return f"no {PYTHON}: a Python in somebody's home is hidden by ProtectHome="
    return ""


def _has(name: str) -> bool:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is not None


@dataclass(frozen=True, slots=True)
class Machine:
    """A booted systemd with watchdogd installed."""

    env: dict[str, str]

    def run(self, *command: str) -> str:
        """Runs ``command`` inside; what it printed."""
        done = subprocess.run(
            [str(BED), "exec", *command], env=self.env, capture_output=True, text=True, timeout=WAIT_S, check=False
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}{self.journal()}"
        return done.stdout.strip()

    def journal(self) -> str:
        """The unit's journal."""
        command = [str(BED), "exec", "journalctl", "-u", "watchdogd", "--no-pager", "-n", "60"]
        return subprocess.run(command, env=self.env, capture_output=True, text=True, timeout=WAIT_S, check=False).stdout

    def show(self, what: str) -> str:
        """A property of the unit."""
        return self.run("systemctl", "show", "-P", what, "watchdogd")

    def until(self, what: str, true: Callable[[], bool]) -> None:
        """Waits until ``true``."""
        until = time.monotonic() + WAIT_S
        while not true():
            assert time.monotonic() < until, f"never: {what}\n{self.journal()}"
            time.sleep(0.2)  # between two looks at another machine

    def until_some(self, what: str, found: Callable[[], T | None]) -> T:
        """What ``found`` finds, once it does."""
        some: list[T] = []

        def looked() -> bool:
            one = found()
            some.extend([] if one is None else [one])
            return bool(some)

        self.until(what, looked)
        return some[0]

    def read(self, path: str) -> str:
        """A file's text, empty when it is not there."""
        return self.run("sh", "-c", f"cat {path} 2>/dev/null || true")


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    why = _why_not()
    if why:
        pytest.skip(why)
    place = tmp_path_factory.mktemp("bed")
    packages = Path(pytest.__file__).parents[1]
    shown = {
        packages: "/opt/bed/deps",
        REPOSITORY / "watchdogd": "/opt/bed/src/watchdogd",
        UNITS: "/opt/bed/units",
        BED.parent: "/opt/bed/test",
    }
    env = {
        "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin",
        "BED": str(place / "bed"),
        "BED_NAME": f"watchdogd-bed-{os.getpid()}",
        "BED_BIND": " ".join(f"{here}={there}" for here, there in shown.items()),
    }
    booted = subprocess.run([str(BED), "up"], env=env, capture_output=True, text=True, timeout=WAIT_S, check=False)
    try:
        if booted.returncode != 0:
            pytest.skip(f"no systemd can be booted here: {(booted.stderr or booted.stdout).strip()[-300:]}")
        found = Machine(env)
        found.run("sh", "/opt/bed/test/install.sh", str(PYTHON))
        yield found
    finally:
        subprocess.run([str(BED), "down"], env=env, capture_output=True, timeout=WAIT_S, check=False)


def test_systemd_has_nothing_to_say_against_the_units(machine: Machine) -> None:
    said = machine.run("sh", "-c", "systemd-analyze verify watchdogd.service watchdogd-notify@x.service 2>&1")
    assert "watchdogd" not in said


def test_it_says_when_it_is_ready_and_what_it_does(machine: Machine) -> None:
    assert machine.show("ActiveState") == "active"
    assert machine.show("User") == "watchdogd"
    machine.until("a status line", lambda: "waiting for people" in machine.show("StatusText"))


def test_the_credential_reaches_the_service(machine: Machine) -> None:
    assert machine.read("/var/lib/watchdogd/credential") == "not-a-key"


def test_the_agents_commands_run_in_bubblewrap_under_the_units_hardening(machine: Machine) -> None:
    def ran() -> list[dict[str, object]]:
        found: list[dict[str, object]] = json.loads(machine.run(str(PYTHON), "-c", TOOLS_RAN))
        return found

    machine.until("a command", lambda: bool(ran()))
    first = ran()[0]
    assert (first["outcome"], first["error_class"]) == ("ok", "")
    status = machine.run(
        "sh", "-c", "/opt/watchdogd/bin/watchdogd status --json --config /etc/watchdogd/watchdogd.toml || test $? -lt 4"
    )
    assert json.loads(status)["topics"]["state"]["sandbox"] == "bwrap"


ASKS_THE_SUPERVISOR = """
import asyncio, json, sys
from pathlib import Path
from watchdogd.adapters.local_socket import SOCKET, ask
print(json.dumps(asyncio.run(ask(Path("/var/lib/watchdogd") / SOCKET, sys.argv[1], "the test"))))
"""


def in_its_cgroup(machine: Machine, pid: str) -> str:
    """The cgroup of ``pid`` below the unit's own."""
    return machine.run("sh", "-c", f"sed -n 's/^0:://p' /proc/{pid}/cgroup").partition("/watchdogd.service/")[2]


def asked(machine: Machine, command: str) -> dict[str, Any]:
    """What the supervisor answers through its local socket."""
    found: dict[str, Any] = json.loads(machine.run("/opt/watchdogd/bin/python", "-c", ASKS_THE_SUPERVISOR, command))
    return found


def test_the_worker_is_frozen_by_a_cgroup_below_the_units_own_and_thawed_on_probation(machine: Machine) -> None:
    def ask(command: str) -> dict[str, Any]:
        return asked(machine, command)

    machine.until("a worker under an overseer", lambda: ask("status")["status"]["overseer"] == "up")
    status = ask("status")["status"]
    worker, overseer = str(status["worker_pid"]), str(status["overseer_pid"])
    assert in_its_cgroup(machine, machine.show("MainPID")) == "supervisor"
    assert in_its_cgroup(machine, overseer) == "supervisor"
    place = in_its_cgroup(machine, worker)
    assert re.fullmatch(r"watchdogd-[0-9a-f]+/worker/agent", place)
    events = f"/sys/fs/cgroup{machine.show('ControlGroup')}/{Path(place).parent}/cgroup.events"

    machine.run("kill", "-STOP", overseer)
    try:
        said = ask("pause")["text"]
        assert "the supervisor did it alone (freeze): frozen" in said
        assert "by cgroup" in said
        assert "partial" not in said
        assert "frozen 1" in machine.read(events)
        status = ask("status")["status"]
        assert (status["state"], status["decided"], status["proof"]["how"]) == ("frozen", "freeze", "cgroup")
    finally:
        machine.run("kill", "-CONT", overseer)
    machine.until("the overseer again", lambda: ask("status")["status"]["overseer"] == "up")
    assert "frozen 1" in machine.read(events)

    machine.run("/opt/watchdogd/bin/watchdogd", "resume", "--config", "/etc/watchdogd/watchdogd.toml")
    machine.until("a thawed worker", lambda: "frozen 0" in machine.read(events))
    machine.until("a lease", lambda: ask("status")["status"]["state"] == "running")
    assert str(ask("status")["status"]["worker_pid"]) == worker


def test_reload_takes_a_new_policy_and_an_invalid_one_is_refused(machine: Machine) -> None:
    config = "/etc/watchdogd/watchdogd.toml"
    machine.run("sed", "-i", 's/base = "assisted"/base = "nonsense"/', config)
    machine.run("systemctl", "reload", "watchdogd")
    machine.until("the refusal", lambda: "not reloaded" in machine.journal())
    machine.run("sed", "-i", 's/base = "nonsense"/base = "suggest"/', config)
    machine.run("systemctl", "reload", "watchdogd")
    machine.until("the new policy", lambda: "policy suggest" in machine.journal())
    assert machine.show("ActiveState") == "active"


def test_without_delegation_it_says_that_its_proofs_are_partial(machine: Machine) -> None:
    drop_in = "/etc/systemd/system/watchdogd.service.d/whole.conf"
    machine.run("sh", "-c", f"printf '[Service]\\nDelegate=no\\n' > {drop_in}")
    try:
        machine.run("sh", "-c", "systemctl daemon-reload && systemctl restart watchdogd")
        assert (
            "proven in part only: cgroup /sys/fs/cgroup/system.slice/watchdogd.service may not be" in machine.journal()
        )
        pid = machine.until_some("a worker", lambda: asked(machine, "status")["status"]["worker_pid"])
        assert in_its_cgroup(machine, str(pid)) == ""
    finally:
        machine.run("sh", "-c", f"rm {drop_in} && systemctl daemon-reload && systemctl restart watchdogd")


def test_a_daemon_that_hangs_is_restarted(machine: Machine) -> None:
    before = int(machine.show("NRestarts"))
    machine.run("kill", "-STOP", machine.show("MainPID"))
    machine.until("a restart", lambda: int(machine.show("NRestarts")) > before)
    machine.until("being back", lambda: machine.show("ActiveState") == "active")
    assert "Failed with result 'watchdog'" in machine.journal()


def test_stopping_leaves_nothing_and_is_no_failure(machine: Machine) -> None:
    machine.run("systemctl", "stop", "watchdogd")
    assert (machine.show("ActiveState"), machine.show("Result")) == ("inactive", "success")
    assert machine.run("sh", "-c", "pgrep -u watchdogd || true") == ""
    assert machine.read("/var/lib/watchdogd/told") == ""


def test_people_are_told_when_it_has_failed_for_good(machine: Machine) -> None:
    machine.run("mv", "/opt/watchdogd/bin/watchdogd", "/opt/watchdogd/bin/watchdogd.real")
    failing = '#!/bin/sh\n[ "$1" = run ] && exit 1\nexec /opt/watchdogd/bin/watchdogd.real "$@"\n'
    machine.run("sh", "-c", f"printf '%s' '{failing}' > /opt/watchdogd/bin/watchdogd; chmod 755 /opt/watchdogd/bin/*")
    machine.run("sh", "-c", "systemctl reset-failed watchdogd; systemctl start watchdogd || true")
    machine.until("the message", lambda: "watchdogd.service has failed" in machine.read("/var/lib/watchdogd/told"))
    assert machine.show("ActiveState") == "failed"
