"""Containment, tried for real: what a command may not do, it cannot do; what it leaves behind is gone."""

import asyncio
import contextlib
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest

import watchdogd
from watchdogd.adapters import launch as launch_module
from watchdogd.adapters import sandbox as sandbox_module
from watchdogd.adapters.box import Box
from watchdogd.adapters.bubblewrap import Interpreter, checked_workspace, view
from watchdogd.adapters.callgroup import CallGroup
from watchdogd.adapters.capture import Capture
from watchdogd.adapters.clock import SystemClock
from watchdogd.adapters.launch import Launch, Orders
from watchdogd.adapters.protection import Protection
from watchdogd.adapters.sandbox import BubblewrapSandbox, NoSandbox, choose
from watchdogd.core.access import Act, Bounds, Denial, denial_of
from watchdogd.core.errors import SandboxError
from watchdogd.core.events import Impact
from watchdogd.ports import CommandResult, SandboxProfile
from watchdogd.sim.clock import HandClock

CLOCK = SystemClock()

WHY_NOT = asyncio.run(BubblewrapSandbox(CLOCK).probe())

contained = pytest.mark.skipif(WHY_NOT is not None, reason=f"no bubblewrap: {WHY_NOT}")

BOTH = [pytest.param(BubblewrapSandbox, marks=contained, id="bwrap"), pytest.param(NoSandbox, id="none")]


FORKS = """python3 -c '
import os, time
try:
    for _ in range(60):
        if os.fork() == 0:
            time.sleep(600)
except BlockingIOError:
    print("refused")
'"""
"""Sixty processes at once, or the word that there may not be so many."""


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    made = tmp_path / "workspace"
    (made / "raw" / "2026").mkdir(parents=True)
    (made / "raw" / "day1.csv").write_text("1,2\n")
    (made / "raw" / "2026" / "day2.csv").write_text("3,4\n")
    (made / "notes.txt").write_text("hello\n")
    (tmp_path / "secret.txt").write_text("not yours")
    return made


async def run(
    command: str, workspace: Path, sandbox=None, *, until_s: float = 3_600, launched=lambda: None, **profile: object
) -> CommandResult:
    profile.setdefault("time_s", 120)
    return await (sandbox or BubblewrapSandbox(CLOCK)).run(
        command,
        SandboxProfile(workspace=str(workspace), **profile),  # type: ignore[arg-type]
        until_boot_s=CLOCK.boot() + until_s,
        launched=launched,
    )


