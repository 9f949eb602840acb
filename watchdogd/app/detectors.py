"""The bank as every command and the live overseer assemble it: the same rules, the same digest."""

from __future__ import annotations

from watchdogd.adapters.secret_shapes import known_shapes
from watchdogd.core.detect.bank import Bank, Thresholds, bank


def detectors(thresholds: Thresholds | None = None) -> Bank:
    """Every detector under ``thresholds``, with the shapes of secrets that the kept library knows."""
    return bank(thresholds, known_shapes())
