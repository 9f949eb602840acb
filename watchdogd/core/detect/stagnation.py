"""Different calls of one tool that all get one and the same answer."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar
from zlib import crc32

from watchdogd.core.detect.calls import Call
from watchdogd.core.detect.detector import NONE, Levels, graded, level
from watchdogd.core.detect.excerpts import tokens_of
from watchdogd.core.detect.failures import Fault
from watchdogd.core.detect.keys import text_key
from watchdogd.core.detect.manners import Effect
from watchdogd.core.detect.thresholds import Progress
from watchdogd.core.events import Event
from watchdogd.core.health import Channel, Finding, Severity

RULE = "progress/stagnation"
MOST_TOOLS = 32
"""Tools whose last answer is remembered."""
SPEAKING_TOKENS = 7
"""From so many words on an answer to a question says something."""
INFORMATIVE_TOKENS = 12
"""The same for acts with an effect: a shorter answer is an acknowledgement."""
LONG_TOKENS = 25
"""The same where the calls work through a list of files or items: batch work, whose acknowledgements can be wordy."""
RECENT, MOST_ASKED = 3, 16
"""Questions of which words are remembered, and of each at most so many."""
TELLING_TOKENS = 3
"""A shorter answer to a question in other words can be a verdict on an item ("ok", "cleared")."""
COMPARED_CHARS = 1_200
"""Of an answer, from its head."""

_NOTHING = re.compile(
    r"\A\W{0,4}(?:no|none|null|nil|not|nothing|empty|0|zero|without|n/a|undefined|\[\s*\]|\{\s*\})?\W{0,4}\Z"
    r"|\b(?:no|not|none|nothing|without|0|zero|empty|null|kein\w{0,2}|nicht\w?|aucune?|rien|nada|ning[uú]n\w?|nenhum\w?"
    r"|nessun\w?|niente|geen|niets|нет|ничего|не|unknown|unavailable)\b|n['’]t\b|没|无|無|ない|なし|없|\[\s*\]|\{\s*\}",
    re.IGNORECASE,
)
_NOTHING_AT_ALL = re.compile(
    r"\A\W{0,4}(?:\w{2,15}, |there (?:is|are|was|were) )?(?:no|none|nothing|0|null|nil)\b"
    r"|\A\s*(?:\[\s*\]|\{\s*\})\s*\Z",
    re.IGNORECASE,
)
_LISTED = re.compile(r"[/\\]|\w\.\w{1,5}\b|\w[_-]\d|#\d|\b[\w.-]+@[\w.-]+|\A(?:[^\W\d]\S*\d|\d+[^\W\d]|\d{3})\S*\Z")


_NOT_ITS_OWN = frozenset({Fault.OUTAGE, Fault.DENIED})


@dataclass(slots=True)
class Standstill:
    """One tool's answers."""

    mask: int
    """Key of the answer with what echoes the call taken out."""
    whole: int
    keys: list[int]
    seqs: list[int]
    turn: int
    count: int = 1
    """Different calls in a row that got it."""
    listed: int = 0
    """Those of them that work through a list of things (paths, numbered items)."""
    asked: tuple[tuple[int, ...], ...] = ()
    """Checksums of the words that the latest of them asked with."""
    akin: int = 0
    """Those of them that asked with a word of one shortly before: one question in other words, not item after item."""


@dataclass(slots=True)
class Standstills:
    """By tool."""

    tools: OrderedDict[str, Standstill] = field(default_factory=OrderedDict)
    levels: Levels = field(default_factory=Levels)
    risk: float = 0.0


