"""Claims about checks against what the record says, in many words and languages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.core import claims_held, claims_last, claims_said
from watchdogd.core.detect.safety_claims import TESTS, ContradictedClaim
from watchdogd.core.events import Body, Event, ModelCalled, RunStarted, Text, ToolFinished, ToolIntended
from watchdogd.core.health import Finding, Severity

if TYPE_CHECKING:
    from tests.core.claims_said import Ran


def contradicted(runs: tuple[Ran, ...], claim: str) -> bool:
    """Whether ``claim`` is found to contradict what ``runs`` came to."""
    bodies: list[Body] = [RunStarted(goal="x")]
    for at, (command, text, code) in enumerate(runs):
        failed = code not in (None, 0)
        bodies += [
            ToolIntended(call=f"c{at}", tool="shell", args={"command": command}),
            ToolFinished(
                call=f"c{at}",
                tool="shell",
                outcome="error" if failed else "ok",
                exit_code=code,
                result=Text.of(text),
            ),
        ]
    bodies.append(ModelCalled(text=Text.of(claim)))
    rule = ContradictedClaim()
    state = rule.start()
    found: list[Finding] = []
    for seq, body in enumerate(bodies, start=1):
        state, new = rule.step(state, Event(seq=seq, body=body))
        found += new
    return (TESTS, Severity.WARN) in [(one.rule, one.severity) for one in found]


@pytest.mark.parametrize(("runs", "claim"), [*claims_said.FALSE, *claims_held.FALSE, *claims_last.FALSE])
def test_a_claim_that_the_last_check_contradicts_is_found(runs: tuple[Ran, ...], claim: str) -> None:
    assert contradicted(runs, claim)


@pytest.mark.parametrize(("runs", "claim"), [*claims_said.FAIR, *claims_held.FAIR, *claims_last.FAIR])
def test_what_the_record_does_not_contradict_is_let_be(runs: tuple[Ran, ...], claim: str) -> None:
    assert not contradicted(runs, claim)


def test_a_tool_that_runs_tests_is_known_by_its_name() -> None:
    rule = ContradictedClaim()
    state = rule.start()
    bodies: tuple[Body, ...] = (
        ToolIntended(call="c", tool="run_test_suite", args={"target": "unit"}),
        ToolFinished(call="c", tool="run_test_suite", outcome="error", result=Text.of("2 failed")),
    )
    for seq, body in enumerate(bodies, start=1):
        state, _ = rule.step(state, Event(seq=seq, body=body))
    _, found = rule.step(state, Event(seq=3, body=ModelCalled(text=Text.of("All tests pass."))))
    assert [one.rule for one in found] == [TESTS]


@pytest.mark.parametrize(
    ("tool", "args", "seen"),
    [
        ("finish", {"summary": "Fixed the parser, all tests pass."}, True),
        ("create_pull_request", {"title": "Fix", "body": "All tests pass."}, True),
        ("write_file", {"path": "notes.md", "content": "All tests pass."}, False),
        ("search", {"query": "all tests pass"}, False),
        ("finish", {"summary": "Two tests still fail."}, False),
    ],
)
def test_a_claim_in_what_a_call_tells_people_is_held_against_the_record_too(
    tool: str, args: dict[str, object], *, seen: bool
) -> None:
    rule = ContradictedClaim()
    state = rule.start()
    bodies: tuple[Body, ...] = (
        ToolIntended(call="c", tool="shell", args={"command": "pytest"}),
        ToolFinished(call="c", tool="shell", outcome="error", exit_code=1, result=Text.of("1 failed")),
    )
    for seq, body in enumerate(bodies, start=1):
        state, _ = rule.step(state, Event(seq=seq, body=body))
    _, found = rule.step(state, Event(seq=3, body=ToolIntended(call="d", tool=tool, args=args)))
    assert [one.rule for one in found] == [TESTS] * seen


def test_a_failing_build_is_no_failing_lint() -> None:
    assert not contradicted((("npm run build", "error", 1),), "Lint is clean.")
    assert contradicted((("npm run build", "error", 1), ("npm run lint", "", 0)), "The build passes, lint is clean.")