def processes_with(mark: str) -> list[int]:
    """Pids whose command line holds ``mark``."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                if mark.encode() in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
    return found


# --- what a command gets ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", BOTH)
async def test_output_and_exit_code_come_back_in_order(kind, workspace):
    result = await run("echo one; echo two >&2; echo three; exit 7", workspace, kind(CLOCK))
    assert (result.outcome, result.exit_code, result.signal) == ("exited", 7, None)
    assert result.output == "one\ntwo\nthree\n"
    assert not result.output_cut


@pytest.mark.parametrize("kind", BOTH)
async def test_it_is_bash_in_the_workspace(kind, workspace):
    result = await run("shopt -s nullglob; a=(no*.txt); [[ ${a[0]} == notes.txt ]] && pwd", workspace, kind(CLOCK))
    assert result.output == f"{workspace}\n"


@pytest.mark.parametrize("kind", BOTH)
async def test_nothing_of_our_environment_is_seen(kind, workspace, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-not-for-you")
    result = await run("env; cat /proc/*/environ 2>/dev/null | grep -ac sk-not", workspace, kind(CLOCK), env={"A": "b"})
    assert "A=b" in result.output.splitlines()
    assert "sk-not-for-you" not in result.output


@pytest.mark.parametrize("kind", BOTH)
async def test_no_descriptor_of_ours_is_inherited(kind, workspace, tmp_path):
    with (tmp_path / "secret.txt").open() as secret:
        os.set_inheritable(secret.fileno(), True)
        result = await run("ls -l /proc/self/fd", workspace, kind(CLOCK))
        os.set_inheritable(secret.fileno(), False)
    names = [line.split()[8] for line in result.output.splitlines()[1:]]
    assert names == ["0", "1", "2", "3"]  # 3 is ls reading the directory


@pytest.mark.parametrize("kind", BOTH)
async def test_a_reader_that_leaves_ends_its_writer(kind, workspace):
    """Python ignores SIGPIPE; a command that inherited that would write on, and complain."""
    result = await run("yes | head -1; trap -p; kill -PIPE $$; echo survived", workspace, kind(CLOCK))
    assert result.output == "y\n"


@pytest.mark.parametrize("kind", BOTH)
async def test_a_signal_that_the_daemon_ignores_is_not_ignored_by_its_commands(kind, workspace):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        result = await run("trap -p; kill -HUP $$; echo survived", workspace, kind(CLOCK))
    finally:
        signal.signal(signal.SIGHUP, before)
    assert result.output == ""


@pytest.mark.parametrize("kind", BOTH)
async def test_long_output_keeps_its_head_and_its_tail(kind, workspace):
    result = await run("echo first; seq 200000; echo last", workspace, kind(CLOCK), output_bytes=1_000)
    assert result.output_cut
    assert result.output.startswith("first\n1\n2\n")
    assert result.output.endswith("200000\nlast\n")
    assert "bytes left out" in result.output
    assert len(result.output) < 1_100


def test_a_capture_counts_exactly_what_it_leaves_out():
    for size in (0, 1, 9, 10, 11, 25, 5_000):
        capture = Capture(10)
        whole = bytes(65 + at % 26 for at in range(size))
        for at in range(0, size, 3):
            capture.feed(whole[at : at + 3])
        assert capture.cut == (size > 10)
        if size <= 10:
            assert capture.text() == whole.decode()
        else:
            assert capture.text() == f"{whole[:5].decode()}\n[… {size - 10} bytes left out …]\n{whole[-5:].decode()}"


@pytest.mark.parametrize("kind", BOTH)
async def test_output_that_is_not_text_is_decoded_with_replacement(kind, workspace):
    result = await run(r"printf 'a\xffb'", workspace, kind(CLOCK))
    assert result.output == "a�b"


@contained
async def test_python_runs_and_can_use_sqlite(workspace):
    result = await run("""python3 -c "import sqlite3; sqlite3.connect('x.db').close(); print('ok')" """, workspace)
    assert result.output == "ok\n", result.output
    assert (workspace / "x.db").exists()


@contained
async def test_where_the_system_has_no_python_ours_is_shown_read_only(workspace):
    own = Interpreter(prefix=sys.base_prefix, bin=f"{sys.base_prefix}/bin")
    result = await run(
        f"python3 -c 'import sys, sqlite3; print(sys.prefix)'; touch {sys.base_prefix}/x",
        workspace,
        BubblewrapSandbox(CLOCK, interpreter=own),
    )
    assert result.output.startswith(f"{sys.base_prefix}\n")
    assert "Read-only file system" in result.output


# --- what it does not get ---------------------------------------------------------------------------------------------


@contained
async def test_only_the_workspace_can_be_written(workspace, tmp_path):
    result = await run(
        f"touch ok; for p in / /usr /etc /dev /proc/sys/kernel /var {tmp_path} /home /root; do touch $p/canary; done",
        workspace,
    )
    assert (workspace / "ok").exists()
    for place in ("/canary", "/usr/canary", "/etc/canary", "/dev/canary", "/root/canary", f"{tmp_path}/canary"):
        assert not Path(place).exists(), result.output


@contained
async def test_the_kernels_settings_cannot_be_written(workspace):
    """With root's uid and no capability at all core_pattern is still writable, and with it root outside."""
    before = Path("/proc/sys/kernel/core_pattern").read_text()
    result = await run(
        "f=/proc/sys/kernel/core_pattern; (cat $f > /tmp/p; cat /tmp/p > $f) && echo written || echo refused; "
        "echo 1 > /proc/self/oom_score_adj || echo refused too",
        workspace,
    )
    assert Path("/proc/sys/kernel/core_pattern").read_text() == before
    assert "refused\n" in result.output
    assert "refused too\n" in result.output
    assert "written" not in result.output


@contained
async def test_nothing_of_ours_can_be_read(workspace, tmp_path):
    result = await run(
        f"cat {tmp_path}/secret.txt ../secret.txt /etc/shadow {Path(__file__)} {Path.home()}/.bashrc; "
        f"ls /run /root /home /var/lib /sys {tmp_path}; cat /etc/passwd",
        workspace,
    )
    assert "not yours" not in result.output
    assert result.output.count("No such file or directory") >= 9
    assert "workspace" in result.output  # what tmp_path holds inside: the mount point alone
    assert "secret.txt\n" not in result.output.replace("secret.txt: No such", "")


@contained
async def test_there_is_no_network_unless_granted(workspace):
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    reach = f"exec 3<>/dev/tcp/127.0.0.1/{port} && echo reached"
    async with server:
        without = await run(reach, workspace)
        granted = await run(reach, workspace, network=True)
    assert "reached" not in without.output
    assert without.exit_code != 0
    assert granted.output == "reached\n"


@contained
async def test_there_are_no_capabilities_and_no_new_namespaces(workspace):
    result = await run(
        "grep -E '^Cap(Inh|Prm|Eff|Bnd|Amb)' /proc/self/status; grep NoNewPrivs /proc/self/status; "
        "unshare -U true || echo no user namespace; mount -t tmpfs x /mnt || echo no mount",
        workspace,
    )
    assert result.output.count("0000000000000000") == 5
    assert "NoNewPrivs:\t1" in result.output
    assert "no mount" in result.output


