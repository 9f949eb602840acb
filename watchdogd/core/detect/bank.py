"""The bank: every detector over one run's events, live and in replay."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TypeAlias, cast

from watchdogd.core.detect import snapshot
from watchdogd.core.detect.blind import BlindLoop
from watchdogd.core.detect.calls import KINDS as CALL_KINDS
from watchdogd.core.detect.calls import Call, CallRule, CallState, finished
from watchdogd.core.detect.context import Context
from watchdogd.core.detect.cycles import Cycle
from watchdogd.core.detect.derailment import Derailment
from watchdogd.core.detect.detector import NONE, Detector
from watchdogd.core.detect.drift_thresholds import Drift
from watchdogd.core.detect.error_rate import ErrorRate
from watchdogd.core.detect.injection import InjectedInstruction
from watchdogd.core.detect.monologue import Monologue
from watchdogd.core.detect.outage import Outage
from watchdogd.core.detect.prohibitions import AgainstRule
from watchdogd.core.detect.questions import AskedAgain
from watchdogd.core.detect.repeats import IdenticalCall
from watchdogd.core.detect.replays import Replay, Restart
from watchdogd.core.detect.rereads import Rereads
from watchdogd.core.detect.revisits import Revisits
from watchdogd.core.detect.safety_bounds import OutOfBounds
from watchdogd.core.detect.safety_claims import ContradictedClaim
from watchdogd.core.detect.safety_commands import DangerousCommand
from watchdogd.core.detect.safety_destinations import UnlistedHost
from watchdogd.core.detect.safety_secrets import ExposedSecret
from watchdogd.core.detect.safety_thresholds import Safety
from watchdogd.core.detect.same_error import SameError
from watchdogd.core.detect.shapes import Shape
from watchdogd.core.detect.slow_drift import MetricDrift
from watchdogd.core.detect.spend import Spend
from watchdogd.core.detect.stagnation import Stagnation
from watchdogd.core.detect.stall import Stall
from watchdogd.core.detect.thresholds import Cost, Errors, Progress, Recall
from watchdogd.core.detect.waste import CacheMisses, WithoutProgress
from watchdogd.core.events import Event
from watchdogd.core.health import Channel, Finding, Severity
from watchdogd.core.ids import digest_of

VERSION = 1
"""Rises with every change of the bank itself."""
BROKEN_HOLD_EVENTS = 100
"""Events without a further break after which a detector that was started anew counts as sound again."""
MOST_RISKS = 256
"""Live findings whose risk is remembered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """All thresholds, one group per family; the settings' ``[detect.<family>]``."""

    drift: Drift = field(default_factory=Drift)
    progress: Progress = field(default_factory=Progress)
    errors: Errors = field(default_factory=Errors)
    recall: Recall = field(default_factory=Recall)
    safety: Safety = field(default_factory=Safety)
    cost: Cost = field(default_factory=Cost)


Plain: TypeAlias = Detector[object]
Rule: TypeAlias = CallRule[object]
PlainStep: TypeAlias = Callable[[object, Event], tuple[object, tuple[Finding, ...]]]
RuleStep: TypeAlias = Callable[[object, Event, Call | None], tuple[object, tuple[Finding, ...]]]


@dataclass(slots=True)
class BankState:
    """The states of all detectors."""

    calls: CallState
    plain: list[object]
    rules: list[object]
    risks: dict[tuple[str, str], tuple[Channel, float]] = field(default_factory=dict)
    """Risk of each live finding, by rule and key."""
    broken: dict[str, tuple[Channel, int]] = field(default_factory=dict)
    """Rules of detectors that raised: their channel, and the number of the event."""
    events: int = 0


