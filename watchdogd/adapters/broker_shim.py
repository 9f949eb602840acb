"""Owns a broker child: starts it again when it dies, and ends it when the pipe on stdin closes.

Run as ``python -m watchdogd.adapters.broker_shim PROGRAM ARGUMENT…``. A broker watches no pipe, and a stopped
supervisor's children cannot see that it is gone; this process does nothing but watch. Should it be killed itself, the
kernel ends the broker (PR_SET_PDEATHSIG). It says one JSON object per line on stdout: ``{"started": pid}``,
``{"ended": code}``.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 2.0
STEADY_S = 10.0
"""A broker that ran this long is started again at once; one that fell earlier waits longer every time."""
GRACE_S = 3.0
"""Between asking the broker to end (it writes its database) and killing it."""
_PR_SET_PDEATHSIG = 1
"""``linux/prctl.h``."""


def die_with(parent: int) -> Callable[[], None]:
    """What the child does before exec: the kernel shall kill it when ``parent`` ends; ends now if it has already."""
    libc = ctypes.CDLL(None)

    def arrange() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return arrange


def say(**what: int) -> None:
    """Tells the supervisor, if it still listens."""
    try:
        sys.stdout.write(json.dumps(what) + "\n")
        sys.stdout.flush()
    except OSError:
        pass


def closed(lifeline: int, wait_s: float) -> bool:
    """Whether the supervisor's end of the pipe is gone, after waiting for it at most ``wait_s``."""
    ready, _, _ = select.select([lifeline], [], [], wait_s)
    return bool(ready) and os.read(lifeline, 4096) == b""


def watched(child: subprocess.Popen[bytes], lifeline: int) -> bool:
    """Waits for the child's end (True) or the supervisor's (False)."""
    ended = os.pidfd_open(child.pid)
    try:
        while True:
            ready, _, _ = select.select([lifeline, ended], [], [])
            if lifeline in ready and os.read(lifeline, 4096) == b"":
                return False
            if ended in ready:
                return True
    finally:
        os.close(ended)


def end(child: subprocess.Popen[bytes]) -> int:
    """The child's exit code; one that still runs is asked to end, then killed, also when it is stopped."""
    if child.poll() is None:
        child.terminate()
    try:
        return child.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        child.kill()
        return child.wait()


def serve(command: Sequence[str], lifeline: int) -> None:
    """Keeps ``command`` running until the lifeline closes."""
    pause_s, me = FIRST_PAUSE_S, os.getpid()
    while True:
        began = time.clock_gettime(time.CLOCK_BOOTTIME)
        child = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr,
            preexec_fn=die_with(me),
        )
        say(started=child.pid)
        try:
            if not watched(child, lifeline):
                return
        finally:
            code = end(child)
        say(ended=code)
        steady = time.clock_gettime(time.CLOCK_BOOTTIME) - began > STEADY_S
        pause_s = FIRST_PAUSE_S if steady else min(pause_s * 2, LONGEST_PAUSE_S)
        if closed(lifeline, pause_s):
            return


def asked(number: int, _frame: object) -> None:
    """A polite signal is the same as a closed pipe."""
    raise SystemExit(128 + number)


def main() -> None:
    """Serves until the pipe closes."""
    for name in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(name, asked)
    serve(sys.argv[1:], sys.stdin.fileno())


if __name__ == "__main__":
    main()
