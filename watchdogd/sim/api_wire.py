"""How the Messages API puts a reply on the wire: the message, its stream events, its errors, its token counts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from watchdogd.core.ids import digest_of
from watchdogd.sim.scenario import Counted

CHARS_PER_TOKEN = 4
"""A rule of thumb for English and code; only the scripted bill depends on it."""

CACHEABLE_TOKENS = 1024
"""Prefixes shorter than this are not cached (Messages API, prompt caching)."""

_PIECE = 24
"""Characters per stream delta: small enough that a reply comes in many pieces."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A message about to be sent."""

    content: Sequence[Mapping[str, object]]
    stop_reason: str
    model: str
    usage: Counted
    id: str = ""
    cut_json: bool = False
    """The last call's arguments stop in the middle (max_tokens)."""


def tokens_in(value: object) -> int:
    """About how many tokens ``value`` takes."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return max(1, len(text) // CHARS_PER_TOKEN)


def counted(body: Mapping[str, object], content: Sequence[Mapping[str, object]]) -> Counted:
    """The bill for ``body``: with cache marks, all up to the previous user turn is read from the cache."""
    messages = body.get("messages")
    turns = messages if isinstance(messages, list) else []
    stable = tokens_in([body.get("tools"), body.get("system")])
    said = [index for index, message in enumerate(turns) if message.get("role") == "assistant"]
    old = turns[: said[-1]] if said else []
    read = stable + (tokens_in(old) if old else 0)
    new = tokens_in(turns[len(old) :])
    output = sum(tokens_in(block.get("text", block.get("input", ""))) for block in content)
    if '"cache_control"' not in json.dumps(body, default=str) or read + new < CACHEABLE_TOKENS:
        return Counted(input=read + new, output=output)
    if not said or read < CACHEABLE_TOKENS:
        return Counted(input=4, cache_write=read + new, output=output)
    return Counted(input=4, cache_read=read, cache_write=new, output=output)


def reply_id(body: Mapping[str, object]) -> str:
    """The message id: the same for the same request."""
    return f"msg_{digest_of(json.loads(json.dumps(body, default=str)))[:24]}"


def usage_json(usage: Counted) -> dict[str, object]:
    """``usage`` as the API spells it."""
    return {
        "input_tokens": usage.input,
        "cache_creation_input_tokens": usage.cache_write,
        "cache_read_input_tokens": usage.cache_read,
        "cache_creation": {"ephemeral_5m_input_tokens": usage.cache_write, "ephemeral_1h_input_tokens": 0},
        "output_tokens": usage.output,
        "service_tier": "standard",
    }


def message_json(reply: Reply) -> dict[str, object]:
    """The body of an unstreamed answer."""
    content = [dict(block) for block in reply.content]
    if reply.cut_json and content and content[-1].get("type") == "tool_use":
        content[-1]["input"] = {}
    return {
        "id": reply.id,
        "type": "message",
        "role": "assistant",
        "model": reply.model,
        "content": content,
        "stop_reason": reply.stop_reason,
        "stop_sequence": None,
        "usage": usage_json(reply.usage),
    }


def _pieces(text: str) -> Iterator[str]:
    for at in range(0, len(text), _PIECE):
        yield text[at : at + _PIECE]


def _block_events(index: int, block: Mapping[str, object], *, cut: bool) -> Iterator[tuple[str, dict[str, object]]]:
    def delta(content: dict[str, object]) -> tuple[str, dict[str, object]]:
        return "content_block_delta", {"type": "content_block_delta", "index": index, "delta": content}

    is_call = block.get("type") == "tool_use"
    start = {**block, "input": {}} if is_call else {**block, "text": ""}
    yield "content_block_start", {"type": "content_block_start", "index": index, "content_block": start}
    if is_call:
        source = json.dumps(block["input"], ensure_ascii=False)
        yield delta({"type": "input_json_delta", "partial_json": ""})
        for piece in _pieces(source[: max(1, len(source) * 2 // 3)] if cut else source):
            yield delta({"type": "input_json_delta", "partial_json": piece})
    else:
        for piece in _pieces(str(block.get("text", ""))):
            yield delta({"type": "text_delta", "text": piece})
    yield "content_block_stop", {"type": "content_block_stop", "index": index}


def events_of(reply: Reply) -> Iterator[tuple[str, dict[str, object]]]:
    """The stream of ``reply``: event names with their data, in the API's order."""
    empty = replace(reply, content=(), usage=reply.usage.model_copy(update={"output": 1}))
    head = {**message_json(empty), "stop_reason": None}
    yield "message_start", {"type": "message_start", "message": head}
    yield "ping", {"type": "ping"}
    for index, block in enumerate(reply.content):
        yield from _block_events(index, block, cut=reply.cut_json and index == len(reply.content) - 1)
    yield (
        "message_delta",
        {
            "type": "message_delta",
            "delta": {"stop_reason": reply.stop_reason, "stop_sequence": None},
            "usage": {"output_tokens": reply.usage.output},
        },
    )
    yield "message_stop", {"type": "message_stop"}


def sse(name: str, data: object) -> bytes:
    """One server-sent event."""
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode("utf-8", "replace")


def error_json(kind: str, text: str, request_id: str) -> dict[str, object]:
    """An error in the API's shape."""
    return {"type": "error", "error": {"type": kind, "message": text}, "request_id": request_id}
