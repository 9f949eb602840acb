"""Walking a workspace into trees: by directory descriptors, never through a link, reading only what changed.

A file is taken as unchanged when inode, ctime, mtime, size and mode are what they were when it was read. ctime cannot
be set by a program, but its tick is coarse: a file read within a tick of its own ctime is read again next time (git
calls such entries racily clean). What escapes this is a store to a page that was already dirty through a shared
mapping: the kernel stamps only the first.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from fnmatch import translate
from re import compile as regex
from typing import Protocol, TypeAlias

from watchdogd.adapters.snapshots import trees
from watchdogd.adapters.snapshots.packs import CHUNK_BYTES, WHOLE, ZEROS, listed
from watchdogd.core.tree import HARD_LINK, Entry, Kind, Missed

DEPTH = 200
"""Directories within each other; each costs an open descriptor (1,024 are usual) and a frame."""
TICK_NS = 100_000_000
"""ctime ticks with the kernel's timer (4 to 10 ms on local file systems); ten times that is taken as safe."""
_TRIES = 3
"""Readings of a file or directory that changes meanwhile before it is called changing."""
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_WALK = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

_LOOK_AGAIN = frozenset({Missed.CHANGING, Missed.UNREADABLE})

Signature: TypeAlias = tuple[int, int, int, int, int]
"""inode, ctime, mtime (ns), size, mode with type."""


class Sink(Protocol):
    """Where contents go."""

    def __contains__(self, digest: bytes) -> bool: ...

    def put(self, data: bytes) -> bytes:
        """Takes (a part of) a file; returns its digest."""
        ...

    def put_tree(self, data: bytes) -> bytes:
        """Takes (a part of) a directory; returns its digest."""
        ...


class OutOfTime(Exception):
    """The deadline passed."""


@dataclass(slots=True)
class Known:
    """What is known of a directory since it was read last."""

    ref: str = ""
    """Its tree; empty when it was never read to the end."""
    entries: dict[str, Entry] = field(default_factory=dict)
    signatures: dict[str, Signature] = field(default_factory=dict)
    """Of files, links and what was not captured; a name that must be read again has none."""
    children: dict[str, Known] = field(default_factory=dict)
    missed: tuple[tuple[str, str], ...] = ()
    """Names here that were not captured, and why."""
    files: int = 0
    bytes: int = 0

    def copy(self) -> Known:
        """One that can be brought up to date without touching this one."""
        children = {name: child.copy() for name, child in self.children.items()}
        return Known(self.ref, dict(self.entries), dict(self.signatures), children, self.missed, self.files, self.bytes)


@dataclass(frozen=True, slots=True)
class Limits:
    """What is too much."""

    file_bytes: int = 4 * 1024**3
    """A larger file is named and not captured; at most 32 GiB, where a list of chunks would outgrow an object."""
    entries: int = 1_000_000
    """More names than these and the scan gives up."""


class TooMany(Exception):
    """More entries than the limit."""


