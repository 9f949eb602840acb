"""What a command would change, seen without letting it."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.workspaces import Gardener, StillClock, captured, picture
from watchdogd.adapters.snapshots.overlay import OverlayPreview
from watchdogd.adapters.snapshots.store import SnapshotStore
from watchdogd.core.errors import SnapshotError


@pytest.fixture
def root(tmp_path):
    path = tmp_path / "ws"
    (path / "src").mkdir(parents=True)
    (path / "src/main.py").write_text("print('one')\nprint('two')\n")
    (path / "notes").write_text("keep\n")
    (path / "gone").write_text("bye\n")
    return path


@pytest.fixture
def store(tmp_path):
    with SnapshotStore(str(tmp_path / "state"), clock=StillClock()) as opened:
        yield opened


def damage(path):
    """What the command under preview does."""
    (path / "src/main.py").write_text("print('one')\nprint('three')\n")
    (path / "gone").unlink()
    (path / "notes").chmod(0o600)
    (path / "new").mkdir()
    (path / "new/file.txt").write_text("fresh\n")


EXPECTED = ["D gone  4 bytes", "A new  directory", "A new/file.txt  6 bytes", "P notes  0644 → 0600"]


def test_a_preview_shows_what_changed_and_leaves_the_workspace_as_it_was(store, root):
    before = picture(root)
    with store.preview(str(root), id="p1") as preview:
        damage(Path(preview.path))
        text = preview.text()
    assert text[0] == "2 added, 1 removed, 1 modified, 1 with other permissions since the workspace"
    assert text[1:5] == EXPECTED
    assert text[5].startswith("M src/main.py")
    assert "-print('two')" in text
    assert "+print('three')" in text
    assert "+fresh" in text
    assert "-bye" in text
    assert picture(root) == before


def test_nothing_done_is_nothing_changed(store, root):
    with store.preview(str(root), id="p1") as preview:
        assert preview.changes().items == ()
        assert preview.text() == ["nothing changed since the workspace"]


def test_a_preview_is_gone_afterwards_whatever_was_left_in_it(store, root):
    with store.preview(str(root), id="p1") as preview:
        (Path(preview.path) / "locked").mkdir()
        (Path(preview.path) / "locked/f").write_text("x")
        (Path(preview.path) / "locked").chmod(0)
    assert not Path(preview.path).exists()


def test_what_a_process_that_died_left_behind_is_removed(root, tmp_path):
    with SnapshotStore(str(tmp_path / "state"), clock=StillClock()) as store:
        store.preview(str(root), id="p1").make()
        assert (tmp_path / "state/previews/p1").exists()
    with SnapshotStore(str(tmp_path / "state"), clock=StillClock()):
        assert not (tmp_path / "state/previews/p1").exists()


@pytest.mark.parametrize("seed", range(6))
def test_a_copy_is_exact_and_its_diff_agrees_with_an_independent_look(store, tmp_path, seed):
    root = tmp_path / "garden"
    root.mkdir()
    Gardener(root, seed).grow(80)
    before = picture(root)
    with store.preview(str(root), id="p1") as preview:
        copied = picture(preview.path)
        assert captured(copied) == captured(before)
        gardener = Gardener(preview.path, seed + 100)
        gardener.names = 1_000
        gardener.damage(15)
        after = captured(picture(preview.path))
        found = {b"" if item.path == "." else os.fsencode(item.path) for item in preview.changes().items}
        was = captured(copied)
        assert found >= {path for path in was.keys() | after.keys() if was.get(path) != after.get(path)}
    assert picture(root) == before


def test_a_link_in_the_copy_does_not_lead_the_diff_out(store, root, tmp_path):
    (tmp_path / "secret").write_text("not for anybody")
    with store.preview(str(root), id="p1") as preview:
        copy = Path(preview.path)
        (copy / "gone").unlink()
        (copy / "gone").symlink_to(tmp_path / "secret")
        shutil.rmtree(copy / "src")
        (copy / "src").symlink_to(tmp_path)
        text = "\n".join(preview.text())
    assert "not for anybody" not in text
    assert f"link to {tmp_path / 'secret'}" in text


def test_the_text_is_bounded(store, root):
    with store.preview(str(root), id="p1") as preview:
        copy = Path(preview.path)
        (copy / "long").write_text("line\n" * 10_000)
        (copy / "huge").write_bytes(b"x" * 1_000_000)
        (copy / "binary").write_bytes(b"\0\1\2")
        text = preview.text(lines=50)
    assert len(text) == 51
    assert text[-1].startswith("… and ")
    assert "huge: too large to compare line by line" in text
    assert "binary: not text" in text


def test_control_characters_in_a_diff_are_shown(store, root):
    with store.preview(str(root), id="p1") as preview:
        (Path(preview.path) / "notes").write_text("a\x1b[2Jb\u202ec\n")
        text = "\n".join(preview.text())
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert r"+a\x1b[2Jb\u202ec" in text


def test_a_workspace_that_is_too_large_is_not_copied(store, root):
    with pytest.raises(SnapshotError, match="bytes, 10 are the most"):
        store.preview(str(root), id="p1", most_bytes=10).make()


def test_what_checkpoints_exclude_is_there_and_not_compared(store, root):
    (root / "node_modules").mkdir()
    (root / "node_modules/lib.js").write_text("lib")
    with store.preview(str(root), id="p1", exclude=["node_modules"]) as preview:
        lib = Path(preview.path) / "node_modules/lib.js"
        assert lib.read_text() == "lib"
        lib.write_text("changed")
        assert preview.changes().items == ()


def test_a_refused_workspace_has_no_preview(store):
    with pytest.raises(SnapshotError, match="is the root of the file system"):
        store.preview("/", id="p1").make()


# --- overlay ----------------------------------------------------------------------------------------------------------


def mounted(preview, target, script):
    """What bubblewrap does with ``--overlay``, by hand: for a look at the layers it leaves."""
    own = ["unshare", "--mount"] if os.getuid() == 0 else ["unshare", "--mount", "--map-root-user"]
    options = f"lowerdir={preview._root},upperdir={preview.upper},workdir={preview.work},userxattr"
    program = f'mount -t overlay overlay -o "$1" "$2" && cd "$2" && {script}'
    done = subprocess.run([*own, "sh", "-ec", program, "sh", options, str(target)], capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"no overlay can be mounted here: {done.stderr.decode().strip()}")


def test_the_upper_layer_of_an_overlay_says_what_changed(root, tmp_path):
    (root / "tree/a").mkdir(parents=True)
    (root / "tree/a/f").write_text("f")
    (root / "swapped").mkdir()
    (root / "swapped/old").write_text("old")
    before = picture(root)
    preview = OverlayPreview(str(root), str(tmp_path / "layers"))
    preview.make()
    script = """
