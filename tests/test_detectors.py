"""The bank as it is assembled for the daemon and the commands, over what a configuration declares."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import cast

import pytest

from tests.protocol.inmemory import PATIENCE_S, Clock, Diary, Untouched
from watchdogd.app.detectors import detectors
from watchdogd.commands.rules_in_force import in_force
from watchdogd.core.detect.bank import Thresholds, bank
from watchdogd.core.detect.safety_thresholds import Safety
from watchdogd.core.events import Body, Event, RunFinished, RunStarted, Text, ToolFinished, ToolIntended
from watchdogd.core.health import Severity
from watchdogd.core.lifecycle import Run
from watchdogd.ports import Schedule
from watchdogd.settings.bounds import denied_paths, job
from watchdogd.settings.load import load
from watchdogd.sim.record import MemoryDisk
from watchdogd.worker.checkpoints import Checkpoints
from watchdogd.worker.journal import Journal
from watchdogd.worker.missions import Missions
from watchdogd.worker.preview import Rehearsals
from watchdogd.worker.run import Runner

TOKEN = "xoxb-" + "-".join(("123456789012", "123456789012", "abcdEFGHijklMNOPqrstUVWX"))
METRIC = '[missions.train.metric]\nname = "accuracy"\ntool = "shell"\n'


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "work").mkdir()
    path = tmp_path / "watchdogd.toml"
    path.write_text(
        f'[agent]\nworkspace = "{tmp_path}/work"\nstate_dir = "{tmp_path}/state"\n[judge]\nenabled = false\n'
        "[tools]\nhosts = ['pypi.example']\n"
        "[missions.train]\ngoal = 'train the model'\nbudget_tokens = 1000\nhosts = ['data.example']\n"
    )
    return path


class Idle:
    """A runner whose runs are over at once."""

    draining = False
    run_now: Run | None = None

    async def carry_out(self, run: Run) -> RunFinished:
        """Nothing to do."""
        return RunFinished(outcome="done")


class Untaken:
    """No checkpoints, and no rollback."""

    due = False

    async def ready(self, ending: object = None) -> None:
        """Nothing was interrupted."""

    async def discard(self) -> None:
        """No copy either."""


async def started(config: Path) -> RunStarted:
    """What the worker records when it begins the configured mission."""
    settings = load(config, env={}).settings
    record, clock = Diary(MemoryDisk()), Clock()
    record.claim()
    journal = Journal(record, Untouched(), Untouched(), clock, "b1")
    missions = Missions(
        missions={one.name: job(one, settings.tools.hosts) for one in settings.missions},
        triggers=(),
        runner=cast("Runner", Idle()),
        record=record,
        journal=journal,
        schedule=cast("Schedule", None),
        clock=clock,
        checkpoints=cast("Checkpoints", Untaken()),
        rehearsals=cast("Rehearsals", Untaken()),
        workspace="/w",
        daemon_boot="d1",
        denied_paths=denied_paths(settings),
    )
    missions.request("train", "start")
    living = asyncio.get_running_loop().create_task(missions.run())
    async with asyncio.timeout(PATIENCE_S):
        while missions.last is None:
            await asyncio.sleep(0)
    living.cancel()
    with suppress(asyncio.CancelledError):
        await living
    return next(one for one in record.bodies() if isinstance(one, RunStarted))


async def findings(config: Path, tool: str) -> list[tuple[str, Severity]]:
    """What the assembled bank makes of twenty readings of ``tool`` that keep falling."""
    one = detectors(load(config, env={}).settings.detect)
    state, found = one.start(), []
    values = [0.80, 0.81, 0.79, 0.80, 0.81, 0.80, 0.79, 0.80, *(0.80 - 0.01 * step for step in range(1, 13))]
    bodies: list[Body] = [
        await started(config),
        *(ToolFinished(tool=tool, result=Text.of(f"epoch {n}, accuracy: {v}")) for n, v in enumerate(values)),
    ]
    for seq, body in enumerate(bodies, start=1):
        state, new = one.step(state, Event(seq=seq, body=body))
        found += [(each.rule, each.severity) for each in new]
    return found


async def test_a_declared_metric_that_gets_worse_raises_slow_drift(config):
    config.write_text(config.read_text() + METRIC)
    found = await findings(config, "shell")
    assert ("drift/metric", Severity.WARN) in found
    assert ("drift/metric", Severity.CRIT) in found


async def test_a_metric_is_read_from_its_tool_only(config):
    config.write_text(config.read_text() + METRIC)
    assert not [rule for rule, _ in await findings(config, "browse") if rule == "drift/metric"]


async def test_a_metric_that_is_better_when_lower_may_fall(config):
    config.write_text(config.read_text() + METRIC + 'better = "lower"\n')
    assert not [rule for rule, _ in await findings(config, "shell") if rule == "drift/metric"]


async def test_without_a_declared_metric_nothing_is_measured(config):
    assert not [rule for rule, _ in await findings(config, "shell") if rule == "drift/metric"]


async def test_hosts_that_every_mission_may_reach_join_the_missions_list(config):
    assert (await started(config)).hosts == ("data.example", "pypi.example")


async def test_a_mission_without_a_list_of_hosts_gets_none(config):
    config.write_text(config.read_text().replace("hosts = ['data.example']\n", ""))
    assert (await started(config)).hosts == ()


POLICY_DENIAL = '[[policy.denials]]\nkind = "path"\npattern = "{pattern}"\nreason = "kept"\n'


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("golden/**", "golden/a.csv"),
        ("*.lock", "deps/poetry.lock"),
        ("/w/golden/**", "golden/a.csv"),
        ("/srv/data", "/srv/data/x"),
    ],
)
async def test_what_the_policy_denies_is_protected_in_the_eyes_of_the_bank(config, pattern, path):
    config.write_text(config.read_text() + "protect = ['raw']\n" + POLICY_DENIAL.format(pattern=pattern))
    begun = await started(config)
    assert begun.protected == ("raw", pattern)
    for call in (
        ToolIntended(call="c", tool="edit_file", args={"path": path}),
        ToolIntended(call="c", tool="shell", args={"command": f"echo > {path}"}),
    ):
        one = detectors()
        state, _ = one.step(one.start(), Event(seq=1, body=begun))
        _, found = one.step(state, Event(seq=2, body=call))
        assert ("safety/protected-path", Severity.CRIT) in [(each.rule, each.severity) for each in found]


def shown(one, text):
    """Rules that speak when a tool shows ``text``."""
    _, found = one.step(one.start(), Event(seq=1, body=ToolFinished(tool="sh", result=Text.of(text))))
    return [each.rule for each in found]


def test_the_shapes_of_the_kept_library_are_part_of_the_bank():
    assert shown(detectors(), f"see {TOKEN}") == ["safety/secret-shown"]
    assert shown(bank(), f"see {TOKEN}") == []


def test_the_daemon_and_the_commands_have_one_bank(config):
    settings = load(config, env={}).settings
    assert in_force(config, None)[0].digest == in_force(None, None)[0].digest == detectors(settings.detect).digest


def test_the_digest_changes_with_a_shape_and_with_a_threshold():
    digests = {bank().digest, detectors().digest, detectors(Thresholds(safety=Safety(command_warn=0.5))).digest}
    assert len(digests) == 3
