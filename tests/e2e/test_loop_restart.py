"""An overseer that is killed in the middle of a loop finds it at the same turn as one that was left alone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import records
from tests.e2e.daemon import SCENARIOS, Daemon, running
from watchdogd.app.detectors import detectors
from watchdogd.commands.recordings import Recording, recordings
from watchdogd.core.events import ToolFinished
from watchdogd.settings.load import load

MISSION = """[missions.loop]
goal = "Look at the steps."
budget_usd = 1.0"""
BEFORE, TURNS = 3, 2
"""Calls before the loop, and turns of it that are done when the overseer dies."""


@dataclass(frozen=True)
class Played:
    """What one overseer found, and where."""

    found: tuple[tuple[str, str, int], ...]
    """Rule, severity, and how many calls were finished by then."""
    epochs: int
    bank: str
    """Digest of the bank of the last fold."""
    replayed: tuple[tuple[str, str, int], ...]
    """The same by a replay of the worker's record."""
    expected_bank: str


def finished(daemon: Daemon) -> int:
    if not records.newest(daemon.record("worker")):
        return 0
    return sum(isinstance(one.body, ToolFinished) for one in records.events(daemon.record("worker")))


def findings(daemon: Daemon) -> list[dict[str, Any]]:
    if not records.newest(daemon.record("overseer")):
        return []
    bodies = [one["body"] for one in records.entries(daemon.record("overseer")) if one["kind"] == "finding"]
    return [one for one in bodies if one["channel"] == "progress" and one["severity"] != "ok"]


def played(root: Path, *, kill: bool) -> Played:
    with running(root, scenario=SCENARIOS / "loop.toml", mission=MISSION) as daemon:
        if kill:
            daemon.until("two turns of the loop", lambda: finished(daemon) >= BEFORE + TURNS)
            assert not findings(daemon)
            daemon.kill("overseer")
        daemon.until("the loop to be critical", lambda: any(one["severity"] == "crit" for one in findings(daemon)))
        daemon.stop()
        events = records.events(daemon.record("worker"))
        ends = [one.seq for one in events if isinstance(one.body, ToolFinished)]

        def turn(seq: int) -> int:
            return sum(end <= seq for end in ends)

        live = tuple((one["rule"], one["severity"], turn(one["evidence"][-1])) for one in findings(daemon))
        epochs = [one["epoch"] for one in records.entries(daemon.record("overseer")) if one["kind"] == "started"]
        fold = records.cells(daemon.record("overseer"), "fold")["fold"]
        bank = detectors(load(daemon.config, env={}).settings.detect)
        [run] = recordings([daemon.state])
        assert isinstance(run, Recording)
        state, again = bank.start(), []
        for event in run.events:
            state, new = bank.step(state, event)
            again += [one for one in new if one.channel.value == "progress" and one.severity.value != "ok"]
        replayed = tuple((one.rule, one.severity.value, turn(one.evidence[-1])) for one in again)
        return Played(live, len(epochs), fold["digest"], replayed[: len(live)], bank.digest)


@pytest.fixture(scope="module")
def both(tmp_path_factory) -> tuple[Played, Played]:
    """The undisturbed one, and the one whose overseer was killed; side by side."""
    with ThreadPoolExecutor(2) as pool:
        calm = pool.submit(played, tmp_path_factory.mktemp("calm") / "d", kill=False)
        killed = pool.submit(played, tmp_path_factory.mktemp("killed") / "d", kill=True)
        return calm.result(), killed.result()


@pytest.mark.timeout(600)
def test_a_loop_is_found_at_the_same_turn_after_a_kill_in_the_middle_of_it(both):
    calm, killed = both
    assert (calm.epochs, killed.epochs) == (1, 2)
    assert ("progress/identical-call", "warn", BEFORE + 4) in calm.found
    assert ("progress/identical-call", "crit", BEFORE + 6) in calm.found
    assert killed.found == calm.found


@pytest.mark.timeout(600)
def test_the_live_overseer_finds_what_a_replay_of_its_record_finds(both):
    for one in both:
        assert one.replayed == one.found
        assert one.bank == one.expected_bank
