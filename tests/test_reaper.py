"""Dead children that nobody waits for are reaped; those somebody waits for are left to him."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import psutil

from watchdogd.adapters.reaper import PATIENCE, Reaper


def until_dead(pid: int) -> None:
    deadline = time.monotonic() + 60
    while psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_child_nobody_waits_for_is_gone_after_a_few_looks():
    pid = os.spawnv(os.P_NOWAIT, sys.executable, [sys.executable, "-c", "pass"])  # noqa: S606 - nobody is to wait
    until_dead(pid)
    reaper = Reaper()
    for _ in range(PATIENCE):
        assert reaper.look() == 0
        assert psutil.pid_exists(pid)
    assert reaper.look() == 1
    assert not psutil.pid_exists(pid)


def test_a_child_that_was_just_seen_dead_is_left_to_whoever_waits_for_it():
    child = subprocess.Popen([sys.executable, "-c", "raise SystemExit(7)"])
    until_dead(child.pid)
    assert Reaper().look() == 0
    assert child.wait() == 7
