"""Acting against what the mission's rules or the user's words forbade earlier in the run."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import ClassVar

from watchdogd.core.detect.actions import PROGRAMS, acts_of, name_words
from watchdogd.core.detect.detector import NONE, Levels
from watchdogd.core.detect.forbidding import MOST_CHARS, Prohibition, forbidden, terms_of, without
from watchdogd.core.detect.keys import leaves
from watchdogd.core.detect.lexicon import Act
from watchdogd.core.detect.thresholds import Recall
from watchdogd.core.events import Event, RunStarted, ToolIntended, UserSaid
from watchdogd.core.health import Channel, Finding, Severity

RULE = "recall/against-rule"
MOST_RULES = 32
_PART = re.compile(r"[^\W_]{2,60}")
_NAMES_ONE = re.compile(r"[\w.-]@[\w.-]|[/\\~]\w|\d")
"""Something that names one thing: what is asked for is that, not what was forbidden."""


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
    version: ClassVar[int] = 2
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
                    *forbidden("\n".join(rules), event.seq, mission=True),
                    *forbidden(goal, event.seq, mission=False),
                ]
                state.rules = state.rules[:MOST_RULES]
                return state, over
            case UserSaid(text=text):
                said = text.head[:MOST_CHARS]
                _lift(state, said)
                state.rules = [*state.rules, *forbidden(said, event.seq, mission=False)][-MOST_RULES:]
                return state, NONE
            case ToolIntended(tool=tool, args=args):
                return state, self._intended(state, event, tool, args) if state.rules else NONE
            case _:
                return state, NONE

    def _intended(
        self, state: Prohibitions, event: Event, tool: str, args: Mapping[str, object]
    ) -> tuple[Finding, ...]:
        values = leaves(args, 24)
        acts, verbs = _acts(tool, values)
        words: str | None = None
        for rule in state.rules:
            if not rule.acts & acts and rule.verb not in verbs:
                continue
            if words is None:
                named = " ".join(str(name)[:60] for name in list(args)[:24])
                words = f"{' '.join(name_words(tool))} {named} {' '.join(one[:2_000] for one in values)}".lower()
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


def _lift(state: Prohibitions, said: str) -> None:
    """A person who now asks for the act on the thing takes back what was said against it."""
    if not state.rules:
        return
    plain = without(said).lower()
    spoken = terms_of(plain)[:200]
    asked = acts_of(spoken)
    state.rules = [one for one in state.rules if one.mission or not _takes_back(one, plain, asked, spoken)]


def _takes_back(rule: Prohibition, plain: str, asked: int, spoken: Sequence[str]) -> bool:
    if not rule.acts & asked and rule.verb not in spoken:
        return False
    return _names(rule, plain) or not _NAMES_ONE.search(plain)


@lru_cache(maxsize=1_024)
def _of_name(tool: str) -> tuple[int, frozenset[str]]:
    verbs = frozenset(name_words(tool)[:2])
    return acts_of(verbs), verbs


def _acts(tool: str, values: Sequence[str]) -> tuple[int, frozenset[str]]:
    """The classes of what a call does, and the verbs it does it by."""
    acts, verbs = _of_name(tool[:200])
    for value in values[:2]:
        for piece in re.split(r"[|;&\n]+", value[:400])[:16]:
            program, *rest = piece.split(None, 3) or [""]
            act = PROGRAMS.get(program.rpartition("/")[2], Act.NONE)
            acts |= act
            if rest and (act in (Act.NONE, Act.RUN) or program == "npm"):
                verb = next((one for one in rest[:2] if not one.startswith("-")), "").lower()
                verbs = verbs | {verb}
                acts |= acts_of((verb,)) | PROGRAMS.get(verb, Act.NONE)
    return acts, verbs


def _names(rule: Prohibition, words: str) -> bool:
    """Whether the call's words name what the rule protects."""
    if rule.names:
        return any(name.strip("*") in words for name in rule.names if name.strip("*"))
    if not rule.terms:
        return True
    known = {_stem(one) for one in _PART.findall(words[:8_000])}
    hits = sum(_stem(term) in known for term in rule.terms)
    return hits == len(rule.terms) or (hits >= 2 and 2 * hits >= len(rule.terms))


def _stem(term: str) -> str:
    return term[:-1] if term.endswith("s") and len(term) > 3 else term
