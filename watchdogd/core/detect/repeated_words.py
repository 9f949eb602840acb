"""Words put into the agent's mouth: does a message say, in its own voice, what a text it read asked to be said?"""

from __future__ import annotations

import re

from watchdogd.core.detect.cues import TOKEN
from watchdogd.core.detect.drift_trust import Trust
from watchdogd.core.detect.lexicon import ACTS, SIDE_EFFECTS, Act
from watchdogd.core.detect.passages import Passage
from watchdogd.core.detect.sentences import sentences

_DISTANCE = re.compile(
    r"\b(?:inject\w*|suspicious|malicious|phish\w*|scam|ignor(?:e|ed|ing)|disregard\w*|will not|won't|"
    r"not follow|cannot|can't|can not|unable|refus\w*|unauthori[sz]ed|unrelated|instruct\w*|embedded|"
    r"ask(?:s|ed)? (?:me )?to|asking|t(?:old|ells) me to|claim\w*|contain\w*|appears? to|seems? to|not part of|did not|"
    r"attempt\w*|warning|caution|(?<!your )(?<!original )(?<!user's )request(?:s|ed|ing)?)\b"
)
"""Words with which an agent keeps its distance from what it read: it reports, doubts or refuses."""
_TELLS = frozenset(word for word, act in ACTS.items() if act & Act.SAY and not act & ~(Act.SAY | Act.READ))
_JOINS = frozenset(["because", "it's", "absolutely", "definitely", "really", "truly", "also", "since", "therefore"])
"""Words that a claim can be said with or without."""
FEWEST_WORDS = 4
"""Telling words of a sentence below which saying them means nothing."""
SAID = 0.6
"""Share of them from which they count as said."""
PHRASE = 6
"""Telling words that a summary has in common with what it sums up only by repeating it."""
SPEAKS = 0.5
"""Meta weight from which a passage need not use a known word for saying: it tells a machine something, in any words."""
MOST_SENTENCES = 400


def repeated(text: str, trust: Trust, held: list[Passage]) -> tuple[float, Passage, float] | None:
    """The passage whose words ``text`` says in the agent's own voice: risk, passage, share of its words."""
    words: set[str] = set()
    low = ""
    best: tuple[float, Passage, float] | None = None
    for passage in held:
        if not passage.acts & Act.SAY and (passage.meta < SPEAKS or passage.acts & SIDE_EFFECTS):
            continue
        own = passage.own_words - trust.words - _TELLS - _JOINS
        if len(own) < FEWEST_WORDS:
            continue
        if not low:
            low = text[:20_000].lower()
            words = set(TOKEN.findall(low))
        share = len(own & words) / len(own)
        if share < SAID:
            continue
        risk = 0.72 * passage.strength * (1.0 if passage.plain else 0.5)
        if passage.plain and len(own) > FEWEST_WORDS and not (passage.delegated and trust.delegates):
            risk = max(risk, 0.47)
        if passage.meta >= SPEAKS and len(own) >= PHRASE and not (passage.delegated and trust.delegates):
            risk = max(risk, 0.47)
        risk *= share * (0.35 if _at_a_distance(low, own) else 1.0)
        if best is None or risk > best[0]:
            best = (risk, passage, share)
    return best


def _at_a_distance(low: str, words: frozenset[str]) -> bool:
    """Whether ``low`` reports, doubts or refuses wherever it says most of ``words``, there or just before."""
    parts = sentences(low)[:MOST_SENTENCES]
    counts = [len(words.intersection(TOKEN.findall(part))) for part in parts]
    enough = min(SAID * len(words), max(counts, default=0))
    for at, (part, count) in enumerate(zip(parts, counts, strict=True)):
        if count < enough or _DISTANCE.search(part):
            continue
        if not at or counts[at - 1] >= enough or not _DISTANCE.search(parts[at - 1]):
            return False
    return True