class Walk:
    """One walk over a workspace."""

    def __init__(
        self,
        sink: Sink,
        *,
        limits: Limits,
        in_time: Callable[[], bool],
        wall_ns: int,
        exclude: Sequence[str] = (),
        mounts: frozenset[str] = frozenset(),
        ours: frozenset[tuple[int, int]] = frozenset(),
        hidden: str = "",
    ) -> None:
        """``wall_ns`` is the time when the walk begins, ``hidden`` a name in the root that is passed over."""
        self._sink, self._limits, self._in_time = sink, limits, in_time
        self._safe_before = wall_ns - TICK_NS
        self._excluded = regex("|".join(map(_pattern, exclude))).fullmatch if exclude else None
        self._mounts, self._ours, self._hidden = mounts, ours, hidden
        self._device = -1
        self._seen = 0
        self._moved: set[str] = set()
        self.files_read = 0

    @property
    def changing(self) -> frozenset[str]:
        """Directories that changed each time they were listed."""
        return frozenset(self._moved)

    def root(self, fd: int, known: Known) -> Entry:
        """The workspace as an entry; brings ``known`` up to date.

        Raises:
            OutOfTime: the deadline passed; what was read so far is in ``known``.
            TooMany: there are more entries than the limit.
            OSError: the root itself cannot be read, or the sink's disk refuses.
        """
        found = os.fstat(fd)
        self._device = found.st_dev
        self._directory(fd, "", known, 0, found)
        return Entry("", Kind.DIR, stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid, 0, known.ref)

    def _directory(self, fd: int, path: str, known: Known, depth: int, found: os.stat_result) -> None:
        for _ in range(_TRIES):
            self._listed(fd, path, known, depth)
            again = os.fstat(fd)
            if (again.st_mtime_ns, again.st_ctime_ns) == (found.st_mtime_ns, found.st_ctime_ns):
                break
            found = again
        else:
            self._moved.add(path)

    def _listed(self, fd: int, path: str, known: Known, depth: int) -> None:
        if not self._in_time():
            raise OutOfTime
        signatures = known.signatures
        names = set()
        safe_before, excluded, hidden = self._safe_before, self._excluded, "" if path else self._hidden
        with os.scandir(fd) as listing:
            for item in listing:
                name = item.name
                if name == hidden and hidden:
                    continue
                try:
                    found = item.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                except PermissionError:
                    names.add(name)
                    self._note(known, Entry(name, Kind.OTHER, 0, 0, 0, 0, Missed.UNREADABLE.value))
                    continue
                names.add(name)
                signature = (found.st_ino, found.st_ctime_ns, found.st_mtime_ns, found.st_size, found.st_mode)
                if signatures.get(name) == signature:
                    continue
                below = f"{path}/{name}" if path else name
                if excluded is not None and excluded(below):
                    entry = _other(name, found, Missed.EXCLUDED)
                    known.children.pop(name, None)
                elif stat.S_ISDIR(found.st_mode):
                    entry = self._child(fd, below, name, found, known, depth)
                else:
                    known.children.pop(name, None)
                    entry = self.described(fd, below, name, found)
                    if found.st_ctime_ns < safe_before and entry.ref not in _LOOK_AGAIN:
                        signatures[name] = signature
                    else:
                        signatures.pop(name, None)
                self._note(known, entry)
        self._finish(known, names)

    def _note(self, known: Known, entry: Entry) -> None:
        if known.entries.get(entry.name) != entry:
            known.entries[entry.name] = entry
            known.ref = ""  # from now on, should the walk end early, this directory is not the one that was stored

    def _finish(self, known: Known, names: set[str]) -> None:
        gone = known.entries.keys() - names
        for name in gone:
            known.ref = ""
            del known.entries[name]
            known.signatures.pop(name, None)
            known.children.pop(name, None)
        self._seen += len(names)
        if self._seen > self._limits.entries:
            raise TooMany
        if known.ref:
            return
        entries = known.entries.values()
        known.ref = trees.stored(entries, self._sink.put_tree)
        files = [entry.size for entry in entries if entry.kind is Kind.FILE]
        known.files, known.bytes = len(files), sum(files)
        known.missed = tuple((entry.name, entry.ref) for entry in entries if entry.kind is Kind.OTHER)

    def _child(self, fd: int, path: str, name: str, found: os.stat_result, known: Known, depth: int) -> Entry:
        why = self._why_not(path, found, depth)
        if why is None:
            try:
                inner = os.open(name, _WALK, dir_fd=fd)
            except OSError as error:
                why = Missed.UNREADABLE if error.errno in {errno.EACCES, errno.EPERM} else Missed.CHANGING
            else:
                try:
                    opened = os.fstat(inner)
                    if (opened.st_dev, opened.st_ino) == (found.st_dev, found.st_ino):
                        child = known.children.setdefault(name, Known())
                        self._directory(inner, path, child, depth + 1, opened)
                        mode = stat.S_IMODE(found.st_mode)
                        return Entry(name, Kind.DIR, mode, found.st_uid, found.st_gid, 0, child.ref)
                    why = Missed.CHANGING
                finally:
                    os.close(inner)
        known.children.pop(name, None)
        return _other(name, found, why)

    def _why_not(self, path: str, found: os.stat_result, depth: int) -> Missed | None:
        if path in self._mounts or found.st_dev != self._device:
            return Missed.MOUNT
        if (found.st_dev, found.st_ino) in self._ours:
            return Missed.OURS
        return Missed.TOO_DEEP if depth >= DEPTH else None

    def described(self, fd: int, path: str, name: str, found: os.stat_result) -> Entry:
        """What ``name`` in directory ``fd`` is, its content put into the sink; anything but a directory."""
        if path in self._mounts:
            return _other(name, found, Missed.MOUNT)
        if stat.S_ISREG(found.st_mode):
            return self._file(fd, name, found)
        if stat.S_ISLNK(found.st_mode):
            try:
                target = os.readlink(name, dir_fd=fd)
            except OSError:
                return _other(name, found, Missed.CHANGING)
            return Entry(name, Kind.LINK, 0o777, found.st_uid, found.st_gid, 0, target)
        if stat.S_ISFIFO(found.st_mode):
            return _other(name, found, Missed.FIFO)
        return _other(name, found, Missed.SOCKET if stat.S_ISSOCK(found.st_mode) else Missed.DEVICE)

    def _file(self, fd: int, name: str, listed_as: os.stat_result) -> Entry:
        found = listed_as
        for _ in range(_TRIES):
            if found.st_size > self._limits.file_bytes:
                return _other(name, found, Missed.TOO_LARGE)
            if not self._in_time():
                raise OutOfTime
            self.files_read += 1
            try:
                file = os.open(name, _READ, dir_fd=fd)
            except PermissionError:
                return _other(name, found, Missed.UNREADABLE)
            except OSError:
                return _other(name, found, Missed.CHANGING)
            try:
                ref, length, holes = self._content(file, found.st_size)
                after = os.fstat(file)
                if length == found.st_size and _signature(after) == _signature(found):
                    notes = _notes(file, found, holes=holes)
                    mode = stat.S_IMODE(found.st_mode)
                    return Entry(name, Kind.FILE, mode, found.st_uid, found.st_gid, length, ref, notes)
                found = after
            except OSError as error:
                if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EROFS}:
                    raise
                return _other(name, found, Missed.UNREADABLE)
            finally:
                os.close(file)
            if not stat.S_ISREG(found.st_mode):
                break
        return _other(name, found, Missed.CHANGING)

    def _content(self, file: int, size: int) -> tuple[str, int, bool]:
        """The file's ref, the bytes it stands for, and whether there are holes in it."""
        if size <= CHUNK_BYTES:
            data = os.read(file, size + 1)
            return WHOLE + self._sink.put(data[:CHUNK_BYTES]).hex(), len(data), False
        holes, length = False, 0
        digests = []
        for at, is_hole in _chunk_starts(file, size):
            if is_hole:
                digests.append(ZEROS)
                holes, length = True, length + CHUNK_BYTES
                continue
            if not self._in_time():
                raise OutOfTime
            data = os.pread(file, min(CHUNK_BYTES, size - at), at)
            length += len(data)
            digests.append(ZEROS if len(data) == CHUNK_BYTES and not data.strip(b"\0") else self._sink.put(data))
        return listed(digests, self._sink.put), length, holes


