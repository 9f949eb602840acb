"""A restore that dies at any step ends at the target or at the state before, and says which."""

import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.workspaces import Gardener, StillClock, captured, picture, surroundings
from watchdogd.adapters.snapshots.journal import Phase
from watchdogd.adapters.snapshots.store import SnapshotStore
from watchdogd.core.errors import RestoreUnfinished, SnapshotError

KILLS = int(os.environ.get("WATCHDOGD_RESTORE_KILLS", "5"))


class Died(BaseException):
    """Stands for the end of the process: nothing may catch it and go on."""


def dying_at(number, names=None):
    """Dies before the step of that number."""
    count = iter(range(10**9))

    def step(name):
        if names is not None:
            names.append(name)
        if next(count) == number:
            raise Died(name)

    return step


def opened(place, on_step=None):
    return SnapshotStore(str(place / "state"), clock=StillClock(), on_step=on_step)


def recovered(store):
    result = store.recover()
    assert result is not None
    return result


@pytest.fixture
def scene(tmp_path):
    """A workspace with a checkpoint, and damage of every kind since."""
    root = tmp_path / "around/ws"
    root.mkdir(parents=True)
    (tmp_path / "around/other").write_text("not ours")
    for path in ("edited", "gone", "mode", "kind", "d/edited", "d/gone", "tree/a/b", "tree/a/c/d", "read-only/f"):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(f"good {path}")
    (root / "link").symlink_to("good")
    (root / "read-only").chmod(0o555)
    with opened(tmp_path) as store:
        store.take(str(root), id="good", deadline_s=1e6)
        good = picture(root)
        (root / "edited").write_text("bad")
        (root / "d/edited").write_text("bad")
        (root / "read-only/f").write_text("bad")
        (root / "gone").unlink()
        (root / "d/gone").unlink()
        (root / "mode").chmod(0o777)
        (root / "kind").unlink()
        (root / "kind").mkdir()
        (root / "kind/inside").write_text("new")
        for path in ("tree/a/b", "tree/a/c/d"):
            (root / path).unlink()
        for path in ("tree/a/c", "tree/a", "tree"):
            (root / path).rmdir()
        (root / "link").unlink()
        (root / "link").symlink_to("bad")
        (root / "new").mkdir()
        (root / "new/file").write_text("new")
        (root / "d").chmod(0o700)
        store.take(str(root), id="bad", deadline_s=1e6)
    return tmp_path, root, good, picture(root)


def without_staging(seen):
    return {path: facts for path, facts in seen.items() if not path.startswith(b".watchdogd-")}


def steps_of_a_whole_restore(scene):
    place, root, _, _ = scene
    names: list[str] = []
    with opened(place, dying_at(-1, names)) as store:
        store.restore("good", str(root), quarantine_id="all")
        store.restore("bad", str(root), quarantine_id="back")
    return names[: names.index("done") + 1]


def test_a_restore_that_dies_before_any_of_its_steps_is_finished_or_never_began(scene):
    place, root, good, bad = scene
    names = steps_of_a_whole_restore(scene)
    assert len(names) > 20
    ends = {"target": 0, "before": 0, None: 0}
    for number, name in enumerate(names):
        around = surroundings(place / "around", {str(root)})
        with opened(place, dying_at(number)) as store, pytest.raises(Died):
            store.restore("good", str(root), quarantine_id=f"q{number}")
        between = without_staging(picture(root))
        with opened(place) as store:
            way = store.unfinished()
            if way is None or way.phase is Phase.STAGING:
                assert captured(between) == captured(bad) or name == "done", f"changed before {name}"
            result = store.recover()
            assert store.unfinished() is None
            now = picture(root)
            if result is not None and result.at == "target":
                assert captured(now) == captured(good), name
                assert {Path(thing.path).name for thing in store.quarantined(f"q{number}").things} == {"kind", "new"}
                store.restore("bad", str(root), quarantine_id=f"b{number}")
            ends[result.at if result else None] += 1
            assert captured(picture(root)) == captured(bad), name
        assert surroundings(place / "around", {str(root)}) == around
    assert ends["target"] > 10
    assert ends["before"] > 5


