"""Running shell commands in containment: bubblewrap, or openly nothing for a scratch workspace."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from watchdogd.adapters.box import BASH, Box, limits
from watchdogd.adapters.bubblewrap import Interpreter, checked_workspace, environment, view
from watchdogd.adapters.callgroup import CallGroup
from watchdogd.adapters.capture import Capture
from watchdogd.adapters.ending import GONE_S, Once, failed, held, not_run, rest_of_output, result_of, within
from watchdogd.adapters.launch import Launch, Orders, Status
from watchdogd.adapters.proctree import MARKER, ProcessTree, token_below
from watchdogd.adapters.protection import Protection
from watchdogd.core.errors import SandboxError
from watchdogd.ports import Clock, CommandResult, Sandbox, SandboxProfile

_SETUP_S = 60.0
"""bwrap sets a sandbox up in some 5 ms; a machine that needs this long is not going to."""

_PROBE_S = 120.0
"""How long the start-up probe may take; it takes some 30 ms."""


class BubblewrapSandbox:
    """Commands in bubblewrap: own namespaces, no capabilities, the workspace as the only writable path.

    ``hidden`` paths (state, configuration) must not lie in a workspace. ``cgroups`` are cgroup directories that the
    command joins in a child of its own, with limits; without them ``processes`` does not bind where this process is
    root, and memory is limited per process only.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        program: str | None = None,
        interpreter: Interpreter | None = None,
        hidden: Sequence[str] = (),
        cgroups: Sequence[Path] = (),
    ) -> None:
        self._clock, self._hidden, self._cgroups = clock, tuple(hidden), tuple(cgroups)
        self._program = program or shutil.which("bwrap") or ""
        self._interpreter = interpreter or Interpreter.found()
        self._known: frozenset[str] | None = None

    @property
    def name(self) -> str:
        """The sandbox's name in records."""
        return "bwrap"

    async def probe(self) -> str | None:
        """Why commands cannot be contained here, or None when a real one was and could not get out."""
        if not self._program:
            return "bubblewrap (bwrap) is not installed"
        try:
            with tempfile.TemporaryDirectory(prefix="watchdogd-probe-") as scratch:
                return await asyncio.wait_for(self._probe_in(scratch), _PROBE_S)
        except TimeoutError:
            return f"bubblewrap does not work here: no end after {_PROBE_S:g} s"
        except (SandboxError, OSError) as why:
            return f"bubblewrap does not work here: {why}"

    async def run(
        self, command: str, profile: SandboxProfile, *, until_boot_s: float, launched: Callable[[], None]
    ) -> CommandResult:
        """Runs ``command`` in bash in ``profile``; nothing of it survives this call.

        The deadline is compared twice: by the launcher right before it becomes bwrap, and here once the sandbox
        stands and waits for its go, so that a slow set-up cannot carry an effect past the lease.

        Raises:
            SandboxError: the profile cannot be contained; nothing ran.
        """
        once = Once(launched)
        try:
            return await self._contained(command, profile, until_boot_s, once)
        finally:
            once()

    async def _contained(self, command: str, profile: SandboxProfile, until_boot_s: float, once: Once) -> CommandResult:
        # Nothing is awaited from here to the spawn: what the caller looked at last still holds.
        began = self._clock.boot()
        seen = view(profile, options=self._options(), interpreter=self._interpreter, hidden=self._hidden)
        group = CallGroup(self._cgroups, f"call-{self._clock.nonce()}")
        try:
            box = Box(self._program, command, profile, seen, group, until_boot_s, self._clock)
        except OSError as why:
            group.remove()
            return failed(f"cannot start: {why}", self._clock.boot() - began)

        async def gone() -> None:
            group.kill()
            await box.gone()
            await _removed(group)

        async with held(gone, box.close):
            result = await self._lived(box, profile, until_boot_s, began, once)
        return _with_created(result, profile, seen.missing)

    async def _lived(
        self, box: Box, profile: SandboxProfile, until_boot_s: float, began: float, once: Once
    ) -> CommandResult:
        status = await box.launch.status()
        if status != Status():
            return not_run(status, self._clock.boot() - began)
        if not await within(box.ready(), _SETUP_S):
            await box.gone()
            await rest_of_output(box.launch)
            return failed(f"no sandbox: {box.launch.capture.text().strip()}", self._clock.boot() - began)
        if (late_s := self._clock.boot() - until_boot_s) >= 0:
            return not_run(Status(aborted_late_s=late_s), self._clock.boot() - began)
        box.go()
        once()
        code = await within(box.launch.ended(), profile.time_s)
        await box.gone()
        await rest_of_output(box.launch)
        if code is not None and code >= 0 and not box.has_run():
            return failed(f"no sandbox: {box.launch.capture.text().strip()}", self._clock.boot() - began)
        return result_of(code, box.launch.capture, self._clock.boot() - began)

    def _options(self) -> frozenset[str]:
        """The options this bwrap knows; distributions carry versions years apart."""
        if self._known is None:
            if not self._program:
                raise SandboxError("bubblewrap (bwrap) is not installed")
            try:
                told = subprocess.run([self._program, "--help"], capture_output=True, text=True, timeout=30, check=True)
            except (OSError, subprocess.SubprocessError) as why:
                raise SandboxError(f"{self._program} --help: {why}") from why
            self._known = frozenset(word for word in told.stdout.split() if word.startswith("--"))
        return self._known

    async def _probe_in(self, scratch: str) -> str | None:
        inside = Path(scratch) / "workspace"
        (inside / "kept").mkdir(parents=True)
        profile = SandboxProfile(workspace=str(inside), protected=("kept",), time_s=60)
        result = await self.run(
            "echo written > made && ! touch kept/x 2>/dev/null && ! touch /usr/x 2>/dev/null && "
            f"! touch /proc/sys/kernel/core_pattern 2>/dev/null && test ! -e {scratch}/secret && "
            "test $(grep -c : /proc/net/dev) = 1 && cat made",
            profile,
            until_boot_s=self._clock.boot() + 600,
            launched=lambda: None,
        )
        if result.outcome == "exited" and result.exit_code == 0 and result.output == "written\n":
            return None
        return f"bubblewrap does not contain a command here ({result.outcome}): {result.output.strip()[:300]}"


