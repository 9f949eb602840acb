"""``watchdogd replay``: what it prints, what it refuses, and that a finding uses no later step."""

from __future__ import annotations

import gzip
import json
import sqlite3
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner
from typing_extensions import override

from watchdogd.adapters.sqlite import SqliteRecord
from watchdogd.commands import replay_html
from watchdogd.commands.recordings import Recording, Unread, recordings, with_ticks
from watchdogd.commands.replay import replay
from watchdogd.core.events import Event, RunStarted, Text, Tick, ToolFinished, ToolIntended, UserSaid
from watchdogd.wire import envelope
from watchdogd.wire.trajectory import SCHEMA

CONFORMANCE = Path(__file__).parent / "data" / "conformance.jsonl.gz"
app = typer.Typer()
app.command()(replay)


def run(*args: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [str(one) for one in args])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def loop(times: int, *, name: str = "loop", label: object = None, t: float | None = None) -> str:
    steps: list[dict[str, Any]] = [{"kind": "user", "text": "go"}]
    for _ in range(times):
        steps.append({"kind": "tool_call", "tool": "sh", "args": {"command": "ls"}})
        steps.append({"kind": "tool_result", "tool": "sh", "result": "a\nb\nc", "is_error": False})
    for at, step in enumerate(steps):
        step["i"] = at
        if t is not None:
            step["t"] = t * at
    labels = {} if label is None else {"task_success": label}
    return json.dumps({"schema": SCHEMA, "id": name, "goal": "list", "labels": labels, "steps": steps}) + "\n"


@pytest.fixture
def looping(tmp_path: Path) -> Path:
    path = tmp_path / "runs.jsonl"
    path.write_text(loop(8) + loop(1, name="fine", label=True))
    return path


def test_json_is_one_object_per_run_with_the_fields_of_the_format(looping: Path) -> None:
    status, out, err = run("--json", looping)
    assert (status, err) == (0, "")
    first, second = (json.loads(one) for one in out.splitlines())
    assert set(first) >= {"id", "events", "risk", "severity", "findings", "first", "decisions"}
    assert set(first["risk"]) == {"drift", "errors", "recall", "progress", "safety", "cost"}
    assert first["severity"] == "crit"
    assert first["first"] == {"warn": 8, "crit": 12}
    found = first["findings"][0]
    assert {"step", "rule", "channel", "severity", "risk", "headline", "evidence"} <= set(found)
    assert found["evidence"] == [2, 4, 6, 8]
    assert first["decisions"][0] == {
        "step": 8,
        "rule": "nudge-loops",
        "action": "nudge",
        "finding": "progress/identical-call",
        "severity": "warn",
    }
    assert (second["severity"], second["findings"], second["first"]) == ("ok", [], {"warn": None, "crit": None})


def test_until_stops_each_run_and_changes_nothing_before(looping: Path) -> None:
    whole = json.loads(run("--json", looping)[1].splitlines()[0])
    for steps in range(18):
        cut = json.loads(run("--json", "--until", steps, looping)[1].splitlines()[0])
        assert cut["findings"] == [one for one in whole["findings"] if one["step"] < steps]
        assert cut["events"] == steps + 1


def test_a_line_that_does_not_parse_is_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "mixed.jsonl"
    path.write_bytes(loop(1, name="a").encode() + b"{broken\n\n\xff\xfe\n" + loop(1, name="b").encode())
    status, out, err = run("--json", path)
    assert status == 1
    assert [json.loads(one)["id"] for one in out.splitlines()] == ["a", "b"]
    assert f"{path}:2: not JSON" in err
    assert f"{path}:4: not JSON" in err
    assert "2 could not be read" in err


def test_a_file_that_is_missing_or_cut_is_named(tmp_path: Path, looping: Path) -> None:
    cut = tmp_path / "cut.jsonl.gz"
    cut.write_bytes(gzip.compress(loop(50).encode())[:-20])
    status, out, err = run("--json", tmp_path / "none.jsonl", cut, looping)
    assert status == 1
    assert len(out.splitlines()) == 2
    assert "none.jsonl" in err
    assert "cut.jsonl.gz" in err