@pytest.mark.parametrize("record", [None, b"", b'{"root": "/'])
def test_a_restore_killed_while_it_made_its_quarantine_never_began(scene, record):
    """kill -9 between the directory and its record, or amid the record: nothing was moved, nothing was changed."""
    place, root, _, bad = scene
    with opened(place, dying_at(3)) as store, pytest.raises(Died):
        store.restore("good", str(root), quarantine_id="q")
    with opened(place) as store:
        directory = Path(store._quarantines.path("q"))
        assert store.unfinished().phase is Phase.STAGING
        directory.mkdir(exist_ok=True)
        (directory / "record.json").unlink(missing_ok=True)
        if record is not None:
            (directory / "record.json").write_bytes(record)
        assert store.recover().at == "before"
        assert store.quarantines() == []
        assert captured(picture(root)) == captured(bad)
        assert store.restore("good", str(root), quarantine_id="q").at == "target"


def test_a_recovery_that_dies_again_and_again_is_finished_in_the_end(scene):
    place, root, good, _ = scene
    at_apply = steps_of_a_whole_restore(scene).index("apply") + 2
    with opened(place, dying_at(at_apply)) as store, pytest.raises(Died):
        store.restore("good", str(root), quarantine_id="q")
    deaths = 0
    result = None
    while result is None:
        with opened(place, dying_at(deaths)) as store:
            try:
                result = recovered(store)
            except Died:
                deaths += 1
    assert result.at == "target"
    assert result.finished_forward
    assert deaths > 5
    assert captured(picture(root)) == captured(good)


KILLED = """
import sys
from tests.workspaces import StillClock
from watchdogd.adapters.snapshots.store import SnapshotStore
steps = 0
def step(name):
    sys.stdout.write(".")
    sys.stdout.flush()
with SnapshotStore(sys.argv[1], clock=StillClock(), on_step=step) as store:
    if sys.argv[3] == "recover":
        store.recover()
    else:
        store.restore(sys.argv[3], sys.argv[2], quarantine_id=sys.argv[4])
"""


def killed(place, root, what, quarantine, after):
    """Runs a restore in a process of its own and kills it once it has made so many steps."""
    command = [sys.executable, "-c", KILLED, str(place / "state"), str(root), what, quarantine]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout
        for _ in range(after):
            if not process.stdout.read(1):
                break
        process.send_signal(signal.SIGKILL)
        process.wait()


@pytest.mark.parametrize("seed", range(KILLS))
def test_a_restore_that_is_killed_ends_at_the_target_or_before_and_says_which(tmp_path, seed):
    root = tmp_path / "around/ws"
    root.mkdir(parents=True)
    draw = random.Random(seed)
    gardener = Gardener(root, seed)
    gardener.grow(draw.randrange(10, 120))
    with opened(tmp_path) as store:
        assert store.take(str(root), id="good", deadline_s=1e6).complete
        good = picture(root)
        gardener.damage(draw.randrange(5, 40))
        assert store.take(str(root), id="bad", deadline_s=1e6).complete
        bad = picture(root)
    around = surroundings(tmp_path / "around", {str(root)})

    killed(tmp_path, root, "good", "q", draw.randrange(1, 60))
    for _ in range(draw.randrange(3)):
        killed(tmp_path, root, "recover", "", draw.randrange(1, 30))

    with opened(tmp_path) as store:
        way = store.unfinished()
        result = store.recover()
        now = captured(picture(root))
        lost = {os.fsencode(residue.path) for residue in result.residue} if result else set()
        if way is None:
            assert now in (captured(good), captured(bad))
        elif result is not None and result.at == "before":
            assert now == captured(bad)
        else:
            assert captured(now, lost) == captured(good, lost)
        assert store.unfinished() is None
        assert not [name for name in os.listdir(root) if name.startswith(".watchdogd-")]  # noqa: PTH208 - any bytes
        if now != captured(bad):
            back = store.restore("bad", str(root), quarantine_id="back")
            lost = {os.fsencode(residue.path) for residue in back.residue}
            assert captured(picture(root), lost) == captured(bad, lost)
    assert surroundings(tmp_path / "around", {str(root)}) == around


# --- while something else writes --------------------------------------------------------------------------------------


def at_step(wanted, act):
    """Does something right before a step whose name begins so, once."""
    done: list[str] = []

    def step(name):
        if name.startswith(wanted) and not done:
            done.append(name)
            act()

    return step


