"""Files beneath one root: nothing outside is ever opened, protected paths stay as they are."""

import contextlib
import ctypes
import hashlib
import os
import socket
import stat
import threading
from pathlib import Path

import pytest

from watchdogd.adapters import files as files_module
from watchdogd.adapters.files import RootedFiles
from watchdogd.core.errors import ToolError

AT_FDCWD, RENAME_EXCHANGE = -100, 2


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "workspace"
    (made / "src").mkdir(parents=True)
    (made / "raw").mkdir()
    (made / "src" / "a.txt").write_text("alpha")
    (made / "raw" / "day1.csv").write_text("1,2\n")
    (tmp_path / "secret.txt").write_text("not yours")
    (tmp_path / "outside").mkdir()
    return made


@pytest.fixture
def files(root: Path) -> RootedFiles:
    return RootedFiles(root, protected=("raw", "config/live.toml"))


def leftovers(root: Path) -> list[str]:
    return [str(path) for path in root.rglob(".*.tmp")]


# --- reading ----------------------------------------------------------------------------------------------------------


def test_a_file_is_read_by_relative_or_absolute_path(files, root):
    assert files.read("src/a.txt", limit_bytes=100) == (b"alpha", False)
    assert files.read("./src//a.txt", limit_bytes=100) == (b"alpha", False)
    assert files.read(str(root / "src/a.txt"), limit_bytes=100) == (b"alpha", False)


def test_a_long_file_is_cut_at_the_limit_and_says_so(files, root):
    (root / "long").write_bytes(b"x" * 5_000_000)
    assert files.read("long", limit_bytes=3) == (b"xxx", True)
    assert files.read("long", limit_bytes=5_000_000) == (b"x" * 5_000_000, False)


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("../secret.txt", "holds '..'"),
        ("src/../../secret.txt", "holds '..'"),
        ("/etc/passwd", "outside the workspace"),
        ("missing", "does not exist"),
        ("src", "not a regular file"),
        ("", "not a regular file"),
        ("src/a.txt/below", "not a directory"),
        ("a\0b", "NUL"),
        ("\ud800", "cannot be a file name"),
        ("d/" * 3000, "too long"),
        ("n" * 300, "too long"),
    ],
)
def test_a_path_that_cannot_be_read_gets_one_clear_sentence(files, path, says):
    with pytest.raises(ToolError, match=says) as raised:
        files.read(path, limit_bytes=10)
    assert "\n" not in str(raised.value)


def test_a_neighbour_with_the_same_prefix_is_outside(files, root):
    Path(f"{root}-other").mkdir()
    Path(f"{root}-other", "x").write_text("x")
    with pytest.raises(ToolError, match="outside"):
        files.read(f"{root}-other/x", limit_bytes=10)


@pytest.mark.parametrize("target", ["../secret.txt", "src/a.txt"])
def test_a_link_is_not_followed_wherever_it_leads(files, root, target):
    (root / "link").symlink_to(target)
    for attempt in (
        lambda: files.read("link", limit_bytes=10),
        lambda: files.digest("link"),
        lambda: files.write("link", b"x", create_only=False),
    ):
        with pytest.raises(ToolError, match="symbolic link"):
            attempt()
    assert (root / "link").is_symlink()


def test_a_linked_directory_is_not_entered(files, root, tmp_path):
    (root / "out").symlink_to(tmp_path)
    for attempt in (
        lambda: files.read("out/secret.txt", limit_bytes=10),
        lambda: files.list("out", limit=10),
        lambda: files.write("out/new.txt", b"x", create_only=False),
        lambda: files.write("out/deep/new.txt", b"x", create_only=True),
    ):
        with pytest.raises(ToolError, match="symbolic link"):
            attempt()
    assert not (tmp_path / "new.txt").exists()
    assert not (tmp_path / "deep").exists()
    assert files.is_dir("out") is False


def test_a_fifo_a_socket_and_a_device_are_refused_without_waiting(files, root):
    os.mkfifo(root / "fifo")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(root / "socket"))
        for name in ("fifo", "socket"):
            with pytest.raises(ToolError, match="not a regular file"):
                files.read(name, limit_bytes=10)
            with pytest.raises(ToolError, match="not a regular file"):
                files.write(name, b"x", create_only=False)
            with pytest.raises(ToolError, match="not a regular file"):
                files.digest(name)