def _chunk_starts(file: int, size: int) -> Iterator[tuple[int, bool]]:
    """Where each chunk begins and whether it lies in a hole wholly."""
    at, data = 0, -1
    while at < size:
        if data < at:
            try:
                data = os.lseek(file, at, os.SEEK_DATA)
            except OSError:
                data = size
        yield at, data >= at + CHUNK_BYTES and at + CHUNK_BYTES <= size
        at += CHUNK_BYTES


def _signature(found: os.stat_result) -> tuple[int, ...]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_mode


def _notes(file: int, found: os.stat_result, *, holes: bool) -> tuple[str, ...]:
    notes = [HARD_LINK] if found.st_nlink > 1 else []
    notes += ["holes"] if holes else []
    with suppress(OSError):  # a file system without any
        notes += [f"xattr {name}" for name in sorted(os.listxattr(file))]
    return tuple(notes)


def _other(name: str, found: os.stat_result, why: Missed) -> Entry:
    return Entry(name, Kind.OTHER, stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid, 0, why.value)


def _pattern(glob: str) -> str:
    """``node_modules`` or ``*.log`` at any depth; ``build/out`` from the root."""
    glob = glob.rstrip("/")
    return translate(glob.lstrip("/")) if "/" in glob else f"(?:(?s:.*)/)?{translate(glob)}"


def missed_in(known: Known, path: str = "") -> Iterator[tuple[str, str]]:
    """Every path that was not captured, and why."""
    for name, why in known.missed:
        yield (f"{path}/{name}" if path else name), why
    for name, child in sorted(known.children.items()):
        yield from missed_in(child, f"{path}/{name}" if path else name)


def totals(known: Known) -> tuple[int, int]:
    """Files and bytes of a directory and all below."""
    files, size = known.files, known.bytes
    for child in known.children.values():
        more_files, more_bytes = totals(child)
        files += more_files
        size += more_bytes
    return files, size
