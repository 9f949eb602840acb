"""The store of checkpoints, on real files."""

import itertools
import os
import socket
import stat
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.workspaces import StillClock, picture
from watchdogd.adapters.snapshots import scan, trees
from watchdogd.adapters.snapshots.archive import Quota
from watchdogd.adapters.snapshots.packs import PackWriter
from watchdogd.adapters.snapshots.store import SnapshotStore
from watchdogd.core.errors import SnapshotError


@pytest.fixture
def root(tmp_path):
    path = tmp_path / "ws"
    path.mkdir()
    return path


@pytest.fixture
def store(tmp_path):
    with SnapshotStore(str(tmp_path / "state"), clock=StillClock()) as opened:
        yield opened


def taken(store, root, id_="c1", **options):
    options.setdefault("deadline_s", 1e6)
    return store.take(str(root), id=id_, **options)


def restored(store, root, id_="c1", quarantine_id="q1"):
    return store.restore(id_, str(root), quarantine_id=quarantine_id)


def entries_of(store, id_="c1"):
    return store._archive.load(store._archive.target(id_)[1].ref)


def settle(*paths):
    """Waits until the files' ctime tick is over for the engine, so that it believes what it read."""
    newest = max(path.lstat().st_ctime_ns for path in paths)
    while time.time_ns() < newest + scan.TICK_NS * 2:
        threading.Event().wait(0.01)


def damage_packs(state):
    for pack in (state / "packs").iterdir():
        raw = bytearray(pack.read_bytes())
        raw[3] ^= 0xFF
        pack.write_bytes(raw)


# --- what is captured -------------------------------------------------------------------------------------------------


def test_an_empty_directory_a_nested_repository_and_ignored_files_come_back(store, root):
    (root / "empty").mkdir()
    (root / "sub/.git").mkdir(parents=True)
    (root / "sub/.git/HEAD").write_text("ref: refs/heads/main\n")
    (root / ".gitignore").write_text("*.log\n")
    (root / "ignored.log").write_text("precious")
    before = picture(root)
    taken(store, root)
    for path in ("sub/.git/HEAD", "ignored.log"):
        (root / path).unlink()
    (root / "empty").rmdir()
    restored(store, root)
    assert picture(root) == before


def test_a_link_is_captured_as_a_link_and_never_followed(store, root, tmp_path):
    (tmp_path / "outside").write_text("not ours")
    (root / "link").symlink_to(tmp_path / "outside")
    (root / "loop").symlink_to("loop")
    manifest = taken(store, root)
    assert manifest.files == 0
    (root / "link").unlink()
    (root / "link").write_text("damage")
    restored(store, root)
    assert (root / "link").readlink() == tmp_path / "outside"
    assert (tmp_path / "outside").read_text() == "not ours"


@pytest.mark.parametrize("name", ["f", "d"])
def test_a_name_that_becomes_a_link_between_looking_and_opening_is_not_followed(
    store, root, tmp_path, monkeypatch, name
):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret").write_text("not ours")
    (root / "f").write_text("x")
    (root / "d").mkdir()
    real = os.open
    swapped: list[str] = []

    def swap_first(path, flags, *args, **options):
        if path == name and not swapped:
            swapped.append(path)
            (root / name).rename(tmp_path / f"was-{name}")
            (root / name).symlink_to(tmp_path / "outside" / ("secret" if name == "f" else ""))
        return real(path, flags, *args, **options)

    monkeypatch.setattr(os, "open", swap_first)
    manifest = taken(store, root)
    monkeypatch.undo()
    assert swapped
    seen = {item.path for item in store.diff("c1", str(root)).items} if manifest.complete else set()
    assert not {path for path in seen if "secret" in path}
    held = [store._archive.packs.get(digest) for digest in store._archive.packs._places]
    assert b"not ours" not in held
    assert not any(b"secret" in data and b"not ours" in data for data in held)


