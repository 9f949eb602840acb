"""A worker that is held stays held: looked at again, ended without being let go, and told true once it is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from typing_extensions import override

from tests.protocol.inmemory import PATIENCE_S, Clock
from tests.test_supervision import FREEZE, Process, Tree, deadman, keeper, proof, running
from watchdogd.core.lease.supervisor import Decided, Standing
from watchdogd.core.proof import Proof, TreeState
from watchdogd.ports import Child
from watchdogd.sim.record import MemoryDisk
from watchdogd.supervisor import children
from watchdogd.supervisor.children import Ended, Keeper
from watchdogd.supervisor.deadman import LOOK_S

KILL = Decided(kind="kill", by="ada", reason="enough", at=0.0)


@dataclass
class Remembering(Tree):
    """A tree that remembers what was done to it, and dies at the last of some attempts."""

    done: list[str] = field(default_factory=list)
    lives: int = 0
    killed: Callable[[], object] = lambda: None

    @override
    def freeze(self) -> Proof:
        self.done.append("freeze")
        self.may_freeze.set()
        return super().freeze()

    @override
    def thaw(self) -> Proof:
        self.done.append("thaw")
        return super().thaw()

    @override
    def kill(self) -> Proof:
        self.done.append("kill")
        if self.lives:
            self.lives -= 1
            return proof(TreeState.UNPROVEN)
        self.killed()
        return super().kill()


async def test_a_frozen_tree_is_looked_at_again_and_left_alone_while_it_stands_still() -> None:
    clock, tree = Clock(), Remembering()
    kept = deadman(MemoryDisk(), clock)
    kept.spawned(tree)
    await kept.decide(FREEZE)
    for _ in range(3):
        clock.passed_s += LOOK_S
        await kept.look()
    assert tree.done == ["freeze"]


async def test_a_tree_that_goes_on_though_it_was_frozen_is_frozen_again() -> None:
    clock, tree = Clock(), Remembering()
    kept = deadman(MemoryDisk(), clock)
    kept.spawned(tree)
    await kept.decide(FREEZE)
    tree.state = TreeState.RUNNING
    await kept.look()
    assert tree.done == ["freeze"], "not before its time"
    clock.passed_s += LOOK_S
    await kept.look()
    assert tree.done == ["freeze", "freeze"]
    assert kept.proof == proof(TreeState.FROZEN)


async def test_a_tree_that_was_to_die_and_has_not_is_killed_again() -> None:
    clock, tree = Clock(), Remembering(lives=1)
    kept = deadman(MemoryDisk(), clock)
    kept.spawned(tree)
    assert await kept.decide(KILL) == proof(TreeState.UNPROVEN)
    clock.passed_s += LOOK_S
    await kept.look()
    assert tree.done == ["kill", "kill"]
    assert kept.proof == proof(TreeState.EXITED)


async def test_a_running_tree_and_one_on_probation_are_left_alone() -> None:
    clock, tree = Clock(), Remembering()
    kept = deadman(MemoryDisk(), clock)
    kept.spawned(tree)
    clock.passed_s += LOOK_S
    await kept.look()
    assert tree.done == []
    clock.passed_s += 100
    await kept.timed()
    await kept.ready()
    assert kept.state.standing is Standing.PROBATION
    clock.passed_s += LOOK_S
    await kept.look()
    assert tree.done == ["freeze", "thaw"]


async def started(tree: Tree, ended: list[Ended]) -> tuple[Keeper, Process, asyncio.Task[None]]:
    process = Process(tree=tree)

    async def spawn() -> Child:
        return process

    made = keeper(spawn, ended)
    task = asyncio.get_running_loop().create_task(made.run())
    async with asyncio.timeout(PATIENCE_S):
        while made.child is None:
            await asyncio.sleep(0)
    return made, process, task


async def test_a_held_worker_is_ended_without_being_let_go() -> None:
    tree = Remembering()
    made, process, task = await started(tree, [])
    ending = await made.stop(grace_s=20, at_once=True)
    process.over.set()
    await task
    assert ending == proof(TreeState.EXITED)
    assert "thaw" not in tree.done
    assert process.told == []


async def test_a_worker_that_is_not_held_ends_in_order() -> None:
    tree = Remembering()
    made, process, task = await started(tree, [])
    await made.stop(grace_s=20)
    await task
    assert tree.done[0] == "thaw"
    assert process.told == ["terminate"]


async def test_the_daemon_ends_a_worker_that_it_froze_without_letting_it_go() -> None:
    async with running() as world:
        await world.until_state("running")
        loop, over = asyncio.get_running_loop(), world.worker.over
        tree = world.worker.tree = Remembering(killed=lambda: loop.call_soon_threadsafe(over.set))
        world.deadman.spawned(tree)
        await world.deadman.decide(FREEZE)
    assert "kill" in tree.done
    assert "thaw" not in tree.done


async def test_what_could_not_be_proven_gone_is_told_once_it_was_seen_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "UNPROVEN_RETRY_S", 0.01)
    tree, ended, proven = Remembering(lives=2), list[Ended](), list[Proof]()
    made, process, task = await started(tree, ended)
    made.on_proven = proven.append
    process.over.set()
    async with asyncio.timeout(PATIENCE_S):
        while not proven:
            await asyncio.sleep(0.01)
        await made.stop(grace_s=1)
        await task
    assert ended[0].proof == proof(TreeState.UNPROVEN)
    assert proven[0] == proof(TreeState.EXITED)
