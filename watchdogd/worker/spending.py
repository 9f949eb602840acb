"""What is left of a run's budget decides how long a reply may become, and whether it is asked for at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

from watchdogd.core.budget import tokens_at_most
from watchdogd.core.lifecycle import Run
from watchdogd.ports import ModelRequest

SHORTEST_REPLY_TOKENS = 256
"""A reply that may not even be so long ends in the middle of a call: it is not worth its prompt."""

PUNCTUATION_BYTES = 3
"""Quotes, brackets and a comma around each value."""


class Affords(Protocol):
    """The price table, as far as it is asked here."""

    def __call__(self, model: str, *, input_tokens: int, max_tokens: int, left_usd: float) -> int:
        """The longest reply (tokens) whose worst price fits into ``left_usd``."""
        ...


def input_tokens(request: ModelRequest) -> int:
    """About the most tokens that what ``request`` sends counts as."""
    said = [[one.role, list(one.content)] for one in request.conversation]
    tools = [[one.name, one.description, one.schema] for one in request.tools]
    return tokens_at_most(_bytes([request.system, said, tools]))


def _bytes(value: object) -> int:
    """About the size of ``value`` as JSON (bytes of UTF-8)."""
    match value:
        case str():
            return len(value.encode("utf-8", "surrogatepass")) + PUNCTUATION_BYTES
        case Mapping():
            return sum(_bytes(key) + _bytes(one) for key, one in value.items()) + PUNCTUATION_BYTES
        case list() | tuple():
            return sum(_bytes(one) for one in value) + PUNCTUATION_BYTES
        case _:
            return len(str(value))


def affordable(request: ModelRequest, run: Run, affords: Affords) -> ModelRequest | str:
    """``request`` with a reply no longer than the budget reaches; why it is not made when that would be too short."""
    left_usd, left_tokens = run.left_usd(), run.left_tokens()
    if left_usd is None and left_tokens is None:
        return request
    needed, longest = input_tokens(request), request.max_tokens
    if left_usd is not None:
        longest = min(
            longest, affords(request.model, input_tokens=needed, max_tokens=request.max_tokens, left_usd=left_usd)
        )
    if left_tokens is not None:
        longest = min(longest, left_tokens - needed)
    if longest < min(SHORTEST_REPLY_TOKENS, request.max_tokens):
        return f"the budget does not reach for another call: {_left(run)}, and its prompt has about {needed:,} tokens"
    return replace(request, max_tokens=longest)


def _left(run: Run) -> str:
    mission, left_usd, left_tokens = run.mission, run.left_usd(), run.left_tokens()
    money = "" if left_usd is None else f"${left_usd:.4f} of ${mission.budget_usd:g} is left"
    tokens = "" if left_tokens is None else f"{left_tokens:,} of {mission.budget_tokens:,} tokens are left"
    return " and ".join(one for one in (money, tokens) if one)


def vetoed(request: ModelRequest, run: Run | None, affords: Affords) -> str | None:
    """The last look before anything is sent: why ``request`` goes beyond the budget; None = it does not."""
    if run is None:
        return None
    within = affordable(request, run, affords)
    if isinstance(within, str):
        return within
    if within.max_tokens < request.max_tokens:
        return f"a reply of {request.max_tokens} tokens goes beyond the budget: {_left(run)}"
    return None
