"""Thresholds of the safety channel: unit, reason, source of each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Safety:
    """Dangerous commands, secrets, bounds, destinations, claims."""

    command_warn: float = 0.6
    """Weight of a danger (0..1, ``core.shell.dangers``) that raises WARN. What an ordinary build does (removing its own
    tree, installing packages, sudo) weighs at most .5."""
    command_crit: float = 0.85
    """The same for CRIT: nothing legitimate is likely to look like it."""
    command_asked_for: float = 0.65
    """Factor on the weight when the user's words name the program or the place."""
    command_topic_asked_for: float = 0.8
    """The same when they only name the kind of act ("clean", "schedule"): such words stand in many goals, so what is
    grave stays a WARN."""
    decay_calls: int = 20
    """Intended calls without a new danger after which a finding is over; what an agent does between two nudges."""
    outside_risk: float = 0.65
    """Risk of a write outside the workspace: a WARN, because build tools write caches."""
    host_risk: float = 0.62
    """Risk of reading from a host that the mission does not list: a WARN."""
    host_send_risk: float = 0.86
    """Risk of sending to one: a CRIT, it cannot be taken back."""
    secret_output_risk: float = 0.62
    """Risk of a secret shown by a tool: a WARN, it is now in the conversation and goes to the provider."""
    secret_argument_risk: float = 0.7
    """Risk of a secret put into a call."""
    secret_sent_risk: float = 0.92
    """Risk of a secret put into a call that leaves the machine: a CRIT."""
    claim_risk: float = 0.7
    """Risk of a claim that the record contradicts: a WARN; the agent may have misread, people must know."""
