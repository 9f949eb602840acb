"""The tools of one run: what the model is told, what the gate weighs, what runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict

from watchdogd.core.conversation import ToolUse
from watchdogd.core.errors import ToolError
from watchdogd.core.escalation import visible
from watchdogd.core.ids import canonical, digest, digest_of
from watchdogd.ports import Clock, Files, Sandbox, SandboxProfile, ToolSpec
from watchdogd.worker.tools.arguments import checked
from watchdogd.worker.tools.ask import ASK, AskTool
from watchdogd.worker.tools.call import Call, Outcome, Tool
from watchdogd.worker.tools.create import CreateTool
from watchdogd.worker.tools.edit import EditTool
from watchdogd.worker.tools.shell import ShellTool
from watchdogd.worker.tools.view import ViewTool

__all__ = ["ASK", "Call", "Outcome", "Toolbox"]

BOUND_BYTES = 32 * 1024**2
"""How much of a file that an action names is looked at to bind an approval to it (0.1 s)."""


class Toolbox:
    """Prepares and runs the calls of one run. Without a sandbox there is no shell.

    Over a copy (``profile.shown_as``) ``files`` are the copy's, and every path is still named as in the workspace.
    """

    def __init__(
        self, *, run: str, files: Files, sandbox: Sandbox | None, profile: SandboxProfile, clock: Clock
    ) -> None:
        self._run, self._files, self._workspace = run, files, profile.seen_at
        self._sandbox = sandbox.name if sandbox is not None else ""
        tools: list[Tool] = [kind(files, clock, profile.seen_at) for kind in (ViewTool, CreateTool, EditTool)]
        if sandbox is not None:
            tools.insert(0, ShellTool(sandbox, profile))
        self._tools: Mapping[str, Tool] = {tool.spec.name: tool for tool in (*tools, AskTool())}

    def specs(self) -> tuple[ToolSpec, ...]:
        """What the model is told; the order never changes, so that the provider's cache holds."""
        return tuple(tool.spec for tool in self._tools.values())

    def prepare(self, use: ToolUse) -> Call:
        """The call as the gate weighs it, from its arguments and the files they name.

        Raises:
            ToolError: there is no such tool, the arguments do not fit, or it cannot come to anything.
        """
        tool = self._tool(use.name)
        checked(tool.spec, use.args)
        prepared = tool.prepare(use.args)
        files = {path: state for path in prepared.reads if (state := self._state(path)) is not None}
        profile = prepared.profile
        action = {
            "run": self._run,
            "tool": use.name,
            "args": dict(use.args),
            "cwd": self._workspace,
            "sandbox": self._sandbox if profile is not None else "",
            "profile": None if profile is None else asdict(profile),
            "files": files,
        }
        return Call(
            use=use,
            impact=prepared.impact,
            summary=visible(prepared.summary).replace("\n", " "),
            reasons=prepared.reasons,
            writes=prepared.writes,
            hosts=prepared.hosts,
            dangers=prepared.dangers,
            action_digest=digest_of(action),
            shown=self._shown(use, profile, files),
            profile=profile,
        )

    async def run(self, call: Call, *, until_boot_s: float, launched: Callable[[], None]) -> Outcome:
        """Runs an admitted call."""
        tool = self._tool(call.use.name)
        return await tool.run(call.use.args, call.profile, until_boot_s=until_boot_s, launched=launched)

    def _tool(self, name: str) -> Tool:
        tool = self._tools.get(name)
        if tool is None:
            hint = "; commands cannot be contained on this machine" if name == "shell" else ""
            raise ToolError(f"there is no tool {name!r}; there are: {', '.join(self._tools)}{hint}", kind="invalid")
        return tool

    def _state(self, path: str) -> str | None:
        """What stands at ``path`` as far as an approval is bound to it; None for nothing, which counts as well."""
        try:
            if self._files.is_dir(path):
                return None
            data, cut = self._files.read(path, limit_bytes=BOUND_BYTES)
        except ToolError as why:
            return None if why.kind == "not_found" else f"not readable ({why.kind})"
        return f"sha256 {digest(data)}" + (f" of the first {BOUND_BYTES} bytes" if cut else "")

    def _shown(self, use: ToolUse, profile: SandboxProfile | None, files: Mapping[str, str]) -> str:
        """What an approver reads: ours first, then the action behind bars, so that neither can pass for the other."""
        lines = [f"{visible(use.name)} in {visible(self._workspace)}{self._contained(profile)}"]
        lines += [f"as it is now: {visible(path)}, {state}" for path, state in files.items()]
        for name, value in use.args.items():
            text = visible(value if isinstance(value, str) else canonical(value))
            lines += [f"{visible(name)}:", *(f"│ {line}" for line in text.split("\n"))]
        return "\n".join(lines)

    def _contained(self, profile: SandboxProfile | None) -> str:
        if profile is None:
            return ""
        if self._sandbox == "none":
            return ", NOT contained (no sandbox)"
        parts = ["workspace writable" if profile.writable else "workspace read-only"]
        parts += [f"protected: {_listed(profile.protected)}"] if profile.protected and profile.writable else []
        parts.append("WITH network" if profile.network else "no network")
        return f", sandbox {self._sandbox}: {', '.join(parts)}, at most {profile.time_s:.0f} s"


def _listed(paths: Sequence[str]) -> str:
    return " ".join(visible(path) for path in paths)
