"""What a text that was read asks for: its instruction-like passages, found in linear time whatever surrounds them."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from operator import itemgetter

from watchdogd.core.detect.cue_words import Cue
from watchdogd.core.detect.cued_windows import cued_windows
from watchdogd.core.detect.cues import CUE_WORDS, MARKUP_CHARS, TAG, TOKEN, Reading, is_record, meta, read
from watchdogd.core.detect.lexicon import ACTS, FOREIGN_VERBS, SIDE_EFFECTS, THINGS, Act
from watchdogd.core.detect.provenance import folded, marks
from watchdogd.core.detect.sentences import MAX_SENTENCE, legible, sentences, stem, stems, telling

LARGE = 24_000
"""Characters from which only the surroundings of words that speak to a machine are read."""

MOST = 48
"""Passages kept of one text: half of them the most promising, half those least like the rest."""

_ITEM = re.compile(r"\s{0,20}(?:\(?\d{1,3}[.)]|[-*•]|\d{1,4} ?\|)\s")
NAMES_SOMETHING = 0.3
"""What naming something adds to a passage's promise."""
_NAMES = re.compile(r"[@_\"“«「]|\d\d|www\.|://|'\w")
_TELLING = re.compile(r"@|://|www\.|\d{6}|\d_|_\w|[\"“«「]|'\w")
_ADDRESSED = re.compile(r"\w@\w|://|www\.|\d{6}")
"""What an act could be aimed at: an address, an account."""
SHORTEST = 3
"""Words from which a sentence that names nothing can want something."""
FEWEST_WORDS = 4
"""Words beside the address from which what is in no known language is taken to be a sentence."""
PLAINLY = 0.4
"""Meta weight of a sentence from which those behind it are heard too."""
BESIDE = 3
"""Sentences behind it: an order follows its announcement."""
SHORTEST_SAID = 5
"""Words of such a sentence that make it one."""
_WORD = re.compile(r"(?:^|\s)[^\W\d_]{2,}(?=[\s,;!?]|$)")

_HOT_VERBS = frozenset(word for word, act in ACTS.items() if act & SIDE_EFFECTS)
_HOT = CUE_WORDS | _HOT_VERBS | FOREIGN_VERBS | frozenset(THINGS)


@dataclass(slots=True)
class Passage:
    """A sentence that asks for something, with what stands around it."""

    seq: int
    """The event it was read in."""
    text: str
    """The sentence, cut: for the headline."""
    parts: tuple[tuple[str, bool], ...]
    """The sentence and the two after it but for items of a list, and whether each is speech too: only the words of
    speech are the passage's, not those of the text it was put into."""
    acts: int
    """Classes of the verbs it asks for (of all its verbs when it asks for none)."""
    things: int
    plain: float
    meta: float
    strength: float
    """0..1: how much it is an order to whoever reads it."""
    said: int
    """Classes of all its verbs."""
    delegated: bool
    """Whether the user told the agent to do what this text says."""
    only_behind: bool = False
    """Whether it was heard only for the sentence before it, which speaks to a machine."""
    promise: float = 0.0
    """How much it is worth remembering: its strength, whether it is to be said, and whether it names something."""
    telltale: float = 0.0
    """The part of it that is for naming something: by that it is found again where its whole text is kept."""
    named: dict[str, float] | None = None
    """Identifiers of the stretch, once somebody asked."""
    words: frozenset[str] | None = None
    """Telling words of the stretch, once somebody asked."""
    own: frozenset[str] | None = None
    """Telling words of the sentence alone, once somebody asked."""
    stemmed: frozenset[str] | None = None
    """The stems of its words and its numbers, once somebody asked."""

    @property
    def marks(self) -> dict[str, float]:
        """The identifiers of the sentence and of the two after it."""
        if self.named is None:
            first, *after = (part for part, _ in self.parts)
            whole = " ".join((first.strip(), *(part.strip() for part in after if not is_record(part))))
            self.named = marks(whole[: 2 * MAX_SENTENCE])
        return self.named

    @property
    def telling(self) -> frozenset[str]:
        """The telling words of what it says."""
        if self.words is None:
            self.words = telling(" ".join(part for part, speech in self.parts if speech)[: 2 * MAX_SENTENCE])
        return self.words

    @property
    def own_words(self) -> frozenset[str]:
        """The telling words of the sentence alone."""
        if self.own is None:
            self.own = telling(self.text)
        return self.own

    @property
    def stems(self) -> frozenset[str]:
        """The stems of the words of the sentence alone, and its numbers."""
        if self.stemmed is None:
            self.stemmed = stems(self.text)
        return self.stemmed

    @property
    def delegated_strength(self) -> float:
        """The same when the user wants what it says done: only what speaks to a machine still counts in full."""
        return 1.0 - (1.0 - 0.5 * self.plain) * (1.0 - self.meta)


def passages(text: str, seq: int, *, delegated: bool = False) -> list[Passage]:
    """The instruction-like passages of ``text``, at most ``MOST``."""
    return weighed(text, seq, delegated=delegated)[0]


def weighed(text: str, seq: int, *, delegated: bool = False) -> tuple[list[Passage], bool]:
    """The passages of ``text``, at most ``MOST``, and whether that is all of them.

    Of a large text only the surroundings of what speaks to a machine are read, the rarest words first.
    """
    text = legible(text)
    if len(text) <= LARGE:
        found = _passages(text, seq, delegated)
        if len(found) <= MOST:
            return found, True
    else:
        found = [one for window in cued_windows(text) for one in _passages(window, seq, delegated)]
    for one in found:
        one.promise -= one.telltale
    return strongest(found), False


