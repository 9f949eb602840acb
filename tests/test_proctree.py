"""Freeze, kill and look without a cgroup, on real processes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from watchdogd.adapters import proctable, proctree
from watchdogd.adapters.proctree import ProcessTree
from watchdogd.core.proof import TreeState

PATIENCE_S = 60


def eventually(condition, what="condition"):
    until = time.monotonic() + PATIENCE_S
    while not (value := condition()):
        assert time.monotonic() < until, f"never: {what}"
        time.sleep(0.01)
    return value


@pytest.fixture
def start():
    """Starts a program in its own session and leaves nothing of it behind."""
    started = []

    def run(code, *args, env=None, session=True):
        process = subprocess.Popen(
            [sys.executable, "-c", code, *map(str, args)],
            start_new_session=session,
            stdout=subprocess.PIPE,
            env=env,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        tree = ProcessTree(now=time.monotonic, timeout_s=PATIENCE_S)
        if process.poll() is None:
            tree.add(process.pid)
            tree.kill()
        process.kill()
        process.wait()
        assert process.stdout
        process.stdout.close()


def tree_of(process, **options):
    tree = ProcessTree(now=time.monotonic, timeout_s=options.pop("timeout_s", PATIENCE_S), **options)
    tree.add(process.pid)
    return tree


def state_of(pid):
    seen = proctable.look_at(pid)
    return seen.state if seen else ""


def counted(path):
    return path.stat().st_size if path.exists() else 0


WRITES_A_BYTE_EVERY_MS = """
import sys, time
with open(sys.argv[1], "ab", buffering=0) as out:
    while True:
        out.write(b".")
        time.sleep(0.001)
"""

TEN_CHILDREN = """
import subprocess, sys, time
code = sys.argv[1]
for n in range(10):
    subprocess.Popen([sys.executable, "-c", code, sys.argv[2] + str(n)], start_new_session=n % 2 == 0)
time.sleep(1000)
"""


def test_a_frozen_tree_stands_still_with_its_setsid_children(start, tmp_path):
    process = start(TEN_CHILDREN, WRITES_A_BYTE_EVERY_MS, tmp_path / "out")
    files = [tmp_path / f"out{n}" for n in range(10)]
    eventually(lambda: all(counted(file) for file in files), "children write")
    tree = tree_of(process)

    proof = tree.freeze()

    assert (proof.state, proof.how, proof.partial, len(proof.pids)) == (TreeState.FROZEN, "processes", True, 11)
    sizes = [counted(file) for file in files]
    time.sleep(0.05)
    assert [counted(file) for file in files] == sizes
    assert tree.look().state is TreeState.FROZEN


def test_a_thawed_tree_goes_on(start, tmp_path):
    process = start(WRITES_A_BYTE_EVERY_MS, tmp_path / "out")
    tree = tree_of(process)
    tree.freeze()
    assert tree.thaw().state is TreeState.RUNNING
    before = counted(tmp_path / "out")
    eventually(lambda: counted(tmp_path / "out") > before, "writes again")


def test_thawing_the_roots_leaves_what_they_started_frozen(start, tmp_path):
    process = start(TEN_CHILDREN, WRITES_A_BYTE_EVERY_MS, tmp_path / "out")
    eventually(lambda: all(counted(tmp_path / f"out{n}") for n in range(10)), "children write")
    tree = tree_of(process)
    tree.freeze()

    tree.thaw_worker()

    stopped = {pid for pid in tree.look().pids if state_of(pid) == "T"}
    assert process.pid not in stopped
    assert len(stopped) == 10


def test_a_killed_tree_is_gone_though_it_was_frozen(start, tmp_path):
    process = start(TEN_CHILDREN, WRITES_A_BYTE_EVERY_MS, tmp_path / "out")
    eventually(lambda: all(counted(tmp_path / f"out{n}") for n in range(10)), "children write")
    tree = tree_of(process)
    pids = tree.freeze().pids

    proof = tree.kill()

    assert (proof.state, proof.pids) == (TreeState.EXITED, ())
    assert process.wait() == -signal.SIGKILL
    assert all(gone(pid) for pid in pids)


def gone(pid):
    return state_of(pid) in {"Z", "X", ""}


ORPHAN_IN_ITS_OWN_SESSION = """
import os, subprocess, sys, time
# a child that leaves: own session, parent dead at once
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execve(sys.executable, [sys.executable, "-c", sys.argv[1], sys.argv[2]], eval(sys.argv[3]))
    os._exit(0)
