"""The real clock and the real source of randomness."""

from __future__ import annotations

import asyncio
import secrets
import time


class SystemClock:
    """Time as the kernel tells it; nonces from the kernel's random source."""

    def wall(self) -> float:
        """Unix time in seconds; jumps when somebody sets the clock."""
        return time.time()

    def boot(self) -> float:
        """Seconds of CLOCK_BOOTTIME: goes on during suspend, never jumps."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def nonce(self) -> str:
        """A fresh unguessable token of 16 hex digits."""
        return secrets.token_hex(8)

    async def sleep(self, seconds: float) -> None:
        """Waits; the time a machine is suspended does not count."""
        await asyncio.sleep(max(0.0, seconds))
