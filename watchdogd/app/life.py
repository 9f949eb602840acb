"""Living as a child of the supervisor: bundle on stdin, SIGTERM, and the pipe that tells when it is gone."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from watchdogd.app.bundle import Bundle
from watchdogd.core.errors import RecordFenced

FENCED = 3
"""Exit status of a role whose record belongs to a successor."""
ORPHANED = 4
"""Exit status of a role whose supervisor is gone."""

log = logging.getLogger("watchdogd")


def read_bundle() -> Bundle:
    """The bundle on the first line of stdin."""
    raw = sys.stdin.buffer.readline()
    return Bundle(json.loads(raw))


async def _orphaned() -> None:
    """Returns when the supervisor's pipe closes: a role does not outlive its supervisor."""
    gone = asyncio.Event()
    loop = asyncio.get_running_loop()
    fd = sys.stdin.fileno()

    def readable() -> None:
        if not os.read(fd, 4096):
            loop.remove_reader(fd)
            gone.set()

    loop.add_reader(fd, readable)
    await gone.wait()


async def live(
    main: Callable[[], Awaitable[None]],
    on_term: Callable[[asyncio.Task[Any]], None],
    on_renew: Callable[[], None] = lambda: None,
) -> int:
    """Runs ``main`` until it ends, SIGTERM, or the supervisor's death; the exit status.

    Args:
        main: the role's work.
        on_term: what SIGTERM does to the task that ``main`` runs in.
        on_renew: what SIGHUP does: the supervisor wants a new process, but in no hurry.
    """
    loop = asyncio.get_running_loop()
    work: asyncio.Task[None] = loop.create_task(_awaited(main), name="main")
    orphaned = loop.create_task(_orphaned(), name="orphaned")
    loop.add_signal_handler(signal.SIGTERM, lambda: on_term(work))
    loop.add_signal_handler(signal.SIGHUP, on_renew)
    loop.add_signal_handler(signal.SIGINT, lambda: None)  # a terminal's ^C reaches the group; the supervisor decides
    await asyncio.wait({work, orphaned}, return_when=asyncio.FIRST_COMPLETED)
    if not work.done():
        work.cancel()
        await asyncio.wait({work}, timeout=3)
        return ORPHANED
    orphaned.cancel()
    if work.cancelled():
        return 0
    why = work.exception()
    if why is None:
        return 0
    if contains(why, RecordFenced):
        log.error("the record belongs to a successor: this process ends")
        return FENCED
    log.error("ended by an error", exc_info=why)
    return 1


async def _awaited(main: Callable[[], Awaitable[None]]) -> None:
    await main()


def contains(why: BaseException, kind: type[BaseException]) -> bool:
    """Whether ``why`` is, or holds, an error of ``kind``."""
    if isinstance(why, BaseExceptionGroup):
        return any(contains(one, kind) for one in why.exceptions)
    return isinstance(why, kind)


def log_to_stderr(role: str) -> None:
    """What a role says goes to its log."""
    for chatty in ("apscheduler", "httpx2", "httpx"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format=f"%(asctime)s {role} %(levelname)s %(message)s")
