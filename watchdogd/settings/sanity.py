"""What must hold between values that are each fine on their own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TypeGuard

from watchdogd.core.budget import Prices
from watchdogd.core.lease.messages import Level
from watchdogd.core.policy import Judging, Policy, Questions
from watchdogd.core.spelling import meant
from watchdogd.settings import roots
from watchdogd.settings.complaints import Complaint
from watchdogd.settings.model import ACCOUNTS, BrokerSettings, Settings
from watchdogd.settings.positions import KeyPath
from watchdogd.settings.rule_ids import unheard_of

_LOOPBACK = re.compile(r"mqtt://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?\Z")
"""URLs of this machine, as the broker's adapter counts them."""


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _unpriced(model: str, prices: Prices) -> str:
    near = meant(model, prices.models)
    hint = f" (did you mean {near}?)" if near else ""
    return f'no price is known for {model}{hint}: add [prices."{model}"]'


def _missions(settings: Settings, prices: Prices) -> Iterator[Complaint]:
    for mission in settings.missions:
        at: KeyPath = ("missions", mission.name)
        if mission.budget_usd is None and mission.budget_tokens is None:
            yield (*at, "budget_usd"), "no budget, no start: set budget_usd or budget_tokens"
        if mission.budget_usd is not None and prices.of(settings.worker.model) is None:
            yield (*at, "budget_usd"), f"{_unpriced(settings.worker.model, prices)} or set budget_tokens instead"


def _judge(settings: Settings, prices: Prices) -> Iterator[Complaint]:
    money = settings.policy.judging.budget_usd_per_day
    if settings.judge.enabled and money is not None and prices.of(settings.judge.model) is None:
        yield ("policy", "judging", "budget_usd_per_day"), _unpriced(settings.judge.model, prices)
    if settings.policy.judging.required and not settings.judge.enabled:
        yield ("judge", "enabled"), "the policy requires the judge (policy.judging.required)"


def _models(settings: Settings) -> Iterator[Complaint]:
    for name, part in (("worker", settings.worker), ("judge", settings.judge)):
        if name == "judge" and not settings.judge.enabled:
            continue
        if part.provider == "scripted" and part.scenario is None:
            yield (name, "provider"), f'"scripted" needs {name}.scenario'
        if part.provider != "scripted" and part.scenario is not None:
            yield (name, "scenario"), 'only provider "scripted" follows a scenario'
        elif part.scenario is not None and not part.scenario.is_file():
            yield (name, "scenario"), f"no such file: {part.scenario}"
        if part.provider == "scripted" and part.base_url:
            yield (name, "base_url"), '"scripted" starts its own server'


def _broker(settings: Settings) -> Iterator[Complaint]:
    broker = settings.broker
    if broker.url.startswith("mqtt://") and not broker.allow_plain and not _LOOPBACK.match(broker.url):
        yield ("broker", "url"), "is another machine: use mqtts://, or say allow_plain = true"
    if broker.ca_file is not None and not broker.ca_file.is_file():
        yield ("broker", "ca_file"), f"no such file: {broker.ca_file}"
    if broker.ca_file is not None and not broker.url.startswith("mqtts://"):
        yield ("broker", "ca_file"), "has no effect without an mqtts:// URL"
    if broker.url == "auto":
        for key in ("role_prefix", "allow_plain"):
            if getattr(broker, key) != BrokerSettings.model_fields[key].default:
                yield ("broker", key), 'has no effect with url "auto": that broker is ours alone'
    for name in broker.operators:
        if name in ACCOUNTS:
            yield ("broker", "operators", name), "is an account of watchdogd itself, not of a person"


def _timing(settings: Settings) -> Iterator[Complaint]:
    timing = settings.timing
    for field in fields(timing):
        if getattr(timing, field.name) <= 0:
            yield ("timing", field.name), "must be greater than 0"
    if timing.ttl_s < 3 * timing.beat_s + 5:
        yield ("timing", "ttl_s"), f"must be at least three beats and 5 s ({3 * timing.beat_s + 5:g})"
    if timing.freeze_after_s < 60 + 2 * timing.beat_s + 5:
        text = f"must be at least 60 s for an overseer restart, two beats and 5 s ({65 + 2 * timing.beat_s:g})"
        yield ("timing", "freeze_after_s"), text


def _rules(policy: Policy) -> Iterator[Complaint]:
    seen: set[str] = set()
    for index, rule in enumerate(policy.rules):
        at: KeyPath = ("policy", "rules", index)
        if rule.id in seen:
            yield (*at, "id"), f"a second rule {rule.id!r}: ids go to the audit record"
        seen.add(rule.id)
        if not rule.actions:
            yield (*at, "actions"), "must name at least one action"
        for key in ("for_s", "cooldown_s"):
            if getattr(rule, key) < 0:
                yield (*at, key), "must not be negative"