os.wait()
print("left", flush=True)
time.sleep(1000)
"""


def test_an_orphan_is_found_by_the_marker_in_its_environment(start, tmp_path):
    env = {**os.environ, proctree.MARKER: "t-1"}
    process = start(ORPHAN_IN_ITS_OWN_SESSION, WRITES_A_BYTE_EVERY_MS, tmp_path / "out", env, env=env)
    process.stdout.readline()
    eventually(lambda: counted(tmp_path / "out"), "orphan writes")
    tree = tree_of(process, token="t-1")

    assert len(tree.look().pids) == 2
    assert tree.kill().state is TreeState.EXITED
    size = counted(tmp_path / "out")
    time.sleep(0.05)
    assert counted(tmp_path / "out") == size


ADOPTER = """
import os, subprocess, sys, time
from watchdogd.adapters import proctable
from watchdogd.adapters.proctree import ProcessTree, adopt_orphans
adopt_orphans()
root = subprocess.Popen([sys.executable, "-c", sys.argv[1], sys.argv[2], sys.argv[3], "{}"],
    start_new_session=True, stdout=subprocess.PIPE)
spared = subprocess.Popen(["sleep", "1000"])
root.stdout.readline()
tree = ProcessTree(now=time.monotonic, timeout_s=60, adopting=sys.argv[4] == "yes")
tree.add(root.pid)
found = tree.look().pids
proof = tree.kill()
alive = spared.poll() is None
spared.kill(); spared.wait(); root.wait()
left = proctable.table().values()
left = [seen.pid for seen in left if seen.parent == os.getpid()]
print(len(found), proof.state, "spared" if alive else "not spared", len(left), flush=True)
for pid in left: os.kill(pid, 9)
"""


@pytest.mark.parametrize(("adopting", "says"), [("yes", "2 exited spared 0"), ("no", "1 exited spared 1")])
def test_an_adopting_process_finds_orphans_that_hide_everything_else(start, tmp_path, adopting, says):
    process = start(ADOPTER, ORPHAN_IN_ITS_OWN_SESSION, WRITES_A_BYTE_EVERY_MS, tmp_path / "out", adopting)
    assert process.stdout.readline().decode().strip() == says


FORK_BOMB = """
import os, random, signal, sys, time
# Bounded by slots in a pipe of its own, so that nothing else on the machine decides whether it grows.
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
slots, leaves = int(sys.argv[1]), sys.argv[2] == "leaves"
first, stop = os.getpid(), time.monotonic() + 600
free, give = os.pipe()
os.set_blocking(free, False)
os.write(give, b"." * slots)
while time.monotonic() < stop:
    time.sleep(0.002)
    try:
        os.read(free, 1)
    except BlockingIOError:
        if leaves and os.getpid() != first and random.random() < 0.1:
            os.write(give, b".")  # a sibling takes the slot; the first one stays and begins anew
            os._exit(0)
        continue
    try:
        if os.fork() == 0:
            os.setsid()
    except OSError:
        os.write(give, b".")
