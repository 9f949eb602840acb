"""The worker's shell around its state machine, as thin as the real one: record, connection, one call at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from typing_extensions import override

from tests.protocol.broker import Broker, Connection, Peer
from tests.protocol.truth import Truth
from tests.protocol.world import Call, Process, Record, World
from watchdogd.core.events import Impact
from watchdogd.core.lease import worker as core
from watchdogd.core.lease.messages import Answer, Order, Timing


@dataclass(slots=True)
class Tempo:
    """How a schedule's mission goes."""

    think_s: float = 1.0
    run_s: float = 0.5
    exec_s: float = 0.02
    reads: float = 0.4
    """Share of calls of class read."""


@dataclass(slots=True)
class CallInHand:
    """A tool call the model wants."""

    intent: int
    impact: Impact


class Launcher(Process):
    """The small program between the worker and the tool: looks at the deadline, then becomes the tool."""

    name = "launcher"

    def __init__(self, worker: Worker, call: CallInHand, started: int, position: int, lease: core.Lease) -> None:
        super().__init__(worker.world)
        self.worker = worker
        self.call = call
        self.started = started
        self.started_at_position = position
        self.until = lease.until
        self.nonce = lease.nonce

    def exec(self) -> None:
        """Compares the deadline right before exec."""
        if self.worker.clock() >= self.until:
            self.worker.truth.counts["aborted launches"] += 1
            self.world.at(0.001, self.worker, self.worker.launch_aborted)
            self.die()
            return
        self.worker.truth.effect(self)
        self.world.at(0.001, self.worker, self.worker.exec_confirmed)
        self.later(self.world.rng.expovariate(1 / self.worker.tempo.run_s), self.finish)

    def finish(self) -> None:
        """The tool ends."""
        self.alive = False
        self.world.at(0.001, self.worker, self.worker.call_finished)

    def kill(self) -> None:
        """The tool or its launcher is killed; its pipe closes."""
        if self.alive:
            self.die()
            self.world.at(0.001, self.worker, self.worker.call_finished)


