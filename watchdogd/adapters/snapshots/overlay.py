"""A preview that costs nothing up front: an overlay over the workspace in bubblewrap, and what its upper layer says.

Only a bubblewrap that knows ``--overlay`` (0.11) makes one, and only what runs in it sees it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from watchdogd.adapters.snapshots.archive import HashOnly
from watchdogd.adapters.snapshots.descent import opened_directory, remove, status
from watchdogd.adapters.snapshots.difference import readable
from watchdogd.adapters.snapshots.preview import reader
from watchdogd.adapters.snapshots.scan import Limits, Walk
from watchdogd.core.changes import Changes
from watchdogd.core.errors import SnapshotError
from watchdogd.core.tree import Change, Entry, Kind

_OPAQUE = ("user.overlay.opaque", "trusted.overlay.opaque")


class OverlayPreview:
    """The layers of one overlay over ``root``, in ``directory`` (which must not exist yet)."""

    def __init__(self, root: str, directory: str) -> None:
        self._root, self._directory = root, directory
        self.upper, self.work = f"{directory}/upper", f"{directory}/work"

    @staticmethod
    def supported(bwrap_options: frozenset[str]) -> bool:
        """Whether a bubblewrap with these options can make one."""
        return {"--overlay", "--overlay-src"} <= bwrap_options

    def make(self) -> None:
        """Creates the layers.

        Raises:
            SnapshotError: the disk refuses.
        """
        try:
            os.makedirs(self._directory, mode=0o700)  # noqa: PTH103 - one style of paths in this package
            mode = stat.S_IMODE(os.stat(self._root).st_mode)  # noqa: PTH116 - as above
            os.mkdir(self.upper, mode)  # noqa: PTH102 - as above
            os.mkdir(self.work, 0o700)  # noqa: PTH102 - as above
        except OSError as error:
            raise SnapshotError(f"no preview of {self._root}: {error}") from error

    def bwrap(self, seen_as: str) -> tuple[str, ...]:
        """Arguments that stand in place of ``--bind workspace workspace``."""
        return ("--overlay-src", self._root, "--overlay", self.upper, self.work, seen_as)

    def changes(self) -> Changes:
        """What is different in the overlay by now.

        Raises:
            SnapshotError: the layers cannot be read.
        """
        try:
            up = os.open(self.upper, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            low = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            raise SnapshotError(f"the preview cannot be compared: {error}") from error
        try:
            return Changes(since="the workspace", items=tuple(_Layers().between(up, low, "")))
        except OSError as error:
            raise SnapshotError(f"the preview cannot be compared: {error}") from error
        finally:
            os.close(up)
            os.close(low)

    def text(self, *, lines: int = 400) -> list[str]:
        """What is different, readable, at most ``lines`` lines.

        Raises:
            SnapshotError: the layers cannot be read.
        """
        return readable(self.changes(), reader(self._root), reader(self.upper), lines=lines)

    def discard(self) -> None:
        """Removes the layers.

        Raises:
            SnapshotError: they cannot be removed.
        """
        above, _, name = self._directory.rpartition("/")
        try:
            fd = os.open(above, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                remove(name, fd)
            finally:
                os.close(fd)
        except OSError as error:
            raise SnapshotError(f"preview {self._directory} cannot be removed: {error}") from error


class _Layers:
    """Reads an upper layer against the lower one."""

    def __init__(self) -> None:
        self._walk = Walk(HashOnly(), limits=Limits(), in_time=lambda: True, wall_ns=0)

    def between(self, up: int, low: int | None, path: str) -> Iterator[Change]:
        names = set(os.listdir(up))
        if low is not None and _is_opaque(up):
            for name in sorted(set(os.listdir(low)) - names):  # noqa: PTH208 - as above
                yield from self._all("removed", low, name, _below(path, name))
        for name in sorted(names):
            yield from self._one(up, low, name, _below(path, name))

    def _one(self, up: int, low: int | None, name: str, path: str) -> Iterator[Change]:
        there = low is not None and status(name, low) is not None
        if _is_whiteout(os.stat(name, dir_fd=up, follow_symlinks=False)):
            if low is not None and there:
                yield from self._all("removed", low, name, path)
            return
        if low is None or not there:
            yield from self._all("added", up, name, path)
            return
        was, now = self._entry(low, name, path), self._entry(up, name, path)
        if was.kind is not now.kind:
            yield Change(path, "kind", was, now)
            yield from self._within("removed", low, was, path)
            yield from self._within("added", up, now, path)
        elif was.ref != now.ref:
            yield Change(path, "modified", was, now)
        elif was.mode != now.mode:
            yield Change(path, "mode", was, now)
        if was.kind is now.kind is Kind.DIR:
            inner_up, inner_low = opened_directory(name, up), opened_directory(name, low)
            try:
                yield from self.between(inner_up, inner_low, path)
            finally:
                os.close(inner_up)
                os.close(inner_low)

    def _all(self, what: str, fd: int, name: str, path: str) -> Iterator[Change]:
        entry = self._entry(fd, name, path)
        yield Change(path, "added", None, entry) if what == "added" else Change(path, "removed", entry, None)
        yield from self._within(what, fd, entry, path)

    def _within(self, what: str, fd: int, entry: Entry, path: str) -> Iterator[Change]:
        if entry.kind is not Kind.DIR:
            return
        inner = opened_directory(entry.name, fd)
        try:
            for each in sorted(os.listdir(inner)):  # noqa: PTH208 - as above
                if not _is_whiteout(os.stat(each, dir_fd=inner, follow_symlinks=False)):
                    yield from self._all(what, inner, each, _below(path, each))
        finally:
            os.close(inner)

    def _entry(self, fd: int, name: str, path: str) -> Entry:
        found = os.stat(name, dir_fd=fd, follow_symlinks=False)
        if stat.S_ISDIR(found.st_mode):
            return Entry(name, Kind.DIR, stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid, 0, "")
        return self._walk.described(fd, path, name, found)


def _below(path: str, name: str) -> str:
    return f"{path}/{name}" if path else name


def _is_whiteout(found: os.stat_result) -> bool:
    return stat.S_ISCHR(found.st_mode) and found.st_rdev == 0


def _is_opaque(up: int) -> bool:
    for name in _OPAQUE:
        try:
            if os.getxattr(up, name) == b"y":
                return True
        except OSError:
            continue
    return False
