"""What the overseer knows, in memory and on disk: one value, loaded at the start, changed only in transactions."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import cast

from watchdogd.core.checkpoint import Known, Past
from watchdogd.core.detect import snapshot
from watchdogd.core.detect.bank import Bank, BankState
from watchdogd.core.escalation import Escalation
from watchdogd.core.events import Event, RolledBack, RunFinished, RunStarted
from watchdogd.core.health import Channel, Finding, Health, Severity, after, undone
from watchdogd.core.lease.messages import Latch, Level, Order, Timing
from watchdogd.core.lease.overseer import OverseerState, Pending, Unproven
from watchdogd.core.policy import Memory, Policy
from watchdogd.ports import Clock, Record
from watchdogd.wire.channel import Lift
from watchdogd.wire.messages import ProcessReport, WorkerStatus

PAGE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Desired:
    """The desired state as it is on disk."""

    lrev: int = 0
    latches: tuple[Latch, ...] = ()
    level: Level | None = None
    """None = the policy's."""
    last_n: int = 0
    acked_n: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """The run the worker is on, as far as its events tell."""

    id: str = ""
    mission: str = ""
    goal: str = ""
    rules: tuple[str, ...] = ()
    workspace: str = ""
    active: bool = False
    started_seq: int = 0
    began: Event | None = None
    """Its first event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """Where the fold stands, snapshot every so often: refolding from here gives the present."""

    digest: str
    """Of the bank it was folded with."""
    after: str
    """Key of the last event in it."""
    bank: str
    health: dict[str, object]
    run: RunFacts


@dataclass(slots=True)
class Book:
    """The overseer's state. ``proto`` is the lease protocol's; the rest is folded from events or kept for people."""

    proto: OverseerState
    policy: Policy
    bank: Bank
    bank_state: BankState
    health: Health = field(default_factory=Health)
    memory: Memory = field(default_factory=Memory)
    run: RunFacts = field(default_factory=RunFacts)
    folded_seq: int = 0
    last_digest: str = ""
    """Chain digest of the newest event folded."""
    fold_key: str = ""
    folds: int = 0
    """Events folded since the last snapshot."""
    escalations: dict[str, Escalation] = field(default_factory=dict)
    asked_at: tuple[float, ...] = ()
    """When questions were opened in the last hour (unix seconds)."""
    level: Level | None = None
    published: int = 0
    """Rows up to here were taken by the broker."""
    judge_spent_usd: float = 0.0
    judge_day: str = ""
    inspected_seq: int = 0
    inspected_at: float = 0.0
    """Clock.boot of the last valid inspection (seconds); of the start, before the first."""
    looked_at: float = 0.0
    """Clock.boot of the last look, valid or not (seconds)."""
    judge_failing_since: float | None = None
    degraded: str = ""
    restricted: str = ""
    """Why remote control is off; empty = it is on."""
    lift: Lift | None = None
    """A decision that a person took back, until the supervisor has that on disk."""
    unknown_since: dict[str, float] = field(default_factory=dict)
    points: dict[str, Known] = field(default_factory=dict)
    """The checkpoints that are kept, by id."""
    past: Past = field(default_factory=Past)
    """Of the run under way."""
    process: ProcessReport | None = None
    """What the supervisor said last of the worker's processes; no decision rests on it."""
    status: WorkerStatus | None = None
    """What the worker said last of itself; no decision rests on it."""

    def told(self, said: ProcessReport | WorkerStatus) -> None:
        """Keeps what supervisor or worker say of themselves, for answers to people."""
        if isinstance(said, ProcessReport):
            self.process = said
        else:
            self.status = said

    def desired(self) -> Desired:
        """What goes on disk with every change."""
        return Desired(
            lrev=self.proto.lrev,
            latches=self.proto.latches,
            level=self.level,
            last_n=self.proto.last_n,
            acked_n=self.proto.acked_n,
        )


def fold_of(book: Book) -> Fold:
    """The fold's snapshot."""
    return Fold(
        digest=book.bank.digest,
        after=book.fold_key,
        bank=base64.b64encode(book.bank.dump(book.bank_state)).decode(),
        health=cast("dict[str, object]", snapshot.encoded(book.health)),
        run=book.run,
    )


def step(book: Book, event: Event) -> tuple[Finding, ...]:
    """Folds ``event`` into bank, health and run; the findings it raised. Shared by live folding and refolding."""
    if isinstance(event.body, RunStarted):
        book.bank_state = book.bank.start()
        book.health = Health()
        book.run = RunFacts(
            id=event.run,
            mission=event.body.mission,
            goal=event.body.goal,
            rules=event.body.rules,
            workspace=event.body.workspace,
            active=True,
            started_seq=event.seq,
            began=event,
        )
        still_broken(book, event.seq)
    elif isinstance(event.body, RolledBack) and event.body.ok and event.run == book.run.id:
        book.bank_state = book.bank.anew(book.bank_state, book.run.began)
        book.health = undone(book.health)
        still_broken(book, event.seq)
    elif isinstance(event.body, RunFinished):
        book.run = replace(book.run, active=False)
    book.bank_state, findings = book.bank.step(book.bank_state, event)
    book.health = after(book.health, findings, event.seq, event.at)
    return findings


