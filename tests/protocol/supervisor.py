"""The supervisor's shell: starts and restarts its children, freezes and thaws them by its state machine."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tests.protocol.world import Process, World
from watchdogd.core.lease import supervisor as core
from watchdogd.core.lease.messages import Timing

if TYPE_CHECKING:
    from tests.protocol.model import Machine


class Supervisor(Process):
    """One life of the supervisor process."""

    name = "supervisor"

    def __init__(self, world: World, machine: Machine, timing: Timing, decided: core.Decided | None) -> None:
        super().__init__(world)
        self.machine = machine
        self.state = core.SupervisorState(last_ack=world.boot, timing=timing, decided=decided)
        if decided is not None:
            self.state, _ = core.decided(self.state, decided)

    def start(self) -> None:
        """Brings everything up; the broker has its own unit."""
        self.machine.start_overseer()
        self.spawn_worker()
        self._tick()

    def spawn_worker(self) -> None:
        """S2: what is left of the last worker's tools is killed first."""
        self.machine.kill_tools()
        if not core.may_spawn(self.state):
            self.later(1.0, self.spawn_worker)
            return
        self.state = core.spawned(self.state, self.world.boot)
        self.machine.start_worker()

    def tools_frozen(self) -> bool:
        """Whether the tools' group is frozen."""
        return self.state.tools_frozen

    def _tick(self) -> None:
        self.state, acts = core.timed(self.state, self.world.boot)
        if acts:
            self.machine.truth.froze()
        self._do(acts)
        self.later(1.0, self._tick)

    def overseer_epoch(self, epoch: int) -> None:
        """A new overseer has its channel."""
        self.state = replace(self.state, overseer_epoch=epoch)

    def told(self, what: str, epoch: int, age_s: float) -> None:
        """The overseer speaks; only the one whose channel was accepted last is heard."""
        if epoch != self.state.overseer_epoch:
            return
        now = self.world.boot
        if what == "lease":
            self.state, acts = core.reported(self.state, now, epoch, age_s)
        else:
            self.state, acts = core.ready(self.state, now)
        self._do(acts)

    def decide(self, what: core.Decided) -> None:
        """A person freezes or kills."""
        self.state, acts = core.decided(self.state, what)
        self.machine.decided = self.state.decided
        self._do(acts)
        self.machine.truth.frozen = True

    def lift(self) -> None:
        """A person takes it back."""
        self.machine.decided = None
        self.machine.truth.frozen = False
        self.state, acts = core.lifted(self.state, self.world.boot)
        self._do(acts)

    def _do(self, acts: tuple[core.Act, ...]) -> None:
        machine: Any = self.machine
        for act in acts:
            match act:
                case core.Act.FREEZE:
                    machine.worker.stop("frozen")
                    machine.tools("stop")
                case core.Act.KILL:
                    machine.kill_tools()
                    machine.kill_worker()
                case core.Act.THAW_WORKER:
                    machine.truth.counts["thaws"] += 1
                    machine.worker.cont("frozen")
                case core.Act.THAW_TOOLS:
                    machine.tools("cont")