class NoSandbox:
    """No containment at all: for the demo's own scratch workspace, and for nothing else.

    The command runs as this user with everything this user can reach. It has a session of its own; what it leaves
    behind is found in the process table and killed, which is a search and not a wall. Protected paths are guarded by
    the gate alone, ``writable`` and ``network`` are not enforced.
    """

    def __init__(self, clock: Clock, *, interpreter: Interpreter | None = None, cgroups: Sequence[Path] = ()) -> None:
        self._clock, self._cgroups = clock, tuple(cgroups)
        self._interpreter = interpreter or Interpreter.found()

    @property
    def name(self) -> str:
        """The sandbox's name in records."""
        return "none"

    async def run(
        self, command: str, profile: SandboxProfile, *, until_boot_s: float, launched: Callable[[], None]
    ) -> CommandResult:
        """Runs ``command`` in bash; what it started is swept up afterwards, as far as it can be found.

        Raises:
            SandboxError: the workspace is no workspace, or a copy is to be shown in its place; nothing ran.
        """
        once = Once(launched)
        try:
            return await self._lived(command, profile, until_boot_s, once)
        finally:
            once()

    async def _lived(self, command: str, profile: SandboxProfile, until_boot_s: float, once: Once) -> CommandResult:
        if profile.shown_as:
            raise SandboxError("without containment no command can be kept in a copy of the workspace")
        workspace = checked_workspace(profile.workspace, ())
        token, began = token_below(self._clock.nonce()), self._clock.boot()
        group = CallGroup(self._cgroups, f"call-{self._clock.nonce()}")
        env = environment(profile, self._interpreter, home=workspace) | {MARKER: token}
        orders = Orders(
            argv=(*BASH, command),
            cwd=workspace,
            until_boot_s=until_boot_s,
            env=env,
            limits=limits(profile),
            cgroups=group.make(processes=profile.processes, memory_bytes=profile.memory_bytes),
        )
        launch = Launch(orders, Capture(profile.output_bytes))
        try:
            launch.start()
        except OSError as why:
            group.remove()
            return failed(f"cannot start: {why}", self._clock.boot() - began)
        swept = _Sweep(launch, ProcessTree(now=self._clock.boot, token=token, timeout_s=GONE_S), group)
        async with held(swept, launch.close):
            status = await launch.status()
            if status != Status():
                return not_run(status, self._clock.boot() - began)
            once()
            code = await within(launch.ended(), profile.time_s)
            await swept()
            launch.drain()
            return result_of(code, launch.capture, self._clock.boot() - began)


async def choose(
    clock: Clock, *, scratch: bool = False, hidden: Sequence[str] = (), cgroups: Sequence[Path] = ()
) -> Sandbox:
    """Bubblewrap where a probe run of it succeeds; openly nothing where not and the workspace is ``scratch``.

    Raises:
        SandboxError: commands cannot be contained here, and this is no scratch workspace.
    """
    bubblewrap = BubblewrapSandbox(clock, hidden=hidden, cgroups=cgroups)
    reason = await bubblewrap.probe()
    if reason is None:
        return bubblewrap
    if scratch:
        return NoSandbox(clock, cgroups=cgroups)
    raise SandboxError(reason)


class _Sweep:
    """Finds and kills what a command without a namespace has started."""

    def __init__(self, launch: Launch, tree: ProcessTree, group: CallGroup) -> None:
        self._launch, self._tree, self._group, self._lock = launch, tree, group, threading.Lock()
        with contextlib.suppress(ProcessLookupError):
            tree.add(launch.pid)

    async def __call__(self) -> None:
        self._group.kill()
        await asyncio.to_thread(self._kill)
        await self._launch.ended()
        await _removed(self._group)

    def _kill(self) -> None:
        with self._lock:
            self._tree.kill()


async def _removed(group: CallGroup) -> None:
    """Removes the cgroup; the kernel counts a dead process out a moment after it was reaped."""
    for _ in range(50):
        if group.remove():
            return
        await asyncio.sleep(0.01)


def _with_created(result: CommandResult, profile: SandboxProfile, missing: Sequence[str]) -> CommandResult:
    """Says so when a protected path that was not there, and so could not be mounted, came into being."""
    if not missing or not profile.writable:
        return result
    try:
        _, still = Protection(checked_workspace(profile.workspace, ()), missing).existing()
    except SandboxError as why:
        return replace(result, output=f"{result.output}\n[watchdogd: {why}]\n")
    made = sorted(set(missing) - set(still))
    if not made:
        return result
    return replace(result, output=f"{result.output}\n[watchdogd: the command made the protected {', '.join(made)}]\n")
