"""Objects: whole or absent, verified on every read, private."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from watchdogd.adapters.objects import ObjectDirectory
from watchdogd.core.errors import RecordError, RecordFull
from watchdogd.core.ids import digest


@pytest.fixture
def objects(tmp_path: Path) -> ObjectDirectory:
    return ObjectDirectory(tmp_path / "objects")


def where(tmp_path: Path, name: str) -> Path:
    return tmp_path / "objects" / name[:2] / name[2:]


@given(text=st.text(alphabet=st.characters()))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_what_was_put_comes_back_whatever_it_is(objects, text):
    name = objects.put(text)
    assert name == digest(text)
    assert objects.get(name) == text


def test_a_lone_surrogate_survives(objects):
    assert objects.get(objects.put("a\ud800b")) == "a\ud800b"


def test_only_the_owner_may_look(objects, tmp_path):
    path = where(tmp_path, objects.put("secret"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "objects").stat().st_mode) == 0o700


def test_a_flipped_bit_is_not_handed_out(objects, tmp_path):
    name = objects.put("the truth")
    where(tmp_path, name).write_text("the lie  ")
    assert objects.get(name) is None


def test_putting_again_repairs_a_damaged_object(objects, tmp_path):
    name = objects.put("the truth")
    where(tmp_path, name).write_text("the lie")
    assert objects.put("the truth") == name
    assert objects.get(name) == "the truth"


def test_a_symlink_is_not_an_object(objects, tmp_path):
    name = objects.put("mine")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("mine")
    where(tmp_path, name).unlink()
    where(tmp_path, name).symlink_to(elsewhere)
    assert objects.get(name) is None


def test_a_fifo_does_not_block_the_reader(objects, tmp_path):
    name = objects.put("mine")
    where(tmp_path, name).unlink()
    os.mkfifo(where(tmp_path, name))
    assert objects.get(name) is None


@pytest.mark.parametrize("name", ["", "ab", "../../etc/passwd", "A" * 64, "0" * 63 + "/", "0" * 64 + "\n"])
def test_what_is_no_digest_is_no_object(objects, name):
    assert objects.get(name) is None


def test_a_missing_object_is_none(objects):
    assert objects.get("0" * 64) is None


def test_an_object_over_the_limit_is_refused(tmp_path):
    objects = ObjectDirectory(tmp_path / "objects", max_bytes=10)
    with pytest.raises(RecordError, match="over the limit of 10"):
        objects.put("x" * 11)
    assert objects.get(objects.put("x" * 10)) == "x" * 10


def test_a_file_over_the_limit_is_not_read(tmp_path):
    big = ObjectDirectory(tmp_path / "objects").put("x" * 100)
    assert ObjectDirectory(tmp_path / "objects", max_bytes=10).get(big) is None


def test_a_full_disk_says_so_and_leaves_nothing_half_written(objects, tmp_path):
    limit_me = f"""
import resource, signal, sys
from pathlib import Path
from watchdogd.adapters.objects import ObjectDirectory
from watchdogd.core.errors import RecordFull
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    ObjectDirectory(Path({str(tmp_path / "objects")!r})).put("x" * 5000)
except RecordFull as why:
    print("full:", why)
"""
    done = subprocess.run([sys.executable, "-c", limit_me], capture_output=True, text=True, timeout=120)
    assert done.stdout.startswith("full: object not stored"), done.stderr
    assert [path for path in (tmp_path / "objects").rglob("*") if path.is_file()] == []


def test_a_directory_that_cannot_be_made_is_a_record_error(tmp_path):
    (tmp_path / "objects").write_text("a file is in the way")
    with pytest.raises(RecordError):
        ObjectDirectory(tmp_path / "objects").put("x")


def test_full_is_a_record_error():
    assert issubclass(RecordFull, RecordError)