def test_the_table_says_coverage_first_then_what_fired_on_good_and_bad(tmp_path: Path) -> None:
    path = tmp_path / "labelled.jsonl"
    path.write_text(loop(8, name="bad", label=False) + loop(1, name="good", label=True) + loop(1, name="what"))
    status, out, _ = run(path)
    assert status == 0
    lines = out.splitlines()
    assert lines[0].startswith("3 runs")
    label = next(one for one in lines if one.startswith("task_success"))
    assert label.split() == ["task_success", "1", "1", "1"]
    fired = next(one for one in lines if one.startswith("progress") and "crit" in one)
    assert "task_success 1/1, 0/1" in fired


def test_gzip_is_recognised_by_its_content(tmp_path: Path) -> None:
    path = tmp_path / "no-suffix"
    path.write_bytes(gzip.compress(loop(8).encode()))
    assert json.loads(run("--json", path)[1])["severity"] == "crit"


def test_silence_in_a_recording_with_times_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "slow.jsonl"
    path.write_text(loop(3, t=400.0))
    found = json.loads(run("--json", path)[1])["findings"]
    assert ("progress/silence", 3) in {(one["rule"], one["step"]) for one in found}


def test_ticks_fill_pauses_and_stay_few() -> None:
    events = [Event(seq=0, body=RunStarted(), at=0.0), Event(seq=1, body=RunStarted(), at=1e9)]
    filled = list(with_ticks(events))
    assert 10 < len(filled) < 60
    assert [one.seq for one in filled[1:]] == [1] * (len(filled) - 1)
    times = [one.at for one in filled if one.at is not None]
    assert times == sorted(times)
    assert len(list(with_ticks([Event(seq=0, body=RunStarted()), Event(seq=1, body=RunStarted())]))) == 2


def written_record(path: Path) -> None:
    record = SqliteRecord(path)
    record.claim()
    events = [Event(seq=1, body=RunStarted(goal="x"), run="r1", at=1.0)]
    for n in range(8):
        events.append(
            Event(seq=2 + 2 * n, body=ToolIntended(call=f"c{n}", tool="sh", args={"c": "ls"}), run="r1", at=2.0 + n)
        )
        body = ToolFinished(call=f"c{n}", tool="sh", outcome="ok", result=Text.of("a b c"))
        events.append(Event(seq=3 + 2 * n, body=body, run="r1", at=2.5 + n))
    with record.transaction() as rows:
        for event in events:
            rows.append(envelope.entry(event))
    record.close()


def test_a_daemons_own_record_is_replayed(tmp_path: Path) -> None:
    path = tmp_path / "worker.db"
    written_record(path)
    status, out, err = run("--json", path)
    assert (status, err) == (0, "")
    found = json.loads(out)
    assert (found["id"], found["severity"], found["first"]["warn"]) == ("r1", "crit", 9)


def test_a_state_directory_stands_for_the_workers_record_in_it(tmp_path: Path) -> None:
    path = tmp_path / "state" / "worker" / "record.db"
    path.parent.mkdir(parents=True)
    written_record(path)
    status, out, err = run("--json", tmp_path / "state")
    assert (status, err) == (0, "")
    assert json.loads(out)["id"] == "r1"


def test_a_row_that_is_no_event_is_named(tmp_path: Path) -> None:
    path = tmp_path / "worker.db"
    written_record(path)
    db = sqlite3.connect(path)
    db.execute("UPDATE rows SET body = '{}' WHERE seq = 3")
    db.commit()
    db.close()
    read = list(recordings([path]))
    assert [one.reason[:5] for one in read if isinstance(one, Unread)] == ["row 3"]
    assert [len(one.events) for one in read if isinstance(one, Recording)] == [16]


