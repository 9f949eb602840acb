"""Keys: when two calls are the same call, as one number each. The text of a thought is never part of a key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from itertools import islice
from math import isfinite

from watchdogd.core.events import NO_TEXT, Args, Text

MOST_DEPTH = 24
"""Levels of nesting that are told apart; deeper ones count as one value."""
MOST_NODES = 2_000
"""Values of one call that are told apart."""

_UNIT, _DEEP = "\x1f", "\x1e"


def text_key(text: str) -> int:
    """A number for ``text`` that is the same in every process; equal texts, equal numbers."""
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


_newest: list[tuple[Text, int]] = [(NO_TEXT, text_key(""))]
"""The answer that was asked about last, and its number: several detectors ask about the same one in turn."""


def answer_key(answer: Text) -> int:
    """A number for ``answer`` as it travels: its length and what is here of it."""
    known, key = _newest[0]
    if known is answer:
        return key
    whole = f"{answer.length}{_UNIT}{answer.head}{_UNIT}{answer.tail}" if answer.tail else answer.head
    key = text_key(whole)
    _newest[0] = (answer, key)
    return key


def call_key(tool: str, args: Args) -> int:
    """A number for the call: order of arguments and surplus white space do not matter.

    An object with one argument counts as its value, so that ``{"cmd": "ls"}`` and ``{"command": "ls"}`` are one call.
    """
    parts = [tool]
    _spell(next(iter(args.values())) if len(args) == 1 else args, parts, MOST_DEPTH)
    return text_key(_UNIT.join(parts))


def _spell(value: object, parts: list[str], depth: int) -> None:
    if isinstance(value, str):
        parts.append(value if len(value) > 4_000 else " ".join(value.split()))
    elif value is None or isinstance(value, (bool, int)):
        parts.append(_number(value))
    elif isinstance(value, float):
        parts.append(str(int(value)) if isfinite(value) and value == int(value) else repr(value))
    elif depth <= 0 or len(parts) > MOST_NODES:
        parts.append(_DEEP)
    elif isinstance(value, Mapping):
        for name in sorted(value, key=str):
            if len(parts) > MOST_NODES:
                break
            parts.append(f"{name}=")
            _spell(value[name], parts, depth - 1)
        parts.append("}")
    elif isinstance(value, Sequence):
        for one in value:
            if len(parts) > MOST_NODES:
                break
            _spell(one, parts, depth - 1)
        parts.append("]")
    else:
        parts.append(type(value).__name__)


def _number(value: bool | int | None) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 4_000:
        return f"{value:x}"  # decimal digits of such numbers are refused by Python, and slow
    return str(value)


def leaves(value: object, limit: int = 64) -> list[str]:
    """The text and number leaves of ``value``, in order, at most ``limit``; never recurses."""
    if isinstance(value, dict):
        flat = list(islice(value.values(), limit))
        if all([type(one) is str for one in flat]):  # noqa: C419 - a list is twice as fast, and most calls are so
            return flat
    found: list[str] = []
    left: list[object] = [value]
    visited = 0
    while left and len(found) < limit and visited < MOST_NODES:
        one = left.pop()
        visited += 1
        if isinstance(one, str):
            found.append(one)
        elif isinstance(one, bool) or one is None:
            continue
        elif isinstance(one, (int, float)):
            found.append(_number(one) if isinstance(one, int) else repr(one))
        elif isinstance(one, Mapping):
            left.extend(list(islice(one.values(), limit))[::-1])
        elif isinstance(one, Sequence):
            left.extend(list(one[:limit])[::-1])
    return found
