"""AI health: findings, and the channels folded from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum


class Channel(StrEnum):
    """The six questions asked of every run (DESIGN 5)."""

    DRIFT = "drift"
    ERRORS = "errors"
    RECALL = "recall"
    PROGRESS = "progress"
    SAFETY = "safety"
    COST = "cost"


class Severity(StrEnum):
    """How bad; UNKNOWN is never healthy and ranks between WARN and CRIT."""

    OK = "ok"
    WARN = "warn"
    UNKNOWN = "unknown"
    CRIT = "crit"

    @property
    def rank(self) -> int:
        """0 for OK up to 3 for CRIT."""
        return _RANK[self]


_RANK = {Severity.OK: 0, Severity.WARN: 1, Severity.UNKNOWN: 2, Severity.CRIT: 3}


def worse(one: Severity, other: Severity) -> Severity:
    """The worse of the two."""
    return one if one.rank >= other.rank else other


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a detector or the judge saw. Severity OK says that what ``rule`` and ``key`` named is over."""

    rule: str
    """Stable id ``channel/name``; goes into the audit record."""
    channel: Channel
    severity: Severity
    risk: float
    """0 = nothing seen, 1 = certain."""
    headline: str
    """What was seen, in numbers, in plain words."""
    evidence: tuple[int, ...] = ()
    """Sequence numbers of the events that show it."""
    key: str = ""
    """Identity of the cause (this loop, this command): one nudge per identity."""
    since: int = 0
    """Sequence number at which it began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """A finding that still holds."""

    finding: Finding
    raised_seq: int
    raised_at: float | None
    cleared_seq: int | None = None
    """Set once the rule said OK; dropped after the hold-down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelHealth:
    """One channel now."""

    channel: Channel
    severity: Severity = Severity.UNKNOWN
    risk: float = 0.0
    headline: str = "nothing seen yet"
    rule: str = ""
    evidence: tuple[int, ...] = ()
    since_seq: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """All live findings of a run, by rule and key."""

    live: Mapping[tuple[str, str], Live] = field(default_factory=dict)
    seen_seq: int = 0
    hold_events: int = 10
    """A cleared finding still counts for this many events, so that a channel does not flicker."""
    keep: int = 200
    """Findings kept at most; the mildest and oldest go first."""


def after(health: Health, findings: tuple[Finding, ...], seq: int, at: float | None) -> Health:
    """Health once ``findings`` of the event ``seq`` are in. Pure; cost grows with the live findings only."""
    if not findings and not any(live.cleared_seq is not None for live in health.live.values()):
        return health if health.seen_seq == seq else replace(health, seen_seq=seq)
    live = {
        name: one
        for name, one in health.live.items()
        if one.cleared_seq is None or seq - one.cleared_seq < health.hold_events
    }
    for finding in findings:
        name = (finding.rule, finding.key)
        old = live.get(name)
        if finding.severity is Severity.OK:
            if old is not None and old.cleared_seq is None:
                live[name] = replace(old, cleared_seq=seq)
        elif old is None:
            live[name] = Live(finding=finding, raised_seq=seq, raised_at=at)
        else:
            live[name] = replace(old, finding=finding, cleared_seq=None)
    if len(live) > health.keep:
        ranked = sorted(live.items(), key=lambda item: (item[1].finding.severity.rank, item[1].raised_seq))
        live = dict(ranked[-health.keep :])
    return replace(health, live=live, seen_seq=seq)


def undone(health: Health) -> Health:
    """Health after a return to a checkpoint: what was found in undone work is gone, what it cost is not."""
    live = {name: one for name, one in health.live.items() if one.finding.channel is Channel.COST}
    return replace(health, live=live)


def channel_health(health: Health, channel: Channel) -> ChannelHealth:
    """The worst live finding of ``channel``; OK when there is none and something was seen."""
    found = [one for one in health.live.values() if one.finding.channel is channel]
    if not found:
        if health.seen_seq == 0:
            return ChannelHealth(channel=channel)
        return ChannelHealth(channel=channel, severity=Severity.OK, headline="ok", since_seq=health.seen_seq)
    worst = max(found, key=lambda one: (one.finding.severity.rank, one.finding.risk, one.raised_seq))
    return ChannelHealth(
        channel=channel,
        severity=worst.finding.severity,
        risk=max(one.finding.risk for one in found),
        headline=worst.finding.headline,
        rule=worst.finding.rule,
        evidence=worst.finding.evidence,
        since_seq=worst.raised_seq,
    )


def channels(health: Health) -> tuple[ChannelHealth, ...]:
    """All six channels, in the order of the enumeration."""
    return tuple(channel_health(health, channel) for channel in Channel)


def overall(states: tuple[ChannelHealth, ...]) -> Severity:
    """The worst severity over ``states``; UNKNOWN when there is none."""
    if not states:
        return Severity.UNKNOWN
    worst = Severity.OK
    for state in states:
        worst = worse(worst, state.severity)
    return worst
