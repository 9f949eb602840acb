"""Small runs for detector tests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from watchdogd.core.detect.bank import Bank, Thresholds, bank
from watchdogd.core.events import Body, Event, ModelCalled, Text, ToolFinished, ToolIntended, UserSaid
from watchdogd.core.health import Finding, Severity

Raised = list[tuple[int, Finding]]
OF = bank()


class Tape:
    """Events with seq 0, 1, 2, … and, where ``every_s`` is given, times."""

    def __init__(self, every_s: float | None = None) -> None:
        self.events: list[Event] = []
        self.every_s, self.at = every_s, 0.0

    def put(self, body: Body, *, after_s: float | None = None) -> Tape:
        if self.every_s is not None:
            self.at += self.every_s if after_s is None else after_s
        at = None if self.every_s is None else self.at
        self.events.append(Event(seq=len(self.events), body=body, at=at))
        return self

    def say(self, text: str) -> Tape:
        return self.put(ModelCalled(text=Text.plain(text)))

    def user(self, text: str) -> Tape:
        return self.put(UserSaid(text=Text.plain(text)))

    def call(
        self, args: object, result: str, *, tool: str = "run", failed: bool = False, after_s: float | None = None
    ) -> Tape:
        call = f"c{len(self.events)}"
        given = args if isinstance(args, dict) else {"command": args}
        self.put(ToolIntended(call=call, tool=tool, args=given), after_s=after_s)
        done = ToolFinished(call=call, tool=tool, result=Text.plain(result))
        return self.put(ToolFinished(call=call, tool=tool, outcome="error", result=done.result) if failed else done)

    def found(self, of: Bank | None = None) -> Raised:
        return seen(self.events, of)

    def rules(self, of: Bank | None = None) -> dict[str, Severity]:
        """Each rule that rose, with its worst level."""
        worst: dict[str, Severity] = {}
        for _, one in self.found(of):
            if one.severity.rank > worst.get(one.rule, Severity.OK).rank:
                worst[one.rule] = one.severity
        return worst


def seen(events: Iterable[Event], of: Bank | None = None) -> Raised:
    one = of or OF
    state, found = one.start(), []
    for event in events:
        state, new = one.step(state, event)
        found += [(event.seq, finding) for finding in new]
    return found


def levels(found: Sequence[tuple[int, Finding]], rule: str) -> list[tuple[int, Severity]]:
    return [(seq, one.severity) for seq, one in found if one.rule == rule]


def with_thresholds(**families: object) -> Bank:
    return bank(Thresholds(**families))  # type: ignore[arg-type]
