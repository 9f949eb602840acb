"""Who may do what: autonomy levels, hard denials, the gate's order, operators' scopes."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, TypeAlias, assert_never

from watchdogd.core.events import Impact
from watchdogd.core.lease.messages import Level


class Right(StrEnum):
    """What a level says to a class of calls."""

    ALLOW = "allow"
    ASK = "ask"
    ASK_UNLESS_LISTED = "ask_unless_listed"
    PREVIEW = "preview"
    DENY = "deny"


_A, _Q, _L, _P, _D = Right.ALLOW, Right.ASK, Right.ASK_UNLESS_LISTED, Right.PREVIEW, Right.DENY
_ORDER = (Impact.READ, Impact.WRITE, Impact.EXECUTE, Impact.NETWORK, Impact.EXTERNAL, Impact.DESTRUCTIVE)
RIGHTS: Mapping[Level, Mapping[Impact, Right]] = {
    Level.OBSERVE: dict(zip(_ORDER, (_A, _P, _P, _D, _D, _D), strict=True)),
    Level.SUGGEST: dict(zip(_ORDER, (_A, _Q, _Q, _Q, _Q, _Q), strict=True)),
    Level.ASSISTED: dict(zip(_ORDER, (_A, _A, _A, _L, _Q, _Q), strict=True)),
    Level.AUTONOMOUS: dict(zip(_ORDER, (_A, _A, _A, _A, _L, _L), strict=True)),
}
"""The table of DESIGN 4."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Denial:
    """A hard denial: what it names is refused at every level, with or without approval."""

    kind: Literal["path", "command", "tool", "host"]
    pattern: str
    """path, tool, host: a glob; command: a regular expression over the command as written."""
    reason: str
    source: str = "policy"
    """Where it comes from: ``policy`` or ``mission NAME``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """A call as the gate weighs it."""

    tool: str
    impact: Impact
    action_digest: str
    text: str = ""
    """The command, or the arguments' canonical JSON: what command denials are matched against."""
    writes: tuple[str, ...] = ()
    """Workspace-relative paths it names as changed; absolute ones as they stand."""
    hosts: tuple[str, ...] = ()
    dangers: tuple[str, ...] = ()
    asks_people: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """A person's yes to one exact action; used once."""

    question: str
    action_digest: str
    by: str
    valid_until: float
    """Unix time (seconds)."""
    used: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What the run may still spend; None = no such limit."""

    left_usd: float | None = None
    left_tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Allow:
    """The call may run; with ``approval`` set, that answer is consumed by running it."""

    approval: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """The call may run in a throw-away copy of the workspace, and nowhere else."""

    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deny:
    """The call is refused."""

    by: str
    """hard-denial, level, approval, budget, dry-run, preview (no copy could be had)."""
    reason: str
    instead: str = ""
    """What the model may do instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A person has to decide."""

    reason: str


Ruling: TypeAlias = Allow | Preview | Deny | Ask


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What the gate holds calls against."""

    denials: tuple[Denial, ...] = ()
    listed_hosts: tuple[str, ...] = ()
    listed_actions: tuple[str, ...] = ()
    """Globs over the command of external and destructive calls that ``autonomous`` may make unasked."""


def _inside(path: str, pattern: str) -> bool:
    """Whether ``path`` is ``pattern``, lies below it, or would take it along (an ancestor is removed)."""
    path, pattern = path.strip("/") or ".", pattern.strip("/")
    if path in (".", ""):
        return True
    return (
        fnmatch.fnmatchcase(path, pattern)
        or path.startswith(pattern + "/")
        or fnmatch.fnmatchcase(path, pattern + "/*")
        or pattern.startswith(path + "/")
    )


def denied_by(denial: Denial, act: Act) -> bool:
    """Whether ``denial`` names ``act``. A pattern that cannot be compiled denies everything."""
    match denial.kind:
        case "path":
            return any(_inside(path, denial.pattern) for path in act.writes)
        case "tool":
            return fnmatch.fnmatchcase(act.tool, denial.pattern)
        case "host":
            return any(fnmatch.fnmatchcase(host, denial.pattern) for host in act.hosts)
        case "command":
            try:
                return re.search(denial.pattern, act.text) is not None
            except re.error:
                return True
        case _:
            assert_never(denial.kind)


def _level_says(level: Level, act: Act, bounds: Bounds) -> Ruling:
    right = RIGHTS[level][act.impact]
    name = act.impact.value
    match right:
        case Right.ALLOW:
            return Allow(why=f"level {level.value} allows {name}")
        case Right.ASK:
            return Ask(reason=f"level {level.value} asks before {name}")
        case Right.ASK_UNLESS_LISTED:
            if act.impact is Impact.NETWORK:
                if act.hosts and all(_listed(host, bounds.listed_hosts) for host in act.hosts):
                    return Allow(why="the host is listed")
            elif _listed(act.text, bounds.listed_actions):
                return Allow(why="the action is listed")
            return Ask(reason=f"level {level.value} asks before {name} that is not listed")
        case Right.PREVIEW:
            return Preview(why=f"level {level.value} only previews {name}")
        case Right.DENY:
            return Deny(by="level", reason=f"level {level.value} does not allow {name}", instead="stay with reading")
        case _:
            assert_never(right)


