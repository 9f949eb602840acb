"""One bubblewrap from spawn to end: it is set up, waits for its go, runs, and everything in it dies with it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import signal
import socket
from collections.abc import Sequence

from watchdogd.adapters.bubblewrap import View
from watchdogd.adapters.callgroup import CallGroup
from watchdogd.adapters.capture import Capture
from watchdogd.adapters.launch import Launch, Orders, readable
from watchdogd.adapters.proctree import MARKER, ProcessTree
from watchdogd.core.errors import SandboxError
from watchdogd.ports import Clock, SandboxProfile

BASH = ("/bin/bash", "--noprofile", "--norc", "-c")

_GATE = """
printf . >&"$1"; IFS= read -r -N 1 -u "$1" go; [ "$go" = "!" ] || exit 125
[ "$2" = 0 ] || ulimit -u "$2" || exit 125
eval "exec $1>&-"; exec 3>&2 2>/dev/null; /bin/bash --noprofile --norc -c "$3" 2>&3 3>&-; exit $?
"""
"""Stands in the sandbox in front of the command, as its first process: says that everything is set up, waits for the
go, runs the command and reaps what it leaves. When it ends the kernel ends the rest, and only then bwrap hears of it.

It is here and not bwrap's ``--block-fd`` because that takes the end of the pipe, a worker that died, for the go; and
not bwrap's own first process because bwrap leaves that one to whoever adopts orphans.
"""

_OUTER_S = 5.0
"""How long bwrap may take to reap the first process before it is killed too (seconds)."""

_NPROC_PER_NAMESPACE = (5, 14)
"""Since this kernel RLIMIT_NPROC counts the processes of a user namespace, not all of a user's."""


class Box:
    """A sandbox around one command; constructing it spawns it, without awaiting anything.

    Raises:
        SandboxError: there is no cgroup to be had, or a name or value holds a NUL.
        OSError: no process, descriptor or memory to be had.
    """

    def __init__(
        self,
        program: str,
        command: str,
        profile: SandboxProfile,
        seen: View,
        group: CallGroup,
        until_boot_s: float,
        clock: Clock,
    ) -> None:
        self._said = bytearray()
        self._init_fd: int | None = None
        token = clock.nonce()
        with contextlib.ExitStack() as on_failure, contextlib.ExitStack() as theirs:
            self._fds = on_failure.enter_context(contextlib.ExitStack())
            self._told_fd, told_write = os.pipe()
            self._fds.callback(os.close, self._told_fd)
            theirs.callback(os.close, told_write)
            self._gate, gate = socket.socketpair()
            self._fds.callback(self._gate.close)
            theirs.callback(gate.close)
            files = [(path, _memory(theirs, content.encode("utf-8", "replace"))) for path, content in seen.files]
            # First, because what comes last makes the mounts of / and /dev read-only.
            placed = [word for path, fd in files for word in ("--ro-bind-data", str(fd), path)]
            args = _memory(theirs, _zero_separated(["--json-status-fd", str(told_write), *placed, *seen.args]))
            inner = (*BASH, _GATE, "bash", str(gate.fileno()), str(_processes(profile)), command)
            orders = Orders(
                argv=(program, "--args", str(args), "--as-pid-1", "--unsetenv", MARKER, "--", *inner),
                cwd="/",
                until_boot_s=until_boot_s,
                env={MARKER: token},  # to find what is half set up; the command does not get to see it
                limits=limits(profile),
                cgroups=group.make(processes=profile.processes, memory_bytes=profile.memory_bytes),
                fds=(told_write, gate.fileno(), args, *(fd for _, fd in files)),
            )
            self.launch = Launch(orders, Capture(profile.output_bytes))
            self.launch.start()
            on_failure.pop_all()
        self._tree = ProcessTree(now=clock.boot, token=token)
        with contextlib.suppress(ProcessLookupError):
            self._tree.add(self.launch.pid)

    async def ready(self) -> bool:
        """Whether the sandbox stands and its command waits for the go."""
        await readable(self._gate.fileno())
        try:
            if not self._gate.recv(1):
                return False
        except ConnectionError:
            return False
        self._read_reports()
        pid = self._reports().get("child-pid")
        if pid is None:
            return False
        try:
            self._init_fd = os.pidfd_open(pid)  # it is there, for what it holds has just spoken
        except ProcessLookupError:
            return False
        self._fds.callback(os.close, self._init_fd)
        return True

    def go(self) -> None:
        """Lets the command start; if it is gone already its end will tell."""
        with contextlib.suppress(ConnectionError):
            self._gate.send(b"!")

    def has_run(self) -> bool:
        """Whether bwrap reported the command's end, and not only its own; asked after the end."""
        self._read_reports()
        return "exit-code" in self._reports()

    async def gone(self) -> None:
        """Kills whatever is left and waits until the pid namespace is empty."""
        if self._init_fd is None:
            # Half set up: bwrap's child is bound to its parent's life only at the end, so the whole tree is stopped
            # before anything in it is killed.
            await asyncio.to_thread(self._tree.kill)
        else:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._init_fd, signal.SIGKILL)
            # A namespace's first process ends only after the kernel has ended all others in it.
            await readable(self._init_fd)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_OUTER_S):
                    await self.launch.ended()
        self.launch.kill()
        await self.launch.ended()

    def close(self) -> None:
        """Lets go of the descriptors."""
        self.launch.close()
        self._fds.close()

    def _read_reports(self) -> bool:
        """Takes what bwrap reported so far; False at the end."""
        os.set_blocking(self._told_fd, False)
        try:
            piece = os.read(self._told_fd, 65_536)
        except BlockingIOError:
            return True
        self._said += piece
        return bool(piece)

    def _reports(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for line in bytes(self._said).splitlines():
            with contextlib.suppress(ValueError):
                found |= json.loads(line)
        return found


def _processes(profile: SandboxProfile) -> int:
    """What ``ulimit -u`` is set to inside the namespace, 0 for nothing: root is exempt, old kernels count otherwise."""
    return profile.processes if os.getuid() != 0 and _kernel() >= _NPROC_PER_NAMESPACE else 0


def limits(profile: SandboxProfile) -> dict[str, int]:
    """The resource limits of each process.

    RLIMIT_DATA and not RLIMIT_AS: Go, Java and JavaScript reserve far more addresses than they use memory.
    """
    return {
        "RLIMIT_CORE": 0,
        "RLIMIT_DATA": profile.memory_bytes,
        "RLIMIT_FSIZE": profile.file_bytes,
        "RLIMIT_NOFILE": 4_096,
    }


def _kernel() -> tuple[int, int]:
    major, minor = os.uname().release.split(".")[:2]
    return int(major), int("".join(itertools.takewhile(str.isdigit, minor)) or 0)


def _zero_separated(words: Sequence[str]) -> bytes:
    if any("\0" in word for word in words):
        raise SandboxError("a path or environment value holds a NUL")
    return b"".join(os.fsencode(word) + b"\0" for word in words)


def _memory(owner: contextlib.ExitStack, content: bytes) -> int:
    """A memory file of ``content``, closed here with ``owner``."""
    fd = os.memfd_create("handed", os.MFD_CLOEXEC)
    owner.callback(os.close, fd)
    os.write(fd, content)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd
