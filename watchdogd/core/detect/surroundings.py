"""What the calls around a failure say about it, where its own text does not."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field

from watchdogd.core.detect.outage_signs import Side

WINDOW_CALLS = 6
"""Finished calls that still say something about the next."""
OTHERS = 2
"""Outages among them from which a failure beside them that says nothing belongs to them; one will do where no failure
among them was the agent's own."""
ALIKE_CALLS = 3
"""Failures with one signature, of several tools, from which the fault lies outside of all of them."""
ALIKE_S = 60.0
"""What fails alike within this time has one cause, even if other tools work in between (seconds)."""
MOST_SIGNATURES = 16
"""Signatures that are remembered."""
LONG_S = 5.0
"""Shorter failures did not wait for anything (seconds)."""
SAME_S = 0.02
"""Failures that took equally long to this share ended at one and the same deadline."""


@dataclass(slots=True)
class Alike:
    """Failures with one signature."""

    seqs: list[tuple[int, float | None, str]] = field(default_factory=list)
    """(number of the call, when, tool)."""


@dataclass(slots=True)
class Surroundings:
    """The last finished calls."""

    last: deque[int] = field(default_factory=deque)
    """Of each: where its fault lies, or -1 when it worked."""
    alike: OrderedDict[int, Alike] = field(default_factory=OrderedDict)
    worked: int = 0
    """Number of the last call that worked."""
    took_s: float = 0.0
    """How long the last failure took that did not say where it lies (0 = not known, or something worked since)."""

    def works(self, tool: str, number: int) -> None:
        """One more call that worked."""
        self._took(-1)
        self.worked, self.took_s = number, 0.0
        for one in self.alike.values():
            if any(other == tool for _, _, other in one.seqs):
                one.seqs.clear()

    def outside(
        self, side: Side, tool: str, key: int, number: int, at: float | None, took_s: float | None, *, new: bool
    ) -> bool:
        """Takes one more failure; whether its fault lies outside of the agent.

        Args:
            side: what its text says.
            tool: that failed.
            key: the error's signature.
            number: of the call.
            at: when (Unix time), where known.
            took_s: how long the call took (seconds), where known.
            new: False when this very call worked before and nothing else was done since.
        """
        if side is Side.OPEN:
            one_deadline = self._one_deadline(took_s)
            several = self._several_tools(tool, key, number, at)
            if one_deadline or several or not new or self._among_outages():
                side = Side.OUTSIDE
        self._took(side)
        return side is Side.OUTSIDE

    def _took(self, side: int) -> None:
        self.last.append(side)
        if len(self.last) > WINDOW_CALLS:
            self.last.popleft()

    def _among_outages(self) -> bool:
        outside, own = self.last.count(Side.OUTSIDE), self.last.count(Side.OWN)
        return outside > 2 * own and outside >= (OTHERS if own else 1)

    def _one_deadline(self, took_s: float | None) -> bool:
        before, self.took_s = self.took_s, took_s or 0.0
        return self.took_s >= LONG_S and abs(self.took_s - before) <= SAME_S * self.took_s

    def _several_tools(self, tool: str, key: int, number: int, at: float | None) -> bool:
        one = self.alike.get(key)
        if one is None:
            one = self.alike[key] = Alike()
            if len(self.alike) > MOST_SIGNATURES:
                self.alike.popitem(last=False)
        self.alike.move_to_end(key)
        one.seqs = [
            (then, when, other)
            for then, when, other in one.seqs[-ALIKE_CALLS - 1 :]
            if then > self.worked or (at is not None and when is not None and 0 <= at - when <= ALIKE_S)
        ]
        one.seqs.append((number, at, tool))
        return len(one.seqs) >= ALIKE_CALLS and len({other for _, _, other in one.seqs}) > 1
