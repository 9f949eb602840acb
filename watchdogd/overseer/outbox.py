"""From a row of the overseer's record back to the message it is published as."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from watchdogd.core.chain import Row
from watchdogd.core.escalation import Escalation
from watchdogd.core.ids import Role
from watchdogd.wire import codec
from watchdogd.wire.envelope import row_data
from watchdogd.wire.messages import DecisionReport, Message, Response, VerdictReport

KINDS: dict[str, type[Any]] = {
    "verdict": VerdictReport,
    "decision": DecisionReport,
    "escalation": Escalation,
    "response": Response,
}
"""What is published from the record; orders are sent at once and again until they are acknowledged."""


def republished(row: Row) -> tuple[Message, ...]:
    """The messages of ``row``: none for what is only recorded, two for an escalation that is over."""
    data = row_data(row)
    kind = KINDS.get(str(data.get("kind", "")))
    if kind is None:
        return ()
    payload = codec.load(kind, data["body"])
    if isinstance(payload, DecisionReport):
        payload = replace(payload, id=f"d{row.seq}")
    message = Message(
        payload=payload,
        headline=str(data.get("headline", "")),
        at=float(data["at"]),
        source=Role.OVERSEER,
        boot=str(data.get("boot", "")),
        seq=row.seq,
        run=str(data.get("run", "")),
        policy=str(data.get("policy", "")),
        digest=row.digest,
        user=str(data.get("user", "")),
    )
    if isinstance(payload, Escalation) and not payload.is_open:
        return message, replace(message, closed=True)
    return (message,)
