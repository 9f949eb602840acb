"""One machine with its processes, records, broker and operators, and the run of one schedule."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from tests.protocol import faults
from tests.protocol.broker import Broker
from tests.protocol.faults import Weather
from tests.protocol.overseer import Desk, Overseer
from tests.protocol.supervisor import Supervisor
from tests.protocol.truth import Truth
from tests.protocol.worker import Worker
from tests.protocol.world import Process, Record, World
from watchdogd.core.lease.supervisor import Decided

CALM_S = 25.0
"""Before the end no new calls begin, so that everything can be processed."""
RECOVERY_S = 90.0
"""Within this after the last fault effects start again: a freeze's retry pause, its probation, an answer."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one schedule went."""

    seed: int
    kind: str
    violations: tuple[str, ...]
    counts: Counter[str]


class Machine:
    """Everything that is simulated, with the handles faults and operators need."""

    def __init__(self, seed: int, weather: Weather, world: World) -> None:
        self.world = world
        self.weather = weather
        self.timing = weather.timing
        self.broker = Broker(world, weather.hop)
        self.broker.loss, self.broker.duplication = weather.loss, weather.duplication
        self.broker.overtaking, self.broker.takeover = weather.overtaking, weather.takeover
        self.worker_record = Record(world, weather.disk)
        self.worker_memory = Record(world, weather.disk)
        self.overseer_record = Record(world, weather.disk)
        self.truth = Truth(world, self.timing, self.worker_record, self.worker_memory, self.overseer_record)
        self.truth.never_freezes = weather.kind == "restarts"
        self.desk = Desk()
        self.decided: Decided | None = None
        self.slow_fold_until = 0.0
        self.ending = False
        self.powered = True
        self.zombies: list[Overseer] = []
        self.supervisor = Supervisor(world, self, self.timing, None)
        self.worker = self._new_worker()
        self.overseer = self._new_overseer()
        self.worker.die()
        self.overseer.die()

    # --- children -----------------------------------------------------------------------------------------------------

    def _new_worker(self) -> Worker:
        worker = Worker(
            self.world,
            self.worker_record,
            self.worker_memory,
            self.broker,
            self.truth,
            timing=self.timing,
            tempo=self.weather.tempo,
            tools_frozen=lambda: self.supervisor.tools_frozen(),
        )
        worker.quiet = self.ending
        return worker

    def _new_overseer(self) -> Overseer:
        overseer = Overseer(
            self.world,
            self.overseer_record,
            self.broker,
            self.truth,
            self.desk,
            timing=self.timing,
            fold=self.weather.fold,
            slow_fold=lambda: self.world.rng.uniform(0.1, 2.0) if self.world.mono < self.slow_fold_until else 0.0,
            report=lambda *what: self._told(overseer, *what),
        )
        return overseer

    def _told(self, overseer: Overseer, what: str, epoch: int, age_s: float) -> None:
        if overseer is self.overseer:
            call = self.supervisor.overseer_epoch if what == "hello" else self.supervisor.told
            args = (epoch,) if what == "hello" else (what, epoch, age_s)
            self.world.at(0.0005, self.supervisor, call, *args)

    def start_worker(self) -> None:
        """A new life of the worker."""
        if not self.worker.alive:
            self.truth.counts["worker starts"] += 1
            self.worker = self._new_worker()
            self.worker.start()

    def start_overseer(self) -> None:
        """A new life of the overseer, unless one is running."""
        if not self.overseer.alive:
            self.truth.counts["overseer starts"] += 1
            self.overseer = self._new_overseer()
            self.overseer.start()

    def replace_overseer(self) -> None:
        """A successor starts although the old one, stopped, still exists."""
        if self.overseer.alive:
            self.zombies.append(self.overseer)
            self.truth.counts["zombies"] += 1
            self.overseer = self._new_overseer()
            self.overseer.start()

    def kill_worker(self, restart_s: float = 0.5) -> None:
        """The worker dies; its tools live on until the supervisor sweeps them."""
        worker = self.worker
        if worker.alive:
            worker.die()
            if worker.connection is not None:
                self.broker.drop(worker.connection)
            self.supervisor.later(restart_s, self.supervisor.spawn_worker)

    def kill_overseer(self, restart_s: float = 0.5) -> None:
        """The overseer dies."""
        overseer = self.overseer
        if overseer.alive:
            overseer.exit()
            self.supervisor.later(restart_s, self.start_overseer)

    def kill_tools(self) -> None:
        """The tools' group is killed."""
        if self.worker.launcher is not None:
            self.worker.launcher.kill()

    def tools(self, act: str) -> None:
        """Freezes or thaws the tools' group."""
        launcher = self.worker.launcher
        if launcher is not None and launcher.alive:
            if act == "stop":
                launcher.stop("frozen")
            else:
                launcher.cont("frozen")

    def kill_broker(self, restart_s: float) -> None:
        """The broker dies and forgets."""
        if self.broker.up:
            self.broker.crash()
            self.world.at(restart_s, None, self.broker.restart)

    def kill_supervisor(self, restart_s: float) -> None:
        """The supervisor dies, and its children with it."""
        if self.supervisor.alive and self.powered:
            self._all_die()
            self.world.at(restart_s, None, self.boot_up)

    def lose_power(self, reboot_s: float) -> None:
        """Everything dies at once; what was not synced may be gone."""
        if self.powered and self.supervisor.alive:
            self.powered = False
            self.truth.counts["power losses"] += 1
            self._all_die()
            self.broker.crash()
            self.worker_record.lose_power()
            self.worker_memory.lose_power()
            self.overseer_record.lose_power()
            self.world.at(reboot_s, None, self._power)

    def _power(self) -> None:
        self.powered = True
        self.broker.restart()
        self.boot_up()

    def _all_die(self) -> None:
        self.supervisor.die()
        self.kill_tools()
        for one in (self.worker, self.overseer, *self.zombies):
            if one.alive and one.connection is not None:
                self.broker.drop(one.connection)
            one.die()

    def boot_up(self) -> None:
        """A new life of the supervisor, which starts the rest."""
        self.supervisor = Supervisor(self.world, self, self.timing, self.decided)
        self.supervisor.start()

    def running(self) -> list[Process]:
        """Every process that lives."""
        launcher = [self.worker.launcher] if self.worker.launcher is not None else []
        every: list[Process] = [self.supervisor, self.worker, self.overseer, *self.zombies, *launcher]
        return [one for one in every if one.alive]

    # --- operators ----------------------------------------------------------------------------------------------------

    def _overseers(self) -> list[Overseer]:
        return [one for one in (self.overseer, *self.zombies) if one.alive and one.connection is not None]

    def pause(self, name: str) -> None:
        """An operator pauses, and asks again until told ``latched``."""
        self.desk.wanted.add(name)
        self.truth.counts["pauses"] += 1
        self._ask_pause(name)

    def _ask_pause(self, name: str) -> None:
        if name in self.desk.wanted and name not in self.truth.latched:
            for one in self._overseers():
                one.later(0.01, one.pause, name)
            self.world.at(2.0, None, self._ask_pause, name)

    def release(self, name: str) -> None:
        """An operator releases, and asks again until told so."""
        if name in self.desk.wanted:
            self.desk.wanted.discard(name)
            self.truth.release_asked(name)
            self._ask_release(name, [])

    def _ask_release(self, name: str, done: list[bool]) -> None:
        if not done:
            for one in self._overseers():
                one.later(0.01, one.release, name, lambda: done.append(True))
            self.world.at(2.0, None, self._ask_release, name, done)

    def order(self, name: str) -> None:
        """Policy gives an order."""
        for one in self._overseers():
            one.later(0.01, one.give, name)

    def lift(self) -> None:
        """A listed person takes a freeze or kill back, and asks again until it is done."""
        if self.decided is not None:
            self.supervisor.later(0.0, self.supervisor.lift)
            self.world.at(1.0, None, self.lift)

    def heal(self) -> None:
        """The last fault is over."""
        world = self.world
        self.broker.restart()
        self.broker.stalled_until = world.mono
        for connection in self.broker.connections:
            connection.stalled_until = min(connection.stalled_until, world.mono)
            if connection.deaf:
                self.broker.cut(connection)
        self.slow_fold_until = world.mono
        for record in (self.worker_record, self.worker_memory, self.overseer_record):
            record.slow_until = world.mono
        self.broker.loss = min(self.broker.loss, 0.05)
        for one in self.running():
            one.traps.clear()
            one.cont("fault")
        for name in sorted(self.desk.wanted):
            self.release(name)
        self.overseer.inspection("")
        self.lift()
        self.truth.healed_at = world.mono

    def end(self) -> None:
        """No new calls."""
        self.ending = True
        self.worker.quiet = True


def run(seed: int, horizon_s: float = 360.0, *, stop_early: bool = False, kind: str = "") -> Outcome:
    """Runs the schedule of ``seed``.

    Args:
        seed: decides everything.
        horizon_s: simulated seconds.
        stop_early: ends at the first violation.
        kind: a kind of schedule instead of the one the seed would draw.
    """
    world = World(seed)
    weather = faults.weather(world.rng, kind)
    machine = Machine(seed, weather, world)
    heal_at = max(horizon_s * 0.6, horizon_s - RECOVERY_S - CALM_S - 20)
    for at, fault in faults.schedule(world.rng, weather, heal_at):
        world.at(at, None, fault, machine)
    world.at(heal_at, None, machine.heal)
    world.at(horizon_s - CALM_S, None, machine.end)
    machine.supervisor.start()
    while world.mono < horizon_s and not (stop_early and machine.truth.violations):
        world.run(min(world.mono + 20, horizon_s))
    if world.mono >= horizon_s:
        machine.truth.concluded(RECOVERY_S, len(machine.worker.state.control.latches))
    machine.truth.counts["simulation events"] = world.events
    return Outcome(seed, weather.kind, tuple(machine.truth.violations), machine.truth.counts)
