"""What a command would change: a throw-away copy of the workspace, and a readable, bounded diff of what happened there.

The copy is a directory that commands and file tools can use alike; blocks are shared where the disk can. What is
different afterwards is found by status, so that only what was touched is read.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Literal

from watchdogd.adapters.snapshots import trees
from watchdogd.adapters.snapshots.archive import Archive, HashOnly, Scanned
from watchdogd.adapters.snapshots.copying import copy, copy_file, give_rights
from watchdogd.adapters.snapshots.descent import Descent, opened_directory, remove
from watchdogd.adapters.snapshots.difference import Reader, readable
from watchdogd.adapters.snapshots.manifests import checked_id
from watchdogd.adapters.snapshots.roots import opened
from watchdogd.adapters.snapshots.scan import TICK_NS, Known, totals
from watchdogd.core.changes import Changes
from watchdogd.core.errors import SnapshotError
from watchdogd.core.tree import Entry, Kind, Missed, changes
from watchdogd.ports import Clock

_DIRECTORY = "previews"


class Preview:
    """A copy of one workspace. Use it as a context manager: it is gone at the end."""

    def __init__(
        self, archive: Archive, root: str, *, id_: str, exclude: tuple[str, ...], clock: Clock, most_bytes: int
    ) -> None:
        self._archive, self._root, self._exclude, self._clock = archive, root, exclude, clock
        self._most_bytes = most_bytes
        self._sink = HashOnly()
        self._known = Known()
        self._was: Entry | None = None
        self.path = f"{archive.directory}/{_DIRECTORY}/{checked_id(id_)}"
        """The copy."""
        self.how: Literal["shared", "copied"] = "copied"
        """Whether its blocks are shared with the workspace."""
        self.missing: tuple[tuple[str, str], ...] = ()
        """Paths that the copy does not have, and why."""
        self.go_on: Callable[[], bool] = lambda: True
        """Asked before each file that is copied; False ends the making."""

    def __enter__(self) -> Preview:
        self.make()
        return self

    def __exit__(self, *_: object) -> None:
        self.discard()

    def make(self) -> None:
        """Makes the copy.

        Raises:
            SnapshotError: the workspace is refused, keeps changing or is too large, the disk is full or would be, or
                ``go_on`` said no; no copy is left.
        """
        with self._archive.lock, opened(self._root, state=self._archive.state) as fd:
            source = self._scanned(fd)
            if source.entry is None or source.why:
                raise self._none(source.why)
            size = totals(source.known)[1]
            if size > self._most_bytes:
                raise self._none(f"{size:,} bytes, {self._most_bytes:,} are the most")
            try:
                os.makedirs(self.path, mode=0o700)  # noqa: PTH103 - one style of paths in this package
            except OSError as error:
                raise self._none(str(error)) from error
            try:
                self._fill(fd, source.known, source.entry)
            except OSError as error:
                self.discard()
                raise self._none(str(error)) from error
            except BaseException:
                self.discard()
                raise

    def _scanned(self, fd: int) -> Scanned:
        try:
            return self._archive.scan(fd, self._root, self._exclude, self._sink)
        except OSError as error:
            raise self._none(str(error)) from error

    def _none(self, why: str) -> SnapshotError:
        return SnapshotError(f"no preview of {self._root}: {why}")

    def changes(self) -> Changes:
        """What is different in the copy by now.

        Raises:
            SnapshotError: it cannot be read.
        """
        if self._was is None:
            raise SnapshotError(f"there is no preview of {self._root}")
        try:
            found = self._walked()
        except OSError as error:
            raise SnapshotError(f"the preview cannot be compared: {error}") from error
        if found.entry is None:
            raise SnapshotError(f"the preview cannot be compared: {found.why}")
        items = changes(self._was, found.entry, lambda ref: trees.loaded(ref, self._sink.trees.__getitem__))
        return Changes(since="the workspace", items=tuple(items), unsure=found.changing)

    def text(self, found: Changes | None = None, *, lines: int = 400) -> list[str]:
        """What is different (``found``, where it is known already), readable, at most ``lines`` lines.

        A tenth of the lines may name paths and a fiftieth of so many files are compared line by line, but no fewer
        than 200 and 50.

        Raises:
            SnapshotError: it cannot be read.
        """
        changes = self.changes() if found is None else found
        listed, files = max(200, lines // 10), max(50, lines // 50)
        return readable(changes, reader(self._root), reader(self.path), lines=lines, files=files, listed=listed)

    def discard(self) -> None:
        """Removes the copy.

        Raises:
            SnapshotError: it cannot be removed.
        """
        self._was = None
        with suppress(FileNotFoundError):
            discard(self._archive.directory, os.path.basename(self.path))  # noqa: PTH119 - as above

    def _walked(self) -> Scanned:
        fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            return self._archive.walked(fd, self._known, self._exclude, self._sink)
        finally:
            os.close(fd)

    def _fill(self, fd: int, source: Known, root: Entry) -> None:
        place = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            shared = [True]
            missing = list(self._directory(fd, place, source, self._known, "", shared))
            found = os.fstat(fd)
            if os.geteuid() == 0:
                os.fchown(place, found.st_uid, found.st_gid)
            os.fchmod(place, stat.S_IMODE(found.st_mode))
            own = os.fstat(place)
        finally:
            os.close(place)
        self.how = "shared" if shared[0] and source.files else "copied"
        self.missing = tuple(missing)
        self._forget_recent(self._known, int(self._clock.wall() * 1e9) - TICK_NS)
        self._was = replace(
            root, mode=stat.S_IMODE(own.st_mode), uid=own.st_uid, gid=own.st_gid, ref=self._known.ref, notes=()
        )

    def _directory(
        self, fd: int, place: int, source: Known, own: Known, path: str, shared: list[bool]
    ) -> Iterator[tuple[str, str]]:
        for name, entry in source.entries.items():
            below = f"{path}/{name}" if path else name
            if not self.go_on():
                raise self._none("it was called off")
            self._archive.refuse_when_full(entry.size)
            if entry.kind is Kind.DIR:
                os.mkdir(name, 0o700, dir_fd=place)
                inner, outer = opened_directory(name, fd), opened_directory(name, place)
                child = own.children[name] = Known()
                try:
                    yield from self._directory(inner, outer, source.children[name], child, below, shared)
                finally:
                    os.close(inner)
                    os.close(outer)
            elif entry.kind is Kind.FILE:
                shared[0] &= copy_file(name, fd, name, place, sync=False)
            elif entry.kind is Kind.LINK:
                os.symlink(entry.ref, name, dir_fd=place)
            elif entry.ref == Missed.FIFO:
                os.mkfifo(name, dir_fd=place)
            elif entry.ref == Missed.EXCLUDED:
                copy(name, fd, name, place)  # a command may need it; what happens there is not compared
            else:
                yield below, entry.ref
                continue
            give_rights(os.stat(name, dir_fd=fd, follow_symlinks=False), name, place)
            self._remember(place, own, entry)
        own.ref = trees.stored(own.entries.values(), self._sink.put_tree)

    def _remember(self, place: int, own: Known, entry: Entry) -> None:
        """The copy's own owner and status, with the content that is known from the workspace."""
        found = os.stat(entry.name, dir_fd=place, follow_symlinks=False)
        mode = entry.mode if entry.kind is Kind.LINK else stat.S_IMODE(found.st_mode)
        ref = own.children[entry.name].ref if entry.kind is Kind.DIR else entry.ref
        own.entries[entry.name] = replace(entry, mode=mode, uid=found.st_uid, gid=found.st_gid, ref=ref, notes=())
        if entry.kind in {Kind.FILE, Kind.LINK}:
            own.signatures[entry.name] = (
                found.st_ino,
                found.st_ctime_ns,
                found.st_mtime_ns,
                found.st_size,
                found.st_mode,
            )

    def _forget_recent(self, known: Known, safe_before: int) -> None:
        """A file copied just now may change within the tick of its ctime: it will be read."""
        known.signatures = {name: seen for name, seen in known.signatures.items() if seen[1] < safe_before}
        for child in known.children.values():
            self._forget_recent(child, safe_before)


