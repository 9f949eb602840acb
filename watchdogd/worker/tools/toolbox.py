"""The tools of one run: what the model is told, what the gate weighs, what runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict

from watchdogd.core.conversation import ToolUse
from watchdogd.core.errors import ToolError
from watchdogd.core.escalation import visible
from watchdogd.core.events import Args, Impact
from watchdogd.core.ids import canonical, digest_of
from watchdogd.ports import Clock, Files, Sandbox, SandboxProfile, ToolSpec
from watchdogd.worker.tools.call import Call, Outcome, Prepared, Tool, only, text_arg
from watchdogd.worker.tools.files import CreateTool, EditTool, ViewTool
from watchdogd.worker.tools.shell import ShellTool

ASK = "ask"
"""The question to people: the worker's loop answers it, nothing runs."""
ASK_SPEC = ToolSpec(
    name=ASK,
    description="Asks the people in charge a question and waits for their answer. Use it when you may not decide.",
    schema={
        "type": "object",
        "properties": {
            "question": {"type": "string"},
            "options": {"type": "array", "items": {"type": "string"}, "maxItems": 6},
        },
        "required": ["question"],
        "additionalProperties": False,
    },
)


class Toolbox:
    """Prepares and runs the calls of one run."""

    def __init__(
        self, *, run: str, files: Files, sandbox: Sandbox | None, profile: SandboxProfile, clock: Clock
    ) -> None:
        self._run, self._files, self._workspace = run, files, profile.workspace
        tools: list[Tool] = [ViewTool(files, clock), CreateTool(files, clock), EditTool(files, clock)]
        if sandbox is not None:
            tools.insert(0, ShellTool(sandbox, profile))
        self._tools: Mapping[str, Tool] = {tool.spec.name: tool for tool in tools}

    def specs(self) -> tuple[ToolSpec, ...]:
        """What the model is told; the order never changes, so that the provider's cache holds."""
        return (*(tool.spec for tool in self._tools.values()), ASK_SPEC)

    def prepare(self, use: ToolUse) -> Call:
        """The call as the gate weighs it, from its arguments and the files they name. Raises: ToolError."""
        prepared = _ask(use.args) if use.name == ASK else self._tool(use.name).prepare(use.args)
        files = {path: self._digest(path) for path in prepared.reads}
        profile = prepared.profile
        action = {
            "run": self._run,
            "tool": use.name,
            "args": dict(use.args),
            "cwd": self._workspace,
            "profile": None if profile is None else asdict(profile),
            "files": files,
        }
        return Call(
            use=use,
            impact=prepared.impact,
            summary=prepared.summary,
            reasons=prepared.reasons,
            writes=prepared.writes,
            hosts=prepared.hosts,
            dangers=prepared.dangers,
            action_digest=digest_of(action),
            shown=_shown(use),
            profile=profile,
        )

    async def run(self, call: Call, *, until_boot_s: float, launched: Callable[[], None]) -> Outcome:
        """Runs an admitted call."""
        tool = self._tool(call.use.name)
        return await tool.run(call.use.args, call.profile, until_boot_s=until_boot_s, launched=launched)

    def _tool(self, name: str) -> Tool:
        tool = self._tools.get(name)
        if tool is None:
            known = ", ".join((*self._tools, ASK))
            raise ToolError(f"there is no tool {name!r}; there are: {known}")
        return tool

    def _digest(self, path: str) -> str | None:
        try:
            return self._files.digest(path)
        except ToolError:
            return None


def _ask(args: Args) -> Prepared:
    only(args, "question", "options")
    question = text_arg(args, "question")
    options = args.get("options", [])
    if not isinstance(options, list) or not all(isinstance(one, str) for one in options):
        raise ToolError("options must be a list of strings")
    return Prepared(impact=Impact.READ, summary=f"ask: {question[:200]}")


def _shown(use: ToolUse) -> str:
    """What an approver reads: a command as it is, anything else argument by argument, nothing hidden."""
    if set(use.args) == {"command"} and isinstance(use.args["command"], str):
        return visible(use.args["command"])
    lines = []
    for name, value in use.args.items():
        text = visible(value) if isinstance(value, str) else visible(canonical(value))
        lines.append(f"{visible(name)}:\n{text}" if "\n" in text else f"{visible(name)}: {text}")
    return "\n".join(lines)
