"""The overseer's side of the lease protocol (PROTOCOL O1-O6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from watchdogd.core.lease.messages import Ack, Answer, Beat, Latch, Level, Mode, Order, OrderBody, Timing

PROOF_MARGIN_S = 1.0
"""Added to ttl before a pause counts as held without an acknowledgement (PROTOCOL O4)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unproven:
    """A pause that is latched but not yet known to hold."""

    name: str
    lrev: int
    at: float
    """CLOCK_BOOTTIME of the decision (seconds)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A beat that could not be granted yet."""

    nonce: str
    head_seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """An order that the worker has not acknowledged."""

    order: Order
    issued_at: float
    sent_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class OverseerState:
    """All the overseer knows of the protocol."""

    epoch: int
    started_at: float
    """CLOCK_BOOTTIME (seconds)."""
    lrev: int = 0
    latches: tuple[Latch, ...] = ()
    stored_seq: int = 0
    """Committed; never what is only folded."""
    acked_n: int = 0
    last_n: int = 0
    pending: tuple[Pending, ...] = ()
    kept: Kept | None = None
    last_beat: Beat | None = None
    beat_at: float = 0.0
    issued: Mapping[str, float] = field(default_factory=dict)
    """Granted nonces and when (CLOCK_BOOTTIME seconds), the newest ``nonce_memory``."""
    unproven: tuple[Unproven, ...] = ()
    acked: Ack | None = None
    acked_at: float = 0.0
    supervisor_open: bool = False
    overdue: str = ""
    """Why inspection counts as overdue; empty = it does not, or degraded mode is declared."""
    unreadable: str = ""
    """A quarantined event that no operator has acknowledged yet."""
    policy: str = ""
    mode: Mode = Mode.ENFORCE
    level: Level = Level.OBSERVE
    timing: Timing = field(default_factory=Timing)


class EventStep(Enum):
    """What to do with an event by its number."""

    FOLD = "fold"
    SEEN = "seen"
    GAP = "gap"


def event_step(folded_seq: int, seq: int) -> EventStep:
    """O2: the next one is folded, an older one only acknowledged, a later one dropped so that the worker goes back."""
    if seq == folded_seq + 1:
        return EventStep.FOLD
    return EventStep.SEEN if seq <= folded_seq else EventStep.GAP


def committed(state: OverseerState, stored_seq: int) -> OverseerState:
    """Events up to ``stored_seq`` are committed together with their findings."""
    return replace(state, stored_seq=stored_seq)


def refusal(state: OverseerState, head_seq: int) -> str:
    """Why a beat with ``head_seq`` is not granted; empty = it is."""
    if state.stored_seq < head_seq:
        return f"processed up to {state.stored_seq} of {head_seq}"
    if not state.supervisor_open:
        return "the supervisor's channel is closed"
    return state.overdue


def _answer(state: OverseerState, nonce: str, head_seq: int) -> Answer:
    why = refusal(state, head_seq)
    return Answer(
        nonce=nonce,
        epoch=state.epoch,
        lrev=state.lrev,
        grant=not why,
        reason=why,
        stored_seq=state.stored_seq,
        policy=state.policy,
        mode=state.mode,
        level=state.level,
        latches=state.latches,
        ttl_s=state.timing.ttl_s,
    )


def _issue(state: OverseerState, now: float, answer: Answer, head_seq: int) -> OverseerState:
    if not answer.grant:
        return replace(state, kept=Kept(nonce=answer.nonce, head_seq=head_seq))
    issued = {**state.issued, answer.nonce: now}
    while len(issued) > state.timing.nonce_memory:
        del issued[next(iter(issued))]
    return replace(state, kept=None, issued=issued)


def beaten(state: OverseerState, now: float, beat: Beat) -> tuple[OverseerState, Answer]:
    """O3: always answers; called from the fold loop after the commit, never from a timer."""
    state = replace(state, last_beat=beat, beat_at=now)
    state = orders_acked(state, beat.applied_n)
    answer = _answer(state, beat.nonce, beat.head_seq)
    return _issue(state, now, answer, beat.head_seq), answer


def kept_answer(state: OverseerState, now: float) -> tuple[OverseerState, Answer | None]:
    """O3: the kept beat's grant, once the reason for refusing it is gone."""
    if state.kept is None or refusal(state, state.kept.head_seq):
        return state, None
    kept = state.kept
    answer = _answer(state, kept.nonce, kept.head_seq)
    return _issue(state, now, answer, kept.head_seq), answer