def reader(root: str) -> Reader:
    """Reads the first bytes of files below ``root``, through no link."""

    def read(path: str, limit_bytes: int) -> bytes | None:
        try:
            fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            return None
        descent = Descent(fd, loosen=False)
        try:
            dir_fd, name = descent.parent_of(path)
            file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=dir_fd)
        except OSError:
            return None
        else:
            try:
                return os.read(file, limit_bytes) if stat.S_ISREG(os.fstat(file).st_mode) else None
            except OSError:
                return None
            finally:
                os.close(file)
        finally:
            descent.close()
            os.close(fd)

    return read


def discard(directory: str, id_: str) -> None:
    """Removes a preview.

    Raises:
        SnapshotError: it cannot be removed.
    """
    try:
        fd = os.open(f"{directory}/{_DIRECTORY}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            remove(id_, fd)
        finally:
            os.close(fd)
    except FileNotFoundError:
        return
    except OSError as error:
        raise SnapshotError(f"preview {id_} cannot be removed: {error}") from error


def discard_all(directory: str) -> None:
    """Removes what previews of a process that died left behind.

    Raises:
        SnapshotError: something cannot be removed.
    """
    with suppress(FileNotFoundError):
        for name in os.listdir(f"{directory}/{_DIRECTORY}"):  # noqa: PTH208 - names alone
            discard(directory, name)
