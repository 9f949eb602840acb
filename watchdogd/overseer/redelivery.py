"""Requests without an id that the broker may deliver again: what a person said once is carried out once."""

from __future__ import annotations

from dataclasses import dataclass, replace

from watchdogd.ports import Clock, Record, Transaction

CONFIRMED_AFTER_S = 30.0
"""On a connection that lives so long, the broker has our acknowledgement, and has it on its disk: it says what it has
not at once after connecting, and ours saves every second (seconds)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unconfirmed:
    """A request that is committed, and whose acknowledgement may not have reached the broker."""

    user: str
    digest: str
    """Of its bytes: all there is to know it by."""
    name: str
    """Given to it here; its answer is kept under it."""
    link: str
    """The connection it came by, or came by again."""
    at: float
    """CLOCK_BOOTTIME of that (seconds)."""


class Redeliveries:
    """Runs inside the overseer's transactions.

    The same bytes on one connection are two requests. On a later connection they are the old one, as long as its
    acknowledgement is in doubt: in the worst case a person is told that it was done already, and says it again.
    """

    def __init__(self, record: Record, clock: Clock) -> None:
        self._clock = clock
        self._open = [one for _, one in record.scan(Unconfirmed, "unconfirmed/")]

    def again(self, changing: Transaction, *, user: str, digest: str, link: str) -> str:
        """The name of the request that this is a second delivery of; empty = it is new."""
        for index, one in enumerate(self._open):
            if (one.user, one.digest) == (user, digest) and one.link != link:
                self._open[index] = replace(one, link=link, at=self._clock.boot())
                changing.put(f"unconfirmed/{one.name}", self._open[index])
                return one.name
        return ""

    def keep(self, changing: Transaction, *, user: str, digest: str, link: str, name: str) -> None:
        """Remembers a new request in the transaction that carries it out."""
        one = Unconfirmed(user=user, digest=digest, name=name, link=link, at=self._clock.boot())
        self._open.append(one)
        changing.put(f"unconfirmed/{name}", one)

    def settle(self, changing: Transaction, link: str, since: float) -> None:
        """Forgets what the broker must have been told by now.

        Args:
            changing: the transaction.
            link: the connection that is up; empty = none is.
            since: CLOCK_BOOTTIME of its beginning (seconds).
        """
        if not link:
            return
        now = self._clock.boot()
        for one in tuple(self._open):
            if now - (one.at if one.link == link else since) > CONFIRMED_AFTER_S:
                self._open.remove(one)
                changing.drop(f"unconfirmed/{one.name}")
