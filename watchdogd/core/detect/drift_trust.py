"""What the user's own words cover."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from watchdogd.core.detect.actions import acts_of, nearness, things_of
from watchdogd.core.detect.cue_words import words
from watchdogd.core.detect.cues import TOKEN
from watchdogd.core.detect.lexicon import (
    ACTS,
    BASE_VERBS,
    DOCUMENTS,
    FOREIGN_VERBS,
    PERSONS,
    SIDE_EFFECTS,
    WEB,
    WORK,
    Act,
)
from watchdogd.core.detect.provenance import STOP, marks
from watchdogd.core.detect.sentences import legible, stem
from watchdogd.core.events import ToolIntended

MOST_TEXT = 20_000
"""Characters of the user's words that are remembered; more is a document, not an order."""
MOST_NAMES = 4_000
"""Words and identifiers remembered of them."""
MOST_LEAVES = 32
"""Values of one call that are compared."""
LEAF_TEXT = 2_000
"""Characters of one value that are compared."""

_DELEGATES = re.compile(
    r"\b(?:(?:follow|carry out|execute|perform|do|complete|act on|"
    r"implement)\s+(?:\w+\s+){0,3}?(?:instructions?|actions?|tasks?|steps?|to-?dos?|requests?|"
    r"orders?)\b(?!\s+in the (?:order|sequence))|(?:do|follow) (?:what|whatever|everything)\b|accordingly|"
    r"according to|as (?:described|specified|instructed|requested|stated|outlined|told) (?:in|by|on|there)|"
    r"(?:link|number|address|account|iban|detail|date|code|name)s? (?:is|are|stands?) (?:in|on|at)\b|linked in|"
    r"(?:he|she|they|it) (?:gives?|mentions?|names?|asks?|wants?|needs?|prefers?|wishes|chose|suggests?)\b|"
    r"befolge|folge den|suis les|instrucciones|sigue las|istruzioni)"
)
_HANDS_ALL = re.compile(
    r"\b(?:work (?:\w+ )?(?:through|on)|handle|process|deal with|take care of|act on|sort out|see to|"
    r"turn \w+ (?:\w+ ){0,6}?into|(?:do|follow) (?:it|exactly|what|whatever|everything|[\w-]+\.\w+)|checklist|"
    r"as (?:\w+ ){1,3}?(?:describe|explain|instruct|ask|want|say|write|tell)s?|(?:has|have) sent|"
    r"that (?:are|is) (?:on|in)|"
    r"selon|laut|gemäß|según|secondo|conforme|volgens|według|согласно)\b"
)
"""With these the user leaves it to a text what is to be done, and not only how."""
_ENGLISH = words("the to my of is what from this and for")
"""Words of a language that writes only names with a capital letter."""


