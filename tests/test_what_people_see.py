"""What the command line shows people: words, lines to copy, the start of a daemon, mistakes answered."""

from __future__ import annotations

import importlib
import io
import shlex
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer
import typer.main
from rich.console import Console
from typer.testing import CliRunner

from watchdogd.adapters.broker import RunningBroker
from watchdogd.adapters.broker_connection import Connection
from watchdogd.adapters.local_socket import SOCKET
from watchdogd.cli import COMMANDS, app, main, register
from watchdogd.commands.client import Client, config_of, state_dir_of
from watchdogd.commands.escalations import about
from watchdogd.commands.manual import EXAMPLES, STATUSES
from watchdogd.commands.run import summary
from watchdogd.commands.status import answers, by_hand
from watchdogd.commands.watch import undoubled
from watchdogd.core.counting import counted
from watchdogd.core.errors import ConfigError
from watchdogd.core.escalation import ApproveCall, AskedByWorker, Escalation, ReleaseLatch, Subject
from watchdogd.core.health import Severity
from watchdogd.core.spelling import did_you_mean
from watchdogd.settings.load import load
from watchdogd.settings.rule_ids import unheard_of
from watchdogd.settings.trigger import next_start, trigger_of

CONFIG = """\
[agent]
name = "reports"
state_dir = "state"
workspace = "workspace"

[broker.operators]
alice = ["approve"]

[missions.weekly]
goal = "g"
trigger = "cron 0 6 * * mon"
budget_usd = 1

[missions.first]
goal = "g"
trigger = "request"
budget_usd = 1
"""
SUNDAY = datetime(2026, 11, 22, 22, 0, tzinfo=UTC)
LONG = "a" * 60


def connection(kind: str = "mosquitto", **accounts: str) -> Connection:
    people = accounts or {"operator": LONG, "alice": LONG}
    roles = {"supervisor": "s", "worker": "w", "overseer": "o"}
    return Connection(
        host="127.0.0.1",
        port=1883,
        site="local",
        agent="reports",
        kind=kind,  # type: ignore[arg-type]
        accounts={**roles, **people},
    )


# --- words ---


@pytest.mark.parametrize(
    ("headline", "after", "said"),
    [
        ("ok: ok", "health", "ok"),
        ("drift: ok", "drift", "ok"),
        ("running: running", "process", "running"),
        ("running: the agent runs", "process", "running: the agent runs"),
        ("warn: same call 4 times", "health", "warn: same call 4 times"),
    ],
)
def test_nothing_is_said_twice_in_a_line_of_watch(headline: str, after: str, said: str) -> None:
    assert undoubled(headline, after=after) == said


def question(subject: Subject | None) -> Escalation:
    return Escalation(id="q1", run="r1", severity=Severity.WARN, headline="h", subject=subject)


@pytest.mark.parametrize(
    ("subject", "said"),
    [
        (ApproveCall(tool="shell", action_digest="d", shown="s"), ("approve q1", "deny q1")),
        (ReleaseLatch(latch="l"), ("resume q1", "stop q1")),
        (AskedByWorker(question="which?", options=("red", "blue")), ("approve q1 YOUR ANSWER", "deny q1")),
        (None, ("ack q1",)),
    ],
)
def test_every_answer_that_is_offered_is_a_command(subject: Subject | None, said: tuple[str, ...]) -> None:
    assert answers(question(subject)) == said
    register([one.split()[0] for one in said])


def test_the_details_of_a_question_hold_every_byte_of_the_action() -> None:
    shown = "shell in /w\ncommand:\n│ pytest -q;" + " " * 200 + "rm -r /"
    assert "\n".join(about(question(ApproveCall(tool="shell", action_digest="d", shown=shown)))).startswith(shown)


@pytest.mark.parametrize(
    ("word", "hint"), [("assited", "; did you mean assisted?"), ("OBSERVE", "; did you mean observe?"), ("xyz", "")]
)
def test_a_mistyped_word_is_answered_with_the_one_that_was_meant(word: str, hint: str) -> None:
    assert did_you_mean(word, ("observe", "suggest", "assisted")) == hint


