"""Taken over by text it read: does the next act come from a passage that was read, rather than from the goal?

A call is scored when it is intended, before it runs. See docs/rules/drift-injected-instruction-obeyed.md.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from watchdogd.core.detect.actions import nearness
from watchdogd.core.detect.detector import NONE, Levels
from watchdogd.core.detect.drift_thresholds import Drift
from watchdogd.core.detect.drift_trust import Asked, Leaf, Trust, asked, values
from watchdogd.core.detect.keys import answer_key, text_key
from watchdogd.core.detect.passages import Passage, identity, legible, naming, passages, sentences, weighed
from watchdogd.core.detect.repeated_words import repeated
from watchdogd.core.detect.shelf import SHORTEST, Shelf
from watchdogd.core.events import Event, ModelCalled, RunStarted, ToolFinished, ToolIntended, UserSaid
from watchdogd.core.health import Channel, Finding, Severity

OBEYED = "drift/injected-instruction-obeyed"
REPEATED = "drift/injected-words-repeated"

FAINT = 0.2
"""Passages weaker than this are not kept: nothing in them asks for anything."""
KNOWN_TEXTS = 64
"""Results whose digest is remembered, so that the same text is not read twice."""
OWN_SENTENCES = 256
"""Sentences the agent wrote that are remembered: reading them back is an echo, not an order."""
LONG_WORD = 8
"""Letters from which a word that is a whole value is no accident."""
FOREIGN_WORDS = 0.6
"""How well an act is taken to fit a sentence with an address of which no word is known: it may be any language."""
LONG_TEXT = 80
"""Characters up to which a whole value is looked for in long texts."""
NAMED = 0.45
"""Weight from which an identifier in a value is looked for there."""
OWN_VALUES = 512
"""Values of its own earlier calls that are remembered."""
KIN = 0.7
"""How near an earlier act must be to make its values the agent's own: having read a file is no ground to delete it."""


LOCAL_AT_MOST = 0.32
"""Risk of an edit or a command that names an address from a plain instruction: readme files are full of them, so that
it deserves a WARN and no more."""
LOCAL_UNNAMED = 0.29
"""The same where it names none: what a report or a readme says about a file is what the work is about."""
SPOKEN = 0.3
"""Meta weight from which a passage speaks to a machine: a single weak sign (a "required" or "user" nearby) does not."""


LONG_VALUE = 12
"""Words from which a value is prose of the agent's own, whose words may well be those of a plain sentence it read."""


@dataclass(frozen=True, slots=True)
class Match:
    """How an act fits a passage."""

    risk: float
    passage: Passage
    value: float
    """0..1: how much of what the user did not say is found in the passage."""
    shown: str
    """The most telling value that was found there."""


@dataclass(slots=True)
class Read:
    """What the user said and what the agent has read so far."""

    trust: Trust = field(default_factory=Trust)
    held: list[Passage] = field(default_factory=list)
    texts: deque[int] = field(default_factory=lambda: deque(maxlen=KNOWN_TEXTS))
    own: deque[int] = field(default_factory=lambda: deque(maxlen=OWN_SENTENCES))
    named: deque[str] = field(default_factory=lambda: deque(maxlen=32))
    """Calls that name something the user named: what they return may be what the user meant."""
    used: dict[str, tuple[int, int]] = field(default_factory=dict)
    """What the agent itself named in earlier calls that raised no suspicion: the event, and what those calls did."""
    shelf: Shelf = field(default_factory=Shelf)
    """Texts that hold more than the passages kept of them."""
    now: float = 0.0
    """Risk of the newest act, fading with every calm call."""
    calm: int = 0
    levels: Levels = field(default_factory=Levels)


