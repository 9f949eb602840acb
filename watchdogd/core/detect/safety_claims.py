"""Claims that the record contradicts: "all tests pass" after a failing run, "sent" after a call that failed."""

from __future__ import annotations

import re
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import ClassVar

from watchdogd.core.detect.actions import acts_of, name_words
from watchdogd.core.detect.detector import NONE, Levels
from watchdogd.core.detect.lexicon import ACTS, SIDE_EFFECTS
from watchdogd.core.detect.safety_calls import commands
from watchdogd.core.detect.safety_thresholds import Safety
from watchdogd.core.events import Event, Gated, ModelCalled, RunStarted, ToolFinished, ToolIntended
from watchdogd.core.health import Channel, Finding, Severity

TESTS = "safety/claim-tests-pass"
DONE = "safety/claim-done"

MOST_OPEN = 64
"""Calls without an end that are remembered."""

_RUNS_TESTS = re.compile(
    r"\b(?:pytest|py\.test|unittest|tox|nox|nosetests|jest|vitest|mocha|rspec|phpunit|ctest|cypress|"
    r"playwright)\b|\b(?:npm|yarn|pnpm|make|cargo|go|mvn|gradle|gradlew|dotnet|bazel|mix|rake|swift|deno|"
    r"bun)\b[^|;&\n]{0,60}\b(?:test|tests|check|verify)\b"
)
_FAILED = re.compile(
    r"\b([1-9]\d{0,5}) (?:tests? )?(?:failed|failures?|errors?|failing)\b|\bfailures[=:] ?[1-9]|\bFAILED\b|"
    r"^FAIL\b|\bTESTS? FAILED\b|\bAssertionError\b|\btest result: FAILED",
    re.MULTILINE | re.IGNORECASE,
)
_COUNTED = re.compile(r"(?<![\w.])[1-9]\d{0,5} (?:tests? )?(?:failed|failing)\b", re.IGNORECASE)
"""A summary that counts failures."""
_PASSED = re.compile(
    r"\b[1-9]\d{0,6} (?:tests? )?(?:passed|passing|ok)\b|\ball tests passed\b|^OK\b|\btest result: ok|"
    r"\b0 fail(?:ed|ures|ing)\b|^PASS\b|\bBUILD SUCCESS",
    re.MULTILINE | re.IGNORECASE,
)
_CLAIMS = re.compile(
    r"\b(?:all|every|the|my|both|\d+)?\s?(?:of the |unit |integration |existing |new )?(?:tests?|test suite|"
    r"checks|specs)\s(?:now |are now |all |have |are |is |suite |should now be |"
    r"successfully ){0,3}(?:pass(?:es|ed|ing)?|green|succeed(?:s|ed)?|successful)\b|\bpass(?:es|"
    r"ed)? all (?:the )?(?:unit |existing )?tests\b",
    re.IGNORECASE,
)
_HEDGES = re.compile(
    r"\b(?:not|n't|no|never|if|once|until|whether|should|would|will|to make|make|making|so that|ensure|verify|"
    r"check|let me|let's|see|need|want|before|after|when|expect|hope|may|might|could|can|does|do|did|fail\w*|"
    r"except|unless|some|most|only|plan|goal|must|has to)\b",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"[^.!?\n]{1,400}")
_CLAIMS_DONE = re.compile(
    r"\b(?:I(?:'ve| have)?|successfully|has been|have been|was|were)\s(?:already |now |also |successfully |just )?"
    r"(sent|emailed|paid|transferred|deleted|removed|created|booked|reserved|updated|changed|uploaded|published|posted|"
    r"shared|invited|installed|deployed|committed|pushed|cancelled|scheduled)\b",
    re.IGNORECASE,
)


@dataclass(slots=True)
class Recorded:
    """What the record says about tests and about acts."""

    open: OrderedDict[str, tuple[int, bool]] = field(default_factory=OrderedDict)
    """Call to its acts and whether it runs tests."""
    tests_failed: int = 0
    """The event of the last failing test run with no passing one since; 0 = none."""
    failed: dict[int, int] = field(default_factory=dict)
    """Class of act to the event in which it failed with none that may have worked since."""
    levels: Levels = field(default_factory=Levels)
    now: float = 0.0


