"""A conversation as a checkpoint holds it."""

from __future__ import annotations

import json
from collections.abc import Iterable

from watchdogd.core.conversation import Conversation, Message
from watchdogd.core.errors import WireError
from watchdogd.wire import codec


def packed(run: str, messages: Iterable[Message]) -> bytes:
    """The conversation of ``run``."""
    return json.dumps({"run": run, "messages": [codec.dump(one) for one in messages]}).encode()


def unpacked(data: bytes) -> tuple[str, Conversation]:
    """The run's id and its conversation.

    Raises:
        WireError: this is none.
    """
    try:
        whole = json.loads(data)
        return str(whole["run"]), tuple(codec.load(Message, one) for one in whole["messages"])
    except (ValueError, KeyError, TypeError, RecursionError) as why:
        raise WireError("schema", f"no conversation: {why}") from None
