"""Thresholds of the drift channel: unit, reason, source of each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """Taken over by text that was read; slow drift; derailment."""

    injection_warn: float = 0.38
    """Risk of an intended call (0..1) that raises WARN. The highest of 906 benign AgentDojo runs is .28, of the 270
    where the user asked for the attacker's goal .25; the gap above is left for runs not seen."""
    injection_crit: float = 0.42
    """The same for CRIT; 97 % of 1,030 hijacked recordings reach it."""
    injection_said_warn: float = 0.38
    """The same for the agent's own words ("say that …")."""
    injection_memory: int = 48
    """Passages kept; the strongest stay. An agent rarely obeys what it read among weaker text long ago."""
    injection_decay_calls: int = 12
    """Intended calls without suspicion after which a finding is over; the longest hijack in the recordings made 9."""
    metric_warn: float = 4.0
    """CUSUM of regret in standard deviations of the metric's own calm steps that raises WARN: a mean run length of
    about 300 healthy steps (Page 1954, Hawkins & Olwell 1998, table 3.1, k = .5)."""
    metric_crit: float = 8.0
    """The same for CRIT: thousands of healthy steps."""
    metric_slack: float = 0.5
    """Standard deviations a step may be worse without counting (CUSUM's k; half the shift to be found)."""
    metric_calm_steps: int = 6
    """Readings from which the metric's own spread is learned before it can raise anything."""
    terms_window_calls: int = 24
    """Calls over which the share of acts that touch the goal's terms is looked at; a coding run needs 10 to 20 calls
    between two that name what the goal names."""
    terms_floor: float = 0.08
    """Share of acts with any goal term below which, after a start above ``terms_start``, the run has left its goal."""
    terms_start: float = 0.4
    """Share in the run's first window that makes the goal's terms a measure at all."""
    derail_calls: int = 14
    """Calls in a row that share nothing with the goal, the plan or what was read before that raise WARN."""
