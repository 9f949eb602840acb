"""What a role says of its being there, and what the broker says in its name when it is gone."""

from __future__ import annotations

from typing import Literal

from watchdogd.core.ids import Role
from watchdogd.wire.messages import Message, Presence

SAID = {"online": "is here", "offline": "has gone in order", "lost": "has gone without a word"}


def presence(role: Role, status: Literal["online", "offline", "lost"], *, boot: str, at: float) -> Message:
    """The presence of ``role`` at ``at`` (unix seconds)."""
    payload = Presence(role=role, status=status, boot=boot)
    return Message(payload=payload, headline=f"the {role} {SAID[status]}", at=at, source=role, boot=boot)