@dataclass(frozen=True, slots=True)
class Stagnation:
    """Varied arguments, one answer. O(size of the compared head) per finished call."""

    thresholds: Progress
    name: ClassVar[str] = "stagnation"
    channel: ClassVar[Channel] = Channel.PROGRESS
    version: ClassVar[int] = 3
    kinds: ClassVar[frozenset[str]] = frozenset()

    def start(self) -> Standstills:
        """No call yet."""
        return Standstills()

    def step(self, state: Standstills, event: Event, call: Call | None) -> tuple[Standstills, tuple[Finding, ...]]:
        """The tools' answers after ``call``."""
        if call is None or call.fault in _NOT_ITS_OWN:
            return state, NONE
        tool = call.tool[:120]
        one, whole = state.tools.get(tool), call.whole
        state.risk = 0.0
        if one is None:
            state.tools[tool] = Standstill(
                _mask(call), whole, [call.key], [call.seq], call.turn, listed=_listed(call.words)
            )
            if len(state.tools) > MOST_TOOLS:
                state.tools.popitem(last=False)
            return state, NONE
        if whole == one.whole:
            same, mask = True, one.mask
        else:
            mask = _mask(call)
            same = mask == one.mask and mask != 0
        one.whole, one.mask = whole, mask
        if not same:
            found = state.levels.over(RULE, Channel.PROGRESS, key=tool, seq=event.seq) if one.count > 1 else NONE
            one.asked, one.akin = (), 0
            one.keys, one.seqs, one.count, one.turn = [call.key], [call.seq], 1, call.turn
            one.listed = _listed(call.words)
            return state, found
        if call.key in one.keys:
            return state, NONE  # the same call again is another rule's
        one.count += 1
        one.listed += _listed(call.words)
        _ask(one, call)
        one.keys = [*one.keys[-15:], call.key]
        one.seqs = [*one.seqs[-9:], call.seq]
        return state, self._seen(state, one, call, tool)

    def risk(self, state: Standstills) -> float:
        """How far the latest tool is on its way to the first level."""
        return state.risk

    def _seen(self, state: Standstills, one: Standstill, call: Call, tool: str) -> tuple[Finding, ...]:
        limits = self.thresholds
        if 2 * (call.turn - one.turn) >= one.count or _works_through(one, call):
            return NONE
        warn = limits.stagnation_content_warn if _content(one, call) else limits.stagnation_warn
        risk = graded(one.count, warn, limits.stagnation_crit)
        state.risk = min(0.5, risk)
        severity = level(one.count, warn, limits.stagnation_crit)
        if severity is Severity.OK:
            return NONE
        text = f"{tool}: {one.count} different calls in a row, one and the same answer"
        return state.levels.raised(RULE, Channel.PROGRESS, severity, risk, text, tuple(one.seqs), key=tool)


def _works_through(one: Standstill, call: Call) -> bool:
    """Whether this is batch work: a short answer to acts, or to a list of things, says only that they are done."""
    answer = call.text.head[:COMPARED_CHARS]
    tokens, listed = len(tokens_of(answer)), 2 * one.listed > one.count
    least = LONG_TOKENS if listed else INFORMATIVE_TOKENS if call.effect is Effect.WRITE else SPEAKING_TOKENS
    if tokens >= least:
        return False
    if not answer.strip():
        return True
    if call.effect is Effect.WRITE:
        return listed or not _NOTHING_AT_ALL.search(answer)
    asked_again = tokens >= TELLING_TOKENS and 2 * one.akin >= one.count
    return listed or not (asked_again or _NOTHING.search(answer))


def _ask(one: Standstill, call: Call) -> None:
    """Takes in the words of a question."""
    if call.effect is not Effect.READ:
        return
    asked = {
        crc32(word.lower().encode("utf-8", "surrogatepass"))
        for text in call.words
        if " " in text
        for word in text.split()
    }
    one.akin += not asked.isdisjoint(word for words in one.asked for word in words)
    one.asked = (*one.asked[1 - RECENT :], tuple(sorted(asked)[:MOST_ASKED]))


def _content(one: Standstill, call: Call) -> bool:
    """Whether the answer to questions says something, not only that there is nothing."""
    if call.effect is not Effect.READ or call.fault is not Fault.NONE:
        return False
    answer = call.text.head[:COMPARED_CHARS]
    tokens = len(tokens_of(answer))
    if tokens >= LONG_TOKENS:
        return True
    return tokens >= SPEAKING_TOKENS and not one.listed and not _NOTHING.search(answer)


def _listed(words: Sequence[str]) -> bool:
    """Whether the arguments name one of many things: a path, a numbered item, an address."""
    return any(_LISTED.search(one) for one in words)


def _mask(call: Call) -> int:
    """Key of the answer without the call's own words."""
    head = call.text.head[:COMPARED_CHARS]
    for word in call.words:
        if len(word) >= 2 and word in head:
            head = head.replace(word, "\x00")
    return text_key(head)
