"""From a decision to a plan: small idempotent effects, each named, safe to die between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from watchdogd.core.escalation import ReleaseLatch, Subject
from watchdogd.core.health import Severity
from watchdogd.core.policy import Action, Decision


@dataclass(frozen=True, slots=True, kw_only=True)
class SetLatch:
    """Hold the worker under this name."""

    name: str
    by: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SendNudge:
    """Say a template's words to the model."""

    rule: str
    key: str
    headline: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tell:
    """An escalation to people: a notice, or with ``subject`` a question."""

    group: str
    severity: Severity
    headline: str
    evidence: tuple[int, ...]
    subject: Subject | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspect:
    """The judge should look now."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EndRun:
    """The run is stopped by order."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FreezeTree:
    """The supervisor freezes the worker's tree."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnTo:
    """The worker goes back to the newest checkpoint that passed inspection before ``onset``."""

    onset: int
    reason: str
    latch: str
    finding: str
    """The rule behind it: what the model is told of it comes from that rule's template."""


Effect: TypeAlias = SetLatch | SendNudge | Tell | Inspect | EndRun | FreezeTree | ReturnTo


def latch_name(decision: Decision) -> str:
    """One latch per policy rule: a second cause of the same rule changes nothing."""
    return f"policy/{decision.rule}"


def _onset(decision: Decision) -> int:
    """The earliest event that is known to belong to it: what is returned to lies before."""
    return min((one for one in (decision.since, *decision.evidence) if one > 0), default=0)


def _one(decision: Decision, asking: bool) -> tuple[Effect, ...]:
    reason = decision.headline
    group = f"{decision.rule}/{decision.finding}"
    latch = latch_name(decision)
    match decision.action:
        case Action.NUDGE:
            return (SendNudge(rule=decision.finding, key=decision.key, headline=reason),)
        case Action.SECOND_OPINION:
            return (Inspect(why=reason),)
        case Action.PAUSE:
            return (SetLatch(name=latch, by=f"policy rule {decision.rule}", reason=reason),)
        case Action.ROLLBACK:
            return (
                SetLatch(name=latch, by=f"policy rule {decision.rule}", reason=reason),
                ReturnTo(onset=_onset(decision), reason=reason, latch=latch, finding=decision.finding),
            )
        case Action.ESCALATE:
            subject = ReleaseLatch(latch=latch) if asking else None
            return (
                Tell(
                    group=group,
                    severity=decision.severity,
                    headline=reason,
                    evidence=decision.evidence,
                    subject=subject,
                ),
            )
        case Action.STOP:
            return (EndRun(reason=reason),)
        case Action.FREEZE:
            return (FreezeTree(reason=reason),)


def effects(decisions: Sequence[Decision]) -> tuple[tuple[Decision, tuple[Effect, ...]], ...]:
    """Each decision with what it does; an escalation beside a pause of the same rule asks for its release."""
    pausing = {one.rule for one in decisions if one.action is Action.PAUSE and one.enforced}
    return tuple(
        (one, _one(one, one.rule in pausing) if one.enforced or one.action is Action.ESCALATE else ())
        for one in decisions
    )


def label(effect: Effect) -> str:
    """The effect in a few words, for the decision's report."""
    match effect:
        case SetLatch(name=name):
            return f"pause {name}"
        case SendNudge(rule=rule):
            return f"nudge about {rule}"
        case Tell(subject=None):
            return "tell people"
        case Tell():
            return "ask people"
        case Inspect():
            return "inspect now"
        case EndRun():
            return "stop the run"
        case FreezeTree():
            return "freeze the process tree"
        case ReturnTo():
            return "roll back"
