"""Starting one command through the launcher, and following it to its end."""

from __future__ import annotations

import asyncio
import contextlib
import marshal
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from watchdogd.adapters.capture import Capture

_LAUNCHER = str(Path(__file__).with_name("launcher.py"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """What the launcher is to do."""

    argv: Sequence[str]
    """The program by absolute path, and its arguments."""
    cwd: str
    until_boot_s: float
    """CLOCK_BOOTTIME at which it must no longer start."""
    env: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, int] = field(default_factory=dict)
    """Resource limits by their name in ``resource``."""
    cgroups: Sequence[str] = ()
    """``cgroup.procs`` files it joins first."""
    fds: Sequence[int] = ()
    """Further descriptors the command inherits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What the launcher reported; with neither field set it became the command."""

    aborted_late_s: float | None = None
    """It came this much too late and ran nothing (seconds)."""
    failed: str = ""
    """It ran nothing because of this."""


class Launch:
    """One launched process: a status, output, an end. Use as an async context manager."""

    def __init__(self, orders: Orders, capture: Capture) -> None:
        self._orders, self.capture = orders, capture
        self._fds = contextlib.ExitStack()
        self._output_ended = asyncio.Event()

    def start(self) -> None:
        """Spawns the launcher; nothing is awaited between this call and the process's existence.

        Raises:
            OSError: no process, descriptor or memory to be had.
        """
        with contextlib.ExitStack() as on_failure, contextlib.ExitStack() as theirs:
            on_failure.enter_context(self._fds)
            status_read, status_write = _pipe(self._fds, theirs)
            output_read, output_write = _pipe(self._fds, theirs)
            orders = os.memfd_create("orders", os.MFD_CLOEXEC)
            theirs.callback(os.close, orders)
            os.write(orders, marshal.dumps(self._told()))
            os.lseek(orders, 0, os.SEEK_SET)
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", _LAUNCHER, str(orders), str(status_write)],
                stdin=subprocess.DEVNULL,
                stdout=output_write,
                stderr=output_write,
                pass_fds=(orders, status_write, *self._orders.fds),
                env=_launcher_env(),
            )
            self._status_fd, self._output_fd = status_read, output_read
            try:
                self._pidfd = os.pidfd_open(self._process.pid)
            except OSError:
                self._process.kill()
                self._process.wait()
                raise
            self._fds.callback(os.close, self._pidfd)
            on_failure.pop_all()
        os.set_blocking(self._output_fd, False)
        asyncio.get_running_loop().add_reader(self._output_fd, self._more_output)

    @property
    def pid(self) -> int:
        """The launched process as this process's pid namespace names it."""
        return self._process.pid

    async def status(self) -> Status:
        """The launcher's report, once exec has closed the pipe or the launcher is gone."""
        said = b""
        while True:
            await readable(self._status_fd)
            piece = os.read(self._status_fd, 65_536)
            if not piece:
                break
            said += piece
        if not said:
            return Status()
        found = marshal.loads(said)  # noqa: S302 - our own launcher's words; exec has closed the pipe
        return Status(aborted_late_s=found.get("aborted_late_s"), failed=found.get("failed", ""))

    async def ended(self) -> int:
        """The exit status, negative for a signal, as ``subprocess`` has it."""
        await readable(self._pidfd)
        return self._process.wait()

    async def output_ended(self) -> None:
        """Waits until nobody holds the output pipe any more."""
        await self._output_ended.wait()

    def drain(self) -> None:
        """Takes what is in the output pipe right now, without waiting for its end."""
        before = -1
        while not self._output_ended.is_set() and before != self.capture.total_bytes:
            before = self.capture.total_bytes
            self._more_output()

    def kill(self) -> None:
        """Ends the launched process itself, at once."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def close(self) -> None:
        """Lets go of the descriptors; the process must have ended."""
        asyncio.get_running_loop().remove_reader(self._output_fd)
        self._fds.close()

    def _told(self) -> dict[str, object]:
        orders = self._orders
        return {
            "parent": os.getpid(),
            "argv": list(orders.argv),
            "env": dict(orders.env),
            "cwd": orders.cwd,
            "limits": dict(orders.limits),
            "cgroups": list(orders.cgroups),
            "until_boot_s": orders.until_boot_s,
        }

    def _more_output(self) -> None:
        if not self.capture.drain(self._output_fd):
            asyncio.get_running_loop().remove_reader(self._output_fd)
            self._output_ended.set()


async def readable(fd: int) -> None:
    """Waits until ``fd`` can be read (a pidfd: until that process is gone)."""
    loop = asyncio.get_running_loop()
    woken: asyncio.Future[None] = loop.create_future()

    def wake() -> None:
        if not woken.done():
            woken.set_result(None)

    loop.add_reader(fd, wake)
    try:
        await woken
    finally:
        loop.remove_reader(fd)


def _launcher_env() -> dict[str, str]:
    """What Python itself needs to start; the command gets none of it."""
    kept = {name: value for name, value in os.environ.items() if name == "LD_LIBRARY_PATH"}
    return {"LC_ALL": "C.UTF-8", **kept}


def _pipe(ours: contextlib.ExitStack, theirs: contextlib.ExitStack) -> tuple[int, int]:
    """A pipe whose reading end is ``ours`` and whose writing end is closed here once ``theirs`` has inherited it."""
    read, write = os.pipe()
    ours.callback(os.close, read)
    theirs.callback(os.close, write)
    return read, write