def naming(text: str, seq: int, value: str, stems: frozenset[str], *, delegated: bool) -> list[Passage]:
    """The sentences of ``text`` that hold ``value`` and a word that a tool is called by (``stems``), in any words."""
    everything = sentences(text)
    found = []
    for at, sentence in enumerate(everything):
        low = sentence.lower()
        if value not in low or stems.isdisjoint(map(stem, TOKEN.findall(low))) or is_record(low):
            continue
        if not _asks(_heard(sentence), sentence):
            reading = read(low, TOKEN.findall(low), ascii_only=low.isascii(), tagged=False)
            found.append(_passage(everything, {at: reading}, reading, at, seq, delegated))
    return found


def strongest(found: list[Passage], most: int = MOST) -> list[Passage]:
    """At most ``most`` of ``found``: half of them the most promising, the others those that are least like the rest.

    So that no flood of one kind, however strong, drives out another.
    """
    if len(found) <= most:
        return found
    best = sorted(found, key=lambda one: -one.promise)
    sizes = Counter((one.acts, one.things) for one in best)
    turns = Counter[tuple[int, int]]()
    ranked: list[tuple[int, int, int]] = []
    for at, one in enumerate(best[most // 2 :], most // 2):
        kind = one.acts, one.things
        ranked.append((turns[kind], sizes[kind], at))
        turns[kind] += 1
    ranked.sort()
    return [*best[: most // 2], *(best[at] for _, _, at in ranked[: most - most // 2])]


def _passages(text: str, seq: int, delegated: bool) -> list[Passage]:
    everything = sentences(text)
    heard: dict[int, Reading] = {}
    for at, sentence in enumerate(everything):
        reading = _heard(sentence)
        if reading is not None:
            heard[at] = reading
    kept = {at: reading for at, reading in heard.items() if _asks(reading, everything[at])}
    behind = _behind(everything, heard, kept)
    return [
        _passage(everything, heard, reading, at, seq, delegated, only_behind=at in behind)
        for at, reading in sorted((kept | behind).items(), key=itemgetter(0))
    ]


def _asks(reading: Reading | None, sentence: str) -> bool:
    """Whether a sentence heard so asks for something, or names where an act could go."""
    return reading is not None and bool(
        reading.plain or reading.acts or reading.things or _ADDRESSED.search(sentence) is not None
    )


def _behind(everything: list[str], heard: dict[int, Reading], kept: dict[int, Reading]) -> dict[int, Reading]:
    """What stands right behind a sentence that plainly speaks to a machine, whatever its words."""
    found: dict[int, Reading] = {}
    for at, reading in heard.items():
        if meta(reading.cues & ~Cue.REQUEST) < PLAINLY:
            continue
        for beside in range(at + 1, min(at + 1 + BESIDE, len(everything))):
            low = everything[beside].lower()
            if beside in kept or beside in found or is_record(low):
                continue
            tokens = TOKEN.findall(low)
            if len(tokens) >= SHORTEST_SAID:
                found[beside] = heard.get(beside) or read(low, tokens, ascii_only=low.isascii(), tagged=False)
    return found


def _heard(sentence: str) -> Reading | None:
    low = sentence.lower()
    ascii_only = low.isascii()
    tagged = MARKUP_CHARS.search(sentence) is not None and TAG.search(sentence) is not None
    named = False
    if not ascii_only or not tagged:
        rough = low.split()
        cold = _HOT.isdisjoint(rough) and _HOT.isdisjoint([word.strip(_EDGES) for word in rough])
        if cold or len(rough) < SHORTEST:
            named = _ADDRESSED.search(sentence) is not None
            if ascii_only and not named and (cold or not _TELLING.search(sentence)):
                return None
    reading = read(low, TOKEN.findall(low), ascii_only=ascii_only, tagged=tagged)
    if reading.plain or reading.cues:
        return reading
    known = reading.acts & SIDE_EFFECTS or reading.things
    names = _NAMES.search(sentence) is not None if known else named and len(_WORD.findall(low)) >= FEWEST_WORDS
    return reading if names and not is_record(low) else None


_EDGES = ".,;:!?\"'()[]<>*`-#"


def _passage(
    everything: list[str],
    heard: dict[int, Reading],
    reading: Reading,
    at: int,
    seq: int,
    delegated: bool,
    *,
    only_behind: bool = False,
) -> Passage:
    cues, near = reading.cues, Cue.NONE
    for beside in range(max(0, at - 4), at + 5):
        if beside != at and beside in heard:
            near |= heard[beside].cues
    own = meta(cues & ~Cue.REQUEST)
    around = meta(near & ~cues & ~(Cue.REQUEST | Cue.INSTEAD | Cue.URGENT))
    plain = reading.plain
    speaks = 1.0 - (1.0 - own) * (1.0 - 0.85 * around)
    strength = 1.0 - (1.0 - plain) * (1.0 - speaks)
    telltale = NAMES_SOMETHING if any(_TELLING.search(one) for one in everything[at : at + 2]) else 0.0
    after = range(at + 1, min(at + 3, len(everything)))
    goes_on = [(everything[one], one in heard) for one in after if not _ITEM.match(everything[one])]
    return Passage(
        seq=seq,
        text=" ".join(everything[at].split())[:200],
        parts=((everything[at], True), *goes_on),
        acts=(reading.asked & ~Act.READ) or reading.asked or reading.acts,
        things=reading.things,
        plain=plain,
        meta=speaks,
        strength=strength,
        promise=strength + (1.0 if reading.asked & Act.SAY else telltale),
        telltale=0.0 if reading.asked & Act.SAY else telltale,
        said=reading.acts,
        delegated=delegated,
        only_behind=only_behind,
    )


def identity(text: str) -> str:
    """``text`` in the spelling in which echoes are recognised."""
    return folded(text)[:200]
