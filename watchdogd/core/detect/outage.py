"""Failures of the provider or the network: named as what they are, never the agent's fault."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import ClassVar

from watchdogd.core.detect.calls import Call
from watchdogd.core.detect.detector import NONE, Levels
from watchdogd.core.detect.failures import Fault
from watchdogd.core.detect.thresholds import Errors
from watchdogd.core.events import Event, ModelCalled, ProviderError
from watchdogd.core.health import Channel, Finding, Severity

RULE = "errors/provider-or-network-outage"
WINDOW = 6
LONG_WINDOW = 24
"""Attempts after which a tool that was not tried again is forgotten."""
MOST_TOOLS = 32
PROVIDER, TOOLS = "provider", "tools"


@dataclass(slots=True)
class Attempts:
    """The last attempts to reach one side of the outside: (seq, failed)."""

    last: deque[tuple[int, bool]] = field(default_factory=deque)
    row: int = 0
    bad: int = 0
    """How many of them failed."""


@dataclass(slots=True)
class Reach:
    """The model's provider and what tools talk to, apart: one may be well while the other is down."""

    sides: dict[str, Attempts] = field(default_factory=lambda: {PROVIDER: Attempts(), TOOLS: Attempts()})
    tools: OrderedDict[str, list[int]] = field(default_factory=OrderedDict)
    """Events in which a tool could not reach what it talks to, none in which it could since."""
    numbers: dict[str, int] = field(default_factory=dict)
    """Number of the call of the newest of them."""
    levels: Levels = field(default_factory=Levels)


@dataclass(frozen=True, slots=True)
class Outage:
    """Several failures of provider or network among the last attempts, or of one tool in a row. O(1) per event."""

    thresholds: Errors
    name: ClassVar[str] = "provider-or-network-outage"
    channel: ClassVar[Channel] = Channel.ERRORS
    version: ClassVar[int] = 2
    kinds: ClassVar[frozenset[str]] = frozenset({"provider_error", "model_called"})

    def start(self) -> Reach:
        """Nothing tried yet."""
        return Reach()

    def step(self, state: Reach, event: Event, call: Call | None) -> tuple[Reach, tuple[Finding, ...]]:
        """The attempts after ``event``."""
        body = event.body
        if isinstance(body, ProviderError):
            return state, self._tried(state, PROVIDER, event.seq, True, body.error or str(body.status or "error"), ())
        if call is not None:
            failed = call.fault is Fault.OUTAGE
            alone = _of_tool(state, call, failed=failed)
            return state, self._tried(state, TOOLS, event.seq, failed, call.tool, alone)
        if isinstance(body, ModelCalled) and body.usage is not None:
            return state, self._tried(state, PROVIDER, event.seq, False, "", ())
        return state, NONE

    def _tried(
        self, state: Reach, side: str, seq: int, failed: bool, what: str, alone: tuple[int, ...]
    ) -> tuple[Finding, ...]:
        one, limits = state.sides[side], self.thresholds
        one.last.append((seq, failed))
        one.bad += failed
        if len(one.last) > WINDOW:
            one.bad -= one.last.popleft()[1]
        one.row = one.row + 1 if failed else 0
        if not one.bad and not state.levels.up:
            return NONE
        bad = tuple(seq for seq, missed in one.last if missed)
        if len(alone) > len(bad):
            bad = alone
        if len(bad) < limits.outage_warn or not failed:
            gone = not failed and len(bad) <= 1 and not (side == TOOLS and state.tools)
            return state.levels.over(RULE, Channel.ERRORS, side, seq=seq) if gone else NONE
        count = max(one.row, len(bad))
        severity = Severity.CRIT if count >= limits.outage_crit else Severity.WARN
        text = f"outage of the provider or the network: {count} attempts failed ({what}); not the agent's fault"
        risk = min(1.0, 0.5 + 0.08 * len(bad))
        return state.levels.raised(RULE, Channel.ERRORS, severity, risk, text, bad[-12:], side)


def _of_tool(state: Reach, call: Call, *, failed: bool) -> tuple[int, ...]:
    """The events in which the tool of ``call`` failed so, with none in between in which it worked."""
    if not failed and not state.tools:
        return ()
    tool = call.tool[:120]
    for name in [name for name, number in state.numbers.items() if call.number - number > LONG_WINDOW]:
        del state.numbers[name], state.tools[name]
    if not failed:
        if state.tools.pop(tool, None) is not None:
            del state.numbers[tool]
        return ()
    seqs = state.tools.setdefault(tool, [])
    seqs.append(call.seq)
    del seqs[:-LONG_WINDOW]
    state.numbers[tool] = call.number
    state.tools.move_to_end(tool)
    if len(state.tools) > MOST_TOOLS:
        del state.numbers[state.tools.popitem(last=False)[0]]
    return tuple(seqs)
