"""Measures of a detector: AUROC, rates with intervals, quantiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

Z = 1.959964
"""Standard normal quantile of a two-sided 95 % interval."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A number with its 95 % interval."""

    value: float
    low: float
    high: float


def rate(hits: int, of: int) -> Estimate | None:
    """``hits`` of ``of`` with Wilson's interval (Wilson 1927); None when there is nothing to count."""
    if of == 0:
        return None
    share, z2 = hits / of, Z * Z
    middle = (share + z2 / (2 * of)) / (1 + z2 / of)
    half = Z / (1 + z2 / of) * sqrt(share * (1 - share) / of + z2 / (4 * of * of))
    return Estimate(value=share, low=max(0.0, middle - half), high=min(1.0, middle + half))


def auroc(bad: Sequence[float], good: Sequence[float]) -> Estimate | None:
    """The chance that a bad run scores above a good one, ties half; interval after Hanley and McNeil (1982)."""
    if not bad or not good:
        return None
    ranked = sorted([(score, True) for score in bad] + [(score, False) for score in good])
    ranks, at = 0.0, 0
    while at < len(ranked):
        end = at
        while end < len(ranked) and ranked[end][0] == ranked[at][0]:
            end += 1
        middle = (at + 1 + end) / 2
        ranks += middle * sum(is_bad for _, is_bad in ranked[at:end])
        at = end
    n, m = len(bad), len(good)
    area = (ranks - n * (n + 1) / 2) / (n * m)
    q1, q2 = area / (2 - area), 2 * area * area / (1 + area)
    spread = (area * (1 - area) + (n - 1) * (q1 - area * area) + (m - 1) * (q2 - area * area)) / (n * m)
    half = Z * sqrt(max(0.0, spread))
    return Estimate(value=area, low=max(0.0, area - half), high=min(1.0, area + half))


def quantile(values: Sequence[float], share: float) -> float | None:
    """The smallest value that ``share`` of ``values`` do not exceed."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, int(share * len(ordered) + 0.999999) - 1))]


def percent(estimate: Estimate | None) -> str:
    """``12.3 % [10.1, 14.9]``."""
    if estimate is None:
        return "-"
    return f"{100 * estimate.value:.1f} % [{100 * estimate.low:.1f}, {100 * estimate.high:.1f}]"


def area(estimate: Estimate | None) -> str:
    """``.912 [.880, .944]``."""
    if estimate is None:
        return "-"
    return f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"
