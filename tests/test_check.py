"""``check`` and ``init`` as a person meets them."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from watchdogd.commands.check import check
from watchdogd.commands.init import init
from watchdogd.core.access import Act, Deny, denial_of
from watchdogd.core.events import Impact
from watchdogd.core.shell import assess
from watchdogd.ports import CommandResult, SandboxProfile
from watchdogd.settings.bounds import bounds, job, protected
from watchdogd.settings.explain import act_of
from watchdogd.settings.load import load
from watchdogd.worker.tools.shell import ShellTool

CONFIG = """[agent]
workspace = "work"
state_dir = "state"

[tools]
hosts = ["mirror.example"]

[missions.nightly]
goal = "x"
budget_usd = 2
protect = ["raw"]
deny_commands = ['\\bterraform\\b']
hosts = ["api.example"]

[missions.other]
goal = "y"
budget_tokens = 1000

[policy]
base = "assisted"
[[policy.denials]]
kind = "path"
pattern = "keep/*"
reason = "kept for the audit"
"""


class UnusedSandbox:
    """Nothing is run here; calls are only weighed."""

    name = "unused"

    async def run(self, command, profile, *, until_boot_s, launched) -> CommandResult:
        raise AssertionError("nothing may run")


app = typer.Typer()
app.command("check")(check)
app.command("init")(init)


@pytest.fixture
def main(tmp_path: Path, monkeypatch) -> Path:
    for name in ("ANTHROPIC_API_KEY", "CREDENTIALS_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "watchdogd.toml"
    path.write_text(CONFIG)
    return path


def run(*args: object, env: Mapping[str, str] | None = None):
    return CliRunner().invoke(app, [str(arg) for arg in args], env=env)


def explained(main: Path, command: str, mission: str | None = "nightly") -> dict[str, str]:
    result = run("check", "--config", main, "--explain", command)
    assert result.exit_code == 0, result.output
    data = json.loads(result.stdout)
    return next(one for one in data["decisions"] if one["mission"] == mission)


def line(main: Path, of: str) -> str:
    shown = next(number for number, text in enumerate(CONFIG.splitlines(), 1) if of in text)
    return f"{main}:{shown}"


def test_check_says_every_value_and_where_it_comes_from(main):
    result = run("check", "-c", main, env={"WATCHDOGD_WORKER__MAX_TOKENS": "77"})
    assert result.exit_code == 0
    values = json.loads(result.stdout)["values"]
    assert values["missions.nightly.budget_usd"] == {"value": 2.0, "from": line(main, "budget_usd = 2")}
    assert values["worker.max_tokens"] == {"value": 77, "from": "$WATCHDOGD_WORKER__MAX_TOKENS"}
    assert values["timing.beat_s"] == {"value": 5.0, "from": "default"}
    assert values["policy.level"]["from"].startswith("policy assisted:")


def test_check_reports_every_problem_on_a_line_and_exits_with_two(main):
    main.write_text(CONFIG.replace("budget_usd", "budget_usdd") + "[worker]\nmax_tokens = 'x'\n")
    result = run("check", "-c", main)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.splitlines() == [
        f"{main}:8: missions.nightly.budget_usd: no budget, no start: set budget_usd or budget_tokens",
        f"{main}:10: missions.nightly.budget_usdd: unknown key; did you mean budget_usd?",
        f"{main}:26: worker.max_tokens: must be a whole number, not text",
    ]


def test_check_reports_problems_as_json_when_asked(main):
    main.write_text("[agnt]\n")
    result = run("check", "-c", main, "--json")
    assert result.exit_code == 2
    data = json.loads(result.stdout)
    assert data["ok"] is False
    assert {"file": str(main), "line": 1, "key": "agnt", "text": "unknown key; did you mean agent?"} in data["problems"]


def test_check_never_shows_a_secret(main, tmp_path):
    (tmp_path / "cred").mkdir()
    (tmp_path / "cred" / "judge_api_key").write_text("sk-ant-judge-secret")
    env = {"ANTHROPIC_API_KEY": "sk-ant-worker-secret", "CREDENTIALS_DIRECTORY": str(tmp_path / "cred")}
    result = run("check", "-c", main, env=env)
    assert json.loads(result.stdout)["secrets"] == {
        "worker_api_key": "$ANTHROPIC_API_KEY",
        "judge_api_key": "CREDENTIALS_DIRECTORY/judge_api_key",
    }
    assert "sk-ant" not in result.output


def test_check_warns_of_a_missing_key_without_calling_the_file_wrong(main):
    result = run("check", "-c", main)
    assert result.exit_code == 0
    assert len(json.loads(result.stdout)["missing_secrets"]) == 2
    warned = [line for line in result.stderr.splitlines() if line.startswith("warning: $ANTHROPIC_API_KEY: ")]
    assert len(warned) == 2, "piped, it is said on stderr"


@pytest.mark.parametrize(("program", "said"), [("mosquitto", "`run` will refuse"), ("bwrap", "will have no shell")])
def test_check_warns_of_a_program_that_is_not_there(main, monkeypatch, program, said):
    monkeypatch.setattr("shutil.which", lambda name, path=None: None if name == program else f"/usr/bin/{name}")
    result = run("check", "-c", main)
    assert result.exit_code == 0
    (missing,) = json.loads(result.stdout)["missing_programs"]
    assert said in missing
    assert f"{program}: not found" in result.stderr


def test_the_table_on_a_terminal_says_the_same(main):
    result = CliRunner().invoke(app, ["check", "-c", str(main)], env={"FORCE_COLOR": "1", "COLUMNS": "200"})
    assert result.exit_code == 0
    for text in ("missions.nightly.budget_usd", "→ assisted", "policy assisted, mode enforce", "valid"):
        assert text in result.output
    assert "not encrypted" not in result.output


@pytest.mark.parametrize(
    ("command", "outcome", "by", "decides"),
    [
        ("ls", "allow", "level", "policy assisted:4"),
        ("touch new.txt", "allow", "level", "policy assisted:4"),
        ("git push origin main", "ask", "level", "policy assisted:4"),
        ("psql -c 'drop table x'", "ask", "level", "policy assisted:4"),
        ("curl https://api.example/x", "allow", "level", "missions.nightly.hosts"),
        ("curl https://mirror.example/x", "allow", "level", "[tools]+1"),
        ("curl https://elsewhere.example/x", "ask", "level", "policy assisted:4"),
        ("rm raw/a.csv", "deny", "hard-denial", "protect"),
        ("rm -rf raw", "deny", "hard-denial", "protect"),
        ("cd raw && rm *", "deny", "hard-denial", "protect"),
        ("terraform plan", "deny", "hard-denial", "deny_commands"),
        ("rm keep/x", "deny", "hard-denial", "[[policy.denials]]"),
    ],
)
def test_explain_says_what_the_gate_would_do_and_which_line_decides(main, command, outcome, by, decides):
    found = explained(main, command)
    assert (found["outcome"], found["by"]) == (outcome, by)
    if decides.startswith("policy assisted"):
        assert found["from"] == decides
    elif decides == "missions.nightly.hosts":
        assert found["from"] == line(main, '["api.example"]')
    elif decides == "[tools]+1":
        assert found["from"] == line(main, "mirror.example")
    else:
        assert found["from"] == line(main, decides)


@pytest.mark.parametrize(
    "command",
    [
        "ls",
        "rm -rf raw",
        "cd raw && rm *",
        "rm keep/x",
        "git push -f",
        "curl -d @raw/a https://x.example",
        "sudo rm /x",
    ],
)
def test_a_command_is_explained_as_the_workers_tool_weighs_it(main, command):
    loaded = load(main, env={})
    mission = loaded.settings.mission("nightly")
    workspace = str(loaded.settings.agent.workspace)
    guarded = protected(loaded.settings, mission)
    profile = SandboxProfile(workspace=workspace, protected=guarded)
    prepared = ShellTool(UnusedSandbox(), profile).prepare({"command": command})
    act = act_of(command, assess(command, workspace=workspace, protected=guarded))
    assert (act.impact, act.writes, act.hosts) == (prepared.impact, prepared.writes, prepared.hosts)
    assert act.dangers == prepared.dangers


def test_a_missions_rule_binds_that_mission_alone(main):
    assert explained(main, "terraform plan", "nightly")["outcome"] == "deny"
    assert explained(main, "terraform plan", "other")["by"] == "level"
    assert explained(main, "curl https://api.example/x", "other")["outcome"] == "ask"


def test_explain_says_what_follows(main):
    assert "paused" in explained(main, "rm -rf raw")["then"]
    assert "8 h" in explained(main, "git push")["then"]
    main.write_text(CONFIG.replace("[[policy.denials]]", 'mode = "shadow"\n[[policy.denials]]'))
    assert "runs all the same" in explained(main, "rm -rf raw")["then"]


def test_explain_shows_what_each_level_would_say(main):
    result = run("check", "-c", main, "--explain", "rm -rf build")
    levels = json.loads(result.stdout)["levels"]
    assert levels == {"observe": "deny", "suggest": "ask", "assisted": "ask", "autonomous": "ask"}
    levels = json.loads(run("check", "-c", main, "--explain", "make").stdout)["levels"]
    assert levels == {"observe": "preview", "suggest": "ask", "assisted": "allow", "autonomous": "allow"}


def test_explain_says_of_a_level_that_only_previews_that_nothing_is_changed(main):
    main.write_text(CONFIG.replace('base = "assisted"', 'base = "observe"'))
    found = explained(main, "make")
    assert (found["outcome"], found["by"]) == ("preview", "level")
    assert "throw-away copy" in found["then"]


def test_explain_on_a_terminal_names_class_and_line(main):
    result = CliRunner().invoke(
        app, ["check", "-c", str(main), "--explain", "rm -rf raw [bold]"], env={"FORCE_COLOR": "1", "COLUMNS": "200"}
    )
    assert result.exit_code == 0
    assert "destructive" in result.output
    assert "[bold]" in result.output
    assert line(main, "protect") in result.output


def test_the_workers_bounds_are_the_ones_explained(main):
    settings = load(main, env={}).settings
    mission = settings.mission("nightly")
    assert mission is not None
    found = bounds(settings, mission)
    assert [(one.kind, one.source) for one in found.denials] == [
        ("path", "policy"),
        ("path", "mission nightly"),
        ("command", "mission nightly"),
    ]
    assert found.listed_hosts == ("mirror.example", "api.example")
    act = Act(tool="edit", impact=Impact.WRITE, action_digest="d", writes=("raw/a.csv",))
    assert isinstance(denial_of(act, found), Deny)
    assert denial_of(act, bounds(settings, settings.mission("other"))) is None


def test_a_job_carries_everything_the_mission_says(main):
    mission = load(main, env={}).settings.missions[0]
    made = job(mission)
    for name in type(made).__dataclass_fields__:
        assert getattr(made, name) == getattr(mission, name)


def test_init_writes_a_configuration_that_is_valid(tmp_path):
    result = run("init", tmp_path / "new")
    assert result.exit_code == 0, result.output
    loaded = load(tmp_path / "new" / "watchdogd.toml", env={})
    assert loaded.settings.agent.workspace == tmp_path / "new" / "workspace"
    assert loaded.settings.agent.workspace.is_dir()
    assert (tmp_path / "new" / "state").stat().st_mode & 0o777 == 0o700
    assert "&& watchdogd check" in result.stdout


def test_init_twice_changes_nothing(tmp_path):
    run("init", tmp_path / "new")
    before = (tmp_path / "new" / "watchdogd.toml").stat().st_mtime_ns
    result = run("init", tmp_path / "new")
    assert result.exit_code == 0
    assert "unchanged" in result.stdout
    assert (tmp_path / "new" / "watchdogd.toml").stat().st_mtime_ns == before


def test_init_does_not_overwrite_unless_forced(tmp_path):
    (tmp_path / "watchdogd.toml").write_text("# mine\n")
    result = run("init", tmp_path)
    assert result.exit_code == 2
    assert "--force" in result.stderr
    assert (tmp_path / "watchdogd.toml").read_text() == "# mine\n"
    assert not (tmp_path / "watchdogd.schema.json").exists()
    assert not (tmp_path / "workspace").exists()
    assert run("init", tmp_path, "--force").exit_code == 0
    assert "missions.first" in (tmp_path / "watchdogd.toml").read_text()


def test_init_where_nothing_can_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    result = run("init", tmp_path / "file" / "new")
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
