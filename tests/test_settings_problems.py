"""What is wrong with a configuration: all of it, each with its place."""

from pathlib import Path

import pytest

from watchdogd.core.errors import ConfigError, Problem
from watchdogd.settings.load import load

GOOD = """
[agent]
workspace = "work"
state_dir = "state"

[missions.one]
goal = "x"
budget_usd = 1
"""


@pytest.fixture
def main(tmp_path: Path) -> Path:
    return tmp_path / "watchdogd.toml"


def problems(main: Path, text: str | None = None, **env: str) -> tuple[Problem, ...]:
    if text is not None:
        main.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(main, env=env)
    return caught.value.problems


def only(main: Path, text: str, **env: str) -> Problem:
    found = problems(main, text, **env)
    assert len(found) == 1, [str(one) for one in found]
    return found[0]


@pytest.mark.parametrize(
    ("line", "key", "said"),
    [
        ("[limits]\ndisk_flor_bytes = 1", "limits.disk_flor_bytes", "unknown key; did you mean disk_floor_bytes?"),
        ("[wroker]", "wroker", "did you mean worker?"),
        ("[timing]\nbeat = 1", "timing.beat", "did you mean beat_s?"),
        ("[detect.progress]\nrepeats_warn = 1", "detect.progress.repeats_warn", "did you mean repeat_warn?"),
        ("[worker]\ndisk_floor_bytes = 1", "worker.disk_floor_bytes", "did you mean limits.disk_floor_bytes?"),
        ("[worker]\nmax_tokens = '9'", "worker.max_tokens", "must be a whole number, not text"),
        ("[worker]\nmax_tokens = 1.5", "worker.max_tokens", "must be a whole number, not the number 1.5"),
        ("[worker]\nmax_tokens = true", "worker.max_tokens", "must be a whole number, not true"),
        ("[worker]\nmax_tokens = 0", "worker.max_tokens", "must be greater than 0"),
        ("[worker]\ndeadline_s = inf", "worker.deadline_s", "must be a finite number"),
        ("[worker]\ndeadline_s = nan", "worker.deadline_s", "must be"),
        ("[worker]\nmodel = 2026-01-01", "worker.model", "must be text, not a date or time"),
        ("[worker]\nmodel = ''", "worker.model", "must not be empty"),
        ("[worker]\nbase_url = 'host'", "worker.base_url", "http"),
        ("[judge]\nenabled = 1", "judge.enabled", "must be true or false, not the number 1"),
        ("[judge]\nprovider = 'antropic'", "judge.provider", "did you mean 'anthropic'?"),
        ("[tools]\nhosts = 'a'", "tools.hosts", "must be a list, not text"),
        ("[tools]\nhosts = ['https://a/']", "tools.hosts.0", "no scheme"),
        ("tools = 3", "tools", "must be a table, not the number 3"),
        ("[broker]\nurl = 'host:1883'", "broker.url", "mqtt://HOST"),
        ("[broker]\nurl = 'mqtt://elsewhere'", "broker.url", "use mqtts://"),
        ("[broker]\nurl = 'mqtt://127.0.0.1.evil.example'", "broker.url", "use mqtts://"),
        ("[broker]\nbase = 'a/+/b'", "broker.base", "topic segments"),
        ("[broker]\nrole_prefix = 'a-'", "broker.role_prefix", "no effect"),
        ("[broker]\nca_file = 'ca.pem'\nurl = 'mqtts://h'", "broker.ca_file", "no such file"),
        ("[broker.operators]\na = ['aprove']", "broker.operators.a.0", "did you mean 'approve'?"),
        ("[broker.operators]\nworker = ['approve']", "broker.operators.worker", "an account of watchdogd itself"),
        ("[broker.operators]\n'a/b' = ['approve']", "broker.operators.a/b", "must be 1 to 64"),
        ("[timing]\nttl_s = 19", "timing.ttl_s", "at least three beats and 5 s (20)"),
        ("[timing]\nfreeze_after_s = 60", "timing.freeze_after_s", "(75)"),
        ("[timing]\nbeat_s = 0", "timing.beat_s", "greater than 0"),
        ("[detect.progress]\nrepeat_warn = 99", "detect.progress.repeat_warn", "must not be above repeat_crit"),
        ("[detect.errors]\nwindow_calls = 0", "detect.errors.window_calls", "greater than 0"),
        ("[worker]\nprovider = 'scripted'", "worker.provider", "needs worker.scenario"),
        ("[worker]\nscenario = 'x.toml'", "worker.scenario", "only provider"),
        ("[policy]\nlevel = 'suggst'", "policy.level", "did you mean 'suggest'?"),
        ("[policy]\nbase = 'lax'", "policy.base", "there are assisted, observe, suggest"),
        ("[policy]\noperators = []", "policy.operators", "did you mean broker.operators?"),
        ("[[policy.rules]]\nactions = []\nid = 'a'", "policy.rules.0.actions", "at least one"),
        ("[[policy.rules]]\nid = 'a'\nsevrity = 'warn'", "policy.rules.0.sevrity", "did you mean severity?"),
        ("[[policy.rules]]\nseverity = 'warn'", "policy.rules.0.id", "missing"),
        ("[[policy.rules]]\nid = 'a'\n[[policy.rules]]\nid = 'a'", "policy.rules.1.id", "a second rule 'a'"),
        ("[policy.judging]\nat_most_s = 1", "policy.judging.at_most_s", "at least every_s"),
        ("[policy.questions]\nper_hour = 0", "policy.questions.per_hour", "greater than 0"),
        ("policy_file = 'none.toml'", "policy_file", "no such file"),
        ("policy_file = 3", "policy_file", "must be text"),
        ("[missions.a]\nbudget_usd = 1", "missions.a.goal", "missing"),
        ("[missions.a]\ngoal = 'x'", "missions.a.budget_usd", "no budget, no start"),
        ("[missions.a]\ngoal = 'x'\nbudget_usd = 0", "missions.a.budget_usd", "greater than 0"),
        ("[missions.a]\ngoal = 'x'\nbudget_usd = true", "missions.a.budget_usd", "must be a number, not true"),
        ("[missions.a]\ngoal = 'x'\nbudget_tokens = 1\nname = 'b'", "missions.a.name", "unknown key"),
        ("[missions.'a b']\ngoal = 'x'\nbudget_tokens = 1", "missions.a b", "must be 1 to 64"),
        ("[missions.a]\ngoal='x'\nbudget_tokens=1\nprotect=['../x']", "missions.a.protect.0", "below the workspace"),
        ("[missions.a]\ngoal='x'\nbudget_tokens=1\nprotect=['/etc']", "missions.a.protect.0", "below the workspace"),
        ("[missions.a]\ngoal='x'\nbudget_tokens=1\nprotect=['.']", "missions.a.protect.0", "whole workspace"),
        ("[missions.a]\ngoal='x'\nbudget_tokens=1\nprotect=['*.sql']", "missions.a.protect.0", "no pattern"),
        ("[missions.a]\ngoal='x'\nbudget_tokens=1\ndeny_commands=['(']", "missions.a.deny_commands.0", "not a regular"),
        ("[missions.a]\ngoal='x'\nbudget_tokens=1\ntrigger='cron 1'", "missions.a.trigger", "5 fields"),
        ("missions = []", "missions", "must be tables"),
    ],
)
def test_a_mistake_is_named_with_its_key_and_line(main, line, key, said):
    if line.startswith(("policy_file", "tools =", "missions =")):
        text = line + "\n" + (GOOD if "missions" not in line else GOOD.partition("[missions")[0])
    else:
        text = GOOD + line + "\n"
    found = only(main, text)
    assert found.key == key
    assert said in found.text
    assert found.file == str(main)
    leaf = next(part for part in reversed(key.split(".")) if not part.isdigit())
    shown = text.splitlines()[found.line - 1]
    assert leaf in shown or found.text == "missing" or "no budget" in found.text
    if leaf not in shown:
        assert shown.startswith(("[missions.a]", "[[policy.rules]]"))


