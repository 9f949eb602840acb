"""The service manager's notification socket (sd_notify(3)); silent where there is none."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

from watchdogd.ports import Clock


class Notify:
    """READY, STATUS, WATCHDOG and STOPPING over ``$NOTIFY_SOCKET``."""

    def __init__(self, env: Mapping[str, str], clock: Clock) -> None:
        self._address = env.get("NOTIFY_SOCKET", "")
        if self._address.startswith("@"):
            self._address = "\0" + self._address[1:]
        for_us = env.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        every_us = env.get("WATCHDOG_USEC", "") if for_us else ""
        self._every_s = int(every_us) / 2e6 if every_us.isdigit() else 1.0
        self._clock = clock
        self._last = float("-inf")

    def _send(self, text: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
                sock.sendto(text.encode(), self._address)
        except OSError:
            return  # no pings reach it: the manager will see that by itself

    def ready(self, status: str) -> None:
        """The daemon can be used."""
        self._send(f"READY=1\nSTATUS={status}\nMAINPID={os.getpid()}")

    def ping(self, status: str) -> None:
        """All is as it should be; at most twice per watchdog interval."""
        now = self._clock.boot()
        if now - self._last < self._every_s:
            return
        self._last = now
        self._send(f"WATCHDOG=1\nSTATUS={status}")

    def stopping(self) -> None:
        """On the way down."""
        self._send("STOPPING=1")
