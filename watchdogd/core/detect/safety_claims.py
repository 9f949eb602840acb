"""Claims that the record contradicts: "all tests pass" after a failing run, "sent" after a call that failed."""

from __future__ import annotations

import re
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import ClassVar

from watchdogd.core.detect.actions import acts_of, name_words
from watchdogd.core.detect.detector import NONE, Levels
from watchdogd.core.detect.lexicon import ACTS, SIDE_EFFECTS
from watchdogd.core.detect.safety_checks import NAMES, Check, checked, told, went_well
from watchdogd.core.detect.safety_claim_words import claims
from watchdogd.core.detect.safety_thresholds import Safety
from watchdogd.core.events import Event, Gated, ModelCalled, RunStarted, ToolFinished, ToolIntended
from watchdogd.core.health import Channel, Finding, Severity

TESTS = "safety/claim-tests-pass"
DONE = "safety/claim-done"

MOST_OPEN = 64
"""Calls without an end that are remembered."""

_HEDGES = re.compile(
    r"\b(?:not|n't|no|never|if|once|until|whether|should|would|will|to make|make|making|so that|ensure|verify|"
    r"check|let me|let's|see|need|want|before|after|when|expect|hope|may|might|could|can|does|do|did|fail\w*|"
    r"except|unless|some|most|only|plan|goal|must|has to)\b",
    re.IGNORECASE,
)
_CLAIMS_DONE = re.compile(
    r"\b(?:I(?:'ve| have)?|successfully|has been|have been|was|were)\s(?:already |now |also |successfully |just )?"
    r"(sent|emailed|paid|transferred|deleted|removed|created|booked|reserved|updated|changed|uploaded|published"
    r"|posted|"
    r"shared|invited|installed|deployed|committed|pushed|cancelled|scheduled)\b",
    re.IGNORECASE,
)
_CLAIMING = ("I have", "I've", "I\u2019ve", "uccessfully", " been ", "was ", "were ")
_ADMITS = re.compile(
    r"\b(?:could ?n[o'\u2019]t|unable to|failed to|not able to|did ?n[o'\u2019]t (?:work|go through|succeed)"
    r"|unfortunately)\b",
    re.IGNORECASE,
)
"""Says in the same message that something did not work."""
_OTHERS = re.compile(
    r"\bby (?!me\b)\w|\bon \w{3,6}day\b|\byesterday\b|\bago\b|\blast (?:week|month|year)\b|\bin (?:19|20)\d\d\b"
    r"|\b(?:earlier|previously)\b",
    re.IGNORECASE,
)
"""What was done was done by somebody else, or before."""


@dataclass(slots=True)
class Recorded:
    """What the record says about tests and about acts."""

    open: OrderedDict[str, tuple[int, int]] = field(default_factory=OrderedDict)
    """Call to its acts and the kinds of checks it carries out."""
    checks_failed: dict[int, int] = field(default_factory=dict)
    """Kind of check to the event of its last failing run with no passing one since."""
    failed: dict[int, int] = field(default_factory=dict)
    """Class of act to the event in which it failed, none of its kind having worked before a claim or since."""
    worked: int = 0
    """Classes of acts that worked and that nobody has claimed yet: one failure beside them is no lie about the"
    " others."""
    levels: Levels = field(default_factory=Levels)
    now: float = 0.0


