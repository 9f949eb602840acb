"""The conversation: messages in the shape of the Messages API, kept valid whatever happens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from watchdogd.core.ids import digest_of

Block: TypeAlias = Mapping[str, object]
"""One content block as the API has it (text, tool_use, tool_result, thinking, …), kept verbatim."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One turn of the conversation."""

    role: Literal["user", "assistant"]
    content: tuple[Block, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolUse:
    """A call the model asked for."""

    id: str
    name: str
    args: Mapping[str, object]


Conversation: TypeAlias = tuple[Message, ...]


def text_of(message: Message) -> str:
    """The text blocks of ``message``, joined."""
    return "\n".join(str(block.get("text", "")) for block in message.content if block.get("type") == "text").strip()


def tool_uses(message: Message) -> tuple[ToolUse, ...]:
    """The calls ``message`` asks for, in order; an input that is not an object counts as empty."""
    found = []
    for block in message.content:
        if block.get("type") == "tool_use":
            args = block.get("input")
            found.append(
                ToolUse(
                    id=str(block.get("id", "")),
                    name=str(block.get("name", "")),
                    args=args if isinstance(args, Mapping) else {},
                )
            )
    return tuple(found)


def said(role: Literal["user", "assistant"], text: str) -> Message:
    """A message of one text block."""
    return Message(role=role, content=({"type": "text", "text": text},))


def result(use_id: str, text: str, *, is_error: bool) -> Block:
    """A tool_result block; an empty text becomes a word, because the API refuses emptiness."""
    return {"type": "tool_result", "tool_use_id": use_id, "content": text or "(no output)", "is_error": is_error}


def unanswered(conversation: Conversation) -> tuple[ToolUse, ...]:
    """The calls of the last assistant message that have no result yet."""
    for at in range(len(conversation) - 1, -1, -1):
        if conversation[at].role == "assistant":
            answered = {
                block.get("tool_use_id")
                for message in conversation[at + 1 :]
                for block in message.content
                if block.get("type") == "tool_result"
            }
            return tuple(use for use in tool_uses(conversation[at]) if use.id not in answered)
    return ()


def with_user(conversation: Conversation, blocks: Sequence[Block]) -> Conversation:
    """``conversation`` with ``blocks`` said by the user; merged into a user turn that is already open.

    Tool results come first within a turn, as the API asks.
    """
    if not blocks:
        return conversation
    if conversation and conversation[-1].role == "user":
        merged = [*conversation[-1].content, *blocks]
        merged.sort(key=lambda block: block.get("type") != "tool_result")
        return (*conversation[:-1], Message(role="user", content=tuple(merged)))
    ordered = sorted(blocks, key=lambda block: block.get("type") != "tool_result")
    return (*conversation, Message(role="user", content=tuple(ordered)))


def conversation_digest(system: str, conversation: Conversation) -> str:
    """The prompt digest: what exactly the model was shown."""
    return digest_of([system, [[message.role, [dict(block) for block in message.content]] for message in conversation]])
