"""Dry runs and level observe with real processes: everything is shown, nothing happens."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import records
from tests.e2e.daemon import HAVE_BWRAP, SCENARIOS, Daemon, running
from tests.e2e.viewer import Seen, Viewer
from tests.workspaces import picture
from watchdogd.core.events import Gated, Previewed, ToolFinished, ToolStarted

pytestmark = pytest.mark.skipif(not HAVE_BWRAP, reason="bubblewrap is not installed")

MISSION = """[missions.tidy]
goal = "Tidy."
done_when = "test -e summary.txt && ! test -e old.txt; code=$?; touch checked; exit $code"
done_attempts = 1
budget_usd = 1.0"""
DIFF = ["M notes.txt  11 bytes → 11 bytes", "D old.txt  4 bytes", "A summary.txt  14 bytes"]


@pytest.fixture(scope="module")
def daemon(tmp_path_factory) -> Iterator[Daemon]:
    root = tmp_path_factory.mktemp("preview") / "d"
    workspace = root / "workspace"
    workspace.mkdir(parents=True)
    (workspace / "old.txt").write_text("old\n")
    (workspace / "notes.txt").write_text("alpha\nbeta\n")
    with running(root, scenario=SCENARIOS / "tidy.toml", mission=MISSION, trigger="request") as daemon:
        daemon.viewer().wait("a lease", lambda one: one.topic == "lease" and one.payload.grant)
        yield daemon


@pytest.fixture(scope="module")
def operator(daemon: Daemon) -> Viewer:
    return daemon.viewer()


@pytest.fixture
def untouched(daemon: Daemon) -> Iterator[None]:
    """Nothing in the workspace was changed, not even to be changed back, and no copy is left."""
    before = fingerprint(daemon.workspace)
    yield
    assert fingerprint(daemon.workspace) == before
    daemon.until("every copy to be gone", lambda: not copies(daemon))


def fingerprint(root: Path) -> object:
    """Contents, and the kernel's own note of when anything was last changed."""
    changed = {path: os.lstat(path).st_ctime_ns for path in [root, *root.rglob("*")]}
    return picture(root), changed


def copies(daemon: Daemon) -> list[Path]:
    return list((daemon.state / "checkpoints" / "previews").glob("*"))


def asked_for(viewer: Viewer, *words: str) -> str:
    """The run that a request brought about; a worker that was killed publishes old ones anew."""
    answer = viewer.ask("run", "tidy", *words)
    assert answer.status == "ok"
    return str(viewer.event("run_started", lambda body: body.request == answer.request).run)


def event_of(viewer: Viewer, run: str, kind: str, test: Callable[[Any], bool] = lambda _: True) -> Any:
    """The body of the first event of ``kind`` in ``run`` that passes ``test``."""

    def found(one: Seen) -> Any:
        hit = one.topic == f"event/{kind}" and one.message is not None and one.payload.run == run
        return one.payload.body if hit and test(one.payload.body) else None

    return viewer.wait(f"{kind} of {run}", found)


def waits(body: ToolStarted) -> bool:
    """It is the call that somebody has to interrupt."""
    return body.call.startswith("toolu_wait")


def test_a_dry_run_waits_and_prints_what_it_would_have_changed(daemon, operator, go, untouched):
    since = operator.mark
    done = daemon.cli("run-mission", "tidy", "--dry-run")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("done: done_when passed")
    assert lines[0].endswith("(dry run: nothing was changed; it would have: 2 added, 1 removed, 1 modified)")
    assert [line for line in lines if line[:2] in ("A ", "D ", "M ")] == ["A checked  0 bytes", *DIFF]
    assert "-alpha" in lines
    assert "+omega" in lines
    assert "+three" in lines, "a later step saw what an earlier one had done"
    assert operator.event("run_started", since=since).body.dry_run
    refused = operator.event("gated", lambda body: body.by == "dry-run", since=since)
    assert "this is a dry run, and nothing leaves the machine in it" in refused.body.reason
    assert operator.all("escalation", since=since) == [], "a copy needs nobody's approval"


