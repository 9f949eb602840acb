"""The shell tool: a bash command in the sandbox."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from watchdogd.core.errors import SandboxError, ToolError
from watchdogd.core.events import Args, Impact
from watchdogd.core.shell import assess
from watchdogd.ports import CommandResult, Sandbox, SandboxProfile, ToolSpec
from watchdogd.worker.tools.call import Outcome, Prepared, only, text_arg

LONGEST = 20_000
"""Characters of a command; more belongs into a file."""


class ShellTool:
    """Runs ``command``; its class selects what it may touch, the sandbox enforces it."""

    def __init__(self, sandbox: Sandbox, profile: SandboxProfile) -> None:
        self._sandbox, self._profile = sandbox, profile

    @property
    def spec(self) -> ToolSpec:
        """As the model is told of it."""
        return ToolSpec(
            name="shell",
            description=(
                "Runs a bash command in the workspace and returns its output (stdout and stderr as they came) and exit "
                f"status. It is ended after {self._profile.time_s:.0f} s; nothing it starts survives it. No network "
                "unless that was granted."
            ),
            schema={
                "type": "object",
                "properties": {"command": {"type": "string", "description": "bash source"}},
                "required": ["command"],
                "additionalProperties": False,
            },
        )

    def prepare(self, args: Args) -> Prepared:
        """Class, paths, hosts and dangers as the grammar sees them. Raises: ToolError."""
        only(args, "command")
        command = text_arg(args, "command")
        if len(command) > LONGEST:
            raise ToolError(f"the command has {len(command)} characters, {LONGEST} are the limit: put it into a file")
        if "\0" in command:
            raise ToolError("the command holds a NUL character")
        seen = assess(command, workspace=self._profile.workspace, protected=self._profile.protected)
        return Prepared(
            impact=seen.impact,
            summary=" ".join(command.split())[:200],
            reasons=seen.reasons,
            writes=tuple(dict.fromkeys((*seen.protected, *seen.writes))),
            reads=tuple(word for one in seen.commands for word in one.argv[:2] if _names_file(word)),
            hosts=seen.hosts,
            dangers=tuple(f"{danger.kind}: {danger.text}" for danger in seen.dangers),
            profile=replace(
                self._profile,
                writable=seen.impact is not Impact.READ,
                network=seen.impact in (Impact.NETWORK, Impact.EXTERNAL),
            ),
        )

    async def run(
        self, args: Args, prepared: SandboxProfile | None, *, until_boot_s: float, launched: Callable[[], None]
    ) -> Outcome:
        """Runs it in its profile."""
        profile = prepared or replace(self._profile, writable=False, network=False)
        try:
            done = await self._sandbox.run(
                text_arg(args, "command"), profile, until_boot_s=until_boot_s, launched=launched
            )
        except SandboxError as why:
            launched()
            return Outcome(ok=False, text=f"error: {why}", error_class="sandbox")
        return _outcome(done, profile)


def _names_file(word: str) -> bool:
    """A script the command runs: an approval must not hold for another content of it."""
    return bool(word) and not word.startswith("-") and ("/" in word or "." in word) and "\0" not in word


def _outcome(done: CommandResult, profile: SandboxProfile) -> Outcome:
    output = done.output.rstrip("\n")
    match done.outcome:
        case "exited":
            ok = done.exit_code == 0
            tail = "" if ok else f"\n[exit status {done.exit_code}]"
            return Outcome(
                ok=ok,
                text=(output or "(no output)") + tail,
                error_class="" if ok else "exit",
                exit_code=done.exit_code,
                duration_s=done.duration_s,
            )
        case "signalled":
            text = f"{output}\n[ended by signal {done.signal}]".lstrip("\n")
            return Outcome(ok=False, text=text, error_class="signal", duration_s=done.duration_s)
        case "timeout":
            text = f"{output}\n[ended after {profile.time_s:.0f} s, the limit]".lstrip("\n")
            return Outcome(ok=False, text=text, error_class="timeout", duration_s=done.duration_s)
        case "aborted":
            return Outcome(ok=False, text="not run: the lease had ended", error_class="lease", aborted=True)
        case "failed_to_start":
            return Outcome(ok=False, text=f"error: it could not be started: {output}", error_class="sandbox")