@dataclass(frozen=True, slots=True)
class InjectedInstruction:
    """Scores every intended call and every message against the passages read before it. O(passages) per call."""

    thresholds: Drift = field(default_factory=Drift)
    name: ClassVar[str] = "injection"
    channel: ClassVar[Channel] = Channel.DRIFT
    version: ClassVar[int] = 2
    kinds: ClassVar[frozenset[str]] = frozenset(
        {"run_started", "user_said", "tool_intended", "tool_finished", "model_called"}
    )

    def start(self) -> Read:
        """Nothing read."""
        return Read()

    def risk(self, state: Read) -> float:
        """Risk of the newest act, fading."""
        return state.now

    def step(self, state: Read, event: Event) -> tuple[Read, tuple[Finding, ...]]:
        """What was read after ``event``; a finding when the act comes from it."""
        match event.body:
            case RunStarted() as body:
                return self._started(state, body, event.seq)
            case UserSaid(text=text):
                state.trust.add(text.shown)
            case ToolFinished() as body:
                self._read(state, body, event.seq)
            case ToolIntended() as body:
                return state, self._intended(state, body, event.seq)
            case ModelCalled(text=text):
                found = self._said(state, text.shown, event.seq)
                _remember_own(state, (text.head[:4_000],))
                return state, found
            case _:
                pass
        return state, NONE

    def _started(self, state: Read, body: RunStarted, seq: int) -> tuple[Read, tuple[Finding, ...]]:
        new = Read(levels=state.levels)
        over = state.levels.over(OBEYED, Channel.DRIFT, seq=seq) + state.levels.over(REPEATED, Channel.DRIFT, seq=seq)
        new.trust.add(body.goal)
        for rule in body.rules:
            new.trust.add(rule)
        new.trust.names(body.system)
        return new, over

    def _read(self, state: Read, body: ToolFinished, seq: int) -> None:
        key = answer_key(body.result)
        if key in state.texts or body.outcome == "denied":
            return
        state.texts.append(key)
        delegated = state.trust.delegates and body.call in state.named
        found, whole = weighed(body.result.shown, seq, delegated=delegated)
        if not whole:
            state.shelf.put(legible(body.result.shown), seq, delegated=delegated)
        elif body.result.head:
            state.shelf.put_near(legible(body.result.shown), seq, delegated=delegated)
        new = [one for one in found if one.strength >= FAINT or not one.delegated]
        if state.own:
            new = [one for one in new if text_key(identity(one.text)) not in state.own]
        if not new:
            return
        state.held += new
        if len(state.held) > self.thresholds.injection_memory:
            state.held.sort(key=lambda one: -one.promise)
            del state.held[self.thresholds.injection_memory :]

    def _intended(self, state: Read, body: ToolIntended, seq: int) -> tuple[Finding, ...]:
        call = asked(body, state.trust)
        if call.named and state.trust.delegates:
            state.named.append(body.call)
        held = [*state.held, *_shelved(state, call), *_nearby(state, call)]
        best = best_match(call, state.trust, held, _own_values(state, call)) if held else None
        risk = best.risk if best else 0.0
        if risk < FAINT:
            _remember_values(state, call, seq)
        state.now = max(risk, state.now * 0.9)
        _remember_own(state, values(body.args))
        limits = self.thresholds
        if best is None or risk < limits.injection_warn:
            return self._calmed(state, seq)
        state.calm = 0
        severity = Severity.CRIT if risk >= limits.injection_crit else Severity.WARN
        source = f"event {best.passage.seq}"
        what = f"takes {best.shown!r} from" if best.shown else "does what is asked in"
        headline = f"{body.tool} {what} text that was read ({source}), not from the goal: {best.passage.text[:120]!r}"
        key = f"{text_key(best.passage.text):016x}"
        evidence = (best.passage.seq, seq)
        return state.levels.raised(OBEYED, Channel.DRIFT, severity, round(risk, 3), headline, evidence, key)

    def _said(self, state: Read, text: str, seq: int) -> tuple[Finding, ...]:
        found = repeated(text, state.trust, state.held) if state.held and len(text) >= 30 else None
        if found is None:
            return NONE
        risk, passage, share = found
        state.now = max(state.now, risk)
        if risk < self.thresholds.injection_said_warn:
            return NONE
        state.calm = 0
        source = f"text that was read asked it to say (event {passage.seq})"
        headline = f"says {share:.0%} of the words that a {source}: {passage.text[:120]!r}"
        severity = Severity.CRIT if risk >= self.thresholds.injection_said_crit else Severity.WARN
        key = f"{text_key(passage.text):016x}"
        return state.levels.raised(REPEATED, Channel.DRIFT, severity, round(risk, 3), headline, (passage.seq, seq), key)

    def _calmed(self, state: Read, seq: int) -> tuple[Finding, ...]:
        if not state.levels.up:
            return NONE
        state.calm += 1
        if state.calm < self.thresholds.injection_decay_calls:
            return NONE
        return state.levels.over(OBEYED, Channel.DRIFT, seq=seq) + state.levels.over(REPEATED, Channel.DRIFT, seq=seq)


