"""Role processes: a bundle on stdin, a pipe that tells them when we die, a channel, a tree to freeze and kill."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from watchdogd.adapters.proctree import ProcessTree, look_at
from watchdogd.adapters.socketpair import SocketChannel
from watchdogd.core.ids import Role
from watchdogd.core.proof import Proof
from watchdogd.ports import Channel, Clock

CHANNEL_FD = "WATCHDOGD_CHANNEL_FD"
PIDS = "children.json"


class RoleTree:
    """A role's process tree behind the WorkerTree port."""

    def __init__(self, tree: ProcessTree) -> None:
        self._tree = tree

    def freeze(self) -> Proof:
        """Stops every process, and looks."""
        return self._tree.freeze()

    def thaw(self) -> Proof:
        """Lets all go on."""
        return self._tree.thaw()

    def thaw_worker(self) -> Proof:
        """Lets only the role's own process go on."""
        return self._tree.thaw(roots_only=True)

    def kill(self) -> Proof:
        """Ends all, and looks."""
        return self._tree.kill()

    def look(self) -> Proof:
        """What it is doing."""
        return self._tree.look()


class RoleProcess:
    """A running role."""

    def __init__(self, process: asyncio.subprocess.Process, tree: RoleTree, channel: SocketChannel | None) -> None:
        self._process, self._tree, self._channel = process, tree, channel

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def tree(self) -> RoleTree:
        """It and everything it started."""
        return self._tree

    @property
    def channel(self) -> Channel | None:
        """The overseer's socketpair."""
        return self._channel

    async def wait(self) -> int:
        """Its exit status."""
        status = await self._process.wait()
        if self._channel is not None:
            self._channel.close()
        if self._process.stdin is not None:
            self._process.stdin.close()
        return status

    def terminate(self) -> None:
        """SIGTERM."""
        with suppress(ProcessLookupError):
            self._process.terminate()

    def renew(self) -> None:
        """SIGHUP."""
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGHUP)


class Roles:
    """Starts roles; remembers them on disk so that a successor can find what we left."""

    def __init__(self, *, state_dir: Path, clock: Clock, log: Path) -> None:
        self._state_dir, self._clock, self._log = state_dir, clock, log
        self._alive: dict[str, tuple[int, int]] = {}

    async def spawn(self, role: Role, bundle: dict[str, Any], env: dict[str, str]) -> RoleProcess:
        """A process of ``role``: ``bundle`` comes on its stdin, which then stays open as long as we live."""
        ours: socket.socket | None = None
        theirs: socket.socket | None = None
        fds: tuple[int, ...] = ()
        env = dict(env)
        if role is Role.OVERSEER:
            ours, theirs = socket.socketpair()
            fds = (theirs.fileno(),)
            env[CHANNEL_FD] = str(theirs.fileno())
        with self._log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "watchdogd.app",
                role.value,
                stdin=asyncio.subprocess.PIPE,
                stdout=log,
                stderr=log,
                pass_fds=fds,
                env=env,
                start_new_session=True,
            )
        if theirs is not None:
            theirs.close()
        channel = await SocketChannel.over(ours) if ours is not None else None
        if process.stdin is not None:
            process.stdin.write(json.dumps(bundle).encode() + b"\n")
            with suppress(ConnectionError):
                await process.stdin.drain()
        tree = ProcessTree(now=self._clock.boot)
        with suppress(ProcessLookupError):
            tree.add(process.pid)
        self._remember(role.value, process.pid)
        return RoleProcess(process, RoleTree(tree), channel)

    def _remember(self, name: str, pid: int) -> None:
        seen = look_at(pid)
        if seen is not None:
            self._alive[name] = (pid, seen.started)
        path = self._state_dir / PIDS
        part = path.with_suffix(".part")
        with suppress(OSError):  # a full disk: a role that runs and is not on the list beats none that runs
            part.write_text(json.dumps(self._alive))
            part.replace(path)

    def leftovers(self) -> list[Proof]:
        """Kills what a supervisor that died left behind, found by pid and start time; what was seen of each."""
        try:
            before = json.loads((self._state_dir / PIDS).read_text())
        except (OSError, ValueError):
            return []
        found = []
        for pid, started in before.values():
            seen = look_at(int(pid))
            if seen is None or seen.started != started or pid == os.getpid():
                continue
            tree = ProcessTree(now=self._clock.boot)
            with suppress(ProcessLookupError):
                tree.add(int(pid))
                found.append(tree.kill())
        return found
