"""4,000 schedules of 360 s on all cores."""

from __future__ import annotations

import os

from tests.protocol.campaign import Sums, outcomes

SCHEDULES = 4_000
HORIZON_S = 360.0


def drill() -> bool:
    """Whether no schedule broke a promise; prints the sums as they grow."""
    sums = Sums(HORIZON_S)
    for outcome in outcomes(range(SCHEDULES), HORIZON_S, os.cpu_count() or 1):
        sums.add(outcome)
        if outcome.violations:
            print(f"seed {outcome.seed} ({outcome.kind}): {outcome.violations[0]}", flush=True)
        if sums.schedules % 500 == 0:
            print(f"{sums.schedules:,} schedules, {sums.counts['effects']:,} effects", flush=True)
    print(sums.text(), flush=True)
    return not sums.broken