@pytest.mark.parametrize(
    ("finding", "said"),
    [
        (
            "progress/identcal-call",
            "no finding is called 'progress/identcal-call'; did you mean progress/identical-call?",
        ),
        ("progres/*", "no finding is called 'progres/*'; did you mean progress/cycle?"),
        ("qqqqq", "no finding is called 'qqqqq': docs/rules has a page for each"),
        ("progress/*", ""),
        ("*", ""),
        ("drift/judged", ""),
        ("errors/rate/broken", ""),
    ],
)
def test_a_finding_that_nothing_ever_raises_is_pointed_out(finding: str, said: str) -> None:
    assert unheard_of(finding) == said


def test_check_warns_of_a_policy_rule_that_never_acts(tmp_path: Path) -> None:
    path = tmp_path / "watchdogd.toml"
    rule = '[[policy.rules]]\nid = "mine"\nfinding = "errors/rat"\nactions = ["escalate"]\n'
    path.write_text(CONFIG + rule, encoding="utf-8")
    said = [str(one) for one in load(path, env={}).warnings]
    assert any("never acts: no finding is called 'errors/rat'; did you mean errors/rate?" in one for one in said), said


# --- lines to copy ---


@pytest.mark.parametrize("user", ["operator", "alice"])
def test_every_mqtt_command_is_one_line_however_narrow_the_terminal(user: str) -> None:
    out = Console(file=io.StringIO(), width=40, highlight=False)
    by_hand(connection(), user, out)
    lines = [line for line in out.file.getvalue().splitlines() if line.startswith("mosquitto_")]  # type: ignore[attr-defined]
    assert len(lines) == 4
    assert all(LONG in line and f"-u {user} " in line and "watchdogd/v1/local/reports/" in line for line in lines)


def test_the_lines_of_somebody_whose_password_only_its_owner_knows_leave_room_for_it() -> None:
    out = Console(file=io.StringIO(), width=80, highlight=False)
    by_hand(connection("url", operator="o"), "alice", out)
    said = out.file.getvalue()  # type: ignore[attr-defined]
    assert "-u alice -P PASSWORD " in said
    assert "watchdogd broker-config" in said


# --- without a broker ---


def test_status_without_a_broker_asks_the_daemons_own_socket_also_when_no_configuration_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def socket(path: Path, command: str) -> dict[str, object]:
        assert (path, command) == (tmp_path / "state" / SOCKET, "status")
        return {"ok": True, "text": "weekly (r1); health ok", "status": {"state": "frozen"}}

    monkeypatch.setattr("watchdogd.commands.status.ask", socket)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "watchdogd.toml").write_text(CONFIG, encoding="utf-8")
    register(["status"])
    result = CliRunner().invoke(app, ["status"], env={"COLUMNS": "300"})
    assert result.exit_code == 4
    assert "on its local socket: weekly (r1); health ok; agent's processes frozen" in result.stderr


# --- who one is ---


def test_an_account_that_is_mistyped_is_named_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match=r"alic has no account; there are: operator, alice; did you mean alice\?"):
        Client(connection(), "alic")


def test_nobody_speaks_through_ones_own_broker_without_a_password() -> None:
    with pytest.raises(ConfigError, match=r"give the daemon \$WATCHDOGD_BROKER_PASSWORD_ALICE"):
        Client(connection("url", operator="o"), "alice")


@pytest.mark.parametrize("role", ["worker", "supervisor"])
def test_a_role_of_the_daemon_is_nobody_to_suggest(role: str) -> None:
    with pytest.raises(ConfigError) as refused:
        Client(connection(), f"{role}x")
    assert f"did you mean {role}" not in str(refused.value)


# --- where the configuration is ---


def test_the_configuration_in_this_directory_is_taken_when_none_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "watchdogd.toml").write_text(CONFIG, encoding="utf-8")
    assert config_of(None) == Path("watchdogd.toml")
    assert state_dir_of(None, None) == tmp_path / "state"


