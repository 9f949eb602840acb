"""Which workspaces are refused, and disks that refuse: one sentence, nothing changed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.workspaces import StillClock, acting_as, picture
from watchdogd.adapters.snapshots.roots import mounts_below
from watchdogd.adapters.snapshots.store import SnapshotStore
from watchdogd.core.errors import SnapshotError


@pytest.fixture
def store(tmp_path):
    (tmp_path / "var").mkdir()
    with SnapshotStore(str(tmp_path / "var/checkpoints"), clock=StillClock(), state=str(tmp_path / "var")) as opened:
        yield opened


def refused(store, root, sentence):
    with pytest.raises(SnapshotError, match=sentence) as found:
        store.take(str(root), id="c1", deadline_s=1e6)
    assert "\n" not in str(found.value)
    assert store.list() == []


def test_the_root_of_the_file_system_is_refused(store):
    refused(store, "/", "is the root of the file system")


def test_a_home_directory_is_refused(store, tmp_path, monkeypatch):
    (tmp_path / "people/me").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "people/me"))
    refused(store, tmp_path / "people/me", "is the home directory")


def test_a_directory_that_holds_home_directories_is_refused(store, tmp_path, monkeypatch):
    (tmp_path / "people/me").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "people/me"))
    refused(store, tmp_path / "people", "or holds it")


def test_a_directory_in_a_home_directory_is_accepted(store, tmp_path, monkeypatch):
    (tmp_path / "people/me/project").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "people/me"))
    assert store.take(str(tmp_path / "people/me/project"), id="c1", deadline_s=1e6).complete


@pytest.mark.parametrize("below", ["var", "var/checkpoints", "."])
def test_the_state_directory_and_what_holds_it_are_refused(store, tmp_path, below):
    refused(store, tmp_path / below, "the state directory")


def test_a_directory_in_the_state_directory_is_refused(store, tmp_path):
    (tmp_path / "var/ws").mkdir()
    refused(store, tmp_path / "var/ws", "lies in the state directory")


def test_a_path_with_dots_does_not_hide_the_state_directory(store, tmp_path):
    (tmp_path / "ws").mkdir()
    refused(store, tmp_path / "ws" / ".." / "var", "the state directory")


def test_what_is_no_directory_is_refused(store, tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "ws").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "ws")
    refused(store, tmp_path / "file", "is not a directory")
    refused(store, tmp_path / "none", "does not exist")
    refused(store, tmp_path / "link", "is a symbolic link")
    refused(store, "relative", "is not an absolute path")


# --- with mounts of our own -------------------------------------------------------------------------------------------

INSIDE = """
import os, sys
from pathlib import Path
from tests.workspaces import StillClock, picture
from watchdogd.adapters.snapshots.archive import Quota
from watchdogd.adapters.snapshots.store import SnapshotStore
from watchdogd.core.errors import SnapshotError
here = Path(sys.argv[1])
root = here / "ws"
def store(**quota):
    return SnapshotStore(str(here / "state"), clock=StillClock(), quota=Quota(free_bytes=0, **quota))
def refused(act, *args, **options):
    try:
        act(*args, **options)
    except SnapshotError as error:
        print(error)
    else:
        print("done")
"""


@pytest.fixture
def with_mounts(tmp_path):
    """Runs a script in a mount namespace of its own; what it prints comes back as lines."""
    (tmp_path / "ws").mkdir()
    (tmp_path / "state").mkdir()
    own = ["unshare", "--mount"] if os.getuid() == 0 else ["unshare", "--mount", "--map-root-user"]
    try:
        probe = subprocess.run(
            [*own, "mount", "-t", "tmpfs", "none", tmp_path / "ws"], capture_output=True, check=False
        )
    except OSError:
        pytest.skip("unshare is not installed")
    if probe.returncode:
        pytest.skip(f"no mount namespace here: {probe.stderr.decode().strip()}")

    def run(mounts, script):
        program = ["sh", "-c", f'cd "$1" && {mounts} && cd "$3" && exec "$2" -c "$4" "$1"', "sh"]
        here = Path(__file__).parent.parent
        done = subprocess.run(
            [*own, *program, tmp_path, sys.executable, here, INSIDE + script],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    return run


def test_a_mount_of_the_state_directory_is_refused(with_mounts):
    lines = with_mounts(
        "mount --bind state ws",
        """
with store() as s:
    refused(s.take, str(root), id="c1", deadline_s=1e6)
""",
    )
    assert "is or holds the state directory" in lines[0]


def test_a_mount_of_what_holds_the_state_directory_is_refused(with_mounts):
    lines = with_mounts(
        "mount --bind . ws",
        """