@dataclass(frozen=True, slots=True)
class ContradictedClaim:
    """Compares what the agent says with the outcomes recorded. O(length of the message)."""

    thresholds: Safety = field(default_factory=Safety)
    name: ClassVar[str] = "claims"
    channel: ClassVar[Channel] = Channel.SAFETY
    version: ClassVar[int] = 2
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
                tests = any(_RUNS_TESTS.search(command[:4_000]) for command in commands(body))
                state.open[body.call] = (acts_of(name_words(body.tool)) & SIDE_EFFECTS, tests)
                if len(state.open) > MOST_OPEN:
                    state.open.popitem(last=False)
            case Gated(call=call, outcome="deny") if call in state.open:
                _outcome(state, state.open[call][0], event.seq, worked=False)
            case ToolFinished() as body:
                return state, self._finished(state, body, event.seq)
            case ModelCalled(text=text) if state.tests_failed or state.failed:
                return state, self._said(state, text.shown, event.seq)
            case _:
                pass
        return state, NONE

    def _finished(self, state: Recorded, body: ToolFinished, seq: int) -> tuple[Finding, ...]:
        acts, tests = state.open.pop(body.call, (0, False))
        bad = body.outcome in ("error", "denied", "aborted") or (body.exit_code not in (None, 0))
        _outcome(state, acts, seq, worked=not bad)
        found = NONE
        for act in list(_bits(acts)):
            if not bad:
                found += state.levels.over(DONE, Channel.SAFETY, str(act), seq=seq)
        if tests:
            verdict = _verdict(body)
            if verdict is None:
                state.tests_failed = 0  # nobody knows how the newest run ended: there is nothing to contradict
            elif verdict is False:
                state.tests_failed = seq
            else:
                state.tests_failed = 0
                state.now = 0.0
                found += state.levels.over(TESTS, Channel.SAFETY, seq=seq)
        return found

    def _said(self, state: Recorded, text: str, seq: int) -> tuple[Finding, ...]:
        text = text[-8_000:]
        state.now *= 0.8
        found = NONE
        if state.tests_failed and ("test" in text or "check" in text or "Test" in text or "spec" in text):
            claim = claimed(text)
            if claim:
                headline = f"says {claim[:100]!r}, but the last test run (event {state.tests_failed}) failed"
                found += self._raised(state, TESTS, headline, (state.tests_failed, seq), "")
        for match in _CLAIMS_DONE.finditer(text) if state.failed else ():
            for act in _bits(ACTS.get(match.group(1).lower(), 0)):
                failed = state.failed.get(act)
                sentence = _around(text, match.start())
                if failed is not None and not _HEDGES.search(sentence):
                    headline = f"says {match.group(0)!r}, but the call that would have done it failed (event {failed})"
                    found += self._raised(state, DONE, headline, (failed, seq), str(act))
        return found

    def _raised(
        self, state: Recorded, rule: str, headline: str, evidence: tuple[int, ...], key: str
    ) -> tuple[Finding, ...]:
        risk = self.thresholds.claim_risk
        state.now = max(state.now, risk)
        return state.levels.raised(rule, Channel.SAFETY, Severity.WARN, risk, headline, evidence, key)


def claimed(text: str) -> str:
    """The sentence of ``text`` that says, without condition or negation, that tests pass; empty when none does."""
    for sentence in _SENTENCE.findall(text):
        match = _CLAIMS.search(sentence)
        if match is not None:
            rest = sentence[: match.start()] + " " + sentence[match.end() : match.end() + 60]
            if not _HEDGES.search(rest) and "should" not in match.group(0).lower():
                return str(sentence).strip()
    return ""


def _verdict(body: ToolFinished) -> bool | None:
    """Whether the tests passed; None when neither the exit code, the outcome nor the summary tells."""
    text = (body.result.tail or body.result.head)[-3_000:].replace("\\n", "\n")  # of an output quoted as JSON
    if body.exit_code is not None:  # of "pytest | tail" it is the tail's
        return body.exit_code == 0 and _COUNTED.search(text[-400:]) is None
    failed = _FAILED.search(text) is not None and not re.search(r"\b0 failed\b", text)
    if failed or body.outcome == "error":
        return False
    if _PASSED.search(text):
        return True
    return True if body.outcome == "ok" else None


def _outcome(state: Recorded, acts: int, seq: int, *, worked: bool) -> None:
    for act in _bits(acts):
        if worked:
            state.failed.pop(act, None)
        else:
            state.failed[act] = seq


def _bits(acts: int) -> list[int]:
    return [1 << at for at in range(acts.bit_length()) if acts >> at & 1]


def _around(text: str, at: int) -> str:
    start = max(text.rfind(".", 0, at), text.rfind("\n", 0, at)) + 1
    return text[max(start, at - 200) : at]
