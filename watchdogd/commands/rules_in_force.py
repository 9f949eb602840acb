"""Which thresholds and which policy recordings are judged by."""

from __future__ import annotations

import os
from pathlib import Path

from watchdogd.app.detectors import detectors
from watchdogd.core.detect.bank import Bank, Thresholds
from watchdogd.core.errors import ConfigError
from watchdogd.core.policy import Policy
from watchdogd.settings.layers import Layer, Origin, merged, origin_of
from watchdogd.settings.load import load
from watchdogd.settings.policies import policy_layers, with_all_denials
from watchdogd.settings.resolve import validated


def in_force(config: Path | None, policy: Path | None) -> tuple[Bank, Policy]:
    """The bank and the policy of the files; the defaults for what is not given.

    Raises:
        ConfigError: a file cannot be used.
    """
    if config is None:
        return detectors(), policy_of(policy)
    flags = None if policy is None else {"policy_file": str(policy.absolute())}
    settings = load(config, env=os.environ, flags=flags).settings
    return detectors(settings.detect), settings.policy


def thresholds_of(config: Path | None) -> Thresholds:
    """The thresholds of the file; the defaults without one.

    Raises:
        ConfigError: the file cannot be used.
    """
    return Thresholds() if config is None else load(config, env=os.environ).settings.detect


def policy_of(path: Path | None) -> Policy:
    """The policy of the file alone; the shipped default without one.

    Raises:
        ConfigError: the file cannot be used.
    """
    said_at = Origin(kind="flag", name="--policy")
    layers, problems = policy_layers([], None if path is None else path.absolute(), said_at)
    here = Layer(data={"agent": {"workspace": "/nonexistent"}}, origins={})  # a policy alone needs no workspace
    data = merged([here, *layers])
    with_all_denials(data, layers)
    settings, wrong = validated(data)
    problems += [origin_of(layers, at).problem(".".join(map(str, at)), text) for at, text in wrong]
    if problems or settings is None:
        raise ConfigError(problems)
    return settings.policy
