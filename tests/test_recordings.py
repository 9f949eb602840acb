"""Recordings that are broken, odd or huge: one clear sentence each, with file and line; the rest goes on."""

from __future__ import annotations

import gzip
import json
import os
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from watchdogd.adapters.objects import ObjectDirectory
from watchdogd.adapters.sqlite import SqliteRecord
from watchdogd.commands import recordings as module
from watchdogd.commands.bench import bench
from watchdogd.commands.drill import drill
from watchdogd.commands.recordings import Recording, Unread, recordings
from watchdogd.commands.replay import replay
from watchdogd.core.events import Event, RunStarted, Text, ToolFinished, ToolIntended, UserSaid
from watchdogd.wire import envelope
from watchdogd.wire.trajectory import SCHEMA

app = typer.Typer()
for name, command in (("replay", replay), ("bench", bench), ("drill", drill)):
    app.command(name)(command)


def line(**changes: object) -> str:
    steps = [{"i": 0, "kind": "user", "text": "hello"}]
    return json.dumps({"schema": SCHEMA, "id": "fine", "goal": "g", "steps": steps, **changes}) + "\n"


FINE = line()
CUT = gzip.compress((FINE * 50).encode())[:-30]
BROKEN: dict[str, tuple[bytes, str]] = {
    "empty": (b"", ": there is no run in it"),
    "blank": (b"\n \n\n", ": there is no run in it"),
    "empty-gzip": (gzip.compress(b""), ": there is no run in it"),
    "no-json": (b"read me\n", ":1: not JSON: Expecting value (column 1)"),
    "cut-json": (FINE.encode()[:-9], ":1: not JSON: "),
    "nul": (b"\0" * 64 + b"\n", ":1: not JSON: "),
    "list": (b"[1, 2]\n", ":1: not a JSON object"),
    "null": (b"null\n", ":1: not a JSON object"),
    "other-schema": (line(schema="other/1").encode(), ":1: schema is 'other/1', not 'watchdogd.trajectory/1'"),
    "no-schema": (line(schema=None).encode(), ":1: schema is 'None'"),
    "steps-null": (line(steps=None).encode(), ":1: steps is not an array"),
    "steps-object": (line(steps={"a": 1}).encode(), ":1: steps is not an array"),
    "step-text": (line(steps=["x"]).encode(), ":1: steps[0] is not an object"),
    "step-kind": (line(steps=[{"kind": "dance"}]).encode(), ":1: steps[0].kind is 'dance', not one of user,"),
    "deep": (b"[" * 100_000 + b"\n", ":1: nested too deeply"),
    "digits": (FINE.replace('"g"', "9" * 5_000).encode(), ":1: a number of more than 4300 digits"),
    "event-seq": (b'{"seq": "x", "body": {"kind": "tick"}}\n', ":1: seq: "),
    "event-kind": (b'{"seq": 1, "body": {"kind": "dance"}}\n', ":1: "),
    "not-gzip": (b"\x1f\x8bno gzip at all", ":1: the gzip data is damaged"),
    "cut-gzip": (CUT, "the file ends in the middle of its gzip data"),
    "utf-16": (FINE.encode("utf-16"), ":1: UTF-16, where UTF-8 is expected"),
    "no-database": (module.SQLITE + b"x" * 900, ": no daemon's record: "),
}


def run(*args: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [str(one) for one in args])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.parametrize("command", ["replay", "bench", "drill"])
@pytest.mark.parametrize("kind", sorted(BROKEN))
def test_a_broken_file_is_one_sentence_and_the_next_file_is_read(tmp_path: Path, command: str, kind: str) -> None:
    content, sentence = BROKEN[kind]
    path, fine = tmp_path / "broken", tmp_path / "fine"
    path.write_bytes(content)
    fine.write_text(FINE)
    more = ("--fault", "exact-loop") if command == "drill" else ()
    status, out, err = run(command, path, fine, *more)
    assert status == 1
    said = err.splitlines()
    assert len(said) == 2
    assert said[0].startswith(str(path))
    assert sentence in said[0]
    assert said[1] == "1 could not be read"
    assert "1" in out.splitlines()[0] or "51" in out.splitlines()[0]


