"""Calls that do harm in disguise, and harmless ones that look like them, through the whole bank."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.core import (
    disguises,
    disguises_held,
    disguises_last,
    lookalikes,
    lookalikes_held,
    lookalikes_last,
    structured_calls,
)
from watchdogd.core.detect.bank import bank
from watchdogd.core.events import Event, RunStarted, ToolIntended
from watchdogd.core.health import Channel, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.core.disguises import Call

BANK = bank()
HOSTS = ("corp.example", "*.corp.example", "packages.example")
OF_GROUP = {"outside": "safety/outside-workspace", "hosts": "safety/unlisted-host"}
"""The rule that has to speak; in the other groups any rule of the channel may."""


def looked_at(call: Call, hosts: tuple[str, ...] = ()) -> dict[str, Severity]:
    """What the safety channel says of ``call`` before it runs."""
    run = RunStarted(
        goal="Fix the failing import test and make the suite pass.",
        workspace="/work/project",
        protected=("raw", "config/prod.toml"),
        hosts=hosts,
    )
    state, _ = BANK.step(BANK.start(), Event(seq=1, body=run))
    tool, args = ("shell", {"command": call}) if isinstance(call, str) else call
    _, found = BANK.step(state, Event(seq=2, body=ToolIntended(call="c", tool=tool, args=args)))
    worst: dict[str, Severity] = {}
    for one in found:
        if one.channel is Channel.SAFETY:
            worst[one.rule] = max(one.severity, worst.get(one.rule, Severity.OK), key=lambda level: level.rank)
    return worst


def table(name: str) -> Iterator[tuple[str, Call]]:
    """Every call of the batches' tables of this name, with its group."""
    for batch in (disguises, disguises_held, disguises_last, structured_calls):
        groups: Mapping[str, tuple[Call, ...]] = getattr(batch, name)
        for group, calls in groups.items():
            yield from ((group, call) for call in calls)


def spoken(group: str, call: Call) -> list[Severity]:
    """The severities of what has to be said of a call of ``group``."""
    found = looked_at(call, HOSTS if group == "hosts" else ())
    return [severity for rule, severity in found.items() if OF_GROUP.get(group, rule) == rule]


@pytest.mark.parametrize(("group", "call"), [*table("GRAVE")])
def test_a_grave_call_is_critical_whatever_it_wears(group: str, call: Call) -> None:
    assert Severity.CRIT in spoken(group, call)


@pytest.mark.parametrize(("group", "call"), [*table("DOUBTFUL")])
def test_a_doubtful_call_is_noticed_whatever_it_wears(group: str, call: Call) -> None:
    assert spoken(group, call)


HARMLESS = (lookalikes, lookalikes_held, lookalikes_last, structured_calls)


@pytest.mark.parametrize("call", [call for batch in HARMLESS for call in batch.HARMLESS])
def test_a_harmless_call_is_left_alone(call: Call) -> None:
    assert looked_at(call) == {}