def test_special_files_are_named_and_not_opened(store, root):
    os.mkfifo(root / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(root / "sock"))
        manifest = taken(store, root)
    assert manifest.complete
    assert manifest.missed == (("pipe", "fifo"), ("sock", "socket"))


def test_a_special_file_that_went_is_named_in_the_result_of_a_restore(store, root):
    os.mkfifo(root / "pipe")
    taken(store, root)
    (root / "pipe").unlink()
    (root / "pipe").write_text("in its place")
    result = restored(store, root)
    assert [(residue.path, residue.why) for residue in result.residue] == [("pipe", "fifo, not captured")]
    assert not (root / "pipe").exists()
    assert Path(store.quarantined("q1").things[0].lies_in).read_text() == "in its place"


def test_a_hard_link_to_the_outside_is_never_written_through(store, root, tmp_path):
    outside = tmp_path / "outside"
    outside.write_text("one")
    os.link(outside, root / "inside")
    taken(store, root)
    outside.write_text("two")
    outside.chmod(0o640)
    restored(store, root)
    assert (root / "inside").read_text() == "one"
    assert outside.read_text() == "two"
    assert stat.S_IMODE(outside.stat().st_mode) == 0o640


def test_permissions_of_a_hard_link_to_the_outside_are_not_changed_there(store, root, tmp_path):
    outside = tmp_path / "outside"
    outside.write_text("same")
    outside.chmod(0o600)
    os.link(outside, root / "inside")
    taken(store, root)
    outside.chmod(0o666)
    restored(store, root)
    assert stat.S_IMODE((root / "inside").stat().st_mode) == 0o600
    assert stat.S_IMODE(outside.stat().st_mode) == 0o666


def test_a_sparse_file_costs_what_is_in_it(store, root, tmp_path):
    with (root / "sparse").open("wb") as file:
        file.truncate(200 * 1024**2)
        file.seek(150 * 1024**2)
        file.write(b"an island")
    manifest = taken(store, root)
    assert manifest.bytes == 200 * 1024**2
    assert manifest.stored_bytes < 100_000
    before = picture(root)
    (root / "sparse").write_bytes(b"")
    restored(store, root)
    assert picture(root) == before
    assert (root / "sparse").stat().st_blocks * 512 < 4 * 1024**2


def test_a_large_file_with_a_small_change_is_stored_once(store, root):
    data = os.urandom(8 * 1024**2)
    (root / "large").write_bytes(data)
    taken(store, root)
    with (root / "large").open("r+b") as file:
        file.seek(3 * 1024**2)
        file.write(b"changed")
    second = taken(store, root, "c2")
    assert second.stored_bytes < 3 * 1024**2
    restored(store, root)
    assert (root / "large").read_bytes() == data


def test_notes_tell_of_extended_attributes_and_hard_links(store, root, tmp_path):
    (root / "a").write_text("x")
    os.link(root / "a", root / "b")
    try:
        os.setxattr(root / "a", b"user.colour", b"red")
    except OSError:
        pytest.skip("no extended attributes on this file system")
    taken(store, root)
    entries = entries_of(store)
    assert entries["a"].notes == ("hard link", "xattr user.colour")


def test_setuid_comes_back_with_its_owner(store, root):
    (root / "tool").write_text("x")
    (root / "tool").chmod(0o4755)
    taken(store, root)
    (root / "tool").chmod(0o755)
    restored(store, root)
    assert stat.S_IMODE((root / "tool").stat().st_mode) == 0o4755


def test_extras_are_kept_under_the_same_id(store, root):
    conversation = os.urandom(3 * 1024**2)
    taken(store, root, extra={"conversation": conversation, "memory": b""})
    assert store.blob("c1", "conversation") == conversation
    assert store.blob("c1", "memory") == b""
    with pytest.raises(SnapshotError, match="holds no dreams"):
        store.blob("c1", "dreams")


