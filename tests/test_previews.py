"""Calls in throw-away copies: what they see, what they cannot reach, what is told of them, and that nothing is left."""

import asyncio
import json
import shutil
import socket
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from tests.protocol.inmemory import Diary, Untouched
from tests.test_tools import FAR, use
from tests.workspaces import Gardener, picture
from watchdogd.adapters.bubblewrap import Interpreter, view
from watchdogd.adapters.checkpoints import WorkspaceSnapshots
from watchdogd.adapters.clock import SystemClock
from watchdogd.adapters.previews import StorePreviews
from watchdogd.adapters.sandbox import BubblewrapSandbox, NoSandbox
from watchdogd.adapters.snapshots.archive import Quota
from watchdogd.adapters.snapshots.store import SnapshotStore
from watchdogd.adapters.toolboxes import Toolboxes
from watchdogd.core.errors import SandboxError, SnapshotError, ToolError
from watchdogd.core.events import Previewed
from watchdogd.core.lifecycle import Mission, Run
from watchdogd.ports import SandboxProfile
from watchdogd.settings.load import load
from watchdogd.sim.record import MemoryDisk
from watchdogd.worker.journal import Journal
from watchdogd.worker.preview import CALL_CHARS, Rehearsals, previewed, would_have
from watchdogd.worker.tools.call import Outcome

CLOCK = SystemClock()
DRY = Run(id="r2", mission=Mission(name="m", goal="g", protect=("raw",)), dry_run=True)
OBSERVED = Run(id="r1", mission=Mission(name="m", goal="g", protect=("raw",)))
needs_bwrap = pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed")


class Kept:
    """Objects in memory."""

    def __init__(self):
        self.texts = []

    def put(self, text):
        self.texts.append(text)
        return "d"

    def get(self, digest):
        raise AssertionError(digest)


class Place:
    """A workspace, its store and everything over it."""

    def __init__(self, root, *, sandbox=None, quota=None, denied="", exclude=()):
        self.root = root
        self.workspace = root / "workspace"
        (self.workspace / "raw").mkdir(parents=True)
        (self.workspace / "raw/day1.csv").write_text("1,2\n")
        (self.workspace / "notes.txt").write_text("alpha\nbeta\n")
        (self.workspace / "old.txt").write_text("old\n")
        self.state = root / "state"
        self.state.mkdir()
        config = root / "watchdogd.toml"
        config.write_text(
            f'[agent]\nworkspace = "{self.workspace}"\nstate_dir = "{self.state}"\n[judge]\nenabled = false\n{denied}'
        )
        self.store = SnapshotStore(str(self.state / "checkpoints"), clock=CLOCK, quota=quota, state=str(self.state))
        self.snapshots = WorkspaceSnapshots(self.store, str(self.workspace), deadline_s=60)
        self.previews = StorePreviews(self.store, str(self.workspace), opened=self.snapshots.open, exclude=exclude)
        self.toolboxes = Toolboxes(load(config, env={}).settings, sandbox, "", CLOCK)
        record = Diary(MemoryDisk())
        record.claim()
        self.kept = Kept()
        self.journal = Journal(record, self.kept, Untouched(), CLOCK, "b1")
        self.rehearsals = Rehearsals(
            previews=self.previews,
            plain=self.toolboxes.of,
            over=self.toolboxes.over,
            journal=self.journal,
            clock=CLOCK,
        )
        self.before = picture(self.workspace)

    def close(self):
        assert picture(self.workspace) == self.before, "the workspace is as it was, whatever happened in copies"
        assert self.copies() == []
        self.snapshots.close()

    def copies(self):
        """Copies on disk."""
        found = self.state / "checkpoints/previews"
        return sorted(path.name for path in found.iterdir()) if found.exists() else []

    async def observed(self, name, **args) -> Outcome:
        """A call as level observe runs it."""
        call = self.toolboxes.of(OBSERVED).prepare(use(name, **args))
        stage = await self.rehearsals.stage(OBSERVED, call)
        try:
            outcome = await stage.toolbox.run(stage.call, until_boot_s=FAR, launched=lambda: None)
            return await stage.ended(outcome)
        finally:
            await stage.discard()

    async def in_dry_run(self, name, **args) -> Outcome:
        """A call of the dry run that has begun."""
        box = self.rehearsals.toolbox(DRY)
        return await box.run(box.prepare(use(name, **args)), until_boot_s=FAR, launched=lambda: None)


@pytest.fixture
def place(tmp_path):
    with closing(Place(tmp_path, sandbox=BubblewrapSandbox(CLOCK) if shutil.which("bwrap") else None)) as made:
        yield made


# --- a call at level observe ------------------------------------------------------------------------------------------


