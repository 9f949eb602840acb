"""Manifests on disk: a JSON file per checkpoint, with its own digest."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from typing import cast

from watchdogd.adapters.snapshots.packs import sync_directory, write_all
from watchdogd.core.checkpoint import Extra, Manifest
from watchdogd.core.errors import SnapshotError
from watchdogd.core.ids import SEGMENT, canonical, digest
from watchdogd.core.tree import Entry, Kind

_VERSION = 1


def checked_id(id_: str) -> str:
    """``id_``, which becomes a file's name.

    Raises:
        SnapshotError: it is not ``[A-Za-z0-9_-]{1,64}``.
    """
    if not SEGMENT.match(id_):
        raise SnapshotError(f"{id_!r} is no checkpoint's id")
    return id_


def encoded(manifest: Manifest) -> str:
    """The manifest as JSON with its digest."""
    body = {
        "version": _VERSION,
        "id": manifest.id,
        "taken_at": manifest.taken_at,
        "root": manifest.root,
        "workspace": None if manifest.workspace is None else entry_row(manifest.workspace),
        "complete": manifest.complete,
        "why": manifest.why,
        "reason": manifest.reason,
        "at_seq": manifest.at_seq,
        "files": manifest.files,
        "bytes": manifest.bytes,
        "stored_bytes": manifest.stored_bytes,
        "took_s": manifest.took_s,
        "missed": manifest.missed,
        "missed_count": manifest.missed_count,
        "exclude": manifest.exclude,
        "extra": [[extra.name, extra.ref, extra.size] for extra in manifest.extra],
    }
    return json.dumps({"manifest": body, "digest": digest(canonical(body))}, indent=1) + "\n"


def decoded(text: str) -> Manifest:
    """The manifest.

    Raises:
        SnapshotError: it is damaged, or from a version that is not known here.
    """
    try:
        outer = json.loads(text)
        body = outer["manifest"]
        if digest(canonical(body)) != outer["digest"]:
            raise SnapshotError("manifest was damaged")
        if body["version"] != _VERSION:
            raise SnapshotError(f"manifest has version {body['version']}, known is {_VERSION}")
        return Manifest(
            id=body["id"],
            taken_at=body["taken_at"],
            root=body["root"],
            workspace=None if body["workspace"] is None else entry_of(body["workspace"]),
            complete=body["complete"],
            why=body["why"],
            reason=body["reason"],
            at_seq=body["at_seq"],
            files=body["files"],
            bytes=body["bytes"],
            stored_bytes=body["stored_bytes"],
            took_s=body["took_s"],
            missed=tuple((path, why) for path, why in body["missed"]),
            missed_count=body["missed_count"],
            exclude=tuple(body["exclude"]),
            extra=tuple(Extra(name=name, ref=ref, size=size) for name, ref, size in body["extra"]),
        )
    except (ValueError, TypeError, KeyError) as error:
        raise SnapshotError("manifest was damaged") from error


def entry_row(entry: Entry) -> list[object]:
    """An entry as JSON."""
    return [entry.name, str(entry.kind), entry.mode, entry.uid, entry.gid, entry.size, entry.ref, list(entry.notes)]


def entry_of(row: list[object]) -> Entry:
    """The entry of ``row``.

    Raises:
        TypeError: too few or too many fields.
        ValueError: a kind that does not exist.
    """
    name, kind, mode, uid, gid, size, ref, notes = cast("tuple[str, str, int, int, int, int, str, list[str]]", row)
    return Entry(name, Kind(kind), mode, uid, gid, size, ref, tuple(notes))


class Manifests:
    """The manifests of a directory."""

    def __init__(self, directory: str) -> None:
        self._directory = directory

    def write(self, manifest: Manifest) -> None:
        """Writes ``manifest``, synced.

        Raises:
            OSError: the disk refuses.
        """
        write_file(self._path(manifest.id), encoded(manifest).encode("ascii"))

    def read(self, id_: str) -> Manifest:
        """The manifest of ``id_``.

        Raises:
            SnapshotError: there is none, or it was damaged.
        """
        path = self._path(id_)
        try:
            with open(path, encoding="ascii") as file:  # noqa: PTH123 - one style of paths in this package
                found = decoded(file.read())
        except FileNotFoundError as error:
            raise SnapshotError(f"there is no checkpoint {id_}") from error
        except (OSError, UnicodeError) as error:
            raise SnapshotError(f"checkpoint {id_} cannot be read: {error}") from error
        except SnapshotError as error:
            raise SnapshotError(f"checkpoint {id_} cannot be used: {error}") from error
        if found.id != id_:
            raise SnapshotError(f"checkpoint {id_} cannot be used: its manifest is that of {found.id}")
        return found

    def exists(self, id_: str) -> bool:
        """Whether there is a manifest of that id, damaged or not."""
        return os.path.lexists(self._path(id_))

    def remove(self, ids: Mapping[str, object] | set[str] | frozenset[str]) -> None:
        """Removes manifests, and makes that last."""
        for id_ in ids:
            os.unlink(self._path(id_))  # noqa: PTH108 - as above
        if ids:
            sync_directory(self._directory)

    def ids(self) -> list[str]:
        """All ids, sorted."""
        names = os.listdir(self._directory)  # noqa: PTH208 - names alone
        return sorted(name.removesuffix(".json") for name in names if name.endswith(".json"))

    def each(self) -> Iterator[Manifest]:
        """Every manifest; one that is damaged appears as incomplete."""
        for id_ in self.ids():
            try:
                yield self.read(id_)
            except SnapshotError as error:
                yield Manifest(id=id_, taken_at=0, root="", workspace=None, complete=False, why=str(error))

    def _path(self, id_: str) -> str:
        return f"{self._directory}/{checked_id(id_)}.json"


def write_file(path: str, data: bytes) -> None:
    """Writes a small file so that it is there whole or not at all, also after a power cut.

    Raises:
        OSError: the disk refuses.
    """
    temporary = f"{path}.tmp"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        write_all(fd, data)
        os.fsync(fd)
    finally:
        os.close(fd)
    os.rename(temporary, path)  # noqa: PTH104 - as above
    sync_directory(os.path.dirname(path))  # noqa: PTH120 - as above
