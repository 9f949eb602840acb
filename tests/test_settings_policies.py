"""Policies: shipped ones, files of one's own, changes in the configuration, and the reload."""

from dataclasses import replace
from pathlib import Path

import pytest

from watchdogd.core.access import RIGHTS, Right
from watchdogd.core.errors import ConfigError
from watchdogd.core.events import Impact
from watchdogd.core.lease.messages import Level, Mode
from watchdogd.core.policy import DEFAULT_RULES, Action, Policy, Rule
from watchdogd.settings.load import load
from watchdogd.settings.policies import shipped
from watchdogd.settings.reload import load_policy

SMALL = """
[agent]
workspace = "work"
state_dir = "state"

[missions.one]
goal = "x"
budget_usd = 1
"""


@pytest.fixture
def main(tmp_path: Path) -> Path:
    path = tmp_path / "watchdogd.toml"
    path.write_text(SMALL)
    return path


def policy(main: Path, head: str = "", tail: str = "", **env: str) -> Policy:
    main.write_text(head + SMALL + tail)
    return load(main, env=env).settings.policy


def replace_actions(rules: tuple[Rule, ...], id: str, actions: tuple[Action, ...]) -> tuple[Rule, ...]:
    return tuple(replace(one, actions=actions) if one.id == id else one for one in rules)


def test_three_policies_are_shipped():
    assert shipped() == ("assisted", "observe", "suggest")


@pytest.mark.parametrize("name", ["observe", "suggest", "assisted"])
def test_a_shipped_policy_is_called_by_its_name_and_has_its_level(main, name):
    found = policy(main, f'policy = "{name}"\n')
    assert (found.name, found.level, found.mode) == (name, Level(name), Mode.ENFORCE)
    returning = {one.id for one in found.rules if Action.ROLLBACK in one.actions}
    assert returning == ({"verdict-off-course"} if name == "assisted" else set())
    held = replace_actions(found.rules, "verdict-off-course", (Action.PAUSE, Action.ESCALATE))
    assert held == DEFAULT_RULES, "all else is as in suggest"


def test_suggest_is_the_default_and_equals_what_the_core_calls_default(main):
    found = policy(main)
    assert found == policy(main, 'policy = "suggest"\n')
    core = Policy(rules=DEFAULT_RULES, operators=found.operators)
    assert found == core


def test_no_shipped_policy_allows_the_irreversible_unasked(main):
    for name in shipped():
        level = policy(main, f'policy = "{name}"\n').level
        for impact in (Impact.EXTERNAL, Impact.DESTRUCTIVE):
            assert RIGHTS[level][impact] in (Right.ASK, Right.DENY)


def test_a_table_changes_the_shipped_policy_and_keeps_the_rest(main):
    found = policy(main, tail='[policy]\nbase = "assisted"\nmode = "shadow"\n[policy.judging]\nevery_s = 60\n')
    assert (found.level, found.mode, found.judging.every_s) == (Level.ASSISTED, Mode.SHADOW, 60)
    assert found.judging.degraded_level is Level.SUGGEST
    assert found.rules == policy(main, tail='[policy]\nbase = "assisted"\n').rules


def test_rules_replace_the_shipped_ones(main):
    found = policy(main, tail='[[policy.rules]]\nid = "all"\nactions = ["stop"]\n')
    assert [one.id for one in found.rules] == ["all"]


def test_denials_add_up_and_are_never_taken_away(main):
    (main.parent / "own.toml").write_text(
        'base = "observe"\n[[denials]]\nkind = "host"\npattern = "*"\nreason = "no network"\n'
    )
    (main.parent / "conf.d").mkdir()
    (main.parent / "conf.d" / "a.toml").write_text("[policy]\ndenials = []\n")
    found = policy(
        main, 'policy_file = "own.toml"\n', '[[policy.denials]]\nkind = "path"\npattern = "raw"\nreason = "r"\n'
    )
    assert [(one.kind, one.pattern) for one in found.denials] == [("host", "*"), ("path", "raw")]
    assert found.level is Level.OBSERVE