@contained
async def test_other_processes_are_neither_seen_nor_reached(workspace):
    sleeper = subprocess.Popen(["sleep", "600"])
    try:
        result = await run(f"ls /proc | grep -c '^[0-9]'; kill -9 {sleeper.pid}", workspace)
        assert int(result.output.split()[0]) < 8
        assert sleeper.poll() is None
    finally:
        sleeper.kill()
        sleeper.wait()


@contained
async def test_a_read_only_profile_cannot_change_the_workspace(workspace):
    result = await run(
        "touch new; rm notes.txt; echo x >> notes.txt; python3 -c \"open('notes.txt','w')\"; cat notes.txt",
        workspace,
        writable=False,
    )
    assert result.output.endswith("hello\n")
    assert sorted(path.name for path in workspace.iterdir()) == ["notes.txt", "raw"]


def whole(workspace: Path) -> dict[str, str]:
    return {str(path.relative_to(workspace)): path.read_text() for path in sorted(workspace.rglob("*.csv"))}


@contained
@pytest.mark.parametrize(
    "command",
    [
        "cd raw && rm -rf *",
        "rm -rf raw",
        "find . -type f -delete",
        "python3 -c \"import os; os.unlink('raw/day1.csv')\"",
        "python3 -c \"import shutil; shutil.rmtree('raw')\"",
        "python3 -c \"open('raw/day1.csv','w').write('x')\"",
        "ln -s raw alias; rm -f alias/*; echo x > alias/day1.csv; rm -rf alias/",
        "ln raw/day1.csv hard && echo x > hard",
        "mv raw elsewhere; mkdir raw; rm -rf elsewhere",
        "chmod 777 raw/day1.csv; echo x > raw/day1.csv; truncate -s 0 raw/day1.csv",
        "echo x > /proc/self/cwd/raw/day1.csv; exec 3<raw/day1.csv; echo x > /proc/self/fd/3",
        "umount raw; umount -l raw; mount -o remount,rw raw; rm -rf raw",
        "cp /dev/null raw/day1.csv; mv notes.txt raw/day1.csv; touch raw/new.csv",
        'eval "$(echo cm0gLXJmIHJhdw== | base64 -d)"',
    ],
)
async def test_a_protected_directory_survives(command, workspace):
    before = whole(workspace)
    await run(command, workspace, protected=("raw",))
    assert whole(workspace) == before
    result = await run("ls raw | wc -l", workspace, protected=("raw",))
    assert result.output.strip() == "2"


@contained
async def test_the_commands_that_protection_stops_do_their_damage_without_it(workspace):
    await run("cd raw && rm -rf *", workspace)
    assert whole(workspace) == {}


@contained
async def test_a_protected_path_cannot_be_moved_aside_with_its_parent(workspace):
    (workspace / "data").mkdir()
    (workspace / "raw").rename(workspace / "data" / "raw")
    before = whole(workspace)
    result = await run(
        "mv data old && mkdir -p data/raw && echo moved; touch data/beside", workspace, protected=("data/raw",)
    )
    assert "moved" not in result.output
    assert whole(workspace) == before
    assert (workspace / "data/beside").exists()


@contained
async def test_a_protected_file_survives_while_its_neighbours_may_change(workspace):
    result = await run(
        "echo x > raw/day1.csv; mv notes.txt raw/day1.csv; rm -f raw/day1.csv; rm raw/2026/day2.csv && echo removed",
        workspace,
        protected=("raw/day1.csv",),
    )
    assert (workspace / "raw/day1.csv").read_text() == "1,2\n"
    assert result.output.endswith("removed\n")


@contained
async def test_a_protected_pattern_covers_what_it_matches(workspace):
    await run("rm -f raw/*.csv raw/2026/*.csv notes.txt", workspace, protected=("*.csv",))
    assert len(whole(workspace)) == 2
    assert not (workspace / "notes.txt").exists()


@contained
async def test_making_a_protected_path_that_was_not_there_is_reported(workspace):
    result = await run("mkdir -p config; echo x > config/live.toml", workspace, protected=("config/live.toml",))
    assert "[watchdogd: the command made the protected config/live.toml]" in result.output
    quiet = await run("true", workspace, protected=("nothing/here",))
    assert quiet.output == ""


@pytest.mark.parametrize("path", ["../x", "", "a/../b", ".", "a\0b"])
def test_a_protected_path_must_lie_below_the_workspace(path, workspace):
    with pytest.raises(SandboxError, match="must lie below"):
        Protection(str(workspace), (path,))


def test_a_protected_path_elsewhere_is_nobodys_concern_here(workspace):
    assert Protection(str(workspace), ("/etc/*", "/nowhere")).existing() == ((), ())
    assert Protection(str(workspace), (f"{workspace}/raw",)).existing() == (("raw",), ())
    with pytest.raises(SandboxError, match="must lie below"):
        Protection(str(workspace), ("/*",))


