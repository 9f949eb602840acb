"""What the detectors and the policy make of one recorded run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from watchdogd.commands.recordings import Recording, with_ticks
from watchdogd.core import health as ai_health
from watchdogd.core.detect.bank import Bank
from watchdogd.core.events import Event, RunStarted
from watchdogd.core.health import Channel, Finding, Health, Severity
from watchdogd.core.policy import Decision, Memory, Policy, decide

STEP_S = 10.0
"""How long a step counts for the policy's cooldowns where the recording has no times (seconds)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A finding, and the step whose arrival raised it."""

    step: int
    finding: Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A decision, and the step whose arrival led to it."""

    step: int
    decision: Decision


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One run, replayed."""

    id: str
    events: int
    risk: Mapping[Channel, float]
    """The highest risk each channel reached."""
    findings: Sequence[Seen]
    """Rises, and the falls back to OK."""
    decisions: Sequence[Decided]
    end: Mapping[Channel, Severity]
    """Each channel's health after the last step."""
    curve: Sequence[tuple[int, Mapping[Channel, float]]] = field(default=())
    """Risk after each step, where it was asked for."""

    @property
    def severity(self) -> Severity:
        """The worst level that was reached."""
        worst = Severity.OK
        for one in self.findings:
            worst = ai_health.worse(worst, one.finding.severity)
        return worst

    def first(self, at_least: Severity, channel: Channel | None = None) -> int | None:
        """The step of the first finding of that level or worse."""
        for one in self.findings:
            if one.finding.severity.rank >= at_least.rank and channel in (None, one.finding.channel):
                return one.step
        return None


def replayed(run: Recording, bank: Bank, policy: Policy, *, until: int | None = None, curve: bool = False) -> Outcome:
    """``run`` through ``bank`` and ``policy``; ``until`` stops it after so many steps."""
    state, health, memory = bank.start(), Health(), Memory()
    highest = dict.fromkeys(Channel, 0.0)
    findings: list[Seen] = []
    decisions: list[Decided] = []
    points: list[tuple[int, Mapping[Channel, float]]] = []
    events = steps = 0
    for event in with_ticks(_until(run.events, until)):
        state, new = bank.step(state, event)
        now = bank.risk(state)
        for channel, risk in now.items():
            highest[channel] = max(highest[channel], risk)
        for finding in new:
            highest[finding.channel] = max(highest[finding.channel], finding.risk)
            findings.append(Seen(step=event.seq, finding=finding))
        events += 1
        steps += event.body.kind != "tick"
        seq = max(event.seq, 1)
        if new or health.live:
            health = ai_health.after(health, new, seq, event.at)
            memory, decided = decide(policy, health, None, memory, now=_now(event, events), seq=seq)
            decisions.extend(Decided(step=event.seq, decision=one) for one in decided)
        if curve and event.body.kind != "tick":
            points.append((event.seq, now))
    health = ai_health.after(health, (), max(1, health.seen_seq), None)
    return Outcome(
        id=run.id,
        events=steps,
        risk=highest,
        findings=findings,
        decisions=decisions,
        end={one.channel: one.severity if events else Severity.UNKNOWN for one in _end(health)},
        curve=points,
    )


def _until(events: Sequence[Event], until: int | None) -> Sequence[Event]:
    if until is None:
        return events
    head = 1 if events and isinstance(events[0].body, RunStarted) and events[0].seq < 0 else 0
    return events[: head + until]


def _now(event: Event, events: int) -> float:
    return event.at if event.at is not None else events * STEP_S


def _end(health: Health) -> tuple[ai_health.ChannelHealth, ...]:
    """The channels with what is over taken out: at the end of a recording nothing is held for hysteresis."""
    live = {name: one for name, one in health.live.items() if one.cleared_seq is None}
    return ai_health.channels(Health(live=live, seen_seq=max(1, health.seen_seq)))