@pytest.mark.parametrize("swapped_for", ["link", "fifo"])
def test_a_file_swapped_between_looking_and_opening_is_not_handed_out(files, root, monkeypatch, swapped_for):
    looked = files_module._linkless

    def look_then_swap(fd: int, part: str) -> os.stat_result:
        seen = looked(fd, part)
        if part == "a.txt":
            (root / "src/a.txt").unlink()
            if swapped_for == "link":
                (root / "src/a.txt").symlink_to("../../secret.txt")
            else:
                os.mkfifo(root / "src/a.txt")
        return seen

    monkeypatch.setattr(files_module, "_linkless", look_then_swap)
    with pytest.raises(ToolError):
        files.read("src/a.txt", limit_bytes=100)


def test_a_directory_swapped_for_a_link_after_the_look_is_not_entered(files, root, tmp_path, monkeypatch):
    looked = files_module._linkless

    def look_then_swap(fd: int, part: str) -> os.stat_result:
        seen = looked(fd, part)
        if part == "src":
            (root / "src").rename(root / "gone")
            (root / "src").symlink_to(tmp_path / "outside")
        return seen

    monkeypatch.setattr(files_module, "_linkless", look_then_swap)
    with pytest.raises(ToolError):
        files.write("src/new.txt", b"x", create_only=False)
    assert list((tmp_path / "outside").iterdir()) == []


def test_a_directory_swapped_to_and_fro_never_leads_outside(files, root, tmp_path):
    """The race for real: a thread swaps ``src`` for a link to a directory outside while files are written."""
    stop = threading.Event()
    (root / "link").symlink_to(tmp_path / "outside")
    source, link = os.fsencode(root / "src"), os.fsencode(root / "link")
    libc = ctypes.CDLL(None, use_errno=True)

    def exchange() -> bool:
        return bool(libc.renameat2(AT_FDCWD, source, AT_FDCWD, link, RENAME_EXCHANGE) == 0)

    if not (exchange() and exchange()):
        pytest.skip("this file system cannot exchange two names")

    def swap() -> None:
        while not stop.is_set():
            exchange()

    swapper = threading.Thread(target=swap)
    swapper.start()
    written = 0
    try:
        for turn in range(300):
            try:
                files.write(f"src/{turn}.txt", b"x", create_only=False)
                written += 1
            except ToolError:
                pass
    finally:
        stop.set()
        swapper.join()
    assert list((tmp_path / "outside").iterdir()) == []
    assert written > 0


# --- listing ----------------------------------------------------------------------------------------------------------


def test_a_listing_is_sorted_and_marks_directories(files):
    assert files.list("", limit=10) == (["raw/", "src/"], False)
    assert files.list("src", limit=10) == (["a.txt"], False)


def test_a_long_listing_is_cut_and_says_so(files, root):
    for number in range(5):
        (root / "src" / f"{number}").touch()
    assert files.list("src", limit=2) == (["0", "1"], True)


def test_a_name_that_is_not_unicode_can_be_shown(files, root):
    Path(os.fsdecode(os.fsencode(root) + b"/src/\xff")).touch()
    names, _ = files.list("src", limit=10)
    assert "\\xff" in names
    "".join(names).encode("utf-8")


def test_whether_a_path_is_a_directory_is_told(files):
    assert files.is_dir("") is True
    assert files.is_dir("src") is True
    assert files.is_dir("src/a.txt") is False
    with pytest.raises(ToolError, match="does not exist"):
        files.is_dir("missing")


# --- writing ----------------------------------------------------------------------------------------------------------


def test_a_new_file_gets_its_parents_and_the_usual_mode(files, root):
    files.write("new/deep/file.py", b"print()", create_only=True)
    assert (root / "new/deep/file.py").read_bytes() == b"print()"
    assert stat.S_IMODE((root / "new/deep/file.py").stat().st_mode) == 0o644
    assert leftovers(root) == []


def test_replacing_a_file_keeps_its_mode_but_not_setuid(files, root):
    (root / "run.sh").write_text("old")
    (root / "run.sh").chmod(0o4750)
    files.write("run.sh", b"new", create_only=False)
    assert (root / "run.sh").read_text() == "new"
    assert stat.S_IMODE((root / "run.sh").stat().st_mode) == 0o750