def _denials(policy: Policy) -> Iterator[Complaint]:
    for index, denial in enumerate(policy.denials):
        at: KeyPath = ("policy", "denials", index, "pattern")
        if not denial.pattern:
            yield at, "must not be empty"
        elif denial.kind == "command":
            try:
                re.compile(denial.pattern)
            except re.error as why:
                yield at, f"not a regular expression: {why}"


def _policy(policy: Policy) -> Iterator[Complaint]:
    yield from _rules(policy)
    yield from _denials(policy)
    for table in ("questions", "judging"):
        part: Questions | Judging = getattr(policy, table)
        for field in fields(part):
            value = getattr(part, field.name)
            if field.name != "jitter_s" and _is_number(value) and value <= 0:
                yield ("policy", table, field.name), "must be greater than 0"
    if policy.judging.jitter_s < 0:
        yield ("policy", "judging", "jitter_s"), "must not be negative"
    if policy.judging.at_most_s < policy.judging.every_s:
        yield ("policy", "judging", "at_most_s"), f"must be at least every_s ({policy.judging.every_s:g})"
    if policy.unknown_escalate_s <= 0:
        yield ("policy", "unknown_escalate_s"), "must be greater than 0"


def _thresholds(group: object, at: KeyPath) -> Iterator[Complaint]:
    """Positive numbers; where there is a warn and a crit, warn does not come after crit."""
    if not is_dataclass(group):
        return
    for field in fields(group):
        value = getattr(group, field.name)
        if is_dataclass(value):
            yield from _thresholds(value, (*at, field.name))
        elif _is_number(value) and value <= 0:
            yield (*at, field.name), "must be greater than 0"
        if "warn" in field.name:
            crit = getattr(group, field.name.replace("warn", "crit"), None)
            if _is_number(crit) and _is_number(value) and value > crit:
                yield (*at, field.name), f"must not be above {field.name.replace('warn', 'crit')} ({crit:g})"


def _roots(settings: Settings, env: Mapping[str, str], loaded: tuple[Path, ...]) -> Iterator[Complaint]:
    homes = roots.homes(env)
    scenarios = (settings.worker.scenario, settings.judge.scenario)
    loaded += tuple(path for path in scenarios if path is not None)
    for text in roots.faults(settings.agent.workspace, settings.agent.state_dir, homes=homes, loaded=loaded):
        yield ("agent", "workspace"), text
    if settings.agent.state_dir.exists() and not settings.agent.state_dir.is_dir():
        yield ("agent", "state_dir"), f"{settings.agent.state_dir} is no directory"


def faults(
    settings: Settings,
    *,
    env: Mapping[str, str],
    loaded: tuple[Path, ...],
    demo: bool,
    prices: Prices,
) -> Iterator[Complaint]:
    """Everything that keeps ``settings`` from being used."""
    yield from _missions(settings, prices)
    yield from _judge(settings, prices)
    yield from _models(settings)
    yield from _broker(settings)
    yield from _timing(settings)
    yield from _policy(settings.policy)
    yield from _thresholds(settings.detect, ("detect",))
    yield from _roots(settings, env, loaded)
    if settings.tools.sandbox == "none" and not demo:
        yield (
            ("tools", "sandbox"),
            '"none" is only for the demo\'s scratch workspace; "auto" goes on without a shell tool',
        )


def _idle_rules(policy: Policy) -> Iterator[Complaint]:
    for index, rule in enumerate(policy.rules):
        if why := unheard_of(rule.finding):
            yield ("policy", "rules", index, "finding"), f"never acts: {why}"


def remarks(settings: Settings) -> Iterator[Complaint]:
    """What is allowed and worth a second look."""
    if not settings.missions:
        yield ("missions",), "no mission: the daemon has nothing to do"
    if not settings.judge.enabled:
        yield ("judge", "enabled"), "no judge: detectors alone watch"
    elif settings.judge.model == settings.worker.model and settings.worker.provider != "scripted":
        yield ("judge", "model"), "the judge is the worker's own model: it shares its blind spots"
    for mission in settings.missions:
        if not mission.done_when:
            yield ("missions", mission.name, "done_when"), "not set: the model's word that it is done counts"
        for index, path in enumerate(mission.protect):
            if settings.agent.workspace.is_dir() and not (settings.agent.workspace / path).exists():
                yield ("missions", mission.name, "protect", index), f"{path} does not exist in the workspace"
    yield from _idle_rules(settings.policy)
    if settings.policy.level is Level.AUTONOMOUS and not settings.policy.denials:
        yield ("policy", "level"), "autonomous without a single hard denial"
    if settings.broker.allow_plain:
        yield ("broker", "allow_plain"), "whoever listens in reads passwords and can give orders"
    for text in roots.remarks(settings.agent.workspace, settings.agent.state_dir):
        yield ("agent", "workspace"), text
