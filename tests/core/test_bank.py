"""The bank: fan-out, isolation, snapshots, digest."""

from __future__ import annotations

import json
from array import array
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchdogd.core.detect import snapshot
from watchdogd.core.detect.bank import BROKEN_HOLD_EVENTS, Bank, BankState, Thresholds, bank
from watchdogd.core.detect.thresholds import Progress
from watchdogd.core.events import Body, Event, ModelCalled, RunStarted, Text, Tick, ToolFinished, ToolIntended
from watchdogd.core.health import Channel, Finding, Severity


def calls(n: int, *, args: str = "ls", result: str = "a.txt", error: bool = False, first: int = 0) -> list[Event]:
    found = []
    for i in range(n):
        seq, call = first + 2 * i, f"c{first + i}"
        found.append(Event(seq=seq, body=ToolIntended(call=call, tool="run", args={"command": args})))
        outcome: Literal["ok", "error"] = "error" if error else "ok"
        body = ToolFinished(call=call, tool="run", outcome=outcome, result=Text.plain(result))
        found.append(Event(seq=seq + 1, body=body))
    return found


def findings(events: list[Event], of: Bank | None = None) -> list[tuple[int, Finding]]:
    one = of or bank()
    state, found = one.start(), []
    for event in events:
        state, new = one.step(state, event)
        found += [(event.seq, finding) for finding in new]
    return found


@dataclass(slots=True)
class Count:
    seen: int = 0


@dataclass(frozen=True)
class Fragile:
    """Raises on every tick."""

    name: ClassVar[str] = "fragile"
    channel: ClassVar[Channel] = Channel.SAFETY

    def start(self) -> Count:
        return Count()

    def step(self, state: Count, event: Event) -> tuple[Count, tuple[Finding, ...]]:
        if isinstance(event.body, Tick):
            raise RuntimeError("broken by a tick")
        return state, ()


@dataclass(frozen=True)
class Sound:
    """Reports every tick."""

    name: ClassVar[str] = "sound"
    channel: ClassVar[Channel] = Channel.DRIFT

    def start(self) -> Count:
        return Count()

    def step(self, state: Count, event: Event) -> tuple[Count, tuple[Finding, ...]]:
        state.seen += 1
        found = Finding(rule="drift/sound", channel=Channel.DRIFT, severity=Severity.WARN, risk=0.5, headline="seen")
        return state, (found,) if isinstance(event.body, Tick) else ()


def test_a_detector_that_raises_is_an_unknown_finding_and_the_others_go_on() -> None:
    found = findings([Event(seq=7, body=Tick(), at=1.0)], Bank([Fragile(), Sound()], [], {}))  # type: ignore[list-item]
    assert [(one.rule, one.severity) for _, one in found] == [
        ("safety/fragile-broken", Severity.UNKNOWN),
        ("drift/sound", Severity.WARN),
    ]
    assert found[0][1].evidence == (7,)


def test_a_detector_that_keeps_raising_says_so_once_and_is_sound_again_after_a_while() -> None:
    events = [Event(seq=i, body=Tick(), at=1.0) for i in range(3)]
    events += [Event(seq=3 + i, body=ModelCalled()) for i in range(BROKEN_HOLD_EVENTS + 1)]
    found = findings(events, Bank([Fragile()], [], {}))  # type: ignore[list-item]
    assert [(seq, one.severity) for seq, one in found] == [
        (0, Severity.UNKNOWN),
        (2 + BROKEN_HOLD_EVENTS, Severity.OK),
    ]


def test_a_broken_call_fold_makes_every_channel_over_calls_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("no calls today")

    monkeypatch.setattr("watchdogd.core.detect.bank.finished", broken)
    found = findings(calls(1))
    rules = {one.rule for _, one in found}
    assert {"progress/calls-broken", "errors/calls-broken"} <= rules
    assert {one.severity for _, one in found} == {Severity.UNKNOWN}


@given(cut=st.integers(0, 16))
def test_a_loop_is_found_at_the_same_step_when_the_state_goes_through_bytes(cut: int) -> None:
    events, one = calls(8), bank()
    whole = findings(events)
    state, found = one.start(), []
    for at, event in enumerate(events):
        if at == cut:
            state = one.load(one.dump(state))
        state, new = one.step(state, event)
        found += [(event.seq, finding) for finding in new]
    assert found == whole
    assert any(finding.severity is Severity.CRIT for _, finding in found)


