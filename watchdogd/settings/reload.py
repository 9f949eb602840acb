"""SIGHUP: a new policy, if everything about the configuration is valid; else the old one stays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from watchdogd.core.policy import Policy
from watchdogd.settings.load import Loaded, load
from watchdogd.settings.model import Settings
from watchdogd.settings.resolve import plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Reloaded:
    """What a reload found."""

    loaded: Loaded
    policy: Policy
    """To be put in force."""
    changed: bool
    """Whether it is another version than the one before."""
    restart: tuple[str, ...]
    """Dotted keys outside the policy that changed too and count only after a restart."""


def _differences(before: object, after: object, at: str = "") -> tuple[str, ...]:
    if isinstance(before, dict) and isinstance(after, dict):
        keys = sorted({*before, *after})
        return tuple(
            found for key in keys for found in _differences(before.get(key), after.get(key), f"{at}.{key}".strip("."))
        )
    return () if before == after else (at,)


def load_policy(
    path: Path,
    *,
    env: Mapping[str, str],
    before: Settings,
    flags: Mapping[str, object] | None = None,
    demo: bool = False,
) -> Reloaded:
    """The policy that the configuration asks for now.

    Raises:
        ConfigError: anything at all is wrong with the configuration; nothing of it may be adopted.
    """
    loaded = load(path, env=env, flags=flags, demo=demo)
    found = _differences(plain(before), plain(loaded.settings))
    policy = loaded.settings.policy
    return Reloaded(
        loaded=loaded,
        policy=policy,
        changed=policy.digest != before.policy.digest,
        restart=tuple(key for key in found if key.partition(".")[0] != "policy"),
    )
