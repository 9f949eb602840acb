"""Writes outside the workspace, and writes to what the mission protects."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from watchdogd.core.detect.detector import NONE
from watchdogd.core.detect.safety_calls import Standing, assessed, bounds_of, commands, paths
from watchdogd.core.detect.safety_thresholds import Safety
from watchdogd.core.events import Event, RunStarted, ToolFinished, ToolIntended
from watchdogd.core.health import Channel, Finding, Severity
from watchdogd.core.shell.paths import beneath, joined, outside, touches

OUTSIDE = "safety/outside-workspace"
PROTECTED = "safety/protected-path"
PROTECTED_RISK = 0.9
"""The mission itself says that nothing may change it."""


@dataclass(slots=True)
class Bounds:
    """Where the run may write."""

    workspace: str = ""
    protected: tuple[str, ...] = ()
    standing: Standing = field(default_factory=Standing)


@dataclass(frozen=True, slots=True)
class OutOfBounds:
    """Compares the paths a call would change with the run's bounds; silent when the run names none."""

    thresholds: Safety = field(default_factory=Safety)
    name: ClassVar[str] = "bounds"
    channel: ClassVar[Channel] = Channel.SAFETY
    version: ClassVar[int] = 2
    kinds: ClassVar[frozenset[str]] = frozenset({"run_started", "tool_intended", "tool_finished"})

    def start(self) -> Bounds:
        """No bounds known."""
        return Bounds()

    def risk(self, state: Bounds) -> float:
        """Risk of the newest call, fading."""
        return state.standing.now

    def step(self, state: Bounds, event: Event) -> tuple[Bounds, tuple[Finding, ...]]:
        """The bounds after ``event``; a finding per path beyond them."""
        match event.body:
            case RunStarted() as body:
                levels = state.standing.levels
                over = levels.over(OUTSIDE, Channel.SAFETY, seq=event.seq)
                over += levels.over(PROTECTED, Channel.SAFETY, seq=event.seq)
                standing = Standing(levels=levels)
                return Bounds(workspace=body.workspace, protected=bounds_of(body), standing=standing), over
            case ToolIntended() as body if state.workspace:
                rules = (OUTSIDE, PROTECTED)
                over = state.standing.called(rules, Channel.SAFETY, event.seq, self.thresholds.decay_calls)
                return state, over + self._intended(state, body, event.seq)
            case ToolFinished() as body if state.workspace and body.changed:
                return state, self._changed(state, body.changed, body.tool, "changed", event.seq)
            case _:
                return state, NONE

    def _intended(self, state: Bounds, body: ToolIntended, seq: int) -> tuple[Finding, ...]:
        found = self._changed(state, paths(body), body.tool, "would change", seq)
        for command in commands(body):
            seen = assessed(command, state.workspace, state.protected)
            for path in seen.outside:
                found += self._raised(state, OUTSIDE, path, f"a command would change {path[:120]}, outside", seq)
            for path in seen.named:
                found += self._raised(state, PROTECTED, path, f"a command would change the protected {path}", seq)
        return found

    def _changed(self, state: Bounds, names: tuple[str, ...], tool: str, verb: str, seq: int) -> tuple[Finding, ...]:
        found = NONE
        for name in names[:64]:
            path = beneath(joined(state.workspace, name[:4_096]), state.workspace)
            if outside(path, state.workspace):
                found += self._raised(state, OUTSIDE, path, f"{tool} {verb} {path[:120]}, outside", seq)
            for rule in state.protected:
                if touches(path, rule):
                    found += self._raised(state, PROTECTED, rule, f"{tool} {verb} the protected {rule}", seq)
        return found

    def _raised(self, state: Bounds, rule: str, path: str, headline: str, seq: int) -> tuple[Finding, ...]:
        risk = PROTECTED_RISK if rule == PROTECTED else self.thresholds.outside_risk
        state.standing.now = max(state.standing.now, risk)
        state.standing.calm = 0
        severity = Severity.CRIT if rule == PROTECTED else Severity.WARN
        if rule == OUTSIDE:
            headline = f"{headline} the workspace {state.workspace}"
        return state.standing.levels.raised(rule, Channel.SAFETY, severity, risk, headline, (seq,), path[:200])
