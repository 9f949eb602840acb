"""What is remembered of a workspace between two walks, also across restarts: so that only what changed is read."""

from __future__ import annotations

import hashlib
import os
import struct
from array import array
from contextlib import suppress

from watchdogd.adapters.snapshots import trees
from watchdogd.adapters.snapshots.packs import Packs, write_all
from watchdogd.adapters.snapshots.scan import Known
from watchdogd.core.errors import SnapshotError
from watchdogd.core.tree import Kind

_HEAD = struct.Struct(">65sqqI")
"""Of a directory: ref, files and bytes in it, how many children follow."""
_FIELDS = 5
_NO_SIGNATURE = (0,) * _FIELDS
_MAGIC = b"wdknown1"


def save(path: str, known: Known) -> None:
    """Writes what is known. No sync: losing it costs reading again, and a digest tells when it is torn."""
    if not known.ref:
        return
    parts: list[bytes] = []
    _pack(known, parts)
    body = b"".join(parts)
    with suppress(OSError):
        fd = os.open(f"{path}.tmp", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            write_all(fd, _MAGIC + hashlib.sha256(body).digest() + body)
        finally:
            os.close(fd)
        os.rename(f"{path}.tmp", path)  # noqa: PTH104 - one style of paths in this package


def load(path: str, packs: Packs) -> Known:
    """What was known when it was saved last; nothing where the file is missing, torn, or the store has moved on."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - as above
            raw = file.read()
        if raw[:8] != _MAGIC or hashlib.sha256(raw[40:]).digest() != raw[8:40]:
            return Known()
        return _unpack(memoryview(raw)[40:], 0, packs)[0]
    except (OSError, SnapshotError, struct.error, ValueError):
        return Known()


def _pack(known: Known, parts: list[bytes]) -> None:
    children = [known.children[name] for name in sorted(known.children)]
    parts.append(_HEAD.pack(known.ref.encode("ascii"), known.files, known.bytes, len(children)))
    flat: list[int] = []
    for name in sorted(known.entries):
        flat.extend(known.signatures.get(name, _NO_SIGNATURE))
    parts.append(array("q", flat).tobytes())
    for child in children:
        _pack(child, parts)


def _unpack(raw: memoryview, at: int, packs: Packs) -> tuple[Known, int]:
    ref, files, size, count = _HEAD.unpack_from(raw, at)
    at += _HEAD.size
    known = Known(ref=ref.decode("ascii"), files=files, bytes=size)
    known.entries = dict(trees.loaded(known.ref, packs.get))
    names = sorted(known.entries)
    end = at + len(names) * _FIELDS * 8
    flat = array("q", raw[at:end].tobytes()).tolist()
    rows = zip(*[iter(flat)] * _FIELDS, strict=True)
    known.signatures = {name: row for name, row in zip(names, rows, strict=True) if any(row)}
    known.missed = tuple((entry.name, entry.ref) for entry in known.entries.values() if entry.kind is Kind.OTHER)
    at = end
    folders = sorted(name for name, entry in known.entries.items() if entry.kind is Kind.DIR)
    if len(folders) != count:
        raise SnapshotError("what was remembered does not fit the store")
    for name in folders:
        known.children[name], at = _unpack(raw, at, packs)
    return known, at