def test_a_protected_link_is_refused_because_it_could_be_exchanged(workspace):
    (workspace / "current").symlink_to("raw")
    for pattern in ("current/day1.csv", "current", "curr*"):
        with pytest.raises(SandboxError, match="symbolic link"):
            Protection(str(workspace), (pattern,)).existing()


@pytest.mark.parametrize(
    ("pattern", "existing"),
    [
        ("raw", ("raw",)),
        ("./raw//2026/", ("raw/2026",)),
        ("*.csv", ("raw/2026/day2.csv", "raw/day1.csv")),
        ("raw/*", ("raw/2026", "raw/day1.csv")),
        ("*/day?.csv", ("raw/2026/day2.csv", "raw/day1.csv")),
        ("*.pem", ()),
        ("missing", ()),
    ],
)
def test_what_is_protected_is_what_the_gate_would_refuse(pattern, existing, workspace):
    """The wall and the gate read one list; where they disagreed one of them would be a hole."""
    protection = Protection(str(workspace), (pattern,))
    found, missing = protection.existing()
    assert found == existing
    assert missing == (() if existing else protection.patterns)
    bounds = Bounds(denials=(Denial(kind="path", pattern=protection.patterns[0], reason="r"),))
    files = [str(path.relative_to(workspace)) for path in workspace.rglob("*") if path.is_file()]
    for path in [*files, "raw/new.csv", "a.pem", "missing/x"]:
        act = Act(tool="create", impact=Impact.WRITE, action_digest="", writes=(path,))
        assert (protection.covering(path) is not None) == (denial_of(act, bounds) is not None), path


def test_a_pattern_over_too_many_files_is_refused_and_not_half_kept(workspace, monkeypatch):
    monkeypatch.setattr("watchdogd.adapters.protection._MOST_LOOKED_AT", 3)
    with pytest.raises(SandboxError, match="name directories"):
        Protection(str(workspace), ("*.csv",)).existing()
    assert Protection(str(workspace), ("raw",)).existing() == (("raw",), ())


@pytest.mark.parametrize(
    "path", ["/", "/usr", "/etc", "/etc/ssl", "/proc/self", "/home", "/tmp", "relative", "/nowhere"]
)
def test_a_part_of_the_system_is_no_workspace(path):
    with pytest.raises(SandboxError):
        checked_workspace(path, ())


def test_a_home_directory_is_no_workspace(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(SandboxError, match="home directory"):
        checked_workspace(str(tmp_path), ())


def test_a_workspace_that_holds_our_state_is_refused(workspace):
    (workspace / "state").mkdir()
    with pytest.raises(SandboxError, match="must not see"):
        checked_workspace(str(workspace), (str(workspace / "state"),))
    assert checked_workspace(str(workspace / "state"), (str(workspace),)) == str(workspace / "state")


@contained
async def test_a_workspace_with_an_odd_name_works(tmp_path):
    odd = tmp_path / "a b\n'\"$(x)"
    odd.mkdir()
    result = await run("touch here && ls", odd)
    assert result.output == "here\n"
    assert (odd / "here").exists()


@contained
async def test_a_workspace_behind_a_link_is_its_real_path(tmp_path, workspace):
    (tmp_path / "link").symlink_to(workspace)
    result = await run("pwd; touch here", tmp_path / "link")
    assert result.output == f"{workspace}\n"
    assert (workspace / "here").exists()


@contained
@pytest.mark.skipif(os.getuid() != 0, reason="needs root to become somebody else")
def test_it_works_without_privileges_too():
    """The whole probe, a protected path and the limit on processes, as nobody."""
    if subprocess.run(["/usr/bin/env", "-i", "/usr/bin/python3", "-c", "import enum; enum.StrEnum"]).returncode != 0:
        pytest.skip("there is no Python 3.11 that an unprivileged user can reach")
    script = """
import asyncio, os, sys, tempfile
from pathlib import Path
from watchdogd.adapters import launch
from watchdogd.adapters.clock import SystemClock
from watchdogd.adapters.sandbox import BubblewrapSandbox
from watchdogd.ports import SandboxProfile

launch._LAUNCHER, sys.executable = sys.argv[1], "/usr/bin/python3"
os.setgroups([])
os.setresgid(65534, 65534, 65534)
os.setresuid(65534, 65534, 65534)

async def main():
    clock = SystemClock()
    sandbox = BubblewrapSandbox(clock)
    print("probe:", await sandbox.probe())
    with tempfile.TemporaryDirectory() as place:
        (Path(place) / "raw").mkdir()
        (Path(place) / "raw" / "a").touch()
        result = await sandbox.run(
            "rm -rf raw; " + sys.argv[2],
            SandboxProfile(workspace=place, protected=("raw",), processes=20, time_s=20),
            until_boot_s=clock.boot() + 600, launched=lambda: None)
        print("kept:", (Path(place) / "raw" / "a").exists(), "limited:", "refused" in result.output)
asyncio.run(main())
"""
    with tempfile.TemporaryDirectory(prefix="watchdogd-launcher-") as place:
        Path(place).chmod(0o755)
        launcher = shutil.copy(launch_module._LAUNCHER, place)
        Path(launcher).chmod(0o644)
        done = subprocess.run(
            [sys.executable, "-c", script, launcher, FORKS],
            env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "TMPDIR": "/tmp"},
            cwd=Path(watchdogd.__file__).parent.parent,
            capture_output=True,
            text=True,
            timeout=200,
        )
    assert done.stdout == "probe: None\nkept: True limited: True\n", done.stdout + done.stderr


