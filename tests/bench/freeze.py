"""From the decision to a verified freeze of a busy tree, by hand, by ``CgroupTree``, by ``ProcessTree``, by psutil."""

import os
import statistics
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil

from watchdogd.adapters import cgroup_home
from watchdogd.adapters.cgroup import CgroupTree
from watchdogd.adapters.proctree import ProcessTree
from watchdogd.core.errors import SandboxError

PROCESSES = 100
ROUNDS = 9
BUSY = """
import subprocess, sys, time
n = int(sys.argv[1])
spin = "while True:\\n    sum(range(2000))"
for _ in range(n):
    subprocess.Popen([sys.executable, "-c", spin])
print("ready", flush=True)
time.sleep(10000)
"""


def by_hand(directory: Path) -> None:
    """What the measure is taken from: write, then read until the kernel says so."""
    (directory / "cgroup.freeze").write_text("1")
    while "frozen 1" not in (directory / "cgroup.events").read_text():
        pass


def one_by_one(root: psutil.Process) -> None:
    """Suspends every process with psutil and checks that each stands still."""
    family = [*root.children(recursive=True), root]
    for process in family:
        process.suspend()
    while any(process.status() != psutil.STATUS_STOPPED for process in family):
        pass


def measured(ways) -> list[float]:
    """The median of each way in milliseconds; they take turns, so that all see the same machine."""
    took: list[list[float]] = [[] for _ in ways]
    for _ in range(ROUNDS):
        for (act, undo), times in zip(ways, took, strict=True):
            time.sleep(0.02)
            began = time.perf_counter()
            act()
            times.append(1000 * (time.perf_counter() - began))
            undo()
    return [statistics.median(times) for times in took]


def run() -> None:
    """Prints the measurements."""
    name = f"watchdogd-bench-{os.getpid()}"
    try:
        place = cgroup_home.home(name)
    except SandboxError as why:
        print(f"freeze: not measured: {why}")
        return
    tree = CgroupTree(place / "tree", now=time.monotonic, timeout_s=60)
    tree.make()
    command = tree.joining([sys.executable, "-c", BUSY, str(PROCESSES)])
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        tree.add(process.pid)
        signals = ProcessTree(now=time.monotonic, timeout_s=60)
        signals.add(process.pid)
        family = psutil.Process(process.pid)

        def resume() -> None:
            for one in [*family.children(recursive=True), family]:
                with suppress(psutil.NoSuchProcess):
                    one.resume()

        hand, ours, sweep, single = measured(
            [
                (lambda: by_hand(tree._directory), tree.thaw),
                (tree.freeze, tree.thaw),
                (signals.freeze, signals.thaw),
                (lambda: one_by_one(family), resume),
            ]
        )
        print(f"freeze of {PROCESSES} busy processes, decision to verified, median of {ROUNDS} (ms)")
        print(f"  cgroup.freeze by hand          {hand:8.1f}")
        print(f"  CgroupTree.freeze              {ours:8.1f}  {ours / hand:5.2f} x by hand (aim: at most 2.5)")
        print(f"  ProcessTree.freeze (partial)   {sweep:8.1f}  {sweep / hand:5.2f} x by hand")
        print(f"  psutil, one by one             {single:8.1f}  {single / ours:5.2f} x CgroupTree (aim: at least 3)")
        began = time.perf_counter()
        proof = tree.kill()
        print(f"  CgroupTree.kill                {1000 * (time.perf_counter() - began):8.1f}  {proof.headline}")
        process.wait()
    tree.remove()
    cgroup_home.leave(place)


if __name__ == "__main__":
    run()
