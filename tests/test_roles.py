"""A worker's real processes, frozen, thawed and killed as the daemon does it: by cgroup, and by the process table."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tests.protocol.inmemory import Clock
from tests.test_proctree import FORK_BOMB, SLEEPS_UNINTERRUPTIBLY, TEN_CHILDREN, WRITES_A_BYTE_EVERY_MS
from watchdogd.adapters import cgroup_home
from watchdogd.adapters.cgroup import CgroupTree
from watchdogd.adapters.cgroup_files import pids as pids_in
from watchdogd.adapters.children import RoleProcess, Roles
from watchdogd.adapters.environment import kept
from watchdogd.adapters.ground import Ground
from watchdogd.adapters.proctable import adopted, look_at
from watchdogd.adapters.proctree import MARKER, ProcessTree, adopt_orphans
from watchdogd.core.errors import SandboxError
from watchdogd.core.ids import Role
from watchdogd.core.lease.messages import Timing
from watchdogd.core.lease.supervisor import Decided, Standing
from watchdogd.core.proof import TreeState
from watchdogd.ports import WorkerTree
from watchdogd.sim.record import MemoryDisk, MemoryRecord
from watchdogd.supervisor.deadman import LOOK_S, DeadMan

T = TypeVar("T")
PATIENCE_S = 60.0
SHORT_S = 0.5
PROGRAM = """
import json, sys
bundle = json.loads(sys.stdin.readline())
sys.argv = ["worker", *map(str, bundle.get("args", ()))]
exec(bundle["code"], {"__name__": "__main__", "tools": bundle.get("tool_cgroups", [])})
"""
"""A role that runs what its bundle holds."""
SLEEPS = "import time; time.sleep(1000)"
LONE = """
import os, sys, time
# Nothing of it leads back: own session, parent dead, no environment.
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execve(sys.executable, [sys.executable, "-c", sys.argv[1], sys.argv[2]], {})
    os._exit(0)
os.wait()
time.sleep(1000)
"""
RUNS_A_TOOL = """
import os, subprocess, sys, time
def join():
    for place in tools[:1]:
        os.mkdir(place + "/call-1")
        with open(place + "/call-1/cgroup.procs", "w") as procs:
            procs.write("0")
tool = subprocess.Popen([sys.executable, "-c", sys.argv[1], sys.argv[2]], preexec_fn=join)
exec(sys.argv[1].replace("sys.argv[1]", "sys.argv[3]"))
"""


def eventually(condition: Callable[[], T], what: str) -> T:
    until = time.monotonic() + PATIENCE_S
    while not (value := condition()):
        assert time.monotonic() < until, f"never: {what}"
        time.sleep(0.01)
    return value


def state_of(pid: int) -> str:
    seen = look_at(pid)
    return seen.state if seen else ""


def counted(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def stands_still(*files: Path) -> bool:
    before = [counted(file) for file in files]
    time.sleep(0.05)
    return [counted(file) for file in files] == before


def refused(_: str) -> Path:
    raise SandboxError("there is none in this test")


@dataclass
class Daemon:
    """What a supervisor has: roles, and the ground on which the worker's tree stands."""

    how: str
    state: Path
    timeout_s: float = PATIENCE_S
    started: list[RoleProcess] = field(default_factory=list)

    def __post_init__(self) -> None:
        home = cgroup_home.home if self.how == "cgroup" else refused
        self.ground = Ground(f"watchdogd-test-{os.getpid()}", now=time.monotonic, home=home, timeout_s=self.timeout_s)
        if self.how == "cgroup" and self.ground.why_none:
            pytest.skip(self.ground.why_none)
        self.roles = Roles(
            state_dir=self.state,
            clock=Clock(),
            log=self.state / "log",
            ground=self.ground,
            program=(sys.executable, "-c", PROGRAM),
        )

    async def start(self, code: str, *args: object, role: Role = Role.WORKER) -> RoleProcess:
        made = await self.roles.spawn(role, {"code": code, "args": [*map(str, args)]}, kept(os.environ))
        self.started.append(made)
        return made

    @property
    def partial(self) -> bool:
        return self.how == "processes"


@asynccontextmanager
async def running(how: str, state: Path, **options: Any) -> AsyncIterator[Daemon]:
    daemon = Daemon(how, state, **options)
    try:
        yield daemon
    finally:
        for one in daemon.started:
            eventually(lambda one=one: one.tree.kill().state is TreeState.EXITED, "a tree is gone")  # type: ignore[misc]
            await one.wait()
        daemon.ground.close()