# --- limits -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", BOTH)
async def test_a_command_that_takes_too_long_is_ended_with_its_tree(kind, workspace):
    mark = f"3{os.getpid()}.25"
    result = await run(
        f"echo begun; (setsid sleep {mark} &); sleep {mark} & trap '' TERM; sleep {mark}",
        workspace,
        kind(CLOCK),
        time_s=1,
    )
    assert result.outcome == "timeout"
    assert result.exit_code is None
    assert result.output == "begun\n"
    assert processes_with(mark) == []


@pytest.mark.parametrize("kind", BOTH)
async def test_nothing_survives_a_command_that_ended(kind, workspace):
    """Daemons with a session of their own, double forks and closed descriptors included."""
    mark = f"4{os.getpid()}.25"
    daemon = (
        "import os,sys,time\n"
        "if os.fork(): os._exit(0)\n"
        "os.setsid()\n"
        "if os.fork(): os._exit(0)\n"
        "[os.close(fd) for fd in range(3)]\n"
        f"os.execvp('sleep', ['sleep', '{mark}'])\n"
    )
    (workspace / "daemon.py").write_text(daemon)
    result = await run(
        f"python3 daemon.py; setsid nohup sleep {mark} >/dev/null 2>&1 & disown; sleep {mark} & echo done",
        workspace,
        kind(CLOCK),
    )
    assert (result.outcome, result.exit_code, result.output) == ("exited", 0, "done\n")
    assert processes_with(mark) == []


def children() -> set[psutil.Process]:
    """This process's children, the dead ones that nobody has waited for included."""
    return set(psutil.Process().children())


@contained
async def test_not_even_a_dead_process_is_left_to_whoever_adopts_orphans(workspace):
    """A supervisor adopts them; a call that left one each would use up all pids of a long run."""
    libc = ctypes.CDLL(None)
    before = children()
    assert libc.prctl(36, 1, 0, 0, 0) == 0  # PR_SET_CHILD_SUBREAPER
    try:
        await run("(setsid sleep 600 &); sleep 600 & exit 3", workspace)
        await run("sleep 600", workspace, time_s=0.3)
        assert children() <= before
    finally:
        libc.prctl(36, 0, 0, 0, 0)


@contained
async def test_a_command_reaps_its_own_orphans_and_may_end_by_any_signal(workspace):
    result = await run("(sleep 0 &); sleep 0.2; ps -e -o stat= | grep -c Z; kill -SEGV $$", workspace)
    assert (result.outcome, result.exit_code, result.output) == ("exited", 128 + signal.SIGSEGV, "0\n")


@pytest.mark.parametrize("kind", BOTH)
async def test_a_file_cannot_grow_past_its_limit(kind, workspace):
    result = await run("head -c 5000 /dev/zero > big; echo $?; ls -l big", workspace, kind(CLOCK), file_bytes=1_000)
    assert (workspace / "big").stat().st_size <= 1_000
    assert result.output.splitlines()[0] != "0"


@pytest.mark.parametrize("kind", BOTH)
async def test_a_process_cannot_take_more_memory_than_its_limit(kind, workspace):
    result = await run(
        "python3 -c \"b = bytearray(600 * 1024**2); print('had it')\"",
        workspace,
        kind(CLOCK),
        memory_bytes=256 * 1024**2,
    )
    assert "had it" not in result.output
    assert "MemoryError" in result.output


@contained
async def test_the_private_tmp_is_limited_and_gone_afterwards(workspace):
    result = await run("head -c 100M /dev/zero > /tmp/x; wc -c < /tmp/x", workspace, memory_bytes=64 * 1024**2)
    if "--size" in BubblewrapSandbox(CLOCK)._options():
        assert int(result.output.split()[-1]) <= 32 * 1024**2
    again = await run("ls /tmp", workspace)
    assert "x\n" not in again.output