@pytest.mark.parametrize("words", [["run"], ["check"], ["status"], ["notify", "x"], ["watch"], ["approve", "q1"]])
def test_without_a_configuration_every_command_says_where_it_looked(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("watchdogd.commands.client.PLACES", (Path("watchdogd.toml"), tmp_path / "etc.toml"))
    register([words[0]])
    result = CliRunner().invoke(app, words)
    said = f"{result.stderr}{result.exception or ''}"
    assert "watchdogd.toml: not there, and no" in said
    assert "watchdogd init DIR" in said


# --- the start ---


def test_the_summary_of_a_start_says_where_with_whom_and_what_runs_next(tmp_path: Path) -> None:
    path = tmp_path / "watchdogd.toml"
    path.write_text(CONFIG, encoding="utf-8")
    running = RunningBroker(connection=connection(), path=tmp_path / "connection.json")
    said = "\n".join(": ".join(row) for row in summary(load(path, env={}).settings, running, SUNDAY))
    for text in (
        f"{tmp_path}/workspace",
        f"{tmp_path}/state",
        "mosquitto on 127.0.0.1:1883",
        "operator, alice may answer",
        "weekly: Mon 2026-11-23 06:00 (cron 0 6 * * mon)",
        "first: when somebody asks: watchdogd run-mission first",
    ):
        assert text in said


@pytest.mark.parametrize(
    ("trigger", "expected"),
    [
        ("start", SUNDAY),
        ("request", None),
        ("interval 3600", datetime(2026, 11, 22, 23, 0, tzinfo=UTC)),
        ("cron 0 6 * * 1", datetime(2026, 11, 23, 6, 0, tzinfo=UTC)),
    ],
)
def test_the_next_start_of_a_mission(trigger: str, expected: datetime | None) -> None:
    assert next_start(trigger_of(trigger), SUNDAY) == expected


# --- help, and what was typed wrongly ---


def command_of(name: str) -> object:
    module, function, _ = COMMANDS[name]
    return getattr(importlib.import_module(f"watchdogd.commands.{module}"), function)


def test_the_manual_has_examples_and_exit_statuses_of_every_command_and_no_other() -> None:
    assert set(EXAMPLES) == set(STATUSES) == set(COMMANDS)


@pytest.mark.parametrize("line", [line for lines in EXAMPLES.values() for line in lines])
def test_an_example_of_the_help_has_options_that_exist(line: str) -> None:
    words = shlex.split(line.partition("|")[0])
    module, function, _ = COMMANDS[words[1]]
    alone = typer.Typer()
    alone.command()(getattr(importlib.import_module(f"watchdogd.commands.{module}"), function))
    known = {opt for one in typer.main.get_command(alone).params for opt in one.opts}
    assert {word for word in words[2:] if word.startswith("-")} <= known


@pytest.mark.parametrize("command", [*COMMANDS])
def test_the_help_of_a_command_shows_all_of_it(command: str) -> None:
    register([command])
    said = " ".join(CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "400"}).stdout.split())
    assert STATUSES[command] in said
    assert all(one in said for one in EXAMPLES[command])
    assert " ".join((command_of(command).__doc__ or "").split()) in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["statsu"], "watchdogd: No such command 'statsu'. Did you mean 'status'? (watchdogd --help)"),
        (["status", "--jsn"], "watchdogd status: No such option: --jsn (Possible options: --json)"),
        (["demo", "--broker", "amqt"], "did you mean amqtt? (watchdogd demo --help)"),
        (["drill", "x", "--fault", "exact-lop"], "no fault 'exact-lop'; did you mean exact-loop?"),
    ],
)
def test_what_is_mistyped_is_one_line_and_exit_status_2(
    words: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["watchdogd", *words])
    assert main() == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("command", ["replay", "bench", "drill"])
def test_recordings_that_are_not_there_are_said_and_nothing_is_counted(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["watchdogd", command, str(tmp_path / "none")])
    assert main() == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"{tmp_path}/none: cannot be read: No such file or directory\n")


@pytest.mark.parametrize(
    ("count", "nouns", "said"),
    [
        (0, ("run",), "0 runs"),
        (1, ("run",), "1 run"),
        (1200, ("run",), "1,200 runs"),
        (2, ("child", "children"), "2 children"),
    ],
)
def test_one_is_not_said_as_many(count: int, nouns: tuple[str, ...], said: str) -> None:
    assert counted(count, *nouns) == said