async def test_a_file_tool_shows_what_it_would_change_and_changes_nothing(place):
    outcome = await place.observed("edit", path="notes.txt", old="alpha", new="omega")
    assert outcome.ok
    assert outcome.text.startswith("preview: nothing was changed; it would have: 1 modified\nM notes.txt")
    assert "-alpha\n+omega\n" in outcome.text
    assert "Its output, in the copy:\n" in outcome.text
    assert outcome.changed == (), "nothing was changed"
    (event,) = outcome.events
    assert isinstance(event, Previewed)
    assert (event.call, event.tool, event.summary, event.total) == ("t1", "edit", "1 modified", 1)
    assert event.changed[0].startswith("M notes.txt")
    assert "+omega" in event.diff.shown


@needs_bwrap
async def test_a_command_sees_the_copy_where_the_workspace_is_and_nothing_else_of_either(place):
    workspace = place.workspace
    command = (
        f"pwd; rm old.txt; echo new > {workspace}/new.txt; cat {workspace}/notes.txt; "
        f"ls {workspace}; ls -d {place.state} {workspace.parent}/* 2>&1; true"
    )
    outcome = await place.observed("shell", command=command)
    said = outcome.text.split("Its output, in the copy:\n")[1].splitlines()
    assert said[:6] == [str(workspace), "alpha", "beta", "new.txt", "notes.txt", "raw"]
    assert f"ls: cannot access '{place.state}': No such file or directory" in said
    assert str(workspace) in said
    assert outcome.text.startswith("preview: nothing was changed; it would have: 1 added, 1 removed\n")


@needs_bwrap
async def test_the_next_call_starts_from_the_workspace_again(place):
    await place.observed("shell", command="echo once >> notes.txt")
    outcome = await place.observed("shell", command="cat notes.txt; touch /tmp/x")
    assert outcome.text.endswith("alpha\nbeta")
    assert outcome.text.startswith("preview: nothing was changed, and it would have changed nothing")


@needs_bwrap
async def test_a_command_that_fails_says_so_with_what_it_changed_until_then(place):
    outcome = await place.observed("shell", command="echo half > half.txt; exit 3")
    assert not outcome.ok
    assert outcome.text.startswith("preview: nothing was changed; it would have: 1 added, and failed\n")
    assert outcome.exit_code == 3


@needs_bwrap
@pytest.mark.parametrize("command", ["echo x > raw/day1.csv", "mv raw away", "rm -rf raw"])
async def test_what_is_protected_is_protected_in_the_copy_too(place, command):
    outcome = await place.observed("shell", command=command)
    assert not outcome.ok
    assert "would have changed nothing" in outcome.text


@needs_bwrap
async def test_an_absolute_denial_names_the_same_place_in_the_copy(tmp_path):
    denied = (
        f'[policy]\nbase = "observe"\n[[policy.denials]]\nkind = "path"\npattern = "{tmp_path}/workspace/notes.txt"\n'
        'reason = "kept"\n'
    )
    with closing(Place(tmp_path, sandbox=BubblewrapSandbox(CLOCK), denied=denied)) as place:
        outcome = await place.observed("shell", command="echo x >> notes.txt")
        assert "would have changed nothing" in outcome.text
        outcome = await place.observed("create", path="notes.txt", text="x")
        assert not outcome.ok
        assert "'notes.txt' is protected" in outcome.text


@needs_bwrap
async def test_a_preview_has_no_network(place):
    call = place.toolboxes.of(OBSERVED).prepare(use("shell", command="curl http://127.0.0.1/"))
    assert call.profile.network
    stage = await place.rehearsals.stage(OBSERVED, call)
    assert not stage.call.profile.network
    await stage.discard()


@needs_bwrap
async def test_links_in_the_copy_lead_nowhere_in_the_workspace(place):
    (place.workspace / "absolute").symlink_to(place.workspace / "notes.txt")
    place.before = picture(place.workspace)
    outcome = await place.observed("shell", command="echo through >> absolute; tail -n 1 notes.txt")
    assert "M notes.txt" in outcome.text
    assert outcome.text.endswith("through")


async def test_a_very_long_diff_is_cut_for_the_model_and_kept_for_people(place):
    outcome = await place.observed("create", path="long.txt", text="x" * 180 + "\n" + "word\n" * 40_000)
    assert len(outcome.text) < CALL_CHARS + 500
    wide = await place.observed("create", path="wide.txt", text=f"{'y' * 50_000}\n")
    assert "characters more]" in wide.text
    assert len(wide.text) < CALL_CHARS + 500
    assert wide.events[0].diff.cut
    assert any("y" * 50_000 in text for text in place.kept.texts)


