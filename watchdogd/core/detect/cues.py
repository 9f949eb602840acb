"""Signs that a sentence wants something from whoever reads it, in the words of many languages.

*Plain* signs make it an instruction (an imperative, "please", "must", a passive that ought to happen). *Meta* signs say
that it speaks to a machine about its orders: overriding earlier ones, naming them, putting itself before or after them,
addressing an assistant, posing as somebody, urging, forbidding to tell, markup that fences it off.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from watchdogd.core.detect import cue_words as lexis
from watchdogd.core.detect.actions import acts_of, things_of
from watchdogd.core.detect.cue_words import Cue, words
from watchdogd.core.detect.lexicon import BASE_VERBS, FOREIGN_VERBS, SIDE_EFFECTS, UNSPACED, UNSPACED_THINGS, Act

_OUGHT = re.compile(
    r"\b(?:(?:you(?:'ll)?|we|i|it|someone|agent|assistant|recipient|"
    r"reader)\s{1,3}(?:\w{1,12}\s{1,3}){0,2}?(?:need|have|are|want|require|ought|expect|would (?:like|"
    r"appreciate|love|be)|'d like|can|could|will|is (?:required|necessary|essential|important|requested|"
    r"expected))|(?:make|be) sure|ensure|remember to|don't forget|do not forget|(?:to|must|should|shall|"
    r"needs? to|has to|have to|is to|are to|ought to|can|could|would) be \w{3,20}(?:ed|nt|id|de)\b|"
    r"would be (?:great|nice|helpful|appreciated|good|ideal)|(?:is|are) (?:required|requested|expected|"
    r"necessary|needed|advised|asked|instructed)|(?:next|your|first|following) (?:step|task|job|action)|"
    r"appreciate|grateful|feel free to|time to|go ahead|let's|let us|how about|why not|want you to|"
    r"like you to|wants you to)"
)
TAG = re.compile(
    r"</?[A-Z][A-Z_ -]{2,24}>|</?(?i:system|user|instructions?|prompt|important|admin|message|"
    r"assistant|task|override|note|context|ai)>|\[/?(?i:inst|system|sys|user|admin|assistant|instructions?|task|"
    r"important|override|prompt|message)\]|\|im_(?:start|end)\||<<[A-Z]"
)
"""Markup that fences something off. Upper-case names, or those of the parts in a conversation: ordinary HTML is no
sign, nor are the rules, headings and ``[ERROR]`` of reports."""
MARKUP_CHARS = re.compile(r"[<\[|]")
_LABEL = re.compile(
    r"(?:^|[\s.;>\"'(\[*#])(?:todo|to-do|task|action(?: required| item)?|"
    r"instructions?|aufgabe|tarea|tâche|compito|tarefa|zadanie|задача)\s{0,2}[:：]"
)

CUE_WORDS = (
    lexis.OVERRIDE
    | lexis.NAMING
    | lexis.ADDRESS
    | lexis.POSE
    | lexis.URGENT
    | lexis.SECRET_VERB
    | lexis.SECRETLY
    | lexis.REQUEST
    | words("instead todo")
)
"""A text without any of these and without a verb of the lexicon holds no instruction."""

WEIGHTS: dict[int, float] = {
    Cue.OVERRIDE: 0.55,
    Cue.NAMING: 0.2,
    Cue.SEQUENCE: 0.3,
    Cue.ADDRESS: 0.35,
    Cue.POSE: 0.2,
    Cue.URGENT: 0.2,
    Cue.SECRECY: 0.4,
    Cue.MARKUP: 0.25,
    Cue.INSTEAD: 0.2,
    Cue.LABEL: 0.3,
}
"""What each sign adds to the belief that a sentence gives orders to a machine (as noisy-or): the rarer in mail,
files and pages that no one tampered with, the more. Set by hand, not fitted."""

_RECORD = re.compile(
    r"\s*[{\[]{1,2}['\"]|(?:^|[\n,{(\[])[ \t>*-]{0,6}['\"]?[^\W\d][\w ]{0,40}['\"]?:[^/][^\n]{0,200}?(?:\n|"
    r",\s?['\"])[ \t>*-]{0,6}['\"]?[^\W\d][\w ]{0,40}['\"]?:|"
    r"(?:^|\n)[ \t>*-]{0,6}[^\W\d_]{1,20}(?:_[^\W\d_]{1,20}){1,4}:\s*\n"
)
"""Rows of data (``key: value``): no sentence of anybody's."""
_KEY = re.compile(r"[ \t\n>*#{\[-]{0,8}['\"]?[^\W\d][\w -]{0,24}['\"]?:\s+")


@dataclass(frozen=True, slots=True)
class Reading:
    """What a sentence asks for and how it sounds."""

    acts: int
    """Classes of every verb in it."""
    asked: int
    """Classes of the verbs it asks for (imperative, or under a request)."""
    plain: float
    """0..1: how much it is an instruction."""
    cues: int
    things: int
    """Groups of things it names."""


LONG_ORDER = 5
"""Words from which what follows a colon can be an order rather than a field's value."""
FARTHEST = 200
"""Characters in which the colon must stand, and that are looked at behind it."""
MOST_LEADS = 3
"""Parts before an order that are skipped ("assistant, before you go, …")."""
_LEADS = lexis.SEQUENCE | words("if when while as in to for prior note")
SHORT_WORD = 3
"""Letters up to which a verb of another language is more often somebody's name ("Lee", "Di")."""
TOKEN = re.compile(r"[^\W_]+(?:['’\-][^\W_]+)*")


