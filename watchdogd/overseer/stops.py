"""Stops that people asked for, until the run they were meant for has really ended: by them, or by itself before."""

from __future__ import annotations

from dataclasses import dataclass

from watchdogd.core.events import Event, RunFinished
from watchdogd.core.lease.messages import StopOrder
from watchdogd.overseer.book import Book
from watchdogd.overseer.enforce import Enforcer
from watchdogd.ports import Record, Transaction
from watchdogd.wire.messages import Response


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopping:
    """A stop whose outcome is still to be reported."""

    user: str
    request: str
    run: str


class Stops:
    """Runs inside the overseer's transactions."""

    def __init__(self, book: Book, enforcer: Enforcer, record: Record) -> None:
        self.book, self._enforcer = book, enforcer
        self._open = [one for _, one in record.scan(Stopping, "stopping/")]

    def ordered(self, changing: Transaction, user: str, request: str, reason: str) -> Response:
        """Orders the end of the run under way; what came of it follows with the run's own word."""
        run = self.book.run.id
        order = self._enforcer.order(changing, run, StopOrder(by=user, reason=reason))
        one = Stopping(user=user, request=request, run=run)
        self._open.append(one)
        changing.put(f"stopping/{user}/{request}", one)
        text = f"a stop of run {run} is on its way (order {order.n}); its end follows"
        return Response(request=request, command="stop", status="ok", stage="ordered", text=text)

    def to(self, changing: Transaction, event: Event) -> None:
        """A run that is over answers those who wanted it stopped."""
        if not isinstance(event.body, RunFinished):
            return
        for one in [one for one in self._open if one.run == event.run]:
            self._open.remove(one)
            changing.drop(f"stopping/{one.user}/{one.request}")
            text = _told(event.run, event.body)
            response = Response(request=one.request, command="stop", status="ok", text=text)
            self._enforcer.row(changing, "response", response, text, user=one.user)


def _told(run: str, finished: RunFinished) -> str:
    if finished.outcome == "stopped":
        return f"run {run} has ended: {finished.reason}"
    return f"run {run} had ended by itself before the stop reached it: {finished.outcome}. {finished.reason}"[:500]