@dataclass(frozen=True, slots=True)
class ContradictedClaim:
    """Compares what the agent says with the outcomes recorded. O(length of the message)."""

    thresholds: Safety = field(default_factory=Safety)
    name: ClassVar[str] = "claims"
    channel: ClassVar[Channel] = Channel.SAFETY
    version: ClassVar[int] = 4
    kinds: ClassVar[frozenset[str]] = frozenset(
        {"run_started", "tool_intended", "tool_finished", "gated", "model_called"}
    )

    def start(self) -> Recorded:
        """Nothing recorded."""
        return Recorded()

    def risk(self, state: Recorded) -> float:
        """Risk of the newest claim, fading."""
        return state.now

    def step(self, state: Recorded, event: Event) -> tuple[Recorded, tuple[Finding, ...]]:
        """The record after ``event``; a finding when a claim contradicts it, its end when an outcome confirms it."""
        match event.body:
            case RunStarted():
                over = state.levels.over(TESTS, Channel.SAFETY, seq=event.seq)
                return Recorded(levels=state.levels), over + state.levels.over(DONE, Channel.SAFETY, seq=event.seq)
            case ToolIntended() as body:
                state.open[body.call] = (acts_of(name_words(body.tool)) & SIDE_EFFECTS, checked(body))
                if len(state.open) > MOST_OPEN:
                    state.open.popitem(last=False)
                if state.checks_failed:
                    return state, self._contradicted(state, told(body), event.seq)
            case Gated(call=call, outcome="deny") if call in state.open:
                _outcome(state, state.open[call][0], event.seq, worked=False)
            case ToolFinished() as body:
                return state, self._finished(state, body, event.seq)
            case ModelCalled(text=text) if state.checks_failed or state.failed or _may_claim(state, text.head):
                return state, self._said(state, text.shown, event.seq)
            case _:
                pass
        return state, NONE

    def _finished(self, state: Recorded, body: ToolFinished, seq: int) -> tuple[Finding, ...]:
        acts, kinds = state.open.pop(body.call, (0, 0))
        bad = body.outcome in ("error", "denied", "aborted") or (body.exit_code not in (None, 0))
        _outcome(state, acts, seq, worked=not bad)
        found = NONE
        for act in list(_bits(acts)):
            if not bad:
                found += state.levels.over(DONE, Channel.SAFETY, str(act), seq=seq)
        if kinds:
            ended, well = went_well(kinds, body)
            if well and ended & Check.TESTS:
                ended |= Check.BUILD  # what was tested was built
            for kind in _bits(ended):
                if well is False:
                    state.checks_failed[kind] = seq
                else:  # where nobody knows how the newest run ended, there is nothing to contradict
                    state.checks_failed.pop(kind, None)
                if well:
                    state.now = 0.0
                    found += state.levels.over(TESTS, Channel.SAFETY, str(kind), seq=seq)
        return found

    def _said(self, state: Recorded, text: str, seq: int) -> tuple[Finding, ...]:
        text = text[-8_000:]
        state.now *= 0.8
        found = self._contradicted(state, text, seq) if state.checks_failed else NONE
        for match in _CLAIMS_DONE.finditer(text) if state.failed or state.worked else ():
            for act in _bits(ACTS.get(match.group(1).lower(), 0)):
                failed = state.failed.get(act)
                state.worked &= ~act
                if failed is not None and not _excused(text, match):
                    headline = f"says {match.group(0)!r}, but the call that would have done it failed (event {failed})"
                    found += self._raised(state, DONE, headline, (failed, seq), str(act))
        return found

    def _contradicted(self, state: Recorded, text: str, seq: int) -> tuple[Finding, ...]:
        found = NONE
        for kind, claim in claims(text, sum(state.checks_failed)).items():
            failed_at = state.checks_failed[kind]
            headline = f"says {claim[:100]!r}, but the last {NAMES[kind]} (event {failed_at}) failed"
            found += self._raised(state, TESTS, headline, (failed_at, seq), str(kind))
        return found

    def _raised(
        self, state: Recorded, rule: str, headline: str, evidence: tuple[int, ...], key: str
    ) -> tuple[Finding, ...]:
        risk = self.thresholds.claim_risk
        state.now = max(state.now, risk)
        return state.levels.raised(rule, Channel.SAFETY, Severity.WARN, risk, headline, evidence, key)


def _outcome(state: Recorded, acts: int, seq: int, *, worked: bool) -> None:
    for act in _bits(acts):
        if worked:
            state.failed.pop(act, None)
            state.worked |= act
        elif not state.worked & act:
            state.failed[act] = seq


def _bits(acts: int) -> list[int]:
    return [1 << at for at in range(acts.bit_length()) if acts >> at & 1]


def _may_claim(state: Recorded, text: str) -> bool:
    """Whether something worked that ``text`` may claim; cheap, for most messages claim nothing."""
    return state.worked != 0 and any(one in text for one in _CLAIMING)


def _excused(text: str, claim: re.Match[str]) -> bool:
    """Whether ``claim`` is none: doubted, or about what others did, or beside the admission that something failed."""
    if _HEDGES.search(_around(text, claim.start())) or _ADMITS.search(text):
        return True
    passive = claim.group(0)[:3].lower() in ("has", "hav", "was", "wer")
    return passive and _OTHERS.search(text[claim.end() : claim.end() + 60].partition("\n")[0]) is not None


def _around(text: str, at: int) -> str:
    start = max(text.rfind(".", 0, at), text.rfind("\n", 0, at)) + 1
    return text[max(start, at - 200) : at]
