"""The supervisor's parts, with processes that are only pretended: starting, freezing, renewing, what is said."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.protocol.inmemory import PATIENCE_S, Clock, broker_on
from watchdogd.core.ids import Role
from watchdogd.core.lease.messages import Level, Mode, Timing
from watchdogd.core.lease.supervisor import Decided, Standing
from watchdogd.core.policy import Policy
from watchdogd.core.proof import Proof, TreeState
from watchdogd.core.restarts import RestartBudget
from watchdogd.ports import Channel, Child
from watchdogd.sim.bus import MemoryBus
from watchdogd.sim.record import MemoryDisk, MemoryRecord
from watchdogd.supervisor.children import NOT_STARTED, Ended, Keeper
from watchdogd.supervisor.deadman import DeadMan
from watchdogd.supervisor.service import Supervisor
from watchdogd.wire.channel import Adopt, Hello, Lift, Lifted, Line, Ready
from watchdogd.wire.messages import Info

BUDGET = RestartBudget(first_pause_s=0.01, longest_pause_s=0.01)
FREEZE = Decided(kind="freeze", by="ada", reason="look", at=0.0)


def proof(state: TreeState) -> Proof:
    return Proof(state=state, how="processes", partial=False)


@dataclass
class Tree:
    """A process tree that freezes when it is let."""

    may_freeze: threading.Event = field(default_factory=threading.Event)
    state: TreeState = TreeState.RUNNING

    def freeze(self) -> Proof:
        assert self.may_freeze.wait(PATIENCE_S)
        self.state = TreeState.FROZEN
        return self.look()

    def thaw(self) -> Proof:
        self.state = TreeState.RUNNING
        return self.look()

    def thaw_worker(self) -> Proof:
        return self.thaw()

    def kill(self) -> Proof:
        self.state = TreeState.EXITED
        return self.look()

    def look(self) -> Proof:
        return proof(self.state)


@dataclass
class Process:
    """A child that lives until a test ends it."""

    tree: Tree = field(default_factory=Tree)
    channel: Channel | None = None
    pid: int = 4_000_000
    over: asyncio.Event = field(default_factory=asyncio.Event)
    told: list[str] = field(default_factory=list)

    async def wait(self) -> int:
        await self.over.wait()
        return 0

    def terminate(self) -> None:
        self.told.append("terminate")
        self.over.set()

    def renew(self) -> None:
        self.told.append("renew")


@dataclass
class Wire:
    """The overseer's end of the socketpair is the test's."""

    said: asyncio.Queue[Line] = field(default_factory=asyncio.Queue)
    heard: list[Line] = field(default_factory=list)

    def send(self, line: Line) -> None:
        self.heard.append(line)

    async def received(self) -> AsyncIterator[Line]:
        while True:
            yield await self.said.get()


class Quiet:
    """No service manager."""

    def ready(self, status: str) -> None:
        """Nobody is told."""

    def ping(self, status: str) -> None:
        """Nobody is told."""

    def stopping(self) -> None:
        """Nobody is told."""


def keeper(
    spawn: Callable[[], Awaitable[Child]], ended: list[Ended], started: Callable[[Child], None] = lambda _: None
) -> Keeper:
    return Keeper(
        role=Role.WORKER,
        spawn=spawn,
        clock=Clock(),
        budget=BUDGET,
        may_start=lambda: True,
        on_started=started,
        on_ended=ended.append,
    )


def deadman(disk: MemoryDisk, clock: Clock, *, enforcing: bool = True) -> DeadMan:
    return DeadMan(
        record=MemoryRecord(disk),
        clock=clock,
        timing=Timing(),
        enforcing=lambda: enforcing,
        on_change=lambda _: None,
    )


@dataclass
class World:
    """A supervisor whose worker and overseer are pretended."""

    supervisor: Supervisor
    deadman: DeadMan
    worker: Process
    wire: Wire
    disk: MemoryDisk

    async def state(self) -> str:
        """What it says of the worker's tree."""
        answer = await self.supervisor.local("status", "ada", "")
        assert answer.status is not None
        return answer.status.state

    async def until(self, holds: Callable[[], Coroutine[Any, Any, bool]]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not await holds():
                await asyncio.sleep(0.01)

    async def until_state(self, name: str) -> None:
        async def so() -> bool:
            return await self.state() == name

        await self.until(so)


@asynccontextmanager
async def running(disk: MemoryDisk | None = None) -> AsyncIterator[World]:
    clock, disk = Clock(), MemoryDisk() if disk is None else disk
    worker, wire = Process(), Wire()
    overseer = Process(channel=wire)
    kept = deadman(disk, clock)

    def made(role: Role, process: Process) -> Callable[..., Keeper]:
        async def spawn() -> Child:
            process.over.clear()
            return process

        return lambda may, started, ended: Keeper(
            role=role,
            spawn=spawn,
            clock=clock,
            budget=BUDGET,
            may_start=may,
            on_started=started,
            on_ended=ended,
        )

    policy = Policy()
    supervisor = Supervisor(
        deadman=kept,
        worker=made(Role.WORKER, worker),
        overseer=made(Role.OVERSEER, overseer),
        bus=MemoryBus(broker_on(clock), Role.SUPERVISOR, clock=clock, boot="b0"),
        clock=clock,
        notifier=Quiet(),
        info=Info(
            version="0",
            policy=policy.digest,
            policy_name="p",
            mode=Mode.ENFORCE,
            level=Level.SUGGEST,
            worker_model="m",
            judge_model="",
            config_digest="",
            missions=(),
            broker="memory",
        ),
        boot="b0",
        say=lambda _: None,
        alarm=lambda _: None,
    )
    world = World(supervisor, kept, worker, wire, disk)
    async with asyncio.TaskGroup() as tasks:
        life = tasks.create_task(supervisor.run())
        wire.said.put_nowait(Hello(epoch=1))
        try:
            yield world
        finally:
            worker.tree.may_freeze.set()
            supervisor.stop()
            overseer.over.set()
            async with asyncio.timeout(PATIENCE_S):
                await asyncio.wait({life})


# --- starting ---


async def test_a_process_that_cannot_be_started_is_tried_again() -> None:
    ended: list[Ended] = []
    child, tries = Process(), 0
    up = asyncio.Event()

    async def spawn() -> Child:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise OSError(24, "Too many open files")
        return child

    one = keeper(spawn, ended, started=lambda _: up.set())
    life = asyncio.create_task(one.run())
    async with asyncio.timeout(PATIENCE_S):
        await up.wait()
        await one.stop(grace_s=1)
        await life
    assert [each.status for each in ended[:2]] == [NOT_STARTED, NOT_STARTED]
    assert "Too many open files" in ended[0].gave_up
    assert ended[0].proof.state is TreeState.EXITED


# --- freezing ---


async def test_frozen_is_said_once_it_was_seen() -> None:
    async with running() as world:
        await world.until_state("running")
        deciding = asyncio.create_task(world.deadman.decide(FREEZE))

        async def decided() -> bool:
            return world.deadman.state.standing is Standing.FROZEN

        await world.until(decided)
        assert await world.state() == "unproven"
        world.worker.tree.may_freeze.set()
        await deciding
        assert await world.state() == "frozen"


async def test_stopped_is_said_once_the_process_is_gone() -> None:
    async with running() as world:
        await world.until_state("running")
        await world.deadman.decide(Decided(kind="kill", by="ada", reason="enough", at=0.0))
        assert await world.state() == "unproven"
        world.worker.over.set()
        await world.until_state("stopped")


async def test_a_missed_lease_freezes_in_enforce_mode_and_not_in_shadow_mode() -> None:
    for enforcing, standing in ((True, Standing.FROZEN), (False, Standing.RUNNING)):
        clock = Clock()
        one = deadman(MemoryDisk(), clock, enforcing=enforcing)
        tree = Tree()
        tree.may_freeze.set()
        one.spawned(tree)
        clock.passed_s = Timing().freeze_after_s + 1
        await one.timed()
        assert one.state.standing is standing


# --- taking a decision back ---

KILL = Decided(kind="kill", by="ada", reason="enough", at=100.0)


async def test_a_lift_takes_back_what_was_decided_before_it_was_asked_for_and_that_is_on_disk() -> None:
    disk = MemoryDisk()
    await deadman(disk, Clock()).decide(KILL)
    again = deadman(disk, Clock())
    assert not again.may_spawn
    assert await again.lift("anna", n=5, at=101.0)
    assert again.may_spawn
    assert deadman(disk, Clock()).may_spawn


async def test_what_was_decided_after_a_lift_was_asked_for_stands() -> None:
    one = deadman(MemoryDisk(), Clock())
    await one.decide(KILL)
    assert not await one.lift("anna", n=5, at=99.0)
    assert not one.may_spawn


async def test_a_lift_that_is_said_again_lifts_nothing_that_was_decided_since_whatever_the_clock_says() -> None:
    disk = MemoryDisk()
    one = deadman(disk, Clock())
    assert not await one.lift("anna", n=5, at=200.0)
    await one.decide(KILL)
    assert not await one.lift("anna", n=5, at=200.0)
    again = deadman(disk, Clock())
    assert not await again.lift("anna", n=5, at=200.0)
    assert not again.may_spawn
    assert await again.lift("anna", n=6, at=200.0)


async def test_a_lift_is_answered_once_it_is_on_disk_and_not_before() -> None:
    async with running() as world:
        await world.until_state("running")
        world.disk.full = True
        world.wire.said.put_nowait(Lift(by="anna", n=5, at=1.0))
        world.wire.said.put_nowait(Ready(epoch=1, status="after the first"))

        async def heard(status: str) -> bool:
            return (await world.supervisor.local("status", "ada", "")).text == status

        await world.until(lambda: heard("after the first"))
        assert Lifted(n=5) not in world.wire.heard
        world.disk.full = False
        world.wire.said.put_nowait(Lift(by="anna", n=5, at=1.0))
        world.wire.said.put_nowait(Ready(epoch=1, status="after the second"))
        await world.until(lambda: heard("after the second"))
        assert Lifted(n=5) in world.wire.heard


# --- renewing ---


async def test_a_new_policy_goes_to_the_overseer_and_the_worker_is_renewed_not_ended() -> None:
    async with running() as world:
        await world.until_state("running")
        policy = Policy(level=Level.ASSISTED)
        assert world.supervisor.adopt(policy, "SIGHUP")
        assert Adopt(policy=policy, by="SIGHUP") in world.wire.heard
        assert world.worker.told == ["renew"]
