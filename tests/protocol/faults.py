"""What goes wrong, when: schedules drawn from a seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Literal

from tests.protocol.worker import Tempo
from tests.protocol.world import Process, Speed
from watchdogd.core.lease.messages import Level, Timing
from watchdogd.core.lease.supervisor import Decided

if TYPE_CHECKING:
    from tests.protocol.model import Machine

Fault = Callable[["Machine"], None]

KINDS = ("mixed", "pauses", "restarts", "distant", "revisions")
"""mixed: everything; pauses: many of them, at bad moments; restarts: only an overseer that comes back within a
minute; distant: round trips longer than a beat; revisions: changes that reach the worker, but not the overseer's disk
before the power goes."""


@dataclass(slots=True)
class Weather:
    """What one schedule's machine is like."""

    kind: str
    hop: Speed
    disk: Speed
    fold: Speed
    tempo: Tempo
    loss: float
    duplication: float
    overtaking: bool
    takeover: bool
    every_s: float
    """Mean time between two faults (seconds)."""
    timing: Timing = field(default_factory=Timing)


def weather(rng: Random, kind: str = "") -> Weather:
    """One machine's conditions."""
    kind = kind or rng.choices(KINDS, (58, 24, 7, 7, 4))[0]
    rough = kind in ("mixed", "pauses")
    hop = rng.choice((Speed(0.001, 0.01), Speed(0.002, 0.3, 0.05), Speed(0.05, 1.5, 0.05), Speed(0.3, 2.5, 0.03)))
    if kind == "restarts":
        hop = Speed(0.002, 0.2)
    elif kind == "distant":
        hop = Speed(rng.uniform(1.3, 1.9), 2.0)
    return Weather(
        kind=kind,
        hop=hop,
        disk=rng.choice((Speed(0.003, 0.1), Speed(0.006, 0.5, 0.05), Speed(0.03, 1.5, 0.05))),
        fold=rng.choice((Speed(0.0005, 0.005), Speed(0.005, 0.2), Speed(0.1, 1.0, 0.05))),
        tempo=Tempo(
            think_s=rng.choice((0.3, 1.0, 3.0)),
            run_s=rng.choice((0.05, 0.5, 3.0)),
            exec_s=rng.choice((0.01, 0.1, 1.0)),
            reads=rng.choice((0.0, 0.3, 0.7, 1.0)),
        ),
        loss=rng.choice((0.0, 0.02, 0.2)) if rough else 0.0,
        duplication=rng.choice((0.0, 0.02, 0.15)) if kind != "restarts" else 0.0,
        overtaking=rough and rng.random() < 0.3,
        takeover=rng.random() < 0.6,
        every_s=rng.choice((4.0, 8.0, 16.0)),
        timing=Timing(window_rows=rng.choice((500, 500, 12))),
    )


def schedule(rng: Random, conditions: Weather, until_s: float) -> list[tuple[float, Fault]]:
    """Faults and requests with their times, none after ``until_s``."""
    if conditions.kind == "restarts":
        return _restarts(rng, until_s)
    if conditions.kind == "revisions":
        return _revisions(rng, until_s)
    found: list[tuple[float, Fault]] = []
    at = 3.0 + rng.expovariate(1 / conditions.every_s)
    weights = PAUSE_WEIGHTS if conditions.kind == "pauses" else WEIGHTS
    if conditions.kind == "distant":
        weights = DISTANT_WEIGHTS
    names = list(weights)
    while at < until_s:
        name = rng.choices(names, [weights[one] for one in names])[0]
        found.append((at, MAKERS[name](rng, until_s - at)))
        at += rng.expovariate(1 / conditions.every_s)
    return found


def _restarts(rng: Random, until_s: float) -> list[tuple[float, Fault]]:
    """An overseer that is away for less than a minute, with 30 s between two absences."""
    found: list[tuple[float, Fault]] = []
    at = rng.uniform(20.0, 40.0)
    while at < until_s - 60:
        away = rng.choice((rng.uniform(20.0, 59.0), rng.uniform(57.0, 59.9)))
        found.append((at, lambda machine, away=away: machine.kill_overseer(away)))  # type: ignore[misc]
        at += away + 30 + rng.expovariate(0.1)
    return found


def _revisions(rng: Random, until_s: float) -> list[tuple[float, Fault]]:
    """A few changes of level on a slow disk, each followed by a power loss soon after."""
    found: list[tuple[float, Fault]] = []
    at = rng.uniform(20.0, 60.0)
    while at < until_s - 20:
        brink = rng.uniform(0.2, 5.0)
        found += [(at, _slowed(brink)), (at + 0.1, _level(rng, 0.0)), (at + brink, _power(rng, 0.0))]
        at += brink + rng.uniform(40.0, 80.0)
    return found


def _slowed(span: float) -> Fault:
    def fault(machine: Machine) -> None:
        machine.overseer_record.slow_until = machine.world.mono + span

    return fault


