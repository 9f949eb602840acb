"""Long texts kept by their digest, so that an event can name what it does not carry."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import stat
from pathlib import Path

from watchdogd.core.errors import RecordError, RecordFull
from watchdogd.core.ids import digest

_DIGEST = re.compile(r"[0-9a-f]{64}\Z")

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG})


class ObjectDirectory:
    """A directory of files named by the sha256 of what is in them (``ab/cdef…``), 0700 and 0600.

    Whoever reads does not trust whoever wrote: every read is verified. An object is whole or absent: it is written
    under another name, synced and renamed.
    """

    def __init__(self, root: Path, *, max_bytes: int = 64 * 1024**2) -> None:
        self._root, self._max_bytes = root, max_bytes

    def put(self, text: str) -> str:
        """Stores ``text`` synced and returns its digest; a damaged copy is replaced.

        Raises:
            RecordFull: the disk has no room or is read-only.
            RecordError: the text is larger than ``max_bytes``, or the directory cannot be written.
        """
        raw = text.encode("utf-8", "surrogatepass")
        if len(raw) > self._max_bytes:
            raise RecordError(f"an object of {len(raw)} bytes is over the limit of {self._max_bytes}")
        name = digest(raw)
        if self._read(name) == raw:
            return name
        try:
            self._write(self._path(name), raw)
        except OSError as why:
            full = RecordFull if why.errno in _NO_ROOM else RecordError
            raise full(f"object not stored: {why.strerror}") from why
        return name

    def get(self, digest: str) -> str | None:
        """The text, or None when it is missing, unreadable or does not match its digest."""
        raw = self._read(digest)
        return None if raw is None else raw.decode("utf-8", "surrogatepass")

    def _path(self, name: str) -> Path:
        return self._root / name[:2] / name[2:]

    def _read(self, name: str) -> bytes | None:
        if not _DIGEST.match(name):
            return None
        try:
            fd = os.open(self._path(name), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return None
        with os.fdopen(fd, "rb") as file:
            seen = os.fstat(fd)
            if not stat.S_ISREG(seen.st_mode) or seen.st_size > self._max_bytes:
                return None
            try:
                raw = file.read(self._max_bytes + 1)
            except OSError:
                return None
        return raw if digest(raw) == name else None

    def _write(self, path: Path, raw: bytes) -> None:
        made = not path.parent.is_dir()
        self._root.parent.mkdir(parents=True, exist_ok=True)
        self._root.mkdir(mode=0o700, exist_ok=True)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        temp = path.parent / f".{secrets.token_hex(8)}"
        fd = os.open(temp, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(fd, "wb") as file:
                file.write(raw)
                file.flush()
                os.fsync(fd)
            temp.replace(path)
        except OSError:
            with contextlib.suppress(OSError):
                temp.unlink()
            raise
        _sync_directory(path.parent)
        if made:
            _sync_directory(self._root)


def _sync_directory(path: Path) -> None:
    """Makes the names in ``path`` durable, not only the bytes behind them."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
