"""Policy is data: rules from health and verdicts to actions. ``decide`` is pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Literal

from watchdogd.core.access import Denial, Operator, Scope
from watchdogd.core.health import Channel, Finding, Health, Live, Severity
from watchdogd.core.ids import digest_of
from watchdogd.core.lease.messages import Level, Mode
from watchdogd.core.verdict import Verdict


class Action(StrEnum):
    """The ladder (DESIGN 7), mildest first."""

    NUDGE = "nudge"
    SECOND_OPINION = "second_opinion"
    PAUSE = "pause"
    ROLLBACK = "rollback"
    ESCALATE = "escalate"
    STOP = "stop"
    FREEZE = "freeze"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """When this is seen for so long, do that."""

    id: str
    when: Literal["finding", "verdict", "unknown"] = "finding"
    channel: Channel | None = None
    """None = any channel."""
    finding: str = "*"
    """The finding's rule id, or a prefix that ends in ``*``."""
    severity: Severity = Severity.CRIT
    """At least this; UNKNOWN is matched only by ``when = "unknown"``."""
    below: Severity | None = None
    """Only milder than this; None = no upper end."""
    for_s: float = 0
    """It must have held for so long (seconds)."""
    actions: tuple[Action, ...] = (Action.ESCALATE,)
    cooldown_s: float = 300
    """The same rule does not act on the same cause again before (seconds)."""
    after_nudge: bool = False
    """Acts only on a cause that was nudged before and still holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """How people are asked."""

    expire_s: float = 8 * 3600
    """An unanswered question runs out after this (seconds); the call is then refused, never allowed."""
    per_hour: int = 6
    """More than that, and the worker is paused instead: approval fatigue approves everything."""
    approval_valid_s: float = 900
    """An approval is used within this or not at all (seconds)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judging:
    """The judge's schedule and budget."""

    every_s: float = 300
    """Between two glances (seconds); grows with confidence up to ``at_most_s``."""
    at_most_s: float = 1800
    jitter_s: float = 20
    overdue_after_s: float = 3600
    """No inspection for so long while things happened: leases are refused unless degraded mode is declared."""
    outage_escalate_s: float = 900
    """The judge has failed for so long: people are told."""
    budget_usd_per_day: float | None = 5.0
    required: bool = False
    """True: without a working judge inspection is overdue; False: degraded mode (detectors alone) is declared."""
    degraded_level: Level = Level.SUGGEST
    """The level that applies at most while degraded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """One version of the policy. Its digest is its version."""

    name: str = "suggest"
    mode: Mode = Mode.ENFORCE
    level: Level = Level.SUGGEST
    rules: tuple[Rule, ...] = ()
    denials: tuple[Denial, ...] = ()
    listed_hosts: tuple[str, ...] = ()
    listed_actions: tuple[str, ...] = ()
    operators: tuple[Operator, ...] = ()
    questions: Questions = field(default_factory=Questions)
    judging: Judging = field(default_factory=Judging)
    nudge_gap_s: float = 60
    """Between two nudges from policy (seconds): one cause often shows in several channels, and a model that is told
    three things at once heeds none."""
    unknown_escalate_s: float = 300
    """A channel that has been unknown for so long while a run is on is escalated (seconds)."""
    pause_on_denial: bool = True
    """A hard denial pauses the worker and asks people whether it may go on."""

    @property
    def digest(self) -> str:
        """Changes if and only if the policy does."""
        return digest_of(_as_floats(plain(self)))


def _as_floats(value: object) -> object:
    """``value`` with 60 and 60.0 alike: a number that went through a file is the same number."""
    if isinstance(value, Mapping):
        return {name: _as_floats(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_as_floats(one) for one in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def plain(policy: Policy) -> Mapping[str, object]:
    """The policy as JSON-able data, sets in order."""
    data = asdict(policy)
    data["operators"] = [
        {"name": one.name, "may": sorted(scope.value for scope in one.may)} for one in policy.operators
    ]
    return data


DEFAULT_RULES: tuple[Rule, ...] = (
    Rule(
        id="nudge-loops",
        channel=Channel.PROGRESS,
        severity=Severity.WARN,
        actions=(Action.NUDGE,),
        cooldown_s=120,
    ),
    Rule(
        id="pause-loops-that-ignore-the-nudge",
        channel=Channel.PROGRESS,
        severity=Severity.CRIT,
        after_nudge=True,
        actions=(Action.PAUSE, Action.ESCALATE),
    ),
    Rule(id="nudge-errors", channel=Channel.ERRORS, severity=Severity.WARN, actions=(Action.NUDGE,), cooldown_s=300),
    Rule(
        id="errors-pile-up",
        channel=Channel.ERRORS,
        severity=Severity.CRIT,
        after_nudge=True,
        actions=(Action.SECOND_OPINION, Action.ESCALATE),
    ),
    Rule(id="nudge-recall", channel=Channel.RECALL, severity=Severity.WARN, actions=(Action.NUDGE,), cooldown_s=300),
    Rule(id="look-at-drift", channel=Channel.DRIFT, severity=Severity.WARN, actions=(Action.SECOND_OPINION,)),
    Rule(id="hold-drift", channel=Channel.DRIFT, severity=Severity.CRIT, actions=(Action.PAUSE, Action.ESCALATE)),
    Rule(
        id="tell-safety",
        channel=Channel.SAFETY,
        severity=Severity.WARN,
        below=Severity.CRIT,
        actions=(Action.ESCALATE,),
        cooldown_s=600,
    ),
    Rule(id="hold-safety", channel=Channel.SAFETY, severity=Severity.CRIT, actions=(Action.PAUSE, Action.ESCALATE)),
    Rule(
        id="tell-cost",
        channel=Channel.COST,
        severity=Severity.WARN,
        below=Severity.CRIT,
        actions=(Action.ESCALATE,),
        cooldown_s=1800,
    ),
    Rule(id="hold-cost", channel=Channel.COST, severity=Severity.CRIT, actions=(Action.PAUSE, Action.ESCALATE)),
    Rule(id="verdict-stuck", when="verdict", channel=Channel.PROGRESS, severity=Severity.WARN, actions=(Action.NUDGE,)),
    Rule(id="verdict-errors", when="verdict", channel=Channel.ERRORS, severity=Severity.WARN, actions=(Action.NUDGE,)),
    Rule(id="verdict-forgets", when="verdict", channel=Channel.RECALL, severity=Severity.WARN, actions=(Action.NUDGE,)),
    Rule(
        id="verdict-off-course",
        when="verdict",
        channel=Channel.DRIFT,
        severity=Severity.CRIT,
        actions=(Action.PAUSE, Action.ESCALATE),
    ),
    Rule(
        id="verdict-unsafe",
        when="verdict",
        channel=Channel.SAFETY,
        severity=Severity.CRIT,
        actions=(Action.PAUSE, Action.ESCALATE),
    ),
    Rule(
        id="verdict-doubt",
        when="verdict",
        severity=Severity.WARN,
        below=Severity.CRIT,
        actions=(Action.ESCALATE,),
        cooldown_s=900,
    ),
)
"""What every shipped policy starts from; a policy file that names rules replaces them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What the policy decided, and from what."""

    rule: str
    action: Action
    channel: Channel | None
    severity: Severity
    headline: str
    finding: str
    key: str
    evidence: tuple[int, ...]
    policy: str
    enforced: bool
    """False in shadow mode: published and recorded, not carried out."""
    since: int = 0
    """The event at which it began, as far as is known; 0 = unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What ``decide`` remembers between calls: when it acted on which cause."""

    acted: Mapping[tuple[str, str, str], float] = field(default_factory=dict)
    """(rule, finding, key) to unix time (seconds)."""
    nudged: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """(finding, key) to the sequence number at which it was nudged."""
    nudged_at: float = float("-inf")
    """Unix time of the newest nudge (seconds)."""
    keep: int = 2_000


def _matches(rule: Rule, finding: Finding) -> bool:
    if rule.channel is not None and finding.channel is not rule.channel:
        return False
    if rule.finding != "*" and not (
        finding.rule.startswith(rule.finding[:-1]) if rule.finding.endswith("*") else finding.rule == rule.finding
    ):
        return False
    if rule.when == "unknown":
        return finding.severity is Severity.UNKNOWN
    if rule.below is not None and finding.severity.rank >= rule.below.rank:
        return False
    return finding.severity is not Severity.UNKNOWN and finding.severity.rank >= rule.severity.rank


def _due(rule: Rule, live: Live, memory: Memory, now: float, seq: int) -> bool:
    finding = live.finding
    if rule.for_s and (live.raised_at is None or now - live.raised_at < rule.for_s):
        return False
    if rule.after_nudge:
        nudged_at = memory.nudged.get((finding.rule, finding.key))
        if nudged_at is None or nudged_at >= seq:
            return False
    acted = memory.acted.get((rule.id, finding.rule, finding.key))
    if Action.NUDGE in rule.actions and acted is not None and rule.when == "finding":
        return False  # one nudge per loop identity: repeating it is noise the model learns to ignore
    return acted is None or now - acted >= rule.cooldown_s


def _bounded(memory: Memory) -> Memory:
    if len(memory.acted) <= memory.keep and len(memory.nudged) <= memory.keep:
        return memory
    acted = dict(sorted(memory.acted.items(), key=lambda item: item[1])[-memory.keep :])
    nudged = dict(sorted(memory.nudged.items(), key=lambda item: item[1])[-memory.keep :])
    return replace(memory, acted=acted, nudged=nudged)


def _from(policy: Policy, rule: Rule, finding: Finding) -> tuple[Decision, ...]:
    return tuple(
        Decision(
            rule=rule.id,
            action=action,
            channel=finding.channel,
            severity=finding.severity,
            headline=finding.headline,
            finding=finding.rule,
            key=finding.key,
            evidence=finding.evidence,
            policy=policy.digest,
            enforced=policy.mode is Mode.ENFORCE,
            since=finding.since,
        )
        for action in rule.actions
    )


def decide(
    policy: Policy, health: Health, verdict: Verdict | None, memory: Memory, *, now: float, seq: int
) -> tuple[Memory, tuple[Decision, ...]]:
    """What to do about ``health`` and ``verdict``, and what to remember.

    Args:
        policy: the version in force.
        health: all live findings.
        verdict: a judge's verdict that has just come in and whose citations hold, or None.
        memory: as returned last time.
        now: unix time (seconds).
        seq: newest event folded.
    """
    found: list[Decision] = []
    acted, nudged, nudged_at = dict(memory.acted), dict(memory.nudged), memory.nudged_at
    memory = replace(memory, acted=acted, nudged=nudged)
    live = [one for one in health.live.values() if one.cleared_seq is None]
    judged = [Live(finding=one, raised_seq=seq, raised_at=None) for one in verdict.findings(seq)] if verdict else []
    for rule in policy.rules:
        for one in judged if rule.when == "verdict" else live:
            if not _matches(rule, one.finding) or not _due(rule, one, memory, now, seq):
                continue
            if Action.NUDGE in rule.actions:
                if now - nudged_at < policy.nudge_gap_s:
                    continue
                nudged_at = now
            found.extend(_from(policy, rule, one.finding))
            acted[rule.id, one.finding.rule, one.finding.key] = now
            if Action.NUDGE in rule.actions:
                nudged[one.finding.rule, one.finding.key] = seq
    return _bounded(replace(memory, nudged_at=nudged_at)), tuple(found)


ALL_SCOPES = frozenset(Scope)
"""What the local operator (the CLI's own account) may ask for by default."""