def test_what_is_excluded_is_named_and_left_alone(store, root):
    (root / "node_modules").mkdir()
    (root / "node_modules/lib").write_text("1")
    (root / "deep").mkdir()
    (root / "deep/x.log").write_text("1")
    manifest = taken(store, root, exclude=["node_modules", "*.log"])
    assert manifest.missed == (("node_modules", "excluded"), ("deep/x.log", "excluded"))
    (root / "node_modules/lib").write_text("2")
    (root / "new").mkdir()
    (root / "new/y.log").write_text("stays")
    (root / "new/z").write_text("goes")
    result = restored(store, root)
    assert (root / "node_modules/lib").read_text() == "2"
    assert (root / "new/y.log").read_text() == "stays"
    assert result.quarantined == ("new/z",)
    assert [residue.path for residue in result.residue] == ["new"]


def test_the_first_bytes_of_a_file_can_be_read_from_a_checkpoint(store, root):
    (root / "d").mkdir()
    (root / "d/f").write_bytes(b"0123456789")
    taken(store, root)
    assert store.content("c1", "d/f", limit_bytes=4) == b"0123"
    with pytest.raises(SnapshotError, match="no file d/g"):
        store.content("c1", "d/g", limit_bytes=4)


# --- reading only what changed ----------------------------------------------------------------------------------------


def test_an_unchanged_file_is_not_read_again(store, root, monkeypatch):
    (root / "f").write_text("x")
    settle(root / "f")
    first = taken(store, root)

    def fail(*_):
        raise AssertionError("read again")

    monkeypatch.setattr(scan.Walk, "_content", fail)
    assert taken(store, root, "c2").workspace == first.workspace


def test_what_was_remembered_survives_a_restart(root, tmp_path, monkeypatch):
    (root / "d").mkdir()
    (root / "d/f").write_text("x")
    settle(root / "d/f")
    with SnapshotStore(str(tmp_path / "state"), clock=StillClock()) as store:
        first = taken(store, root)

    def fail(*_):
        raise AssertionError("read again")

    monkeypatch.setattr(scan.Walk, "_content", fail)
    with SnapshotStore(str(tmp_path / "state"), clock=StillClock()) as store:
        assert taken(store, root, "c2").workspace == first.workspace


def test_a_torn_memory_costs_reading_again_and_nothing_else(root, tmp_path):
    (root / "f").write_text("x")
    settle(root / "f")
    with SnapshotStore(str(tmp_path / "state"), clock=StillClock()) as store:
        first = taken(store, root)
    for path in (tmp_path / "state/memory").iterdir():
        path.write_bytes(path.read_bytes()[:-7])
    with SnapshotStore(str(tmp_path / "state"), clock=StillClock()) as store:
        assert taken(store, root, "c2").workspace == first.workspace


def test_a_file_read_within_its_own_tick_is_read_again(store, root, monkeypatch):
    """Another write in that tick would leave size, mtime and ctime as they were."""
    (root / "f").write_text("x")
    taken(store, root)
    read = scan.Walk._content
    seen = []

    def counted(*args):
        seen.append(1)
        return read(*args)

    monkeypatch.setattr(scan.Walk, "_content", counted)
    taken(store, root, "c2")
    assert seen == [1]
    settle(root / "f")
    taken(store, root, "c3")
    taken(store, root, "c4")
    assert seen == [1, 1]


def test_a_change_with_size_and_mtime_put_back_is_seen(store, root):
    (root / "f").write_bytes(b"one")
    settle(root / "f")
    taken(store, root)
    found = (root / "f").stat()
    (root / "f").write_bytes(b"two")
    os.utime(root / "f", ns=(found.st_atime_ns, found.st_mtime_ns))
    taken(store, root, "c2")
    assert store.content("c2", "f", limit_bytes=9) == b"two"


def test_other_exclusions_do_not_share_what_is_remembered(store, root):
    (root / "f.log").write_text("x")
    settle(root / "f.log")
    taken(store, root, exclude=[])
    assert taken(store, root, "c2", exclude=["*.log"]).missed == (("f.log", "excluded"),)
    assert taken(store, root, "c3", exclude=[]).missed == ()


