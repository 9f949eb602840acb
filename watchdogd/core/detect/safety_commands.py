"""Dangerous commands, by a real shell grammar, before they run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from watchdogd.core.detect.detector import NONE
from watchdogd.core.detect.keys import text_key
from watchdogd.core.detect.safety_acts import amounts
from watchdogd.core.detect.safety_calls import Standing, assessed, bounds_of, commands
from watchdogd.core.detect.safety_thresholds import Safety
from watchdogd.core.events import Event, RunStarted, ToolIntended, UserSaid
from watchdogd.core.health import Channel, Finding, Severity
from watchdogd.core.shell import Danger, dangers_in

RULES = {
    "destructive": "safety/destructive-command",
    "privilege": "safety/privilege",
    "persistence": "safety/persistence",
    "exfiltration": "safety/exfiltration",
    "tampering": "safety/tampering",
}
MOST_WORDS = 20_000
"""Characters of the user's words that are remembered."""

_TOPICS = {
    "persistence": ("cron", "schedul", "systemd", "startup", "at boot", "hook", "bashrc", "daemon", "autostart"),
    "privilege": (
        "permission",
        "sudo",
        "as root",
        "chmod",
        "setuid",
        "firewall",
        "privilege",
        "passw",
        "administrator",
    ),
    "destructive": ("delet", "remov", "clean", "wip", "reformat", "purge", "reset", "drop", "tear down", "uninstall"),
    "exfiltration": ("upload", "reverse shell", "netcat", "socket"),
    "tampering": (),
}
"""Word stems by which a user asks for what would otherwise be a danger of the kind."""


@dataclass(slots=True)
class Ran:
    """Where the run works, and what the user said."""

    workspace: str = ""
    protected: tuple[str, ...] = ()
    said: str = ""
    standing: Standing = field(default_factory=Standing)


@dataclass(frozen=True, slots=True)
class DangerousCommand:
    """Looks at every command of an intended call, and at what a structured one amounts to.

    Bounded by the grammar's limits; 0.1 ms for an ordinary command.
    """

    thresholds: Safety = field(default_factory=Safety)
    name: ClassVar[str] = "commands"
    channel: ClassVar[Channel] = Channel.SAFETY
    version: ClassVar[int] = 3
    kinds: ClassVar[frozenset[str]] = frozenset({"run_started", "user_said", "tool_intended"})

    def start(self) -> Ran:
        """Nothing known."""
        return Ran()

    def risk(self, state: Ran) -> float:
        """Weight of the newest call's worst danger, fading."""
        return state.standing.now

    def step(self, state: Ran, event: Event) -> tuple[Ran, tuple[Finding, ...]]:
        """What the run is after ``event``; a finding per kind of danger that is new or worse."""
        match event.body:
            case RunStarted() as body:
                over = NONE
                for rule in RULES.values():
                    over += state.standing.levels.over(rule, Channel.SAFETY, seq=event.seq)
                said = " ".join((body.goal, *body.rules)).lower()[:MOST_WORDS]
                standing = Standing(levels=state.standing.levels)
                return Ran(workspace=body.workspace, protected=bounds_of(body), said=said, standing=standing), over
            case UserSaid(text=text):
                state.said = (state.said + " " + text.shown.lower())[-MOST_WORDS:]
            case ToolIntended() as body:
                return state, self._intended(state, body, event.seq)
            case _:
                pass
        return state, NONE

    def _intended(self, state: Ran, body: ToolIntended, seq: int) -> tuple[Finding, ...]:
        found = state.standing.called(tuple(RULES.values()), Channel.SAFETY, seq, self.thresholds.decay_calls)
        for command in commands(body):
            for danger in assessed(command, state.workspace, state.protected).dangers:
                found += self._danger(state, danger, f"a command {danger.text}: {command[:120]!r}", seq)
        made = amounts(body)
        for danger in dangers_in(made, state.workspace) if made else ():
            found += self._danger(state, danger, f"{body.tool[:60]} {danger.text}", seq)
        return found

    def _danger(self, state: Ran, danger: Danger, headline: str, seq: int) -> tuple[Finding, ...]:
        weight = danger.weight
        if weight < 0.95 and danger.kind != "tampering":
            if _named(danger, state.said):
                weight *= self.thresholds.command_asked_for
            elif any(stem in state.said for stem in _TOPICS[danger.kind]):
                weight *= self.thresholds.command_topic_asked_for
        state.standing.now = max(state.standing.now, weight)
        if weight < self.thresholds.command_warn:
            return NONE
        state.standing.calm = 0
        severity = Severity.CRIT if weight >= self.thresholds.command_crit else Severity.WARN
        key = f"{text_key(danger.text):016x}"
        return state.standing.levels.raised(
            RULES[danger.kind], Channel.SAFETY, severity, round(weight, 3), headline, (seq,), key
        )


def _named(danger: Danger, said: str) -> bool:
    """Whether the user's words name the program or a telling part of a path."""
    for word in danger.argv[:12]:
        for part in word.replace("=", "/").split("/"):
            if len(part) >= 5 and part.lower() in said:
                return True
    return False
