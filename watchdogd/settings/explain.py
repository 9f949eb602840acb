"""What the gate would do with a command, and which line of the configuration decides."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass
from typing import assert_never

from watchdogd.core.access import Act, Allow, Ask, Bounds, Budget, Denial, Deny, Preview, denied_by, rule
from watchdogd.core.events import Impact
from watchdogd.core.ids import digest_of
from watchdogd.core.lease.messages import Level, Mode
from watchdogd.core.shell import Assessment, assess
from watchdogd.settings.bounds import bounds, protected
from watchdogd.settings.layers import DEFAULT, Origin
from watchdogd.settings.load import Loaded
from watchdogd.settings.model import Mission


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """The gate's word on a command in one mission."""

    mission: str
    """Empty: no mission, the policy alone."""
    outcome: str
    """allow, ask or deny."""
    by: str
    """hard-denial or level."""
    reason: str
    key: str
    """The key of the configuration that decides."""
    origin: Origin
    then: str
    """What follows from it."""


def act_of(command: str, seen: Assessment) -> Act:
    """The shell call as the gate weighs it; a test holds this against the worker's own tool."""
    return Act(
        tool="shell",
        impact=seen.impact,
        action_digest=digest_of(command),
        text=command,
        writes=tuple(dict.fromkeys((*seen.protected, *seen.writes))),
        hosts=seen.hosts,
        dangers=tuple(f"{danger.kind}: {danger.text}" for danger in seen.dangers),
    )


def _denial_key(loaded: Loaded, mission: Mission | None, denial: Denial) -> str:
    """The key under which ``denial`` is written."""
    if denial in loaded.settings.policy.denials:
        return f"policy.denials.{loaded.settings.policy.denials.index(denial)}"
    if mission is not None and denial.kind == "path":
        return f"missions.{mission.name}.protect.{mission.protect.index(denial.pattern)}"
    if mission is not None:
        return f"missions.{mission.name}.deny_commands.{mission.deny_commands.index(denial.pattern)}"
    return "policy.denials"


def _listing_key(loaded: Loaded, mission: Mission | None, act: Act) -> str:
    """The key of the list that lets ``act`` through."""
    settings = loaded.settings
    lists = [("policy.listed_hosts", settings.policy.listed_hosts), ("tools.hosts", settings.tools.hosts)]
    if mission is not None:
        lists.append((f"missions.{mission.name}.hosts", mission.hosts))
    if act.impact is not Impact.NETWORK:
        lists = [("policy.listed_actions", settings.policy.listed_actions)]
    values = act.hosts if act.impact is Impact.NETWORK else (act.text,)
    for key, patterns in lists:
        for index, pattern in enumerate(patterns):
            if any(fnmatch.fnmatchcase(value, pattern) for value in values):
                return f"{key}.{index}"
    return "policy.level"


def _decided(loaded: Loaded, mission: Mission | None, act: Act, limits: Bounds) -> tuple[str, str, str, str]:
    """Outcome, line of the gate, reason, key."""
    policy = loaded.settings.policy
    ruling = rule(act, level=policy.level, bounds=limits, approvals=(), budget=Budget(), now=0)
    match ruling:
        case Deny():
            first = next((one for one in limits.denials if denied_by(one, act)), None)
            key = "policy.level" if first is None else _denial_key(loaded, mission, first)
            return "deny", ruling.by, ruling.reason, key
        case Ask():
            return "ask", "level", ruling.reason, "policy.level"
        case Preview():
            return "preview", "level", ruling.why, "policy.level"
        case Allow():
            key = _listing_key(loaded, mission, act) if "listed" in ruling.why else "policy.level"
            return "allow", "level", ruling.why, key
        case _:
            assert_never(ruling)


def _then(loaded: Loaded, outcome: str, by: str) -> str:
    policy = loaded.settings.policy
    if policy.mode is Mode.SHADOW:
        return "mode shadow: recorded, and it runs all the same"
    if outcome == "ask":
        hours = policy.questions.expire_s / 3600
        return f"people are asked; no answer within {hours:g} h is a refusal"
    if outcome == "preview":
        return "it runs in a throw-away copy of the workspace, without network; what it would change is shown"
    if outcome == "deny" and by == "hard-denial" and policy.pause_on_denial:
        return "the model is told why, the worker is paused and people are asked whether it may go on"
    return "the model is told why and what it may do instead" if outcome == "deny" else "it runs once it is on record"


def explain(loaded: Loaded, command: str) -> tuple[Assessment, tuple[Explained, ...]]:
    """What parsing sees in ``command``, and the gate's word on it without a mission and in each."""
    settings = loaded.settings
    workspace = str(settings.agent.workspace)
    found: list[Explained] = []
    for mission in (None, *settings.missions):
        seen = assess(command, workspace=workspace, protected=protected(settings, mission))
        act = act_of(command, seen)
        outcome, by, reason, key = _decided(loaded, mission, act, bounds(settings, mission))
        origin = loaded.items.get(key) or loaded.origins.get(key, DEFAULT)
        found.append(
            Explained(
                mission=mission.name if mission else "",
                outcome=outcome,
                by=by,
                reason=reason,
                key=key,
                origin=origin,
                then=_then(loaded, outcome, by),
            )
        )
    return assess(command, workspace=workspace), tuple(found)


def at_every_level(loaded: Loaded, command: str) -> dict[str, str]:
    """What each autonomy level alone would say to ``command``, without any hard denial."""
    settings = loaded.settings
    act = act_of(command, assess(command, workspace=str(settings.agent.workspace)))
    limits = bounds(settings, None)
    free = Bounds(listed_hosts=limits.listed_hosts, listed_actions=limits.listed_actions)
    words = {Allow: "allow", Preview: "preview", Ask: "ask", Deny: "deny"}
    return {
        level.value: words[type(rule(act, level=level, bounds=free, approvals=(), budget=Budget(), now=0))]
        for level in Level
    }
