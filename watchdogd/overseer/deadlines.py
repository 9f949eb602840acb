"""What must not wait for ever: an order nobody acknowledges, a channel that stays unknown, a lift nobody confirmed."""

from __future__ import annotations

from watchdogd.core.health import Severity, channels
from watchdogd.core.lease import overseer as lease
from watchdogd.core.lease.messages import Mode, StopOrder
from watchdogd.core.plan import Tell
from watchdogd.overseer.book import Book
from watchdogd.overseer.enforce import Enforcer
from watchdogd.ports import Clock, Transaction
from watchdogd.wire.channel import Decide


class Deadlines:
    """Looked at whenever time passed, inside a transaction."""

    def __init__(self, book: Book, enforcer: Enforcer, clock: Clock) -> None:
        self.book, self._enforcer, self._clock = book, enforcer, clock

    def due(self) -> bool:
        """Whether something here needs a transaction now."""
        now, wall = self._clock.boot(), self._clock.wall()
        expiring = any(one.expires_at is not None and one.expires_at <= wall for one in self.book.escalations.values())
        return expiring or lease.order_overdue(self.book.proto, now) is not None

    def look(self, changing: Transaction) -> None:
        """Acts on everything that is late."""
        self._enforcer.run_out(changing)
        self._order_overdue(changing, self._clock.boot())
        self._unknown(changing)
        if self.book.lift is not None:  # either of us may have died over it
            self._enforcer.out.lines.append(self.book.lift)

    def _order_overdue(self, changing: Transaction, now: float) -> None:
        late = lease.order_overdue(self.book.proto, now)
        if late is None:
            return
        group = f"order/{late.order.n}"
        if any(one.group == group for one in self.book.escalations.values()):
            return
        kind = late.order.body.kind
        headline = (
            f"order {late.order.n} ({kind}) was not acknowledged within {self.book.proto.timing.order_overdue_s:.0f} s"
        )
        self._enforcer.tell(changing, Tell(group=group, severity=Severity.CRIT, headline=headline, evidence=()))
        kill = isinstance(late.order.body, StopOrder)
        if not kill and self.book.policy.mode is Mode.SHADOW:
            return  # told, not acted on; what an operator stopped is stopped in every mode
        self._enforcer.out.lines.append(Decide(what="kill" if kill else "freeze", by="order overdue", reason=headline))

    def _unknown(self, changing: Transaction) -> None:
        """A channel that stays unknown while a run is on goes to people."""
        now = self._clock.boot()
        for state in channels(self.book.health):
            name = state.channel.value
            if state.severity is not Severity.UNKNOWN or not self.book.run.active:
                self.book.unknown_since.pop(name, None)
                continue
            since = self.book.unknown_since.setdefault(name, now)
            group = f"unknown/{name}"
            if now - since > self.book.policy.unknown_escalate_s and not any(
                one.group == group for one in self.book.escalations.values()
            ):
                headline = f"{name} has been unknown for {now - since:.0f} s: {state.headline}"
                self._enforcer.tell(
                    changing, Tell(group=group, severity=Severity.WARN, headline=headline, evidence=state.evidence)
                )
