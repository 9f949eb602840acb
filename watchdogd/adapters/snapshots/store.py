"""Checkpoints of workspaces: take, compare, restore, verify, collect."""

from __future__ import annotations

import builtins
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Self

from watchdogd.adapters.snapshots import journal, trees
from watchdogd.adapters.snapshots.archive import Archive, HashOnly, Quota
from watchdogd.adapters.snapshots.collection import Collected
from watchdogd.adapters.snapshots.journal import Journal, Phase
from watchdogd.adapters.snapshots.manifests import checked_id
from watchdogd.adapters.snapshots.packs import ref_of
from watchdogd.adapters.snapshots.preview import Preview, discard_all
from watchdogd.adapters.snapshots.quarantine import Quarantined, Quarantines
from watchdogd.adapters.snapshots.restore import Restoration
from watchdogd.adapters.snapshots.roots import opened
from watchdogd.adapters.snapshots.scan import missed_in, totals
from watchdogd.core.changes import Changes
from watchdogd.core.checkpoint import MISSED_NAMED, Extra, Manifest
from watchdogd.core.errors import RestoreUnfinished, SnapshotError
from watchdogd.core.rollback import Restored
from watchdogd.core.tree import changes
from watchdogd.ports import Clock


class SnapshotStore:
    """Checkpoints in ``directory``. Synchronous: call it in a thread. One process at a time.

    ``state`` is the state directory that no workspace may hold or lie in (by default the store itself). ``on_step`` is
    called with a name before each step of a restore.
    """

    def __init__(
        self,
        directory: str,
        *,
        clock: Clock,
        quota: Quota | None = None,
        state: str | None = None,
        on_step: Callable[[str], None] | None = None,
    ) -> None:
        self._archive = Archive(directory, clock=clock, quota=quota, state=state)
        self._quarantines = Quarantines(f"{directory}/quarantine")
        self._directory, self._clock = directory, clock
        self._on_step = on_step or (lambda _: None)

    def open(self) -> Self:
        """Makes the store ready; creates it where there is none.

        Raises:
            SnapshotError: it cannot be used, or another process uses it.
        """
        self._archive.open()
        try:
            discard_all(self._directory)
        except BaseException:
            self._archive.close()  # else its lock would keep out the next attempt, too
            raise
        return self

    def close(self) -> None:
        """Saves what is remembered and lets go of everything."""
        self._archive.close()

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- taking -------------------------------------------------------------------------------------------------------

    def take(
        self,
        root: str,
        *,
        id: str,
        deadline_s: float,
        exclude: Sequence[str] = (),
        extra: Mapping[str, bytes] | None = None,
        reason: str = "",
        at_seq: int = 0,
    ) -> Manifest:
        """Checkpoints ``root`` and ``extra`` under ``id``, synced.

        A missed deadline (``deadline_s`` seconds), too many entries or a file that keeps changing make it incomplete;
        what was read until then is kept, so that the next one gets further.

        Raises:
            SnapshotError: the root is refused, the id is taken, the quota or the disk is full; nothing was changed.
        """
        archive = self._archive
        with archive.lock:
            began = self._clock.boot()
            if archive.manifests.exists(checked_id(id)):
                raise SnapshotError(f"there is a checkpoint {id} already")
            self._refuse_unfinished()
            before = archive.packs.total_bytes()
            with opened(root, state=archive.state) as fd, archive.writing(id) as writer:
                scanned = archive.scan(fd, root, tuple(exclude), writer, until=began + deadline_s)
                extras = [
                    Extra(name=name, ref=ref_of(data, writer.put), size=len(data))
                    for name, data in sorted((extra or {}).items())
                ]
                writer.finish()
                missed = list(missed_in(scanned.known)) if scanned.entry else []
                files, size = totals(scanned.known)
                manifest = Manifest(
                    id=id,
                    taken_at=self._clock.wall(),
                    root=root,
                    workspace=scanned.entry,
                    complete=not scanned.why,
                    why=scanned.why,
                    reason=reason,
                    at_seq=at_seq,
                    files=files,
                    bytes=size,
                    stored_bytes=archive.packs.total_bytes() - before,
                    took_s=self._clock.boot() - began,
                    missed=tuple(missed[:MISSED_NAMED]),
                    missed_count=len(missed),
                    exclude=tuple(exclude),
                    extra=tuple(extras),
                )
                archive.manifests.write(manifest)
            return manifest

    # --- reading ------------------------------------------------------------------------------------------------------

    def list(self) -> list[Manifest]:
        """All checkpoints, oldest first; one whose manifest was damaged appears as incomplete."""
        return sorted(self._archive.manifests.each(), key=lambda manifest: (manifest.taken_at, manifest.id))

    def manifest(self, id: str) -> Manifest:
        """One checkpoint.

        Raises:
            SnapshotError: it does not exist, or was damaged.
        """
        return self._archive.manifests.read(id)

    def blob(self, id: str, name: str) -> bytes:
        """What was given to ``take`` as ``extra[name]``.

        Raises:
            SnapshotError: there is no such checkpoint or extra, or it was damaged.
        """
        return self._archive.blob(id, name)

    def content(self, id: str, path: str, *, limit_bytes: int) -> bytes:
        """The first ``limit_bytes`` of a file in a checkpoint.

        Raises:
            SnapshotError: there is no such checkpoint or file, or it was damaged.
        """
        return self._archive.content(id, path, limit_bytes=limit_bytes)

    def diff(self, id: str, root: str, *, deadline_s: float | None = None) -> Changes:
        """What is different in ``root`` since checkpoint ``id``, found within ``deadline_s`` seconds; stores nothing.

        Raises:
            SnapshotError: the checkpoint cannot be used, or the root is refused.
        """
        archive = self._archive
        manifest, was = archive.target(id)
        with archive.lock, opened(root, state=archive.state) as fd:
            sink = HashOnly()
            until = None if deadline_s is None else self._clock.boot() + deadline_s
            scanned = archive.scan(fd, root, manifest.exclude, sink, until=until)
            if scanned.entry is None or (until is not None and self._clock.boot() >= until):
                raise SnapshotError(f"{root} cannot be compared with {id}: {scanned.why}")

            def get(digest: bytes) -> bytes:
                return sink.trees.get(digest) or archive.packs.get(digest)

            found = tuple(changes(was, scanned.entry, lambda ref: trees.loaded(ref, get)))
            return Changes(since=id, items=found, unsure=scanned.changing)

    def between(self, was: str, now: str) -> Changes:
        """What is different in checkpoint ``now`` since checkpoint ``was``.

        Raises:
            SnapshotError: one of them cannot be used.
        """
        archive = self._archive
        with archive.lock:
            found = changes(archive.target(was)[1], archive.target(now)[1], archive.load)
            return Changes(since=was, items=tuple(found))

    def verify(self, id: str) -> tuple[str, ...]:
        """Reads everything that a checkpoint holds; a sentence for each thing that is missing or damaged.

        Raises:
            SnapshotError: there is no such checkpoint, or its manifest was damaged.
        """
        return self._archive.verify(id)

    def preview(self, root: str, *, id: str, exclude: Sequence[str] = (), most_bytes: int = 4 * 1024**3) -> Preview:
        """A throw-away copy of ``root`` to be: enter it, run something in its ``path``, read its ``changes``.

        ``exclude`` is what checkpoints of this root exclude; it is copied and not compared. A workspace with more than
        ``most_bytes`` is not copied.
        """
        return Preview(self._archive, root, id_=id, exclude=tuple(exclude), clock=self._clock, most_bytes=most_bytes)

    # --- restoring ----------------------------------------------------------------------------------------------------

    def restore(self, id: str, root: str, *, quarantine_id: str) -> Restored:
        """Brings ``root`` to checkpoint ``id`` and compares every path afterwards.

        What the checkpoint does not have goes to quarantine. What gets overwritten stays in the store as long as the
        quarantine is there.

        Raises:
            SnapshotError: it cannot be done; nothing was changed.
            RestoreUnfinished: it had begun and could not end; ``recover`` goes on.
        """
        archive = self._archive
        with archive.lock:
            self._refuse_unfinished()
            if quarantine_id in self._quarantines.ids():
                raise SnapshotError(f"there is a quarantine {quarantine_id} already")
            archive.target(id)
            with opened(root, state=archive.state) as fd:
                found = os.fstat(fd)
                way = Journal(
                    phase=Phase.STAGING,
                    checkpoint=id,
                    quarantine=checked_id(quarantine_id),
                    root=root,
                    device=found.st_dev,
                    inode=found.st_ino,
                )
                try:
                    return self._restoration(fd, way).run()
                except OSError as error:
                    raise SnapshotError(f"nothing was changed: {error}") from error

    def unfinished(self) -> Journal | None:
        """The restore that a crash interrupted, if any.

        Raises:
            SnapshotError: there is a journal and it cannot be read.
        """
        return journal.read(self._directory)

    def recover(self) -> Restored | None:
        """Finishes the restore that a crash interrupted; None when there is none.

        Raises:
            SnapshotError: the workspace of then is not there.
            RestoreUnfinished: it could not end this time either.
        """
        archive = self._archive
        with archive.lock:
            way = self.unfinished()
            if way is None:
                return None
            with opened(way.root, state=archive.state) as fd:
                found = os.fstat(fd)
                if (found.st_dev, found.st_ino) != (way.device, way.inode):
                    raise SnapshotError(f"{way.root} is not the directory whose restore was begun")
                try:
                    return self._restoration(fd, way).finish()
                except OSError as error:
                    raise RestoreUnfinished(f"the restore of {way.checkpoint} is still unfinished: {error}") from error

    def _restoration(self, fd: int, way: Journal) -> Restoration:
        return Restoration(self._archive, self._quarantines, fd, way, nonce=self._clock.nonce, on_step=self._on_step)

    def _refuse_unfinished(self) -> None:
        way = self.unfinished()
        if way is not None:
            raise SnapshotError(f"the restore of {way.checkpoint} in {way.root} has to be finished first")

    # --- quarantine ---------------------------------------------------------------------------------------------------

    def quarantines(self) -> builtins.list[str]:
        """The ids of all quarantines."""
        return self._quarantines.ids()

    def quarantined(self, quarantine_id: str) -> Quarantined:
        """What a restore took out, and where it lies.

        Raises:
            SnapshotError: there is no such quarantine, or its record was damaged.
        """
        return self._quarantines.read(quarantine_id)

    def discard(self, quarantine_id: str) -> None:
        """Throws a quarantine away, because a person said so.

        Raises:
            SnapshotError: it cannot be removed.
        """
        with self._archive.lock:
            self._refuse_unfinished()
            self._quarantines.discard(quarantine_id)

    # --- collecting ---------------------------------------------------------------------------------------------------

    def collect(self, keep: set[str] | frozenset[str]) -> Collected:
        """Removes all checkpoints but those in ``keep`` and what an unfinished restore needs, and their objects.

        What quarantines refer to stays.

        Raises:
            SnapshotError: what is to be kept cannot be read, or the disk refuses; nothing that is kept was lost.
        """
        with self._archive.lock:
            way = self.unfinished()
            pinned = {way.checkpoint} if way is not None else set()
            presents = [self._quarantines.read(id_).present.ref for id_ in self._quarantines.ids()]
            return self._archive.collect(keep | pinned, presents)
