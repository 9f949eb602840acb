"""Where a run's conversation lies in the worker's record."""

from __future__ import annotations

from watchdogd.core.conversation import Conversation, Message
from watchdogd.ports import Record


def message_key(run: str, index: int) -> str:
    """The cell of message ``index`` of ``run``; keys sort in the order of the conversation."""
    return f"message/{run}/{index:06d}"


def conversation_of(record: Record, run: str) -> Conversation:
    """The whole conversation of ``run``. Raises: RecordError."""
    found: list[Message] = []
    after = ""
    while page := record.scan(Message, f"message/{run}/", after=after):
        found.extend(message for _, message in page)
        after = page[-1][0]
    return tuple(found)
