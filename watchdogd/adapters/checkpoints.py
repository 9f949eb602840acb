"""The store of checkpoints behind the Snapshots port: one workspace, each piece of work in a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from watchdogd.adapters.snapshots.store import SnapshotStore
from watchdogd.core.changes import Changes
from watchdogd.core.checkpoint import Manifest
from watchdogd.core.errors import RestoreUnfinished, SnapshotError
from watchdogd.core.rollback import Restored

COMPARE_S = 120.0
"""A comparison may take this long (seconds); steps and checkpoints wait for it."""


class WorkspaceSnapshots:
    """Checkpoints of ``root`` in ``store``, which is opened when it is first needed."""

    def __init__(self, store: SnapshotStore, root: str, *, deadline_s: float, exclude: Sequence[str] = ()) -> None:
        self._store, self._root = store, root
        self._deadline_s, self._exclude = deadline_s, tuple(exclude)
        self._open = False
        self._turn = asyncio.Lock()

    async def open(self) -> Restored | None:
        """Opens the store if it is not open, and finishes what a crash interrupted."""
        async with self._turn:
            return await asyncio.to_thread(self._opened)

    def _opened(self) -> Restored | None:
        try:
            if not self._open:
                self._store.open()
                self._open = True
            return self._store.recover()
        except RestoreUnfinished:
            raise
        except SnapshotError as why:
            if self._begun():
                raise RestoreUnfinished(str(why)) from why
            raise

    def _begun(self) -> bool:
        """Whether a restore was begun and has not ended; one whose journal cannot be read counts as begun."""
        try:
            return self._store.unfinished() is not None
        except SnapshotError:
            return True

    def _own(self, id: str) -> SnapshotStore:
        """The store, if checkpoint ``id`` is one of this workspace. Raises: SnapshotError."""
        store = self._ready()
        root = store.manifest(id).root
        if root != self._root:
            raise SnapshotError(f"checkpoint {id} is of another workspace, {root}")
        return store

    async def take(self, id: str, *, reason: str, at_seq: int, extra: Mapping[str, bytes]) -> Manifest:
        """Saves workspace and ``extra``."""

        def taken() -> Manifest:
            return self._ready().take(
                self._root,
                id=id,
                deadline_s=self._deadline_s,
                exclude=self._exclude,
                extra=extra,
                reason=reason,
                at_seq=at_seq,
            )

        async with self._turn:
            return await asyncio.to_thread(taken)

    async def restore(self, id: str, *, quarantine: str) -> Restored:
        """Brings the workspace to ``id``."""

        def restored() -> Restored:
            store = self._own(id)
            if store.unfinished() is None and quarantine in store.quarantines():
                before = store.quarantined(quarantine)
                return Restored(
                    checkpoint=id,
                    quarantine=quarantine,
                    at="target",
                    quarantined=tuple(one.path for one in before.things),
                    finished_forward=True,
                )
            return store.restore(id, self._root, quarantine_id=quarantine)

        async with self._turn:
            return await asyncio.to_thread(restored)

    async def compare(self, id: str) -> Changes:
        """What is different since ``id``."""
        async with self._turn:
            return await asyncio.to_thread(lambda: self._own(id).diff(id, self._root, deadline_s=COMPARE_S))

    async def manifest(self, id: str) -> Manifest:
        """What ``id`` holds."""
        async with self._turn:
            return await asyncio.to_thread(lambda: self._ready().manifest(id))

    async def blob(self, id: str, name: str) -> bytes:
        """The blob ``name`` of ``id``."""
        async with self._turn:
            return await asyncio.to_thread(lambda: self._ready().blob(id, name))

    async def ids(self) -> frozenset[str]:
        """All checkpoints."""
        async with self._turn:
            return await asyncio.to_thread(lambda: frozenset(one.id for one in self._ready().list()))

    async def forget(self, ids: frozenset[str]) -> None:
        """Removes these; what is taken meanwhile waits its turn."""

        def forgotten() -> None:
            store = self._ready()
            there = {one.id for one in store.list()}
            if there & ids:
                store.collect(there - ids)

        async with self._turn:
            await asyncio.to_thread(forgotten)

    def close(self) -> None:
        """Lets go of the store."""
        if self._open:
            self._store.close()
            self._open = False

    def _ready(self) -> SnapshotStore:
        if not self._open:
            raise SnapshotError("the store of checkpoints is not open")
        return self._store