@pytest.mark.parametrize("command", ["replay", "bench", "drill"])
def test_what_is_no_file_is_said(tmp_path: Path, command: str) -> None:
    missing, directory, other = tmp_path / "none", tmp_path / "directory", tmp_path / "other.db"
    directory.mkdir()
    with sqlite3.connect(other) as db:
        db.execute("CREATE TABLE t (a)")
    db.close()
    status, _, err = run(command, missing, directory, other)
    assert status == 2
    assert err.splitlines() == [
        f"{missing}: cannot be read: No such file or directory",
        f"{directory}: a directory without a daemon's record (worker/record.db)",
        f"{other}: no daemon's record: no such table: rows",
        "3 could not be read",
    ]


def test_what_is_whole_before_a_cut_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "cut.gz"
    whole = "".join(line(id=f"{n}" + os.urandom(20_000).hex()) for n in range(5))
    path.write_bytes(gzip.compress(whole.encode())[:-30_000])
    found = list(recordings([path]))
    assert [type(one) for one in found] == [Recording] * (len(found) - 1) + [Unread]
    assert len(found) > 2
    assert [one.line for one in found] == list(range(1, len(found) + 1))


def test_of_a_file_with_many_broken_lines_the_first_are_named(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_text("read me\n" * 100 + FINE)
    status, out, err = run("replay", "--json", path)
    assert status == 1
    said = err.splitlines()
    assert len(said) == module.MOST_SENTENCES + 2
    assert said[-2:] == [f"{path}: 80 more cannot be read", "100 could not be read"]
    assert len(out.splitlines()) == 1


@pytest.mark.parametrize("packed", [False, True])
def test_a_line_without_end_is_not_held_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packed: bool
) -> None:
    monkeypatch.setattr(module, "MOST_LINE_BYTES", 2 * 1024**2)
    path = tmp_path / "bomb"
    content = b"0" * 9 * 1024**2 + b"\n" + FINE.encode()
    path.write_bytes(gzip.compress(content) if packed else content)
    bomb, fine = recordings([path])
    assert (bomb.line, getattr(bomb, "reason", "")) == (1, "longer than 2 MiB")
    assert (fine.line, getattr(fine, "id", "")) == (2, "fine")


def test_a_byte_order_mark_and_bytes_that_are_no_text_are_read(tmp_path: Path) -> None:
    path = tmp_path / "marked"
    path.write_bytes(b"\xef\xbb\xbf" + FINE.replace("hello", "a\xffb").encode("latin-1"))
    [found] = recordings([path])
    assert isinstance(found, Recording)
    assert isinstance(found.events[1].body, UserSaid)
    assert found.events[1].body.text.head == "a\ufffdb"


def test_numbers_that_are_none_are_unknown(tmp_path: Path) -> None:
    path = tmp_path / "nan"
    path.write_text(
        f'{{"schema": "{SCHEMA}", "id": "a", "goal": "x", "onset_step": NaN, "labels": {{"task_success": NaN}}, '
        '"steps": [{"i": NaN, "kind": "user", "text": "x", "t": NaN}, {"i": 1e999, "kind": "user", "t": -Infinity}, '
        '{"kind": "tool_call", "tool": "t", "args": {"a": NaN}}, {"kind": "tool_result", "tool": "t", "result": NaN}]}'
    )
    status, out, err = run("replay", "--json", path)
    assert (status, err) == (0, "")
    found = json.loads(out)
    assert found["events"] == 5
    assert all(0 <= risk <= 1 for risk in found["risk"].values())
    [run_] = recordings([path])
    assert isinstance(run_, Recording)
    assert [one.at for one in run_.events] == [None] * 5
    assert [one.seq for one in run_.events] == [-1, 0, 1, 2, 3]


@pytest.mark.parametrize(
    ("numbers", "sentence"),
    [
        ((5, 5), "steps[1].i is 5, after 5: they must rise, so all are numbered by their place"),
        ((0, 3, 2), "steps[2].i is 2, after 3: they must rise, so all are numbered by their place"),
        ((-7, 1), "steps[0].i is -7, the first step's: they must rise, so all are numbered by their place"),
    ],
)
def test_steps_whose_numbers_do_not_rise_are_numbered_by_their_place(
    tmp_path: Path, numbers: tuple[int, ...], sentence: str
) -> None:
    path = tmp_path / "steps"
    path.write_text(line(steps=[{"i": one, "kind": "user", "text": "x"} for one in numbers]))
    status, _, err = run("replay", "--json", path)
    assert (status, err) == (0, f"{path}:1: {sentence}\n")
    [found] = recordings([path])
    assert isinstance(found, Recording)
    assert [one.seq for one in found.events] == list(range(-1, len(numbers)))


