"""Whether an error lies outside of the agent, is its own, or does not say: marks of protocols first, then words.

Marks are what machines write: status numbers, names and numbers of errno, SQLSTATE and gRPC, addresses with ports,
counted attempts, times that ran out. Words count only together: a thing of the network and something wrong with it
near by.
"""

from __future__ import annotations

import re
from enum import IntEnum
from functools import lru_cache

from watchdogd.core.detect.outage_marks import beside, marks_of
from watchdogd.core.detect.outage_words import (
    AMISS,
    GENERAL,
    NO,
    OBJECT,
    OUTAGE,
    PASSING,
    REACH,
    REPLY,
    THING,
    WRONG,
    senses_of,
)
from watchdogd.core.detect.own_words import about_access, perhaps_own, plainly_own
from watchdogd.core.events import Text

HEAD_CHARS = 600
"""Of a text, from its head, that is looked at."""
MOST_WORDS = 90
"""Words of it that are weighed."""
NEAR = 5
"""Words between which a thing and what is wrong with it belong together."""
CLOSE = 2
"""The same for words that stand in every error."""
ENOUGH = 3
"""Points that make an error an outage."""
PLAIN = 4
"""Points of a plain sign of the agent's own fault."""
HINTED = 2
"""Points that do where nothing speaks for the agent's own fault."""
SURE = 4
"""Points that make a text, which nothing else says is an error, one that reports an outage."""
MARKED = 5
"""Points that only a protocol's own mark gives."""
LONG_CHARS = 300
"""Beyond this length a text is more than a message, and words meet in it by chance."""
CURT_CHARS = 80
"""Up to this length a text that speaks of an outage reports it."""


class Side(IntEnum):
    """Where an error lies."""

    OPEN = 0
    """Its text does not say."""
    OWN = 1
    """With the agent."""
    OUTSIDE = 2
    """With the network or a service."""


_GOES_ON = re.compile(
    r"(?i)\b(?:start|warm|boot|catch|recover|initiali[sz]|load|provision|pend|process|sync|deploy|build|migrat|scal"
    r"|creat"
    r"|prepar|replicat)ing\b|\bqueued\b|\bin progress\b|\bstandby is\b"
)
"""What a service says while it is on its way: no outage unless the call was refused for it."""
_SETTING = re.compile(
    r"\W*(?:(?!\w*(?:status|code|error|http))[\w.-]{1,40}\s?[=:]\s?[\"']?)?[\d.]+\s?\w{0,3}[\"']?\W*\Z", re.I
)
"""A name and its value."""
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_WORD = re.compile(r"[^\W\d_]+(?:['\u2019]t)?")
_NAMED = re.compile(
    r"(?<![\w./-])[\w.-]*/[\w./-]*\.\w{1,5}\b(?::\d+)?|\b[\w-]+\.(?:py|js|ts|go|rs|java|rb|c|h|cpp|md|txt|log|json"
    r"|ya?ml|toml"
    r"|conf)\b(?::\d+)?"
    r"|(?<!\S)--?[a-z][\w-]+|`[^`\n]{0,80}`|(?<![:{,\[(]\s)(?<![:{,\[(])[\"'][\w.-]{1,60}[\"'](?!\s?[:,}\]])"
)
"""Files, options, quoted names: they say nothing."""


def side_of(text: str) -> Side:
    """Where the error that ``text`` tells of lies."""
    head = text[:HEAD_CHARS]
    outside, own = outside_points(head), own_points(head)
    if own < PLAIN and about_access(_spaced(head)):
        own = PLAIN
    least = SURE if len(head) > LONG_CHARS else ENOUGH if own else HINTED
    if outside > own and outside >= least:
        return Side.OUTSIDE
    return Side.OWN if own else Side.OPEN


def speaks_of_outage(head: str) -> bool:
    """Whether ``head`` plainly reports an outage, although nothing else says that it is an error."""
    if _SETTING.match(head):
        return False
    head = head[:HEAD_CHARS]
    outside = outside_points(head)
    if outside < (ENOUGH if len(head) <= CURT_CHARS else SURE) or (outside < MARKED and _GOES_ON.search(head)):
        return False
    return outside > own_points(head)


def is_outage(text: Text) -> bool:
    """Whether an error speaks of the network or of a service; only asked once it is known to be an error."""
    return side_of(core_of(text)) is Side.OUTSIDE


def core_of(text: Text) -> str:
    """The part of an error that says what is wrong: of a stack trace its last line, else its head."""
    head = text.head[:HEAD_CHARS]
    if "Traceback (most recent" in head:
        whole = (text.tail or text.head)[-HEAD_CHARS:].rstrip()
        return whole.rpartition("\n")[2]
    return head


@lru_cache(maxsize=256)
def outside_points(head: str) -> int:
    """How much speaks for an outage."""
    raw, spaced = head.lower(), _spaced(head)
    marks, worded = marks_of(raw, spaced), _worded(spaced)
    found = max(marks, worded) + (min(marks, worded) > 1)
    return found + beside(raw, spaced) if found else 0


@lru_cache(maxsize=256)
def own_points(head: str) -> int:
    """How much speaks for the agent's own fault."""
    spaced = _spaced(head)
    plain = plainly_own(spaced)
    return 4 * min(2, plain) if plain else 2 * perhaps_own(spaced)


@lru_cache(maxsize=16)
def _spaced(head: str) -> str:
    if "/" in head or "." in head or "'" in head or '"' in head or "`" in head or "-" in head:
        head = _NAMED.sub(" ", head)
    return _CAMEL.sub(" ", head).lower().replace("_", " ")


def _worded(text: str) -> int:
    """Points of the words of ``text``: a thing and what is wrong with it, near each other."""
    words = _WORD.findall(text, 0, 2_000)[:MOST_WORDS]
    sensed = [(at, found) for at, word in enumerate(words) if (found := senses_of(word))]
    strong = any(found & THING for _, found in sensed)
    best = passing = things = 0
    for index, (at, senses) in enumerate(sensed):
        if senses & OUTAGE:
            best = max(best, 3)
        passing += bool(senses & PASSING)
        things += bool(senses & (THING | OBJECT))
        for there, other in sensed[index + 1 : index + 1 + NEAR]:
            if there - at > NEAR:
                break
            best = max(best, _paired(senses, other, there - at), _paired(other, senses, there - at + 1))
            if there - at < NEAR and ((senses & NO and other & REACH) or (senses & REACH and other & NO)):
                best = max(best, 3 if strong else 1 + bool((senses | other) & REPLY))
    if not best:
        return int(passing >= 2)
    return best + min(2, passing) + (best > 2 and things > 1)


def _paired(thing: int, wrong: int, apart: int) -> int:
    """What a thing and what is wrong with it say together.

    "Error" stands in every error, and has to stand close by: "link failure", but not "error: the link".
    """
    if not wrong & (WRONG | AMISS) or not thing & (THING | OBJECT) or (wrong & GENERAL and apart > CLOSE):
        return 0
    return 1 + bool(thing & THING) + bool(wrong & WRONG)
