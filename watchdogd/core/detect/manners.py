"""What kind of act a call is, from its class where it has one, else from its tool's name; and whether it waits."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import IntEnum
from functools import lru_cache

from watchdogd.core.events import Impact


class Effect(IntEnum):
    """What a call is for."""

    UNKNOWN = 0
    READ = 1
    WRITE = 2


_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_READING = """
read get list view cat open show find search look lookup fetch query grep ls describe inspect retrieve browse check scan
head tail count stat info load calculate
"""
_WRITING = """
write create add insert append update edit set put post send delete remove move rename copy save store upload make
book cancel reserve pay transfer buy order schedule share invite modify replace patch apply submit convert tag exchange
return transform export import commit push publish mark archive process resize compress
"""
_READS, _WRITES = frozenset(_READING.split()), frozenset(_WRITING.split())
_WAIT_CALL = re.compile(r"(?<![a-z])(?:sleep|wait|poll|await|watch|pause)(?![a-z])", re.IGNORECASE)
_ASKS_STATE = re.compile(
    r"(?<![a-z])(?:status(?:es)?|state|progress|ready|health|check|jobs?|tasks?|queue|builds?|deploy(?:ment)?|rollout"
    r"|pipeline|ping|pending|finished|done|complete)(?![a-z])",
    re.IGNORECASE,
)
_UNFINISHED = re.compile(
    r"pending|queued|scheduled|in.?progress|not (?:yet|ready|finished|done|complete)|\bstill\b|\bwait|\byet\b|\blater\b"
    r"|\bactive\b|\bremaining\b|\bstarted\b|\beta\b",
    re.IGNORECASE,
)
_GOES_ON = r"\w{3,}(?<!noth)(?<!th)(?<!str)(?<!miss)(?<!warn)ing\b"
_DOING = re.compile(
    rf"(?:\A|\n|[\"':>\[(])\s*{_GOES_ON}|\b(?:is|are|being|currently)\s(?:\w+\s)?{_GOES_ON}|\b{_GOES_ON}\s*(?:[.,;:!\"'\])<\n…]|\Z)",
    re.IGNORECASE,
)
"""A participle that says what goes on: alone, first, last or after "is"; not one that describes a thing."""
_CODE = re.compile(
    r"(?:exit(?:ed)?(?: with)?|return|status)[\W_]{0,2}(?:code|status)?\W{0,4}-?\d{1,5}\b", re.IGNORECASE
)
_FRAME = re.compile(r"</?[\w:-]{1,40}>|[\"']\w{1,40}[\"']\s{0,2}:")
"""Tags and field names around an answer."""
SHORT_TOKENS = 25
"""Longer answers are content, not a state (tokens)."""
SHORT_ARGUMENT = 80
"""Longer arguments are content: a word in them does not ask for a state (characters)."""
STATE_TOKENS = 10
"""Answers up to this length can be a bare state (tokens)."""
_NOT_SO = re.compile(
    r"\b(?:false|no|not|none|null)\b|(?<![\w.])0(?![\w.])|\b\d{1,6} ?(?:/|of) ?\d{1,6}\b", re.IGNORECASE
)


@lru_cache(maxsize=1_024)
def _effect_of_name(tool: str) -> Effect:
    for word in _WORDS.findall(tool[:80]):
        word = word.lower()
        if word in _READS:
            return Effect.READ
        if word in _WRITES:
            return Effect.WRITE
    return Effect.UNKNOWN


def effect_of(tool: str, impact: Impact | None) -> Effect:
    """What the call is for; UNKNOWN for whatever runs commands."""
    match impact:
        case Impact.READ:
            return Effect.READ
        case Impact.WRITE | Impact.EXTERNAL | Impact.DESTRUCTIVE:
            return Effect.WRITE
        case Impact.EXECUTE | Impact.NETWORK:
            return Effect.UNKNOWN
        case None:
            return _effect_of_name(tool)


def asks_to_wait(tool: str, words: Sequence[str]) -> bool:
    """Whether the call itself says that it waits."""
    return _WAIT_CALL.search(tool) is not None or any(_WAIT_CALL.search(one[:200]) for one in words)


def unfinished(tool: str, words: Sequence[str], answer: str) -> bool:
    """Whether a short answer says that something outside is not finished, to a call that asked for its state."""
    answer = _CODE.sub(" ", answer[:400])
    tokens = answer.split(None, SHORT_TOKENS + 1)
    if len(tokens) > SHORT_TOKENS or not any(map(str.isalnum, _FRAME.sub(" ", answer))):
        return False  # content, or nothing at all
    says = _UNFINISHED.search(answer) is not None or _DOING.search(answer) is not None
    asks = _ASKS_STATE.search(tool) is not None
    if len(tokens) <= STATE_TOKENS and (says or asks):
        return True
    if not asks and not any(len(one) <= SHORT_ARGUMENT and _ASKS_STATE.search(one) for one in words):
        return False
    if says:
        return True
    if len(tokens) > STATE_TOKENS:
        return False
    return _NOT_SO.search(answer) is not None or (len(tokens) <= 3 and "".join(tokens).isalpha())
