"""Escalations to people: notices, and questions that bind one exact action."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from watchdogd.core.health import Severity

SHOWN_LIMIT = 16_000
"""Characters an approver can be asked to read; longer is not approvable (DESIGN 7)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApproveCall:
    """May this call run?"""

    kind: Literal["approve_call"] = "approve_call"
    tool: str
    action_digest: str
    shown: str
    """Every byte of the action, control and bidi characters escaped."""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseLatch:
    """May the worker go on?"""

    kind: Literal["release_latch"] = "release_latch"
    latch: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedByWorker:
    """The worker's model wants to know something from people."""

    kind: Literal["asked"] = "asked"
    question: str
    options: tuple[str, ...] = ()
    action_digest: str = ""


Subject: TypeAlias = ApproveCall | ReleaseLatch | AskedByWorker


@dataclass(frozen=True, slots=True, kw_only=True)
class Escalation:
    """One thing people should know or decide."""

    id: str
    run: str
    severity: Severity
    headline: str
    subject: Subject | None = None
    """None = a notice."""
    evidence: tuple[int, ...] = ()
    decision: str = ""
    group: str = ""
    """Notices of one group are folded into one; one open question per group."""
    opened_at: float = 0.0
    """Unix time (seconds)."""
    expires_at: float | None = None
    count: int = 1
    """How many notices were folded into this one."""
    state: Literal["open", "acked", "approved", "denied", "answered", "expired", "withdrawn"] = "open"
    by: str = ""
    closed_at: float | None = None
    detail: str = ""

    @property
    def options(self) -> tuple[str, ...]:
        """What can be answered."""
        match self.subject:
            case ApproveCall():
                return ("approve", "deny")
            case ReleaseLatch():
                return ("resume", "stop")
            case AskedByWorker(options=options):
                return options or ("approve", "deny")
            case _:
                return ("ack",)

    @property
    def is_open(self) -> bool:
        """Whether it still waits for somebody."""
        return self.state == "open"


_BLANK = "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"
"""Letters, marks and symbols that show nothing (Unicode's Default_Ignorable_Code_Point, and the empty Braille cell)."""

_SELECTORS = frozenset(chr(code) for code in (*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)))
"""Variation selectors: marks that show nothing of their own."""


def visible(text: str) -> str:
    """``text`` with everything that could deceive a reader escaped: control, bidi, blanks, surrogates."""
    out = []
    for char in text:
        category = unicodedata.category(char)
        if char in " \n\t" or (category[0] not in "CZ" and char not in _BLANK and char not in _SELECTORS):
            out.append(char)
        else:
            code = ord(char)
            out.append(f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}")
    return "".join(out)


def folded(open_ones: Sequence[Escalation], new: Escalation) -> Escalation | None:
    """The open notice that ``new`` repeats, with its count raised; None = ``new`` stands for itself."""
    for one in open_ones:
        if one.is_open and one.subject is None and new.subject is None and one.group and one.group == new.group:
            worst = new.severity if new.severity.rank > one.severity.rank else one.severity
            return replace(one, count=one.count + 1, headline=new.headline, evidence=new.evidence, severity=worst)
    return None


def expired(open_ones: Sequence[Escalation], now: float) -> tuple[Escalation, ...]:
    """The open questions whose time has run out at ``now`` (unix seconds)."""
    return tuple(one for one in open_ones if one.is_open and one.expires_at is not None and now >= one.expires_at)


def within_cap(opened_at: Sequence[float], now: float, per_hour: int) -> bool:
    """Whether one more question may be opened at ``now`` without exceeding ``per_hour``."""
    return sum(1 for at in opened_at if now - at < 3600) < per_hour


@dataclass(frozen=True, slots=True, kw_only=True)
class Inbox:
    """The one topic a phone or a wall panel needs."""

    open: int
    questions: int
    headline: str
    worst: Severity
    newest: str = ""


def inbox(escalations: Sequence[Escalation]) -> Inbox:
    """How many are open, the newest headline, the worst severity."""
    waiting = [one for one in escalations if one.is_open]
    if not waiting:
        return Inbox(open=0, questions=0, headline="nothing waits for you", worst=Severity.OK)
    newest = max(waiting, key=lambda one: (one.opened_at, one.id))
    worst = max((one.severity for one in waiting), key=lambda severity: severity.rank)
    return Inbox(
        open=len(waiting),
        questions=sum(1 for one in waiting if one.subject is not None),
        headline=newest.headline,
        worst=worst,
        newest=newest.id,
    )
