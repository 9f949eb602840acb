"""The worker's side of the lease protocol (PROTOCOL W1-W6)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum

from watchdogd.core.events import Impact
from watchdogd.core.lease.messages import Ack, Answer, Beat, Latch, Level, Mode, Order, Timing


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """The highest accepted (epoch, lrev) and the latches that came with it; synced before it is acknowledged."""

    epoch: int = 0
    lrev: int = 0
    latches: tuple[Latch, ...] = ()

    @property
    def pair(self) -> tuple[int, int]:
        """What two controls are compared by, lexicographically."""
        return self.epoch, self.lrev


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """Permission to start effects until ``until`` (CLOCK_BOOTTIME, seconds)."""

    until: float
    epoch: int
    nonce: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerState:
    """All the worker knows of the protocol."""

    boot: str
    control: Control = field(default_factory=Control)
    """In memory, newest accepted."""
    durable: Control = field(default_factory=Control)
    """As it is on disk."""
    last_n: int = 0
    head: int = 0
    """Highest row that is synced."""
    known: int = 0
    """The overseer's stored_seq, last heard."""
    sent: int = 0
    """Highest row put on this connection."""
    connected: bool = False
    nonces: tuple[tuple[str, float], ...] = ()
    """Remembered beats, oldest first: nonce and boot time of sending (seconds)."""
    unanswered: int = 0
    """Beats since the last answer."""
    unanswered_since: float = 0.0
    """Sending time of the first of them (CLOCK_BOOTTIME, seconds)."""
    resent_after: str = ""
    """Newest nonce when rows were last put on the wire again; older refusals say nothing about those rows."""
    lease: Lease | None = None
    launching: bool = False
    launch_until: float = 0.0
    """While ``launching``: the deadline its launcher was given (CLOCK_BOOTTIME, seconds)."""
    running: bool = False
    policy: str = ""
    mode: Mode = Mode.ENFORCE
    level: Level = Level.OBSERVE
    refusal: str = "no answer from the overseer yet"
    """Why there is no lease, as last heard."""
    timing: Timing = field(default_factory=Timing)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What an answer meant."""

    accepted: bool
    why: str = ""
    sync: Control | None = None
    """Must be on disk before the next acknowledgement."""
    went_back: bool = False
    """Rows above ``sent`` have to be sent again."""


class OrderStep(Enum):
    """What to do with an order."""

    APPLY = "apply"
    ACKNOWLEDGE = "acknowledge"
    IGNORE = "ignore"


def connected(state: WorkerState) -> WorkerState:
    """W2: a new connection; rows above ``known`` go out again."""
    return replace(state, connected=True, sent=state.known, unanswered=0, resent_after=_newest(state))


def _newest(state: WorkerState) -> str:
    return state.nonces[-1][0] if state.nonces else ""


def disconnected(state: WorkerState) -> WorkerState:
    """The connection is gone; a lease that is alive stays alive until its own end."""
    return replace(state, connected=False)


def rows_synced(state: WorkerState, head: int) -> WorkerState:
    """Rows up to ``head`` are on disk and may be published."""
    return replace(state, head=max(state.head, head))


def rows_to_send(state: WorkerState) -> range:
    """The rows to put on the wire next: synced ones only, within the window."""
    if not state.connected:
        return range(0)
    return range(state.sent + 1, min(state.head, state.known + state.timing.window_rows) + 1)


def rows_sent(state: WorkerState, last: int) -> WorkerState:
    """Rows up to ``last`` are on this connection."""
    return replace(state, sent=max(state.sent, last))


def beat(state: WorkerState, now: float, nonce: str) -> tuple[WorkerState, Beat]:
    """W3: asks for a lease; remembers when.

    What it asks to be processed is every synced row, also those the window still holds back: after a restart with a
    long backlog a lease for what was sent so far would prove nothing about the rest.
    """
    nonces = (*state.nonces, (nonce, now))[-state.timing.nonce_memory :]
    asking = Beat(boot=state.boot, nonce=nonce, head_seq=state.head, applied_n=state.last_n, ack=ack(state))
    since = state.unanswered_since if state.unanswered else now
    return replace(state, nonces=nonces, unanswered=state.unanswered + 1, unanswered_since=since), asking


def needs_new_connection(state: WorkerState) -> bool:
    """Two beats, ``beat_s`` apart, were not answered: the link may be half open.

    Beats that follow each other faster (holding, waiting) count by their time, not their number: else a worker whose
    round trip is longer than two of them would break every connection before its first answer.
    """
    if state.unanswered <= 2:  # the one just sent is not unanswered yet
        return False
    return state.nonces[-1][1] - state.unanswered_since >= 2 * state.timing.beat_s


def answered(state: WorkerState, now: float, answer: Answer) -> tuple[WorkerState, Heard]:
    """W4: takes a lease or a refusal, or says why it is ignored."""
    sent_at = next((at for nonce, at in state.nonces if nonce == answer.nonce), None)
    if answer.epoch < state.control.epoch:
        return state, Heard(accepted=False, why="older epoch")
    if sent_at is None:
        return state, Heard(accepted=False, why="unknown nonce")
    if (answer.epoch, answer.lrev) < state.control.pair:
        return state, Heard(accepted=False, why="older state")
    control = Control(epoch=answer.epoch, lrev=answer.lrev, latches=answer.latches)
    known = max(state.known, answer.stored_seq)
    state = replace(
        state,
        control=control,
        known=known,
        sent=max(state.sent, min(known, state.head)),
        unanswered=0,
        policy=answer.policy,
        mode=answer.mode,
        level=answer.level,
    )
    went_back = False
    if answer.grant:
        until = sent_at + answer.ttl_s
        if now < until and (state.lease is None or until >= state.lease.until):
            state = replace(state, lease=Lease(until=until, epoch=answer.epoch, nonce=answer.nonce))
        state = replace(state, refusal="" if now < until else "the answer came after its lease had ended")
    else:
        state = replace(state, lease=None, refusal=answer.reason)
        if answer.stored_seq < state.sent and _tells_of_loss(state, answer.nonce):
            state = replace(state, sent=answer.stored_seq, known=answer.stored_seq, resent_after=_newest(state))
            went_back = True
    sync = control if control != state.durable else None
    return state, Heard(accepted=True, sync=sync, went_back=went_back)


def _tells_of_loss(state: WorkerState, nonce: str) -> bool:
    """Whether the beat left after rows were last sent again: once per round trip, however long that is."""
    names = [name for name, _ in state.nonces]
    return state.resent_after not in names or names.index(nonce) > names.index(state.resent_after)


def synced(state: WorkerState, control: Control) -> WorkerState:
    """``control`` is on disk."""
    return replace(state, durable=control)


def ack(state: WorkerState) -> Ack | None:
    """What may be acknowledged now: nothing while a launch is under way or the newest state is not on disk."""
    if state.launching or state.durable != state.control or state.control.epoch == 0:
        return None
    nonce = state.lease.nonce if state.lease is not None else ""
    return Ack(boot=state.boot, epoch=state.control.epoch, lrev=state.control.lrev, nonce=nonce, running=state.running)


def order_step(state: WorkerState, order: Order) -> OrderStep:
    """W6: orders are applied once, in sequence, never those of an overseer that was replaced."""
    if order.epoch < state.control.epoch:
        return OrderStep.IGNORE
    if order.n <= state.last_n:
        return OrderStep.ACKNOWLEDGE
    if order.n > state.last_n + 1:
        return OrderStep.IGNORE
    return OrderStep.APPLY


def order_applied(state: WorkerState, n: int) -> WorkerState:
    """The effect and ``n`` are on disk, in one transaction."""
    return replace(state, last_n=n)


def latch_in_force(state: WorkerState) -> Latch | None:
    """The latch that holds the worker, if one does; in shadow mode only those that hold there too."""
    for latch in state.control.latches:
        if state.mode is Mode.ENFORCE or latch.shadow_too:
            return latch
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Why no effect may start now."""

    by: str
    """latch, lease, processing, ahead."""
    why: str


