"""What a detector is: frozen thresholds and a fold over the events."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from watchdogd.core.events import Event
from watchdogd.core.health import Channel, Finding, Severity

S = TypeVar("S")


class Detector(Protocol[S]):
    """Sees one kind of trouble in a stream of events.

    The state is plain values (dataclasses of the core, collections, numbers, text), bounded, and used linearly:
    ``step`` may change it in place and return it. No clock but ``event.at``, no randomness, no look-back: the same
    events give the same findings. A finding is emitted when its level rises, and one of severity OK when it is over.

    Two optional class attributes: ``version`` (an int, 1 when absent) rises with every change of behaviour, and
    ``kinds`` (a frozenset of event kinds) names the only events worth calling ``step`` for. An optional method
    ``risk(state) -> float`` grades what is below the first level, 0 to 1.
    """

    @property
    def name(self) -> str:
        """A stable word; ``<channel>/<name>-broken`` is the rule when the detector raises."""
        ...

    @property
    def channel(self) -> Channel:
        """Where its breaking is reported."""
        ...

    def start(self) -> S:
        """The state before the first event."""
        ...

    def step(self, state: S, event: Event) -> tuple[S, tuple[Finding, ...]]:
        """The state after ``event``, and what it shows."""
        ...


NONE: tuple[Finding, ...] = ()
"""Nothing was seen."""


def level(count: float, warn: float, crit: float) -> Severity:
    """The severity of ``count`` between two thresholds."""
    return Severity.CRIT if count >= crit else Severity.WARN if count >= warn else Severity.OK


def graded(count: float, warn: float, crit: float) -> float:
    """Risk that is 0.5 at ``warn``, 0.9 at ``crit``, below and beyond in proportion."""
    if count < warn:
        return max(0.0, 0.5 * count / warn)
    return min(1.0, 0.5 + 0.4 * (count - warn) / max(1e-9, crit - warn))


MOST_LIVE = 64
"""Levels one detector remembers; the oldest is dropped (its finding stays live until the run ends)."""


@dataclass(slots=True)
class Levels:
    """Which of a detector's findings are up, so that each speaks only when it changes."""

    up: dict[tuple[str, str], Severity] = field(default_factory=dict)

    def raised(
        self,
        rule: str,
        channel: Channel,
        severity: Severity,
        risk: float,
        headline: str,
        evidence: tuple[int, ...],
        key: str = "",
    ) -> tuple[Finding, ...]:
        """The finding when it is new or worse than what is up under ``rule`` and ``key``; else nothing."""
        name = (rule, key)
        old = self.up.get(name)
        if old is not None and old.rank >= severity.rank:
            return NONE
        if old is None and len(self.up) >= MOST_LIVE:
            del self.up[next(iter(self.up))]
        self.up[name] = severity
        return (
            Finding(
                rule=rule,
                channel=channel,
                severity=severity,
                risk=risk,
                headline=headline,
                evidence=evidence,
                key=key,
                since=evidence[0] if evidence else 0,
            ),
        )

    def over(self, rule: str, channel: Channel, key: str | None = None, *, seq: int = 0) -> tuple[Finding, ...]:
        """OK findings for what is up under ``rule`` (under every key when ``key`` is None)."""
        if not self.up:
            return NONE
        names = [name for name in self.up if name[0] == rule and (key is None or name[1] == key)]
        return tuple(self._cleared(name, channel, seq) for name in names)

    def _cleared(self, name: tuple[str, str], channel: Channel, seq: int) -> Finding:
        del self.up[name]
        return Finding(
            rule=name[0], channel=channel, severity=Severity.OK, risk=0.0, headline="over", evidence=(seq,), key=name[1]
        )