async def test_what_the_copy_does_not_have_is_named(place):
    with closing(socket.socket(socket.AF_UNIX)) as end:
        end.bind(str(place.workspace / "s"))
        place.before = picture(place.workspace)
        outcome = await place.observed("create", path="a.txt", text="a")
    assert "The copy did not have s (socket)." in outcome.text
    assert outcome.events[0].missing == ("s (socket)",)


async def test_an_event_about_very_many_long_names_fits_on_the_bus(place):
    copy = await place.previews.make("many")
    for number in range(3_000):
        (Path(copy.path) / f"{'ü' * 100}{number}").write_text("")
    changes, lines = await copy.compared(lines=200)
    await copy.discard()
    event = previewed(place.journal, changes, lines, [("ü" * 4_000, "unreadable")] * 3_000)
    assert event.total == 3_000
    entry = place.journal.entry(event)
    assert len(json.dumps(entry)) < 256 * 1024


# --- a dry run --------------------------------------------------------------------------------------------------------


@needs_bwrap
async def test_the_steps_of_a_dry_run_build_on_each_other_and_change_nothing(place):
    await place.rehearsals.begin(DRY)
    await place.in_dry_run("create", path="summary.txt", text="one\n")
    await place.in_dry_run("shell", command="echo two >> summary.txt; rm old.txt")
    seen = await place.in_dry_run("view", path=str(place.workspace / "summary.txt"))
    assert seen.text.split() == ["1", "one", "2", "two"]
    edited = await place.in_dry_run("edit", path="notes.txt", old="beta", new="gamma")
    assert edited.changed == ("notes.txt",)
    would = await place.rehearsals.end()
    assert would.summary == "1 added, 1 removed, 1 modified"
    assert [line.split()[:2] for line in would.changed] == [["M", "notes.txt"], ["D", "old.txt"], ["A", "summary.txt"]]
    assert "+two" in would.diff.shown
    assert would_have(would) == "nothing was changed; it would have: 1 added, 1 removed, 1 modified"


async def test_a_dry_run_without_its_copy_has_no_tools_at_all(place):
    with pytest.raises(SnapshotError, match="has no copy"):
        place.rehearsals.toolbox(DRY)
    await place.rehearsals.begin(DRY)
    other = Run(id="r3", mission=DRY.mission, dry_run=True)
    with pytest.raises(SnapshotError, match="has no copy"):
        place.rehearsals.toolbox(other)
    await place.rehearsals.discard()
    with pytest.raises(SnapshotError, match="has no copy"):
        place.rehearsals.toolbox(DRY)


async def test_the_tools_over_the_workspace_are_never_handed_to_a_dry_run(place):
    with pytest.raises(SandboxError, match="works in a copy only"):
        place.toolboxes.of(DRY)


@pytest.mark.parametrize("copy", ["", "workspace", "workspace/raw", ".", "link", "workspace/../workspace"])
def test_no_tools_are_made_over_a_copy_that_is_the_workspace(place, copy):
    (place.root / "link").symlink_to(place.workspace)
    with pytest.raises(SandboxError, match="is no copy"):
        place.toolboxes.over(DRY, str(place.root / copy) if copy else "")


async def test_what_a_dry_run_did_survives_an_interruption_of_one_call(place):
    await place.rehearsals.begin(DRY)
    await place.in_dry_run("create", path="a.txt", text="a")
    await place.rehearsals.begin(DRY)
    assert (await place.rehearsals.end()).summary == "1 added"
    assert await place.rehearsals.end() is None


async def test_a_copy_that_cannot_be_compared_is_said_to_be_unknown(place):
    await place.rehearsals.begin(DRY)
    copy = place.state / "checkpoints/previews" / place.copies()[0]
    shutil.rmtree(copy)
    would = await place.rehearsals.end()
    assert would.total is None
    assert "cannot be told (the preview cannot be compared" in would_have(would)


@needs_bwrap
@pytest.mark.parametrize("seed", range(3))
async def test_random_damage_in_a_dry_run_stays_there(tmp_path, seed):
    with closing(Place(tmp_path, sandbox=BubblewrapSandbox(CLOCK))) as place:
        Gardener(place.workspace, seed).grow(40)
        place.before = picture(place.workspace)
        await place.rehearsals.begin(DRY)
        copy = place.state / "checkpoints/previews" / place.copies()[0]
        Gardener(copy, seed + 50).damage(20)
        everything = f"find {place.workspace} -mindepth 1 -delete; chmod 777 .; echo x > all; ln -s {place.root} out"
        await place.in_dry_run("shell", command=everything)
        would = await place.rehearsals.end()
        assert would is not None
        assert would.total


# --- no containment ---------------------------------------------------------------------------------------------------


