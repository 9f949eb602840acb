"""Packs, manifests and what is remembered of workspaces, together: walking into them and reading from them."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

from watchdogd.adapters.snapshots import collection, memory, trees
from watchdogd.adapters.snapshots.manifests import Manifests
from watchdogd.adapters.snapshots.packs import Damaged, Packs, PackWriter, chunks_of, objects_of, whole
from watchdogd.adapters.snapshots.roots import mounts_below
from watchdogd.adapters.snapshots.scan import Known, Limits, OutOfTime, Sink, TooMany, Walk, missed_in, totals
from watchdogd.core.changes import shown
from watchdogd.core.checkpoint import Manifest
from watchdogd.core.errors import SnapshotError
from watchdogd.core.ids import digest_of
from watchdogd.core.tree import Entry, Kind, Missed, Tree
from watchdogd.ports import Clock

_SAVE_AFTER = 64
"""What is remembered is saved once more files than this, or a tenth of all, were read: losing it costs no more."""
_NAMED = 3
"""Paths that a sentence names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """What a store may hold."""

    store_bytes: int = 20 * 1024**3
    """All packs together."""
    free_bytes: int = 256 * 1024**2
    """What must stay free on the store's disk."""
    file_bytes: int = 4 * 1024**3
    """A larger file is named and not captured (at most 32 GiB)."""
    entries: int = 1_000_000
    """More names in a workspace make a checkpoint incomplete."""


@dataclass(frozen=True, slots=True)
class Scanned:
    """A walk's result."""

    entry: Entry | None
    """None when it did not come to its end."""
    known: Known
    why: str
    """Why it is incomplete, or empty."""
    changing: tuple[str, ...] = ()
    files_read: int = 0


class HashOnly:
    """A sink that keeps directories in memory and contents not at all."""

    def __init__(self) -> None:
        self.trees: dict[bytes, bytes] = {}

    def __contains__(self, digest: bytes) -> bool:
        return digest in self.trees

    def put(self, data: bytes) -> bytes:
        """The digest of ``data``."""
        return hashlib.sha256(data).digest()

    def put_tree(self, data: bytes) -> bytes:
        """The same, and keeps it."""
        key = self.put(data)
        self.trees[key] = data
        return key