@pytest.fixture(autouse=True)
def adopting() -> Iterator[None]:
    """As the supervisor does; undone, because orphans of other tests are none of ours."""
    adopt_orphans()
    yield
    ctypes.CDLL(None).prctl(36, 0, 0, 0, 0)
    for pid in adopted(0):
        with suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


@pytest.fixture(params=["cgroup", "processes"])
def how(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def daemon(how: str, tmp_path: Path) -> AsyncIterator[Daemon]:
    async with running(how, tmp_path) as made:
        yield made


# --- freeze and kill --------------------------------------------------------------------------------------------------


async def test_a_frozen_worker_stands_still_with_its_setsid_children(daemon: Daemon, tmp_path: Path) -> None:
    worker = await daemon.start(TEN_CHILDREN, WRITES_A_BYTE_EVERY_MS, tmp_path / "out")
    files = [tmp_path / f"out{n}" for n in range(10)]
    eventually(lambda: all(counted(file) for file in files), "children write")

    proof = worker.tree.freeze()

    assert (proof.state, proof.how, proof.partial) == (TreeState.FROZEN, daemon.how, daemon.partial)
    assert worker.pid in proof.pids
    assert len(proof.pids) == 11
    assert stands_still(*files)


async def test_an_orphan_with_nothing_that_leads_back_is_frozen_and_killed(daemon: Daemon, tmp_path: Path) -> None:
    worker = await daemon.start(LONE, WRITES_A_BYTE_EVERY_MS, tmp_path / "out")
    eventually(lambda: counted(tmp_path / "out"), "the orphan writes")

    proof = worker.tree.freeze()

    assert proof.state is TreeState.FROZEN
    assert len(proof.pids) == 2
    assert stands_still(tmp_path / "out")
    assert worker.tree.kill().state is TreeState.EXITED
    assert all(state_of(pid) in {"Z", "X", ""} for pid in proof.pids)


LEAVES_ALONE = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        with open(sys.argv[3], "w") as procs:
            procs.write("0")
        os.execve(sys.executable, [sys.executable, "-c", sys.argv[1], sys.argv[2]], {})
    os._exit(0)
os.wait()
time.sleep(1000)
"""


async def test_an_orphan_that_left_the_cgroup_is_brought_back_and_frozen(tmp_path: Path) -> None:
    async with running("cgroup", tmp_path) as daemon:
        elsewhere = cgroup_home.home(daemon.ground.name) / "elsewhere"
        elsewhere.mkdir()
        worker = await daemon.start(LEAVES_ALONE, WRITES_A_BYTE_EVERY_MS, tmp_path / "out", elsewhere / "cgroup.procs")
        eventually(lambda: counted(tmp_path / "out"), "it writes")
        assert worker.tree.look().partial

        proof = worker.tree.freeze()

        assert (proof.state, proof.partial, len(proof.pids)) == (TreeState.FROZEN, False, 2)
        assert stands_still(tmp_path / "out")
        elsewhere.rmdir()


async def test_what_else_the_supervisor_started_is_neither_frozen_nor_killed(daemon: Daemon, tmp_path: Path) -> None:
    worker = await daemon.start(SLEEPS)
    overseer = await daemon.start(WRITES_A_BYTE_EVERY_MS, tmp_path / "overseer", role=Role.OVERSEER)
    other = subprocess.Popen(
        [sys.executable, "-c", WRITES_A_BYTE_EVERY_MS, tmp_path / "other"], process_group=0, env=kept(os.environ)
    )
    try:
        files = (tmp_path / "overseer", tmp_path / "other")
        eventually(lambda: all(counted(file) for file in files), "both write")
        assert os.getpgid(overseer.pid) != os.getpgid(0), "a terminal's ^C would reach it before the supervisor decides"
        assert worker.tree.freeze().pids == (worker.pid,)
        before = [counted(file) for file in files]
        eventually(lambda: all(counted(file) > was for file, was in zip(files, before, strict=True)), "both go on")
        worker.tree.kill()
        assert other.poll() is None
        assert state_of(overseer.pid) not in {"", "Z"}
    finally:
        other.kill()
        other.wait()


async def test_a_growing_fork_bomb_is_frozen_and_killed(daemon: Daemon) -> None:
    worker = await daemon.start(FORK_BOMB, 150, "stays")
    eventually(lambda: len(worker.tree.look().pids) > 20, "bomb grows")

    proof = worker.tree.freeze()

    assert (proof.state, proof.partial) == (TreeState.FROZEN, daemon.partial)
    assert worker.tree.look().pids == proof.pids
    assert worker.tree.kill().state is TreeState.EXITED
    assert worker.tree.look().pids == ()


async def test_what_is_said_of_a_fork_bomb_that_leaves_and_comes_is_what_the_kernel_knows(tmp_path: Path) -> None:
    """Signals may lose that race. A cgroup around it all, unknown to the tree, tells whether the answer was true."""
    async with running("processes", tmp_path, timeout_s=SHORT_S) as daemon:
        try:
            place = cgroup_home.home(f"watchdogd-witness-{os.getpid()}")
        except SandboxError as why:
            pytest.skip(str(why))
        witness = CgroupTree(place / "bomb", now=time.monotonic, timeout_s=PATIENCE_S)
        witness.make()
        try:
            joins = f"open({str(place / 'bomb/agent/cgroup.procs')!r}, 'w').write('0')\n"
            worker = await daemon.start(joins + FORK_BOMB, 20, "leaves")
            eventually(lambda: len(witness.look().pids) > 10, "bomb grows")

            proof = worker.tree.freeze()

            assert proof.partial
            if proof.state is TreeState.FROZEN:
                assert {state_of(pid) for pid in pids_in(place / "bomb/agent")} == {"T"}
            else:
                assert proof.state is TreeState.UNPROVEN
            killed = worker.tree.kill()
            if killed.state is TreeState.EXITED:
                assert pids_in(place / "bomb/agent") == []
            else:
                assert killed.state is TreeState.UNPROVEN
        finally:
            witness.kill()
            witness.remove()
            cgroup_home.leave(place)


# --- uninterruptible sleep --------------------------------------------------------------------------------------------


async def test_a_process_that_waits_for_its_child_uninterruptibly(how: str, tmp_path: Path) -> None:
    """The freezer handles that one; a stop signal comes only when it wakes, and until then nobody says frozen."""
    os.mkfifo(tmp_path / "fifo")
    async with running(how, tmp_path, timeout_s=SHORT_S if how == "processes" else PATIENCE_S) as daemon:
        worker = await daemon.start(SLEEPS_UNINTERRUPTIBLY, tmp_path / "fifo")
        eventually(lambda: state_of(worker.pid) == "D", "the worker in D")

        proof = worker.tree.freeze()

        if how == "cgroup":
            assert proof.state is TreeState.FROZEN
        else:
            assert proof.state is TreeState.UNPROVEN
            assert f"pid {worker.pid} in uninterruptible sleep" in proof.checked
        assert worker.tree.kill().state is TreeState.EXITED


@pytest.fixture
def frozen_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system whose writers wait where no signal reaches them, until it is let go."""
    if os.geteuid() != 0:
        pytest.skip("needs root: a file system is mounted and frozen")
    image, point = tmp_path / "image", tmp_path / "disk"
    image.write_bytes(b"")
    os.truncate(image, 16 << 20)
    point.mkdir()
    for command in (["mkfs.ext4", "-q", str(image)], ["mount", "-o", "loop", str(image), str(point)]):
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError as why:
            pytest.skip(f"no file system can be made here: {why}")
        if done.returncode:
            pytest.skip(f"no file system can be made here: {done.stderr.strip()}")
    try:
        done = subprocess.run(["fsfreeze", "-f", point], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"a file system cannot be frozen here: {done.stderr.strip()}")
        yield point
    finally:
        subprocess.run(["fsfreeze", "-u", point], capture_output=True, check=False)
        eventually(lambda: subprocess.run(["umount", point], capture_output=True, check=False).returncode == 0, "gone")


WRITES_TO_DISK = """
import subprocess, sys
subprocess.Popen([sys.executable, "-c", "import sys; open(sys.argv[1], 'w')", sys.argv[1]]).wait()
"""


def stuck_in(disk: Path, tree: WorkerTree) -> int:
    """The process that waits for the frozen file system; any may be in D for a moment, reading its program."""

    def found() -> int:
        for pid in tree.look().pids:
            with suppress(OSError):
                if "rwsem" in Path(f"/proc/{pid}/wchan").read_text(encoding="ascii") and state_of(pid) == "D":
                    return pid
        return 0

    return eventually(found, f"somebody writes to {disk}")


async def test_a_process_stuck_in_the_disk_is_named_and_neither_frozen_nor_dead_until_it_is(
    how: str, tmp_path: Path, frozen_disk: Path
) -> None:
    async with running(how, tmp_path, timeout_s=SHORT_S) as daemon:
        worker = await daemon.start(WRITES_TO_DISK, frozen_disk / "x")
        stuck = stuck_in(frozen_disk, worker.tree)

        for proof in (worker.tree.freeze(), worker.tree.kill(), worker.tree.look()):
            assert proof.state in {TreeState.UNPROVEN, TreeState.RUNNING}, proof
            assert stuck in proof.pids
        killed = worker.tree.kill()
        assert killed.state is TreeState.UNPROVEN
        assert f"pid {stuck} in uninterruptible sleep" in killed.checked

        subprocess.run(["fsfreeze", "-u", frozen_disk], check=True)
        eventually(lambda: worker.tree.kill().state is TreeState.EXITED, "gone at last")
        assert state_of(stuck) in {"", "Z", "X"}


async def test_what_was_stuck_is_called_frozen_once_it_stands_still(
    how: str, tmp_path: Path, frozen_disk: Path
) -> None:
    async with running(how, tmp_path, timeout_s=SHORT_S) as daemon:
        clock = Clock()
        worker = await daemon.start(WRITES_TO_DISK, frozen_disk / "x")
        switch = dead_man(clock)
        switch.spawned(worker.tree)
        stuck_in(frozen_disk, worker.tree)
        await switch.decide(FREEZE)
        assert said(switch) is TreeState.UNPROVEN

        await switch.look()
        subprocess.run(["fsfreeze", "-u", frozen_disk], check=True)
        until = time.monotonic() + PATIENCE_S
        while said(switch) is not TreeState.FROZEN:
            assert time.monotonic() < until
            clock.passed_s += LOOK_S
            await switch.look()
        assert len(worker.tree.look().pids) == 2


# --- S1 to S3 ---------------------------------------------------------------------------------------------------------

TIMING = Timing()
FREEZE = Decided(kind="freeze", by="ada", reason="look", at=0.0)


def dead_man(clock: Clock) -> DeadMan:
    return DeadMan(
        record=MemoryRecord(MemoryDisk()),
        clock=clock,
        timing=TIMING,
        enforcing=lambda: True,
        on_change=lambda _: None,
    )


def said(switch: DeadMan) -> TreeState | None:
    return switch.proof.state if switch.proof is not None else None


async def test_a_frozen_worker_thaws_on_probation_and_its_tools_only_after_an_acknowledged_lease(
    daemon: Daemon, tmp_path: Path
) -> None:
    clock = Clock()
    switch = dead_man(clock)
    ours, tool = tmp_path / "worker", tmp_path / "tool"
    worker = await daemon.start(RUNS_A_TOOL, WRITES_A_BYTE_EVERY_MS, tool, ours)
    switch.spawned(worker.tree)
    switch.hello(1)
    eventually(lambda: counted(ours) and counted(tool), "both write")

    clock.passed_s += TIMING.freeze_after_s + 1
    await switch.timed()
    assert said(switch) is TreeState.FROZEN
    assert stands_still(ours, tool)

    for retry in range(2):
        await switch.ready()
        assert switch.state.standing is Standing.PROBATION
        before, held = counted(ours), counted(tool)
        eventually(lambda before=before: counted(ours) > before + 5, "the worker is on probation")  # type: ignore[misc]
        assert counted(tool) == held
        if retry:
            break
        clock.passed_s += TIMING.probation_s + 1
        await switch.timed()
        assert said(switch) is TreeState.FROZEN
        assert stands_still(ours, tool)
        await switch.ready()
        assert stands_still(ours, tool), "the next try has its time"
        clock.passed_s += 60

    await switch.reported(1, 0.5)
    eventually(lambda: counted(tool) > held, "the tool goes on")
    assert worker.tree.look().state is TreeState.RUNNING


async def test_no_thaw_under_a_decision(daemon: Daemon, tmp_path: Path) -> None:
    switch = dead_man(Clock())
    worker = await daemon.start(WRITES_A_BYTE_EVERY_MS, tmp_path / "out")
    switch.spawned(worker.tree)
    switch.hello(1)
    eventually(lambda: counted(tmp_path / "out"), "it writes")
    await switch.decide(FREEZE)
    await switch.ready()
    await switch.reported(1, 0.5)
    assert stands_still(tmp_path / "out")
    assert not switch.may_spawn


async def test_what_somebody_let_go_on_is_frozen_again(tmp_path: Path) -> None:
    async with running("processes", tmp_path) as daemon:
        clock = Clock()
        switch = dead_man(clock)
        worker = await daemon.start(WRITES_A_BYTE_EVERY_MS, tmp_path / "out")
        switch.spawned(worker.tree)
        eventually(lambda: counted(tmp_path / "out"), "it writes")
        await switch.decide(FREEZE)
        before = counted(tmp_path / "out")
        os.kill(worker.pid, signal.SIGCONT)
        eventually(lambda: counted(tmp_path / "out") > before, "it goes on")
        clock.passed_s += LOOK_S
        await switch.look()
        assert said(switch) is TreeState.FROZEN
        assert stands_still(tmp_path / "out")


# --- what a supervisor leaves, and where it cannot --------------------------------------------------------------------

SUPERVISOR = """
import asyncio, os, sys, time
from pathlib import Path
from tests.protocol.inmemory import Clock
from tests.test_roles import PROGRAM, TEN_CHILDREN, WRITES_A_BYTE_EVERY_MS, refused
from watchdogd.adapters import cgroup_home
from watchdogd.adapters.children import Roles
from watchdogd.adapters.ground import Ground
from watchdogd.core.ids import Role
name, how, state = sys.argv[1], sys.argv[2], Path(sys.argv[3])
async def main():
    home = cgroup_home.home if how == "cgroup" else refused
    roles = Roles(state_dir=state, clock=Clock(), log=state / "log",
        ground=Ground(name, now=time.monotonic, home=home), program=(sys.executable, "-c", PROGRAM))
    bundle = {"code": TEN_CHILDREN, "args": [WRITES_A_BYTE_EVERY_MS, str(state / "out")]}
    worker = await roles.spawn(Role.WORKER, bundle, dict(os.environ))
    while not all((state / f"out{n}").exists() for n in range(10)):
        await asyncio.sleep(0.01)
    print(*worker.tree.freeze().pids, flush=True)
    await worker.wait()
asyncio.run(main())
"""


async def test_what_a_dead_supervisor_left_frozen_is_killed_at_the_next_start(how: str, tmp_path: Path) -> None:
    async with running(how, tmp_path) as daemon:
        command = [sys.executable, "-c", SUPERVISOR, daemon.ground.name, how, str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[1]) as before:
            assert before.stdout is not None
            left = [int(word) for word in before.stdout.readline().split()]
            before.kill()
        assert len(left) == 11
        assert any(state_of(pid) not in {"", "Z", "X"} for pid in left)

        proofs = daemon.roles.leftovers()

        assert proofs
        assert {proof.state for proof in proofs} == {TreeState.EXITED}
        assert all(state_of(pid) in {"", "Z", "X"} for pid in left)
        assert daemon.roles.leftovers() == []


async def test_an_orphan_of_a_dead_worker_of_a_dead_supervisor_is_known_by_its_environment(daemon: Daemon) -> None:
    env = {**kept(os.environ), MARKER: daemon.ground.name}
    with subprocess.Popen([sys.executable, "-c", SLEEPS], env=env, start_new_session=True) as orphan:
        eventually(lambda: MARKER.encode() in Path(f"/proc/{orphan.pid}/environ").read_bytes(), "exec")
        assert [proof.state for proof in daemon.roles.leftovers()] == [TreeState.EXITED]
        assert state_of(orphan.pid) == ""


async def test_nothing_left_is_nothing_told(daemon: Daemon) -> None:
    assert daemon.roles.leftovers() == []


async def test_without_a_cgroup_every_proof_says_why(tmp_path: Path) -> None:
    async with running("processes", tmp_path) as daemon:
        worker = await daemon.start(SLEEPS)
        proof = worker.tree.freeze()
        assert (proof.how, proof.partial) == ("processes", True)
        assert "no cgroup: there is none in this test" in proof.checked


async def test_a_cgroup_that_gets_lost_is_done_without(tmp_path: Path) -> None:
    async with running("cgroup", tmp_path) as daemon:
        daemon.ground.close()
        worker = await daemon.start(SLEEPS)
        assert worker.tree.freeze().how == "processes"
        assert "cannot be made" in daemon.ground.why_none


async def test_nothing_is_started_beside_a_tree_that_does_not_die(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running("cgroup", tmp_path) as daemon:
        await daemon.start(SLEEPS)
        with monkeypatch.context() as patch:
            patch.setattr(CgroupTree, "kill", lambda tree: tree.look())
            with pytest.raises(OSError, match="cannot be removed"):
                await daemon.start(SLEEPS)


async def test_a_worker_that_cannot_be_put_into_its_cgroup_does_not_live(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running("cgroup", tmp_path) as daemon:

        def refuse(_tree: CgroupTree, _pid: int) -> None:
            raise SandboxError("refused")

        with monkeypatch.context() as patch:
            patch.setattr(CgroupTree, "add", refuse)
            with pytest.raises(OSError, match="refused"):
                await daemon.start(WRITES_A_BYTE_EVERY_MS, tmp_path / "out")
        by_marker = ProcessTree(now=time.monotonic, token=daemon.ground.name)
        assert by_marker.look().pids == ()
        worker = await daemon.start(SLEEPS)
        assert worker.tree.freeze().how == "processes"
        assert counted(tmp_path / "out") == 0
