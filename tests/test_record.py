"""The record's contract, on SQLite and in memory."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from watchdogd.adapters.sqlite import SqliteRecord, read_rows
from watchdogd.core.chain import breaks
from watchdogd.core.errors import RecordFenced, RecordFull
from watchdogd.core.lease.messages import Latch
from watchdogd.core.lease.worker import Control
from watchdogd.sim.record import MemoryDisk, MemoryRecord


@pytest.fixture(params=["sqlite", "memory"])
def opener(request, tmp_path):
    opened = []
    disk = MemoryDisk()

    def again():
        one = SqliteRecord(tmp_path / "r.db") if request.param == "sqlite" else MemoryRecord(disk)
        opened.append(one)
        return one

    yield again
    for one in opened:
        one.close()


def test_rows_are_numbered_without_gaps_and_chained(opener):
    record = opener()
    for n in range(3):
        with record.transaction() as changing:
            changing.append({"n": n})
            changing.append({"m": n})
    rows = record.rows(1, 100)
    assert [one.seq for one in rows] == [1, 2, 3, 4, 5, 6]
    assert breaks(rows) == []
    assert record.head == rows[-1]


def test_a_block_that_raises_changes_nothing(opener):
    record = opener()
    with pytest.raises(ZeroDivisionError), record.transaction() as changing:
        changing.append({"n": 1})
        changing.put("a", 1)
        raise ZeroDivisionError
    assert record.head is None
    assert record.load(int, "a") is None


def test_cells_hold_values_of_the_core(opener):
    record = opener()
    control = Control(epoch=3, lrev=7, latches=(Latch(name="operator/anna", by="anna", reason="lunch"),))
    with record.transaction() as changing:
        changing.put("control", control)
    assert opener().load(Control, "control") == control


def test_cells_are_scanned_in_order_of_their_keys(opener):
    record = opener()
    with record.transaction() as changing:
        for n in (3, 1, 2):
            changing.put(f"event/{n}", n)
        changing.put("eventually", 9)
    assert record.scan(int, "event/") == [("event/1", 1), ("event/2", 2), ("event/3", 3)]
    assert record.scan(int, "event/", after="event/1", limit=1) == [("event/2", 2)]
    with record.transaction() as changing:
        changing.drop("event/2")
    assert [key for key, _ in record.scan(int, "event/")] == ["event/1", "event/3"]


def test_a_claim_fences_the_process_that_held_the_record_before(opener):
    old = opener()
    first = old.claim()
    new = opener()
    assert new.claim() == first + 1
    with pytest.raises(RecordFenced), old.transaction() as changing:
        changing.append({"late": True})
    with pytest.raises(RecordFenced):
        old.check()
    with new.transaction() as changing:
        changing.append({"mine": True})
    assert new.head is not None
    assert new.head.seq == 1


def test_what_was_committed_is_there_after_reopening(opener):
    record = opener()
    with record.transaction() as changing:
        kept = changing.append({"n": 1})
    again = opener()
    assert again.head == kept
    with again.transaction() as changing:
        assert changing.append({"n": 2}).prev == kept.digest


@pytest.mark.parametrize(
    "statement", ["UPDATE rows SET body = replace(body, 'ok', 'no') WHERE seq = 2", "DELETE FROM rows WHERE seq = 2"]
)
def test_an_edited_or_missing_row_is_found(tmp_path, statement):
    record = SqliteRecord(tmp_path / "r.db")
    for _ in range(3):
        with record.transaction() as changing:
            changing.append({"outcome": "ok"})
    record.close()
    db = sqlite3.connect(tmp_path / "r.db")
    db.execute(statement)
    db.commit()
    db.close()
    assert breaks(read_rows(tmp_path / "r.db")) != []


def test_a_full_disk_is_named_and_the_record_goes_on_when_there_is_room(tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    if (
        os.geteuid() != 0
        or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "x", small], capture_output=True).returncode
    ):
        pytest.skip("mounting a small tmpfs needs root")
    try:
        record = SqliteRecord(small / "r.db")
        ballast = small / "ballast"
        with record.transaction() as changing:
            changing.append({"n": 0})
        ballast.write_bytes(b"x" * (os.statvfs(small).f_bavail * os.statvfs(small).f_frsize))
        with pytest.raises(RecordFull):
            for n in range(200):
                with record.transaction() as changing:
                    changing.append({"n": n, "pad": "y" * 2_000})
        head = record.head
        ballast.unlink()
        with record.transaction() as changing:
            changing.append({"again": True})
        assert head is not None
        assert record.head is not None
        assert record.head.seq == head.seq + 1
        assert breaks(record.rows(1, 10_000)) == []
        record.close()
    finally:
        subprocess.run(["umount", small], check=True)


WRITER = """
import sys
from pathlib import Path
from watchdogd.adapters.sqlite import SqliteRecord
record = SqliteRecord(Path(sys.argv[1]))
n = 0
while True:
    n += 1
    with record.transaction() as changing:
        row = changing.append({"n": n})
        changing.put("last", n)
    print(row.seq, flush=True)
"""


def test_kill_9_loses_no_row_that_was_reported(tmp_path):
    path = tmp_path / "r.db"
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        reported = 0
        for line in writer.stdout:
            reported = int(line)
            if reported >= 25:
                break
        writer.send_signal(signal.SIGKILL)
    record = SqliteRecord(Path(path))
    assert record.head is not None
    assert record.head.seq >= reported
    assert record.load(int, "last") == record.head.seq
    assert breaks(record.rows(1, 10_000)) == []
    record.close()
