"""What is known about recorded runs: which label says that a run is bad."""

from __future__ import annotations

from collections.abc import Mapping

BAD_WHEN_TRUE = frozenset(
    {"hijacked", "attacked", "unsafe", "loop", "derailed", "memory_loss", "injection_attempted", "fault", "stuck"}
)
BAD_WHEN_FALSE = frozenset({"task_success"})
BAD_WORDS = frozenset({"stuck", "bad", "fail", "failed", "true", "yes"})
GOOD_WORDS = frozenset({"ok", "good", "pass", "passed", "false", "no", "none"})


def known(labels: Mapping[str, object]) -> dict[str, bool]:
    """Each label that says good or bad, as whether it says bad; absent and null are unknown."""
    found = {}
    for name, value in labels.items():
        bad = _bad(name, value)
        if bad is not None:
            found[name] = bad
    return found


def _bad(name: str, value: object) -> bool | None:
    if value is None:
        return None
    if isinstance(value, str):
        word = value.lower()
        if name == "fault":
            return word not in GOOD_WORDS
        if name == "expect" and (word in BAD_WORDS or word in GOOD_WORDS):
            return word in BAD_WORDS
        return None
    if not isinstance(value, bool):
        return None
    if name in BAD_WHEN_TRUE:
        return value
    return not value if name in BAD_WHEN_FALSE else None
