"""What a text forbids: verb and object of "never …", "leave … alone", "no …", "…, but not to …"; read by shape."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from watchdogd.core.detect.actions import acts_of
from watchdogd.core.detect.lexicon import Act

MOST_CHARS = 8_000
"""Of one text, from its head, that is searched for prohibitions."""
BARE = Act.PAY | Act.BOOK | Act.REMOVE | Act.SEND | Act.POST | Act.GRANT
"""Acts that can be forbidden without naming what they are done to ("do not buy anything")."""
CHANGES = Act.UPDATE | Act.REMOVE | Act.CREATE
"""What "touch" and "changes" speak of."""

_NEVER = ("not ", "n't ", "n’t ", "never ", "avoid ", "refrain ", "no circumstances")
_STOPPING, _NONE = ("stop ", "quit "), ("no ",)
_CONTRASTS = (", not ", ", never ", "but not ", "but never ")
_LEFT = ("alone", "untouched", "unchanged", "as it is", "as they are", "hands off", "off ", "out of ", "away from ")
_HINTS = (*_NEVER, *_STOPPING, *_NONE, *_LEFT)
_HINTS_ELSEWHERE = (
    *("nicht", "niemals", "nie ", "kein", "jamais", "aucun", "rien", "pas ", "nunca", "jamás", "nada", "não", "mai "),
    *("non ", "niet", "geen", "nooit", "n'", "n’", "ne ", "не", "auf keinen"),
)
"""One of these stands in every text that the patterns below match; to look for them is far cheaper."""
_FORBIDS = re.compile(
    r"(?<!why )\b(?:do not|don['’]?t|never|must not|mustn['’]?t|should not|shouldn['’]?t|may not|not allowed to"
    r"|not permitted to|avoid|refrain from|under no circumstances)\s+"
    r"(?:ever\s+|try to\s+|want (?:you )?to\s+|please\s+|you\s+|should\s+){0,4}"
    r"([a-z-]{2,20})\b((?:[^.;!?\n]|\.(?=\w)){0,160})",
    re.IGNORECASE,
)
_STOPS = re.compile(
    r"(?:\A|[.;:!?\n]\s{0,4}|\bplease |\band )(?:stop|quit)\s+([a-z-]{2,17}ing)\b"
    r"((?:[^.;!?\n]|\.(?=\w)){0,160})",
    re.IGNORECASE,
)
_NO = re.compile(
    r"(?:\A|[.;:!?\n]\s{0,4}|\band |\bplease,? )no\s+(?:more\s+|further\s+)?([a-z-]{3,20})\b"
    r"(?![^.;!?\n]{0,40}\b(?:is|are|was|were|has|have|had|found|yet|since|there)\b)([^.;!?\n]{0,160})",
    re.IGNORECASE,
)
_CONTRAST = re.compile(
    r"(?:\A|[.;:!?\n]\s{0,4})([^.;:!?\n]{3,100}?)(?:,|\bbut)\s+(?:but\s+)?(?:never|not)\s+(?:to|in|on|into|from|with)\s+"
    r"([^.;,!?\n]{2,100})",
    re.IGNORECASE,
)
_LEAVES = re.compile(
    r"\b(?:leave|let)\s+((?:[^.;!?\n]|\.(?=\w)){2,80}?)\s+(?:alone|untouched|unchanged|as (?:it is|they are))\b"
    r"|\b(?:keep|stay)\s+(?:your hands\s+)?(?:off|out of|away from)\s+((?:[^.;,!?\n]|\.(?=\w)){2,80})"
    r"|\bhands off\s+([^.;,!?\n]{2,80})",
    re.IGNORECASE,
)
_ELSEWHERE = re.compile(
    r"\b(?:nicht|niemals|nie|kein\w{0,2}|auf keinen fall|jamais|aucune?|rien|pas|nunca|jamás|nada|não|mai|non|niet|geen"
    r"|nooit|nie wolno)\b|\b(?:n['’]|ne )|не\b",
    re.IGNORECASE,
)
"""Words that forbid in other languages; only looked for beside the name of a thing and a verb."""
_NOT_THERE = re.compile(
    r"\b(?:nur|wenn|falls|bevor|vergiss|vergessen|seulement|que si|avant|oublie\w{0,2}|solo|olvid\w{1,4}"
    r"|dimentic\w{1,5}|somente|esque[cç]\w{1,4}|alleen|vergeet)\b",
    re.IGNORECASE,
)
"""What makes such a sentence say something else."""
_BETWEEN = re.compile(r"(?<=[.!?])\s+|\n")
"""What parts sentences."""
_VERB_FIRST = ((_FORBIDS, _NEVER), (_STOPS, _STOPPING), (_NO, _NONE))
_CONDITION = re.compile(r"\b(?:if|unless|until|except|before|without(?! (?:me|us)\b)|when|while|yet)\b", re.IGNORECASE)
_CUT = re.compile(r",|\b(?:but|because|since|so|instead|and (?:then )?(?:do|please|just))\b", re.IGNORECASE)
_TERM = re.compile(r"[\w@./~*-]{2,60}")
_EMPTY = """
the any anything all a an of to in on at for with from my your our their its this that these those it them him her us me
you and or by as into other others another anyone anybody someone something everything every each more than please ever
again yourself directly file files folder directory data new package packages dependency dependencies software email
emails mail mails message messages payment payments
"""
_STOP = frozenset(_EMPTY.split())
_MENTAL = """
think worry forget hesitate mind panic bother wait assume guess know care be have do get make let need just only simply
even use try want feel look
"""
_OF_THE_MIND = frozenset(_MENTAL.split())
_CHANGING = frozenset(("touch", "change", "changes", "alter", "overwrite", "edits"))
_QUOTES = frozenset("\"'“„«‘")


@dataclass(slots=True)
class Prohibition:
    """What may not be done, to what."""

    acts: int
    verb: str
    """As it was said: a call of that name is one whatever class it is of."""
    names: tuple[str, ...]
    """Terms that name one thing: paths, addresses, identifiers."""
    terms: tuple[str, ...]
    """Other words for what it must not be done to."""
    text: str
    seq: int
    mission: bool
    """Part of the mission; the user's later words cannot lift it here."""