def test_creating_does_not_replace(files, root):
    with pytest.raises(ToolError, match="exists already"):
        files.write("src/a.txt", b"x", create_only=True)
    assert (root / "src/a.txt").read_text() == "alpha"


def test_creating_does_not_replace_what_appears_at_the_last_moment(files, root, monkeypatch):
    monkeypatch.setattr(files_module, "_present", lambda parent, name: None)
    with pytest.raises(ToolError, match="exists already"):
        files.write("src/a.txt", b"x", create_only=True)
    assert (root / "src/a.txt").read_text() == "alpha"
    assert leftovers(root) == []


def test_a_directory_is_not_replaced_by_a_file(files, root):
    with pytest.raises(ToolError, match="not a regular file"):
        files.write("src", b"x", create_only=False)
    with pytest.raises(ToolError, match="the workspace itself"):
        files.write(".", b"x", create_only=False)
    assert (root / "src").is_dir()


def test_a_write_that_fails_half_way_leaves_the_old_file_and_nothing_else(files, root, monkeypatch):
    def no_room(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_room)
    with pytest.raises(ToolError, match="no room left"):
        files.write("src/a.txt", b"x" * 1000, create_only=False)
    assert (root / "src/a.txt").read_text() == "alpha"
    assert leftovers(root) == []


def test_a_file_over_the_limit_is_not_written(root):
    files = RootedFiles(root, write_limit_bytes=10)
    with pytest.raises(ToolError, match="over the limit of 10"):
        files.write("big", b"x" * 11, create_only=True)
    assert not (root / "big").exists()


@pytest.mark.parametrize(
    "path", ["raw/day1.csv", "raw/new.csv", "raw", "./raw//deep/x", "config/live.toml", "config", "config/live.toml/x"]
)
@pytest.mark.parametrize("create_only", [True, False])
def test_a_protected_path_is_never_written(files, root, path, create_only):
    with pytest.raises(ToolError, match="protected"):
        files.write(path, b"x", create_only=create_only)
    with pytest.raises(ToolError, match="protected"):
        files.write(str(root / path), b"x", create_only=create_only)
    assert (root / "raw/day1.csv").read_text() == "1,2\n"
    assert not (root / "config").exists()


def test_a_protected_pattern_is_never_written(root):
    files = RootedFiles(root, protected=("*.pem", "/etc/*"))
    for path in ("a.pem", "src/deep/b.pem", "c.pem/d"):
        with pytest.raises(ToolError, match="protected"):
            files.write(path, b"x", create_only=True)
    files.write("a.pe", b"x", create_only=True)


def test_beside_a_protected_path_writing_goes_on(files, root):
    files.write("config/other.toml", b"x", create_only=True)
    files.write("rawer", b"x", create_only=True)
    assert files.read("raw/day1.csv", limit_bytes=10) == (b"1,2\n", False)


def test_a_link_to_a_protected_path_is_no_way_in(files, root):
    (root / "alias").symlink_to("raw")
    with pytest.raises(ToolError, match="symbolic link"):
        files.write("alias/day1.csv", b"x", create_only=False)
    assert (root / "raw/day1.csv").read_text() == "1,2\n"


# --- digests ----------------------------------------------------------------------------------------------------------


def test_a_digest_is_that_of_the_content_and_none_without_a_file(files, root):
    assert files.digest("src/a.txt") == hashlib.sha256(b"alpha").hexdigest()
    assert files.digest("src/missing") is None
    assert files.digest("missing/missing") is None


def test_no_descriptor_stays_open(files, root):
    before = len(list(Path("/proc/self/fd").iterdir()))
    for path in ("src/a.txt", "src", "missing", "src/a.txt/x", "a/b/c"):
        for attempt in (
            lambda path=path: files.read(path, limit_bytes=1),
            lambda path=path: files.list(path, limit=1),
            lambda path=path: files.digest(path),
            lambda path=path: files.is_dir(path),
            lambda path=path: files.write(path, b"x", create_only=True),
        ):
            with contextlib.suppress(ToolError):
                attempt()
    assert len(list(Path("/proc/self/fd").iterdir())) == before
