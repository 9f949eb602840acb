"""A toolbox per run, over real files and the sandbox this machine has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from watchdogd.adapters.files import RootedFiles
from watchdogd.adapters.protection import Protection
from watchdogd.adapters.sandbox import NoSandbox, choose
from watchdogd.core.errors import SandboxError
from watchdogd.core.lifecycle import Run
from watchdogd.ports import Clock, Sandbox, SandboxProfile
from watchdogd.settings.model import Settings
from watchdogd.worker.tools.toolbox import Toolbox

KEPT = 8


class Toolboxes:
    """Hands out toolboxes."""

    def __init__(self, settings: Settings, sandbox: Sandbox | None, why_none: str, clock: Clock) -> None:
        self._settings, self._sandbox, self._clock = settings, sandbox, clock
        self.why_none = why_none
        """Why there is no shell tool; empty when there is one."""
        self._made: dict[str, Toolbox] = {}

    @staticmethod
    async def prepared(settings: Settings, *, clock: Clock, demo: bool, cgroups: Sequence[str] = ()) -> Toolboxes:
        """Probes the sandbox. Without one there is no shell tool, except in the demo's own scratch workspace.

        Each command gets a cgroup of its own below each of ``cgroups``.

        Raises:
            SandboxError: the configuration insists on bubblewrap, and it does not work here.
        """
        hidden = (str(settings.agent.state_dir),)
        groups = tuple(map(Path, cgroups))
        wanted = settings.tools.sandbox
        try:
            if wanted == "none" and demo:
                return Toolboxes(settings, NoSandbox(clock, cgroups=groups), "", clock)
            sandbox = await choose(clock, scratch=demo and wanted == "auto", hidden=hidden, cgroups=groups)
        except SandboxError as why:
            if settings.tools.sandbox == "bwrap":
                raise
            return Toolboxes(settings, None, str(why), clock)
        return Toolboxes(settings, sandbox, "", clock)

    @property
    def name(self) -> str:
        """``bwrap``, ``none`` (the demo), or why there is no shell tool."""
        return self._sandbox.name if self._sandbox is not None else f"no shell tool: {self.why_none}"

    def of(self, run: Run) -> Toolbox:
        """The toolbox of ``run`` over the workspace.

        Raises:
            SandboxError: it is a dry run, which never gets that one.
        """
        if run.dry_run:
            raise SandboxError(f"{run.id} is a dry run: it works in a copy only")
        made = self._made.get(run.id)
        if made is None:
            made = self._make(run)
            self._made[run.id] = made
            while len(self._made) > KEPT:
                del self._made[next(iter(self._made))]
        return made

    def over(self, run: Run, copy: str) -> Toolbox:
        """The toolbox of ``run`` over a copy of the workspace; without containment there is no shell in it.

        Raises:
            SandboxError: that is no copy but the workspace, or a place in it.
        """
        place, workspace = Path(copy).resolve(), self._settings.agent.workspace.resolve()
        if not copy or place.is_relative_to(workspace) or workspace.is_relative_to(place):
            raise SandboxError(f"{copy!r} is no copy of the workspace {str(workspace)!r}")
        return self._make(run, copy)

    def _make(self, run: Run, copy: str = "") -> Toolbox:
        tools = self._settings.tools
        workspace = self._settings.agent.workspace
        denied = tuple(one.pattern for one in self._settings.policy.denials if one.kind == "path")
        profile = SandboxProfile(
            workspace=copy or str(workspace),
            shown_as=str(workspace) if copy else "",
            protected=tuple(dict.fromkeys((*run.mission.protect, *denied))),
            time_s=tools.time_s,
            output_bytes=tools.output_bytes,
            processes=tools.processes,
            memory_bytes=tools.memory_bytes,
            file_bytes=tools.file_bytes,
        )
        if copy:  # absolute patterns name places in the workspace
            profile = replace(profile, protected=Protection(str(workspace), profile.protected).patterns)
        files = RootedFiles(Path(profile.workspace), protected=profile.protected)
        contained = self._sandbox is not None and self._sandbox.name != "none"
        sandbox = self._sandbox if contained or not copy else None
        return Toolbox(run=run.id, files=files, sandbox=sandbox, profile=profile, clock=self._clock)
