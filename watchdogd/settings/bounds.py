"""What the gate holds a mission's calls against; the worker and ``check --explain`` use the same."""

from __future__ import annotations

from watchdogd.core.access import Bounds, Denial
from watchdogd.core.lifecycle import Metric
from watchdogd.core.lifecycle import Mission as Job
from watchdogd.settings.model import Mission, Settings


def denied_paths(settings: Settings) -> tuple[str, ...]:
    """Paths that nothing may change, whatever the mission: the policy's path denials."""
    return tuple(one.pattern for one in settings.policy.denials if one.kind == "path")


def protected(settings: Settings, mission: Mission | None) -> tuple[str, ...]:
    """Paths below the workspace that nothing may change: the mission's, and the policy's path denials."""
    return tuple(dict.fromkeys((*(mission.protect if mission is not None else ()), *denied_paths(settings))))


def bounds(settings: Settings, mission: Mission | None) -> Bounds:
    """The policy's denials and the mission's, and what is listed.

    Args:
        settings: the configuration in force; its policy is the version in force.
        mission: whose calls are weighed; None = no mission, the policy alone.
    """
    own: tuple[Denial, ...] = ()
    hosts = (*settings.policy.listed_hosts, *settings.tools.hosts)
    if mission is not None:
        source = f"mission {mission.name}"
        own = (
            *(
                Denial(kind="path", pattern=path, reason=f"{path} is protected", source=source)
                for path in mission.protect
            ),
            *(
                Denial(kind="command", pattern=pattern, reason=f"matches {pattern}", source=source)
                for pattern in mission.deny_commands
            ),
        )
        hosts += mission.hosts
    return Bounds(
        denials=(*settings.policy.denials, *own),
        listed_hosts=tuple(dict.fromkeys(hosts)),
        listed_actions=settings.policy.listed_actions,
    )


def job(mission: Mission, reachable: tuple[str, ...] = ()) -> Job:
    """``mission`` as the worker carries it out.

    Args:
        mission: as configured.
        reachable: hosts that every mission may reach; they join the mission's own list, where it has one.
    """
    metric = mission.metric
    return Job(
        name=mission.name,
        goal=mission.goal,
        rules=mission.rules,
        protect=mission.protect,
        deny_commands=mission.deny_commands,
        hosts=tuple(dict.fromkeys((*mission.hosts, *reachable))) if mission.hosts else (),
        done_when=mission.done_when,
        done_timeout_s=mission.done_timeout_s,
        done_attempts=mission.done_attempts,
        budget_usd=mission.budget_usd,
        budget_tokens=mission.budget_tokens,
        deadline_s=mission.deadline_s,
        max_steps=mission.max_steps,
        metric=None if metric is None else Metric(name=metric.name, better=metric.better, tool=metric.tool),
    )