def pushed(state: OverseerState, now: float) -> tuple[OverseerState, Answer | None]:
    """The state as it is now, answered to the newest beat, so that a latch need not wait for the next one."""
    if state.last_beat is None:
        return state, None
    answer = _answer(state, state.last_beat.nonce, state.last_beat.head_seq)
    return _issue(state, now, answer, state.last_beat.head_seq), answer


def latched(state: OverseerState, now: float, latch: Latch) -> OverseerState:
    """O4: with ``latch``; a second pause of the same name changes nothing but is proven anew.

    The caller writes the latches and reports ``latched`` before it reports ``held``: a latch that the worker accepted
    but that never reached this disk is gone after a power loss.
    """
    if any(one.name == latch.name for one in state.latches):
        return replace(state, unproven=(*state.unproven, Unproven(name=latch.name, lrev=state.lrev, at=now)))
    lrev = state.lrev + 1
    return replace(
        state,
        latches=(*state.latches, latch),
        lrev=lrev,
        unproven=(*state.unproven, Unproven(name=latch.name, lrev=lrev, at=now)),
    )


def released(state: OverseerState, name: str) -> OverseerState:
    """O5: without the latch ``name``."""
    rest = tuple(latch for latch in state.latches if latch.name != name)
    if len(rest) == len(state.latches):
        return state
    unproven = tuple(one for one in state.unproven if one.name != name)
    return replace(state, latches=rest, lrev=state.lrev + 1, unproven=unproven)


def levelled(state: OverseerState, level: Level) -> OverseerState:
    """With another autonomy level; part of the desired state, so it counts as a revision."""
    return state if state.level is level else replace(state, level=level, lrev=state.lrev + 1)


def acknowledged(state: OverseerState, now: float, ack: Ack) -> tuple[OverseerState, tuple[Unproven, ...]]:
    """O4: takes the worker's acknowledgement; returns the pauses that are now proven to hold."""
    if ack.epoch != state.epoch:
        return state, ()
    held = tuple(one for one in state.unproven if ack.lrev >= one.lrev)
    rest = tuple(one for one in state.unproven if ack.lrev < one.lrev)
    return replace(state, acked=ack, acked_at=now, unproven=rest), held


def expired(state: OverseerState, now: float) -> tuple[OverseerState, tuple[Unproven, ...]]:
    """O4: the pauses that hold because every lease without them is dead by now."""
    if state.mode is Mode.SHADOW:
        return state, ()  # nothing runs out where no lease is asked for: only the worker's word proves a pause

    def dead(one: Unproven) -> bool:
        return now > max(one.at, state.started_at) + state.timing.ttl_s + PROOF_MARGIN_S

    held = tuple(one for one in state.unproven if dead(one))
    return replace(state, unproven=tuple(one for one in state.unproven if not dead(one))), held


def lease_report(state: OverseerState, now: float) -> float | None:
    """Seconds since the newest lease of this epoch that the worker acknowledged was granted; None = none."""
    if state.acked is None or state.acked.epoch != state.epoch or not state.acked.nonce:
        return None
    granted = state.issued.get(state.acked.nonce)
    return None if granted is None else now - granted


def ordered(state: OverseerState, now: float, run: str, body: OrderBody) -> tuple[OverseerState, Order]:
    """O6: the next order; its number and body go to disk in one transaction before it is sent.

    The caller adopts the new state only once that transaction is on disk: what stands in ``pending`` is sent again,
    and a number that was sent must not be given to another order after a power loss.
    """
    order = Order(epoch=state.epoch, n=state.last_n + 1, run=run, body=body)
    waiting = Pending(order=order, issued_at=now, sent_at=now)
    return replace(state, last_n=order.n, pending=(*state.pending, waiting)), order


def orders_acked(state: OverseerState, n: int) -> OverseerState:
    """Orders up to ``n`` were applied; a number that no order has counts for nothing."""
    if not state.acked_n < n <= state.last_n:
        return state
    rest = tuple(one for one in state.pending if one.order.n > n)
    return replace(state, acked_n=n, pending=rest)


def order_to_resend(state: OverseerState, now: float) -> tuple[OverseerState, Order | None]:
    """O6: the oldest unacknowledged order, when it was last sent long enough ago; under the present epoch."""
    if not state.pending or now - state.pending[0].sent_at < state.timing.order_resend_s:
        return state, None
    first = replace(state.pending[0], sent_at=now, order=replace(state.pending[0].order, epoch=state.epoch))
    return replace(state, pending=(first, *state.pending[1:])), first.order


def order_overdue(state: OverseerState, now: float) -> Pending | None:
    """O6: the oldest order, if it has waited for its acknowledgement for too long."""
    if state.pending and now - state.pending[0].issued_at > state.timing.order_overdue_s:
        return state.pending[0]
    return None
