"""Money that buys nothing: a cache that stopped paying, and spending without anything new."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from watchdogd.core.detect.calls import Call
from watchdogd.core.detect.detector import NONE, Levels, graded, level
from watchdogd.core.detect.failures import Fault
from watchdogd.core.detect.spend import tokens_of
from watchdogd.core.detect.thresholds import Cost
from watchdogd.core.events import Event, ModelCalled, RunStarted, Usage
from watchdogd.core.health import Channel, Finding, Severity

CACHE = "cost/cache-misses"
NOTHING = "cost/without-progress"


@dataclass(slots=True)
class CacheUse:
    """How the provider's cache was used."""

    hits: int = 0
    """Calls of this run that read from it."""
    missed: int = 0
    """Calls in a row since then that paid for a long input in full."""
    tokens: int = 0
    """Input tokens those calls paid for."""
    seqs: list[int] = field(default_factory=list)
    levels: Levels = field(default_factory=Levels)


@dataclass(frozen=True, slots=True)
class CacheMisses:
    """A run that read from the cache and no longer does. O(1) per event."""

    thresholds: Cost
    name: ClassVar[str] = "cache-misses"
    channel: ClassVar[Channel] = Channel.COST
    version: ClassVar[int] = 1
    kinds: ClassVar[frozenset[str]] = frozenset({"run_started", "model_called"})

    def start(self) -> CacheUse:
        """No call yet."""
        return CacheUse()

    def step(self, state: CacheUse, event: Event) -> tuple[CacheUse, tuple[Finding, ...]]:
        """The use after ``event``."""
        body = event.body
        if isinstance(body, RunStarted):
            return CacheUse(levels=state.levels), state.levels.over(CACHE, Channel.COST, seq=event.seq)
        if not isinstance(body, ModelCalled) or body.usage is None:
            return state, NONE
        paid = _paid_input(body.usage)
        read = body.usage.cache_read_tokens
        if read >= paid:
            state.hits, state.missed, state.tokens, state.seqs = state.hits + 1, 0, 0, []
            return state, state.levels.over(CACHE, Channel.COST, seq=event.seq)
        limits = self.thresholds
        if state.hits < limits.cache_hits_before or paid + read < limits.cache_least_tokens:
            return state, NONE
        state.missed, state.tokens = state.missed + 1, state.tokens + paid
        state.seqs = [*state.seqs[-7:], event.seq]
        severity = level(state.missed, limits.cache_missed_warn, limits.cache_missed_crit)
        if severity is Severity.OK:
            return state, NONE
        text = (
            f"{state.missed} calls in a row paid for their input in full ({state.tokens} tokens): the cache is missed"
        )
        risk = graded(state.missed, limits.cache_missed_warn, limits.cache_missed_crit)
        return state, state.levels.raised(CACHE, Channel.COST, severity, risk, text, tuple(state.seqs))


def _paid_input(usage: Usage) -> int:
    return usage.input_tokens + usage.cache_write_tokens + usage.cache_write_1h_tokens


@dataclass(slots=True)
class Idle:
    """What was spent since something new came of it."""

    usd: float = 0.0
    tokens: int = 0
    calls: int = 0
    first_seq: int = 0
    levels: Levels = field(default_factory=Levels)


@dataclass(frozen=True, slots=True)
class WithoutProgress:
    """Dollars and tokens since the last call that was new, or answered something new, without failing. O(1)."""

    thresholds: Cost
    name: ClassVar[str] = "without-progress"
    channel: ClassVar[Channel] = Channel.COST
    version: ClassVar[int] = 1
    kinds: ClassVar[frozenset[str]] = frozenset({"run_started", "model_called", "user_said"})

    def start(self) -> Idle:
        """Nothing spent."""
        return Idle()

    def step(self, state: Idle, event: Event, call: Call | None) -> tuple[Idle, tuple[Finding, ...]]:
        """The account after ``event``."""
        body = event.body
        if isinstance(body, ModelCalled):
            return state, self._spent(state, event, body)
        if call is not None and (call.stale or call.fault is not Fault.NONE):
            state.calls += 1
            return state, NONE
        if state.calls or state.tokens or state.usd:
            over = state.levels.over(NOTHING, Channel.COST, seq=event.seq)
            return Idle(levels=state.levels), over
        return state, NONE

    def _spent(self, state: Idle, event: Event, body: ModelCalled) -> tuple[Finding, ...]:
        limits = self.thresholds
        state.first_seq = state.first_seq or event.seq
        state.usd += body.cost_usd or 0.0
        state.tokens += tokens_of(body.usage) if body.usage is not None else 0
        if state.calls < limits.idle_least_calls:
            return NONE
        share = max(state.usd / limits.idle_warn_usd, state.tokens / limits.idle_warn_tokens)
        severity = level(share, 1.0, limits.idle_crit_factor)
        if severity is Severity.OK:
            return NONE
        text = f"${state.usd:.2f} and {state.tokens} tokens spent over {state.calls} calls that brought nothing new"
        risk = graded(share, 1.0, limits.idle_crit_factor)
        return state.levels.raised(NOTHING, Channel.COST, severity, risk, text, (state.first_seq, event.seq))