with store() as s:
    refused(s.take, str(root), id="c1", deadline_s=1e6)
""",
    )
    assert "is or holds the state directory" in lines[0]


def test_what_is_mounted_in_a_workspace_is_named_and_left_alone(with_mounts):
    lines = with_mounts(
        "mkdir ws/inner ws/plain && mount -t tmpfs none ws/inner && touch ws/inner/f && mkdir ws/state"
        " && mount --bind state ws/state",
        """
with store() as s:
    print(s.take(str(root), id="c1", deadline_s=1e6).missed)
    (root / "inner/f").write_text("mounted")
    (root / "plain").rmdir()
    result = s.restore("c1", str(root), quarantine_id="q")
    print((root / "inner/f").read_text(), (root / "plain").is_dir(), result.quarantined)
""",
    )
    assert lines == ["(('inner', 'mount'), ('state', 'mount'))", "mounted True ()"]


def test_a_full_disk_under_the_store_is_one_sentence_and_leaves_nothing(with_mounts):
    lines = with_mounts(
        "mount -t tmpfs -o size=600k none state",
        """
with store() as s:
    (root / "large").write_bytes(os.urandom(900_000))
    refused(s.take, str(root), id="c1", deadline_s=1e6)
    print(os.listdir(here / "state/packs"), s.list())
    (root / "large").unlink()
    (root / "small").write_text("x")
    print(s.take(str(root), id="c1", deadline_s=1e6).complete, s.verify("c1"))
""",
    )
    assert lines[0].endswith("No space left on device")
    assert lines[1:] == ["[] []", "True ()"]


def test_a_full_workspace_is_one_sentence_and_nothing_is_changed(with_mounts):
    lines = with_mounts(
        "mount -t tmpfs -o size=1m none ws",
        """
with store() as s:
    (root / "large").write_bytes(os.urandom(700_000))
    s.take(str(root), id="c1", deadline_s=1e6)
    (root / "large").unlink()
    (root / "other").write_bytes(os.urandom(700_000))
    before = picture(root)
    refused(s.restore, "c1", str(root), quarantine_id="q")
    print(picture(root) == before, s.unfinished(), s.quarantines())
""",
    )
    assert lines[0].startswith("nothing was changed: ")
    assert "No space left on device" in lines[0]
    assert lines[1] == "True None []"


def test_a_read_only_workspace_can_be_taken_and_not_restored(with_mounts):
    lines = with_mounts(
        "touch ws/f && mount --bind ws ws",
        """
import subprocess
with store() as s:
    s.take(str(root), id="c1", deadline_s=1e6)
    (root / "f").write_text("damage")
    subprocess.run(["mount", "-o", "remount,bind,ro", str(root)], check=True)
    print(s.take(str(root), id="c2", deadline_s=1e6).complete)
    refused(s.restore, "c1", str(root), quarantine_id="q")
    print((root / "f").read_text(), s.unfinished())
""",
    )
    assert lines[0] == "True"
    assert "Read-only file system" in lines[1]
    assert lines[2] == "damage None"


def test_a_read_only_store_is_one_sentence(with_mounts):
    lines = with_mounts(
        "mount -t tmpfs -o ro none state",
        """
refused(store().open)
""",
    )
    assert lines[0].startswith("no checkpoints can be kept in ")


def test_mounts_below_a_directory_are_found_by_its_identity(with_mounts):
    lines = with_mounts(
        "mkdir -p 'ws/a b' && mount -t tmpfs none 'ws/a b'",
        """
from watchdogd.adapters.snapshots.roots import mounts_below
print(sorted(mounts_below(os.open(root, os.O_RDONLY))))
""",
    )
    assert lines == ["['a b']"]


def test_an_unreadable_workspace_is_one_sentence(tmp_path):
    if os.getuid() != 0:
        pytest.skip("needs root, to act as somebody else")
    base = Path("/tmp") / f"watchdogd-unreadable-{os.getpid()}"
    base.mkdir(mode=0o755)
    try:
        (base / "ws").mkdir(mode=0o000)
        (base / "state").mkdir()
        os.chown(base / "state", 65534, 65534)
        with acting_as(65534), SnapshotStore(str(base / "state"), clock=StillClock()) as store:
            refused(store, base / "ws", "may not be read")
    finally:
        shutil.rmtree(base)


def test_nothing_is_left_of_a_refused_workspace(store, tmp_path):
    before = picture(tmp_path)
    refused(store, tmp_path, "the state directory")
    assert picture(tmp_path) == before


def test_a_directory_without_mounts_has_none(tmp_path):
    fd = os.open(tmp_path, os.O_RDONLY)
    assert mounts_below(fd) == frozenset()
    os.close(fd)
