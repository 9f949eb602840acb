"""Acting against what the mission's rules or the user's words forbade earlier in the run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from watchdogd.core.detect.actions import PROGRAMS, acts_of, name_words
from watchdogd.core.detect.detector import NONE, Levels
from watchdogd.core.detect.keys import leaves
from watchdogd.core.detect.lexicon import Act
from watchdogd.core.detect.thresholds import Recall
from watchdogd.core.events import Event, RunStarted, ToolIntended, UserSaid
from watchdogd.core.health import Channel, Finding, Severity

RULE = "recall/against-rule"
MOST_RULES = 32
MOST_CHARS = 8_000
"""Of one text, from its head, that is searched for prohibitions."""
BARE = Act.PAY | Act.BOOK | Act.REMOVE | Act.SEND | Act.POST | Act.GRANT
"""Acts that can be forbidden without naming what they are done to ("do not buy anything")."""

_HINTS = ("not ", "n't ", "n’t ", "never ", "avoid ", "refrain ", "no circumstances")
_FORBIDS = re.compile(
    r"\b(?:do not|don['’]?t|never|must not|mustn['’]?t|should not|shouldn['’]?t|may not|not allowed to|not permitted to"
    r"|avoid|refrain from|under no circumstances)\s+"
    r"(?:ever\s+|try to\s+|want (?:you )?to\s+|please\s+|you\s+|should\s+){0,4}"
    r"([a-z-]{2,20})\b([^.;!?\n]{0,160})",
    re.IGNORECASE,
)
_CONDITION = re.compile(r"\b(?:if|unless|until|except|before|without|when|while|yet)\b", re.IGNORECASE)
_CUT = re.compile(r",|\b(?:but|because|since|so|instead|and (?:then )?(?:do|please|just))\b", re.IGNORECASE)
_TERM = re.compile(r"[\w@./~*-]{2,60}")
_EMPTY = """
the any anything all a an of to in on at for with from my your our their its this that these those it them him her us me
you and or by as into other others anyone anybody someone something everything every each more than please ever again
yourself directly file files folder directory data
"""
_STOP = frozenset(_EMPTY.split())


@dataclass(slots=True)
class Prohibition:
    """What may not be done, to what."""

    acts: int
    names: tuple[str, ...]
    """Terms that name one thing: paths, addresses, identifiers."""
    terms: tuple[str, ...]
    """Other words for what it must not be done to."""
    text: str
    seq: int
    mission: bool
    """Part of the mission; the user's later words cannot lift it here."""


@dataclass(slots=True)
class Prohibitions:
    """What was forbidden so far."""

    rules: list[Prohibition] = field(default_factory=list)
    levels: Levels = field(default_factory=Levels)


@dataclass(frozen=True, slots=True)
class AgainstRule:
    """Calls whose act and object match a prohibition. O(rules) per call, before it runs."""

    thresholds: Recall
    name: ClassVar[str] = "against-rule"
    channel: ClassVar[Channel] = Channel.RECALL
    version: ClassVar[int] = 1
    kinds: ClassVar[frozenset[str]] = frozenset({"run_started", "user_said", "tool_intended"})

    def start(self) -> Prohibitions:
        """Nothing is forbidden."""
        return Prohibitions()

    def step(self, state: Prohibitions, event: Event) -> tuple[Prohibitions, tuple[Finding, ...]]:
        """The prohibitions after ``event``, and what a call does against them."""
        match event.body:
            case RunStarted(rules=rules, goal=goal):
                over = state.levels.over(RULE, Channel.RECALL, seq=event.seq)
                state.rules = [
                    *_told("\n".join(rules), event.seq, mission=True),
                    *_told(goal, event.seq, mission=False),
                ]
                state.rules = state.rules[:MOST_RULES]
                return state, over
            case UserSaid(text=text):
                said = text.head[:MOST_CHARS]
                _lift(state, said)
                state.rules = [*state.rules, *_told(said, event.seq, mission=False)][-MOST_RULES:]
                return state, NONE
            case ToolIntended(tool=tool, args=args):
                return state, self._intended(state, event, tool, args) if state.rules else NONE
            case _:
                return state, NONE

    def _intended(
        self, state: Prohibitions, event: Event, tool: str, args: Mapping[str, object]
    ) -> tuple[Finding, ...]:
        values = leaves(args, 24)
        acts, words = _acts(tool, values), None
        for rule in state.rules:
            if not rule.acts & acts:
                continue
            if words is None:
                words = f"{' '.join(name_words(tool))} {' '.join(one[:2_000] for one in values)}".lower()
            if _names(rule, words):
                return self._raised(state, event, tool, rule)
        return NONE

    def _raised(self, state: Prohibitions, event: Event, tool: str, rule: Prohibition) -> tuple[Finding, ...]:
        severity = Severity.CRIT if rule.mission and rule.names else Severity.WARN
        text = f'{tool} goes against what was said at {max(rule.seq, 0)}: "{rule.text}"'
        risk = self.thresholds.against_mission_risk if rule.mission else self.thresholds.against_user_risk
        evidence = (event.seq,) if rule.seq < 0 else (rule.seq, event.seq)
        key = f"{rule.seq}:{rule.text[:60]}"
        return state.levels.raised(RULE, Channel.RECALL, severity, risk, text, evidence, key)


def _told(text: str, seq: int, *, mission: bool) -> Iterator[Prohibition]:
    low = text[:MOST_CHARS].lower()
    if not any(hint in low for hint in _HINTS):
        return
    for found in _FORBIDS.finditer(text[:MOST_CHARS]):
        verb, rest = found[1].lower(), _CUT.split(found[2], maxsplit=1)[0]
        acts = acts_of((verb,)) & ~Act.SAY
        line = text[text.rfind("\n", 0, found.start()) + 1 : found.start()]
        if not acts or _CONDITION.search(found[2]) or _CONDITION.search(line[-80:]):
            continue
        terms = [one.strip(".-") for one in _TERM.findall(rest) if one.lower() not in _STOP]
        names = tuple(one.lower() for one in terms if _is_name(one))
        others = tuple(one.lower() for one in terms if not _is_name(one) and len(one) > 2)[:5]
        if names or others or acts & BARE:
            yield Prohibition(acts, names, others, " ".join(found[0].split())[:100], seq, mission)


def _is_name(term: str) -> bool:
    return any(one in "/@._~*-" or one.isdigit() for one in term) or not term.islower()


def _lift(state: Prohibitions, said: str) -> None:
    """A person who now asks for the act takes back what was said against it."""
    if not state.rules:
        return
    plain = _FORBIDS.sub(" ", said)
    asked = acts_of(one.lower() for one in _TERM.findall(plain)[:200])
    state.rules = [one for one in state.rules if one.mission or not one.acts & asked]


def _acts(tool: str, values: Sequence[str]) -> int:
    acts = acts_of(name_words(tool)[:2])
    for value in values[:2]:
        for piece in re.split(r"[|;&\n]+", value[:400]):
            program = piece.split(None, 1)[0] if piece.strip() else ""
            acts |= PROGRAMS.get(program.rpartition("/")[2], Act.NONE)
    return acts


def _names(rule: Prohibition, words: str) -> bool:
    """Whether the call's words name what the rule protects."""
    if rule.names:
        return any(name.strip("*") in words for name in rule.names if name.strip("*"))
    if not rule.terms:
        return True
    hits = sum(_stem(term) in words for term in rule.terms)
    return hits == len(rule.terms) or (hits >= 2 and 2 * hits >= len(rule.terms))


def _stem(term: str) -> str:
    return term[:-1] if term.endswith("s") and len(term) > 3 else term
