"""Messages to send."""

from __future__ import annotations

import time

from watchdogd.core.escalation import Escalation
from watchdogd.core.events import Event, Tick
from watchdogd.core.health import Severity
from watchdogd.core.ids import Role
from watchdogd.core.lease.messages import Beat, Order, StopOrder
from watchdogd.wire.messages import HealthReport, Message, Request, Response, WorkerStatus
from watchdogd.wire.presence import presence


def event(seq: int) -> Message:
    body = Event(seq=seq, body=Tick(), run="r1", step=1, at=1.5, boot="b1", digest=f"{seq:064x}")
    return Message(payload=body, headline=f"event {seq}", at=time.time(), source=Role.WORKER, seq=seq, run="r1")


def beat(nonce: str = "n1") -> Message:
    body = Beat(boot="b1", nonce=nonce, head_seq=0, applied_n=0)
    return Message(payload=body, headline="may I", at=time.time(), source=Role.WORKER, boot="b1")


def status(word: str = "running") -> Message:
    body = WorkerStatus(status=word)  # type: ignore[arg-type]
    return Message(payload=body, headline=word, at=time.time(), source=Role.WORKER)


def health() -> Message:
    body = HealthReport(severity=Severity.OK, channels={}, run="r1")
    return Message(payload=body, headline="all well", at=time.time(), source=Role.OVERSEER)


def order(n: int = 1) -> Message:
    body = Order(epoch=1, n=n, run="r1", body=StopOrder(by="anna"))
    return Message(payload=body, headline="stop", at=time.time(), source=Role.OVERSEER, seq=n)


def escalation(name: str = "q-1", *, closed: bool = False) -> Message:
    body = Escalation(id=name, run="r1", severity=Severity.WARN, headline="may it?")
    return Message(payload=body, headline="may it?", at=time.time(), source=Role.OVERSEER, closed=closed)


def request(user: str = "anna", command: str = "pause", name: str = "r-1") -> Message:
    body = Request(command=command, id=name)  # type: ignore[arg-type]
    return Message(payload=body, headline=command, at=time.time(), source=user, user=user)


def response(user: str = "anna", name: str = "r-1") -> Message:
    body = Response(request=name, command="pause", status="ok", text="paused")
    return Message(payload=body, headline="paused", at=time.time(), source=Role.OVERSEER, user=user)


def presence_of_overseer() -> Message:
    return presence(Role.OVERSEER, "offline", boot="b1", at=time.time())