def test_a_dry_run_as_json_has_the_same(daemon, go, untouched):
    done = daemon.cli("run-mission", "tidy", "--dry-run", "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["outcome"], said["mission"]) == ("done", "tidy")
    assert said["would_change"]["total"] == 4
    assert said["would_change"]["changed"][1:] == DIFF
    assert "+omega" in said["would_change"]["diff"].splitlines()


def test_a_phone_can_ask_for_one_in_plain_words(daemon, operator, go, untouched):
    since = operator.mark
    operator.publish("control/request/operator", "run tidy --dry-run")
    answer = operator.wait(
        "the answer",
        lambda one: one.payload if one.topic.startswith("control/response/operator/") else None,
        since=since,
    )
    assert answer.status == "ok"
    assert "as a dry run: it will change nothing" in answer.text
    would = operator.event("previewed", since=since)
    assert (would.body.call, would.body.summary) == ("", "2 added, 1 removed, 1 modified")
    ended = operator.event("run_finished", since=since)
    assert ended.run == would.run
    assert "it would have: 2 added, 1 removed, 1 modified" in ended.body.reason


@pytest.mark.parametrize("words", ["--dryrun", "dry-run", "--dry-run please", "-n"])
def test_a_mistyped_dry_run_is_refused_and_not_run_for_real(daemon, operator, untouched, words):
    answer = operator.ask("run", "tidy", words)
    assert answer.status == "error"
    assert "takes --dry-run or nothing" in answer.text


def test_a_mission_that_there_is_none_of_is_one_line(daemon):
    done = daemon.cli("run-mission", "tidier", "--dry-run")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: no mission is called 'tidier'")
    assert done.stdout == ""


def test_a_dry_run_whose_worker_is_killed_says_so_and_leaves_nothing(daemon, operator, untouched):
    run = asked_for(operator, "--dry-run")
    event_of(operator, run, "tool_started", waits)
    assert copies(daemon)
    daemon.kill("worker")
    ended = event_of(operator, run, "run_finished")
    assert ended.outcome == "failed"
    assert "the worker was restarted and this dry run's throw-away copy is gone: nothing was changed" in ended.reason
    doubt = event_of(operator, run, "tool_finished", lambda body: body.outcome == "in_doubt")
    assert doubt.error_class == "read", "nobody has to look what it did"


def test_a_dry_run_that_is_stopped_shows_what_it_had_done_until_then(daemon, operator, untouched):
    run = asked_for(operator, "--dry-run")
    event_of(operator, run, "tool_started", waits)
    assert operator.ask("stop", text="enough").status == "ok"
    ended = event_of(operator, run, "run_finished")
    assert ended.outcome == "stopped"
    assert "enough (dry run: nothing was changed; it would have: 1 added, 1 removed, 1 modified)" in ended.reason
    assert list(event_of(operator, run, "previewed").changed) == DIFF


def test_at_level_observe_every_change_is_shown_and_none_is_made(daemon, operator, go, untouched):
    since = operator.mark
    assert operator.ask("level", "observe").status == "ok"
    operator.wait("the level", lambda one: one.topic == "lease" and one.payload.level == "observe", since=since)
    name = asked_for(operator)
    ended = event_of(operator, name, "run_finished")
    assert ended.outcome == "failed", "nothing it did is there when its check looks"
    run = [one.body for one in records.events(daemon.record("worker")) if one.run == name]
    would = {one.call.split("_")[1]: one for one in run if isinstance(one, Previewed) and "_" in one.call}
    assert would["create"].changed == ("A summary.txt  8 bytes",)
    assert would["command"].changed == ("D old.txt  4 bytes", "A summary.txt  6 bytes"), "each call begins anew"
    assert would["edit"].changed == ("M notes.txt  11 bytes → 11 bytes",)
    assert "+omega" in would["edit"].diff.shown
    gated = [one for one in run if isinstance(one, Gated)]
    assert {one.reason for one in gated if one.outcome == "preview"} == {"level observe only previews write"}
    assert [one.reason for one in gated if one.outcome == "deny"] == ["level observe does not allow external"]
    results = [one for one in run if isinstance(one, ToolFinished) and one.outcome == "ok"]
    assert any(one.result.head.startswith("preview: nothing was changed; it would have: 1 added") for one in results)
    assert all(one.changed == () for one in results)
    check = [one for one in run if isinstance(one, Previewed) and one.call.startswith("done-")]
    assert [one.changed for one in check] == [("A checked  0 bytes",)], "the mission's own check leaves no trace either"


def test_a_worker_killed_in_a_preview_makes_the_call_again_and_nothing_is_in_doubt(daemon, operator, untouched):
    run = asked_for(operator)
    event_of(operator, run, "tool_started", waits)
    daemon.kill("worker")

    def twice() -> bool:
        found = [one for one in records.events(daemon.record("worker")) if one.run == run]
        return sum(isinstance(one.body, ToolStarted) and waits(one.body) for one in found) == 2

    daemon.until("the same call once more", twice)
    assert len(copies(daemon)) == 1
    assert operator.ask("stop", text="enough").status == "ok"
    assert event_of(operator, run, "run_finished").outcome == "stopped"
    assert event_of(operator, run, "tool_finished", lambda body: body.outcome == "in_doubt").error_class == "read"


def test_nothing_is_returned_to_in_a_dry_run_and_it_goes_on_in_its_copy(daemon, operator, untouched):
    """Checkpoints are of runs whose work is real; a return would change the workspace under the dry run."""
    first = operator.event("checkpoint_taken").body.checkpoint
    run = asked_for(operator, "--dry-run")
    event_of(operator, run, "tool_started", waits)
    refused = operator.ask("rollback", first, "yes")
    assert refused.status == "error"
    assert f"stop run {run} first" in refused.text
    assert len(copies(daemon)) == 1
    (Path(copies(daemon)[0]) / "go").touch()
    assert event_of(operator, run, "previewed").changed[-3:] == (DIFF[0], DIFF[1], DIFF[2])
    assert event_of(operator, run, "run_finished").outcome == "done"


def test_where_no_copy_can_be_made_the_call_is_refused(daemon, operator, go, untouched):
    """The place for copies is a file: what the store would say of a full or broken disk."""
    place = daemon.state / "checkpoints" / "previews"
    shutil.rmtree(place, ignore_errors=True)
    place.write_text("in the way")
    since = operator.mark
    try:
        run = asked_for(operator)
        event_of(operator, run, "run_finished")
        refused = event_of(operator, run, "gated", lambda body: body.by == "preview")
        assert "level observe only previews write, and it cannot be previewed: no preview of" in refused.reason
        assert [one for one in operator.all("event/previewed", since=since) if one.payload.run == run] == []
        done = daemon.cli("run-mission", "tidy", "--dry-run")
        assert done.returncode == 1
        assert done.stdout.startswith("failed: no dry run: no preview of")
        assert len(done.stdout.splitlines()) == 1
    finally:
        place.unlink()


@pytest.fixture
def go(daemon: Daemon) -> Iterator[None]:
    """The mission does not wait for anybody."""
    (daemon.workspace / "go").touch()
    yield
    (daemon.workspace / "go").unlink()
