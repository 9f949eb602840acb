"""The overseer's shell around its state machine: fold loop, group commits, fence, operators' requests."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from typing_extensions import override

from tests.protocol.broker import Broker, Connection, Peer
from tests.protocol.truth import Truth
from tests.protocol.world import Call, Record, Speed, World
from watchdogd.core.lease import overseer as core
from watchdogd.core.lease.messages import Ack, Answer, Beat, ForgetOrder, Latch, Level, Order, Timing

BATCH = 50
"""Events folded before a commit is due at the latest."""


class Desk:
    """The operators: repeat what was not answered, remember what they asked for."""

    def __init__(self) -> None:
        self.wanted: set[str] = set()
        """Pauses that should stand."""


class Overseer(Peer):
    """One life of the overseer process."""

    name = "overseer"

    def __init__(
        self,
        world: World,
        record: Record,
        broker: Broker,
        truth: Truth,
        desk: Desk,
        *,
        timing: Timing,
        fold: Speed,
        slow_fold: Callable[[], float],
        report: Callable[..., None],
    ) -> None:
        super().__init__(world)
        self.record = record
        self.broker = broker
        self.truth = truth
        self.desk = desk
        self.fold = fold
        self.slow_fold = slow_fold
        self.report = report
        """The socketpair to the supervisor."""
        self.connection: Connection | None = None
        self.connecting = False
        self.inbox: deque[tuple[str, Any]] = deque()
        self.folding = False
        self.folded = 0
        self.orders: deque[str] = deque()
        """Asked for, not yet on disk."""
        self.synced_lrev = 0
        self.proven: list[core.Unproven] = []
        self.state = core.OverseerState(epoch=0, started_at=0.0, timing=timing)
        self.up = False

    # --- start and fence ----------------------------------------------------------------------------------------------

    def start(self) -> None:
        """O1: takes the next epoch, synced before connecting."""
        epoch = self.record.epoch + 1
        self.record.append("epoch", epoch)
        self.record.sync(self, self._started, epoch)

    def _started(self, epoch: int) -> None:
        now = self.world.boot
        stored, lrev, acked = 0, 0, 0
        latches: tuple[Latch, ...] = ()
        orders: dict[int, str] = {}
        level = Level.OBSERVE
        for one in self.record.log:
            if one[0] == "commit":
                stored = one[1][-1][0]
            elif one[0] == "latches":
                _, lrev, latches, level = one
            elif one[0] == "order":
                orders[one[1]] = one[2]
            elif one[0] == "acked":
                acked = max(acked, one[1])
        self.folded, self.synced_lrev = stored, lrev
        self.state = core.OverseerState(
            epoch=epoch,
            started_at=now,
            lrev=lrev,
            latches=latches,
            stored_seq=stored,
            acked_n=acked,
            last_n=max(orders, default=0),
            pending=tuple(
                core.Pending(order=self._order(n, name), issued_at=now, sent_at=0.0)
                for n, name in orders.items()
                if n > acked
            ),
            unproven=tuple(core.Unproven(name=one.name, lrev=lrev, at=now) for one in latches),
            supervisor_open=True,
            level=level,
            timing=self.state.timing,
        )
        self.up = True
        self.report("hello", epoch, 0.0)
        self.connect()
        self._tick()

    def _order(self, n: int, name: str) -> Order:
        return Order(epoch=self.record.epoch, n=n, run=name, body=ForgetOrder(checkpoints=(name,)))

    def _fenced(self) -> bool:
        """O1: whether another overseer has taken over; then this one is over for good."""
        if self.record.epoch == self.state.epoch:
            return False
        self.truth.counts["fenced"] += 1
        self.exit()
        return True

    def exit(self) -> None:
        """Leaves, never to reconnect."""
        if self.connection is not None:
            self.broker.drop(self.connection)
        self.die()

    def _write(self, then: Call, args: Sequence[Any], *transaction: Any) -> None:
        if not self._fenced():
            self.record.append(*transaction)
            self.point("written")
            self.record.sync(self, then, *args)

    # --- connection ---------------------------------------------------------------------------------------------------

    def connect(self) -> None:
        """A new client per connection, unless fenced."""
        if self.connecting or self.connection is not None or self._fenced():
            return
        self.connecting = True
        self.broker.connect(self, "overseer")

    @override
    def opened(self, connection: Connection) -> None:
        """On the bus."""
        self.connecting = False
        self.connection = connection
        if self._fenced():
            return
        self.truth.counts["overseer connections"] += 1
        self._ready()

    @override
    def closed(self, connection: Connection | None) -> None:
        """The bus is gone for now."""
        if connection is None:
            self.connecting = False
        elif connection is not self.connection:
            return
        self.connection = None
        self.later(0.2 + self.world.rng.random(), self.connect)

    def _publish(self, kind: str, payload: Any, qos: int) -> None:
        if self.connection is not None:
            self.broker.publish(self.connection, kind, payload, qos)

    # --- the fold loop ------------------------------------------------------------------------------------------------

    @override
    def hear(self, kind: str, payload: Any) -> None:
        """An event or a beat for the fold loop, or an acknowledgement."""
        if not self.up:
            return
        if kind == "ack":
            self._acknowledged(payload)
        elif kind == "order/ack":
            self._order_acknowledged(payload)
        else:
            self.inbox.append((kind, payload))
            if not self.folding:
                self.folding = True
                self.later(0.0, self._step)

    def _step(self) -> None:
        batch: list[tuple[int, int]] = []
        cost = 0.0
        slower = self.slow_fold()
        while self.inbox and self.inbox[0][0] == "event" and len(batch) < BATCH:
            seq, body = self.inbox.popleft()[1]
            match core.event_step(self.folded, seq):
                case core.EventStep.FOLD:
                    self.folded = seq
                    batch.append((seq, body))
                    cost += self.fold.draw(self.world.rng) + slower
                case core.EventStep.SEEN:
                    self.truth.counts["events seen again"] += 1
                case core.EventStep.GAP:
                    self.truth.counts["events beyond a gap"] += 1
        if batch:
            self.later(cost, self._commit, tuple(batch))
        elif self.inbox:
            self._beaten(self.inbox.popleft()[1])
            self.later(0.0005, self._step)
        else:
            self.folding = False

    def _commit(self, batch: tuple[tuple[int, int], ...]) -> None:
        self._write(self._committed, (batch[-1][0],), "commit", batch)

    def _committed(self, stored: int) -> None:
        self.state = core.committed(self.state, stored)
        self._answer_kept()
        self._step()

    def _answer_kept(self) -> None:
        self.state, answer = core.kept_answer(self.state, self.world.boot)
        if answer is not None:
            self._send(answer)

    def _beaten(self, beat: Beat) -> None:
        if beat.ack is not None:
            self._acknowledged(beat.ack)
        self.truth.owes(self.state.epoch, beat.nonce)
        before = self.state.acked_n
        self.state, answer = core.beaten(self.state, self.world.boot, beat)
        if self.state.acked_n > before:
            self._write(self._nothing, (), "acked", self.state.acked_n)
        self._send(answer)

    def _nothing(self) -> None:
        """Nobody waits for this transaction."""

    def _send(self, answer: Answer) -> None:
        if self.alive and not self._fenced():
            self.truth.answered(self.state.epoch, answer)
            self.point("answer")
            self.later(0.0005, self._publish, "lease", answer, 0)

    # --- acknowledgements ---------------------------------------------------------------------------------------------

    def _acknowledged(self, ack: Ack) -> None:
        self.state, held = core.acknowledged(self.state, self.world.boot, ack)
        self._report_held(held)
        self._report_lease()

    def _report_held(self, held: tuple[core.Unproven, ...]) -> None:
        """A latch that the worker accepted before it was on disk here could still be lost: ``held`` waits for it."""
        self.proven += held
        on_disk = [one for one in self.proven if one.lrev <= self.synced_lrev]
        if on_disk and not self._fenced():
            self.proven = [one for one in self.proven if one.lrev > self.synced_lrev]
            for one in on_disk:
                self.truth.pause_held(one.name, one.name in self.desk.wanted)

    def _report_lease(self) -> None:
        age = core.lease_report(self.state, self.world.boot)
        if age is not None:
            self.report("lease", self.state.epoch, age)

    def _order_acknowledged(self, n: int) -> None:
        if n > self.state.acked_n:
            self.state = core.orders_acked(self.state, n)
            self._write(self._nothing, (), "acked", n)

    def _ready(self) -> None:
        if self.connection is not None and not self.state.overdue and not self._fenced():
            self.report("ready", self.state.epoch, 0.0)

    def _tick(self) -> None:
        if self._fenced():
            return
        now = self.world.boot
        self.state, held = core.expired(self.state, now)
        self._report_held(held)
        self.state, order = core.order_to_resend(self.state, now)
        if order is not None:
            self._publish("order", order, 1)
        self._ready()
        self.later(0.5, self._tick)

    # --- what people and policy want ----------------------------------------------------------------------------------

    def pause(self, name: str) -> None:
        """O4."""
        if not self.up or name not in self.desk.wanted:
            return
        latch = Latch(name=name, by="operator", reason="drill", since=self.world.wall)
        self.state = core.latched(self.state, self.world.boot, latch)
        self._write(
            self._latched, (name, self.state.lrev), "latches", self.state.lrev, self.state.latches, self.state.level
        )
        self._push()

    def _latched(self, name: str, lrev: int) -> None:
        if not self._fenced():
            self.synced_lrev = max(self.synced_lrev, lrev)
            self.truth.pause_latched(name, name in self.desk.wanted)
            self._report_held(())

    def _push(self) -> None:
        if self.alive:
            self.state, answer = core.pushed(self.state, self.world.boot)
            if answer is not None:
                self._send(answer)

    def release(self, name: str, done: Call) -> None:
        """O5."""
        if not self.up:
            return
        self.state = core.released(self.state, name)
        self._write(done, (), "latches", self.state.lrev, self.state.latches, self.state.level)
        if self.world.rng.random() < 0.5:
            self._push()

    def set_level(self, level: Level) -> None:
        """Another autonomy level."""
        if self.up:
            self.state = core.levelled(self.state, level)
            self._write(self._nothing, (), "latches", self.state.lrev, self.state.latches, self.state.level)
            self._push()

    def give(self, name: str) -> None:
        """O6: one after the other; in the state, from where it is sent, only once it is on disk."""
        if not self.up:
            return
        self.orders.append(name)
        if len(self.orders) == 1:
            self._give()

    def _give(self) -> None:
        if self.orders:
            self._write(self._given, (self.orders[0],), "order", self.state.last_n + 1, self.orders[0])

    def _given(self, name: str) -> None:
        if self._fenced():
            return
        self.state, order = core.ordered(self.state, self.world.boot, name, ForgetOrder(checkpoints=(name,)))
        self.truth.promised.append((order.n, order.run))
        self._publish("order", order, 1)
        self.orders.popleft()
        self._give()

    def inspection(self, overdue: str) -> None:
        """Inspection became overdue, or is on time again."""
        if self.up:
            self.state = replace(self.state, overdue=overdue)
            if not self._fenced():
                self._answer_kept()
