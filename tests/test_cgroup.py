"""Freeze, kill and prove by cgroup v2, on real processes; skipped where no cgroup can be written to."""

import os
import subprocess
import sys
import time

import pytest

from tests.test_proctree import (
    FORK_BOMB,
    SLEEPS_UNINTERRUPTIBLY,
    TEN_CHILDREN,
    WRITES_A_BYTE_EVERY_MS,
    counted,
    eventually,
    gone,
    state_of,
)
from watchdogd.adapters import cgroup, cgroup_home
from watchdogd.adapters.cgroup import CgroupTree
from watchdogd.adapters.cgroup_files import pids as pids_in
from watchdogd.core.errors import SandboxError
from watchdogd.core.proof import TreeState

PATIENCE_S = 60


@pytest.fixture
def place():
    name = f"watchdogd-test-{os.getpid()}"
    try:
        found = cgroup_home.home(name)
    except SandboxError as why:
        pytest.skip(str(why))
    yield found
    cgroup_home.leave(found)


@pytest.fixture
def tree(place):
    made = CgroupTree(place / "tree", now=time.monotonic, timeout_s=PATIENCE_S)
    made.make()
    yield made
    eventually(lambda: made.kill().state is TreeState.EXITED)
    made.remove()


@pytest.fixture
def start(tree):
    started = []

    def run(code, *args):
        command = tree.joining([sys.executable, "-c", code, *map(str, args)])
        process = subprocess.Popen(command, start_new_session=True)
        started.append(process)
        eventually(lambda: process.pid in pids_in(tree._directory / cgroup.AGENT), "joined")
        tree.add(process.pid)
        return process

    yield run
    tree.kill()
    for process in started:
        process.wait()


def test_a_frozen_tree_stands_still_and_the_kernel_says_so(tree, start, tmp_path):
    start(TEN_CHILDREN, WRITES_A_BYTE_EVERY_MS, tmp_path / "out")
    files = [tmp_path / f"out{n}" for n in range(10)]
    eventually(lambda: all(counted(file) for file in files), "children write")

    proof = tree.freeze()

    assert (proof.state, proof.how, proof.partial, len(proof.pids)) == (TreeState.FROZEN, "cgroup", False, 11)
    assert proof.checked == ("cgroup tree: frozen 1",)
    sizes = [counted(file) for file in files]
    time.sleep(0.05)
    assert [counted(file) for file in files] == sizes
    assert tree.look().state is TreeState.FROZEN


def test_a_thawed_tree_goes_on(tree, start, tmp_path):
    start(WRITES_A_BYTE_EVERY_MS, tmp_path / "out")
    tree.freeze()
    assert tree.thaw().state is TreeState.RUNNING
    before = counted(tmp_path / "out")
    eventually(lambda: counted(tmp_path / "out") > before, "writes again")
    assert tree.look().state is TreeState.RUNNING


def test_the_worker_thaws_and_its_tools_stay_frozen(tree, start, tmp_path):
    start(WRITES_A_BYTE_EVERY_MS, tmp_path / "worker")
    tool = start(WRITES_A_BYTE_EVERY_MS, tmp_path / "tool")
    (tree.tools / "call-1").mkdir()
    (tree.tools / "call-1" / "cgroup.procs").write_text(str(tool.pid))
    eventually(lambda: counted(tmp_path / "tool") and counted(tmp_path / "worker"), "both write")
    tree.freeze()

    assert tree.thaw_worker().state is TreeState.RUNNING

    size, before = counted(tmp_path / "tool"), counted(tmp_path / "worker")
    eventually(lambda: counted(tmp_path / "worker") > before + 10, "the worker writes")
    assert counted(tmp_path / "tool") == size
    tree.thaw()
    eventually(lambda: counted(tmp_path / "tool") > size, "the tool writes")


def test_a_killed_tree_is_gone_though_it_was_frozen(tree, start, tmp_path):
    start(TEN_CHILDREN, WRITES_A_BYTE_EVERY_MS, tmp_path / "out")
    eventually(lambda: all(counted(tmp_path / f"out{n}") for n in range(10)), "children write")
    pids = tree.freeze().pids
    proof = tree.kill()
    assert (proof.state, proof.partial, proof.pids) == (TreeState.EXITED, False, ())
    assert all(gone(pid) for pid in pids)


def test_without_cgroup_kill_each_is_killed(tree, start, tmp_path, monkeypatch):
    start(TEN_CHILDREN, WRITES_A_BYTE_EVERY_MS, tmp_path / "out")
    write = CgroupTree._write
    monkeypatch.setattr(CgroupTree, "_write", lambda own, file, text: file != "cgroup.kill" and write(own, file, text))
    assert tree.kill().state is TreeState.EXITED


def test_a_fork_bomb_is_frozen_and_killed(tree, start):
    start(FORK_BOMB, 60, "leaves")
    eventually(lambda: len(tree.look().pids) > 20, "bomb grows")
    proof = tree.freeze()
    assert proof.state is TreeState.FROZEN
    assert tree.look().pids == proof.pids
    assert tree.kill().state is TreeState.EXITED


