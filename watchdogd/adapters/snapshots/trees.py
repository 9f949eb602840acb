"""How a directory's entries are written down: one spelling, so that equal directories have equal digests."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

from watchdogd.adapters.snapshots.packs import ref_of, whole
from watchdogd.core.errors import SnapshotError
from watchdogd.core.tree import Entry, Kind, Tree

_CODES = {Kind.FILE: "f", Kind.DIR: "d", Kind.LINK: "l", Kind.OTHER: "o"}
_KINDS = {code: kind for kind, code in _CODES.items()}
_NOT_NAMES = frozenset({"", ".", ".."})
_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=True, check_circular=False).encode


def encoded(entries: Iterable[Entry]) -> bytes:
    """The entries as bytes, sorted by name."""
    rows = [
        (entry.name, _CODES[entry.kind], entry.mode, entry.uid, entry.gid, entry.size, entry.ref, *entry.notes)
        for entry in entries
    ]
    rows.sort()
    return _encode(rows).encode("ascii")


def decoded(raw: bytes) -> dict[str, Entry]:
    """The entries by name.

    Raises:
        SnapshotError: these are not entries.
    """
    try:
        found = {
            name: Entry(name, _KINDS[code], mode, uid, gid, size, ref, tuple(notes))
            for name, code, mode, uid, gid, size, ref, *notes in json.loads(raw)
        }
        # Names become paths: one that leads elsewhere must not come out of here, whoever wrote it.
        if not _NOT_NAMES.isdisjoint(found) or any("/" in name or "\0" in name for name in found):
            raise SnapshotError("a directory's entries hold a name that is a path")
    except (ValueError, TypeError, KeyError) as error:
        raise SnapshotError(f"not a directory's entries: {error}") from error
    return found


def stored(entries: Iterable[Entry], put: Callable[[bytes], bytes]) -> str:
    """Stores a directory; returns its ref."""
    return ref_of(encoded(entries), put)


def loaded(ref: str, get: Callable[[bytes], bytes]) -> Tree:
    """The directory that ``ref`` names.

    Raises:
        SnapshotError: it is missing or damaged.
    """
    return decoded(whole(ref, get))