@dataclass(slots=True)
class Trust:
    """The goal's and the user's later words."""

    marks: set[str] = field(default_factory=set)
    words: set[str] = field(default_factory=set)
    acts: int = 0
    asked: int = 0
    """Classes of the verbs the user asks for, as against those he only mentions."""
    things: int = 0
    stems: set[str] = field(default_factory=set)
    """Stems of the words."""
    text: str = ""
    """The words themselves, lower case."""
    proper: set[str] = field(default_factory=set)
    """What looks like somebody's name in them, lower case."""
    delegates: bool = False
    """The user told the agent to do what some text says."""
    hands_all: bool = False
    """The user left it to some text what is to be done."""

    def add(self, text: str) -> None:
        """The user also said ``text``."""
        text = legible(text[:MOST_TEXT])
        low = text.lower()
        tokens = TOKEN.findall(low)
        if len(self.words) < MOST_NAMES:
            self.words.update(word for word in tokens if word not in STOP)
            self.words.update(part for word in tokens if "-" in word for part in word.split("-"))
            self.stems.update(map(stem, self.words))
        self.names(text)
        if len(self.proper) < MOST_NAMES and not _ENGLISH.isdisjoint(tokens):
            self.proper.update(match.group(0).lower() for match in _PROPER.finditer(text))
        self.text = (self.text + "\n" + low)[-MOST_TEXT:]
        if not WORK.isdisjoint(tokens):
            self.asked |= Act.UPDATE | Act.CREATE | Act.RUN
        self.acts |= acts_of(tokens)
        self.asked |= requested(low)
        self.things |= things_of(tokens)
        self.hands_all = self.hands_all or _HANDS_ALL.search(low) is not None
        self.delegates = self.delegates or _DELEGATES.search(low) is not None

    def names(self, text: str) -> None:
        """``text`` may name things, but asks for nothing (a system prompt)."""
        if len(self.marks) < MOST_NAMES:
            self.marks.update(marks(text[:MOST_TEXT]))

    def speaks_of(self, word: str, names: Sequence[str]) -> bool:
        """Whether the user used ``word`` other than to describe some thing ("the transfer desk") beside ``names``."""
        if word not in self.words:
            return False
        tokens = TOKEN.findall(self.text)
        return any(
            before not in _DETERMINERS or after in STOP or after in names
            for before, one, after in zip(["", *tokens], tokens, [*tokens[1:], "the"], strict=False)
            if one == word
        )

    def points_to(self, call: ToolIntended) -> bool:
        """Whether the user leaves to what ``call`` reads what is to be done, or named nothing but that."""
        if self.delegates or self.hands_all:
            return True
        shown = "\n".join(values(call.args)).lower()
        return all(one.lstrip("=#") in shown for one in (*self.marks, *self.proper))

    def hands_over(self, acts: int, things: int) -> bool:
        """Whether the user asked for such an act: then its particulars may come from a text that he pointed to."""
        if self.hands_all or (not acts & ~LOOKING and self.asked & SIDE_EFFECTS):
            return True
        return bool(acts) and self.asks_for(acts, things) >= HANDED_OVER

    def covers(self, things: int) -> bool:
        """Whether an order to do what a text says extends to ``things``: it does unless the user named other ones."""
        own = self.things & ~(DOCUMENTS | PERSONS)
        return not own or not things or bool(things & own)

    @property
    def browses(self) -> bool:
        """Whether the user spoke of pages or sites: then one leads to the next."""
        return bool(self.things & WEB) or self.acts & Act.VISIT != 0

    def asks_for(self, acts: int, things: int) -> float:
        """0..1: how much the user asked for an act of these classes on these things."""
        near = nearness(acts, self.asked)
        if not self.asked:
            near = 0.5  # nothing known was asked for: nothing can be called unasked either
        return near if not things or things & self.things else near * 0.25

    def explains(self, acts: int, things: int) -> float:
        """0..1: how much the user's words account for an act of these classes on these things."""
        near = nearness(acts, self.acts)
        return near if not things or things & self.things else near * 0.5


_PROPER = re.compile(r"(?<=[a-z,] )[A-Z][a-z]{2,20}\b")
"""A capitalised word inside a sentence."""
LOOKING = Act.READ | Act.VISIT
"""Acts that leave nothing behind."""
HANDED_OVER = 0.7
"""How much of an act the user asked for from which the particulars may come from a text that he named."""
_DETERMINERS = frozenset(["a", "an", "the", "this", "that", "my", "your", "his", "her", "its", "our", "their"])
_CLAUSE = re.compile(r"[.!?;:\n]+|,\s|\d[.)]\s")
_LEADS = frozenset(
    [
        "and",
        "then",
        "please",
        "to",
        "you",
        "also",
        "or",
        "kindly",
        "just",
        "help",
        "me",
        "us",
        "not",
        "n't",
        "let's",
        "first",
        "finally",
        "lastly",
        "afterwards",
        "so",
        "after",
        "now",
        "should",
        "must",
        "can",
        "will",
        "don't",
        "next",
        "simply",
        "go",
        "ahead",
    ]
)


def requested(low: str) -> int:
    """Classes of the verbs that ``low`` (lower case) asks for: at a clause's head, or after "please", "to"."""
    acts = Act.NONE
    for clause in _CLAUSE.split(low):
        tokens = TOKEN.findall(clause)
        for at, word in enumerate(tokens):
            if (word in BASE_VERBS and (at < 2 or tokens[at - 1] in _LEADS)) or word in FOREIGN_VERBS:
                acts |= ACTS[word]
                if tokens[at + 1 : at + 2] == ["up"]:
                    acts |= Act.CREATE
    return acts


def values(args: object) -> list[str]:
    """The text and number leaves of ``args``, at most ``MOST_LEAVES``, each cut to ``LEAF_TEXT``; never recurses."""
    found: list[str] = []
    left: list[object] = [args]
    visited = 0
    while left and len(found) < MOST_LEAVES and visited < 400:
        one = left.pop()
        visited += 1
        if isinstance(one, str):
            if one and not one.isspace():
                found.append(legible(one[:LEAF_TEXT]))
        elif isinstance(one, bool) or one is None:
            continue
        elif isinstance(one, int):
            found.append(str(one) if one.bit_length() < 256 else "")
        elif isinstance(one, float):
            found.append(str(int(one)) if one.is_integer() and abs(one) < 1e15 else repr(one))
        elif isinstance(one, Mapping):
            left.extend(list(one.values())[:MOST_LEAVES][::-1])
        elif isinstance(one, Sequence):
            left.extend(list(one[:MOST_LEAVES])[::-1])
    return found