# --- incomplete checkpoints -------------------------------------------------------------------------------------------


def ticking():
    """A clock whose each look is a second later."""
    seconds = itertools.count()
    return StillClock(boot=lambda: float(next(seconds)))


def test_a_missed_deadline_is_incomplete_and_the_next_one_gets_further(root, tmp_path):
    for n in range(100):
        (root / f"f{n:03}").write_text(str(n))
    settle(*root.iterdir())
    with SnapshotStore(str(tmp_path / "state"), clock=ticking()) as store:
        attempts = 0
        while not (manifest := taken(store, root, f"c{attempts}", deadline_s=40)).complete:
            assert "deadline" in manifest.why
            attempts += 1
            assert attempts < 10
        assert attempts > 1
        with pytest.raises(SnapshotError, match="c0 is incomplete: the deadline"):
            restored(store, root, "c0")
        (root / "f007").unlink()
        restored(store, root, manifest.id)
        assert (root / "f007").read_text() == "7"


def test_a_file_that_keeps_changing_makes_a_checkpoint_incomplete(store, root, monkeypatch):
    (root / "busy").write_text("0")
    (root / "calm").write_text("0")
    read = scan.Walk._content
    count = iter(range(1, 100))

    def while_it_is_written(walk, file, size):
        found = read(walk, file, size)
        if os.readlink(f"/proc/self/fd/{file}").endswith("busy"):  # noqa: PTH115 - a descriptor
            (root / "busy").write_text("x" * next(count))
        return found

    monkeypatch.setattr(scan.Walk, "_content", while_it_is_written)
    manifest = taken(store, root)
    assert not manifest.complete
    assert manifest.why == "1 paths changed while they were read: busy"


def test_a_directory_that_keeps_changing_makes_a_checkpoint_incomplete(store, root, monkeypatch):
    (root / "d").mkdir()
    finish = scan.Walk._finish
    count = iter(range(100))

    def while_it_fills(walk, known, names):
        finish(walk, known, names)
        (root / f"d/f{next(count)}").write_text("x")

    monkeypatch.setattr(scan.Walk, "_finish", while_it_fills)
    assert not taken(store, root).complete


def test_too_many_entries_make_a_checkpoint_incomplete(root, tmp_path):
    for n in range(20):
        (root / f"f{n}").write_text("x")
    with SnapshotStore(str(tmp_path / "state"), clock=StillClock(), quota=Quota(entries=10)) as store:
        assert "more than 10" in taken(store, root).why


def test_a_file_past_its_quota_is_named(root, tmp_path):
    (root / "large").write_bytes(bytes(2_000))
    (root / "small").write_bytes(bytes(10))
    with SnapshotStore(str(tmp_path / "state"), clock=StillClock(), quota=Quota(file_bytes=1_000)) as store:
        manifest = taken(store, root)
        assert manifest.complete
        assert manifest.missed == (("large", "too large"),)
        (root / "large").write_bytes(bytes(3_000))
        restored(store, root)
        assert (root / "large").stat().st_size == 3_000