class Archive:
    """All that lies in ``directory``. One process at a time.

    ``state`` is the state directory that no workspace may hold or lie in (by default the store itself).
    """

    def __init__(self, directory: str, *, clock: Clock, quota: Quota | None = None, state: str | None = None) -> None:
        self.directory, self.state, self._clock, self._quota = directory, state or directory, clock, quota or Quota()
        self.lock = threading.RLock()
        self.packs = Packs(f"{directory}/packs")
        self.manifests = Manifests(f"{directory}/manifests")
        self._known: dict[str, Known] = {}
        self._unsaved: dict[str, int] = {}
        self._fd = -1

    # --- life ---------------------------------------------------------------------------------------------------------

    def open(self) -> Self:
        """Makes the store ready; creates it where there is none.

        Raises:
            SnapshotError: it cannot be used, or another process uses it.
        """
        try:
            for part in ("", "/packs", "/manifests", "/memory", "/quarantine"):
                os.makedirs(f"{self.directory}{part}", mode=0o700, exist_ok=True)  # noqa: PTH103 - one style of paths
            self._fd = os.open(f"{self.directory}/lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for part in ("packs", "manifests", "memory"):
                collection.remove_temporary(f"{self.directory}/{part}")
            self.packs.open()
        except BlockingIOError as error:
            self.close()
            raise SnapshotError(f"the checkpoints in {self.directory} are in use by another process") from error
        except OSError as error:
            self.close()
            raise SnapshotError(f"no checkpoints can be kept in {self.directory}: {error.strerror}") from error
        return self

    def close(self) -> None:
        """Saves what is remembered and lets go of everything."""
        with self.lock:
            for key, known in self._known.items():
                if self._unsaved.get(key):
                    memory.save(self._memory(key), known)
            self._known.clear()
            self.packs.close()
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- writing ------------------------------------------------------------------------------------------------------

    @contextmanager
    def writing(self, name: str) -> Iterator[PackWriter]:
        """A pack to write to; when that fails, what was remembered is forgotten, for it may name what is not stored.

        Raises:
            SnapshotError: the disk or the quota is full.
        """
        try:
            with PackWriter(self.packs, f"{name}-{self._clock.nonce()}", self._fits) as writer:
                yield writer
        except OSError as error:
            self._known.clear()
            if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EROFS}:
                raise SnapshotError(f"no checkpoint can be written to {self.directory}: {error.strerror}") from error
            raise SnapshotError(f"no checkpoint could be taken: {error}") from error
        except BaseException:
            self._known.clear()
            raise

    def scan(
        self, fd: int, root: str, exclude: tuple[str, ...], sink: Sink, *, until: float | None = None, hidden: str = ""
    ) -> Scanned:
        """Walks the workspace that is open as ``fd`` into ``sink``.

        With a ``HashOnly`` sink nothing is remembered. ``until`` is on the boot clock (seconds); ``hidden`` is a name
        in the root that is passed over.

        Raises:
            OSError: the root cannot be read, or the sink's disk refuses.
        """
        key = digest_of([root, list(exclude)])[:32]
        known = self._known.get(key) or memory.load(self._memory(key), self.packs)
        if isinstance(sink, HashOnly):
            known = known.copy()
        else:
            self._known[key] = known
        found = self.walked(fd, known, exclude, sink, until=until, hidden=hidden, mounts=mounts_below(fd))
        self._unsaved[key] = self._unsaved.get(key, 0) + found.files_read
        if (
            found.entry is not None
            and isinstance(sink, PackWriter)
            and self._unsaved[key] > max(_SAVE_AFTER, totals(known)[0] // 10)
        ):
            # The pack is not there yet: when it never comes, what is saved here is found not to fit and dropped.
            memory.save(self._memory(key), known)
            self._unsaved[key] = 0
        return found

    def walked(
        self,
        fd: int,
        known: Known,
        exclude: tuple[str, ...],
        sink: Sink,
        *,
        until: float | None = None,
        hidden: str = "",
        mounts: frozenset[str] = frozenset(),
    ) -> Scanned:
        """Walks the directory that is open as ``fd`` into ``sink`` and brings ``known`` up to date.

        Raises:
            OSError: the directory itself cannot be read, or the sink's disk refuses.
        """
        walk = Walk(
            sink,
            limits=Limits(file_bytes=self._quota.file_bytes, entries=self._quota.entries),
            in_time=lambda: until is None or self._clock.boot() < until,
            wall_ns=int(self._clock.wall() * 1e9),
            exclude=exclude,
            mounts=mounts,
            ours=frozenset({identity(self.directory), identity(self.state)}),
            hidden=hidden,
        )
        try:
            entry = walk.root(fd, known)
        except OutOfTime:
            return Scanned(None, known, "the deadline passed before everything was read", (), walk.files_read)
        except TooMany:
            why = f"there are more than {self._quota.entries:,} files and directories"
            return Scanned(None, known, why, (), walk.files_read)
        changing = sorted(walk.changing | {path for path, why in missed_in(known) if why == Missed.CHANGING})
        named = ", ".join(shown(path) or "." for path in changing[:_NAMED])
        why = f"{len(changing)} paths changed while they were read: {named}" if changing else ""
        return Scanned(entry, known, why, tuple(changing), walk.files_read)

    # --- reading ------------------------------------------------------------------------------------------------------

    def target(self, id: str) -> tuple[Manifest, Entry]:
        """A checkpoint that can be returned to, and its workspace.

        Raises:
            SnapshotError: it does not exist, was damaged, or is incomplete.
        """
        manifest = self.manifests.read(id)
        if not manifest.complete or manifest.workspace is None:
            raise SnapshotError(f"checkpoint {id} is incomplete: {manifest.why}")
        return manifest, manifest.workspace

    def blob(self, id: str, name: str) -> bytes:
        """What was given to ``take`` as ``extra[name]``.

        Raises:
            SnapshotError: there is no such checkpoint or extra, or it was damaged.
        """
        for extra in self.manifests.read(id).extra:
            if extra.name == name:
                with self.lock:
                    return whole(extra.ref, self.packs.get)
        raise SnapshotError(f"checkpoint {id} holds no {name}")

    def content(self, id: str, path: str, *, limit_bytes: int) -> bytes:
        """The first ``limit_bytes`` of a file in a checkpoint.

        Raises:
            SnapshotError: there is no such checkpoint or file, or it was damaged.
        """
        _, entry = self.target(id)
        with self.lock:
            for part in path.split("/"):
                found = self.load(entry.ref).get(part) if entry.kind is Kind.DIR else None
                if found is None:
                    raise SnapshotError(f"checkpoint {id} holds no file {shown(path)}")
                entry = found
            if entry.kind is not Kind.FILE:
                raise SnapshotError(f"{shown(path)} is no file in checkpoint {id}")
            return b"".join(_first(entry.ref, self.packs, limit_bytes))

    def load(self, ref: str) -> Tree:
        """The directory that ``ref`` names.

        Raises:
            SnapshotError: it is missing or damaged.
        """
        return trees.loaded(ref, self.packs.get)

    def verify(self, id: str) -> tuple[str, ...]:
        """Reads everything that a checkpoint holds; a sentence for each thing that is missing or damaged.

        Raises:
            SnapshotError: there is no such checkpoint, or its manifest was damaged.
        """
        manifest = self.manifests.read(id)
        problems: list[str] = []
        with self.lock:
            for extra in manifest.extra:
                problems += self._unreadable(extra.name, extra.ref)
            if manifest.workspace is not None:
                problems += self._verified("", manifest.workspace)
        return tuple(problems)

    def _verified(self, path: str, folder: Entry) -> Iterator[str]:
        try:
            entries = self.load(folder.ref)
        except SnapshotError as error:
            yield f"{shown(path) or '.'}: {error}"
            return
        for name, entry in sorted(entries.items()):
            below = f"{path}/{name}" if path else name
            if entry.kind is Kind.DIR:
                yield from self._verified(below, entry)
            elif entry.kind is Kind.FILE:
                yield from self._unreadable(below, entry.ref)

    def _unreadable(self, path: str, ref: str) -> Iterator[str]:
        try:
            for _ in chunks_of(ref, self.packs.get):
                pass
        except Damaged as error:
            yield f"{shown(path)}: {error}"

    # --- collecting ---------------------------------------------------------------------------------------------------

    def collect(self, keep: set[str] | frozenset[str], trees_too: list[str]) -> collection.Collected:
        """Removes all checkpoints but those in ``keep``, and the objects that neither they nor ``trees_too`` need.

        Raises:
            SnapshotError: what is to be kept cannot be read, or the disk refuses; nothing that is kept was lost.
        """
        with self.lock:
            chosen = set(self.manifests.ids()) - keep
            live: set[bytes] = set()
            walked: set[str] = set()
            for id_ in set(self.manifests.ids()) - chosen:
                self._reach(id_, live, walked)
            for ref in trees_too:
                collection.reach(ref, live, walked, self.packs.get)
            for known in self._known.values():
                collection.reach_known(known, live, self.packs.get)
            try:
                self.manifests.remove(chosen)
                collection.remove_all(f"{self.directory}/memory")  # may name what goes now; what is open is kept
                self._unsaved = dict.fromkeys(self._known, 1)
                freed = collection.sweep(self.packs, live, f"collected-{self._clock.nonce()}")
            except OSError as error:
                raise SnapshotError(f"collecting stopped: {error}") from error
            return collection.Collected(checkpoints=tuple(sorted(chosen)), freed_bytes=freed)

    def _reach(self, id_: str, live: set[bytes], walked: set[str]) -> None:
        try:
            manifest = self.manifests.read(id_)
            for extra in manifest.extra:
                live.update(objects_of(extra.ref, self.packs.get))
            if manifest.workspace is not None:
                collection.reach(manifest.workspace.ref, live, walked, self.packs.get)
        except SnapshotError as error:
            raise SnapshotError(
                f"nothing collected, for checkpoint {id_} is to be kept and damaged: {error}"
            ) from error

    # --- inside -------------------------------------------------------------------------------------------------------

    def _memory(self, key: str) -> str:
        return f"{self.directory}/memory/{key}"

    def _fits(self, pack_bytes: int) -> None:
        if self.packs.total_bytes() + pack_bytes > self._quota.store_bytes:
            raise SnapshotError(f"the checkpoints would grow past their quota of {self._quota.store_bytes:,} bytes")
        self.refuse_when_full()

    def refuse_when_full(self, more_bytes: int = 0) -> None:
        """Lets pass what leaves enough of the disk free after ``more_bytes``.

        Raises:
            SnapshotError: it would not.
        """
        disk = os.statvfs(self.directory)
        if disk.f_bavail * disk.f_frsize - more_bytes < self._quota.free_bytes:
            raise SnapshotError(f"less than {self._quota.free_bytes:,} bytes are free in {self.directory}")


def _first(ref: str, packs: Packs, limit_bytes: int) -> Iterator[bytes]:
    for part in chunks_of(ref, packs.get):
        data = bytes(min(limit_bytes, 1024 * 1024)) if part is None else part[:limit_bytes]
        yield data
        limit_bytes -= len(data)
        if limit_bytes <= 0:
            return


def identity(path: str) -> tuple[int, int]:
    """Device and inode of what ``path`` names.

    Raises:
        OSError: there is nothing.
    """
    found = os.stat(path)  # noqa: PTH116 - one style of paths in this package
    return found.st_dev, found.st_ino
