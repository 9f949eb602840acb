"""The kernel's table of processes, and a signal that reaches exactly the one it was meant for."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

STOPPED = frozenset("Tt")
DEAD = frozenset("ZXx")


@dataclass(frozen=True, slots=True)
class Seen:
    """One line of the process table."""

    pid: int
    state: str
    """As in proc(5): R S D T t Z X."""
    parent: int
    group: int
    session: int
    threads: int
    started: int
    """Clock ticks since boot; with the pid it names a process for good."""


Table: TypeAlias = Mapping[int, Seen]


def look_at(pid: int) -> Seen | None:
    """The process table's line for ``pid``, or None when there is no such process."""
    raw = read(f"/proc/{pid}/stat")
    return None if raw is None else _parsed(pid, raw)


def table() -> dict[int, Seen]:
    """Every process that existed from the beginning of this call to its end, and perhaps some that did not."""
    found = {}
    for name in os.listdir("/proc"):  # noqa: PTH208 - names alone, thousands of them
        if name.isdigit() and (seen := look_at(int(name))) is not None:
            found[seen.pid] = seen
    return found


def read(path: str) -> bytes | None:
    """The beginning of a small file, None when it cannot be read."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return os.read(fd, 65_536)
    except OSError:
        return None
    finally:
        os.close(fd)


def children_of(thread: int) -> set[int]:
    """The processes that ``thread`` is the parent of."""
    return {int(pid) for pid in (read(f"/proc/{thread}/task/{thread}/children") or b"").split()}


def adopted(since: int) -> set[int]:
    """Children of this process that it did not start: orphans, of another session than ours.

    Only those that began at ``since`` (ticks since boot) or later.
    """
    session = os.getsid(0)
    children = {pid for thread in os.listdir("/proc/self/task") for pid in children_of(int(thread))}  # noqa: PTH208
    found = (look_at(pid) for pid in children)
    return {one.pid for one in found if one is not None and one.session != session and one.started >= since}


def _parsed(pid: int, raw: bytes) -> Seen | None:
    # The command's name may hold spaces and parentheses: only what follows the last one is fields.
    fields = raw[raw.rfind(b")") + 2 :].split()
    if len(fields) < 20:
        return None
    return Seen(
        pid,
        chr(fields[0][0]),
        int(fields[1]),
        int(fields[2]),
        int(fields[3]),
        int(fields[17]),
        int(fields[19]),
    )


def thread_states(pid: int) -> set[str]:
    """The states of its threads."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")  # noqa: PTH208 - names alone
    except OSError:
        return set()
    raws = (read(f"/proc/{pid}/task/{thread}/stat") for thread in threads)
    return {chr(raw[raw.rfind(b")") + 2]) for raw in raws if raw}


def is_stopped(seen: Seen) -> bool:
    """Whether every thread of it stands still."""
    # A leader can be stopped, or a zombie, while one of its threads sits in the disk.
    if seen.threads > 1:
        return thread_states(seen.pid) <= STOPPED | DEAD
    return seen.state in STOPPED


def is_dead(seen: Seen) -> bool:
    """Whether no thread of it lives."""
    if seen.state not in DEAD:
        return False
    return seen.threads <= 1 or thread_states(seen.pid) <= DEAD


def send(seen: Seen, number: signal.Signals) -> bool:
    """Signals exactly this process, never one that took over its pid; False when that is not permitted."""
    try:
        fd = os.pidfd_open(seen.pid)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    try:
        now = look_at(seen.pid)
        if now is None or now.started != seen.started:
            return True
        signal.pidfd_send_signal(fd, number)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    else:
        return True
    finally:
        os.close(fd)