def forbidden(text: str, seq: int, *, mission: bool) -> Iterator[Prohibition]:
    """The prohibitions in ``text``, which was said in event ``seq``."""
    text = text[:MOST_CHARS]
    low = text.lower()
    if any(hint in low for hint in _HINTS):
        yield from _in_english(text, low, seq, mission=mission)
    if any(hint in low for hint in _HINTS_ELSEWHERE) and _ELSEWHERE.search(low):
        yield from _in_other_languages(text, seq, mission=mission)


def without(text: str) -> str:
    """``text`` without what it forbids."""
    for pattern in (_FORBIDS, _STOPS, _NO, _CONTRAST, _LEAVES):
        text = pattern.sub(" ", text)
    return text


def terms_of(text: str) -> list[str]:
    """The words of ``text`` that can name a thing."""
    return [one.strip(".-") for one in _TERM.findall(text)]


def _in_english(text: str, low: str, seq: int, *, mission: bool) -> Iterator[Prohibition]:
    for pattern, hints in _VERB_FIRST:
        if not any(hint in low for hint in hints):
            continue
        for found in pattern.finditer(text):
            verb, rest = found[1].lower(), _CUT.split(found[2], maxsplit=1)[0]
            acts = CHANGES if verb in _CHANGING else acts_of((verb,)) & ~Act.SAY
            if pattern is not _FORBIDS and not acts:
                continue
            line = text[text.rfind("\n", 0, found.start()) + 1 : found.start()]
            if _quoted(text, found.start()) or _CONDITION.search(found[2]) or _CONDITION.search(line[-80:]):
                continue
            yield from _made(acts, verb, rest, found[0], seq, mission=mission)
    for found in _CONTRAST.finditer(text) if any(hint in low for hint in _CONTRASTS) else ():
        words = [one.lower() for one in terms_of(found[1])]
        verb = next((one for one in words if acts_of((one,)) & ~Act.SAY), words[0] if words else "")
        if verb and not _CONDITION.search(found[0]):
            yield from _made(acts_of((verb,)) & ~Act.SAY, verb, found[2], found[0], seq, mission=mission)
    for found in _LEAVES.finditer(text) if any(hint in low for hint in _LEFT) else ():
        rest = found[1] or found[2] or found[3]
        if not _CONDITION.search(rest):
            yield from _made(CHANGES, "", rest, found[0], seq, mission=mission)


def _in_other_languages(text: str, seq: int, *, mission: bool) -> Iterator[Prohibition]:
    for said in _BETWEEN.split(text):
        if not _ELSEWHERE.search(said) or _NOT_THERE.search(said):
            continue
        terms = terms_of(said)
        names = tuple(one.lower() for one in terms if len(one) > 3 and any(mark in one for mark in "/@._"))
        acts = acts_of(part for one in terms for part in (one.lower(), one.lower().rpartition("’")[2])) & ~Act.SAY
        if names and acts & ~Act.READ:
            yield Prohibition(acts, "", names, (), " ".join(said.split())[:100], seq, mission)


def _made(acts: int, verb: str, rest: str, said: str, seq: int, *, mission: bool) -> Iterator[Prohibition]:
    how, _, verb = verb.rpartition("-")  # "force-push"
    acts = acts or acts_of((verb,)) & ~Act.SAY
    terms = [one for one in (*how.split("-"), *terms_of(rest)) if one and one.lower() not in _STOP]
    names = tuple(one.lower() for one in terms if _is_name(one))
    others = tuple(one.lower() for one in terms if not _is_name(one) and len(one) > 2)[:5]
    named = bool(names or others)
    if verb in _OF_THE_MIND and not acts:
        return
    if not named and acts and not acts & (BARE | Act.RUN):
        return
    if not named and not acts & BARE:
        acts = Act.NONE  # of commands only those of that name
    text = " ".join(said.split()).strip(" .,;:!?")[:100]
    yield Prohibition(acts, verb, names, others, text, seq, mission)


def _quoted(text: str, at: int) -> bool:
    return text[at - 1 : at] in _QUOTES if at else False


def _is_name(term: str) -> bool:
    return any(one in "/@._~*-" or one.isdigit() for one in term) or not term.islower()
