"""What comes through the supervisor: a new policy, and pause or stop by somebody on this machine."""

from __future__ import annotations

from dataclasses import replace

from watchdogd.core.lease.messages import StopOrder
from watchdogd.core.policy import Policy
from watchdogd.overseer.book import Book
from watchdogd.overseer.enforce import Enforcer
from watchdogd.ports import Clock, Transaction
from watchdogd.wire.channel import Command, Done


class LocalDesk:
    """Runs inside a transaction."""

    def __init__(self, book: Book, enforcer: Enforcer, clock: Clock) -> None:
        self.book, self._enforcer, self._clock = book, enforcer, clock

    def adopt(self, changing: Transaction, policy: Policy, by: str) -> None:
        """Another version of the policy is in force from now on; the record says who brought it."""
        if policy.digest == self.book.policy.digest:
            return
        changing.append(
            {
                "kind": "policy",
                "at": self._clock.wall(),
                "body": {"by": by, "from": self.book.policy.digest, "to": policy.digest},
            }
        )
        changing.put(f"policy/{policy.digest}", policy)
        self.book.policy = policy
        self.book.proto = replace(
            self.book.proto,
            policy=policy.digest,
            mode=policy.mode,
            level=self.book.level or policy.level,
            lrev=self.book.proto.lrev + 1,
        )
        self._enforcer.save(changing)
        self._enforcer.out.push = True

    def command(self, changing: Transaction, command: Command) -> None:
        """Pause or stop by somebody on this machine, with no broker in between."""
        if command.command == "pause":
            self._enforcer.latch(
                changing, f"local/{command.user}", command.user, command.text or "no reason given", shadow_too=True
            )
            done = Done(id=command.id, ok=True, text=f"paused by {command.user}")
        elif self.book.run.active:
            body = StopOrder(by=command.user, reason=command.text or "no reason given")
            order = self._enforcer.order(changing, self.book.run.id, body)
            text = f"a stop of run {self.book.run.id} is on its way (order {order.n})"
            done = Done(id=command.id, ok=True, text=text)
        else:
            done = Done(id=command.id, ok=False, text="no run is under way")
        self._enforcer.out.lines.append(done)
