"""Keeping a role alive: start it, see it die, prove that nothing of it is left, start it again within a budget."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from watchdogd.core.ids import Role
from watchdogd.core.proof import Proof, TreeState
from watchdogd.core.restarts import GiveUp, RestartBudget, Restarts, died
from watchdogd.ports import Child, Clock

UNPROVEN_RETRY_S = 5.0
"""Nothing is started beside a tree that may still live; it is looked at again after this (seconds)."""


NOT_STARTED = 126
"""Exit status that stands for a process that never was, as env(1) numbers it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A child is gone."""

    role: Role
    status: int
    proof: Proof
    again_in_s: float
    gave_up: str


class Keeper:
    """One role's process."""

    def __init__(
        self,
        *,
        role: Role,
        spawn: Callable[[], Awaitable[Child]],
        clock: Clock,
        budget: RestartBudget,
        may_start: Callable[[], bool],
        on_started: Callable[[Child], None],
        on_ended: Callable[[Ended], None],
    ) -> None:
        self._role, self._spawn, self._clock, self._budget = role, spawn, clock, budget
        self._may_start, self._on_started, self._on_ended = may_start, on_started, on_ended
        self.child: Child | None = None
        self.restarts = Restarts()
        self._stopping = False
        self.pausing = False
        """It died and waits for its next start."""
        self._wake = asyncio.Event()
        self.on_proven: Callable[[Proof], None] = lambda _: None
        """Called when what could not be proven gone at first was seen to be gone."""

    def poke(self) -> None:
        """Whether it may start has changed."""
        self._wake.set()

    async def run(self) -> None:
        """Keeps the role running until ``stop``."""
        while not self._stopping:
            while not self._may_start() and not self._stopping:
                self._wake.clear()
                await self._wake.wait()
            if self._stopping:
                return
            began = self._clock.boot()
            try:
                child = await self._spawn()
            except OSError as why:
                await self._not_started(why, began)
                continue
            self.child = child
            self._on_started(child)
            status = await child.wait()
            self.child = None
            proof = await asyncio.to_thread(child.tree.kill)
            self.restarts, then = died(self.restarts, self._budget, started_at=began, now=self._clock.boot())
            self._on_ended(
                Ended(
                    role=self._role,
                    status=status,
                    proof=proof,
                    again_in_s=then.pause_s,
                    gave_up=then.reason if isinstance(then, GiveUp) else "",
                )
            )
            while proof.state is not TreeState.EXITED and not self._stopping:
                await self._clock.sleep(UNPROVEN_RETRY_S)
                proof = await asyncio.to_thread(child.tree.kill)
                if proof.state is TreeState.EXITED:
                    self.on_proven(proof)
            if not self._stopping:
                await self._pause(then.pause_s)

    async def _not_started(self, why: OSError, began: float) -> None:
        """No process, descriptor or room just now: tried again, and the rest of the daemon goes on."""
        self.restarts, then = died(self.restarts, self._budget, started_at=began, now=self._clock.boot())
        proof = Proof(state=TreeState.EXITED, how="processes", partial=False, checked=(f"not started: {why}",))
        gave_up = then.reason if isinstance(then, GiveUp) else f"it could not be started: {why}"
        self._on_ended(
            Ended(role=self._role, status=NOT_STARTED, proof=proof, again_in_s=then.pause_s, gave_up=gave_up)
        )
        await self._pause(then.pause_s)

    async def _pause(self, seconds: float) -> None:
        self._wake.clear()
        self.pausing = True
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return
        finally:
            self.pausing = False

    async def stop(self, grace_s: float, *, at_once: bool = False) -> Proof | None:
        """Ends the child in order, then for certain; the proof, None when there was none.

        ``at_once`` is for one that stands still because it must not act: to end in order it would have to.
        """
        self._stopping = True
        self._wake.set()
        child = self.child
        if child is None:
            return None
        if at_once:
            return await asyncio.to_thread(child.tree.kill)
        await asyncio.to_thread(child.tree.thaw)
        child.terminate()
        try:
            async with asyncio.timeout(grace_s):
                await child.wait()
        except TimeoutError:
            pass
        return await asyncio.to_thread(child.tree.kill)