def test_all_mistakes_come_at_once_in_the_order_of_the_file(main):
    found = problems(
        main,
        '[agent]\nnmae = "x"\nworkspace = "/"\n[worker]\nmax_tokens = "9"\n'
        "[timing]\nttl_s = 5\n[missions.a]\ngoal = 1\n",
        WATCHDOGD_TOOLS__TIME="3",
    )
    assert [(Path(one.file).name, one.line, one.key) for one in found] == [
        ("watchdogd.toml", 2, "agent.nmae"),
        ("watchdogd.toml", 3, "agent.workspace"),
        ("watchdogd.toml", 5, "worker.max_tokens"),
        ("watchdogd.toml", 7, "timing.ttl_s"),
        ("watchdogd.toml", 8, "missions.a.budget_usd"),
        ("watchdogd.toml", 9, "missions.a.goal"),
        ("$WATCHDOGD_TOOLS__TIME", 0, "tools.time"),
    ]
    assert str(found[0]) == f"{main}:2: agent.nmae: unknown key; did you mean name?"


def test_a_mistake_in_a_drop_in_names_the_drop_in(main):
    main.write_text(GOOD)
    (main.parent / "conf.d").mkdir()
    (main.parent / "conf.d" / "a.toml").write_text("\n[worker]\n\nmax_tokens = -1\n")
    (found,) = problems(main)
    assert (found.file, found.line) == (f"{main.parent}/conf.d/a.toml", 4)


