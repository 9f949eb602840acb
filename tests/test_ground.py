"""Where the worker's trees stand: the place in the cgroup hierarchy, its name, and the limits of single commands."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from watchdogd.adapters import cgroup_home
from watchdogd.adapters.cgroup import CgroupTree
from watchdogd.adapters.cgroup_files import pids
from watchdogd.adapters.clock import SystemClock
from watchdogd.adapters.ground import Ground, name_of
from watchdogd.adapters.proctree import MARKER, ProcessTree, token_below
from watchdogd.adapters.sandbox import NoSandbox, choose
from watchdogd.core.errors import SandboxError
from watchdogd.core.proof import TreeState
from watchdogd.ports import SandboxProfile

CLOCK = SystemClock()
NAME = f"watchdogd-test-{os.getpid()}"


@pytest.fixture
def place() -> Iterator[Path]:
    try:
        found = cgroup_home.home(NAME)
    except SandboxError as why:
        pytest.skip(str(why))
    yield found
    for path in sorted(found.rglob("*/"), reverse=True):
        path.rmdir()
    cgroup_home.leave(found)


@pytest.fixture
def ground() -> Iterator[Ground]:
    made = Ground(NAME, now=CLOCK.boot)
    if made.why_none:
        pytest.skip(made.why_none)
    yield made
    made.close()


# --- the place --------------------------------------------------------------------------------------------------------

MOVES = """
import sys
from pathlib import Path
from watchdogd.adapters import cgroup_home
(Path(sys.argv[1]) / "cgroup.procs").write_text("0")
print(cgroup_home.home("ours"), cgroup_home.home("ours"), cgroup_home.own_cgroup(), sep="\\n", flush=True)
sys.stdin.readline()
cgroup_home.leave(cgroup_home.home("ours"))
"""


def test_in_a_cgroup_of_its_own_a_daemon_moves_aside_and_leaves_its_neighbours_where_they_are(place: Path) -> None:
    unit = place / "unit"
    unit.mkdir()
    neighbour = subprocess.Popen(["sleep", "1000"])
    (unit / "cgroup.procs").write_text(str(neighbour.pid))
    try:
        daemon = subprocess.Popen(
            [sys.executable, "-c", MOVES, unit], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        with daemon:
            assert daemon.stdin is not None
            assert daemon.stdout is not None
            said = [daemon.stdout.readline().strip() for _ in range(3)]
            assert said == [str(unit / "ours"), str(unit / "ours"), str(unit / "supervisor")]
            assert pids(unit) == [neighbour.pid]
            daemon.stdin.write("\n")
        assert daemon.returncode == 0
        assert [path.name for path in unit.iterdir() if path.is_dir()] == []
    finally:
        neighbour.kill()
        neighbour.wait()


@pytest.mark.parametrize(
    ("uid", "path"), [(0, "system.slice/x.service"), (1000, "user@1000.service/app.slice/x.scope")]
)
def test_what_belongs_to_a_service_manager_and_was_not_handed_over_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uid: int, path: str
) -> None:
    own = tmp_path / path
    own.mkdir(parents=True)
    (own / "cgroup.procs").write_text("")
    monkeypatch.setattr(cgroup_home, "own_cgroup", lambda: own)
    monkeypatch.setattr(cgroup_home, "SYSTEMD", tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    with pytest.raises(SandboxError, match="was not delegated"):
        cgroup_home.home("ours")
    assert [one.name for one in own.iterdir()] == ["cgroup.procs"]


def test_where_systemd_runs_its_v1_hierarchies_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroup_home, "SYSTEMD", tmp_path)
    assert cgroup_home.limiting_v1(NAME) == ()


def test_a_state_directory_has_one_name_for_ever_and_none_of_anothers(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    (tmp_path / "link").symlink_to("a")
    first = name_of(tmp_path / "a")
    (tmp_path / "a").rename(tmp_path / "moved")
    assert first == name_of(tmp_path / "moved")
    assert first != name_of(tmp_path / "b")


def test_two_daemons_in_one_cgroup_do_not_end_each_others_workers(ground: Ground) -> None:
    tree = ground.tree()
    with subprocess.Popen(tree.joining(["sleep", "1000"]), start_new_session=True) as worker:
        tree.add(worker.pid)
        other = Ground(f"{NAME}-other", now=CLOCK.boot)
        try:
            assert other.left() is None
            assert other.tree().kill().pids == ()
            assert other.left() is None
            assert worker.poll() is None
        finally:
            other.close()
            assert tree.kill().state is TreeState.EXITED


def test_nothing_of_it_is_left_in_the_hierarchies(ground: Ground) -> None:
    tree = ground.tree()
    places = [Path(one) for one in ground.tools(tree)]
    assert all(one.is_dir() for one in places)
    ground.close()
    assert not any(one.exists() for one in places)


# --- single commands --------------------------------------------------------------------------------------------------


def limiting(ground: Ground) -> list[Path]:
    """Where processes are limited; skips where the kernel has no such controller to offer."""
    places = [Path(one) for one in ground.tools(ground.tree())]
    if not any((one / "pids.max").exists() for one in places):
        pytest.skip("no controller that limits processes can be had here")
    return places


FORKS = """python3 -c '
import os, time
started = 0
for _ in range(40):
    try:
        if os.fork() == 0:
            time.sleep(1000)
    except OSError:
        break
    started += 1
