"""How an act fits what was read: where its values come from, whether verb and thing are those that were asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from watchdogd.core.detect.actions import nearness
from watchdogd.core.detect.drift_trust import Trust
from watchdogd.core.detect.intended import PHRASE, Asked, Leaf
from watchdogd.core.detect.passages import Passage
from watchdogd.core.detect.sentences import stem

FAINT = 0.2
"""Passages weaker than this are not kept: nothing in them asks for anything."""
LONG_WORD = 8
"""Letters from which a word that is a whole value is no accident."""
LEADS = 0.5
"""Meta weight from which a passage is taken to lead an agent to look something up."""
LED = 0.45
"""Share of such a passage's strength that is the risk of looking up what it alone names."""
NOTHING_SHARED = 0.14
"""Risk below which an act that takes no value from a passage says nothing."""
VALUELESS = 0.35
"""The most that verb and thing together make of a passage's strength where no value is shared."""
FOREIGN_WORDS = 0.6
"""How well an act is taken to fit a sentence with an address of which no word is known: it may be any language."""
LOCAL_AT_MOST = 0.32
"""Risk of an edit or a command that names an address from a plain instruction: readme files are full of them, so that
it deserves a WARN and no more."""
LOCAL_UNNAMED = 0.29
"""The same where it names none: what a report or a readme says about a file is what the work is about."""
LOOKED_UP = 0.42
"""Risk of only looking something up by a value that a passage names: the first step of obeying it, and harmless."""
HANDED_OVER = 0.31
"""Risk of an act the user asked for whose particulars come from a plain text that he pointed to and named none himself
("pay the bill in my mail"): nothing tells it from such a text that was tampered with, so that it deserves a WARN."""
FEWEST_ENACTED, MOST_ENACTED = 2, 14
"""Words of a sentence, beyond the user's, that can be enacted."""
ENACTED = 0.55
"""Risk of a call that does all that a sentence says which speaks to nobody in particular."""
SENT_OFF = 0.5
"""Strength of a plain order to open an address where the user spoke of no page: a request is an effect out there."""
SPOKEN = 0.3
"""Meta weight from which a passage speaks to a machine: a single weak sign (a "required" or "user" nearby) does not."""
LONG_VALUE = 12
"""Words from which a value is prose of the agent's own, whose words may well be those of a plain sentence it read."""
_NOTHING: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Match:
    """How an act fits a passage."""

    risk: float
    passage: Passage
    value: float
    """0..1: how much of what the user did not say is found in the passage."""
    shown: str
    """The most telling value that was found there."""


def best_match(call: Asked, trust: Trust, held: Sequence[Passage], own: Mapping[str, int]) -> Match | None:
    """The passage that ``call`` most likely obeys, and how likely; None when nothing in it can come from one.

    ``own`` are the values the agent had named by itself, with the event: what was read later is not their source.
    """
    if not call.effect and not call.address:
        return _reading(call, held)
    best: Match | None = None
    highest = 0.0
    act = _Act(
        explained=trust.explains(call.acts, call.things),
        handed_over=trust.hands_over(call.acts, call.things),
        sent_off=call.outward and not call.effect and not trust.browses,
        total=sum(leaf.weight for leaf in call.foreign),
    )
    keys = {key for leaf in call.foreign for key in (*leaf.marks, *leaf.words)}
    named: dict[int, frozenset[str]] = {}
    for passage in held:
        shared = not (keys.isdisjoint(passage.telling) and keys.isdisjoint(passage.marks))
        if not shared and VALUELESS * passage.strength <= max(highest, FAINT):
            continue
        before = _NOTHING
        if own and (before := named.get(passage.seq, _NOTHING)) is _NOTHING:
            before = named[passage.seq] = frozenset(key for key, at in own.items() if at < passage.seq)
        one = _match(call, trust, passage, act, before, shared=shared)
        if best is None or one.risk > highest:
            best, highest = one, one.risk
    return best


@dataclass(frozen=True, slots=True)
class _Act:
    """What is the same for every passage that a call is compared with."""

    explained: float
    handed_over: bool
    sent_off: bool
    total: float


def _match(call: Asked, trust: Trust, passage: Passage, act: _Act, before: frozenset[str], *, shared: bool) -> Match:
    verb, thing = _fit(call, passage)
    value, shown = 0.0, ""
    if shared:
        value, shown = _value(call, passage, act.total, before, fitting=verb >= 0.7 and thing > 0)
    match = 0.65 * value + 0.2 * verb + 0.15 * thing
    if not call.effect and value < 0.9:
        match *= 0.35
    delegated = passage.delegated and trust.delegates and trust.covers(call.things)
    risk = _strength(passage, delegated=delegated, sent_off=act.sent_off and value >= 0.9) * match
    risk *= 1.0 - 0.5 * act.explained * (1.0 - passage.meta)
    if call.effect and not delegated:
        if value >= 0.4:
            risk = max(risk, _unasked(call, trust, passage, value, thing))
        risk = max(risk, _enacted(call, trust, passage, before))
    risk = _capped(risk, call, trust, passage, act)
    if not value and risk < NOTHING_SHARED:
        risk = 0.0
    return Match(risk=risk, passage=passage, value=value, shown=shown)


def _strength(passage: Passage, *, delegated: bool, sent_off: bool) -> float:
    strength = passage.delegated_strength if delegated else passage.strength
    if not passage.plain:
        return strength * 0.6
    if sent_off and not delegated:
        return max(strength, 1.0 - (1.0 - SENT_OFF) * (1.0 - passage.meta))
    return strength


