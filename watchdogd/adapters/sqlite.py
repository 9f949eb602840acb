"""One role's record in SQLite: a hash chain of rows, and cells that change in the same synced transaction."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from watchdogd.core.chain import GENESIS, Row, row
from watchdogd.core.errors import RecordError, RecordFenced, RecordFull
from watchdogd.core.ids import canonical
from watchdogd.wire import codec

T = TypeVar("T")

SCHEMA = """
CREATE TABLE IF NOT EXISTS rows (seq INTEGER PRIMARY KEY, prev TEXT NOT NULL, digest TEXT NOT NULL, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS cells (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""
_FULL = ("disk is full", "readonly", "disk I/O error", "unable to open database file")
EPOCH = "epoch"
AFTER_ANY = "\U0010ffff"


def _refusal(why: sqlite3.Error) -> RecordError:
    text = str(why)
    if any(part in text for part in _FULL):
        return RecordFull(f"the record cannot be written: {text}")
    return RecordError(f"the record failed: {text}")


class SqliteTransaction:
    """What one ``with record.transaction()`` block changes."""

    def __init__(self, db: sqlite3.Connection, head: Row | None) -> None:
        self._db, self.head = db, head

    def append(self, entry: Mapping[str, object]) -> Row:
        """The next row; its ``seq`` is added to ``entry``."""
        seq, prev = (self.head.seq + 1, self.head.digest) if self.head else (1, GENESIS)
        new = row(prev, seq, {**entry, "seq": seq})
        self._db.execute(
            "INSERT INTO rows (seq, prev, digest, body) VALUES (?, ?, ?, ?)", (seq, prev, new.digest, new.body)
        )
        self.head = new
        return new

    def put(self, key: str, value: object) -> None:
        """Sets a cell."""
        text = canonical(codec.dump(value))
        self._db.execute("INSERT OR REPLACE INTO cells (key, value) VALUES (?, ?)", (key, text))

    def drop(self, key: str) -> None:
        """Removes a cell."""
        self._db.execute("DELETE FROM cells WHERE key = ?", (key,))


class SqliteRecord:
    """A record in one file, WAL, ``synchronous=FULL``: a transaction that returned survives a power cut.

    The epoch that ``claim`` took is compared inside every transaction, under SQLite's write lock, so that a process
    that was replaced cannot write one more row.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._own: int | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            fd = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            os.close(fd)
            self._db = sqlite3.connect(path, isolation_level=None, timeout=10, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.executescript(SCHEMA)
            self._head = self._newest()
        except OSError as why:
            raise RecordFull(f"the record cannot be opened: {why}") from None
        except sqlite3.Error as why:
            raise _refusal(why) from None

    def _newest(self) -> Row | None:
        found = self._db.execute("SELECT seq, prev, digest, body FROM rows ORDER BY seq DESC LIMIT 1").fetchone()
        return None if found is None else Row(seq=found[0], prev=found[1], digest=found[2], body=found[3])

    @property
    def head(self) -> Row | None:
        """The newest row that is synced."""
        return self._head

    @contextmanager
    def transaction(self) -> Iterator[SqliteTransaction]:
        """Synced when left, undone when it raises. Raises: RecordFull, RecordFenced, RecordError."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as why:
            raise _refusal(why) from None
        try:
            self._fence()
            changing = SqliteTransaction(self._db, self._head)
            yield changing
            self._db.execute("COMMIT")
        except sqlite3.Error as why:
            self._undo()
            raise _refusal(why) from None
        except BaseException:
            self._undo()
            raise
        self._head = changing.head

    def _undo(self) -> None:
        with suppress(sqlite3.Error):  # a full disk may already have rolled it back
            self._db.execute("ROLLBACK")

    def _found_epoch(self) -> int:
        found = self._db.execute("SELECT value FROM cells WHERE key = ?", (EPOCH,)).fetchone()
        return 0 if found is None else int(found[0])

    def _fence(self) -> None:
        if self._own is None:
            return
        found = self._found_epoch()
        if found != self._own:
            raise RecordFenced(self._own, found)

    def claim(self) -> int:
        """An epoch higher than any before, synced; every earlier holder is fenced off."""
        self._own = None
        with self.transaction() as changing:
            epoch = self._found_epoch() + 1
            changing.put(EPOCH, epoch)
        self._own = epoch
        self._head = self._newest()
        return epoch

    def check(self) -> None:
        """Raises: RecordFenced, RecordError."""
        try:
            self._fence()
        except sqlite3.Error as why:
            raise _refusal(why) from None

    def rows(self, first: int, last: int) -> Sequence[Row]:
        """Rows ``first`` to ``last``, both included. Raises: RecordError."""
        try:
            found = self._db.execute(
                "SELECT seq, prev, digest, body FROM rows WHERE seq BETWEEN ? AND ? ORDER BY seq", (first, last)
            ).fetchall()
        except sqlite3.Error as why:
            raise _refusal(why) from None
        return [Row(seq=seq, prev=prev, digest=digest, body=body) for seq, prev, digest, body in found]

    def load(self, kind: type[T], key: str) -> T | None:
        """The cell ``key``. Raises: RecordError."""
        try:
            found = self._db.execute("SELECT value FROM cells WHERE key = ?", (key,)).fetchone()
        except sqlite3.Error as why:
            raise _refusal(why) from None
        return None if found is None else codec.load(kind, json.loads(found[0]))

    def scan(self, kind: type[T], prefix: str, *, after: str = "", limit: int = 1_000) -> Sequence[tuple[str, T]]:
        """Cells under ``prefix`` whose key is greater than ``after``. Raises: RecordError."""
        try:
            found = self._db.execute(
                "SELECT key, value FROM cells WHERE key >= ? AND key < ? AND key > ? ORDER BY key LIMIT ?",
                (prefix, prefix + AFTER_ANY, after, limit),
            ).fetchall()
        except sqlite3.Error as why:
            raise _refusal(why) from None
        return [(key, codec.load(kind, json.loads(value))) for key, value in found]

    @property
    def size_bytes(self) -> int:
        """What rows and cells take: pages in use. Raises: RecordError."""
        try:
            count, free, size = (
                self._db.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("page_count", "freelist_count", "page_size")
            )
        except sqlite3.Error as why:
            raise _refusal(why) from None
        return int((count - free) * size)

    def close(self) -> None:
        """Lets go of the file."""
        with suppress(sqlite3.Error):
            self._db.close()


def read_rows(path: Path, first: int = 1, last: int = 2**62) -> Iterator[Row]:
    """The rows of a record somebody else may be writing, read-only. Raises: RecordError."""
    try:
        db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)
    except sqlite3.Error as why:
        raise RecordError(f"{path}: {why}") from None
    try:
        for seq, prev, digest, body in db.execute(
            "SELECT seq, prev, digest, body FROM rows WHERE seq BETWEEN ? AND ? ORDER BY seq", (first, last)
        ):
            yield Row(seq=seq, prev=prev, digest=digest, body=body)
    except sqlite3.Error as why:
        raise RecordError(f"{path}: {why}") from None
    finally:
        db.close()
