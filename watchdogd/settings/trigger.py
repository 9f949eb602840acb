"""When a mission starts: ``start``, ``request``, ``cron EXPR`` or ``interval SECONDS``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeAlias, assert_never

from watchdogd.core.spelling import did_you_mean

DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat", "sun")
"""Weekday numbers of crontab(5): 0 and 7 are Sunday."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AtStart:
    """Once, when the daemon starts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OnRequest:
    """When a listed person asks for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cron:
    """On a crontab(5) schedule, local time."""

    expression: str
    """Five fields; weekdays by name, because APScheduler 3 counts them from Monday (its issue 286)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Every:
    """Again and again."""

    seconds: float


Trigger: TypeAlias = AtStart | OnRequest | Cron | Every

SOME_LEAP_YEAR = datetime(2028, 1, 1, tzinfo=UTC)
"""From when on a schedule is tried out; in it every date that exists comes."""

WORDS = ("start", "request", "cron", "interval")

SHORTEST_S = 1.0
"""The shortest interval (seconds)."""


def _weekdays(field: str) -> str:
    """``field`` with its weekdays by name; ``5-7`` and ``*/2`` become lists, for a week that begins on Sunday."""
    days: list[str] = []
    for part in field.lower().split(","):
        span, _, step = part.partition("/")
        if not re.fullmatch(r"\*|[0-7](-[0-7])?", span) or (step and not re.fullmatch(r"[1-7]", step)):
            if re.search(r"\d", part):
                raise ValueError(f"weekday {part!r} is not one of 0 to 7 or sun to sat")
            days.append(part)
            continue
        if span == "*" and not step:
            return "*"
        first, _, last = ("0", "-", "6") if span == "*" else span.partition("-")
        end = int(last) if last else 6 if step else int(first)
        if end < int(first):
            raise ValueError(f"weekdays {span!r} run backwards")
        days.extend(DAYS[number] for number in range(int(first), end + 1, int(step or 1)))
    return ",".join(dict.fromkeys(days))


def _cron(expression: str) -> Cron:
    from apscheduler.triggers.cron import CronTrigger  # 60 ms that only a cron mission should cost

    fields = expression.split()
    if len(fields) != 5:
        raise ValueError(f"cron wants 5 fields (minute hour day month weekday), not {len(fields)}")
    fields[4] = _weekdays(fields[4])
    if fields[2] != "*" and fields[4] != "*":
        raise ValueError("cron with both a day and a weekday: crontab means either, this scheduler means both")
    normal = " ".join(fields)
    try:
        trigger = CronTrigger.from_crontab(normal, timezone="UTC")
    except ValueError as why:
        raise ValueError(f"cron {expression!r}: {why}") from None
    if trigger.get_next_fire_time(None, SOME_LEAP_YEAR) is None:
        raise ValueError(f"cron {expression!r} never comes")
    return Cron(expression=normal)


def trigger_of(text: str) -> Trigger:
    """The trigger that ``text`` spells.

    Raises:
        ValueError: it is none of the four forms, or a crontab expression that cannot be scheduled.
    """
    word, _, rest = text.strip().partition(" ")
    rest = rest.strip().strip('"')
    if word == "start" and not rest:
        return AtStart()
    if word == "request" and not rest:
        return OnRequest()
    if word == "cron" and rest:
        return _cron(rest)
    if word == "interval":
        try:
            seconds = float(rest)
        except ValueError:
            raise ValueError(f"interval wants a number of seconds, not {rest!r}") from None
        if not SHORTEST_S <= seconds < float("inf"):
            raise ValueError(f"interval must be at least {SHORTEST_S:g} s, not {rest}")
        return Every(seconds=seconds)
    forms = '"start", "request", "cron MINUTE HOUR DAY MONTH WEEKDAY" or "interval SECONDS"'
    raise ValueError(f"{text!r} is not {forms}{did_you_mean(word, WORDS)}")


def next_start(trigger: Trigger, now: datetime) -> datetime | None:
    """When ``trigger`` starts its mission next, by itself, in the time zone of ``now``; None = people start it.

    A daemon that starts at ``now`` is meant: an interval begins there.
    """
    match trigger:
        case AtStart():
            return now
        case OnRequest():
            return None
        case Every(seconds=seconds):
            return now + timedelta(seconds=seconds)
        case Cron(expression=expression):
            from apscheduler.triggers.cron import CronTrigger

            found = CronTrigger.from_crontab(expression, timezone=now.tzinfo).get_next_fire_time(None, now)
            return found if isinstance(found, datetime) else None
        case _:
            assert_never(trigger)