"""


def test_a_fork_bomb_is_stopped_while_it_grows(start):
    env = {**os.environ, proctree.MARKER: f"bomb-{os.getpid()}"}
    process = start(FORK_BOMB, 150, "stays", env=env)
    tree = tree_of(process, token=env[proctree.MARKER])
    try:
        eventually(lambda: len(tree.look().pids) > 20, "bomb grows")

        proof = tree.freeze()

        assert (proof.state, proof.partial) == (TreeState.FROZEN, True)
        assert all(state_of(pid) == "T" for pid in proof.pids)
        assert tree.look().pids == proof.pids
    finally:
        eventually(lambda: tree.kill().state is TreeState.EXITED, "bomb killed")
    assert tree.look().pids == ()


SLEEPS_UNINTERRUPTIBLY = """
import os, sys
print("soon", flush=True)
# posix_spawn is a vfork: the parent waits in D until the child, which hangs opening a FIFO, has started
os.posix_spawn("/bin/true", ["true"], {}, file_actions=[(os.POSIX_SPAWN_OPEN, 0, sys.argv[1], os.O_RDONLY, 0)])
"""


def test_a_process_in_uninterruptible_sleep_is_not_called_frozen(start, tmp_path):
    os.mkfifo(tmp_path / "fifo")
    process = start(SLEEPS_UNINTERRUPTIBLY, tmp_path / "fifo")
    eventually(lambda: state_of(process.pid) == "D", "parent in D")
    tree = tree_of(process, timeout_s=0.2)

    proof = tree.freeze()

    assert proof.state is TreeState.UNPROVEN
    assert f"pid {process.pid} in uninterruptible sleep" in proof.checked
    assert eventually(lambda: tree.kill().state is TreeState.EXITED)


THREAD_GOES_ON_AFTER_ITS_LEADER = """
import ctypes, sys, threading, time
def write():
    with open(sys.argv[1], "ab", buffering=0) as out:
        while True:
            out.write(b".")
            time.sleep(0.001)
threading.Thread(target=write).start()
ctypes.CDLL(None).pthread_exit(None)
"""


def test_a_thread_that_outlives_its_leader_is_not_called_exited(start, tmp_path):
    process = start(THREAD_GOES_ON_AFTER_ITS_LEADER, tmp_path / "out")
    tree = tree_of(process)
    eventually(lambda: state_of(process.pid) == "Z" and counted(tmp_path / "out"), "leader dead")

    assert tree.look().state is TreeState.RUNNING
    assert tree.freeze().state is TreeState.FROZEN
    size = counted(tmp_path / "out")
    time.sleep(0.05)
    assert counted(tmp_path / "out") == size


def test_a_tree_that_ended_by_itself_is_exited_whatever_was_asked(start):
    process = start("pass")
    tree = tree_of(process)
    process.wait()
    assert [tree.look().state, tree.freeze().state, tree.thaw().state, tree.kill().state] == [TreeState.EXITED] * 4


def test_a_process_that_does_not_exist_cannot_be_added():
    with pytest.raises(ProcessLookupError):
        ProcessTree(now=time.monotonic).add(2**22 - 1)


def test_a_process_that_may_not_be_signalled_leaves_the_freeze_unproven(start, monkeypatch):
    process = start("import time; time.sleep(1000)")
    tree = tree_of(process, timeout_s=0.1)

    def refuse(fd, number):
        raise PermissionError

    with monkeypatch.context() as patch:
        patch.setattr(signal, "pidfd_send_signal", refuse)
        proof = tree.freeze()
    assert proof.state is TreeState.UNPROVEN
    assert f"pid {process.pid} not permitted to signal" in proof.checked


def test_a_pid_given_to_another_process_is_never_signalled(start):
    process = start("import time; time.sleep(1000)")
    tree = tree_of(process)
    tree._roots[process.pid] = tree._known[process.pid] = tree._led[process.pid] = 1  # as if it had started earlier
    assert tree.kill().state is TreeState.EXITED
    assert process.poll() is None


def test_the_caller_is_never_part_of_a_tree(start):
    tree = ProcessTree(now=time.monotonic, timeout_s=1)
    tree.add(os.getpid())
    assert tree.look().pids == () or os.getpid() not in tree.look().pids


def test_a_command_whose_name_looks_like_the_table_is_read_right(start, tmp_path):
    name = tmp_path / ") Z 1 1 ("
    name.symlink_to(Path("/bin/sleep"))
    process = subprocess.Popen([name, "1000"], start_new_session=True)
    try:
        eventually(lambda: b") Z" in Path(f"/proc/{process.pid}/stat").read_bytes(), "exec")
        seen = proctable.look_at(process.pid)
        assert seen
        assert seen.session == process.pid
    finally:
        process.kill()
        process.wait()
