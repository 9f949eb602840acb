"""An intended call as the rule sees it: what it does, and what of it goes beyond the user's words."""

from __future__ import annotations

import re
from dataclasses import dataclass

from watchdogd.core.detect.actions import PROGRAMS, acts_of, name_words, things_of
from watchdogd.core.detect.cue_words import words
from watchdogd.core.detect.drift_trust import LOOKING, MOST_LEAVES, Trust, values
from watchdogd.core.detect.lexicon import ACTS, LOCAL_THINGS, MONEY, Act
from watchdogd.core.detect.provenance import STOP, folded, marks
from watchdogd.core.detect.sentences import stem, stems, telling
from watchdogd.core.events import Impact, ToolIntended

_SHOWING = words("show display print present play")
PHRASE = 5
"""Words from which a value is a sentence."""
_REQUESTS = words("POST PUT PATCH DELETE")
"""HTTP's methods that change something, as a value by itself: what their paths name is no file here."""
_SEGMENT = re.compile(r"\.|::|__|/|:")
"""What parts a tool's name from that of its server or object."""
_IDENTIFIER = re.compile(r"[^\W\d_]{3,20}(?:_[^\W\d_]{2,20})?")
"""A value that can be a verb (with its object: ``set_temperature``)."""
_PARTS = re.compile(r"[-'’]")
LONG_LEAF = 400
"""Characters of one value whose words are compared with what a sentence says."""

_LOCAL_ACTS = Act.CREATE | Act.UPDATE | Act.RUN | Act.READ | Act.VISIT


@dataclass(frozen=True, slots=True)
class Leaf:
    """One value of a call: what of it the user did not say."""

    text: str
    marks: dict[str, float]
    words: frozenset[str]
    weight: float
    """How telling it is (0..1)."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A call as the rule sees it."""

    acts: int
    things: int
    names: frozenset[str]
    """The words of the tool's name that say something."""
    spoken: bool
    """Where no class of acts is known: whether the user used the first of them, which is what he asked for then."""
    foreign: tuple[Leaf, ...]
    """Values the user did not say."""
    named: bool
    """Whether it names something the user named."""
    tied: bool
    """Whether any value has something telling in common with the user's words."""
    effect: bool
    """Whether it changes something."""
    local: bool
    """Whether it only works on files or runs programs where the agent stands."""
    address: bool
    """Whether a foreign value is an address outside (a URL, a mail address)."""
    outward: bool
    """Whether a foreign value is a place that even a reading call sends something to (a URL)."""
    verbs: frozenset[str]
    """Stems of the words of the tool's name, and of values of one word: ``service: unlock``, ``state: closed``."""
    stems: frozenset[str]
    """Stems of all words the user did not say."""


def asked(call: ToolIntended, trust: Trust) -> Asked:
    """What ``call`` wants, beside what ``trust`` covers."""
    names = name_words(call.tool)
    act_names = [one for one in name_words(_SEGMENT.split(call.tool)[-1]) if one != "call"]  # callX: any act at all
    acts, things = acts_of(act_names) or acts_of(one for one in names if one != "call"), things_of(names)
    if acts & Act.SEND and things & MONEY:
        acts |= Act.PAY
    if not acts and any(PROGRAMS.get(one, Act.NONE) & Act.RUN for one in names):
        acts = Act.RUN
    told = values(call.args)
    if not acts & ~Act.RUN:
        acts = acts_of(word for text in told if _IDENTIFIER.fullmatch(text) for word in name_words(text)) or acts
    foreign: list[Leaf] = []
    named = address = outward = tied = False
    for text in told:
        if acts & Act.RUN or not acts:
            acts |= _programs(text)
        found = _marks(text)
        if len(text) > 2 and text.lower() in trust.text:
            named = tied = True
            continue
        beyond = {mark: weight for mark, weight in found.items() if mark not in trust.marks}
        named = named or len(beyond) < len(found)
        every = telling(text)
        beyond_user = every - trust.words
        tied = tied or any(found[mark] >= 0.45 for mark in found.keys() - beyond.keys())
        tied = tied or any(not word[0].isdigit() and word not in ACTS for word in every - beyond_user)
        if beyond or beyond_user:
            weight = max(max(beyond.values(), default=0.0), min(0.8, 0.3 + 0.1 * len(beyond_user)))
            foreign.append(Leaf(text=text, marks=beyond, words=beyond_user, weight=weight))
            address = address or any(one >= 1.0 and "." in mark for mark, one in beyond.items())
            outward = outward or any(one >= 1.0 and "." in mark and "@" not in mark for mark, one in beyond.items())
    reads = (bool(names) and names[0] != "call" and bool(acts_of((act_names or names)[:1]) & LOOKING)) or (
        bool(acts) and not acts & ~LOOKING
    )
    effect = call.impact is not Impact.READ if call.impact is not None else not reads
    if acts & Act.CREATE and acts & Act.SEND and _on_files(call, things):
        acts &= ~Act.SEND
    if not effect and not _SHOWING.isdisjoint(names) and any(len(leaf.words) >= PHRASE for leaf in foreign):
        effect = True  # what it shows is told to somebody
    here = bool(things & LOCAL_THINGS or acts & Act.RUN or _on_files(call, things))
    local = here and _REQUESTS.isdisjoint(told) and not acts & ~_LOCAL_ACTS and not things & ~LOCAL_THINGS
    verbs = {stem(word) for word in names if len(word) > 2 and word not in STOP}
    done: set[str] = set()
    for leaf in foreign:
        parts = stems(_PARTS.sub(" ", leaf.text[:LONG_LEAF]))
        done |= parts | stems(leaf.text[:LONG_LEAF])
        if _IDENTIFIER.fullmatch(leaf.text) and not leaf.text.istitle():
            verbs |= parts
    return Asked(
        acts=acts,
        things=things,
        names=frozenset(word for word in names if len(word) > 2 and word not in STOP),
        spoken=bool(names) and not acts and trust.speaks_of(names[0], names),
        foreign=tuple(foreign),
        named=named,
        tied=tied,
        effect=effect,
        local=local,
        address=address,
        outward=outward,
        verbs=frozenset(verbs),
        stems=frozenset(done),
    )


def _on_files(call: ToolIntended, things: int) -> bool:
    """Whether "write" means a file here: by the tool's name, or by the names of its arguments."""
    if things:
        return not things & ~LOCAL_THINGS
    return bool(
        things_of([word for name in list(call.args)[:MOST_LEAVES] for word in name_words(str(name))]) & LOCAL_THINGS
    )


def _marks(text: str) -> dict[str, float]:
    found = marks(text)
    whole = folded(text) if len(text) <= 160 else ""
    if len(whole) == 1 and whole.isdigit():
        found.setdefault(f"#{whole}", 0.1)
    elif whole and whole.replace(".", "").isdigit():
        found.setdefault(f"#{whole}", 0.25)
        found.setdefault(f"={whole}", 0.5)
    elif whole and len(whole) > 1:
        found.setdefault(f"={whole}", 0.8 if " " in whole else 0.5)
    return found


def _programs(text: str) -> int:
    """What a command line does, by the programs it names."""
    found = Act.NONE
    for word in text[:400].replace("|", " ").replace(";", " ").split():
        found |= PROGRAMS.get(word.rsplit("/", 1)[-1], Act.NONE)
    return found
