"""shell: a bash command in the sandbox."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import assert_never

from watchdogd.core.errors import SandboxError, ToolError
from watchdogd.core.events import Args, Impact
from watchdogd.core.shell import SimpleCommand, assess
from watchdogd.core.shell.paths import UNKNOWN, beneath, joined
from watchdogd.ports import CommandResult, Sandbox, SandboxProfile, ToolSpec
from watchdogd.worker.tools.arguments import number_of, text_of
from watchdogd.worker.tools.call import NOT_RUN, Outcome, Prepared

LONGEST = 20_000
"""Characters of a command; more belongs into a file."""

MOST_NAMES = 500
"""Words of a command that may name a file its approval is bound to; each costs a look at the disk."""

_PIECE = re.compile(r"[^\s;&|<>()`\"'$={}\[\],:]+")

_ANSWERS_BY_STATUS = frozenset(
    {"grep", "egrep", "fgrep", "zgrep", "rg", "diff", "cmp", "colordiff", "test", "[", "pgrep", "which", "type"}
)
"""Programs whose exit status 1 is an answer (nothing found, not the same) and no error."""


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
                f"status. It is ended after {self._profile.time_s:.0f} s, sooner with time_s; nothing it starts "
                "survives it. It sees the workspace, the system's programs and a private /tmp; no network unless that "
                "was granted."
            ),
            schema={
                "type": "object",
                "properties": {
                    "command": {
                        "type": "string",
                        "minLength": 1,
                        "maxLength": LONGEST,
                        "description": "bash source",
                    },
                    "time_s": {"type": "integer", "minimum": 1, "description": "end it after this many seconds"},
                },
                "required": ["command"],
                "additionalProperties": False,
            },
        )

    def prepare(self, args: Args) -> Prepared:
        """Class, paths, hosts and dangers as the grammar sees them. Raises: ToolError."""
        command = text_of(args, "command")
        if "\0" in command:
            raise ToolError("shell: the command holds a NUL character", kind="invalid")
        seen = assess(command, workspace=self._profile.seen_at, protected=self._profile.protected)
        return Prepared(
            impact=seen.impact,
            summary=" ".join(command.split())[:200],
            reasons=seen.reasons,
            writes=tuple(dict.fromkeys((*seen.protected, *seen.writes))),
            # What only looks needs nobody's approval, and so nothing to bind one to.
            reads=() if seen.impact is Impact.READ else _files(command, seen.commands, self._profile.seen_at),
            hosts=seen.hosts,
            dangers=tuple(f"{danger.kind}: {danger.text}" for danger in seen.dangers),
            profile=replace(
                self._profile,
                writable=seen.impact is not Impact.READ,
                network=seen.impact in (Impact.NETWORK, Impact.EXTERNAL) and not self._profile.shown_as,
                time_s=min(self._profile.time_s, number_of(args, "time_s", 2**31)),
            ),
        )

    async def run(
        self, args: Args, profile: SandboxProfile | None, *, until_boot_s: float, launched: Callable[[], None]
    ) -> Outcome:
        """Runs it in its profile; without one in the narrowest."""
        command = text_of(args, "command")
        within = profile or replace(self._profile, writable=False, network=False)
        try:
            done = await self._sandbox.run(command, within, until_boot_s=until_boot_s, launched=launched)
        except SandboxError as why:
            return Outcome(ok=False, text=f"error: {why}", error_class="sandbox")
        return _outcome(done, within, command)


def _files(command: str, commands: Sequence[SimpleCommand], workspace: str) -> tuple[str, ...]:
    """What may name a file of the workspace, as paths below it: words as the shell sees them, and as they are written.

    What is only known when it runs (globs, variables) is not among them, nor what a script names in turn.
    """
    words = [(one.cwd or workspace, word) for one in commands for word in one.argv]
    places = dict.fromkeys((workspace, *(one.cwd for one in commands if one.cwd)))
    words += [(place, word) for word in dict.fromkeys(_PIECE.findall(command)) for place in places]
    found: dict[str, None] = {}
    for cwd, word in words:
        name = word.split("=", 1)[-1] if word.startswith("-") else word
        if not name or name.startswith("-") or UNKNOWN in name or len(name) > 4_096 or "\n" in name:
            continue
        path = beneath(joined(cwd, name), workspace)
        if not path.startswith(("/", "~", "..")) and path != "." and UNKNOWN not in path:
            found[path] = None
    return tuple(found)[:MOST_NAMES]


def _outcome(done: CommandResult, profile: SandboxProfile, command: str) -> Outcome:
    output = done.output.rstrip("\n")
    match done.outcome:
        case "exited":
            return _exited(output, done, command)
        case "signalled":
            return _ended(output, f"[ended by {_signal(done.signal or 0)}]", "signal", done)
        case "timeout":
            return _ended(output, f"[ended after {profile.time_s:.0f} s, the limit]", "timeout", done)
        case "aborted":
            return NOT_RUN
        case "failed_to_start":
            return Outcome(ok=False, text=f"error: it could not be started: {output}", error_class="sandbox")
        case _:
            assert_never(done.outcome)


def _ended(output: str, said: str, kind: str, done: CommandResult) -> Outcome:
    text = f"{output}\n{said}" if output else said
    return Outcome(ok=False, text=text, error_class=kind, duration_s=done.duration_s)


def _exited(output: str, done: CommandResult, command: str) -> Outcome:
    code = done.exit_code or 0
    ok = code == 0 or (code == 1 and _answers_by_status(command))
    ended = f"{code}, {_signal(code - 128)}" if 128 < code <= 128 + signal.NSIG else str(code)
    said = "" if code == 0 else f"[exit status {ended}]"
    return Outcome(
        ok=ok,
        text="\n".join(part for part in (output, said) if part) or "(no output)",
        error_class="" if ok else "signal" if code > 128 else "exit",
        exit_code=code,
        duration_s=done.duration_s,
    )


def _answers_by_status(command: str) -> bool:
    commands = assess(command).commands
    return bool(commands) and commands[-1].program in _ANSWERS_BY_STATUS


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
