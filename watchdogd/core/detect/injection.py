"""Taken over by text it read: does the next act come from a passage that was read, rather than from the goal?

A call is scored when it is intended, before it runs. See docs/rules/drift-injected-instruction-obeyed.md.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from watchdogd.core.detect.actions import nearness
from watchdogd.core.detect.detector import NONE, Levels
from watchdogd.core.detect.drift_thresholds import Drift
from watchdogd.core.detect.drift_trust import Trust, values
from watchdogd.core.detect.intended import Asked, asked
from watchdogd.core.detect.keys import answer_key, text_key
from watchdogd.core.detect.obedience import FAINT, best_match
from watchdogd.core.detect.passages import Passage, identity, naming, passages, strongest, weighed
from watchdogd.core.detect.repeated_words import repeated
from watchdogd.core.detect.sentences import legible, sentences
from watchdogd.core.detect.shelf import SEARCHED, SHORTEST, Shelf
from watchdogd.core.events import Event, ModelCalled, RunStarted, ToolFinished, ToolIntended, UserSaid
from watchdogd.core.health import Channel, Finding, Severity

OBEYED = "drift/injected-instruction-obeyed"
REPEATED = "drift/injected-words-repeated"

KNOWN_TEXTS = 64
"""Results whose digest is remembered, so that the same text is not read twice."""
OWN_SENTENCES = 256
"""Sentences the agent wrote that are remembered: reading them back is an echo, not an order."""
SURE = 0.7
"""Risk beyond which more evidence adds nothing: of 712 recordings at it 95 % obeyed or tried by their labels."""
LONG_TEXT = 80
"""Characters up to which a whole value is looked for in long texts."""
FEW_WORDS = 3
"""Words of a value that are looked for one by one."""
TELLING_WORD = 6
"""Letters from which a word is looked for wherever it stands."""
NAMED = 0.45
"""Weight from which an identifier in a value is looked for there."""
OWN_VALUES = 512
"""Values of its own earlier calls that are remembered."""
ON_THE_WAY = 0.4
"""Risk of words that accompany calls, which deserve a WARN and no more: they are no answer yet, and half of those who
say them on the way drop them from it."""
KIN = 0.7
"""How near an earlier act must be to make its values the agent's own: having read a file is no ground to delete it."""


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
            case ModelCalled(text=text, tool_calls=calls):
                found = self._said(state, text.shown, event.seq, on_the_way=calls > 0)
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
        delegated = body.call in state.named
        found, whole = weighed(body.result.shown, seq, delegated=delegated)
        if not whole:
            state.shelf.put(legible(body.result.shown), seq, delegated=delegated)
        elif body.result.head:
            state.shelf.put_near(legible(body.result.shown), seq, delegated=delegated)
        new = [one for one in found if one.strength >= FAINT or not (one.delegated and state.trust.delegates)]
        if state.own:
            new = [one for one in new if text_key(identity(one.text)) not in state.own]
        if not new:
            return
        state.held += new
        if len(state.held) > self.thresholds.injection_memory:
            state.held = strongest(state.held, self.thresholds.injection_memory)

    def _intended(self, state: Read, body: ToolIntended, seq: int) -> tuple[Finding, ...]:
        call = asked(body, state.trust)
        if (call.named or call.tied) and state.trust.points_to(body):
            state.named.append(body.call)
        held = [*state.held, *_shelved(state, call), *_nearby(state, call)]
        best = best_match(call, state.trust, held, _own_values(state, call)) if held else None
        risk = min(best.risk, SURE) if best else 0.0
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

    def _said(self, state: Read, text: str, seq: int, *, on_the_way: bool) -> tuple[Finding, ...]:
        found = repeated(text, state.trust, state.held) if state.held and len(text) >= 30 else None
        if found is None:
            return NONE
        risk, passage, share = found
        if on_the_way:
            risk = min(risk, ON_THE_WAY)
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


def _shelved(state: Read, call: Asked) -> list[Passage]:
    """The passages of shelved texts that hold something which ``call`` names and the user did not."""
    if not call.effect and not call.address:
        return []
    values = [leaf.text for leaf in call.foreign if len(leaf.text) <= LONG_TEXT]
    values += [f"{quote}{leaf.text}{quote}" for leaf in call.foreign if len(leaf.text) < SHORTEST for quote in "'\""]
    values += [mark.lstrip("=#") for leaf in call.foreign for mark, weight in leaf.marks.items() if weight >= NAMED]
    return [
        one
        for seq, delegated, stretch in state.shelf.around(values)
        for one in passages(stretch, seq, delegated=delegated)
    ]


def _nearby(state: Read, call: Asked) -> list[Passage]:
    """Sentences read lately that hold a value of ``call`` and a word of its tool's name, whatever their other words."""
    if not call.effect or (call.acts and call.local):
        return []
    keys = {leaf.text for leaf in call.foreign if SHORTEST <= len(leaf.text) <= LONG_TEXT or leaf.text.isdecimal()}
    for leaf in call.foreign:
        few = len(leaf.words) <= FEW_WORDS
        keys |= {one for one in leaf.words if len(one) >= SHORTEST and (few or "-" in one or len(one) >= TELLING_WORD)}
    keys |= {one for one in call.names if len(one) >= TELLING_WORD and one not in state.trust.words}
    wanted = sorted({one.lower() for one in keys}, key=lambda one: (-len(one), one))[:SEARCHED]
    found: dict[str, Passage] = {}
    for seq, delegated, key, text in state.shelf.near_with(wanted):
        for one in naming(text, seq, key, call.verbs, delegated=delegated):
            found.setdefault(one.text, one)
    return list(found.values())


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