async def test_without_containment_a_copy_has_no_shell(tmp_path):
    with closing(Place(tmp_path, sandbox=NoSandbox(CLOCK))) as place:
        assert "shell" in {spec.name for spec in place.toolboxes.of(OBSERVED).specs()}
        with pytest.raises(ToolError, match="there is no tool 'shell'"):
            await place.observed("shell", command="echo x > x")
        assert (await place.observed("create", path="x", text="x")).ok


async def test_no_containment_refuses_a_copy_by_itself(place, tmp_path):
    profile = SandboxProfile(workspace=str(tmp_path), shown_as=str(place.workspace))
    with pytest.raises(SandboxError, match="without containment"):
        await NoSandbox(CLOCK).run("touch here", profile, until_boot_s=FAR, launched=lambda: None)


@pytest.mark.parametrize("copy", ["workspace", "workspace/raw", ".", "link"])
def test_what_shares_its_place_with_the_workspace_is_no_copy_of_it(place, copy):
    (place.root / "link").symlink_to(place.workspace)
    profile = SandboxProfile(workspace=str(place.root / copy), shown_as=str(place.workspace))
    with pytest.raises(SandboxError, match="is no copy of"):
        view(profile, options=frozenset(), interpreter=Interpreter())


def test_a_copy_is_never_shown_with_network(place, tmp_path):
    (tmp_path / "copy").mkdir()
    profile = SandboxProfile(workspace=str(tmp_path / "copy"), shown_as=str(place.workspace), network=True)
    with pytest.raises(SandboxError, match="gets no network"):
        view(profile, options=frozenset(), interpreter=Interpreter())


# --- no copy ----------------------------------------------------------------------------------------------------------


async def refused(place, match):
    """Neither a call nor a dry run gets a copy, in one sentence."""
    call = place.toolboxes.of(OBSERVED).prepare(use("create", path="x", text="x"))
    for attempt in (place.rehearsals.stage(OBSERVED, call), place.rehearsals.begin(DRY)):
        with pytest.raises(SnapshotError, match=match) as said:
            await attempt
        assert "\n" not in str(said.value)


async def test_a_workspace_that_is_too_large_is_not_copied(place, monkeypatch):
    monkeypatch.setattr("watchdogd.adapters.previews.MOST_BYTES", 10)
    await refused(place, r"no preview of .*: 19 bytes, 10 are the most")


async def test_a_disk_that_would_be_full_gets_no_copy(tmp_path):
    with closing(Place(tmp_path, quota=Quota(free_bytes=10**18))) as place:
        await refused(place, "bytes are free")


async def test_a_store_that_another_process_holds_gives_no_copy(place):
    other = SnapshotStore(str(place.state / "checkpoints"), clock=CLOCK)
    with other:
        await refused(place, "in use by another process")


async def test_a_workspace_that_is_gone_gives_no_copy(tmp_path):
    place = Place(tmp_path)
    place.workspace.rename(tmp_path / "elsewhere")
    with pytest.raises(SnapshotError):
        await place.rehearsals.begin(DRY)
    (tmp_path / "elsewhere").rename(place.workspace)
    place.close()


async def test_making_a_copy_that_is_called_off_leaves_none(place, monkeypatch):
    reached, go_on, files = threading.Event(), threading.Event(), []

    def slow(_self, size):
        files.append(size)
        reached.set()
        assert go_on.wait(60)

    await place.snapshots.open()
    monkeypatch.setattr("watchdogd.adapters.snapshots.archive.Archive.refuse_when_full", slow)
    making = asyncio.ensure_future(place.rehearsals.begin(DRY))
    assert await asyncio.to_thread(reached.wait, 60)
    making.cancel()
    await asyncio.sleep(0)
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await making
    assert len(files) == 1, "the rest was not copied first"
    assert place.copies() == []
    with pytest.raises(SnapshotError, match="has no copy"):
        place.rehearsals.toolbox(DRY)


async def test_a_call_that_comes_to_nothing_in_the_copy_leaves_none(place):
    call = place.toolboxes.of(OBSERVED).prepare(use("edit", path="notes.txt", old="alpha", new="omega"))
    (place.workspace / "notes.txt").write_text("changed meanwhile\n")
    place.before = picture(place.workspace)
    with pytest.raises(ToolError, match="does not occur"):
        await place.rehearsals.stage(OBSERVED, call)
    assert place.copies() == []


@needs_bwrap
async def test_a_call_has_as_long_in_the_copy_as_it_was_admitted_with(place):
    call = place.toolboxes.of(OBSERVED).prepare(use("shell", command="make"))
    stage = await place.rehearsals.stage(OBSERVED, replace(call, profile=replace(call.profile, time_s=7)))
    assert stage.call.profile.time_s == 7
    await stage.discard()
