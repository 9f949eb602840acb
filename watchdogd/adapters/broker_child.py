"""A broker as a child process behind its shim: started, waited for, started again, ended."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from watchdogd.adapters.environment import kept
from watchdogd.core.errors import BusDown
from watchdogd.ports import Clock

PATIENCE_S = 10.0
"""How long ending may take before the shim is killed; the kernel then ends the broker."""
MOST_OUTPUT = 4_000
"""Bytes of the broker's last words that go into an error."""


class BrokerChild:
    """The shim and, through it, the broker. ``pid`` is the broker's own, 0 while there is none."""

    def __init__(self, command: Sequence[str], log: Path, *, clock: Clock) -> None:
        self._command, self._log, self._clock = tuple(command), log, clock
        self._shim: asyncio.subprocess.Process | None = None
        self._watching: asyncio.Task[None] | None = None
        self._ending = False
        self.pid = 0
        self.starts = 0
        """How often the broker was started."""

    @property
    def shim_pid(self) -> int:
        """The shim's process id, 0 while there is none."""
        return self._shim.pid if self._shim is not None and self._shim.returncode is None else 0

    async def start(self) -> None:
        """Starts the shim, which starts the broker, and a task that starts the shim again should it die.

        Raises:
            BusDown: the shim cannot be started.
        """
        await self._spawn()
        self._watching = asyncio.get_running_loop().create_task(self._watch(), name="broker shim")

    async def _spawn(self) -> None:
        with self._log.open("ab") as log:
            try:
                self._shim = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-m",
                    "watchdogd.adapters.broker_shim",
                    *self._command,
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=log,
                    process_group=0,  # not the terminal's, and our session: it is none of the worker's orphans
                    env={**kept(os.environ), "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
                )
            except OSError as why:
                raise BusDown(f"the broker cannot be started: {why}") from None

    async def _watch(self) -> None:
        while not self._ending:
            shim = self._shim
            if shim is None or shim.stdout is None:
                return
            async for line in shim.stdout:
                self._heard(line)
            await shim.wait()
            self.pid = 0
            if not self._ending:
                await self._clock.sleep(0.2)
                await self._spawn()

    def _heard(self, line: bytes) -> None:
        with suppress(ValueError, AttributeError):
            said = json.loads(line)
            if "started" in said:
                self.pid, self.starts = int(said["started"]), self.starts + 1
            elif "ended" in said:
                self.pid = 0

    async def stop(self) -> None:
        """Ends the broker and its shim, and waits until they are gone."""
        self._ending = True
        shim = self._shim
        if shim is not None:
            if shim.stdin is not None:
                shim.stdin.close()
            try:
                async with asyncio.timeout(PATIENCE_S):
                    await shim.wait()
            except TimeoutError:
                with suppress(ProcessLookupError):
                    shim.send_signal(signal.SIGKILL)
                await shim.wait()
        if self._watching is not None:
            self._watching.cancel()
            with suppress(asyncio.CancelledError):
                await self._watching

    def last_words(self) -> str:
        """The end of what the broker said, for an error message."""
        try:
            raw = self._log.read_bytes()
        except OSError:
            return ""
        return raw[-MOST_OUTPUT:].decode("utf-8", "replace").strip()
