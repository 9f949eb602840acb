"""Where in a large text somebody may be speaking to a machine: found by its rarest words, at the speed of a search."""

from __future__ import annotations

import re
from itertools import islice

from watchdogd.core.detect import cue_words as lexis
from watchdogd.core.detect.cues import CUE_WORDS, TAG
from watchdogd.core.detect.lexicon import ACTS, SIDE_EFFECTS, Act

BEFORE, AFTER = 500, 900
"""Characters around such a word that are read: the sentences beside it tell what it is about."""
RARE = 12
"""Places up to which all of a word's are read; of a commoner one the first and the last few are."""
ENDS = 2
MOST_WINDOWS = 48
"""Stretches of one text that are read: those of the rarest words."""
MOST_WORDS = 40
"""Different words of either kind that are looked for."""
LONGEST_WORD = 60
_ASKING = frozenset(word for word, act in ACTS.items() if act & (SIDE_EFFECTS | Act.SAY))
_EDGES = ".,;:!?\"'()[]<>*`-#"
_SPACED = str.maketrans(dict.fromkeys(_EDGES.replace("'", "").replace("-", ""), " "))
_UNSPACED_FIRST = re.compile(f"[{''.join(sorted({stem[0] for stem, _ in lexis.UNSPACED_CUES}))}]")
MOST_BRACKETS = 100_000
"""Brackets of a text up to which each is looked at; a million of them cost a tenth of a second."""
MOST_TAGS = 2_000
"""Tags that are looked at."""


def cued_windows(text: str) -> list[str]:
    """The stretches of ``text`` around words that speak to a machine, in order, none twice."""
    places = sorted(_places(text))[:MOST_WINDOWS]
    spans: list[tuple[int, int]] = []
    for at in sorted(at for _, at in places):
        start, end = max(0, at - BEFORE), min(len(text), at + AFTER)
        if spans and start <= spans[-1][1]:
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((start, end))
    return [text[_edge(text, start) : end] for start, end in spans]


def _edge(text: str, at: int) -> int:
    """The beginning of the first whole word from ``at`` on."""
    if at == 0:
        return 0
    space = text.find(" ", at, at + 60)
    return at if space < 0 else space + 1


def _places(text: str) -> set[tuple[int, int]]:
    """(how common the word is, where it stands)."""
    low = text.lower()
    if len(low) != len(text):
        low = text  # a letter whose lower case is two: places would not be the same
    found: set[tuple[int, int]] = set()
    for word in _told(text, low):
        places: list[int] = []
        at = low.find(word)
        while at >= 0 and len(places) < RARE:
            places.append(at)
            at = low.find(word, at + len(word))
        if at >= 0:
            last = low.rfind(word)
            places = [*places[:ENDS], low.rfind(word, 0, last), last]
        common = len(places) if at < 0 else RARE
        found.update((common, place) for place in places if place >= 0)
    return found


def _marked(text: str) -> tuple[str, ...]:
    """Where markup is looked for: everywhere, but of a text full of brackets only at both ends."""
    if sum(map(text.count, "<[|")) <= MOST_BRACKETS:
        return (text,)
    return text[:MOST_BRACKETS], text[-MOST_BRACKETS:]


def _told(text: str, low: str) -> list[str]:
    """The words of ``text`` (in lower case: ``low``) that speak to a machine, are markup, or ask for an effect."""
    if low.isascii():
        words = set(low.translate(_SPACED).split())
    else:
        words = {word.strip(_EDGES) for word in set(low.split()) if len(word) < LONGEST_WORD}
    cued = list(words & CUE_WORDS)
    tags = {tag.group(0).lower() for part in _marked(text) for tag in islice(TAG.finditer(part), MOST_TAGS)}
    if _UNSPACED_FIRST.search(text):
        chars = set(text)  # one pass, where a search for each of the stems would be a hundred
        cued += [stem for stem, _ in lexis.UNSPACED_CUES if stem[0] in chars and stem in text]
    return [*sorted(cued)[:MOST_WORDS], *sorted(tags)[:MOST_WORDS], *sorted(words & _ASKING)[:MOST_WORDS]]