def test_a_bad_denial_among_several_layers_is_found_where_it_stands(main):
    (main.parent / "own.toml").write_text('[[denials]]\nkind = "host"\npattern = "*"\nreason = "no"\n')
    main.write_text(
        'policy_file = "own.toml"\n' + SMALL + '[[policy.denials]]\nkind = "command"\npattern = "("\nreason = "r"\n'
    )
    with pytest.raises(ConfigError) as caught:
        load(main, env={})
    (problem,) = caught.value.problems
    assert (problem.file, problem.key) == (str(main), "policy.denials.1.pattern")
    assert main.read_text().splitlines()[problem.line - 1] == 'pattern = "("'


def test_a_policy_file_names_its_own_mistakes(main):
    own = main.parent / "own.toml"
    own.write_text('level = "suggest"\nmode = "shadwo"\n[questions]\nper_hour = "6"\nlevle = 1\n')
    main.write_text('policy_file = "own.toml"\n' + SMALL)
    with pytest.raises(ConfigError) as caught:
        load(main, env={})
    assert [(one.file, one.line, one.key) for one in caught.value.problems] == [
        (str(own), 2, "policy.mode"),
        (str(own), 4, "policy.questions.per_hour"),
        (str(own), 5, "policy.questions.levle"),
    ]


def test_a_policy_file_and_a_base_are_one_too_many(main):
    (main.parent / "own.toml").write_text('level = "observe"\n')
    with pytest.raises(ConfigError, match="write the base into that file"):
        policy(main, 'policy = "assisted"\npolicy_file = "own.toml"\n')


def test_a_policy_file_outside_is_part_of_the_files_read(main):
    (main.parent / "own.toml").write_text('level = "observe"\n')
    main.write_text('policy_file = "own.toml"\n' + SMALL)
    loaded = load(main, env={})
    assert main.parent / "own.toml" in loaded.files
    assert str(loaded.origins["policy.level"]) == f"{main.parent}/own.toml:1"


def test_the_environment_can_name_a_policy_and_change_it(main):
    found = policy(main, WATCHDOGD_POLICY="observe", WATCHDOGD_POLICY__MODE="shadow")
    assert (found.level, found.mode) == (Level.OBSERVE, Mode.SHADOW)


def test_the_digest_is_that_of_the_policy_alone(main):
    before = policy(main)
    assert policy(main, tail="[worker]\nmax_tokens = 99\n").digest == before.digest
    assert policy(main, tail="[policy]\nunknown_escalate_s = 300\n").digest == before.digest
    assert policy(main, tail="[policy]\nunknown_escalate_s = 301\n").digest != before.digest
    assert policy(main, tail='[broker.operators]\nalice = ["approve"]\n').digest != before.digest


def test_a_reload_finds_the_new_policy_and_what_needs_a_restart(main):
    before = load(main, env={}).settings
    main.write_text('policy = "observe"\n' + SMALL + "[worker]\nmax_tokens = 99\n")
    found = load_policy(main, env={}, before=before)
    assert found.policy.level is Level.OBSERVE
    assert found.changed
    assert found.restart == ("worker.max_tokens",)


def test_a_reload_of_the_same_changes_nothing(main):
    before = load(main, env={}).settings
    found = load_policy(main, env={}, before=before)
    assert (found.changed, found.restart) == (False, ())


@pytest.mark.parametrize("broken", ["[worker]\nmax_tokens = 0\n", '[policy]\nlevel = "none"\n', "[oops\n"])
def test_a_reload_with_anything_wrong_is_refused_whole(main, broken):
    before = load(main, env={}).settings
    main.write_text(SMALL + broken)
    with pytest.raises(ConfigError):
        load_policy(main, env={}, before=before)
