"""What a restore took out of a workspace: moved whole, kept, listed; nothing is thrown away."""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from watchdogd.adapters.snapshots.copying import copy
from watchdogd.adapters.snapshots.descent import change_mode, held, make_path, remove, status
from watchdogd.adapters.snapshots.manifests import checked_id, entry_of, entry_row, write_file
from watchdogd.adapters.snapshots.packs import sync_directory, write_all
from watchdogd.core.errors import SnapshotError
from watchdogd.core.tree import Entry

_OWNER = 0o700


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One thing in quarantine."""

    path: str
    """Where it was, below the workspace."""
    lies_in: str
    """Where it is now, an absolute path."""
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """What one restore took out."""

    id: str
    root: str
    checkpoint: str
    """What was restored."""
    present: Entry
    """The workspace as it was before, whole: its objects are kept as long as this is."""
    things: tuple[Kept, ...]


class Quarantines:
    """A directory with a directory for each restore."""

    def __init__(self, directory: str) -> None:
        self._directory = directory

    def ids(self) -> list[str]:
        """All quarantines, sorted."""
        return sorted(os.listdir(self._directory))  # noqa: PTH208 - names alone

    def path(self, id_: str) -> str:
        """Where quarantine ``id_`` lies.

        Raises:
            SnapshotError: it is no id.
        """
        return f"{self._directory}/{checked_id(id_)}"

    def begin(self, id_: str, *, root: str, checkpoint: str, present: Entry) -> None:
        """Makes a quarantine; one that is there already keeps its record of what was first.

        Raises:
            OSError: the disk refuses.
        """
        path = self.path(id_)
        os.makedirs(path, mode=0o700, exist_ok=True)  # noqa: PTH103 - one style of paths in this package
        if not os.path.exists(f"{path}/record.json"):  # noqa: PTH110 - as above
            record = {"root": root, "checkpoint": checkpoint, "present": entry_row(present)}
            write_file(f"{path}/record.json", json.dumps(record).encode("ascii"))
            sync_directory(self._directory)

    def read(self, id_: str) -> Quarantined:
        """One quarantine with all that lies there.

        Raises:
            SnapshotError: there is none, or its record was damaged.
        """
        path = self.path(id_)
        try:
            with open(f"{path}/record.json", encoding="ascii") as file:  # noqa: PTH123 - as above
                record = json.load(file)
            present = entry_of(record["present"])
            things = tuple(_things(path))
        except FileNotFoundError as error:
            raise SnapshotError(f"there is no quarantine {id_}") from error
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise SnapshotError(f"quarantine {id_} cannot be read: {error}") from error
        return Quarantined(id=id_, root=record["root"], checkpoint=record["checkpoint"], present=present, things=things)

    def forget_empty(self, id_: str) -> None:
        """Removes a quarantine that was begun and into which nothing was moved, its record whole or not.

        Raises:
            SnapshotError: it cannot be removed, or what was moved cannot be told.
        """
        if id_ not in self.ids():
            return
        try:
            empty = next(_things(self.path(id_)), None) is None
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise SnapshotError(f"quarantine {id_} cannot be read: {error}") from error
        if empty:
            self.discard(id_)

    def discard(self, id_: str) -> None:
        """Throws a quarantine away, because a person said so.

        Raises:
            SnapshotError: it cannot be removed.
        """
        checked_id(id_)
        try:
            fd = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                remove(id_, fd)
            finally:
                os.close(fd)
        except OSError as error:
            raise SnapshotError(f"quarantine {id_} cannot be removed: {error}") from error


def _things(path: str) -> Iterator[Kept]:
    with suppress(FileNotFoundError), open(f"{path}/moved", encoding="ascii") as lines:  # noqa: PTH123 - as above
        for line in lines:
            row = json.loads(line)
            where = f"{path}/{row['round']}/{row['path']}"
            try:
                os.lstat(where)
            except (FileNotFoundError, NotADirectoryError):
                continue  # noted, but the move never happened
            except OSError:
                pass  # there, and too deep to be named in one path
            yield Kept(path=row["path"], lies_in=where, why=row["why"])


class Moves:
    """Moving things of one restore into its quarantine; each round has a directory of its own, so no two collide."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._round = 1 + max((int(name) for name in os.listdir(path) if name.isdigit()), default=0)  # noqa: PTH208
        self._log = -1
        self._fd = -1
        self.moved: list[str] = []

    def close(self) -> None:
        """Lets go of descriptors."""
        for fd in (self._log, self._fd):
            if fd >= 0:
                os.close(fd)
        self._log = self._fd = -1

    def next_round(self) -> None:
        """From here on a path may be moved a second time."""
        self.close()
        self._round += 1

    def take(self, name: str, dir_fd: int, path: str, why: str) -> None:
        """Moves ``name`` here; nothing happens when there is nothing of that name.

        Raises:
            OSError: it cannot be moved; what was there is still whole, here or there.
        """
        if status(name, dir_fd) is None:
            return
        if self._fd < 0:
            self._begin()
        line = json.dumps({"round": self._round, "path": path, "why": why}) + "\n"
        write_all(self._log, line.encode("ascii"))
        os.fdatasync(self._log)
        above, _, own = path.rpartition("/")
        place = make_path(self._fd, above)
        try:
            with _movable(name, dir_fd, place, own):
                try:
                    os.rename(name, own, src_dir_fd=dir_fd, dst_dir_fd=place)
                except OSError as error:
                    if not _other_disk(error):
                        raise
                    copy(name, dir_fd, own, place)
                    os.fsync(place)
                    remove(name, dir_fd)
        finally:
            os.close(place)
        self.moved.append(path)

    def _begin(self) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._log = os.open(f"{self._path}/moved", flags, 0o600)
        os.makedirs(f"{self._path}/{self._round}", mode=0o700, exist_ok=True)  # noqa: PTH103 - as above
        self._fd = os.open(f"{self._path}/{self._round}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        sync_directory(self._path)


def _other_disk(error: OSError) -> bool:
    return error.errno == errno.EXDEV


@contextmanager
def _movable(name: str, dir_fd: int, place: int, own: str) -> Iterator[None]:
    """A directory gets a new parent only when its owner may write to it."""
    found = status(name, dir_fd)
    mode = stat.S_IMODE(found.st_mode) if found is not None and stat.S_ISDIR(found.st_mode) else _OWNER
    if mode & _OWNER == _OWNER or os.geteuid() == 0:
        yield
        return
    with held(name, dir_fd) as (fd, _):
        change_mode(fd, mode | _OWNER)
    yield
    with held(own, place) as (fd, _):
        change_mode(fd, mode)
