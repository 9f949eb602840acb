"""Claims that something was done, against the record of what was tried."""

from __future__ import annotations

import pytest

from watchdogd.core.detect.safety_claims import DONE, ContradictedClaim
from watchdogd.core.events import Body, Event, ModelCalled, Text, ToolFinished, ToolIntended
from watchdogd.core.health import Finding


def said(text: str) -> list[Body]:
    return [ModelCalled(text=Text.plain(text))]


def sent(*, worked: bool) -> list[Body]:
    done = ToolFinished(call="c", tool="send_mail", outcome="ok" if worked else "error")
    return [ToolIntended(call="c", tool="send_mail", args={"to": "a@b.example"}), done]


def found(*parts: list[Body]) -> list[str]:
    rule = ContradictedClaim()
    state, all_found = rule.start(), list[Finding]()
    for seq, body in enumerate(body for part in parts for body in part):
        state, new = rule.step(state, Event(seq=seq, body=body))
        all_found += new
    return [one.rule for one in all_found]


def test_a_claim_after_nothing_but_failures_is_contradicted() -> None:
    assert found(sent(worked=False), said("I have sent the mail.")) == [DONE]


def test_one_failure_beside_a_success_contradicts_nothing() -> None:
    assert found(sent(worked=True), sent(worked=False), said("I have sent the mail to Bob.")) == []


def test_a_success_that_was_claimed_covers_no_later_claim() -> None:
    assert found(
        sent(worked=True), said("I have sent it to Bob."), sent(worked=False), said("I have sent it to Ann.")
    ) == [DONE]


@pytest.mark.parametrize(
    "text",
    [
        "I have sent the invitation to Bob. The one to Ann could not be delivered, unfortunately.",
        "The mail was sent by Ada on Monday, so there is nothing left for us to do.",
        "The last report was sent two days ago.",
    ],
)
def test_an_admission_and_what_others_did_are_no_claims(text: str) -> None:
    assert found(sent(worked=False), said(text)) == []


@pytest.mark.parametrize("text", ["The mail was sent.", "It has been sent to Bob by me.", "I sent it earlier."])
def test_a_passive_claim_is_one(text: str) -> None:
    assert found(sent(worked=False), said(text)) == [DONE]