def test_a_restore_refuses_while_something_else_writes(scene):
    place, root, _, _ = scene

    def write():
        (root / "somebody-else").write_text("here")

    with opened(place, at_step("stage ", write)) as store:
        with pytest.raises(SnapshotError, match="nothing was changed: something else writes here"):
            store.restore("good", str(root), quarantine_id="q")
        assert store.unfinished() is None
    assert (root / "edited").read_text() == "bad"
    assert not [path for path in root.iterdir() if path.name.startswith(".watchdogd-")]


@pytest.mark.parametrize("path", ["edited", "gone", "tree"])
def test_what_appears_at_the_last_moment_is_kept(scene, path):
    place, root, good, _ = scene

    def write():
        (root / path).write_text("written in between")

    with opened(place, at_step("PutFile edited", write)) as store:
        result = store.restore("good", str(root), quarantine_id="q")
        assert captured(picture(root)) == captured(good)
        assert path in result.quarantined
        held = [Path(thing.lies_in) for thing in store.quarantined("q").things if thing.path == path]
        assert [file.read_text() for file in held] == ["written in between"]


def test_a_writer_that_never_stops_leaves_the_restore_unfinished_and_recoverable(scene):
    place, root, good, _ = scene

    def write(name):
        if name == "verify":
            (root / "edited").write_text(os.urandom(4).hex())

    with opened(place, write) as store:
        with pytest.raises(RestoreUnfinished, match="something else writes here: edited"):
            store.restore("good", str(root), quarantine_id="q")
        with pytest.raises(SnapshotError, match="has to be finished first"):
            store.restore("bad", str(root), quarantine_id="q2")
        with pytest.raises(SnapshotError, match="has to be finished first"):
            store.take(str(root), id="mixture", deadline_s=1e6)
    with opened(place) as store:
        assert recovered(store).at == "target"
    assert captured(picture(root)) == captured(good)


def test_a_directory_swapped_for_a_link_does_not_lead_out(scene):
    place, root, _, _ = scene
    (place / "around/outside").mkdir()
    (place / "around/outside/edited").write_text("not ours")
    around = surroundings(place / "around", {str(root)})

    def swap():
        (root / "d").rename(root / "was-d")
        (root / "d").symlink_to(place / "around/outside")

    with opened(place, at_step("PutFile d/", swap)) as store, pytest.raises(RestoreUnfinished):
        store.restore("good", str(root), quarantine_id="q")
    assert surroundings(place / "around", {str(root)}) == around
    with opened(place) as store:
        assert recovered(store).at == "target"
        assert store.diff("good", str(root)).items == ()
    assert surroundings(place / "around", {str(root)}) == around


def test_a_recovery_in_another_directory_of_that_name_is_refused(scene):
    place, root, _, _ = scene
    with opened(place, dying_at(1)) as store, pytest.raises(Died):
        store.restore("good", str(root), quarantine_id="q")
    root.rename(place / "around/moved")
    root.mkdir()
    with opened(place) as store:
        with pytest.raises(SnapshotError, match="is not the directory whose restore was begun"):
            store.recover()
        assert store.unfinished()


def test_a_quarantine_on_another_disk_holds_the_same(tmp_path):
    """Needs two file systems: /dev/shm is one nearly everywhere."""
    shm = Path("/dev/shm") / f"watchdogd-test-{os.getpid()}"
    try:
        shm.mkdir()
    except OSError:
        pytest.skip("no /dev/shm to write to")
    try:
        root = tmp_path / "ws"
        root.mkdir()
        if shm.stat().st_dev == root.stat().st_dev:
            pytest.skip("/dev/shm is on the same file system")
        with SnapshotStore(str(shm / "state"), clock=StillClock()) as store:
            store.take(str(root), id="empty", deadline_s=1e6)
            Gardener(root, 7).grow(80)
            before = picture(root)
            result = store.restore("empty", str(root), quarantine_id="q")
            assert list(root.iterdir()) == []
            held = {}
            for thing in store.quarantined("q").things:
                above = os.fsencode(thing.path)
                for path, facts in picture(thing.lies_in).items():
                    held[above + b"/" + path if path else above] = facts
            del before[b""]
            assert held == before
            assert len(result.quarantined) == len({path.split(b"/")[0] for path in before})
    finally:
        shutil.rmtree(shm)
