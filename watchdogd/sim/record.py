"""A record in memory under the same rules, with faults to order."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from watchdogd.core.chain import GENESIS, Row, row
from watchdogd.core.errors import RecordFenced, RecordFull
from watchdogd.core.ids import canonical
from watchdogd.wire import codec

T = TypeVar("T")


@dataclass
class MemoryDisk:
    """What survives the processes that share it."""

    rows: list[Row] = field(default_factory=list)
    cells: dict[str, str] = field(default_factory=dict)
    epoch: int = 0
    full: bool = False


class MemoryTransaction:
    """What one block changes."""

    def __init__(self, disk: MemoryDisk) -> None:
        self.rows = list(disk.rows)
        self.cells = dict(disk.cells)

    def append(self, entry: Mapping[str, object]) -> Row:
        """The next row."""
        prev = self.rows[-1].digest if self.rows else GENESIS
        new = row(prev, len(self.rows) + 1, {**entry, "seq": len(self.rows) + 1})
        self.rows.append(new)
        return new

    def put(self, key: str, value: object) -> None:
        """Sets a cell."""
        self.cells[key] = canonical(codec.dump(value))

    def drop(self, key: str) -> None:
        """Removes a cell."""
        self.cells.pop(key, None)


class MemoryRecord:
    """One process's view of a ``MemoryDisk``."""

    def __init__(self, disk: MemoryDisk) -> None:
        self._disk = disk
        self._own: int | None = None

    @property
    def head(self) -> Row | None:
        """The newest row."""
        return self._disk.rows[-1] if self._disk.rows else None

    @contextmanager
    def transaction(self) -> Iterator[MemoryTransaction]:
        """All or nothing. Raises: RecordFull, RecordFenced."""
        if self._disk.full:
            raise RecordFull("the record cannot be written: the disk is full")
        self.check()
        changing = MemoryTransaction(self._disk)
        yield changing
        if self._disk.full:
            raise RecordFull("the record cannot be written: the disk is full")
        self._disk.rows, self._disk.cells = changing.rows, changing.cells

    def claim(self) -> int:
        """An epoch higher than any before."""
        self._own = None
        with self.transaction():
            self._disk.epoch += 1
        self._own = self._disk.epoch
        return self._own

    def check(self) -> None:
        """Raises: RecordFenced."""
        if self._own is not None and self._own != self._disk.epoch:
            raise RecordFenced(self._own, self._disk.epoch)

    def rows(self, first: int, last: int) -> Sequence[Row]:
        """Rows ``first`` to ``last``, both included."""
        return self._disk.rows[max(first - 1, 0) : max(last, 0)]

    def load(self, kind: type[T], key: str) -> T | None:
        """The cell ``key``."""
        found = self._disk.cells.get(key)
        return None if found is None else codec.load(kind, json.loads(found))

    def scan(self, kind: type[T], prefix: str, *, after: str = "", limit: int = 1_000) -> Sequence[tuple[str, T]]:
        """Cells under ``prefix`` whose key is greater than ``after``."""
        keys = sorted(key for key in self._disk.cells if key.startswith(prefix) and key > after)
        return [(key, codec.load(kind, json.loads(self._disk.cells[key]))) for key in keys[:limit]]

    @property
    def size_bytes(self) -> int:
        """What rows and cells take."""
        cells = sum(len(key) + len(value) for key, value in self._disk.cells.items())
        return cells + sum(len(row.body) for row in self._disk.rows)

    def close(self) -> None:
        """Nothing to let go of."""
