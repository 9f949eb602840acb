"""What a restore will put in place, made beside it first: every byte is verified before anything else is touched."""

from __future__ import annotations

import os
from collections.abc import Callable

from watchdogd.adapters.snapshots.descent import change_mode, held, opened_directory, remove
from watchdogd.adapters.snapshots.packs import CHUNK_BYTES, chunks_of, sync_disk, write_all
from watchdogd.core.errors import SnapshotError
from watchdogd.core.tree import Entry, Kind, Loader, PutFile, PutLink, PutTree, Rights

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_SYNC_SINGLY = 64
"""So many files are synced one by one; for more it is cheaper to sync the whole file system at the end."""


class Staging:
    """A directory in the workspace's root, on the same disk, with the new things numbered by their step."""

    def __init__(
        self, root_fd: int, name: str, *, get: Callable[[bytes], bytes], load: Loader, rights: Rights, files: int
    ) -> None:
        self._root_fd, self._name, self._get, self._load, self._rights = root_fd, name, get, load, rights
        self._sync_singly = files <= _SYNC_SINGLY
        self._fd = -1

    @property
    def fd(self) -> int:
        """The directory."""
        return self._fd

    def make(self) -> None:
        """Creates the directory.

        Raises:
            OSError: the disk refuses.
        """
        os.mkdir(self._name, 0o700, dir_fd=self._root_fd)
        self._fd = opened_directory(self._name, self._root_fd)

    def close(self) -> None:
        """Lets go of the directory."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def remove(self) -> None:
        """Removes the directory with all that was not put in place.

        Raises:
            OSError: the disk refuses.
        """
        self.close()
        remove(self._name, self._root_fd)

    def stage(self, number: int, effect: PutFile | PutLink | PutTree) -> None:
        """Makes what ``effect`` puts in place.

        Raises:
            SnapshotError: something of it is missing or damaged in the store.
            OSError: the disk refuses.
        """
        self._entry(str(number), effect.entry, self._fd)

    def finish(self) -> None:
        """Makes the new contents survive a power cut.

        Raises:
            OSError: the disk refuses.
        """
        if not self._sync_singly:
            sync_disk(self._fd)

    def _entry(self, name: str, entry: Entry, dir_fd: int) -> None:
        match entry.kind:
            case Kind.FILE:
                self._file(name, self._rights.possible(entry), dir_fd)
            case Kind.LINK:
                os.symlink(entry.ref, name, dir_fd=dir_fd)
                if self._rights.privileged:
                    os.chown(name, entry.uid, entry.gid, dir_fd=dir_fd, follow_symlinks=False)
            case Kind.DIR:
                self._directory(name, entry, dir_fd)
            case Kind.OTHER:
                pass  # was not captured; the plan says so

    def _file(self, name: str, entry: Entry, dir_fd: int) -> None:
        fd = os.open(name, _NEW, 0o600, dir_fd=dir_fd)
        try:
            length = 0
            for part in chunks_of(entry.ref, self._get):
                if part is None:
                    os.lseek(fd, CHUNK_BYTES, os.SEEK_CUR)
                    length += CHUNK_BYTES
                else:
                    write_all(fd, part)
                    length += len(part)
            if length != entry.size:
                raise SnapshotError(f"{length} bytes of {entry.name} are stored, {entry.size} were promised")
            if length > CHUNK_BYTES:
                os.ftruncate(fd, length)  # a hole at the end
            if self._rights.privileged:
                os.fchown(fd, entry.uid, entry.gid)
            os.fchmod(fd, entry.mode)
            if self._sync_singly:
                os.fsync(fd)
        finally:
            os.close(fd)

    def _directory(self, name: str, entry: Entry, dir_fd: int) -> None:
        # Its own permissions come when it is in place: one that may not be written to cannot be moved.
        os.mkdir(name, 0o700, dir_fd=dir_fd)
        fd = opened_directory(name, dir_fd)
        try:
            for inner in self._load(entry.ref).values():
                self._entry(inner.name, inner, fd)
        finally:
            os.close(fd)

    def finish_directory(self, entry: Entry, name: str, dir_fd: int) -> None:
        """Gives a directory that was put in place, and all in it, their permissions, innermost first.

        Raises:
            OSError: it is gone, or the disk refuses.
        """
        fd = opened_directory(name, dir_fd)
        try:
            for inner in self._load(entry.ref).values():
                if inner.kind is Kind.DIR:
                    self.finish_directory(inner, inner.name, fd)
        finally:
            os.close(fd)
        with held(name, dir_fd) as (own, _):
            if self._rights.privileged:
                os.chown(f"/proc/self/fd/{own}", entry.uid, entry.gid)
            change_mode(own, self._rights.possible(entry).mode)