def load(
    record: Record,
    *,
    epoch: int,
    policy: Policy,
    bank: Bank,
    timing: Timing,
    clock: Clock,
    whole: Callable[[Event], Event],
    supervisor_open: bool,
    restricted: str = "",
) -> Book:
    """The book as the record has it; events after the last snapshot are folded again."""
    desired = record.load(Desired, "desired") or Desired()
    stored = record.load(int, "stored_seq") or 0
    now = clock.boot()
    pending = tuple(
        Pending(order=replace(order, epoch=epoch), issued_at=now, sent_at=0.0)
        for _, order in record.scan(Order, "order/", limit=100_000)
        if order.n > desired.acked_n
    )
    proto = OverseerState(
        epoch=epoch,
        started_at=now,
        lrev=desired.lrev,
        latches=desired.latches,
        stored_seq=stored,
        acked_n=desired.acked_n,
        last_n=desired.last_n,
        pending=pending,
        unproven=tuple(Unproven(name=one.name, lrev=desired.lrev, at=now) for one in desired.latches),
        policy=policy.digest,
        mode=policy.mode,
        level=desired.level or policy.level,
        supervisor_open=supervisor_open,
        timing=timing,
    )
    book = Book(
        proto=proto,
        policy=policy,
        bank=bank,
        bank_state=bank.start(),
        folded_seq=stored,
        last_digest=record.load(str, "last_digest") or "",
        level=desired.level,
        published=record.load(int, "published") or 0,
        inspected_seq=record.load(int, "inspected_seq") or 0,
        inspected_at=now,
        looked_at=now,
        restricted=restricted,
        judge_spent_usd=record.load(float, "judge_spent_usd") or 0.0,
        judge_day=record.load(str, "judge_day") or "",
        lift=record.load(Lift, "lift"),
    )
    memory = record.load(dict, "memory")
    if memory is not None:
        book.memory = cast("Memory", snapshot.decoded_safely(memory))
    book.points = {one.point.id: one for _, one in record.scan(Known, "point/", limit=100_000)}
    book.past = record.load(Past, "past") or Past()
    unreadable = record.load(str, "unreadable")
    if unreadable:
        book.proto = replace(book.proto, unreadable=unreadable)
    book.escalations = {one.id: one for _, one in record.scan(Escalation, "escalation/", limit=100_000)}
    _refold(record, book, whole)
    still_broken(book, book.folded_seq)
    return book


def unreadable(reason: str, seq: int) -> Finding:
    """An event that does not fit its chain keeps the run unknown until an operator acknowledges it."""
    return Finding(
        rule="safety/record-broken",
        channel=Channel.SAFETY,
        severity=Severity.UNKNOWN,
        risk=1.0,
        headline=reason,
        evidence=(seq,),
        key="record",
        since=seq,
    )


def still_broken(book: Book, seq: int) -> None:
    """What is not acknowledged outlives restarts and runs."""
    if book.proto.unreadable:
        book.health = after(book.health, (unreadable(book.proto.unreadable, seq),), max(seq, 1), None)


def mended(book: Book) -> None:
    """An operator has acknowledged it."""
    over = replace(unreadable(book.proto.unreadable, book.folded_seq), severity=Severity.OK)
    book.proto = replace(book.proto, unreadable="")
    book.health = after(book.health, (over,), book.folded_seq, None)


def _refold(record: Record, book: Book, whole: Callable[[Event], Event]) -> None:
    fold = record.load(Fold, "fold")
    done = record.load(str, "run_key") or ""
    if fold is not None and fold.digest == book.bank.digest and fold.after >= done:
        try:
            book.bank_state = book.bank.load(base64.b64decode(fold.bank))
            book.health = cast("Health", snapshot.decoded_safely(fold.health))
            book.run, done = fold.run, fold.after
        except ValueError:
            book.bank_state, book.health = book.bank.start(), Health()
    book.fold_key = done
    while page := record.scan(Event, "event/", after=done, limit=PAGE):
        for key, event in page:
            step(book, whole(event))
            book.fold_key, book.folds = key, book.folds + 1
        done = page[-1][0]


def event_key(seq: int) -> str:
    """Where the worker's event ``seq`` is kept; keys sort in the order of folding."""
    return f"event/{seq:012d}"


def run_key(seq: int) -> str:
    """Where it is kept that event ``seq`` began a run."""
    return f"run/{seq:012d}"


def tick_key(seq: int, n: int) -> str:
    """Where the ``n``-th tick after event ``seq`` is kept."""
    return f"event/{seq:012d}/tick{n:06d}"


def memory_cell(memory: Memory) -> object:
    """The policy's memory for a cell."""
    return snapshot.encoded(memory)