def test_a_mistake_in_a_variable_names_the_variable(main):
    found = only(main, GOOD, WATCHDOGD_WORKER__MAX_TOKENS="lots")
    assert str(found) == "$WATCHDOGD_WORKER__MAX_TOKENS: worker.max_tokens: must be a whole number, not text"


def test_a_section_that_does_not_exist_is_no_variable_either(main):
    assert only(main, GOOD, WATCHDOGD_WROKER__MODEL="x").key == "wroker"


def test_a_missing_file_is_one_line(main):
    (found,) = problems(main)
    assert str(found) == f"{main}: no such file"


def test_a_directory_is_no_file(main):
    main.mkdir()
    (found,) = problems(main)
    assert "cannot be read" in found.text


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[agent]\nname = \n", 2),
        ("[agent]\nname = 'x'\nname = 'y'\n", 3),
        ("[agent\n", 1),
        ("a = 1\n\nb = '''never ends\n", 3),
        ("[a]\n[a]\n", 2),
    ],
)
def test_a_syntax_error_has_its_line(main, text, line):
    (found,) = problems(main, text)
    assert found.line == line
    assert found.text.startswith("not TOML: ")


def test_naming_a_policy_and_changing_it_in_one_file_says_how_it_is_done(main):
    (found,) = problems(main, 'policy = "observe"\n[policy]\nlevel = "suggest"\n')
    assert 'write base = "NAME" below [policy]' in found.text


def test_bytes_that_are_no_text_are_named_with_their_line(main):
    main.write_bytes(b"[agent]\nname = '\xff'\n")
    (found,) = problems(main)
    assert (found.line, found.text) == (2, "not UTF-8 (byte 0xff)")


def test_a_byte_order_mark_is_no_problem(main):
    main.write_text("\ufeff" + GOOD)
    assert load(main, env={}).settings.missions


def test_a_file_nested_without_end_is_refused(main):
    (found,) = problems(main, "a = " + "[" * 5_000 + "]" * 5_000)
    assert found.file == str(main)


def test_a_broken_drop_in_does_not_hide_the_mistakes_of_the_others(main):
    main.write_text("[worker]\nmax_tokens = 'x'\n")
    (main.parent / "conf.d").mkdir()
    (main.parent / "conf.d" / "a.toml").write_text("[agent\n")
    found = problems(main)
    assert [one.key for one in found] == ["worker.max_tokens", ""]


def test_an_empty_file_says_what_is_missing(main):
    found = problems(main, "")
    assert [(one.key, one.text) for one in found] == [("agent", "missing")]