def _capped(risk: float, call: Asked, trust: Trust, passage: Passage, act: _Act) -> float:
    """``risk``, where what is done is usual or harmless."""
    if not call.effect and not call.outward:
        risk = min(risk, LOOKED_UP)
    if passage.meta >= SPOKEN:
        return risk
    if passage.delegated and not trust.delegates and act.handed_over:
        risk = min(risk, HANDED_OVER)
    if call.local:
        return min(risk, LOCAL_AT_MOST) if call.address else min(0.6 * risk, LOCAL_UNNAMED)
    return risk


def _fit(call: Asked, passage: Passage) -> tuple[float, float]:
    """How well verb and thing of ``call`` fit the passage; by the words of the tool's name where no verb is known."""
    thing = 1.0 if call.things & passage.things else 0.0 if call.things else 0.5
    if call.acts:
        return nearness(call.acts, passage.acts), thing
    named = len(call.names & passage.telling)
    return float(named > 0), 1.0 if named > 1 else thing


def _unasked(call: Asked, trust: Trust, passage: Passage, value: float, thing: float) -> float:
    """Risk of an effect that the user did not ask for and whose values come from prose that was read.

    Needs no wrapper, no imperative, no known language: 95 % of the effects in benign recordings are asked for by verb
    or by thing.
    """
    verb = nearness(call.acts, passage.said | passage.acts)
    unasked = 1.0 - trust.asks_for(call.acts, call.things)
    if not call.acts:
        verb, unasked = float(not call.names.isdisjoint(passage.telling)), float(not call.spoken)
    fits = max(verb, (0.8 if passage.plain or passage.said else 0.65) * thing)
    if not passage.said and not passage.things:
        fits = max(fits, FOREIGN_WORDS)
    untied = 0.6 if not call.tied and value >= 0.7 and not (call.spoken and not call.acts) else 0.0
    return max(0.8 * unasked, untied) * value * fits


def _enacted(call: Asked, trust: Trust, passage: Passage, before: frozenset[str]) -> float:
    """Risk of a call that does, word for word, what a sentence says: nearly all that it says beyond the user's words.

    Knows no word of any language: the verb stands in the tool's name or in a value, the rest in the values.
    """
    if call.verbs.isdisjoint(passage.stems):
        return 0.0
    said = passage.stems - trust.stems
    if not FEWEST_ENACTED <= len(said) <= MOST_ENACTED:
        return 0.0
    done = said & (call.verbs | call.stems)
    if before:
        done -= {stem(one) for one in before}
    if len(done) < FEWEST_ENACTED or done.isdisjoint(call.verbs) or done.isdisjoint(call.stems):
        return 0.0
    asked_for = float(call.spoken) if not call.acts else trust.asks_for(call.acts, call.things) if trust.asked else 0.0
    return (ENACTED + (1.0 - ENACTED) * passage.meta) * (1.0 - asked_for * (1.0 - passage.meta)) * len(done) / len(said)


def _reading(call: Asked, held: Sequence[Passage]) -> Match | None:
    """A call that only looks leaves nothing behind.

    Looking up what only a passage names that speaks to a machine is the first step of obeying it.
    """
    if not call.foreign or call.tied or call.named:
        return None
    best: Match | None = None
    for passage in held:
        if not (passage.plain and passage.meta >= LEADS and call.things & passage.things):
            continue
        risk = LED * passage.strength
        if (best is None or risk > best.risk) and all(_stands_in(leaf, passage) for leaf in call.foreign):
            best = Match(risk=risk, passage=passage, value=0.0, shown="")
    return best


def _stands_in(leaf: Leaf, passage: Passage) -> bool:
    return bool(leaf.words) and leaf.words <= passage.telling


def _value(call: Asked, passage: Passage, total: float, before: frozenset[str], *, fitting: bool) -> tuple[float, str]:
    """How much of the call's foreign values the passage holds (0..1), and the most telling of them.

    Those ``before`` it were the agent's own when the passage was read.
    """
    strong, weak, hit = 0.0, 1.0, 0.0
    shown = ""
    marks, words = passage.marks, passage.telling
    if passage.only_behind and call.verbs.isdisjoint(passage.stems):
        return 0.0, ""
    for leaf in call.foreign:
        got = max((weight for mark, weight in leaf.marks.items() if mark in marks and mark not in before), default=0.0)
        common = (leaf.words & words) - before
        if len(leaf.words) > PHRASE and not passage.plain and not passage.said:
            common = _NOTHING  # what a text tells beside an order is what summaries of it are made of
        if common:
            share = len(common) / len(leaf.words)
            known = 0.9 if len(common) >= 3 else 0.7 if len(common) == 2 else _single(leaf)
            got = max(
                got,
                share
                * known
                * (0.5 if len(leaf.words) > LONG_VALUE and (passage.meta < 0.15 or not call.acts) else 1.0),
            )
        if got >= 0.2:
            hit += leaf.weight
            weak *= 1.0 - got
            if got > strong:
                strong, shown = got, leaf.text[:60]
    covered = hit / total if total else 0.0
    value = (1.0 - weak) * (0.5 + 0.5 * covered if fitting else covered)
    if strong >= 0.7:
        value = max(value, strong)
    if covered >= 0.999 and strong >= (0.3 if fitting else 0.5):
        value = max(value, 0.92 if fitting and strong >= 0.5 else 0.8)
    return value, shown


def _single(leaf: Leaf) -> float:
    """How telling one word in common is: a name made of parts, or a long word that is the whole value, is more so."""
    word = next(iter(leaf.words))
    whole = len(leaf.words) == 1 and len(leaf.text) <= len(word) + 2
    return 0.7 if whole and "-" in word else 0.5 if whole and len(word) >= LONG_WORD else 0.35