def test_events_captured_from_the_bus_are_replayed_once_and_in_order(tmp_path: Path) -> None:
    events = [
        Event(seq=2, body=UserSaid(text=Text.of("b")), run="r"),
        Event(seq=1, body=UserSaid(text=Text.of("a")), run="r"),
        Event(seq=2, body=UserSaid(text=Text.of("b")), run="r"),
    ]
    path = tmp_path / "captured.jsonl"
    path.write_text(
        "".join(json.dumps({"specversion": "1.0", "data": {"entry": envelope.entry(one)}}) + "\n" for one in events)
    )
    [found] = recordings([path])
    assert isinstance(found, Recording)
    assert [one.seq for one in found.events] == [1, 2]
    assert not any(isinstance(one.body, Tick) for one in found.events)


def test_another_policy_decides_otherwise_and_a_broken_one_is_refused(tmp_path: Path, looping: Path) -> None:
    policy = tmp_path / "strict.toml"
    policy.write_text(
        '[[rules]]\nid = "stop-loops"\nchannel = "progress"\nseverity = "warn"\nactions = ["stop"]\n', encoding="utf-8"
    )
    found = json.loads(run("--json", "--policy", policy, looping)[1].splitlines()[0])
    assert {(one["rule"], one["action"]) for one in found["decisions"]} == {("stop-loops", "stop")}
    policy.write_text("levle = 3\n")
    with pytest.raises(Exception, match="levle"):
        run("--json", "--policy", policy, looping)


def test_thresholds_come_from_the_configuration(tmp_path: Path, looping: Path) -> None:
    workspace = tmp_path / "work"
    workspace.mkdir()
    config = tmp_path / "watchdogd.toml"
    config.write_text(
        f'[agent]\nworkspace = "{workspace}"\nstate_dir = "{tmp_path}/state"\n'
        "[judge]\nenabled = false\n[detect.progress]\nrepeat_warn = 7\nrepeat_crit = 8\n"
    )
    found = json.loads(run("--json", "--config", config, looping)[1].splitlines()[0])
    assert found["first"] == {"warn": 14, "crit": 16}


HOSTILE = (
    "</pre><script src=//x.example/x.js>alert(1)</script><img src=x onerror=alert(1)> "
    "http://x.example \u202e\ud800\x1b[31m"
)


