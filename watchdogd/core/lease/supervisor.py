"""The supervisor's side of the lease protocol: the dead-man's switch (PROTOCOL S1-S3)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Literal

from watchdogd.core.lease.messages import Timing

FIRST_RETRY_S = 5.0
"""First pause before a frozen worker gets another probation; doubles each time (PROTOCOL S3)."""
LAST_RETRY_S = 300.0


class Standing(StrEnum):
    """What the supervisor lets the worker's process tree be."""

    RUNNING = "running"
    FROZEN = "frozen"
    PROBATION = "probation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A freeze or kill by decision; on disk before it is acted on. No spawn or thaw under one."""

    kind: Literal["freeze", "kill"]
    by: str
    reason: str
    at: float
    """Unix time (seconds)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SupervisorState:
    """All the supervisor knows of the protocol."""

    last_ack: float
    """CLOCK_BOOTTIME of the newest report of an acknowledged lease, or of the worker's start (seconds)."""
    standing: Standing = Standing.RUNNING
    tools_frozen: bool = False
    probation_until: float = 0.0
    retry_at: float = 0.0
    retry_s: float = FIRST_RETRY_S
    decided: Decided | None = None
    overseer_epoch: int = 0
    timing: Timing = field(default_factory=Timing)


class Act(StrEnum):
    """What to do to the process trees."""

    FREEZE = "freeze"
    KILL = "kill"
    THAW_WORKER = "thaw_worker"
    THAW_TOOLS = "thaw_tools"


def spawned(state: SupervisorState, now: float) -> SupervisorState:
    """S2: the worker was started; the clock starts anew."""
    return replace(state, last_ack=now, standing=Standing.RUNNING, tools_frozen=False)


def may_spawn(state: SupervisorState) -> bool:
    """Whether a worker may be started at all."""
    return state.decided is None


def reported(state: SupervisorState, now: float, epoch: int, age_s: float) -> tuple[SupervisorState, tuple[Act, ...]]:
    """S1: the overseer reports an acknowledged lease of ``epoch``, ``age_s`` old; older than ttl counts for nothing."""
    if epoch != state.overseer_epoch or not 0 <= age_s < state.timing.ttl_s:
        return state, ()
    state = replace(state, last_ack=now, retry_s=FIRST_RETRY_S)
    if state.standing is Standing.PROBATION:
        state = replace(state, standing=Standing.RUNNING)
    if state.standing is Standing.RUNNING and state.tools_frozen and state.decided is None:
        return replace(state, tools_frozen=False), (Act.THAW_TOOLS,)
    return state, ()


def timed(state: SupervisorState, now: float) -> tuple[SupervisorState, tuple[Act, ...]]:
    """S2 and the end of a probation: freezes when no acknowledged lease was reported for too long."""
    if state.decided is not None or state.standing is Standing.FROZEN:
        return state, ()
    if state.standing is Standing.PROBATION:
        if now < state.probation_until:
            return state, ()
        retry_s = min(state.retry_s * 2, LAST_RETRY_S)
        state = replace(state, retry_at=now + state.retry_s, retry_s=retry_s)
    elif now - state.last_ack <= state.timing.freeze_after_s:
        return state, ()
    return replace(state, standing=Standing.FROZEN, tools_frozen=True), (Act.FREEZE,)


def ready(state: SupervisorState, now: float) -> tuple[SupervisorState, tuple[Act, ...]]:
    """S3: the overseer can watch again: a frozen worker thaws on probation, its tools do not."""
    if state.standing is not Standing.FROZEN or state.decided is not None or now < state.retry_at:
        return state, ()
    until = now + state.timing.probation_s
    return replace(state, standing=Standing.PROBATION, probation_until=until), (Act.THAW_WORKER,)


def decided(state: SupervisorState, what: Decided) -> tuple[SupervisorState, tuple[Act, ...]]:
    """A freeze or kill by decision, already on disk. A kill is never weakened to a freeze."""
    if state.decided is not None and state.decided.kind == "kill":
        return state, ()
    act = Act.KILL if what.kind == "kill" else Act.FREEZE
    return replace(state, decided=what, standing=Standing.FROZEN, tools_frozen=True), (act,)


def lifted(state: SupervisorState, now: float) -> tuple[SupervisorState, tuple[Act, ...]]:
    """A listed person took the decision back; a frozen tree gets its probation, a killed one may be spawned again."""
    if state.decided is None:
        return state, ()
    killed = state.decided.kind == "kill"
    state = replace(state, decided=None, retry_at=0.0, retry_s=FIRST_RETRY_S)
    if killed:
        return replace(state, standing=Standing.RUNNING, tools_frozen=False, last_ack=now), ()
    return ready(state, now)