class Worker(Peer):
    """One life of the worker process."""

    name = "worker"

    def __init__(
        self,
        world: World,
        record: Record,
        memory: Record,
        broker: Broker,
        truth: Truth,
        *,
        timing: Timing,
        tempo: Tempo,
        tools_frozen: Callable[[], bool],
    ) -> None:
        super().__init__(world)
        self.record = record
        self.memory = memory
        """Where (epoch, lrev, latches) are kept: synced on its own, sooner or later than the rows."""
        self.broker = broker
        self.truth = truth
        self.tempo = tempo
        self.tools_frozen = tools_frozen
        self.connection: Connection | None = None
        self.connecting = False
        self.launcher: Launcher | None = None
        self.call: CallInHand | None = None
        self.phase = "starting"
        self.quiet = False
        """No new calls: the schedule is ending."""
        self.started: list[int] = []
        self.started_position = 0
        self.rows: list[tuple[int, int]] = []
        """Of each row its body and its position in the record."""
        self.flushing = False
        self.unflushed = False
        self.waiting: list[tuple[int, Call, tuple[Any, ...]]] = []
        self.applying = False
        self.beat_at = -1.0
        self.beat_due = float("inf")
        self.beat_timer = 0
        self.state = core.WorkerState(boot=f"b{world.fresh()}", timing=timing)

    def clock(self) -> float:
        """CLOCK_BOOTTIME: the only clock leases are reckoned by (seconds)."""
        return self.world.boot

    # --- start and record ---------------------------------------------------------------------------------------------

    def start(self) -> None:
        """W1."""
        control, last_n, open_call = core.Control(), 0, 0
        for position, one in enumerate(self.record.log, 1):
            if one[0] == "row":
                self.rows.append((one[2], position))
                if one[1] == "started":
                    self.started.append(len(self.rows))
                    open_call = len(self.rows)
                elif one[1] in ("finished", "in_doubt", "blocked"):
                    open_call = 0
            else:
                last_n = one[1]
        if self.memory.log:
            control = self.memory.log[-1][1]
        self.truth.recovered(control.pair)
        self.state = core.WorkerState(
            boot=self.state.boot, timing=self.state.timing, control=control, durable=control, last_n=last_n
        )
        if open_call:
            self.truth.counts["in doubt"] += 1
            self._append("in_doubt")
        self.memory.sync(self, self._after_sync, len(self.record.log), self._recovered)

    def _recovered(self) -> None:
        self.connect()
        self._think()

    def _append(self, kind: str) -> int:
        body = self.world.fresh()
        position = self.record.append("row", kind, body)
        self.rows.append((body, position))
        return position

    def _after_sync(self, position: int, then: Call, *args: Any) -> None:
        """Group sync: ``then`` once everything up to ``position`` is on disk."""
        self.waiting.append((position, then, args))
        self._flush()

    def _flush(self) -> None:
        if self.flushing:
            self.unflushed = True
            return
        self.flushing, self.unflushed = True, False
        self.record.sync(self, self._flushed, len(self.record.log), len(self.rows))

    def _flushed(self, position: int, head: int) -> None:
        self.flushing = False
        self.state = core.rows_synced(self.state, head)
        self._send_rows()
        ready = [one for one in self.waiting if one[0] <= position]
        self.waiting = [one for one in self.waiting if one[0] > position]
        for _, then, args in ready:
            then(*args)
        if self.unflushed:
            self._flush()

    # --- connection ---------------------------------------------------------------------------------------------------

    def connect(self) -> None:
        """A new client per connection."""
        if not self.connecting and self.connection is None:
            self.connecting = True
            self.broker.connect(self, "worker")

    @override
    def opened(self, connection: Connection) -> None:
        """W2."""
        self.connecting = False
        self.connection = connection
        self.truth.counts["worker connections"] += 1
        self.state = core.connected(self.state)
        self._send_rows()
        self._beat()

    @override
    def closed(self, connection: Connection | None) -> None:
        """The bus is gone for now."""
        if connection is None:
            self.connecting = False
        elif connection is not self.connection:
            return
        self.connection = None
        self.state = core.disconnected(self.state)
        self.later(0.2 + self.world.rng.random(), self.connect)

    def _publish(self, kind: str, payload: Any, qos: int) -> None:
        if self.connection is not None:
            self.broker.publish(self.connection, kind, payload, qos)

    def _send_rows(self) -> None:
        rows = core.rows_to_send(self.state)
        for seq in rows:
            body, position = self.rows[seq - 1]
            self.truth.published(seq, position)
            self._publish("event", (seq, body), 1)
        if rows:
            self.state = core.rows_sent(self.state, rows[-1])

    def _beat(self) -> None:
        if self.connection is None:
            return
        nonce = f"n{self.world.fresh()}"
        self.state, beat = core.beat(self.state, self.clock(), nonce)
        self.truth.beaten(nonce, beat.head_seq)
        if beat.ack is not None:
            self.truth.acknowledged(beat.ack)
        self.beat_at = self.world.mono
        self._publish("beat", beat, 0)
        if core.needs_new_connection(self.state):
            self.truth.counts["links given up"] += 1
            self.broker.drop(self.connection)
            self.closed(self.connection)
        self.beat_due = float("inf")
        self._arm_beat()

    def _arm_beat(self) -> None:
        if self.connection is None:
            return
        waiting = self.phase == "gated"
        due = max(self.world.mono, self.beat_at + core.next_beat_in(self.state, self.clock(), waiting=waiting))
        if due < self.beat_due:
            self.beat_due = due
            self.beat_timer += 1
            self.later(due - self.world.mono, self._beat_if_due, self.beat_timer)

    def _beat_if_due(self, timer: int) -> None:
        if timer == self.beat_timer:
            self._beat()

    # --- what it hears ------------------------------------------------------------------------------------------------

    @override
    def hear(self, kind: str, payload: Any) -> None:
        """A lease, a refusal or an order."""
        if kind == "lease":
            self._answered(payload)
        else:
            self._ordered(payload)

    def _answered(self, answer: Answer) -> None:
        before = self.state.control.pair
        self.state, heard = core.answered(self.state, self.clock(), answer)
        self.truth.accepted(before, self.state.control.pair)
        if not heard.accepted:
            self.truth.counts[f"ignored: {heard.why}"] += 1
            return
        if heard.sync is not None:
            self.memory.append("control", heard.sync)
            self.memory.sync(self, self._control_synced, heard.sync)
        else:
            self._acknowledge()
        if heard.went_back:
            self.truth.counts["went back"] += 1
        self._send_rows()
        self._arm_beat()
        self._look()

    def _control_synced(self, control: core.Control) -> None:
        self.state = core.synced(self.state, control)
        self.point("control-synced")
        self._acknowledge()

    def _acknowledge(self) -> None:
        ack = core.ack(self.state)
        if ack is not None and self.connection is not None:
            self.truth.acknowledged(ack)
            self._publish("ack", ack, 0)

    def _ordered(self, order: Order) -> None:
        match core.order_step(self.state, order):
            case core.OrderStep.APPLY if not self.applying:
                self.applying = True
                position = self.record.append("order", order.n, order.run)
                self._after_sync(position, self._order_applied, order.n)
            case core.OrderStep.ACKNOWLEDGE:
                self._publish("order/ack", self.state.last_n, 1)
            case _:
                pass

    def _order_applied(self, n: int) -> None:
        self.applying = False
        self.state = core.order_applied(self.state, n)
        self._publish("order/ack", n, 1)

    # --- the mission: intend, wait, record, look again, launch --------------------------------------------------------

    def _think(self) -> None:
        self.phase = "thinking"
        self.later(self.world.rng.expovariate(1 / self.tempo.think_s), self._intend)

    def _intend(self) -> None:
        if self.quiet:
            return
        impact = Impact.READ if self.world.rng.random() < self.tempo.reads else Impact.WRITE
        position = self._append("intended")
        self.call = CallInHand(len(self.rows), impact)
        self.phase = "intending"
        self._after_sync(position, self._intended)

    def _intended(self) -> None:
        self.phase = "gated"
        self._look()
        self._arm_beat()

    def _look(self) -> None:
        if self.phase != "gated" or self.call is None:
            return
        self.started = [seq for seq in self.started if seq > self.state.known]
        wait = core.may_start(self.state, self.clock(), self.call.impact, self.call.intent, tuple(self.started))
        if wait is not None:
            self.truth.counts[f"waits: {wait.by}"] += 1
            return
        self.phase = "recording"
        self.started_position = self._append("started")
        self.started.append(len(self.rows))
        started = len(self.rows)
        self.point("recording")
        self._after_sync(self.started_position, self._recorded, started)

    def _recorded(self, started: int) -> None:
        wait = core.second_look(self.state, self.clock())
        if wait is not None:
            self.truth.counts["second looks that held"] += 1
            self._after_sync(self._append("blocked"), self._intended)
            self.phase = "blocked"
            return
        lease = self.state.lease
        assert lease is not None
        assert self.call is not None
        self.state = core.launch_began(self.state)
        self.phase = "launching"
        self.point("spawn")
        self.later(0.001, self._spawn, self.call, started, lease)

    def _spawn(self, call: CallInHand, started: int, lease: core.Lease) -> None:
        self.launcher = Launcher(self, call, started, self.started_position, lease)
        if self.tools_frozen():
            self.launcher.stop("frozen")
        if "exec" in self.traps:
            self.launcher.traps["exec"] = self.traps.pop("exec")
        self.launcher.point("exec")
        self.launcher.later(self.world.rng.expovariate(1 / self.tempo.exec_s), self.launcher.exec)
        self._watch_launch(self.launcher)

    def _watch_launch(self, launcher: Launcher) -> None:
        """Kills a launcher that outlived its lease: frozen tools never confirm anything."""
        if self.launcher is launcher and self.phase == "launching":
            if core.launch_dead(self.state, self.clock()):
                self.truth.counts["dead launches killed"] += 1
                launcher.kill()
            else:
                self.later(1.0, self._watch_launch, launcher)

    def exec_confirmed(self) -> None:
        """The pipe closed on exec."""
        self.state = core.launch_over(self.state)
        self.phase = "running"
        self._acknowledge()

    def launch_aborted(self) -> None:
        """The launcher saw the deadline pass: the call is gated again."""
        self.state = core.call_over(self.state)
        self._acknowledge()
        self.phase = "blocked"
        self._after_sync(self._append("blocked"), self._intended)

    def call_finished(self) -> None:
        """The tool ended, or was killed."""
        self.state = core.call_over(self.state)
        self._acknowledge()
        self.phase = "finishing"
        self._after_sync(self._append("finished"), self._think)
