"""The long versions of the tests of checkpoints: 500 random workspaces twice over, 200 restores killed with SIGKILL."""

import os
import subprocess
import sys


def drill() -> bool:
    """Prints the counts; whether every workspace came back exactly and every killed restore said where it was."""
    env = {**os.environ, "WATCHDOGD_TREE_CASES": "500", "WATCHDOGD_RESTORE_KILLS": "200"}
    files = ["tests/test_snapshots_random.py", "tests/test_snapshots_crash.py"]
    command = [sys.executable, "-m", "pytest", "-q", "--timeout", "3600", "--hypothesis-show-statistics", *files]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    counts = [line.strip() for line in done.stdout.splitlines() if " passing" in line or " passed" in line]
    print("\n".join(counts) if done.returncode == 0 else done.stdout[-5_000:])
    return done.returncode == 0
