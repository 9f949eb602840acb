"""The complete example of docs/scenarios.md, taken from the page and run as it stands."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.daemon import HAVE_MOSQUITTO, REPOSITORY, Daemon
from tests.e2e.records import events
from watchdogd.core.events import ModelCalled, RunFinished

PAGE = (REPOSITORY / "docs" / "scenarios.md").read_text(encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What the page says to put there."""
    config, scenario = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)[:2]
    (tmp_path / "watchdogd.toml").write_text(config, encoding="utf-8")
    (tmp_path / "scenario.toml").write_text(scenario, encoding="utf-8")
    command = re.search(r"`(mkdir workspace && [^`]+)`", PAGE)
    assert command is not None
    subprocess.run(["/bin/sh", "-c", command[1]], cwd=tmp_path, check=True)
    return tmp_path


ENV = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
WATCHDOGD = (sys.executable, "-m", "watchdogd")


def typed(folder: Path, *words: str) -> str:
    """What a command of the page prints, typed in that folder."""
    done = subprocess.run([*WATCHDOGD, *words], cwd=folder, env=ENV, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextmanager
def running(folder: Path) -> Iterator[Daemon]:
    """``watchdogd run`` in that folder, its journal in ``supervisor.log``."""
    daemon = Daemon(root=folder)
    (folder / "tmp").mkdir()
    with (folder / "supervisor.log").open("wb") as log:
        daemon.process = subprocess.Popen(
            [*WATCHDOGD, "run"],
            cwd=folder,
            env={**ENV, "TMPDIR": str(folder / "tmp")},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        daemon.until("a summary", lambda: "mission: total" in (folder / "supervisor.log").read_text())
        daemon.until("an overseer", lambda: bool(daemon.pids("overseer")))
        yield daemon
        assert daemon.stop() == 0
    finally:
        daemon.end()


@pytest.mark.skipif(not HAVE_MOSQUITTO, reason="mosquitto is not installed")
@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("answer", "report", "last"), [("approve", "total: 60\n", "report.md."), ("deny", None, "The total is 60.")]
)
def test_the_example_runs_as_it_stands(folder: Path, answer: str, report: str | None, last: str) -> None:
    with running(folder) as daemon:
        typed(folder, "run-mission", "total")
        asked = daemon.until("its question", lambda: json.loads(typed(folder, "escalations")))
        assert asked[0]["headline"] == "may it create report.md (10 characters)?"
        assert "total: 60" in asked[0]["subject"]["shown"]
        typed(folder, answer, asked[0]["id"])
        daemon.until(
            "its end", lambda: any(isinstance(one.body, RunFinished) for one in events(daemon.record("worker")))
        )
        said = [one.body.text.head for one in events(daemon.record("worker")) if isinstance(one.body, ModelCalled)]
    written = folder / "workspace" / "report.md"
    assert (written.read_text() if written.exists() else None) == report
    assert said[1].startswith("They begin with 10.")
    assert said[-1].endswith(last)


ON_A_TERMINAL = """
import fcntl, sys, termios
fcntl.ioctl(2, termios.TIOCSCTTY)
from watchdogd.__main__ import main
sys.exit(main())
"""


@pytest.mark.skipif(not HAVE_MOSQUITTO, reason="mosquitto is not installed")
@pytest.mark.timeout(240)
def test_a_terminal_that_closes_ends_the_daemon_in_order_and_nothing_is_left(folder: Path) -> None:
    (folder / "tmp").mkdir()
    master, slave = pty.openpty()
    daemon = Daemon(root=folder)
    try:
        daemon.process = subprocess.Popen(
            [sys.executable, "-c", ON_A_TERMINAL, "run"],
            cwd=folder,
            env={**ENV, "TMPDIR": str(folder / "tmp")},
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        said = b""
        while b"Ctrl-C" not in said:
            said += os.read(master, 65536)
        assert b"total: when somebody asks" in said
        daemon.until("an overseer", lambda: bool(daemon.pids("overseer")))
        os.close(master)
        assert daemon.process.wait(60) == 0
        daemon.until("nothing to be left", lambda: not daemon.left())
    finally:
        daemon.end()