def test_a_process_that_waits_uninterruptibly_for_its_child_is_frozen_too(tree, start, tmp_path):
    """The signals of the fallback cannot do that."""
    os.mkfifo(tmp_path / "fifo")
    process = start(SLEEPS_UNINTERRUPTIBLY, tmp_path / "fifo")
    eventually(lambda: state_of(process.pid) == "D", "parent in D")
    assert tree.freeze().state is TreeState.FROZEN
    assert tree.kill().state is TreeState.EXITED


def test_a_refused_freeze_is_unproven(tree, start, monkeypatch):
    start("import time; time.sleep(1000)")
    monkeypatch.setattr(CgroupTree, "_write", lambda *_: False)
    proof = tree.freeze()
    assert proof.state is TreeState.UNPROVEN
    assert "refused" in proof.checked[0]


def test_a_freeze_that_does_not_come_in_time_is_unproven(tree, start, monkeypatch):
    start("import time; time.sleep(1000)")
    write = CgroupTree._write
    monkeypatch.setattr(CgroupTree, "_write", lambda own, file, text: file == "cgroup.freeze" or write(own, file, text))
    tree._timeout_s = 0.05
    proof = tree.freeze()
    assert proof.state is TreeState.UNPROVEN
    assert "not frozen within" in proof.checked[0]
    tree._timeout_s = PATIENCE_S


LEAVES = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", sys.argv[1], sys.argv[2]], start_new_session=True)
with open(sys.argv[3], "w") as procs:
    procs.write(str(child.pid))
time.sleep(1000)
"""


def test_a_process_that_left_its_cgroup_is_brought_back_and_frozen(tree, start, place, tmp_path):
    (place / "elsewhere").mkdir()
    try:
        start(LEAVES, WRITES_A_BYTE_EVERY_MS, tmp_path / "out", place / "elsewhere/cgroup.procs")
        eventually(lambda: pids_in(place / "elsewhere") and counted(tmp_path / "out"), "child left")
        assert tree.look().partial
        proof = tree.freeze()
        assert (proof.state, len(proof.pids), proof.partial) == (TreeState.FROZEN, 2, False)
        size = counted(tmp_path / "out")
        time.sleep(0.05)
        assert counted(tmp_path / "out") == size
    finally:
        tree.kill()
        (place / "elsewhere/cgroup.kill").write_text("1")
        eventually(lambda: not pids_in(place / "elsewhere"), "empty")
        CgroupTree(place / "elsewhere", now=time.monotonic).remove()


def test_a_process_that_left_and_cannot_be_brought_back_leaves_the_freeze_unproven(
    tree, start, place, tmp_path, monkeypatch
):
    (place / "elsewhere").mkdir()
    try:
        start(LEAVES, WRITES_A_BYTE_EVERY_MS, tmp_path / "out", place / "elsewhere/cgroup.procs")
        left = eventually(lambda: pids_in(place / "elsewhere"), "child left")
        with monkeypatch.context() as patch:
            patch.setattr(CgroupTree, "_brought_back", lambda *_: False)
            proof = tree.freeze()
        assert proof.state is TreeState.UNPROVEN
        assert proof.partial
        assert f"outside of the cgroup: {left[0]}" in proof.checked
        assert tree.kill().state is TreeState.EXITED
        assert gone(left[0])
    finally:
        tree.kill()
        (place / "elsewhere/cgroup.kill").write_text("1")
        CgroupTree(place / "elsewhere", now=time.monotonic).remove()


def test_a_tree_that_ended_by_itself_is_exited_whatever_was_asked(tree, start):
    process = start("import time; time.sleep(0.3)")
    process.wait()
    eventually(lambda: tree.look().state is TreeState.EXITED, "empty")
    assert [tree.freeze().state, tree.thaw().state, tree.kill().state] == [TreeState.EXITED] * 3


def test_a_tree_whose_cgroup_is_gone_is_unproven(place):
    lost = CgroupTree(place / "lost", now=time.monotonic)
    assert [lost.look().state, lost.freeze().state, lost.thaw().state] == [TreeState.UNPROVEN] * 3


def test_what_a_predecessor_left_is_killed_when_the_tree_is_made(place, start, tree):
    process = start("import time; time.sleep(1000)")
    successor = CgroupTree(tree._directory, now=time.monotonic, timeout_s=PATIENCE_S)
    successor.make()
    assert process.wait() != 0
    assert successor.look().state is TreeState.EXITED


def test_a_command_that_cannot_join_does_not_run(tree, tmp_path):
    command = tree.joining(["touch", str(tmp_path / "ran")])
    tree.remove()
    assert subprocess.run(command, check=False, capture_output=True).returncode != 0
    assert not (tmp_path / "ran").exists()
    tree.make()


def test_a_process_that_does_not_exist_cannot_be_added(tree):
    with pytest.raises(ProcessLookupError):
        tree.add(2**22 - 1)


def test_a_hierarchy_that_cannot_be_written_to_is_refused_in_a_sentence(monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(SandboxError, match=r"may not be written to|no cgroup v2"):
        cgroup_home.home("x")
