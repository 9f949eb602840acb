"""Role processes: a bundle on stdin, a pipe that tells them when we die, a channel, a tree to freeze and kill."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from watchdogd.adapters.ground import Ground
from watchdogd.adapters.proctable import look_at
from watchdogd.adapters.proctree import MARKER, ProcessTree
from watchdogd.adapters.socketpair import SocketChannel
from watchdogd.core.errors import SandboxError
from watchdogd.core.ids import Role
from watchdogd.core.proof import Proof
from watchdogd.ports import Channel, Clock, WorkerTree

CHANNEL_FD = "WATCHDOGD_CHANNEL_FD"
PIDS = "children.json"


class RoleProcess:
    """A running role."""

    def __init__(self, process: asyncio.subprocess.Process, tree: WorkerTree, channel: SocketChannel | None) -> None:
        self._process, self._tree, self._channel = process, tree, channel

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def tree(self) -> WorkerTree:
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
    """Starts roles; remembers them on disk so that a successor can find what we left.

    ``program`` is what a role is started with: its name is appended.
    """

    def __init__(
        self,
        *,
        state_dir: Path,
        clock: Clock,
        log: Path,
        ground: Ground,
        program: Sequence[str] = (sys.executable, "-m", "watchdogd.app"),
    ) -> None:
        self._state_dir, self._clock, self._log, self._ground = state_dir, clock, log, ground
        self._program = tuple(program)
        self._alive: dict[str, tuple[int, int]] = {}

    async def spawn(self, role: Role, bundle: dict[str, Any], env: dict[str, str]) -> RoleProcess:
        """A process of ``role``: ``bundle`` comes on its stdin, which then stays open as long as we live.

        Raises:
            OSError: it cannot be started.
        """
        if role is Role.OVERSEER:
            return await self._overseer(bundle, env)
        tree = await asyncio.to_thread(self._ground.tree)
        env = {**env, MARKER: self._ground.name}
        process = await self._started(role, tree.joining([*self._program, role.value]), env)
        try:
            with suppress(ProcessLookupError):
                tree.add(process.pid)
        except SandboxError as why:  # it has read nothing yet: there is nothing that it could have done
            process.kill()
            await process.wait()
            self._ground.lose(str(why))
            raise OSError(str(why)) from why
        return await self._told(process, {**bundle, "tool_cgroups": self._ground.tools(tree)}, tree, None)

    async def _overseer(self, bundle: dict[str, Any], env: dict[str, str]) -> RoleProcess:
        ours, theirs = socket.socketpair()
        with theirs:
            env = {**env, CHANNEL_FD: str(theirs.fileno())}
            command = [*self._program, Role.OVERSEER.value]
            try:
                process = await self._started(Role.OVERSEER, command, env, theirs.fileno())
            except OSError:
                ours.close()
                raise
        channel = await SocketChannel.over(ours)
        tree = ProcessTree(now=self._clock.boot)
        with suppress(ProcessLookupError):
            tree.add(process.pid)
        return await self._told(process, bundle, tree, channel)

    async def _started(
        self, role: Role, command: Sequence[str], env: dict[str, str], *fds: int
    ) -> asyncio.subprocess.Process:
        with self._log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=env,
                pass_fds=fds,
                # The worker's own session is what tells its orphans from what we start for other purposes.
                start_new_session=role is Role.WORKER,
                process_group=None if role is Role.WORKER else 0,
            )
        self._remember(role.value, process.pid)
        return process

    @staticmethod
    async def _told(
        process: asyncio.subprocess.Process,
        bundle: dict[str, Any],
        tree: WorkerTree,
        channel: SocketChannel | None,
    ) -> RoleProcess:
        if process.stdin is not None:
            process.stdin.write(json.dumps(bundle).encode() + b"\n")
            with suppress(ConnectionError):
                await process.stdin.drain()
        return RoleProcess(process, tree, channel)

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
        """Kills what a supervisor that died left behind; what was seen of it.

        It is found by its cgroup, by pid and start time, and by the marker in the environment.
        """
        left = self._ground.left()
        found = [left] if left is not None else []
        tree = ProcessTree(now=self._clock.boot, token=self._ground.name)
        for pid, started in self._before():
            seen = look_at(pid)
            if seen is not None and seen.started == started and pid != os.getpid():
                with suppress(ProcessLookupError):
                    tree.add(pid)
        if tree.look().pids:
            found.append(tree.kill())
        return found

    def _before(self) -> list[tuple[int, int]]:
        try:
            before = json.loads((self._state_dir / PIDS).read_text())
            return [(int(pid), int(started)) for pid, started in before.values()]
        except (OSError, ValueError, TypeError, AttributeError):
            return []