def _span(rng: Random, left: float) -> float:
    """How long something lasts: mostly short, sometimes beyond every deadline of the protocol, over by the end."""
    usual = rng.choices((rng.uniform(0.05, 3.0), rng.uniform(3.0, 30.0), rng.uniform(30.0, 150.0)), (5, 4, 1))[0]
    return min(usual, left + 0.5)


def _kill_worker(rng: Random, left: float) -> Fault:
    pause = rng.uniform(0.05, 3.0)
    return lambda machine: machine.kill_worker(pause)


def _kill_overseer(rng: Random, left: float) -> Fault:
    pause = _span(rng, left)
    return lambda machine: machine.kill_overseer(pause)


def _kill_broker(rng: Random, left: float) -> Fault:
    pause = _span(rng, left)
    return lambda machine: machine.kill_broker(pause)


def _kill_supervisor(rng: Random, left: float) -> Fault:
    pause = rng.uniform(0.2, 5.0)
    return lambda machine: machine.kill_supervisor(pause)


def _kill_tool(rng: Random, left: float) -> Fault:
    return lambda machine: machine.kill_tools()


def _power(rng: Random, left: float) -> Fault:
    pause = rng.uniform(1.0, 10.0)
    return lambda machine: machine.lose_power(pause)


def _pick(machine: Machine, which: str) -> Process | None:
    found = machine.worker.launcher if which == "launcher" else getattr(machine, which)
    return found if found is not None and found.alive else None


def _stop(rng: Random, left: float) -> Fault:
    which, span = rng.choice(("worker", "overseer", "supervisor", "launcher")), _span(rng, left)

    def fault(machine: Machine) -> None:
        process = _pick(machine, which)
        if process is not None:
            halt(process, span)

    return fault


def halt(process: Process, span: float) -> None:
    """SIGSTOP, and SIGCONT after ``span`` seconds."""
    process.stop("fault")
    process.world.at(span, None, process.cont, "fault")


def _stop_broker(rng: Random, left: float) -> Fault:
    span = _span(rng, left)

    def fault(machine: Machine) -> None:
        machine.broker.stalled_until = machine.world.mono + span

    return fault


def _suspend(rng: Random, left: float) -> Fault:
    span = rng.choice((rng.uniform(0.5, 10), rng.uniform(10, 60), rng.uniform(60, 3600)))

    def fault(machine: Machine) -> None:
        machine.world.suspended_s += span

    return fault


def _wall(rng: Random, left: float) -> Fault:
    jump = rng.choice((-3600.0, -30.0, 30.0, 3600.0)) * rng.random()

    def fault(machine: Machine) -> None:
        machine.world.wall_jumps_s += jump

    return fault


def _slow_disk(rng: Random, left: float) -> Fault:
    which, span = rng.choice(("worker_record", "worker_memory", "overseer_record")), _span(rng, left)

    def fault(machine: Machine) -> None:
        getattr(machine, which).slow_until = machine.world.mono + span

    return fault


def _slow_fold(rng: Random, left: float) -> Fault:
    span = min(_span(rng, left), 20.0)

    def fault(machine: Machine) -> None:
        machine.slow_fold_until = machine.world.mono + span

    return fault


def _connection(rng: Random, left: float) -> Fault:
    which = rng.choice(("worker", "overseer"))
    how = rng.choice(("cut", "stall", "stall", "deaf"))
    span = _span(rng, left)

    def fault(machine: Machine) -> None:
        process = getattr(machine, which)
        connection = process.connection if process.alive else None
        if connection is None:
            return
        if how == "cut":
            machine.broker.cut(connection)
        elif how == "stall":
            connection.stalled_until = machine.world.mono + span
        else:
            connection.deaf = True
            machine.world.at(min(span, 22.0), None, machine.broker.cut, connection)

    return fault


def _zombie(rng: Random, left: float) -> Fault:
    successor = rng.uniform(0.0, 5.0)
    wakes = successor + rng.choice((rng.uniform(0.0, 2.0), rng.uniform(0.0, 15.0), rng.uniform(0.0, 40.0)))
    trap = rng.choice(("", "answer", "written"))

    def fault(machine: Machine) -> None:
        overseer = machine.overseer
        if not overseer.alive:
            return

        def go() -> None:
            halt(overseer, wakes)
            machine.world.at(successor, None, replaced)

        def replaced() -> None:
            if machine.overseer is overseer and machine.supervisor.alive:
                machine.replace_overseer()

        if trap:
            overseer.traps[trap] = go
        else:
            go()

    return fault


def _overdue(rng: Random, left: float) -> Fault:
    span = min(_span(rng, left), 40.0)

    def fault(machine: Machine) -> None:
        overseer = machine.overseer
        if overseer.alive and not overseer.stops:
            overseer.inspection("inspection is overdue")
            machine.world.at(span, overseer, overseer.inspection, "")

    return fault