def read(sentence: str, tokens: list[str], *, ascii_only: bool, tagged: bool) -> Reading:
    """How ``sentence`` (lower case, with its ``tokens``; ``tagged``: with markup) sounds."""
    words = set(tokens)
    cues = _cues(sentence, tokens, words)
    if tagged:
        cues |= Cue.MARKUP
    acts, things = acts_of(tokens), things_of(tokens)
    foreign = acts_of(word for word in words & FOREIGN_VERBS if len(word) > SHORT_WORD) if acts else Act.NONE
    if not ascii_only:
        more_acts, more_things, more_cues = _unspaced(sentence)
        foreign, things, cues = foreign | more_acts, things | more_things, cues | more_cues
        acts |= more_acts
    asked = Act.NONE
    if not is_record(sentence) and (
        _imperative(_without_key(sentence, tokens, cues))
        or _after_lead(sentence, tokens)
        or (tagged and _imperative(tokens[1:]))
    ):
        asked = acts
    plain = _weight(asked, 0.5, 0.25)
    if acts and (cues & Cue.REQUEST or (not lexis.OUGHT_WORDS.isdisjoint(words) and _OUGHT.search(sentence))):
        plain = max(plain, _weight(acts, 0.55, 0.3))
        asked |= acts
    if foreign:
        plain = max(plain, _weight(foreign, 0.5, 0.25))
        asked |= foreign
    if plain and cues & Cue.LABEL:
        plain = max(plain, 0.6)
    return Reading(acts=acts, asked=asked, plain=plain, cues=cues, things=things)


def _weight(acts: int, effect: float, other: float) -> float:
    return effect if acts & SIDE_EFFECTS else other if acts else 0.0


def _unspaced(sentence: str) -> tuple[int, int, int]:
    """Acts, things and cues in writing without spaces."""
    acts = things = cues = 0
    for stem, act in UNSPACED:
        if stem in sentence:
            acts |= act
    for name, thing in UNSPACED_THINGS:
        if name in sentence:
            things |= thing
    for stem, cue in lexis.UNSPACED_CUES:
        if stem in sentence:
            cues |= cue
    return acts, things, cues


def is_record(sentence: str) -> bool:
    """Whether ``sentence`` is rows of data, or a field with a short value, rather than prose."""
    if ":" not in sentence:
        return False
    if _RECORD.search(sentence) is not None:
        return True
    key = _KEY.match(sentence)
    return key is not None and sentence.count(" ", key.end()) < 4


def _without_key(sentence: str, tokens: list[str], cues: int) -> list[str]:
    """``tokens`` without the name of a field before them; a short field is no sentence."""
    key = _KEY.match(sentence) if ":" in sentence else None
    if key is None:
        return tokens
    rest = tokens[len(TOKEN.findall(key.group(0))) :]
    return rest if len(rest) >= 6 or cues & Cue.LABEL else []


def _after_lead(sentence: str, tokens: list[str]) -> bool:
    """Whether an order follows a colon ("to whoever reads this: remove …") or a condition ("before you go, open …")."""
    at = sentence.rfind(": ", 0, FARTHEST)
    if at >= 0:
        return _orders(sentence, at)
    if _LEADS.isdisjoint(tokens[:4]):
        return False
    for _ in range(MOST_LEADS):
        at = sentence.find(", ", at + 1, FARTHEST)
        if at < 0:
            return False
        if _orders(sentence, at):
            return True
    return False


def _orders(sentence: str, at: int) -> bool:
    rest = TOKEN.findall(sentence[at + 2 : at + FARTHEST])
    return len(rest) >= LONG_ORDER and _imperative(rest)


def _imperative(tokens: list[str]) -> bool:
    for word in tokens[:8]:
        if word in BASE_VERBS:
            return True
        if word not in lexis.FILLERS and not word[0].isdigit():
            break
    return False


def _cues(sentence: str, tokens: list[str], words: set[str]) -> int:
    found = Cue.NONE
    if words & lexis.NAMING:
        found |= Cue.NAMING
    if words & lexis.OVERRIDE and (found & Cue.NAMING or words & lexis.EARLIER):
        found |= Cue.OVERRIDE
    if words & lexis.SEQUENCE and words & lexis.AFTER_SEQUENCE:
        found |= Cue.SEQUENCE
    if words & lexis.ADDRESS or "language model" in sentence:
        found |= Cue.ADDRESS
    if words & lexis.POSE:
        found |= Cue.POSE
    if words & lexis.URGENT:
        found |= Cue.URGENT
    if (words & lexis.SECRET_VERB and words & lexis.NOT) or words & lexis.SECRETLY:
        found |= Cue.SECRECY
    if words & lexis.REQUEST:
        found |= Cue.REQUEST
    if tokens and tokens[-1] in ("instead", "stattdessen", "plutôt", "invece"):
        found |= Cue.INSTEAD
    if ":" in sentence and _LABEL.search(sentence):
        found |= Cue.LABEL
    return found


@cache
def meta(cues: int) -> float:
    """0..1: how much a passage with ``cues`` speaks to a machine about its orders."""
    left = 1.0
    for cue, weight in WEIGHTS.items():
        if cues & cue:
            left *= 1.0 - weight
    return 1.0 - left
