"""From files, environment and flags to settings."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from watchdogd.core.access import Scope
from watchdogd.core.errors import ConfigError
from watchdogd.core.lease.messages import Level, Mode, Timing
from watchdogd.settings.load import load
from watchdogd.settings.model import Settings

SMALL = """
[agent]
name = "orders"
workspace = "work"
state_dir = "state"

[missions.nightly]
goal = "Load the new files."
budget_usd = 2
"""


@pytest.fixture
def main(tmp_path: Path) -> Path:
    path = tmp_path / "watchdogd.toml"
    path.write_text(SMALL)
    return path


def drop_in(main: Path, name: str, text: str) -> Path:
    path = main.parent / "conf.d" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def test_a_small_file_is_a_configuration(main):
    settings = load(main, env={}).settings
    assert settings.agent.name == "orders"
    assert settings.policy.level is Level.SUGGEST
    assert settings.policy.mode is Mode.ENFORCE
    assert [mission.name for mission in settings.missions] == ["nightly"]
    assert settings.timing == Timing()


def test_relative_paths_start_at_the_configuration(main):
    settings = load(main, env={}).settings
    assert settings.agent.workspace == main.parent / "work"
    assert settings.agent.state_dir == main.parent / "state"


def test_a_tilde_is_the_home_directory(main):
    settings = load(main, env={"HOME": "/somewhere"}, flags={"agent.state_dir": "~/state"}).settings
    assert settings.agent.state_dir == Path("/somewhere/state")


def test_the_later_drop_in_wins_and_the_origin_says_so(main):
    drop_in(main, "20-later.toml", "[missions.nightly]\nbudget_usd = 4\n")
    drop_in(main, "10-early.toml", "[missions.nightly]\nbudget_usd = 3\nmax_steps = 7\n")
    loaded = load(main, env={})
    mission = loaded.settings.missions[0]
    assert (mission.budget_usd, mission.max_steps, mission.goal) == (4, 7, "Load the new files.")
    assert str(loaded.origins["missions.nightly.budget_usd"]) == f"{main.parent}/conf.d/20-later.toml:2"
    assert str(loaded.origins["missions.nightly.max_steps"]) == f"{main.parent}/conf.d/10-early.toml:3"
    assert str(loaded.origins["missions.nightly.goal"]) == f"{main}:8"
    assert [path.name for path in loaded.files] == ["watchdogd.toml", "10-early.toml", "20-later.toml"]


def test_only_toml_files_are_drop_ins(main):
    drop_in(main, "10.toml.bak", "nonsense = [")
    assert load(main, env={}).settings.agent.name == "orders"


def test_the_environment_wins_over_files_and_flags_over_both(main):
    env = {"WATCHDOGD_WORKER__MODEL": "claude-opus-5-5", "WATCHDOGD_WORKER__MAX_TOKENS": "900"}
    loaded = load(main, env=env, flags={"worker.max_tokens": 800, "worker.deadline_s": None})
    assert loaded.settings.worker.model == "claude-opus-5-5"
    assert loaded.settings.worker.max_tokens == 800
    assert str(loaded.origins["worker.model"]) == "$WATCHDOGD_WORKER__MODEL"
    assert str(loaded.origins["worker.max_tokens"]) == "--worker.max_tokens"
    assert str(loaded.origins["worker.deadline_s"]) == "default"


def test_an_environment_variable_spells_lists_and_numbers_as_toml_does(main):
    env = {
        "WATCHDOGD_TOOLS__HOSTS": '["a.example", "*.b.example"]',
        "WATCHDOGD_TOOLS__TIME_S": "1.5",
        "WATCHDOGD_JUDGE__ENABLED": "false",
        "WATCHDOGD_AGENT__SITE": "7",
    }
    settings = load(main, env=env).settings
    assert settings.tools.hosts == ("a.example", "*.b.example")
    assert settings.tools.time_s == 1.5
    assert settings.judge.enabled is False
    assert settings.agent.site == "7"


def test_an_environment_variable_finds_a_mission_whose_name_it_cannot_spell(main):
    drop_in(main, "a.toml", '[missions.Weekly-Report]\ngoal = "Write."\nbudget_usd = 1\n')
    settings = load(main, env={"WATCHDOGD_MISSIONS__WEEKLY_REPORT__BUDGET_USD": "9"}).settings
    mission = settings.mission("Weekly-Report")
    assert mission is not None
    assert mission.budget_usd == 9
    assert len(settings.missions) == 2


def test_variables_of_others_are_none_of_ours(main):
    assert load(main, env={"PATH": "/bin", "WATCHDOG_USEC": "1", "NOTIFY_SOCKET": "x"}).warnings == tuple(
        load(main, env={}).warnings
    )


def test_a_variable_with_one_underscore_too_few_is_pointed_out(main):
    warnings = load(main, env={"WATCHDOGD_WORKER_MODEL": "x"}).warnings
    assert any("did you mean $WATCHDOGD_WORKER__MODEL?" in str(one) for one in warnings)


def test_every_value_has_an_origin(main):
    loaded = load(main, env={})
    assert str(loaded.origins["detect.progress.repeat_warn"]) == "default"
    assert "policy.judging.every_s" in loaded.origins
    assert all(origin.kind != "file" or origin.line for origin in loaded.origins.values())


def test_settings_survive_the_way_to_another_process(main):
    settings = load(main, env={}).settings
    again = Settings.model_validate_json(settings.model_dump_json())
    assert again == settings
    assert again.digest == settings.digest
    assert again.policy.digest == settings.policy.digest


def test_the_digest_changes_with_a_value_and_not_with_its_spelling(main):
    before = load(main, env={}).digest
    main.write_text(SMALL.replace("budget_usd = 2", "budget_usd = 2.0  # dollars"))
    assert load(main, env={}).digest == before
    main.write_text(SMALL.replace("budget_usd = 2", "budget_usd = 2.01"))
    assert load(main, env={}).digest != before


def test_the_digest_is_the_same_in_every_process(main):
    program = f"""
