"""Throw-away copies of the workspace, made in a thread by the store that keeps its checkpoints."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from watchdogd.adapters.snapshots.preview import Preview
from watchdogd.adapters.snapshots.store import SnapshotStore
from watchdogd.core.changes import Changes
from watchdogd.core.errors import SnapshotError
from watchdogd.ports import WorkspaceCopy

MOST_BYTES = 4 * 1024**3
"""A larger workspace is not copied: it would take minutes, for each call at level observe."""


class StorePreviews:
    """Copies of ``root`` in ``store``.

    ``opened`` makes the store ready, which removes the copies of a process that died. ``exclude`` is what checkpoints
    exclude: it is copied and not compared.
    """

    def __init__(
        self,
        store: SnapshotStore,
        root: str,
        *,
        opened: Callable[[], Awaitable[object]],
        exclude: Sequence[str] = (),
    ) -> None:
        self._store, self._root, self._opened, self._exclude = store, root, opened, tuple(exclude)

    async def make(self, name: str) -> WorkspaceCopy:
        """A copy called ``name``; cancelled, it ends the making and leaves none.

        Raises:
            SnapshotError: there can be none; in one sentence.
        """
        await self._opened()
        preview = self._store.preview(self._root, id=name, exclude=self._exclude, most_bytes=MOST_BYTES)
        called_off = threading.Event()
        preview.go_on = lambda: not called_off.is_set()
        making = asyncio.ensure_future(asyncio.to_thread(_made, preview))
        try:
            await asyncio.shield(making)
        except asyncio.CancelledError:
            called_off.set()
            await asyncio.wait({making})
            with suppress(SnapshotError):
                if not making.cancelled() and making.exception() is None:
                    await asyncio.to_thread(preview.discard)
            raise
        return _Copy(preview)


class _Copy:
    """One copy in use."""

    def __init__(self, preview: Preview) -> None:
        self._preview = preview

    @property
    def path(self) -> str:
        """Where it lies."""
        return self._preview.path

    @property
    def missing(self) -> Sequence[tuple[str, str]]:
        """Paths that the copy does not have, and why."""
        return self._preview.missing

    async def compared(self, *, lines: int) -> tuple[Changes, Sequence[str]]:
        """What is different by now; the same readable, so many lines at most.

        Raises:
            SnapshotError: it cannot be read.
        """

        def compare() -> tuple[Changes, Sequence[str]]:
            found = self._preview.changes()
            return found, self._preview.text(found, lines=lines)

        return await asyncio.to_thread(compare)

    async def discard(self) -> None:
        """Removes it; what cannot be removed now goes with the next start."""
        with suppress(SnapshotError):
            await asyncio.to_thread(self._preview.discard)


def _made(preview: Preview) -> None:
    try:
        preview.make()
    except OSError as why:
        raise SnapshotError(f"no preview: {why}") from why
