"""How often a process may be restarted: a pause that doubles, and a budget per window."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartBudget:
    """At most ``most`` restarts within ``window_s``; systemd's own defaults are of this order."""

    most: int = 10
    window_s: float = 300
    first_pause_s: float = 0.2
    longest_pause_s: float = 30
    healthy_after_s: float = 30
    """A process that lived so long starts again with the first pause (seconds)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restarts:
    """The restarts of one process so far (seconds of one monotonic clock)."""

    at: tuple[float, ...] = ()
    pause_s: float = 0.0
    total: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """Start it again after a pause."""

    pause_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveUp:
    """It died too often; look again after ``pause_s``, and tell people now."""

    pause_s: float
    reason: str


def died(seen: Restarts, budget: RestartBudget, *, started_at: float, now: float) -> tuple[Restarts, Again | GiveUp]:
    """What to do about a process that was started at ``started_at`` and is dead at ``now``."""
    recent = tuple(at for at in (*seen.at, now) if now - at < budget.window_s)
    lived_s = now - started_at
    pause = budget.first_pause_s if lived_s >= budget.healthy_after_s or not seen.pause_s else seen.pause_s * 2
    pause = min(pause, budget.longest_pause_s)
    after = Restarts(at=recent[-budget.most - 1 :], pause_s=pause, total=seen.total + 1)
    if len(recent) > budget.most:
        why = f"it died {len(recent)} times within {budget.window_s:.0f} s"
        return after, GiveUp(pause_s=budget.window_s, reason=why)
    return after, Again(pause_s=pause)