printf "print('one')\\nprint('three')\\n" > src/main.py
rm gone; chmod 600 notes; mkdir new; echo fresh > new/file.txt
rm -r tree; rm -r swapped; mkdir swapped; echo new > swapped/new"""
    mounted(preview, root, script)
    assert picture(root) == before
    lines = preview.changes().lines()
    assert set(EXPECTED) <= set(lines)
    assert {line.split()[1] for line in lines if line.startswith("D")} == {
        *("gone", "tree", "tree/a", "tree/a/f", "swapped/old"),
    }
    assert "A swapped/new  4 bytes" in lines
    text = preview.text()
    assert "+print('three')" in text
    preview.discard()
    assert not (tmp_path / "layers").exists()


def bwrap_options():
    if shutil.which("bwrap") is None:
        return frozenset()
    words = subprocess.run(["bwrap", "--help"], capture_output=True, text=True, check=False).stdout.split()
    return frozenset(word for word in words if word.startswith("--"))


def test_bubblewrap_makes_the_overlay_where_it_can(root, tmp_path):
    if not OverlayPreview.supported(bwrap_options()):
        pytest.skip("this bubblewrap knows no --overlay (0.11 does)")
    before = picture(root)
    preview = OverlayPreview(str(root), str(tmp_path / "layers"))
    preview.make()
    command = ["bwrap", "--ro-bind", "/", "/", *preview.bwrap(str(root)), "rm", str(root / "gone")]
    subprocess.run(command, check=True)
    assert picture(root) == before
    assert preview.changes().lines() == ["D gone  4 bytes"]
    preview.discard()
