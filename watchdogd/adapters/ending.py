"""How a launched command ends: once confirmed, within its time, with its tree gone, and told as a result."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Literal, TypeVar

from watchdogd.adapters.capture import Capture
from watchdogd.adapters.launch import Launch, Status
from watchdogd.core.errors import SandboxError
from watchdogd.ports import CommandResult

T = TypeVar("T")

GONE_S = 20.0
"""How long a killed tree may take to be gone; only a process in uninterruptible sleep does."""

OUTPUT_S = 5.0
"""How long the output pipe may stay open after the last process of the tree; it should be no time at all."""


class Once:
    """Calls back the first time only."""

    def __init__(self, callback: Callable[[], None]) -> None:
        self._callback: Callable[[], None] | None = callback

    def __call__(self) -> None:
        """Calls back, unless that has been done."""
        callback, self._callback = self._callback, None
        if callback is not None:
            callback()


@contextlib.asynccontextmanager
async def held(gone: Callable[[], Awaitable[None]], close: Callable[[], None]) -> AsyncIterator[None]:
    """However its body ends, the tree is gone afterwards; a cancellation waits for that, however often it comes.

    Raises:
        SandboxError: a process would not die.
    """
    cancelled: asyncio.CancelledError | None = None
    try:
        yield
    finally:
        # In a task of its own, because cancelling this one again and again would otherwise undo every start.
        ending = asyncio.get_running_loop().create_task(_bounded(gone), name="sandbox-end")
        while not ending.done():
            try:
                await asyncio.wait({ending})
            except asyncio.CancelledError as again:
                cancelled = again
        close()
        ending.result()
    if cancelled is not None:
        raise cancelled


async def _bounded(gone: Callable[[], Awaitable[None]]) -> None:
    try:
        async with asyncio.timeout(GONE_S):
            await gone()
    except TimeoutError as why:
        raise SandboxError(f"the command's processes were not gone {GONE_S:g} s after SIGKILL") from why


async def within(what: Awaitable[T], seconds: float) -> T | None:
    """What ``what`` comes to, or None when it takes longer than ``seconds``."""
    try:
        async with asyncio.timeout(seconds):
            return await what
    except TimeoutError:
        return None


async def rest_of_output(launch: Launch) -> None:
    """Waits for the rest of the output, which ends with the last process that holds the pipe."""
    await within(launch.output_ended(), OUTPUT_S)
    launch.drain()


def not_run(status: Status, duration_s: float) -> CommandResult:
    """The result of a launch whose launcher reported that it did not become the command."""
    if status.aborted_late_s is None:
        return failed(status.failed, duration_s)
    return CommandResult(
        outcome="aborted",
        exit_code=None,
        signal=None,
        output=f"not started: permission to act had run out {status.aborted_late_s:.3f} s before",
        output_cut=False,
        duration_s=duration_s,
    )


def failed(why: str, duration_s: float) -> CommandResult:
    """The result of a command that never began."""
    return CommandResult(
        outcome="failed_to_start", exit_code=None, signal=None, output=why, output_cut=False, duration_s=duration_s
    )


def result_of(code: int | None, capture: Capture, duration_s: float) -> CommandResult:
    """How it ended; ``code`` is None when its time was up."""
    outcome: Literal["exited", "signalled", "timeout"]
    outcome = "timeout" if code is None else "signalled" if code < 0 else "exited"
    return CommandResult(
        outcome=outcome,
        exit_code=code if code is not None and code >= 0 else None,
        signal=-code if code is not None and code < 0 else None,
        output=capture.text(),
        output_cut=capture.cut,
        duration_s=duration_s,
    )
