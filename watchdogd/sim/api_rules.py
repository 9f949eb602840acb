"""What the Messages API asks of a request: the checks that keep a scripted run honest about the conversation."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from watchdogd.sim.script import blocks_in

_ID = re.compile(r"\A[a-zA-Z0-9_-]+\Z")
MAX_CACHE_MARKS = 4
_KNOWN_BLOCKS = frozenset({"text", "tool_use", "tool_result", "thinking", "redacted_thinking", "image", "document"})


def _marks(value: object) -> int:
    if isinstance(value, dict):
        return ("cache_control" in value) + sum(_marks(inner) for inner in value.values() if type(inner) is not str)
    return sum(_marks(inner) for inner in value) if isinstance(value, list) else 0


def _block_fault(block: Mapping[str, object], where: str) -> str | None:
    kind = block.get("type")
    if kind not in _KNOWN_BLOCKS:
        return f"{where}: Input tag {kind!r} does not match any of the expected tags"
    if kind == "text" and not str(block.get("text") or "").strip():
        return f"{where}: text content blocks must contain non-whitespace text"
    if kind == "tool_use" and not (_ID.match(str(block.get("id"))) and isinstance(block.get("input"), Mapping)):
        return f"{where}: tool_use needs an id of [a-zA-Z0-9_-] and an input object"
    if kind == "tool_result" and block.get("is_error") is True and not block.get("content"):
        return f"{where}: content cannot be empty if `is_error` is true"
    if kind == "thinking" and not block.get("signature"):
        return f"{where}: thinking.signature: Field required"
    return None


def _merged(messages: Sequence[Mapping[str, object]]) -> list[tuple[str, list[Mapping[str, object]]]]:
    """Turns; consecutive messages of one role count as one."""
    turns: list[tuple[str, list[Mapping[str, object]]]] = []
    for message in messages:
        role, blocks = str(message.get("role")), blocks_in(message.get("content"))
        if turns and turns[-1][0] == role:
            turns[-1][1].extend(blocks)
        else:
            turns.append((role, list(blocks)))
    return turns


def _calls_fault(turns: Sequence[tuple[str, list[Mapping[str, object]]]]) -> str | None:
    """Whether each call is answered in the very next turn, and nothing else is."""
    asked: list[str] = []
    for at, (role, blocks) in enumerate(turns):
        if role == "user":
            results = [str(block.get("tool_use_id")) for block in blocks if block.get("type") == "tool_result"]
            for one in results:
                if one not in asked:
                    return f"messages.{at}: unexpected `tool_use_id` found in `tool_result` blocks: {one}"
            if missing := [one for one in asked if one not in results]:
                return f"messages.{at - 1}: `tool_use` ids without `tool_result` blocks: {', '.join(missing)}"
            if len(set(results)) != len(results):
                return f"messages.{at}: each tool_use must have a single result"
            kinds = [block.get("type") == "tool_result" for block in blocks]
            if kinds != sorted(kinds, reverse=True):
                return f"messages.{at}: `tool_result` blocks must come first"
            asked = []
        else:
            asked = [str(block.get("id")) for block in blocks if block.get("type") == "tool_use"]
            if len(set(asked)) != len(asked):
                return f"messages.{at}: `tool_use` ids must be unique"
    return f"`tool_use` ids without `tool_result` blocks: {', '.join(asked)}" if asked else None


def fault_in(body: object) -> str | None:
    """Why the API would refuse ``body`` with 400 invalid_request_error; None when it would not."""
    if not isinstance(body, Mapping):
        return "the body is not a JSON object"
    if not isinstance(body.get("model"), str) or not body["model"]:
        return "model: Field required"
    limit = body.get("max_tokens")
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
        return "max_tokens: Input should be greater than or equal to 1"
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        return "messages: at least one message is required"
    for at, message in enumerate(messages):
        if not isinstance(message, Mapping) or message.get("role") not in {"user", "assistant"}:
            return f"messages.{at}.role: Input should be 'user' or 'assistant'"
        blocks = blocks_in(message.get("content"))
        if not blocks:
            return f"messages.{at}: all messages must have non-empty content"
        for number, block in enumerate(blocks):
            if fault := _block_fault(block, f"messages.{at}.content.{number}"):
                return fault
    if messages[0]["role"] != "user":
        return 'messages: first message must use the "user" role'
    if (marks := _marks([body.get("system"), body.get("tools"), messages])) > MAX_CACHE_MARKS:
        return f"A maximum of {MAX_CACHE_MARKS} blocks with cache_control may be provided. Found {marks}."
    return _calls_fault(_merged(messages))