print("started", started)
'"""


@pytest.mark.parametrize("contained", [True, False])
async def test_the_number_of_processes_is_limited_also_for_root(
    ground: Ground, tmp_path: Path, contained: bool
) -> None:
    if contained and shutil.which("bwrap") is None:
        pytest.skip("no bwrap here")
    places = limiting(ground)
    sandbox = await choose(CLOCK, cgroups=places) if contained else NoSandbox(CLOCK, cgroups=places)
    (tmp_path / "w").mkdir()
    for processes, all_of_them in ((200, True), (20, False)):
        profile = SandboxProfile(workspace=str(tmp_path / "w"), time_s=60, processes=processes)
        result = await sandbox.run(FORKS, profile, until_boot_s=CLOCK.boot() + 60, launched=lambda: None)
        assert ("started 40" in result.output) == all_of_them, result
    assert all(list(place.glob("call-*")) == [] for place in places)


async def test_memory_is_limited_for_all_processes_of_a_command_together(ground: Ground, tmp_path: Path) -> None:
    places = limiting(ground)
    if not any((one / name).exists() for one in places for name in ("memory.max", "memory.limit_in_bytes")):
        pytest.skip("no controller that limits memory can be had here")
    (tmp_path / "w").mkdir()
    code = "import time; x = bytearray(60 << 20); time.sleep(1); print('kept', flush=True)"
    command = f'for n in 1 2 3; do {sys.executable} -c "{code}" & done; wait'
    for most, all_of_them in ((400 << 20, True), (100 << 20, False)):
        profile = SandboxProfile(workspace=str(tmp_path / "w"), time_s=60, memory_bytes=most)
        sandbox = NoSandbox(CLOCK, cgroups=places)
        result = await sandbox.run(command, profile, until_boot_s=CLOCK.boot() + 60, launched=lambda: None)
        assert (result.output.splitlines().count("kept") == 3) == all_of_them, result


@pytest.mark.parametrize("contained", [True, False])
async def test_a_running_command_is_frozen_with_the_tree_and_stays_so_while_the_worker_thaws(
    ground: Ground, tmp_path: Path, contained: bool
) -> None:
    if contained and shutil.which("bwrap") is None:
        pytest.skip("no bwrap here")
    tree = ground.tree()
    assert isinstance(tree, CgroupTree)
    places = [Path(one) for one in ground.tools(tree)]
    sandbox = await choose(CLOCK, cgroups=places) if contained else NoSandbox(CLOCK, cgroups=places)
    (tmp_path / "w").mkdir()
    out = tmp_path / "w" / "out"
    done = tmp_path / "w" / "done"
    command = "while [ ! -e done ]; do printf . >> out; sleep 0.01; done"

    def size() -> int:
        return out.stat().st_size if out.exists() else 0

    profile = SandboxProfile(workspace=str(tmp_path / "w"), time_s=60)
    running = asyncio.create_task(sandbox.run(command, profile, until_boot_s=CLOCK.boot() + 60, launched=lambda: None))
    async with asyncio.timeout(60):
        while not size():
            await asyncio.sleep(0.01)
        proof = await asyncio.to_thread(tree.freeze)
        assert proof.state is TreeState.FROZEN
        held = size()
        tree.thaw_worker()
        await asyncio.sleep(0.1)
        assert size() == held
        tree.thaw()
        while size() == held:
            await asyncio.sleep(0.01)
        done.touch()
        assert (await running).exit_code == 0


# --- the marker -------------------------------------------------------------------------------------------------------


def test_a_token_below_a_tree_is_found_as_part_of_it_and_one_that_only_looks_so_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert token_below("n") == "n"
    monkeypatch.setenv(MARKER, "tree")
    tree = ProcessTree(now=time.monotonic, token="tree")
    for token, belongs in ((token_below("n"), True), ("tree", True), ("tree2", False), ("other", False)):
        with subprocess.Popen(["sleep", "1000"], env={MARKER: token, "PATH": os.environ["PATH"]}) as process:
            try:
                while not Path(f"/proc/{process.pid}/environ").read_bytes().startswith(MARKER.encode()):
                    time.sleep(0.01)
                assert (process.pid in tree.look().pids) == belongs, token
            finally:
                process.kill()