def test_a_snapshot_of_a_bank_with_other_thresholds_is_refused() -> None:
    other = bank(Thresholds(progress=Progress(repeat_warn=5)))
    with pytest.raises(ValueError, match="other rules or thresholds"):
        other.load(bank().dump(bank().start()))


def test_the_digest_changes_with_a_threshold_and_only_then() -> None:
    assert bank().digest == bank(Thresholds()).digest
    assert bank().digest != bank(Thresholds(progress=Progress(repeat_warn=5))).digest


def test_the_digest_changes_with_a_rules_version() -> None:
    class Newer(Sound):
        version: ClassVar[int] = 2

    assert Bank([Sound()], [], {}).digest != Bank([Newer()], [], {}).digest  # type: ignore[list-item]


@pytest.mark.parametrize(
    "state",
    [
        None,
        {"c": "watchdogd.core.detect.bank:BankState", "f": []},
        {"c": "os:system", "f": []},
        {"c": "watchdogd.core.detect.bank:bank", "f": []},
        {"c": "watchdogd.core.detect.bank:Bank.start", "f": []},
        {"e": "watchdogd.core.health:Channel", "v": "no such channel"},
        {"c": "watchdogd.core.detect.snapshot:sys", "f": []},
        {"x": 1},
        {"q": 3, "m": "many"},
    ],
)
def test_bytes_of_anybodys_making_are_refused_as_a_value_error(state: object) -> None:
    one = bank()
    with pytest.raises(ValueError):
        one.load(json.dumps({"bank": one.digest, "state": state}).encode())


@given(st.binary(max_size=200))
def test_random_bytes_are_refused_as_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError):
        bank().load(data)


def test_loading_runs_no_constructor_and_no_code_of_a_class() -> None:
    text = {"c": "watchdogd.core.ids:AgentRef", "f": ["not a valid site!", "x"]}
    made = snapshot.decoded_safely(text)
    assert made.site == "not a valid site!"  # type: ignore[attr-defined]


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text() | st.integers(), inner)
        | st.frozensets(st.integers())
        | st.sets(st.text())
        | st.lists(st.integers(-(2**63), 2**63 - 1)).map(lambda found: array("q", found))
        | st.lists(st.floats(allow_nan=False)).map(lambda found: array("d", found))
    ),
    max_leaves=20,
)


@given(values)
def test_plain_data_survives_the_snapshot_with_its_types(value: object) -> None:
    assert snapshot.decoded_safely(json.loads(json.dumps(snapshot.encoded(value)))) == value


@pytest.mark.parametrize(
    "numbers",
    [
        {"a": "u", "v": ["x"]},
        {"a": "q", "v": ["x"]},
        {"a": "q", "v": [2**63]},
        {"a": "q", "v": [0.5]},
        {"a": "q", "v": 3},
        {"a": "d"},
        {"a": [], "v": []},
        {"a": {}, "v": []},
    ],
)
def test_an_array_that_holds_something_else_is_refused(numbers: object) -> None:
    with pytest.raises(ValueError, match=r"not a snapshot|an array|may not hold"):
        snapshot.decoded_safely(numbers)


def test_risk_is_graded_below_the_first_level_and_stays_within_0_and_1() -> None:
    one = bank()
    state: BankState = one.start()
    risks = []
    for event in calls(10):
        state, _ = one.step(state, event)
        risks.append(one.risk(state)[Channel.PROGRESS])
    assert 0 < risks[3] < 0.5 <= risks[-1] <= 1


def test_live_and_replayed_events_give_the_same_findings() -> None:
    events = [Event(seq=-1, body=RunStarted(goal="list files")), *calls(5)]
    live = [replace(event, boot="b1", digest="d", run="r") for event in events]
    assert findings(events) == findings(live)


def test_every_body_kind_is_taken_without_a_raise() -> None:
    bodies: list[Body] = [
        kind() if kind not in (ToolIntended, ToolFinished) else kind(tool="t")
        for kind in Body.__args__
        if kind.__name__ != "UserSaid"
    ]
    assert not [one for _, one in findings([Event(seq=i, body=body, at=float(i)) for i, body in enumerate(bodies)])]