class Bank:
    """All detectors, each with its own state. What raises becomes a finding; the others go on."""

    def __init__(self, plain: Sequence[Plain], rules: Sequence[Rule], settings: object) -> None:
        self._plain, self._rules = tuple(plain), tuple(rules)
        everyone: tuple[Plain | Rule, ...] = (*plain, *rules)
        versions = [[one.channel.value, one.name, getattr(one, "version", 1)] for one in everyone]
        self._names = tuple(f"{one.channel}/{one.name}" for one in everyone)
        self._digest = digest_of([VERSION, versions, settings])
        self._by_kind: dict[str, tuple[tuple[int, PlainStep], ...]] = {}
        self._rules_by_kind: dict[str, tuple[tuple[int, RuleStep], ...]] = {}
        self._on_call = tuple((at, one.step) for at, one in enumerate(self._rules))

    @property
    def digest(self) -> str:
        """Changes if and only if a threshold, a shape of secrets or a rule's version changes."""
        return self._digest

    @property
    def rules(self) -> tuple[str, ...]:
        """``channel/name`` of every detector."""
        return self._names

    def start(self) -> BankState:
        """The state before the first event."""
        return BankState(
            calls=CallState(), plain=[one.start() for one in self._plain], rules=[one.start() for one in self._rules]
        )

    def anew(self, state: BankState, began: Event | None) -> BankState:
        """The state after a return to a checkpoint: what was undone counts for nothing, but what it cost was spent.

        Args:
            state: of before the return; used up.
            began: the run's first event, which tells its goal, rules and bounds.
        """
        fresh = self.start()
        if began is not None:
            fresh, _ = self.step(fresh, began)
        for at, one in enumerate(self._plain):
            if one.channel is Channel.COST:
                fresh.plain[at] = state.plain[at]
        for at, rule in enumerate(self._rules):
            if rule.channel is Channel.COST:
                fresh.rules[at] = state.rules[at]
        fresh.risks = {name: one for name, one in state.risks.items() if one[0] is Channel.COST}
        fresh.events = state.events
        return fresh

    def step(self, state: BankState, event: Event) -> tuple[BankState, tuple[Finding, ...]]:
        """The state after ``event`` and all that it shows; ``state`` is used up."""
        state.events += 1
        kind = event.body.kind
        found, states = NONE, state.plain
        for at, step in self._by_kind.get(kind) or self._plain_for(kind):
            try:
                states[at], new = step(states[at], event)
            except Exception as bug:  # noqa: BLE001 - a broken detector must not hide the others
                states[at] = self._plain[at].start()
                new = _broken(state, self._plain[at].channel, self._plain[at].name, bug, event)
            if new:
                found += new
        if kind in CALL_KINDS or self._rules_for(kind, None):
            found += self._over_calls(state, event, kind)
        if state.broken:
            found += _sound_again(state, event)
        if found:
            _remember(state, found)
        return state, found

    def risk(self, state: BankState) -> Mapping[Channel, float]:
        """For each channel the highest graded risk now, 0 to 1."""
        risks = dict.fromkeys(Channel, 0.0)
        for channel, risk in state.risks.values():
            risks[channel] = max(risks[channel], risk)
        everyone: tuple[Plain | Rule, ...] = (*self._plain, *self._rules)
        for one, own in zip(everyone, (*state.plain, *state.rules), strict=True):
            grade = getattr(one, "risk", None)
            if grade is not None:
                risks[one.channel] = max(risks[one.channel], _graded(grade, own))
        return risks

    def dump(self, state: BankState) -> bytes:
        """``state`` as bytes, bound to this bank's digest."""
        return json.dumps({"bank": self._digest, "state": snapshot.encoded(state)}, separators=(",", ":")).encode()

    def load(self, data: bytes) -> BankState:
        """The state that ``dump`` wrote. Nothing in ``data`` is executed.

        Raises:
            ValueError: not a snapshot, or one of a bank with other rules or thresholds.
        """
        try:
            whole = json.loads(data)
        except (ValueError, RecursionError) as why:
            raise ValueError(f"not a snapshot: {why!r}") from why
        if not isinstance(whole, dict) or whole.get("bank") != self._digest:
            raise ValueError("the snapshot belongs to a bank with other rules or thresholds")
        state = snapshot.decoded_safely(whole.get("state"))
        fresh = self.start()
        if (
            not isinstance(state, BankState)
            or type(state.calls) is not type(fresh.calls)
            or [type(one) for one in state.plain] != [type(one) for one in fresh.plain]
            or [type(one) for one in state.rules] != [type(one) for one in fresh.rules]
        ):
            raise ValueError("the snapshot does not hold this bank's states")
        return state

    def _over_calls(self, state: BankState, event: Event, kind: str) -> tuple[Finding, ...]:
        found, call = NONE, None
        if kind in CALL_KINDS:
            try:
                call = finished(state.calls, event)
            except Exception as bug:  # noqa: BLE001 - without calls these channels are blind, and must say so
                state.calls = CallState()
                for channel in dict.fromkeys(one.channel for one in self._rules):
                    found += _broken(state, channel, "calls", bug, event)
        states = state.rules
        for at, step in self._rules_for(kind, call):
            try:
                states[at], new = step(states[at], event, call)
            except Exception as bug:  # noqa: BLE001 - a broken detector must not hide the others
                states[at] = self._rules[at].start()
                new = _broken(state, self._rules[at].channel, self._rules[at].name, bug, event)
            if new:
                found += new
        return found

    def _plain_for(self, kind: str) -> tuple[tuple[int, PlainStep], ...]:
        wanted = [getattr(one, "kinds", None) for one in self._plain]
        found = tuple((at, self._plain[at].step) for at, kinds in enumerate(wanted) if kinds is None or kind in kinds)
        self._by_kind[kind] = found
        return found

    def _rules_for(self, kind: str, call: Call | None) -> tuple[tuple[int, RuleStep], ...]:
        if call is not None:
            return self._on_call
        found = self._rules_by_kind.get(kind)
        if found is None:
            wanted = [getattr(one, "kinds", None) for one in self._rules]
            found = tuple(
                (at, self._rules[at].step) for at, kinds in enumerate(wanted) if kinds is None or kind in kinds
            )
            self._rules_by_kind[kind] = found
        return found


