"""Checkpoints: what one holds, which have passed inspection, which to return to, which to keep."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from watchdogd.core.tree import Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Extra:
    """Something besides the workspace that is kept under the same id: the conversation, the memory."""

    name: str
    ref: str
    size: int
    """Bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What one checkpoint holds, and what it does not."""

    id: str
    taken_at: float
    """Unix time in seconds."""
    root: str
    workspace: Entry | None
    """None when the walk did not come to its end."""
    complete: bool
    why: str = ""
    """What made it incomplete, one sentence. An incomplete checkpoint is never a target."""
    reason: str = ""
    """What it was taken for: schedule, before a call, before a restore."""
    at_seq: int = 0
    """The last event it contains."""
    files: int = 0
    bytes: int = 0
    """Of the files' contents."""
    stored_bytes: int = 0
    """What it added to the store."""
    took_s: float = 0.0
    missed: tuple[tuple[str, str], ...] = ()
    """Paths that were not captured and why; the first ``MISSED_NAMED`` of them."""
    missed_count: int = 0
    exclude: tuple[str, ...] = ()
    extra: tuple[Extra, ...] = ()

    @property
    def headline(self) -> str:
        """The checkpoint in a line for people."""
        missed = f", {self.missed_count} not captured" if self.missed_count else ""
        state = "complete" if self.complete else f"incomplete: {self.why}"
        return f"{self.id}: {self.files} files, {self.bytes:,} bytes{missed}, {state}"


MISSED_NAMED = 1_000
"""Not captured paths that a manifest names one by one; all are in the trees."""


# --- standing: has it passed inspection? ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A checkpoint as far as its standing goes."""

    id: str
    at_seq: int
    """The last event it contains."""
    complete: bool
    taken_at: float = 0.0
    """Unix time in seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What an inspection, together with all detectors, found."""

    healthy_upto: int
    """Everything up to this event was healthy: the window's end when all is well, the event before the onset when it
    is not, 0 when anything is unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Return:
    """A rollback that happened: from ``at_seq`` on, the events after ``to_seq`` up to there are undone."""

    at_seq: int
    to_seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What is known about a run's past."""

    looks: tuple[Look, ...] = ()
    onsets: tuple[int, ...] = ()
    """Events at which trouble is known to have begun; one that proves to be a false alarm is taken out again."""
    returns: tuple[Return, ...] = ()


Grade: TypeAlias = Literal["passed", "waiting", "tainted", "incomplete"]
"""``passed``: a later inspection found everything up to it healthy; ``tainted``: trouble began before it."""
LONGEST_PAST = 500
"""Onsets and returns that are remembered of one run; beyond that people choose where to return to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A checkpoint as it is known without its store."""

    point: Point
    run: str = ""
    mission: str = ""
    reason: str = ""
    files: int = 0
    bytes: int = 0
    why: str = ""
    """What made it incomplete."""
    missed: int = 0
    """Paths that were not captured."""
    final: Grade | None = None
    """Its standing when its run ended; None while that run goes on."""


def standing(known: Known, past: Past) -> Grade:
    """How far ``known`` can be trusted."""
    if known.final is not None:
        return known.final
    if not known.point.complete:
        return "incomplete"
    if tainted(known.point, past):
        return "tainted"
    return "passed" if passed(known.point, past) else "waiting"


def contains(at_seq: int, event: int, returns: Sequence[Return]) -> bool:
    """Whether the state after ``at_seq`` still has event ``event`` in its history, rollbacks considered."""
    end = at_seq
    while True:
        last = max((one for one in returns if one.at_seq <= end), key=lambda one: one.at_seq, default=None)
        if last is None or event > last.at_seq:
            return event <= end
        if last.to_seq >= last.at_seq:  # a rollback leads back; anything else would never end
            return event <= end
        end = last.to_seq


def passed(point: Point, past: Past) -> bool:
    """Whether ``point`` has passed inspection: a later one found everything up to it healthy.

    An onset that turns up within its history takes the standing back.
    """
    inspected = any(look.healthy_upto >= point.at_seq for look in past.looks)
    return point.complete and inspected and not tainted(point, past)


def tainted(point: Point, past: Past) -> bool:
    """Whether trouble is known to have begun before ``point`` was taken, and was not undone before."""
    return any(contains(point.at_seq, onset, past.returns) for onset in past.onsets)


def target(points: Iterable[Point], onset: int, past: Past) -> Point | None:
    """The newest checkpoint to return to when trouble began at event ``onset``; None when people must choose.

    It has passed inspection and its history ends before ``onset``.
    """
    known = Past(looks=past.looks, onsets=(*past.onsets, onset), returns=past.returns)
    fit = [point for point in points if passed(point, known)]
    return max(fit, key=lambda point: (point.at_seq, point.taken_at, point.id), default=None)


# --- retention --------------------------------------------------------------------------------------------------------

_HOUR_S, _DAY_S = 3_600, 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """Which checkpoints are kept. The newest are dense because most rollbacks go back minutes, not days."""

    latest: int = 12
    """The newest."""
    hourly: int = 24
    """One for each of so many hours."""
    daily: int = 7
    """One for each of so many days."""
    passed: int = 4
    """The newest that passed inspection are kept however old they are: without one there is no target."""
    incomplete: int = 2
    """The newest incomplete ones, for people who wonder why."""


def kept(
    points: Sequence[Point], sound: Collection[str], retention: Retention, pinned: Collection[str] = ()
) -> frozenset[str]:
    """The ids of the checkpoints to keep: ``sound`` ones passed inspection, something under way needs ``pinned`` ones.

    The newest are those with the latest events: a wall clock can be set back.
    """
    newest = sorted(points, key=lambda point: (point.at_seq, point.taken_at, point.id), reverse=True)
    whole = [point for point in newest if point.complete]
    good = [point for point in whole if point.id in sound]
    broken = [point for point in newest if not point.complete]
    chosen = whole[: retention.latest] + good[: retention.passed] + broken[: retention.incomplete]
    chosen += _one_each(whole, _HOUR_S, retention.hourly) + _one_each(whole, _DAY_S, retention.daily)
    return frozenset(point.id for point in chosen) | frozenset(pinned)


def _one_each(newest_first: Sequence[Point], span_s: int, count: int) -> list[Point]:
    spans: dict[int, Point] = {}
    for point in newest_first:
        spans.setdefault(int(point.taken_at // span_s), point)
    return list(spans.values())[:count]