def _pause(rng: Random, left: float) -> Fault:
    span = min(rng.choice((rng.uniform(0.5, 6.0), rng.uniform(5.0, 40.0))), left + 0.1)

    def fault(machine: Machine) -> None:
        name = f"operator/p{machine.world.fresh()}"
        machine.pause(name)
        machine.world.at(span, None, machine.release, name)

    return fault


def _order(rng: Random, left: float) -> Fault:
    many = rng.choice((1, 1, 3))

    def fault(machine: Machine) -> None:
        for _ in range(many):
            machine.order(f"o{machine.world.fresh()}")

    return fault


def _level(rng: Random, left: float) -> Fault:
    level = rng.choice(list(Level))

    def fault(machine: Machine) -> None:
        machine.overseer.later(0.01, machine.overseer.set_level, level)

    return fault


def _decide(rng: Random, left: float) -> Fault:
    kind: Literal["freeze", "kill"] = rng.choice(("freeze", "freeze", "kill"))
    span = min(rng.uniform(1.0, 30.0), left + 0.1)
    return lambda machine: _decided(machine, kind, span)


def _decided(machine: Machine, kind: Literal["freeze", "kill"], span: float) -> None:
    """A person freezes or kills, and takes it back."""
    supervisor = machine.supervisor
    if supervisor.alive and not supervisor.stops:
        supervisor.decide(Decided(kind=kind, by="operator", reason="drill", at=machine.world.wall))
        machine.world.at(span, None, machine.lift)


POINTS = (
    ("worker", "recording"),
    ("worker", "spawn"),
    ("worker", "exec"),
    ("worker", "control-synced"),
    ("overseer", "answer"),
    ("overseer", "written"),
)


def _trap(rng: Random, left: float) -> Fault:
    """Something happens to a process exactly between two of its steps, with a pause on top more often than not."""
    (which, point), span = rng.choice(POINTS), _span(rng, left)
    both, brink = rng.random() < 0.5, rng.uniform(0.05, 3.0)
    what = rng.choice(("stop", "stop", "slow", "kill", "power", "brink", "brink", "freeze"))
    pausing = rng.choice((None, rng.uniform(0.0, 0.5), rng.uniform(0.0, 5.0)))
    lasts = min(rng.uniform(5.0, 30.0), left + 0.1)

    def fault(machine: Machine) -> None:
        process = _pick(machine, which)
        if process is None:
            return

        def go() -> None:
            if pausing is not None:
                name = f"operator/p{machine.world.fresh()}"
                machine.world.at(pausing, None, machine.pause, name)
                machine.world.at(pausing + lasts, None, machine.release, name)
            if what == "slow":
                machine.worker_record.slow_until = machine.world.mono + span
            elif what == "brink":
                for record in (machine.worker_record, machine.overseer_record):
                    record.slow_until = machine.world.mono + brink
                machine.world.at(brink, None, machine.lose_power, 3.0)
            elif what == "freeze":
                _decided(machine, "freeze", lasts)
            elif what == "stop":
                launcher = _pick(machine, "launcher") if point == "exec" else None
                for one in (launcher, process) if both else (launcher or process,):
                    if one is not None:
                        halt(one, span)
            elif what == "kill":
                machine.world.at(0, None, machine.kill_worker if which == "worker" else machine.kill_overseer)
            else:
                machine.world.at(0, None, machine.lose_power, 3.0)

        process.traps[point] = go

    return fault


MAKERS: dict[str, Callable[[Random, float], Fault]] = {
    "kill worker": _kill_worker,
    "kill overseer": _kill_overseer,
    "kill broker": _kill_broker,
    "kill supervisor": _kill_supervisor,
    "kill tool": _kill_tool,
    "power": _power,
    "stop": _stop,
    "stop broker": _stop_broker,
    "suspend": _suspend,
    "wall": _wall,
    "slow disk": _slow_disk,
    "slow fold": _slow_fold,
    "connection": _connection,
    "zombie": _zombie,
    "overdue": _overdue,
    "pause": _pause,
    "order": _order,
    "level": _level,
    "decide": _decide,
    "trap": _trap,
}
WEIGHTS = {
    "kill worker": 6,
    "kill overseer": 5,
    "kill broker": 4,
    "kill supervisor": 1,
    "kill tool": 2,
    "power": 4,
    "stop": 10,
    "stop broker": 3,
    "suspend": 4,
    "wall": 2,
    "slow disk": 5,
    "slow fold": 3,
    "connection": 10,
    "zombie": 5,
    "overdue": 3,
    "pause": 10,
    "order": 10,
    "level": 2,
    "decide": 2,
    "trap": 14,
}
PAUSE_WEIGHTS = {"pause": 30, "trap": 40, "slow disk": 10, "stop": 15, "connection": 5, "zombie": 5, "order": 5}
DISTANT_WEIGHTS = {"pause": 3, "order": 1, "kill worker": 1, "kill overseer": 1, "wall": 1}
