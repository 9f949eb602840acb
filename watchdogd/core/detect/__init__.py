"""Detectors: frozen thresholds plus a fold over the events."""