def bank(thresholds: Thresholds | None = None, shapes: tuple[Shape, ...] = ()) -> Bank:
    """Every detector there is, under ``thresholds``; ``shapes`` of secrets beyond the built-in ones."""
    limits = thresholds or Thresholds()
    progress, errors, recall = limits.progress, limits.errors, limits.recall
    plain = (
        InjectedInstruction(limits.drift),
        MetricDrift(limits.drift),
        Derailment(limits.drift),
        DangerousCommand(limits.safety),
        OutOfBounds(limits.safety),
        UnlistedHost(limits.safety),
        ExposedSecret(limits.safety, shapes),
        ContradictedClaim(limits.safety),
        Monologue(progress),
        BlindLoop(progress),
        Stall(progress),
        AgainstRule(recall),
        AskedAgain(recall),
        Context(recall),
        Spend(limits.cost),
        CacheMisses(limits.cost),
    )
    rules = (
        IdenticalCall(progress),
        Cycle(progress),
        Revisits(progress),
        Replay(progress),
        Stagnation(progress),
        ErrorRate(errors),
        SameError(errors),
        Outage(errors),
        Rereads(recall),
        Restart(recall),
        WithoutProgress(limits.cost),
    )
    settings = [_as_floats(asdict(limits)), [asdict(one) for one in shapes]]
    return Bank(cast("Sequence[Plain]", plain), cast("Sequence[Rule]", rules), settings)


def _as_floats(value: object) -> object:
    """``value`` with 300 and 300.0 alike: a threshold that went through a file is the same threshold."""
    if isinstance(value, dict):
        return {name: _as_floats(one) for name, one in value.items()}
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _graded(grade: object, state: object) -> float:
    try:
        value = float(grade(state))  # type: ignore[operator]
    except Exception:  # noqa: BLE001 - a grade is a convenience; its detector's findings do not depend on it
        return 0.0
    return min(1.0, max(0.0, value))


def _broken(state: BankState, channel: Channel, name: str, bug: Exception, event: Event) -> tuple[Finding, ...]:
    rule = f"{channel}/{name}-broken"
    known = rule in state.broken
    state.broken[rule] = (channel, state.events)
    if known:
        return NONE
    return (
        Finding(
            rule=rule,
            channel=channel,
            severity=Severity.UNKNOWN,
            risk=0.5,
            headline=f"the detector {name} broke on event {event.seq} and was started anew: {_short(bug)}",
            evidence=(event.seq,),
            since=event.seq,
        ),
    )


def _short(bug: Exception) -> str:
    try:
        return repr(bug)[:200]
    except Exception:  # noqa: BLE001 - even an error that cannot be printed is reported
        return type(bug).__name__


def _sound_again(state: BankState, event: Event) -> tuple[Finding, ...]:
    over = [rule for rule, (_, at) in state.broken.items() if state.events - at >= BROKEN_HOLD_EVENTS]
    found = NONE
    for rule in over:
        channel, _ = state.broken.pop(rule)
        found += (
            Finding(
                rule=rule,
                channel=channel,
                severity=Severity.OK,
                risk=0.0,
                headline=f"sound again: {BROKEN_HOLD_EVENTS} events without a further break",
                evidence=(event.seq,),
            ),
        )
    return found


def _remember(state: BankState, found: tuple[Finding, ...]) -> None:
    for one in found:
        name = (one.rule, one.key)
        if one.severity is Severity.OK:
            state.risks.pop(name, None)
            continue
        if name not in state.risks and len(state.risks) >= MOST_RISKS:
            del state.risks[next(iter(state.risks))]
        state.risks[name] = (one.channel, one.risk)