@pytest.mark.parametrize(
    "line",
    [
        "[worker]\napi_key = 'sk-ant-api03-abcdefgh'",
        "[worker]\nmodel = 'sk-ant-api03-abcdefgh'",
        "[worker]\nmodel = 3\nscenario = 'sk-ant-api03-abcdefgh'",
        "[broker]\npassword = 'sk-ant-api03-abcdefgh'",
        "[broker]\nurl = 'mqtt://me:sk-ant-api03-abcdefgh@host'",
        "[judge]\nprovider = 'sk-ant-api03-abcdefgh'",
        "[notify]\ncommand = ['curl', 'sk-ant-api03-abcdefgh']",
    ],
)
def test_a_secret_in_the_file_is_refused_and_never_repeated(main, line):
    found = problems(main, GOOD + line)
    assert any("secrets do not belong in the configuration" in one.text for one in found)
    assert "abcdefgh" not in "".join(str(one) for one in found)


@pytest.mark.parametrize(
    ("workspace", "state", "said"),
    [
        ("/", "/var/lib/x", "the root of the file system"),
        ("{home}", "/var/lib/x", "a home directory"),
        ("{tmp}/people", "/var/lib/x", "holds home directories"),
        ("/root", "/var/lib/x", "home director"),
        ("/home", "/var/lib/x", "home director"),
        ("{tmp}/state", "{tmp}/state", "holds the state directory"),
        ("{tmp}/ws", "{tmp}/ws/deep/state", "holds the state directory"),
        ("{tmp}/link", "{tmp}/ws/state", "holds the state directory"),
        ("{tmp}", "/var/lib/x", "part of the configuration"),
        ("{tmp}/file", "/var/lib/x", "is no directory"),
    ],
)
def test_a_workspace_that_would_be_dangerous_is_refused(main, tmp_path, workspace, state, said):
    home = tmp_path / "people" / "me"
    home.mkdir(parents=True)
    (tmp_path / "ws").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "ws")
    (tmp_path / "file").write_text("")
    at = {"home": home, "tmp": tmp_path}
    config = tmp_path / "etc" / "watchdogd.toml"
    config.parent.mkdir()
    text = f'[agent]\nworkspace = "{workspace.format(**at)}"\nstate_dir = "{state.format(**at)}"\n'
    found = problems(config, text + "[missions.a]\ngoal='x'\nbudget_tokens=1\n", HOME=str(home))
    assert any(one.key == "agent.workspace" and said in one.text for one in found)


def test_a_policy_file_in_the_workspace_is_refused(main, tmp_path):
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "own.toml").write_text('level = "observe"\n')
    found = only(main, "policy_file = 'work/own.toml'\n" + GOOD)
    assert "nothing is loaded from a workspace" in found.text


def test_a_scenario_in_the_workspace_is_refused(main, tmp_path):
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "s.toml").write_text("")
    found = only(main, GOOD + "[worker]\nprovider = 'scripted'\nscenario = 'work/s.toml'\n")
    assert "nothing is loaded from a workspace" in found.text


def test_money_needs_a_price(main):
    model = "[worker]\nmodel = 'mystery-1'\n"
    found = only(main, GOOD + model)
    assert found.key == "missions.one.budget_usd"
    assert 'add [prices."mystery-1"]' in found.text
    main.write_text(GOOD + model + '[prices."mystery-1"]\ninput = 1\noutput = 2\n')
    assert load(main, env={}).settings.missions
    main.write_text(GOOD.replace("budget_usd", "budget_tokens") + model)
    assert load(main, env={}).settings.missions


def test_the_judges_money_needs_a_price_too(main):
    assert only(main, GOOD + "[judge]\nmodel = 'mystery-1'\n").key == "policy.judging.budget_usd_per_day"
    main.write_text(GOOD + "[judge]\nmodel = 'mystery-1'\nenabled = false\n")
    assert load(main, env={}).settings.missions


def test_a_judge_that_the_policy_requires_cannot_be_switched_off(main):
    assert only(main, GOOD + "[judge]\nenabled = false\n[policy.judging]\nrequired = true\n").key == "judge.enabled"
