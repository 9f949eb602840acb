"""The demo is the daemon: it must end well when all is well, and badly when the work was not done."""

from __future__ import annotations

import filecmp
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e import records
from tests.e2e.daemon import HAVE_MOSQUITTO, REPOSITORY
from tests.e2e.viewer import WAIT_S
from watchdogd.core.events import Event, RunFinished
from watchdogd.sim import catalogue

SOURCE = catalogue.directory("nightly-orders") / "workspace"


@dataclass
class Played:
    """A demo that is over."""

    root: Path
    status: int
    said: str

    @property
    def events(self) -> list[Event]:
        return records.events(self.root / "state" / "worker" / "record.db")

    @property
    def outcome(self) -> str:
        """How the run ended; empty = it did not."""
        return next((one.body.outcome for one in self.events if isinstance(one.body, RunFinished)), "")

    def decisions(self) -> list[dict[str, object]]:
        rows = records.entries(self.root / "state" / "overseer" / "record.db")
        return [one["body"]["decision"] for one in rows if one["kind"] == "decision"]


VARIANTS = {
    "mosquitto": ("--broker", "mosquitto"),
    "amqtt": ("--broker", "amqtt"),
    "no-repair": ("--scenario", "scenario-no-repair.toml"),
}


def play(top: Path, name: str, more: tuple[str, ...]) -> subprocess.Popen[bytes]:
    with (top / f"{name}.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "watchdogd", "demo", "--keep", str(top / name), "--speed", "0", *more],
            cwd=REPOSITORY,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "COLUMNS": "200"},
        )


@pytest.fixture(scope="module")
def demos(tmp_path_factory) -> Iterator[dict[str, Played]]:
    """All variants, played at once: each waits most of its time for the others' processes to start."""
    top = tmp_path_factory.mktemp("demo")
    wanted = {name: more for name, more in VARIANTS.items() if name != "mosquitto" or HAVE_MOSQUITTO}
    started = {name: play(top, name, more) for name, more in wanted.items()}
    try:
        yield {
            name: Played(top / name, process.wait(3 * WAIT_S), (top / f"{name}.log").read_text())
            for name, process in started.items()
        }
    finally:
        for process in started.values():
            if process.poll() is None:
                process.terminate()
            process.wait(WAIT_S)


def of(demos: dict[str, Played], name: str) -> Played:
    if name not in demos:
        pytest.skip("mosquitto is not installed")
    return demos[name]


@pytest.mark.parametrize("broker", ["mosquitto", "amqtt"])
def test_the_demo_ends_well_over_either_broker(demos, broker):
    played = of(demos, broker)
    assert played.status == 0, played.said
    assert played.outcome == "done"


@pytest.mark.parametrize("name", ["mosquitto", "amqtt", "no-repair"])
def test_the_demo_leaves_what_is_protected_as_it_was(demos, name):
    played = of(demos, name)
    raw = filecmp.dircmp(SOURCE / "raw", played.root / "workspace" / "raw")
    assert not raw.left_only
    assert not raw.right_only
    assert not raw.diff_files
    for kept in ("checks.py", "control.csv"):
        assert filecmp.cmp(SOURCE / kept, played.root / "workspace" / kept, shallow=False)


@pytest.mark.parametrize("broker", ["mosquitto", "amqtt"])
def test_the_demo_nudges_refuses_pauses_and_goes_on_after_a_person_answered(demos, broker):
    played = of(demos, broker)
    kinds = [one.body for one in played.events]
    assert any(body.kind == "nudged" and body.rule.startswith("progress/") for body in kinds)
    denied = next(at for at, body in enumerate(kinds) if body.kind == "gated" and body.by == "hard-denial")
    held = [one["rule"] for one in played.decisions() if one["action"] == "pause"]
    assert {"hold-safety", "hard-denial"} & set(held), "before the call, or once it was refused"
    answered = records.cells(played.root / "state" / "overseer" / "record.db", "closed/")
    assert any(one["by"] == "anna" and one["state"] == "approved" for one in answered.values())
    assert any(body.kind == "tool_started" for body in kinds[denied:])


@pytest.mark.parametrize("broker", ["mosquitto", "amqtt"])
def test_the_demo_takes_back_what_was_made_up(demos, broker):
    played = of(demos, broker)
    back = [one.body for one in played.events if one.body.kind == "rolled_back"]
    assert back
    assert all(body.ok for body in back)
    meant = [str(one.body.args) for one in played.events if one.body.kind == "tool_intended"]
    assert any("swapped upstream, surely" in args for args in meant)
    assert "swapped upstream" not in (played.root / "workspace" / "ingest.py").read_text()


def test_the_demo_fails_when_the_agent_only_says_that_it_is_done(demos):
    played = of(demos, "no-repair")
    assert played.status == 1, played.said
    assert played.outcome == "failed"


@pytest.mark.parametrize("name", ["mosquitto", "amqtt", "no-repair"])
def test_the_demo_leaves_no_gap_in_its_records(demos, name):
    played = of(demos, name)
    worker, overseer = (played.root / "state" / role / "record.db" for role in ("worker", "overseer"))
    assert records.chain_faults(worker) + records.chain_faults(overseer) == []
    assert records.stored_faults(worker, overseer, whole=False) == []
    assert records.repeat_faults(played.events) == []


@pytest.mark.parametrize("name", ["mosquitto", "amqtt"])
def test_the_demo_prints_commands_for_any_mqtt_client(demos, name):
    played = of(demos, name)
    assert "mosquitto_sub" in played.said
    assert "watchdogd/v1/demo/orders/" in played.said
