"""Secrets come from credentials or the environment and are seen nowhere."""

from pathlib import Path

import pytest

from watchdogd.core.errors import ConfigError
from watchdogd.settings import secrets
from watchdogd.settings.model import Settings

KEY = "sk-ant-not-a-real-one"


def settings(**sections: object) -> Settings:
    return Settings.model_validate({"agent": {"workspace": "/srv/x"}, **sections})


def value(secret):
    return None if secret is None else secret.get_secret_value()


def test_the_providers_own_variable_serves_both():
    found = secrets.read(settings(), {"ANTHROPIC_API_KEY": KEY})
    assert value(found.worker_api_key) == value(found.judge_api_key) == KEY
    assert secrets.missing(settings(), found) == ()


def test_each_may_have_a_key_of_its_own():
    env = {"ANTHROPIC_API_KEY": "a", "WATCHDOGD_JUDGE_API_KEY": "b", "WATCHDOGD_WORKER_API_KEY": "c"}
    found = secrets.read(settings(), env)
    assert (value(found.worker_api_key), value(found.judge_api_key)) == ("c", "b")
    assert found.sources["judge_api_key"] == "$WATCHDOGD_JUDGE_API_KEY"


def test_a_credential_of_systemd_comes_first(tmp_path: Path):
    (tmp_path / "worker_api_key").write_text(f"{KEY}\n")
    (tmp_path / "broker_password_alice").write_text("pw\n")
    env = {"CREDENTIALS_DIRECTORY": str(tmp_path), "WATCHDOGD_WORKER_API_KEY": "other"}
    found = secrets.read(settings(broker={"operators": {"alice": ()}}), env)
    assert value(found.worker_api_key) == KEY
    assert {name: value(word) for name, word in found.broker_passwords.items()} == {"alice": "pw"}


def test_an_account_with_a_hyphen_is_spelled_with_an_underscore_in_the_environment():
    found = secrets.read(
        settings(broker={"operators": {"home-assistant": ()}}), {"WATCHDOGD_BROKER_PASSWORD_HOME_ASSISTANT": "x"}
    )
    assert list(found.broker_passwords) == ["home-assistant"]


def test_a_credential_that_cannot_be_read_is_no_missing_one(tmp_path: Path):
    (tmp_path / "worker_api_key").mkdir()
    with pytest.raises(ConfigError, match="cannot be read"):
        secrets.read(settings(), {"CREDENTIALS_DIRECTORY": str(tmp_path)})


@pytest.mark.parametrize("env", [{}, {"ANTHROPIC_API_KEY": ""}, {"WATCHDOGD_WORKER_API_KEY": "  "}])
def test_a_missing_key_is_named_for_each_who_needs_it(env):
    found = secrets.missing(settings(), secrets.read(settings(), env))
    assert [one.key for one in found] == ["worker.provider", "judge.provider"]
    assert "$WATCHDOGD_WORKER_API_KEY" in str(found[0])


def test_the_passwords_of_a_broker_of_ones_own_are_named_one_by_one():
    own = settings(worker={"provider": "scripted"}, judge={"enabled": False}, broker={"url": "mqtt://localhost"})
    env = {"WATCHDOGD_BROKER_PASSWORD_WORKER": "w", "WATCHDOGD_BROKER_PASSWORD_OVERSEER": "o"}
    (missing,) = secrets.missing(own, secrets.read(own, env))
    assert str(missing).startswith("$WATCHDOGD_BROKER_PASSWORD_SUPERVISOR: broker.url: not set")


def test_a_scripted_model_needs_no_key():
    alone = settings(worker={"provider": "scripted"}, judge={"enabled": False})
    found = secrets.read(alone, {"ANTHROPIC_API_KEY": KEY})
    assert found.worker_api_key is None
    assert secrets.missing(alone, found) == ()


def test_secrets_are_stars_in_every_representation():
    found = secrets.read(settings(), {"ANTHROPIC_API_KEY": KEY, "WATCHDOGD_BROKER_PASSWORD_WORKER": "hunter2"})
    assert KEY not in f"{found!r} {found}"
    assert "hunter2" not in f"{found!r} {found}"
