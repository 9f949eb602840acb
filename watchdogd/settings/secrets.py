"""Secrets: from systemd credentials or the environment, never from a file of the configuration."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr

from watchdogd.core.errors import ConfigError, Problem
from watchdogd.core.ids import Role
from watchdogd.settings.layers import PREFIX
from watchdogd.settings.model import ACCOUNTS, Settings

CREDENTIALS = "CREDENTIALS_DIRECTORY"
"""Where systemd's LoadCredential= puts files for this unit alone."""

SECRET_KEY = re.compile(r"(^|_)(api_?key|apikey|password|passwd|passphrase|secret|auth_?token|token)$", re.IGNORECASE)
SECRET_VALUE = re.compile(
    r"sk-ant-[\w-]{8,}|\bsk-[A-Za-z0-9]{20,}|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_\w{30,}|-----BEGIN [A-Z ]*PRIVATE KEY"
    r"|^(?!\$)\w+://[^/\s:@]+:[^/\s@]+@"
)
"""Shapes of credentials that are known by their beginning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """What this process may authenticate with; shown as stars everywhere."""

    worker_api_key: SecretStr | None = None
    judge_api_key: SecretStr | None = None
    broker_passwords: Mapping[str, SecretStr] = field(default_factory=dict)
    """By account."""
    sources: Mapping[str, str] = field(default_factory=dict)
    """Name of the secret to the file or variable it came from."""


def variable_of(name: str) -> str:
    """The environment variable of the secret ``name``."""
    return PREFIX + name.upper().replace("-", "_")


def _read_file(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as why:
        text = why.strerror if isinstance(why, OSError) else "not UTF-8"
        raise ConfigError(
            [Problem(file=str(path), line=0, key="", text=f"credential cannot be read: {text}")]
        ) from None


def _finder(env: Mapping[str, str], sources: dict[str, str]) -> Callable[..., SecretStr | None]:
    directory = env.get(CREDENTIALS)

    def found(name: str, *fallbacks: tuple[str, str]) -> SecretStr | None:
        for file, variable in ((name, variable_of(name)), *fallbacks):
            if directory and (text := _read_file(Path(directory) / file)):
                sources[name] = f"{CREDENTIALS}/{file}"
                return SecretStr(text)
            if text := env.get(variable, "").strip():
                sources[name] = f"${variable}"
                return SecretStr(text)
        return None

    return found


ANTHROPIC = ("anthropic_api_key", "ANTHROPIC_API_KEY")
"""The provider's own names, taken where there is no key of one's own."""


def read(settings: Settings, env: Mapping[str, str]) -> Secrets:
    """The secrets that ``settings`` call for, as far as they are there.

    Raises:
        ConfigError: a credential's file is there and cannot be read.
    """
    sources: dict[str, str] = {}
    found = _finder(env, sources)
    worker = found("worker_api_key", ANTHROPIC) if settings.worker.provider == "anthropic" else None
    judge = None
    if settings.judge.enabled and settings.judge.provider == "anthropic":
        judge = found("judge_api_key", ANTHROPIC)
    passwords: dict[str, SecretStr] = {}
    for account in (*ACCOUNTS, *settings.broker.operators):
        if (password := found(f"broker_password_{account}")) is not None:
            passwords[account] = password
    return Secrets(worker_api_key=worker, judge_api_key=judge, broker_passwords=passwords, sources=sources)


def missing(settings: Settings, secrets: Secrets) -> tuple[Problem, ...]:
    """What a start needs and nobody gave."""
    wanted: list[tuple[str, str]] = []
    if settings.worker.provider == "anthropic" and secrets.worker_api_key is None:
        wanted.append(("worker_api_key", "worker.provider"))
    if settings.judge.enabled and settings.judge.provider == "anthropic" and secrets.judge_api_key is None:
        wanted.append(("judge_api_key", "judge.provider"))
    keys = tuple(
        Problem(
            file=f"${ANTHROPIC[1]}",
            line=0,
            key=key,
            text=f'not set, and "anthropic" needs a key to run: export it (or ${variable_of(name)}), or give a systemd '
            f"credential {ANTHROPIC[0]} (or {name})",
        )
        for name, key in wanted
    )
    if settings.broker.url == "auto":
        return keys
    roles = [role.value for role in Role if role.value not in secrets.broker_passwords]
    return (*keys, *(_no_password(name) for name in roles))


def _no_password(account: str) -> Problem:
    name = f"broker_password_{account}"
    text = f"not set, and a broker of your own has an account {account}: export it, or give a systemd credential {name}"
    return Problem(file=f"${variable_of(name)}", line=0, key="broker.url", text=text)