def may_start(state: WorkerState, now: float, impact: Impact, intent_seq: int, started: tuple[int, ...]) -> Wait | None:
    """W5: whether the protocol lets a call of class ``impact`` start now; None = it does.

    Args:
        state: the worker's protocol state.
        now: CLOCK_BOOTTIME (seconds).
        impact: the call's class.
        intent_seq: the row of its own ``tool_intended``.
        started: rows of effects started so far that may lie beyond ``known``.
    """
    wait = second_look(state, now)
    if wait is not None or state.mode is Mode.SHADOW:
        return wait
    if impact is not Impact.READ:
        if state.known < intent_seq:
            return Wait(by="processing", why=f"the overseer has processed row {state.known}, this call is {intent_seq}")
        return None
    ahead = sum(1 for seq in started if seq > state.known)
    if ahead >= state.timing.max_ahead:
        return Wait(by="ahead", why=f"{ahead} effects are not processed by the overseer yet")
    return None


def second_look(state: WorkerState, now: float) -> Wait | None:
    """W5: latches and lease once more, with no await between this and the spawn."""
    latch = latch_in_force(state)
    if latch is not None:
        return Wait(by="latch", why=f"paused by {latch.by}: {latch.reason}")
    if state.mode is Mode.SHADOW:
        return None
    if state.lease is None:
        return Wait(by="lease", why=state.refusal or "no lease")
    if now >= state.lease.until:
        return Wait(by="lease", why=f"the lease ended {now - state.lease.until:.1f} s ago")
    return None


def launch_began(state: WorkerState) -> WorkerState:
    """A tool is being spawned under the present lease; acknowledgements wait."""
    until = state.lease.until if state.lease is not None else 0.0
    return replace(state, launching=True, launch_until=until, running=True)


def launch_dead(state: WorkerState, now: float) -> bool:
    """Whether a launch under way can only abort: its launcher is to be killed, it may be frozen and never say so.

    Tools thaw only after an acknowledgement and acknowledgements wait for the launcher: without this a freeze that
    hits a launcher holds for ever.
    """
    return state.launching and state.mode is Mode.ENFORCE and now >= state.launch_until


def launch_over(state: WorkerState) -> WorkerState:
    """Exec is confirmed, or will never happen."""
    return replace(state, launching=False)


def call_over(state: WorkerState) -> WorkerState:
    """No tool call is running."""
    return replace(state, launching=False, running=False)


def next_beat_in(state: WorkerState, now: float | None = None, *, waiting: bool) -> float:
    """Seconds until the next beat is due.

    A waiting worker beats fast, but slower with every beat that was not answered yet: else a long round trip would
    push nonces out of memory before their answers come.

    Args:
        state: the worker's protocol state.
        now: CLOCK_BOOTTIME (seconds); tells that a lease has ended.
        waiting: a call waits for the overseer to process it.
    """
    if waiting:
        backed_off = state.timing.fast_beat_s * 2.0 ** min(max(state.unanswered - 1, 0), 16)
        return min(backed_off, state.timing.holding_beat_s)
    if state.lease is None or (now is not None and now >= state.lease.until):
        return state.timing.holding_beat_s
    return state.timing.beat_s
