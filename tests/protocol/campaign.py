"""Many schedules at once: on one core or several, with the sums that are printed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial

from tests.protocol.model import Outcome, run

SHOWN = (
    "effects",
    "events folded",
    "pauses",
    "pauses latched",
    "pauses held",
    "orders",
    "grants",
    "went back",
    "second looks that held",
    "aborted launches",
    "dead launches killed",
    "in doubt",
    "fenced",
    "freezes",
    "thaws",
    "worker starts",
    "overseer starts",
    "power losses",
)


@dataclass
class Sums:
    """What a campaign came to."""

    horizon_s: float
    schedules: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    broken: list[Outcome] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        """Counts one schedule in."""
        self.schedules += 1
        self.counts += outcome.counts
        if outcome.violations:
            self.broken.append(outcome)

    def text(self) -> str:
        """The sums for people."""
        violations = sum(len(one.violations) for one in self.broken)
        head = f"{self.schedules:,} schedules of {self.horizon_s:g} s: {violations} violations, "
        lines = [head + ", ".join(f"{self.counts[name]:,} {name}" for name in SHOWN)]
        lines += [f"  seed {one.seed} ({one.kind}): {why}" for one in self.broken[:20] for why in one.violations[:3]]
        return "\n".join(lines)


def outcomes(seeds: Iterable[int], horizon_s: float, jobs: int, *, stop_early: bool = False) -> Iterator[Outcome]:
    """The outcome of each seed, in order."""
    one = partial(run, horizon_s=horizon_s, stop_early=stop_early)
    if jobs == 1:
        yield from map(one, seeds)
        return
    with ProcessPoolExecutor(jobs) as pool:
        yield from pool.map(one, seeds, chunksize=10)


def campaign(seeds: Iterable[int], horizon_s: float = 360.0, jobs: int = 1) -> Sums:
    """Runs the schedules of ``seeds``."""
    sums = Sums(horizon_s)
    for outcome in outcomes(seeds, horizon_s, jobs):
        sums.add(outcome)
    return sums
