"""The rule without words that only one suite uses: what it would do in a place whose words nobody foresaw."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType

from watchdogd.core.detect import (
    actions,
    cue_words,
    cued_windows,
    cues,
    drift_trust,
    injection,
    intended,
    lexicon,
    obedience,
    passages,
)
from watchdogd.core.detect import repeated_words as said
from watchdogd.wire.trajectory import Trajectory

MODULES: tuple[ModuleType, ...] = (
    actions, cue_words, cued_windows, cues, drift_trust, injection, intended, lexicon, obedience, passages, said,
)  # fmt: skip
_INJECTED = re.compile(r"<INFORMATION>.*?</INFORMATION>|TODO: [^\n]*|Ignore your previous [^\n]*", re.DOTALL)
"""How AgentDojo's injections stand in its recordings: for collecting their words, never for the rule."""
_WORD = re.compile(r"[a-z]+")


def words_of(runs: Sequence[Trajectory]) -> frozenset[str]:
    """The words of the tools' and arguments' names and of the injections in ``runs``."""
    found: set[str] = set()
    for one in runs:
        for step in one.steps:
            if step.kind == "tool_call":
                found.update(_WORD.findall(" ".join([step.tool, *step.args]).lower()))
            elif one.labels.get("attacked") and ("<INF" in step.result or "TODO" in step.result):
                found.update(_WORD.findall(" ".join(_INJECTED.findall(step.result[:20_000])).lower()))
    return frozenset(found)


@contextmanager
def deprived(own: Sequence[Trajectory] = (), others: Sequence[Trajectory] = ()) -> Iterator[int]:
    """For the time being the rule knows no word that only ``own`` uses; without arguments, no meta sign.

    Yields how many words it lost.
    """
    gone = _only_in(own, others) if own else frozenset()
    kept = [(module, name, value) for module in MODULES for name, value in vars(module).items() if _words(value)]
    acts, things, weights = dict(lexicon.ACTS), dict(lexicon.THINGS), dict(cues.WEIGHTS)
    for module, name, value in kept:
        setattr(module, name, value - gone)
    for word in gone:
        lexicon.ACTS.pop(word, None)
        lexicon.THINGS.pop(word, None)
    if not own:
        cues.WEIGHTS.update(dict.fromkeys(cues.WEIGHTS, 0.0))
    _forget()
    try:
        yield len(gone)
    finally:
        for module, name, value in kept:
            setattr(module, name, value)
        lexicon.ACTS.update(acts)
        lexicon.THINGS.update(things)
        cues.WEIGHTS.update(weights)
        _forget()


def _only_in(own: Sequence[Trajectory], others: Sequence[Trajectory]) -> frozenset[str]:
    elsewhere = words_of(others)
    mine = {form for word in words_of(own) - elsewhere for form in (word, *lexicon._inflected(word))} - elsewhere
    known = {word for module in MODULES for value in vars(module).values() if _words(value) for word in value}
    return frozenset(mine & (known | lexicon.ACTS.keys() | lexicon.THINGS.keys()))


def _words(value: object) -> bool:
    return isinstance(value, frozenset) and bool(value) and all(isinstance(one, str) for one in value)


def _forget() -> None:
    cues.meta.cache_clear()
    actions.nearness.cache_clear()
