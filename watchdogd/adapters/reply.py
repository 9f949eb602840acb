"""What a Messages API answer says: raw events or a raw body, checked, as blocks a conversation can keep."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from watchdogd.core.conversation import Block, Message, ToolUse, text_of, tool_uses
from watchdogd.core.events import Usage

EMPTY = "(The reply was empty.)"
"""Stands in for a reply without content: the API refuses to be sent an empty assistant message."""

_CUT_SHORT = frozenset({"max_tokens", "model_context_window_exceeded"})
"""Stop reasons after which the last block may have been cut in the middle."""

_REPLY_BLOCKS = frozenset({"thinking", "redacted_thinking", "text", "tool_use"})
_DELTA_FIELDS = {"text_delta": "text", "thinking_delta": "thinking", "signature_delta": "signature"}
_DELTA_BLOCK = {"text_delta": "text", "thinking_delta": "thinking", "signature_delta": "thinking"}


class Incomplete(Exception):
    """The stream ended before ``message_stop``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A checked reply. ``content`` is never empty and safe to send back; ``calls`` are complete calls only."""

    content: tuple[Block, ...]
    text: str
    calls: tuple[ToolUse, ...]
    stop_reason: str
    usage: Usage
    model: str


def _text(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{what} is not a string")
    return value


def _object(value: object, what: str) -> dict[str, object]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{what} is not an object")
    return dict(value)


def _count(usage: Mapping[str, object], name: str) -> int:
    value = usage.get(name)
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"usage.{name} is not a count")
    return value


def usage_of(usage: Mapping[str, object]) -> Usage:
    """The tokens of one call; ``cache_write_tokens`` excludes those written for one hour.

    Raises:
        ValueError: no input or output count: money that cannot be counted is not a usable reply.
    """
    for name in ("input_tokens", "output_tokens"):
        if usage.get(name) is None:
            raise ValueError(f"usage.{name} is missing")
    written = _count(usage, "cache_creation_input_tokens")
    by_age = usage.get("cache_creation")
    for_an_hour = _count(by_age, "ephemeral_1h_input_tokens") if isinstance(by_age, Mapping) else 0
    return Usage(
        input_tokens=_count(usage, "input_tokens"),
        output_tokens=_count(usage, "output_tokens"),
        cache_read_tokens=_count(usage, "cache_read_input_tokens"),
        cache_write_tokens=max(0, written - for_an_hour),
        cache_write_1h_tokens=for_an_hour,
    )


def _note_on_cut_call(name: str, stop_reason: str) -> Block:
    return {
        "type": "text",
        "text": f"(This message was cut off ({stop_reason}) inside a call to `{name}`. Nothing of that call was run.)",
    }


def _keepable(block: dict[str, object], *, whole: bool) -> bool:
    """Whether the API would take ``block`` back: it refuses blank text and thinking without its signature."""
    match block.get("type"):
        case "text":
            return bool(_text(block.get("text"), "a text block's text").strip())
        case "thinking":
            return whole or bool(block.get("signature"))
        case _:
            return True


def checked(
    content: object, *, stop_reason: object, usage: object, model: object, unfinished: frozenset[int] = frozenset()
) -> Answer:
    """The answer in a raw ``content``; ``unfinished`` names blocks whose stream stopped in the middle.

    A call that was cut off is replaced by a sentence: an SDK that completes half a JSON text would turn
    ``rm -rf /srv/tmp/x`` into ``rm -rf /``. Calls of a refused message are dropped the same way.

    Raises:
        ValueError: not a reply of the Messages API.
    """
    if not isinstance(content, list | tuple):
        raise ValueError("content is not a list")
    why = _text(stop_reason, "stop_reason")
    kept: list[Block] = []
    for at, raw in enumerate(content):
        block = _object(raw, f"content[{at}]")
        kind = _text(block.get("type"), f"content[{at}].type")
        last = at == len(content) - 1
        if kind == "tool_use":
            _text(block.get("id"), "a call's id")
            name = _text(block.get("name"), "a call's name")
            if at in unfinished or why == "refusal":
                kept.append(_note_on_cut_call(name, why))
                continue
            _object(block.get("input"), f"the input of a call to {name}")
        elif at in unfinished and kind not in _REPLY_BLOCKS:
            continue
        if _keepable(block, whole=not (last and (why in _CUT_SHORT or at in unfinished))):
            kept.append(block)
    ids = [str(block["id"]) for block in kept if block.get("type") == "tool_use"]
    if len(set(ids)) != len(ids) or "" in ids:
        raise ValueError("the calls' ids are empty or repeated")
    said = Message(role="assistant", content=tuple(kept))
    if all(block.get("type") in {"thinking", "redacted_thinking"} for block in kept):
        kept.append({"type": "text", "text": EMPTY})
    return Answer(
        content=tuple(kept),
        text=text_of(said),
        calls=tool_uses(said),
        stop_reason=why,
        usage=usage_of(_object(usage, "usage")),
        model=_text(model, "model"),
    )


def answer_in_body(body: Mapping[str, object]) -> Answer:
    """The answer in the JSON body of an unstreamed call.

    When the message was cut off, its last block, if a call, counts as cut: a body does not say how far it came.

    Raises:
        ValueError: not a message.
    """
    content = body.get("content")
    if body.get("type") != "message" or not isinstance(content, list):
        raise ValueError("the body is not a message")
    cut = body.get("stop_reason") in _CUT_SHORT and content
    return checked(
        content,
        stop_reason=body.get("stop_reason"),
        usage=body.get("usage"),
        model=body.get("model"),
        unfinished=frozenset({len(content) - 1}) if cut else frozenset(),
    )


@dataclass(slots=True)
class _Growing:
    """A block whose deltas are still coming."""

    block: dict[str, object]
    json: list[str] = field(default_factory=list)
    pieces: dict[str, list[str]] = field(default_factory=dict)
    closed: bool = False

    def take(self, delta: Mapping[str, object]) -> None:
        kind = _text(delta.get("type"), "a delta's type")
        if kind == "input_json_delta":
            self.json.append(_text(delta.get("partial_json"), "partial_json"))
        elif kind == "citations_delta":
            before = self.block.get("citations")
            self.block["citations"] = [*(before if isinstance(before, list) else []), delta.get("citation")]
        elif kind in _DELTA_FIELDS and self.block.get("type") == _DELTA_BLOCK[kind]:
            name = _DELTA_FIELDS[kind]
            self.pieces.setdefault(name, []).append(_text(delta.get(name), f"a delta's {name}"))
        else:
            raise ValueError(f"a {kind} in a block of type {self.block.get('type')}")

    def whole(self, *, may_be_cut: bool) -> tuple[dict[str, object], bool]:
        """The block, and whether it is complete.

        Raises:
            ValueError: a call whose arguments are not a JSON object although the message was not cut off.
        """
        block = dict(self.block)
        for name, pieces in self.pieces.items():
            start = block.get(name)
            block[name] = (start if isinstance(start, str) and name != "signature" else "") + "".join(pieces)
        if "input" not in block:
            return block, self.closed
        source = "".join(self.json)
        if not source:
            return block, self.closed and not may_be_cut
        try:
            given = json.loads(source)
        except json.JSONDecodeError:
            given = None
        if isinstance(given, dict):
            return {**block, "input": given}, True
        if not may_be_cut:
            raise ValueError(f"the arguments of a call to {block.get('name')} are not a JSON object")
        return block, False


class Assembly:
    """Folds the events of one stream; ours rather than the SDK's, which completes JSON that was cut off."""

    def __init__(self) -> None:
        self._message: dict[str, object] | None = None
        self._blocks: dict[int, _Growing] = {}
        self._usage: dict[str, object] = {}
        self._stop_reason: object = None
        self._stopped = False

    def take(self, event: Mapping[str, object]) -> None:
        """Adds one event; events of unknown type are skipped, as the API asks.

        Raises:
            ValueError: an event that cannot follow what came before.
        """
        kind = _text(event.get("type"), "an event's type")
        if kind == "message_start":
            self._message = _object(event.get("message"), "message_start.message")
            self._usage = _object(self._message.get("usage"), "message_start.message.usage")
            return
        if kind in {"content_block_start", "content_block_delta", "content_block_stop", "message_delta"}:
            if self._message is None or self._stopped:
                raise ValueError(f"{kind} outside of a message")
            if kind == "message_delta":
                self._take_delta(event)
            else:
                self._take_block(kind, event)
        elif kind == "message_stop":
            self._stopped = True

    def _take_delta(self, event: Mapping[str, object]) -> None:
        self._stop_reason = _object(event.get("delta"), "message_delta.delta").get("stop_reason", self._stop_reason)
        # Counts here are totals so far; those left out keep what message_start said.
        totals = _object(event.get("usage", {}), "message_delta.usage")
        self._usage.update({name: value for name, value in totals.items() if value is not None})

    def _take_block(self, kind: str, event: Mapping[str, object]) -> None:
        index = event.get("index")
        if not isinstance(index, int):
            raise ValueError(f"{kind} without an index")
        if kind == "content_block_start":
            if index != len(self._blocks):
                raise ValueError(f"block {index} starts after {len(self._blocks)} others")
            self._blocks[index] = _Growing(block=_object(event.get("content_block"), "content_block"))
            return
        growing = self._blocks.get(index)
        if growing is None or growing.closed:
            raise ValueError(f"{kind} for block {index}, which is not open")
        if kind == "content_block_delta":
            growing.take(_object(event.get("delta"), "content_block_delta.delta"))
        else:
            growing.closed = True

    def answer(self) -> Answer:
        """The whole reply.

        Raises:
            Incomplete: the stream ended early.
            ValueError: not a reply of the Messages API.
        """
        if self._message is None or not self._stopped:
            raise Incomplete(f"the stream ended after {len(self._blocks)} blocks, before message_stop")
        content: list[dict[str, object]] = []
        unfinished: set[int] = set()
        for index, growing in sorted(self._blocks.items()):
            last = index == len(self._blocks) - 1
            cut = last and (self._stop_reason in _CUT_SHORT or self._stop_reason == "refusal")
            block, complete = growing.whole(may_be_cut=cut)
            content.append(block)
            if not complete:
                unfinished.add(index)
        return checked(
            content,
            stop_reason=self._stop_reason,
            usage=self._usage,
            model=self._message.get("model"),
            unfinished=frozenset(unfinished),
        )
