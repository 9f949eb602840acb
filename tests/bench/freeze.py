"""From the decision to a verified freeze of a busy tree: by hand, by the daemon's trees, by psutil."""

import asyncio
import itertools
import os
import select
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil

from watchdogd.adapters.cgroup import CgroupTree
from watchdogd.adapters.clock import SystemClock
from watchdogd.adapters.ground import Ground
from watchdogd.adapters.proctree import ProcessTree
from watchdogd.adapters.sqlite import SqliteRecord
from watchdogd.core.lease.messages import Timing
from watchdogd.core.lease.supervisor import Decided
from watchdogd.core.proof import TreeState
from watchdogd.supervisor.deadman import DeadMan

PROCESSES = 100
ROUNDS = 25
BUSY = """
import subprocess, sys, time
n = int(sys.argv[1])
spin = "while True:\\n    sum(range(2000))"
for _ in range(n):
    subprocess.Popen([sys.executable, "-c", spin])
print("ready", flush=True)
time.sleep(10000)
"""
FREEZE = Decided(kind="freeze", by="bench", reason="measured", at=0.0)


def by_hand(directory: Path) -> None:
    """What the measure is taken from: write, then read until the kernel says so."""
    (directory / "cgroup.freeze").write_text("1")
    while "frozen 1" not in (directory / "cgroup.events").read_text():
        pass


def by_hand_asleep(directory: Path) -> None:
    """The same, sleeping until the kernel has something to say: the busy tree gets out of its own way sooner."""
    events = os.open(directory / "cgroup.events", os.O_RDONLY)
    try:
        waiting = select.poll()
        waiting.register(events, select.POLLPRI)
        (directory / "cgroup.freeze").write_text("1")
        while b"frozen 1" not in os.pread(events, 4096, 0):
            waiting.poll()
    finally:
        os.close(events)


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
    ground = Ground(f"watchdogd-bench-{os.getpid()}", now=time.monotonic, timeout_s=60)
    tree = ground.tree()
    if not isinstance(tree, CgroupTree):
        print(f"freeze: not measured: {ground.why_none}")
        return
    with (
        tempfile.TemporaryDirectory() as state,
        subprocess.Popen(
            tree.joining([sys.executable, "-c", BUSY, str(PROCESSES)]), stdout=subprocess.PIPE, start_new_session=True
        ) as process,
        ExitStack() as ending,
        asyncio.Runner() as loop,
    ):
        ending.callback(tree.kill)
        assert process.stdout
        process.stdout.readline()
        tree.add(process.pid)
        record = SqliteRecord(Path(state) / "record.db")
        record.claim()
        switch = DeadMan(
            record=record,
            clock=SystemClock(),
            timing=Timing(),
            enforcing=lambda: True,
            on_change=lambda _: None,
        )
        switch.spawned(tree)
        signals = ProcessTree(now=time.monotonic, timeout_s=60)
        signals.add(process.pid)
        family = psutil.Process(process.pid)
        numbers = itertools.count(1)

        def decide() -> None:
            proof = loop.run(switch.decide(FREEZE))
            assert proof is not None
            assert (proof.state, proof.partial) == (TreeState.FROZEN, False)

        def lift() -> None:
            loop.run(switch.lift("bench", n=next(numbers), at=1.0))
            tree.thaw()

        def resume() -> None:
            for one in [*family.children(recursive=True), family]:
                with suppress(psutil.NoSuchProcess):
                    one.resume()

        hand, asleep, ours, decided, sweep, single = measured(
            [
                (lambda: by_hand(tree._directory), tree.thaw),
                (lambda: by_hand_asleep(tree._directory), tree.thaw),
                (tree.freeze, tree.thaw),
                (decide, lift),
                (signals.freeze, signals.thaw),
                (lambda: one_by_one(family), resume),
            ]
        )
        print(f"freeze of {PROCESSES} busy processes, decision to verified, median of {ROUNDS} (ms)")
        print(f"  cgroup.freeze by hand, reading   {hand:8.1f}")
        print(f"  cgroup.freeze by hand, sleeping  {asleep:8.1f}")
        best = min(hand, asleep)
        print(f"  CgroupTree.freeze                {ours:8.1f}  {ours / best:5.2f} x the better (aim: at most 2.5)")
        print(f"  the supervisor's decision        {decided:8.1f}  {decided / best:5.2f} x; written and synced first")
        print(f"  ProcessTree.freeze (partial)     {sweep:8.1f}  {sweep / best:5.2f} x")
        print(f"  psutil, one by one               {single:8.1f}  {single / ours:5.2f} x CgroupTree (aim: at least 3)")
        began = time.perf_counter()
        proof = tree.kill()
        print(f"  CgroupTree.kill                  {1000 * (time.perf_counter() - began):8.1f}  {proof.headline}")
        process.wait()
        record.close()
    ground.close()


if __name__ == "__main__":
    run()