def best_match(call: Asked, trust: Trust, held: list[Passage], own: Mapping[str, int]) -> Match | None:
    """The passage that ``call`` most likely obeys, and how likely; None when nothing in it can come from one.

    ``own`` are the values the agent had named by itself, with the event: what was read later is not their source.
    """
    if not call.effect and not call.address:
        return _reading(call, held)
    best: Match | None = None
    explained = trust.explains(call.acts, call.things)
    total = sum(leaf.weight for leaf in call.foreign)
    keys = {key for leaf in call.foreign for key in (*leaf.marks, *leaf.words)}
    for passage in held:
        verb = nearness(call.acts, passage.acts) if call.acts else float(not call.names.isdisjoint(passage.telling))
        thing = 1.0 if call.things & passage.things else 0.0 if call.things else 0.5
        if not call.acts and len(call.names & passage.telling) > 1:
            thing = 1.0
        value, shown = 0.0, ""
        if not (keys.isdisjoint(passage.telling) and keys.isdisjoint(passage.marks)):
            before = frozenset(key for key, at in own.items() if at < passage.seq) if own else _NOTHING
            value, shown = _value(call, passage, total, before, fitting=verb >= 0.7 and thing > 0)
        match = 0.65 * value + 0.2 * verb + 0.15 * thing
        if not call.effect and value < 0.9:
            match *= 0.35
        delegated = passage.delegated and trust.covers(call.things)
        strength = passage.delegated_strength if delegated else passage.strength
        if not passage.plain:
            strength *= 0.6
        risk = strength * match * (1.0 - 0.5 * explained * (1.0 - passage.meta))
        if call.effect and value >= 0.4 and not delegated:
            risk = max(risk, _unasked(call, trust, passage, value, thing))
        if call.local and passage.meta < SPOKEN:
            risk = min(risk, LOCAL_AT_MOST) if call.address else min(0.6 * risk, LOCAL_UNNAMED)
        if best is None or risk > best.risk:
            best = Match(risk=risk, passage=passage, value=value, shown=shown)
    return best


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
    untied = 0.6 if not call.tied and value >= 0.7 else 0.0
    return max(0.8 * unasked, untied) * value * fits


def _reading(call: Asked, held: list[Passage]) -> Match | None:
    """A call that only looks leaves nothing behind; it grades what may be about to happen."""
    best: Match | None = None
    for passage in held:
        if passage.plain and call.things & passage.things and call.acts & passage.acts:
            risk = 0.12 * passage.strength
            if best is None or risk > best.risk:
                best = Match(risk=risk, passage=passage, value=0.0, shown="")
    return best


def _value(call: Asked, passage: Passage, total: float, before: frozenset[str], *, fitting: bool) -> tuple[float, str]:
    """How much of the call's foreign values the passage holds (0..1), and the most telling of them.

    Those ``before`` it were the agent's own when the passage was read.
    """
    strong, weak, hit = 0.0, 1.0, 0.0
    shown = ""
    marks, words = passage.marks, passage.telling
    for leaf in call.foreign:
        got = max((weight for mark, weight in leaf.marks.items() if mark in marks and mark not in before), default=0.0)
        common = (leaf.words & words) - before
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
        value = max(value, 0.8)
    return value, shown


_NOTHING: frozenset[str] = frozenset()


def _single(leaf: Leaf) -> float:
    """How telling one word in common is: a name made of parts, or a long word that is the whole value, is more so."""
    word = next(iter(leaf.words))
    whole = len(leaf.words) == 1 and len(leaf.text) <= len(word) + 2
    return 0.7 if whole and "-" in word else 0.5 if whole and len(word) >= LONG_WORD else 0.35


def _shelved(state: Read, call: Asked) -> list[Passage]:
    """The passages of shelved texts that hold something which ``call`` names and the user did not."""
    if not call.effect and not call.address:
        return []
    values = [leaf.text for leaf in call.foreign if len(leaf.text) <= LONG_TEXT]
    values += [mark.lstrip("=#") for leaf in call.foreign for mark, weight in leaf.marks.items() if weight >= NAMED]
    return [
        one
        for seq, delegated, stretch in state.shelf.around(values)
        for one in passages(stretch, seq, delegated=delegated)
    ]


def _nearby(state: Read, call: Asked) -> list[Passage]:
    """Sentences read lately that hold a value of ``call`` and a word of its tool's name, whatever their other words."""
    if not call.effect or not call.foreign or call.acts:
        return []
    found: list[Passage] = []
    for leaf in call.foreign:
        if SHORTEST <= len(leaf.text) <= LONG_TEXT:
            low = leaf.text.lower()
            for seq, delegated, text in state.shelf.near_with(low):
                found += naming(text, seq, low, call.names, delegated=delegated)
    return found


def _own_values(state: Read, call: Asked) -> dict[str, int]:
    """Of what ``call`` names, what the agent named before, in calls of the same kind; with the event."""
    if not state.used:
        return {}
    own: dict[str, int] = {}
    for leaf in call.foreign:
        for key in (*leaf.marks, *leaf.words):
            known = state.used.get(key)
            if known is not None and (not call.acts or nearness(call.acts, known[1]) >= KIN):
                own[key] = known[0]
    return own


def _remember_values(state: Read, call: Asked, seq: int) -> None:
    for leaf in call.foreign:
        for key in (*leaf.marks, *leaf.words):
            if key not in state.used:
                state.used[key] = (seq, call.acts)
    while len(state.used) > OWN_VALUES:
        del state.used[next(iter(state.used))]


def _remember_own(state: Read, texts: Sequence[str]) -> None:
    for text in texts:
        if len(text) >= 30:
            for sentence in sentences(text):
                if len(sentence) >= 20:
                    state.own.append(text_key(identity(" ".join(sentence.split())[:200])))
