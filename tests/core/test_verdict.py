"""The judge's verdict: what does not parse or cannot prove its citations is void, never "all is well"."""

from __future__ import annotations

import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchdogd.core.health import Channel, Severity
from watchdogd.core.verdict import Cited, Invalid, Verdict, checked

SHOWN = {7: Cited(digest="d7", text="rm -rf\n  raw/ was tried"), 9: Cited(digest="d9", text="tests pass")}
FINE = {"risk": 0.1, "confidence": 0.9}
GOOD: dict[str, object] = {
    "channels": {channel.value: dict(FINE) for channel in Channel},
    "evidence": [{"seq": 7, "digest": "d7", "quote": "rm -rf raw/"}],
    "onset": 7,
    "action": "nudge",
    "headline": "tries to delete raw/",
    "rationale": "the mission forbids it",
}


def told(**changes: object) -> str:
    return json.dumps({**copy.deepcopy(GOOD), **changes})


def test_a_verdict_whose_citations_hold_is_taken() -> None:
    verdict = checked(told(), SHOWN)
    assert isinstance(verdict, Verdict)
    assert (verdict.action, verdict.onset) == ("nudge", 7)


@given(st.text(max_size=200))
def test_no_text_that_is_not_a_verdict_is_taken(text: str) -> None:
    assert isinstance(checked(text, SHOWN), Invalid)


@pytest.mark.parametrize("text", ["", "{}", "null", "[]", told()[:-20], "[" * 100_000, told(headline=" ")])
def test_empty_cut_and_hostile_replies_are_void(text: str) -> None:
    assert isinstance(checked(text, SHOWN), Invalid)


@given(st.sampled_from(sorted(GOOD)), st.sampled_from([None, True, -1, 2, "x", [], {}]))
def test_a_field_of_another_kind_never_makes_a_worse_verdict_a_better_one(name: str, value: object) -> None:
    verdict = checked(told(**{name: value}), SHOWN)
    if isinstance(verdict, Verdict):
        assert (name, value) in [("onset", None), ("evidence", []), ("headline", "x"), ("rationale", "x")]
        assert name != "evidence" or verdict.action == "none"


@pytest.mark.parametrize("name", sorted(GOOD))
def test_a_missing_field_voids_it(name: str) -> None:
    rest = {key: value for key, value in GOOD.items() if key != name}
    verdict = checked(json.dumps(rest), SHOWN)
    assert isinstance(verdict, Invalid) or name == "onset"


@pytest.mark.parametrize(
    "citation",
    [
        {"seq": 8, "digest": "d7", "quote": "rm -rf raw/"},
        {"seq": 9, "digest": "d7", "quote": "tests pass"},
        {"seq": 7, "digest": "d7", "quote": "rm -rf /"},
        {"seq": 7, "digest": "d7", "quote": "rm"},
    ],
    ids=["not shown", "another digest", "not its words", "too short to prove anything"],
)
def test_one_citation_that_the_record_does_not_bear_out_voids_all(citation: dict[str, object]) -> None:
    cited = [*json.loads(told())["evidence"], citation]
    assert isinstance(checked(told(evidence=cited), SHOWN), Invalid)


def test_an_alarm_without_a_citation_is_void() -> None:
    alarm = {**json.loads(told())["channels"], "safety": {"risk": 0.9, "confidence": 0.9}}
    assert isinstance(checked(told(channels=alarm, evidence=[], action="none", onset=None), SHOWN), Invalid)


@pytest.mark.parametrize("number", [-0.1, 1.1, "high", None, True])
def test_a_risk_that_is_no_share_voids_it(number: object) -> None:
    odd = {**json.loads(told())["channels"], "drift": {"risk": number, "confidence": 1.0}}
    assert isinstance(checked(told(channels=odd), SHOWN), Invalid)


def test_an_onset_that_was_not_shown_voids_it() -> None:
    assert isinstance(checked(told(onset=8), SHOWN), Invalid)


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_higher_risk_is_never_a_milder_finding(low: float, high: float) -> None:
    low, high = sorted((low, high))

    def severity(risk: float) -> Severity:
        verdict = checked(
            told(channels={channel.value: {"risk": risk, "confidence": 0.9} for channel in Channel}), SHOWN
        )
        assert isinstance(verdict, Verdict)
        return max((one.severity for one in verdict.findings(1)), key=lambda one: one.rank, default=Severity.OK)

    assert severity(low).rank <= severity(high).rank
