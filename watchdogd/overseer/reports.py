"""What the overseer reports: leases and readiness to the supervisor, health to everybody."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from watchdogd.core.health import ChannelHealth, channels, overall
from watchdogd.core.lease import overseer as lease
from watchdogd.overseer.book import Book
from watchdogd.overseer.enforce import Enforcer
from watchdogd.ports import Clock
from watchdogd.wire.channel import LeaseReport, Line, Ready
from watchdogd.wire.messages import ChannelReport, HealthReport, Message

HEALTH_EVERY_S = 30.0
"""The retained health is repeated this often; it expires after 120 s (seconds)."""
EXPIRES_S = 120.0
READY_EVERY_S = 1.0


class Reports:
    """Speaks on change, and often enough to be seen alive."""

    def __init__(
        self,
        *,
        book: Book,
        enforcer: Enforcer,
        clock: Clock,
        put: Callable[[Message], None],
        say: Callable[[Line], None],
    ) -> None:
        self.book, self._enforcer, self._clock = book, enforcer, clock
        self._put, self._say = put, say
        self._health_at = float("-inf")
        self._health_now: tuple[tuple[ChannelHealth, ...], str, str] | None = None
        self._reported: tuple[str, float] = ("", 0.0)
        self._ready_at = float("-inf")

    def anew(self) -> None:
        """A new connection: retained topics go out again."""
        self._health_now, self._health_at = None, float("-inf")

    def supervisor(self, now: float, *, connected: bool) -> None:
        """S1 and S3: what the supervisor's dead-man's switch lives on."""
        acked = self.book.proto.acked
        age = lease.lease_report(self.book.proto, now)
        if acked is not None and age is not None and self._reported != (acked.nonce, self.book.proto.acked_at):
            self._reported = (acked.nonce, self.book.proto.acked_at)
            self._say(LeaseReport(epoch=self.book.proto.epoch, age_s=age))
        if connected and not self.book.proto.overdue and now - self._ready_at >= READY_EVERY_S:
            self._ready_at = now
            self._say(Ready(epoch=self.book.proto.epoch, status=self._status_line()))

    def _status_line(self) -> str:
        severity = overall(channels(self.book.health)).value
        latches = f", paused by {self.book.proto.latches[0].by}" if self.book.proto.latches else ""
        run = f"{self.book.run.mission} ({self.book.run.id})" if self.book.run.active else "idle"
        waiting = sum(1 for one in self.book.escalations.values() if one.is_open)
        return f"{run}; health {severity}; {waiting} waiting for people{latches}"

    def health(self, now: float) -> None:
        """All channels when something changed, or when it is time to repeat them."""
        states = channels(self.book.health)
        summary = (states, self.book.degraded, self.book.run.id)
        if summary == self._health_now and now - self._health_at < HEALTH_EVERY_S:
            return
        before = self._health_now[0] if self._health_now is not None else ()
        again = now - self._health_at >= HEALTH_EVERY_S
        changed = {one.channel for one in states if again or one not in before}
        self._health_now, self._health_at = summary, now
        expires = self._clock.wall() + EXPIRES_S
        for state in states:
            if state.channel in changed:
                report = ChannelReport(health=state)
                self._put(
                    replace(self._enforcer.message(report, f"{state.channel.value}: {state.headline}"), expires=expires)
                )
        worst = overall(states)
        whole = HealthReport(
            severity=worst,
            channels={one.channel: one.severity for one in states},
            run=self.book.run.id,
            degraded=self.book.degraded,
            judge_spent_usd=round(self.book.judge_spent_usd, 6),
            stored_seq=self.book.proto.stored_seq,
        )
        worst_state = max(states, key=lambda one: one.severity.rank)
        headline = worst.value if worst_state.headline == worst.value else f"{worst.value}: {worst_state.headline}"
        self._put(replace(self._enforcer.message(whole, headline), expires=expires))