class Tags(HTMLParser):
    """Every tag of a page with its attributes, and the text between."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    @override
    def handle_data(self, data: str) -> None:
        self.text += data


def shown(page: Path, *args: object) -> Tags:
    """The page that ``replay --html`` writes."""
    assert run("--html", page, *args)[0] == 0
    tags = Tags()
    tags.feed(page.read_text(encoding="utf-8"))
    return tags


def hostile() -> str:
    steps = [
        {"i": 0, "kind": "user", "text": HOSTILE, "agent": HOSTILE},
        {"i": 1, "kind": "assistant", "text": HOSTILE, "agent": HOSTILE},
        *(
            step
            for n in range(8)
            for step in (
                {"i": 2 + 2 * n, "kind": "tool_call", "tool": HOSTILE, "args": {HOSTILE: HOSTILE}},
                {"i": 3 + 2 * n, "kind": "tool_result", "tool": HOSTILE, "result": HOSTILE, "is_error": True},
            )
        ),
    ]
    labels = {HOSTILE: HOSTILE, "fault": HOSTILE}
    data = {"schema": SCHEMA, "id": HOSTILE, "goal": HOSTILE, "labels": labels, "steps": steps, "onset_step": 3}
    return json.dumps(data) + "\n"


def test_nothing_that_was_recorded_becomes_markup_in_the_page(tmp_path: Path) -> None:
    path = tmp_path / "runs.jsonl"
    path.write_text(hostile() + loop(8))
    tags = shown(tmp_path / "page.html", path)
    html = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert not {"script", "img", "iframe", "object", "link", "form"} & {name for name, _ in tags.tags}
    assert not [name for _, attrs in tags.tags for name in attrs if name.startswith("on")]
    assert "&lt;script src=//x.example/x.js&gt;alert(1)" in html
    assert not [one for one in html if one not in "\n\t" and not one.isprintable()]
    assert "\\u202e\\ud800\\u001b[31m" in html


def test_the_page_loads_nothing_from_anywhere(tmp_path: Path) -> None:
    path = tmp_path / "runs.jsonl"
    path.write_text(hostile() + loop(8))
    tags = shown(tmp_path / "page.html", path)
    assert not [attrs for _, attrs in tags.tags if {"src", "srcset", "data", "action", "poster"} & set(attrs)]
    assert not [attrs["href"] for _, attrs in tags.tags if not str(attrs.get("href", "#")).startswith("#")]
    style = tags.text[: tags.text.index("watchdogd replay", 20)] + "".join(str(a.get("style")) for _, a in tags.tags)
    assert "url(" not in style
    assert "@import" not in style
    policy = [attrs["content"] for name, attrs in tags.tags if attrs.get("http-equiv") == "Content-Security-Policy"]
    assert policy == ["default-src 'none'; style-src 'unsafe-inline'"]


def test_the_page_shows_channels_findings_with_evidence_decisions_and_steps(tmp_path: Path) -> None:
    path = tmp_path / "runs.jsonl"
    path.write_text(loop(8))
    tags = shown(tmp_path / "page.html", path)
    labels = [str(attrs["aria-label"]) for name, attrs in tags.tags if name == "svg"]
    assert [one.partition(":")[0] for one in labels] == [
        *("18 events", "drift", "errors", "recall", "progress", "safety", "cost"),
        labels[-1],
    ]
    assert labels[-1].endswith("decisions")
    assert "same call 4 times in a row" in tags.text
    assert "Evidence: 4 events" in tags.text
    assert "nudge at step 8" in tags.text
    targets = {str(attrs["id"]) for _, attrs in tags.tags if "id" in attrs}
    links = {str(attrs["href"]).removeprefix("#") for name, attrs in tags.tags if name == "a"}
    assert "run-0-step-8" in links
    assert links <= targets
    assert any(attrs.get("name") == "viewport" for _, attrs in tags.tags)


def test_the_page_of_a_long_run_keeps_the_steps_with_findings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay_html, "MOST_STEPS", 3)
    path = tmp_path / "runs.jsonl"
    path.write_text(loop(8))
    tags = shown(tmp_path / "page.html", path)
    assert "Timeline: 5 steps of 17: the first 3, and those with a finding" in tags.text
    steps = [str(attrs["id"]) for _, attrs in tags.tags if str(attrs.get("id", "")).startswith("run-0-step-")]
    assert steps == [f"run-0-step-{n}" for n in (0, 1, 2, 8, 12)]


def test_the_page_of_many_runs_shows_the_worst(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay_html, "MOST_RUNS", 2)
    path = tmp_path / "runs.jsonl"
    path.write_text("".join(loop(1, name=f"fine {n}") for n in range(9)) + loop(8, name="the worst"))
    tags = shown(tmp_path / "page.html", path)
    assert "10 runs, 2 shown" in tags.text
    assert tags.text.index("the worst") < tags.text.index("fine 0")
    assert "fine 1" not in tags.text


def test_the_conformance_cases_hold_where_no_threshold_decides() -> None:
    status, out, _ = run("--json", CONFORMANCE)
    assert status == 0
    found = {one["id"]: one for one in map(json.loads, out.splitlines())}
    checked = 0
    for one in recordings([CONFORMANCE]):
        assert isinstance(one, Recording)
        if one.labels["threshold_sensitive"]:
            continue
        result = found[one.id]
        if one.labels["eval_at"] == "end":
            stuck = result["end"]["progress"] != "ok"
        else:
            stuck = any(f["channel"] == "progress" and f["severity"] in ("warn", "crit") for f in result["findings"])
        assert stuck == (one.labels["expect"] == "stuck"), one.id
        checked += 1
    assert checked == 22