from pathlib import Path
from watchdogd.settings.load import load
loaded = load(Path({str(main)!r}), env={{}})
print(loaded.digest, loaded.settings.policy.digest)
"""
    said = {
        subprocess.run(
            [sys.executable, "-c", program], env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(said) == 1


def test_settings_cannot_be_changed(main):
    settings = load(main, env={}).settings
    with pytest.raises(ValueError, match="frozen"):
        settings.agent.name = "other"  # type: ignore[misc]


def test_the_local_operator_may_do_everything_until_the_file_says_otherwise(main):
    drop_in(main, "people.toml", '[broker.operators]\nalice = ["approve"]\n')
    may = {one.name: one.may for one in load(main, env={}).settings.policy.operators}
    assert may == {"alice": frozenset({Scope.APPROVE}), "operator": frozenset(Scope)}
    drop_in(main, "people.toml", "[broker.operators]\noperator = []\n")
    may = {one.name: one.may for one in load(main, env={}).settings.policy.operators}
    assert may == {"operator": frozenset()}


def test_settings_hold_no_secret(main):
    env = {"ANTHROPIC_API_KEY": "sk-ant-very-secret-1", "WATCHDOGD_WORKER_API_KEY": "sk-ant-very-secret-2"}
    loaded = load(main, env=env)
    assert "very-secret" not in repr(loaded) + loaded.settings.model_dump_json() + json.dumps(
        [str(one) for one in loaded.warnings]
    )
    assert loaded.digest == load(main, env={}).digest


def test_no_sandbox_is_for_the_demo_alone(main):
    env = {"WATCHDOGD_TOOLS__SANDBOX": "none"}
    with pytest.raises(ConfigError, match="only for the demo"):
        load(main, env=env)
    assert load(main, env=env, demo=True).settings.tools.sandbox == "none"