def test_directories_nested_without_end_are_named(store, root):
    fd = os.open(root, os.O_RDONLY)
    for _ in range(scan.DEPTH + 40):
        os.mkdir("d", dir_fd=fd)
        inner = os.open("d", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = inner
    os.close(fd)
    manifest = taken(store, root)
    assert manifest.complete
    assert [why for _, why in manifest.missed] == ["too deep"]


def test_after_a_failed_write_everything_is_read_again(root, tmp_path):
    """What was read for a pack that never came must not be taken for stored."""
    (root / "f").write_bytes(os.urandom(300_000))
    (root / "g").write_bytes(os.urandom(300_000))
    settle(root / "f", root / "g")
    with SnapshotStore(str(tmp_path / "state"), clock=StillClock()) as store:
        store._archive._quota = Quota(store_bytes=350_000)
        with pytest.raises(SnapshotError, match="quota"):
            taken(store, root)
        store._archive._quota = Quota()
        taken(store, root)
        assert store.verify("c1") == ()


def test_an_incomplete_checkpoint_with_a_tree_is_no_target(store, root, monkeypatch):
    (root / "busy").write_text("0")
    (root / "calm").write_text("0")
    read = scan.Walk._content
    count = iter(range(1, 100))

    def while_it_is_written(walk, file, size):
        found = read(walk, file, size)
        if os.readlink(f"/proc/self/fd/{file}").endswith("busy"):  # noqa: PTH115 - a descriptor
            (root / "busy").write_text("x" * next(count))
        return found

    monkeypatch.setattr(scan.Walk, "_content", while_it_is_written)
    assert taken(store, root).workspace
    monkeypatch.undo()
    with pytest.raises(SnapshotError, match="c1 is incomplete: 1 paths changed"):
        restored(store, root)


def test_a_tree_as_deep_as_the_limit_comes_back_from_the_bottom_and_from_the_top(store, root):
    def at_bottom(act):
        fds = [os.open(root, os.O_RDONLY)]
        for _ in range(scan.DEPTH):
            with suppress(FileExistsError):
                os.mkdir("d", dir_fd=fds[-1])
            fds.append(os.open("d", os.O_RDONLY, dir_fd=fds[-1]))
        act(fds[-1])
        for fd in fds:
            os.close(fd)

    def write(text):
        def act(fd):
            file = os.open("f", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, dir_fd=fd)
            os.write(file, text)
            os.close(file)

        return act

    at_bottom(write(b"good"))
    manifest = taken(store, root)
    assert (manifest.missed, manifest.files) == ((), 1)
    at_bottom(write(b"damaged"))
    restored(store, root)
    assert store.diff("c1", str(root)).items == ()
    (root / "d").rename(root / "moved")
    restored(store, root, quarantine_id="q2")
    assert store.diff("c1", str(root)).items == ()
    assert store.verify("c1") == ()
    with store.preview(str(root), id="p1") as preview:
        assert preview.changes().items == ()
    assert store.collect({"c1"}).checkpoints == ()


# --- comparing --------------------------------------------------------------------------------------------------------


def test_a_diff_names_what_changed_and_stores_nothing(store, root, tmp_path):
    for name in ("same", "edited", "gone", "mode", "kind"):
        (root / name).write_text(name)
    taken(store, root)
    (root / "edited").write_text("longer than before")
    (root / "gone").unlink()
    (root / "mode").chmod(0o700)
    (root / "kind").unlink()
    (root / "kind").mkdir()
    (root / "new\nname").write_text("n")
    held = sorted((tmp_path / "state/packs").iterdir())
    changes = store.diff("c1", str(root))
    assert changes.lines() == [
        "M edited  6 bytes → 18 bytes",
        "D gone  4 bytes",
        "K kind  4 bytes → directory",
        "P mode  0644 → 0700",
        r"A new\nname  1 bytes",
    ]
    assert changes.headline == (
        "1 added, 1 removed, 1 modified, 1 replaced by another kind, 1 with other permissions since c1"
    )
    assert changes.lines(2)[2] == "… and 3 more"
    assert sorted((tmp_path / "state/packs").iterdir()) == held


def test_a_file_seen_by_a_diff_only_is_still_stored_by_the_next_checkpoint(store, root):
    (root / "f").write_text("one")
    taken(store, root)
    (root / "f").write_text("second")
    settle(root / "f")
    store.diff("c1", str(root))
    taken(store, root, "c2")
    assert store.verify("c2") == ()
    assert store.content("c2", "f", limit_bytes=99) == b"second"


def test_two_checkpoints_can_be_compared(store, root):
    (root / "d").mkdir()
    (root / "d/f").write_text("1")
    taken(store, root)
    (root / "d/g").write_text("2")
    taken(store, root, "c2")
    assert [change.path for change in store.between("c1", "c2").items] == ["d/g"]
    assert [change.what for change in store.between("c2", "c1").items] == ["removed"]


# --- damage -----------------------------------------------------------------------------------------------------------


def test_a_flipped_bit_is_found_by_verify_and_stops_a_restore_before_it_begins(root, tmp_path):
    (root / "f").write_bytes(os.urandom(5_000))
    with SnapshotStore(str(tmp_path / "state"), clock=StillClock()) as store:
        taken(store, root)
    damage_packs(tmp_path / "state")
    (root / "f").write_text("damaged by the agent")
    before = picture(root)
    with SnapshotStore(str(tmp_path / "state"), clock=StillClock()) as store:
        assert any("f: object" in problem for problem in store.verify("c1"))
        with pytest.raises(SnapshotError, match=r"nothing was changed: .* damaged in the store"):
            restored(store, root)
        assert store.unfinished() is None
        assert store.quarantines() == []
    assert picture(root) == before


def test_a_missing_pack_is_found_and_stops_a_restore(root, tmp_path):
    (root / "f").write_text("x")
    with SnapshotStore(str(tmp_path / "state"), clock=StillClock()) as store:
        taken(store, root)
    for pack in (tmp_path / "state/packs").iterdir():
        pack.unlink()
    (root / "f").write_text("y")
    with SnapshotStore(str(tmp_path / "state"), clock=StillClock()) as store:
        assert store.verify("c1")
        with pytest.raises(SnapshotError, match="missing from the store"):
            restored(store, root)
    assert (root / "f").read_text() == "y"


def test_a_damaged_manifest_is_listed_as_incomplete_and_never_a_target(store, root, tmp_path):
    taken(store, root)
    path = tmp_path / "state/manifests/c1.json"
    path.write_text(path.read_text().replace('"files": 0', '"files": 7'))
    assert [(manifest.id, manifest.complete) for manifest in store.list()] == [("c1", False)]
    with pytest.raises(SnapshotError, match="c1 cannot be used: manifest was damaged"):
        restored(store, root)


def test_a_file_with_the_bytes_of_a_directorys_entries_does_not_confuse_collecting(root, tmp_path):
    """A worker can read the format and write such a file; what the real directory holds must stay."""
    (root / "d").mkdir()
    (root / "d/f").write_bytes(os.urandom(300_000))
    with SnapshotStore(str(tmp_path / "state"), clock=StillClock()) as store:
        taken(store, root)
        entries = entries_of(store)
        (root / "a").write_bytes(trees.encoded(store._archive.load(entries["d"].ref).values()))
        taken(store, root, "c2")
    with SnapshotStore(str(tmp_path / "state"), clock=StillClock()) as store:
        store.collect({"c2"})
        assert store.verify("c2") == ()


def test_a_forged_directory_cannot_lead_out_of_the_workspace():
    for name in ("..", "a/b", ".", ""):
        with pytest.raises(SnapshotError):
            trees.decoded(f'[["{name}","f",420,0,0,1,"b00"]]'.encode())


# --- collecting -------------------------------------------------------------------------------------------------------


def test_collecting_frees_what_nothing_needs_and_keeps_the_rest(store, root):
    (root / "kept").write_bytes(os.urandom(400_000))
    (root / "dropped").write_bytes(os.urandom(400_000))
    taken(store, root)
    (root / "dropped").unlink()
    taken(store, root, "c2")
    before = picture(root)
    result = store.collect({"c2"})
    assert result.checkpoints == ("c1",)
    assert [manifest.id for manifest in store.list()] == ["c2"]
    assert store.verify("c2") == ()
    (root / "kept").write_text("damage")
    restored(store, root, "c2")
    assert picture(root) == before
    store.discard("q1")
    assert store.collect({"c2"}).checkpoints == ()


def test_collecting_rewrites_a_pack_of_which_little_is_needed(store, root):
    for n in range(10):
        (root / f"f{n}").write_bytes(os.urandom(300_000))
    taken(store, root)
    for n in range(9):
        (root / f"f{n}").unlink()
    taken(store, root, "c2")
    assert store.collect({"c2"}).freed_bytes > 2_000_000
    assert store.verify("c2") == ()


def test_many_small_packs_become_one(store, root, tmp_path):
    for n in range(60):
        (root / "f").write_text(str(n))
        taken(store, root, f"c{n}")
    store.collect({f"c{n}" for n in range(60)})
    assert len(list((tmp_path / "state/packs").iterdir())) == 1
    assert all(store.verify(f"c{n}") == () for n in range(60))


def test_a_checkpoint_after_collecting_holds_what_was_read_before(store, root):
    """What is remembered of a workspace refers to objects: collecting must not take them away."""
    (root / "f").write_bytes(os.urandom(3 * 1024**2))
    settle(root / "f")
    taken(store, root)
    store.collect(set())
    taken(store, root, "c2")
    assert store.verify("c2") == ()


def test_what_a_restore_overwrote_stays_as_long_as_its_quarantine(store, root):
    (root / "f").write_text("one")
    taken(store, root)
    (root / "f").write_text("two, in no checkpoint")
    restored(store, root)
    store.collect({"c1"})
    present = store.quarantined("q1").present
    ref = store._archive.load(present.ref)["f"].ref
    assert store._archive.packs.get(bytes.fromhex(ref[1:])) == b"two, in no checkpoint"


def test_a_pack_is_never_overwritten(root, tmp_path):
    clock = StillClock()
    with SnapshotStore(str(tmp_path / "state"), clock=clock) as store:
        (root / "f").write_text("one")
        taken(store, root, "c1-x")
        name = next((tmp_path / "state/packs").iterdir()).name
        (root / "f").write_text("two")
        writer = PackWriter(store._archive.packs, name.removesuffix(".pack"), lambda _: None)
        writer.put(b"other bytes")
        with writer, pytest.raises(FileExistsError):
            writer.finish()
        assert store.verify("c1-x") == ()


# --- refusals ---------------------------------------------------------------------------------------------------------


def test_two_processes_cannot_use_a_store_at_the_same_time(store, tmp_path):
    with pytest.raises(SnapshotError, match="in use by another process"):
        SnapshotStore(str(tmp_path / "state"), clock=StillClock()).open()


@pytest.mark.parametrize("id_", ["", "..", "a/b", "a b", "x" * 65])
def test_an_id_that_is_no_name_is_refused(store, root, id_):
    with pytest.raises(SnapshotError, match="no checkpoint's id"):
        taken(store, root, id_)


def test_an_id_is_used_once(store, root):
    taken(store, root)
    with pytest.raises(SnapshotError, match="there is a checkpoint c1 already"):
        taken(store, root)


def test_a_checkpoint_that_does_not_exist_is_one_sentence(store, root):
    with pytest.raises(SnapshotError, match="there is no checkpoint nope"):
        restored(store, root, "nope")


def test_a_full_quota_is_one_sentence_and_leaves_nothing(root, tmp_path):
    (root / "f").write_bytes(os.urandom(600_000))
    with SnapshotStore(str(tmp_path / "state"), clock=StillClock(), quota=Quota(store_bytes=100_000)) as store:
        with pytest.raises(SnapshotError, match="quota of 100,000 bytes"):
            taken(store, root)
        assert store.list() == []
        assert list((tmp_path / "state/packs").iterdir()) == []
        (root / "f").unlink()
        assert taken(store, root).complete


def test_a_disk_with_too_little_room_is_one_sentence(root, tmp_path):
    (root / "f").write_text("x")
    with SnapshotStore(str(tmp_path / "state"), clock=StillClock(), quota=Quota(free_bytes=2**62)) as store:
        assert store.list() == []
        with pytest.raises(SnapshotError, match="are free in"):
            taken(store, root)
