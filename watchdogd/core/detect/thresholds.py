"""Every threshold of the bank: its unit, its reason, where it comes from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Loops, cycles, stagnation, stall."""

    repeat_warn: int = 4
    """Equal (call, answer) in a row that raise WARN. OpenHands acts at 4; a third look can be honest."""
    repeat_crit: int = 6
    """The same for CRIT: two more after a nudge had its chance."""
    repeat_failing_warn: int = 3
    """The same when all of them fail; OpenHands acts at 3 failing ones."""
    repeat_failing_crit: int = 5
    """The same for CRIT."""
    waiting_gap_s: float = 20
    """Seconds between equal calls from which they are polling on purpose; a model turn takes 2 to 15 s."""
    waiting_factor: int = 3
    """Waiting and outages multiply the repeat thresholds by this."""
    silence_warn_s: float = 300
    """Seconds without any activity, nobody waited for, that raise WARN. Measured start value (DETECTION)."""
    silence_crit_s: float = 900
    """The same for CRIT."""
    call_default_deadline_s: float = 1_800
    """Seconds a running tool or model call may take when its event names no deadline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Errors:
    """Rate and accumulation of the agent's own errors, the provider's and the network's apart."""

    window_calls: int = 20
    """Finished calls over which failures are counted."""
    window_min_calls: int = 8
    """Fewer calls than this show no rate."""
    window_warn: float = 0.5
    """Share of failed calls in the window that raises WARN."""
    window_crit: float = 0.75
    """The same for CRIT."""
    outage_warn: int = 3
    """Failures of the provider or the network among the last 6 calls and model attempts that name an outage."""
    outage_crit: int = 12
    """Consecutive such failures that raise CRIT: the run cannot go on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recall:
    """Re-reading, re-doing, starting over."""

    reread_warn: int = 4
    """Times the same unchanged content is read that raise WARN."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Tokens and money."""

    budget_warn: float = 0.8
    """Share of the run's money budget spent that raises WARN."""
    budget_crit: float = 1.0
    """The same for CRIT."""
    velocity_window_s: float = 600
    """Seconds over which spending per hour is measured."""
    velocity_warn_usd_per_h: float = 20
    """Dollars per hour that raise WARN; about four busy hours of a large model."""
    velocity_crit_usd_per_h: float = 60
    """The same for CRIT."""