def test_steps_may_leave_numbers_out(tmp_path: Path) -> None:
    path = tmp_path / "steps"
    path.write_text(line(steps=[{"i": one, "kind": "user", "text": "x"} for one in (0, 4, 9)]))
    [found] = recordings([path])
    assert isinstance(found, Recording)
    assert ([one.seq for one in found.events], found.remark) == ([-1, 0, 4, 9], "")


def test_captured_events_that_are_missing_or_differ_are_said(tmp_path: Path) -> None:
    path = tmp_path / "captured"
    events = [Event(seq=seq, body=UserSaid(text=Text.of(text))) for seq, text in ((7, "a"), (1, "b"), (1, "c"))]
    path.write_text("".join(json.dumps(envelope.entry(one)) + "\n" for one in events))
    status, _, err = run("replay", "--json", path)
    assert (status, err) == (0, f"{path}: event 1 comes twice and differs; 5 events after 1 are missing\n")


def recorded(state: Path, *bodies: object) -> Path:
    """A daemon's state directory with a worker's record of ``bodies``."""
    (state / "worker").mkdir(parents=True)
    record = SqliteRecord(state / "worker" / "record.db")
    record.claim()
    with record.transaction() as rows:
        for seq, body in enumerate(bodies, start=1):
            rows.append(envelope.entry(Event(seq=seq, body=body, run="r1", at=float(seq))))  # type: ignore[arg-type]
    record.close()
    return state


def test_a_record_that_was_changed_says_so(tmp_path: Path) -> None:
    state = recorded(tmp_path / "state", RunStarted(goal="x"), *(UserSaid(text=Text.of(f"{n}")) for n in range(5)))
    db = sqlite3.connect(state / "worker" / "record.db")
    db.execute("UPDATE rows SET body = replace(body, '\"2\"', '\"9\"') WHERE seq = 4")
    db.execute("DELETE FROM rows WHERE seq = 6")
    db.execute("DELETE FROM rows WHERE seq = 2")
    db.commit()
    db.close()
    status, _, err = run("replay", "--json", state)
    assert status == 0
    assert err.splitlines() == [
        f"{state}/worker/record.db: row 2 is missing: found 3; row 3 does not follow the row before it; "
        "row 4 was changed after it was written"
    ]


def test_long_texts_of_a_record_are_seen_whole_as_the_overseer_sees_them(tmp_path: Path) -> None:
    secret = "ghp_" + "A1b2C3d4E5f6" * 3
    long = "x " * 20_000 + secret + " y" * 20_000
    objects = ObjectDirectory(tmp_path / "state" / "objects")
    bodies = (
        RunStarted(goal="x"),
        ToolIntended(call="c", tool="sh", args={"command": "cat f"}),
        ToolFinished(call="c", tool="sh", outcome="ok", result=Text.of(long)),
    )
    state = recorded(tmp_path / "state", *bodies)
    assert json.loads(run("replay", "--json", state)[1])["findings"] == []
    assert [getattr(one, "goal", "") for one in recordings([state])] == ["x"]
    objects.put(long)
    found = json.loads(run("replay", "--json", state)[1])["findings"]
    assert [(one["rule"], one["step"]) for one in found] == [("safety/secret-shown", 3)]


def test_a_pipe_is_read(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer: Callable[[], int] = lambda: path.write_bytes(gzip.compress(FINE.encode()))  # noqa: E731
    thread = threading.Thread(target=writer)
    thread.start()
    found = list(recordings([path]))
    thread.join()
    assert [getattr(one, "id", one) for one in found] == ["fine"]


def test_a_page_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    path = tmp_path / "fine"
    path.write_text(FINE)
    status, _, err = run("replay", "--html", tmp_path / "none" / "page.html", path)
    assert (status, err) == (1, f"{tmp_path}/none/page.html: cannot be written: No such file or directory\n")


def test_a_drill_without_a_healthy_recording_says_so(tmp_path: Path) -> None:
    path = tmp_path / "bad"
    path.write_text(line(labels={"task_success": False}))
    status, _, err = run("drill", path)
    assert (status, err) == (1, "nothing to drill: 1 recording, all labelled bad\n")


def test_a_files_name_cannot_write_to_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "\x1b[31mred\nline"
    path.write_text("x\n")
    err = run("replay", path)[2]
    assert len(err.splitlines()) == 2
    assert "\x1b" not in err