@pytest.fixture
def cgroup():
    """A directory of a pids hierarchy that we may write, v2 or v1."""
    for root in (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/pids")):
        parent = root / f"watchdogd-test-{os.getpid()}"
        try:
            controllers = root / "cgroup.subtree_control"
            if controllers.exists() and "pids" not in controllers.read_text():
                continue
            parent.mkdir()
        except OSError:
            continue
        if (parent / "pids.max").exists():
            yield parent
            parent.rmdir()
            return
        parent.rmdir()
    pytest.skip("no cgroup hierarchy with pids can be written")


@contained
async def test_a_cgroup_limits_processes_even_for_root(workspace, cgroup):
    sandbox = BubblewrapSandbox(CLOCK, cgroups=(cgroup,))
    result = await run(FORKS, workspace, sandbox, processes=20)
    assert result.output == "refused\n"
    assert [path for path in cgroup.iterdir() if path.is_dir()] == []


@contained
async def test_a_cgroup_that_cannot_be_had_means_the_command_does_not_run(workspace, tmp_path):
    sandbox = BubblewrapSandbox(CLOCK, cgroups=(tmp_path / "no" / "cgroup",))
    called: list[int] = []
    with pytest.raises(SandboxError, match="no cgroup"):
        await run("touch canary", workspace, sandbox, launched=lambda: called.append(1))
    assert not (workspace / "canary").exists()
    assert called == [1]


async def test_a_cgroup_the_launcher_cannot_join_means_the_command_does_not_run(workspace):
    launch = await launched_once(workspace, cgroups=("/nowhere/cgroup.procs",))
    assert "FileNotFoundError" in launch.failed
    assert not (workspace / "canary").exists()


def test_a_failed_call_group_leaves_nothing(tmp_path):
    with pytest.raises(SandboxError):
        CallGroup((tmp_path, tmp_path / "missing"), "call-1").make(processes=1, memory_bytes=1)
    assert list(tmp_path.iterdir()) == []


# --- the lease's deadline and the launch ------------------------------------------------------------------------------


async def launched_once(workspace: Path, *, until_s: float = 3_600, **orders: object):
    launch = Launch(
        Orders(
            argv=("/bin/bash", "-c", "touch canary"),
            cwd=str(workspace),
            until_boot_s=CLOCK.boot() + until_s,
            **orders,  # type: ignore[arg-type]
        ),
        Capture(1_000),
    )
    launch.start()
    status = await launch.status()
    await launch.ended()
    launch.close()
    return status


async def test_the_launcher_runs_the_command_before_the_deadline(workspace):
    status = await launched_once(workspace)
    assert status.aborted_late_s is None
    assert status.failed == ""
    assert (workspace / "canary").exists()


async def test_the_launcher_does_not_run_the_command_after_the_deadline(workspace):
    status = await launched_once(workspace, until_s=-0.5)
    assert status.aborted_late_s is not None
    assert status.aborted_late_s >= 0.5
    assert not (workspace / "canary").exists()


@pytest.mark.parametrize("kind", BOTH)
async def test_a_call_past_its_deadline_is_aborted_and_has_no_effect(kind, workspace):
    called: list[int] = []
    result = await run("touch canary", workspace, kind(CLOCK), until_s=-0.001, launched=lambda: called.append(1))
    assert result.outcome == "aborted"
    assert called == [1]
    assert not (workspace / "canary").exists()


@contained
async def test_a_lease_that_ends_while_the_sandbox_is_set_up_aborts_too(workspace):
    """The launcher's look lies before bwrap's set-up; the second one, at the gate, is what sees this."""
    ahead = HandClock(boot=CLOCK.boot() + 50)
    result = await BubblewrapSandbox(ahead).run(
        "touch canary",
        SandboxProfile(workspace=str(workspace)),
        until_boot_s=CLOCK.boot() + 40,
        launched=lambda: None,
    )
    assert result.outcome == "aborted"
    assert not (workspace / "canary").exists()


@pytest.mark.parametrize("kind", BOTH)
async def test_the_launch_is_confirmed_once_and_only_after_exec(kind, workspace, monkeypatch):
    """While the launcher has not become the command, nobody is told that it has."""
    reached, go_on = asyncio.Event(), asyncio.Event()
    status = Launch.status

    async def slow_status(self):
        found = await status(self)
        reached.set()
        await go_on.wait()
        return found

    monkeypatch.setattr(Launch, "status", slow_status)
    called: list[int] = []
    async with asyncio.timeout(120), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(run("echo ran", workspace, kind(CLOCK), launched=lambda: called.append(1)))
        await reached.wait()
        assert called == []
        go_on.set()
    assert called == [1]
    assert running.result().output == "ran\n"


@contained
async def test_the_launch_is_confirmed_while_the_command_still_runs(workspace):
    confirmed = asyncio.Event()
    async with asyncio.timeout(120), asyncio.TaskGroup() as tasks:
        tasks.create_task(run("until test -e go; do sleep 0.05; done", workspace, launched=confirmed.set))
        await confirmed.wait()
        (workspace / "go").touch()


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("command", ["echo a\0b", "echo \ud800", "echo " + "x" * 300_000])
async def test_a_command_that_cannot_be_executed_did_not_start_and_ends_the_launch_once(kind, command, workspace):
    called: list[int] = []
    result = await run(command, workspace, kind(CLOCK), launched=lambda: called.append(1))
    assert result.outcome == "failed_to_start"
    assert result.output
    assert called == [1]


@pytest.mark.parametrize("kind", BOTH)
async def test_a_spawn_that_fails_ends_the_launch_once(kind, workspace, monkeypatch):
    def refuse(*_args: object, **_kwargs: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    before = len(list(Path("/proc/self/fd").iterdir()))
    sandbox = kind(CLOCK)
    if isinstance(sandbox, BubblewrapSandbox):
        sandbox._options()
    monkeypatch.setattr("watchdogd.adapters.launch.subprocess.Popen", refuse)
    called: list[int] = []
    result = await run("true", workspace, sandbox, launched=lambda: called.append(1))
    assert result.outcome == "failed_to_start"
    assert "Resource temporarily unavailable" in result.output
    assert called == [1]
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@contained
async def test_a_sandbox_that_cannot_be_set_up_is_no_command_that_failed(workspace, monkeypatch):
    def broken(*args, **kwargs):
        seen = real(*args, **kwargs)
        return type(seen)(args=(*seen.args, "--bind", "/nowhere", "/nowhere"), files=seen.files, missing=())

    real = view
    monkeypatch.setattr(sandbox_module, "view", broken)
    called: list[int] = []
    result = await run("touch canary", workspace, launched=lambda: called.append(1))
    assert result.outcome == "failed_to_start"
    assert "no sandbox" in result.output
    assert "/nowhere" in result.output
    assert called == [1]
    assert not (workspace / "canary").exists()


@pytest.mark.parametrize("kind", BOTH)
async def test_cancelling_kills_the_whole_tree_before_it_returns(kind, workspace):
    mark = f"5{os.getpid()}.25"
    called: list[int] = []
    command = f"(setsid sleep {mark} &); sleep {mark} & touch started; sleep {mark}"
    task = asyncio.ensure_future(run(command, workspace, kind(CLOCK), launched=lambda: called.append(1)))
    async with asyncio.timeout(120):
        while not (workspace / "started").exists():
            await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert processes_with(mark) == []
    assert called == [1]


@pytest.mark.parametrize("kind", BOTH)
async def test_cancelling_twice_does_not_leave_anything_either(kind, workspace):
    mark = f"6{os.getpid()}.25"
    command = f"(setsid sleep {mark} &); touch started; sleep {mark}"
    task = asyncio.ensure_future(run(command, workspace, kind(CLOCK)))
    async with asyncio.timeout(120):
        while not (workspace / "started").exists():
            await asyncio.sleep(0.01)
    while not task.done():
        task.cancel()
        await asyncio.sleep(0)
    assert task.cancelled()
    assert processes_with(mark) == []


@pytest.mark.parametrize("kind", BOTH)
async def test_cancelling_right_after_the_spawn_leaves_nothing_running(kind, workspace):
    task = asyncio.ensure_future(run("touch canary; sleep 600", workspace, kind(CLOCK)))
    await asyncio.sleep(0)  # spawned, and no further
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert processes_with(f"{workspace}/canary") == []


@pytest.mark.parametrize("kind", BOTH)
async def test_no_descriptor_and_no_child_stays(kind, workspace):
    sandbox = kind(CLOCK)
    await run("true", workspace, sandbox)
    before, others = len(list(Path("/proc/self/fd").iterdir())), children()
    for command in ("true", "exit 3", "sleep 60", "kill -9 $$"):
        await run(command, workspace, sandbox, time_s=0.3)
    await run("true", workspace, sandbox, until_s=-1)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert children() <= others


@pytest.mark.parametrize("kind", BOTH)
async def test_cancelling_at_any_moment_leaves_nothing(kind, workspace):
    called: list[int] = []
    sandbox = kind(CLOCK)
    for turn in range(24):
        task = asyncio.ensure_future(
            run(f"echo {workspace}/canary; sleep 600", workspace, sandbox, launched=lambda: called.append(1))
        )
        await asyncio.sleep(turn * 0.002)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert processes_with(f"{workspace}/canary") == []
        assert len(called) == turn + 1


async def test_a_signal_that_ends_bash_itself_is_named(workspace):
    result = await run("kill -9 $$", workspace, NoSandbox(CLOCK))
    assert (result.outcome, result.signal, result.exit_code) == ("signalled", 9, None)


@pytest.mark.parametrize(
    ("kind", "leaves"),
    [
        pytest.param("BubblewrapSandbox", "(setsid sleep {mark} &); ", marks=contained, id="bwrap"),
        pytest.param("NoSandbox", "", id="none"),
    ],
)
def test_a_command_whose_worker_is_killed_dies_with_it(kind, leaves, workspace):
    """kill -9 of the worker: nobody is left to help. Without a sandbox only the command itself hears of it."""
    mark = f"7{os.getpid()}.25"
    command = f"{leaves.format(mark=mark)}touch started; exec sleep {mark}"
    script = f"""
import asyncio
from watchdogd.adapters.clock import SystemClock
from watchdogd.adapters.sandbox import {kind}
from watchdogd.ports import SandboxProfile
clock = SystemClock()
asyncio.run({kind}(clock).run(
    {command!r}, SandboxProfile(workspace={str(workspace)!r}, time_s=600),
    until_boot_s=clock.boot() + 600, launched=lambda: None))
"""
    worker = subprocess.Popen([sys.executable, "-c", script])
    until = time.monotonic() + 120
    try:
        while not (workspace / "started").exists() or not processes_with(f"sleep\0{mark}"):
            assert time.monotonic() < until
            time.sleep(0.01)
    finally:
        worker.send_signal(signal.SIGKILL)
        worker.wait()
    while processes_with(mark):
        assert time.monotonic() < until
        time.sleep(0.01)


@contained
async def test_a_gate_whose_keeper_dies_does_not_open(workspace):
    """A worker that dies between set-up and go leaves nobody waiting, and its end is not taken for the go."""
    script = f"""
import asyncio, os, signal
from watchdogd.adapters.box import Box
from watchdogd.adapters.clock import SystemClock
from watchdogd.adapters.sandbox import BubblewrapSandbox
from watchdogd.ports import SandboxProfile
Box.go = lambda self: os.kill(os.getpid(), signal.SIGKILL)
clock = SystemClock()
asyncio.run(BubblewrapSandbox(clock).run(
    "touch {workspace}/canary", SandboxProfile(workspace={str(workspace)!r}), until_boot_s=clock.boot() + 600,
    launched=lambda: None))
"""
    for _ in range(5):
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", script)
        assert await process.wait() == -signal.SIGKILL
    async with asyncio.timeout(120):
        while processes_with(f"{workspace}/canary"):
            await asyncio.sleep(0.01)
    assert not (workspace / "canary").exists()


@contained
async def test_a_gate_that_loses_its_line_does_not_open(workspace, monkeypatch):
    monkeypatch.setattr(Box, "go", lambda self: self._gate.shutdown(socket.SHUT_RDWR))
    result = await run("touch canary", workspace)
    assert result.exit_code != 0
    assert not (workspace / "canary").exists()


# --- choosing ---------------------------------------------------------------------------------------------------------


def namespaces_work() -> bool:
    """Whether a bwrap that is hardly asked for anything runs: then ours has no excuse."""
    program = shutil.which("bwrap")
    asked = ["--unshare-all", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "true"]
    return program is not None and subprocess.run([program, *asked], capture_output=True).returncode == 0


@pytest.mark.skipif(not namespaces_work(), reason="no bubblewrap, or no namespaces for it")
def test_where_bubblewrap_works_at_all_ours_contains():
    """Without this a guard that is missing would fail the probe, and so skip the very tests that miss it."""
    assert WHY_NOT is None


@contained
async def test_bubblewrap_is_chosen_where_it_works():
    assert (await choose(CLOCK)).name == "bwrap"
    assert (await choose(CLOCK, scratch=True)).name == "bwrap"


@pytest.mark.parametrize("path", ["/usr/bin/false", "/nowhere/bwrap"])
async def test_a_bubblewrap_that_does_not_work_is_found_out(path):
    reason = await BubblewrapSandbox(CLOCK, program=path).probe()
    assert reason is not None
    assert path in reason


async def test_a_bubblewrap_that_is_not_there_is_found_out(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    sandbox = BubblewrapSandbox(CLOCK)
    assert await sandbox.probe() == "bubblewrap (bwrap) is not installed"


async def test_without_a_sandbox_there_is_an_error_except_for_a_scratch_workspace(monkeypatch):
    async def broken(self) -> str:
        return "bubblewrap does not work here: no namespaces"

    monkeypatch.setattr(BubblewrapSandbox, "probe", broken)
    with pytest.raises(SandboxError, match="no namespaces"):
        await choose(CLOCK)
    assert (await choose(CLOCK, scratch=True)).name == "none"


async def test_a_bubblewrap_that_contains_nothing_fails_the_probe(tmp_path):
    """A stand-in that runs the command without any sandbox must not pass for one."""
    fake = tmp_path / "bwrap"
    fake.write_text(
        "#!/bin/bash\n"
        'if [ "$1" = --help ]; then echo "--size --disable-userns"; exit; fi\n'
        'while [ "$1" != -- ]; do shift; done; shift; exec "$@"\n'
    )
    fake.chmod(0o755)
    reason = await BubblewrapSandbox(CLOCK, program=str(fake)).probe()
    assert reason is not None


@pytest.mark.parametrize("sandbox", [BubblewrapSandbox, NoSandbox])
async def test_a_workspace_that_is_none_means_the_command_does_not_run(sandbox):
    called: list[int] = []
    with pytest.raises(SandboxError):
        await run("true", Path("/etc"), sandbox(CLOCK), launched=lambda: called.append(1))
    assert called == [1]
