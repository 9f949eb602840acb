"""A clock moved by hand: nothing waits for real time."""

from __future__ import annotations

import asyncio
import hashlib
import heapq
from dataclasses import dataclass, field


@dataclass(order=True)
class _Sleeper:
    due: float
    order: int
    woken: asyncio.Future[None] = field(compare=False)


class HandClock:
    """Time stands still until ``advance`` is called; nonces follow from the seed, so that a run can be repeated."""

    def __init__(self, *, wall: float = 1_700_000_000.0, boot: float = 1_000.0, seed: str = "") -> None:
        self._wall, self._boot, self._seed = wall, boot, seed
        self._nonces = 0
        self._order = 0
        self._sleepers: list[_Sleeper] = []

    def wall(self) -> float:
        """Unix time in seconds."""
        return self._wall

    def boot(self) -> float:
        """Seconds since a boot that never was."""
        return self._boot

    def nonce(self) -> str:
        """The next token of 16 hex digits; the same sequence for the same seed."""
        self._nonces += 1
        return hashlib.sha256(f"{self._seed}/{self._nonces}".encode()).hexdigest()[:16]

    async def sleep(self, seconds: float) -> None:
        """Waits until ``advance`` has moved time by ``seconds``."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        self._order += 1
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, _Sleeper(self._boot + seconds, self._order, woken))
        await woken

    def advance(self, seconds: float) -> None:
        """Moves both clocks on and wakes, in order, everyone whose time has come.

        Raises:
            ValueError: ``seconds`` is negative; only ``jump_wall`` goes back.
        """
        if seconds < 0:
            raise ValueError("boot time never goes back")
        self._boot += seconds
        self._wall += seconds
        while self._sleepers and self._sleepers[0].due <= self._boot:
            sleeper = heapq.heappop(self._sleepers)
            if not sleeper.woken.done():
                sleeper.woken.set_result(None)

    def jump_wall(self, seconds: float) -> None:
        """Sets the wall clock forth or back, as an operator or NTP may; boot time does not notice."""
        self._wall += seconds

    @property
    def next_due(self) -> float | None:
        """The boot time at which the next sleeper wakes; None when nobody sleeps."""
        while self._sleepers and self._sleepers[0].woken.done():
            heapq.heappop(self._sleepers)
        return self._sleepers[0].due if self._sleepers else None