def only_previews(level: Level) -> bool:
    """Whether nothing may change in the workspace at ``level``."""
    return RIGHTS[level][Impact.WRITE] is Right.PREVIEW


def _dry_run_says(act: Act) -> Ruling:
    """In a dry run the copy takes every change, so nobody need be asked; what would leave the machine is refused."""
    match act.impact:
        case Impact.READ:
            return Allow(why="a dry run may read")
        case Impact.WRITE | Impact.EXECUTE | Impact.DESTRUCTIVE:
            return Preview(why="a dry run works in a throw-away copy")
        case Impact.NETWORK | Impact.EXTERNAL:
            return Deny(
                by="dry-run",
                reason=f"this is a dry run, and nothing leaves the machine in it ({act.impact.value})",
                instead="go on without it and say what you would have done",
            )
        case _:
            assert_never(act.impact)


def _mission_says(level: Level, act: Act) -> Ruling:
    """The operator's own command, which levels do not forbid; what changes nothing at a level changes nothing here."""
    if only_previews(level) and act.impact in (Impact.WRITE, Impact.EXECUTE, Impact.DESTRUCTIVE):
        return Preview(why=f"level {level.value} only previews {act.impact.value}")
    return Allow(why="the mission's own command")


def _listed(value: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(value, pattern) for pattern in patterns)


def denial_of(act: Act, bounds: Bounds) -> Deny | None:
    """The first hard denial that names ``act``."""
    for denial in bounds.denials:
        if denied_by(denial, act):
            why = f"{denial.reason} ({denial.source})"
            return Deny(by="hard-denial", reason=why, instead="find a way that keeps to it")
    return None


def rule(
    act: Act,
    *,
    level: Level,
    bounds: Bounds,
    approvals: Sequence[Approval],
    budget: Budget,
    now: float,
    dry_run: bool = False,
    by_mission: bool = False,
) -> Ruling:
    """The gate's word on ``act`` once latches and lease let it pass: hard denials, level, approval, budget.

    In shadow mode the caller asks all the same, records the ruling and lets the call run, except in a dry run.

    Args:
        act: the call.
        level: the autonomy level in force.
        bounds: denials and lists.
        approvals: answers that were given for this run.
        budget: what is left.
        now: unix time (seconds).
        dry_run: the run works in a throw-away copy; no level and no approval lets it do more.
        by_mission: the operator configured this very command (``done_when``): no level forbids it.
    """
    denial = denial_of(act, bounds)
    if denial is not None:
        return denial
    ruling: Ruling
    if act.asks_people:
        ruling = Allow(why="a question to people")
    elif dry_run:
        ruling = _dry_run_says(act)
    else:
        ruling = _mission_says(level, act) if by_mission else _level_says(level, act, bounds)
    if isinstance(ruling, Ask):
        ruling = _approved(act, approvals, now) or ruling
    if isinstance(ruling, Allow | Preview):
        if budget.left_usd is not None and budget.left_usd <= 0:
            return Deny(by="budget", reason="the run's money budget is spent")
        if budget.left_tokens is not None and budget.left_tokens <= 0:
            return Deny(by="budget", reason="the run's token budget is spent")
    return ruling


def _approved(act: Act, approvals: Sequence[Approval], now: float) -> Allow | None:
    for approval in approvals:
        if approval.action_digest == act.action_digest and not approval.used and now < approval.valid_until:
            return Allow(approval=approval.question, why=f"approved by {approval.by}")
    return None


class Scope(StrEnum):
    """What an operator can ask for."""

    PAUSE = "pause"
    RESUME = "resume"
    NUDGE = "nudge"
    ROLLBACK = "rollback"
    APPROVE = "approve"
    DENY = "deny"
    ACK = "ack"
    STOP = "stop"
    RUN = "run"
    LEVEL = "level"
    LABEL = "label"


OPEN_SCOPES = frozenset({Scope.PAUSE, Scope.DENY, Scope.STOP, Scope.ACK})
"""What needs only the broker's identity: everything that can only restrict (DESIGN 7)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """A listed person."""

    name: str
    """The broker's authenticated user."""
    may: frozenset[Scope] = field(default_factory=frozenset)


def permitted(operators: Sequence[Operator], user: str, scope: Scope) -> bool:
    """Whether ``user`` may ask for ``scope``; an unknown user may only restrict."""
    if scope in OPEN_SCOPES:
        return True
    return any(one.name == user and scope in one.may for one in operators)
