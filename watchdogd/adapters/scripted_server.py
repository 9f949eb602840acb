"""The scripted Messages API as a child process, restarted on the same port when it dies."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from watchdogd.adapters.environment import kept
from watchdogd.core.errors import ModelError

START_S = 30.0


async def _start(scenario: Path, port: int, speed: float) -> tuple[asyncio.subprocess.Process, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "watchdogd.sim.messages_api",
        "--scenario",
        str(scenario),
        "--port",
        str(port),
        "--speed",
        str(speed),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        process_group=0,  # not the terminal's, and our session: it is none of the worker's orphans
        env=kept(os.environ),
    )
    if process.stdout is None:
        raise ModelError("connection", "the scripted server has no output")
    try:
        async with asyncio.timeout(START_S):
            line = await process.stdout.readline()
        return process, str(json.loads(line)["url"])
    except (TimeoutError, ValueError, KeyError):
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        raise ModelError("connection", f"the scripted server for {scenario} did not start") from None


async def _kept(process: asyncio.subprocess.Process, scenario: Path, port: int, speed: float) -> None:
    while True:
        try:
            await process.wait()
            process, _ = await _start(scenario, port, speed)
        except ModelError:
            await asyncio.sleep(0.5)
        except asyncio.CancelledError:
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGTERM)
            await process.wait()
            raise


@asynccontextmanager
async def scripted_server(scenario: Path, *, speed: float = 1.0) -> AsyncIterator[str]:
    """The URL of a server that follows ``scenario``. Raises: ModelError, when it does not start."""
    process, url = await _start(scenario, 0, speed)
    port = int(url.rsplit(":", 1)[1])
    keeping = asyncio.get_running_loop().create_task(_kept(process, scenario, port, speed), name="scripted server")
    try:
        yield url
    finally:
        keeping.cancel()
        with suppress(asyncio.CancelledError):
            await keeping
