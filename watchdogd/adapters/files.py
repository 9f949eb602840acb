"""File access beneath one root: every path is walked by directory descriptors and no link is followed."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from watchdogd.adapters.protection import Protection
from watchdogd.core.errors import ToolError

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_REGULAR = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_TEMPORARY = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

_CHUNK_BYTES = 1024 * 1024

_PATH_BYTES = 4_096
"""The kernel's PATH_MAX."""

_SAID = {
    errno.ENOENT: ("not_found", "does not exist"),
    errno.ENOTDIR: ("not_found", "leads through something that is not a directory"),
    errno.ELOOP: ("permission", "leads through a symbolic link; links are not followed"),
    errno.EACCES: ("permission", "may not be accessed"),
    errno.EPERM: ("permission", "may not be accessed"),
    errno.EEXIST: ("exists", "exists already"),
    errno.ENAMETOOLONG: ("invalid", "has a name that is too long"),
    errno.ENOSPC: ("disk", "cannot be written: no room left on the disk"),
    errno.EDQUOT: ("disk", "cannot be written: the disk quota is used up"),
    errno.EROFS: ("disk", "is on a read-only file system"),
    errno.ENXIO: ("invalid", "is not a regular file"),
}
"""Kind of error and sentence for what the kernel says."""


class RootedFiles:
    """Files beneath ``root``, by directory descriptors.

    A component that is, or is swapped for, a symbolic link ends the walk, so nothing outside ``root`` is ever opened.
    ``protected`` paths and globs (relative to ``root``) can be read, but neither they nor anything below them written.

    Raises:
        SandboxError: a protected path does not lie below the root.
    """

    def __init__(self, root: Path, *, protected: Sequence[str] = (), write_limit_bytes: int = 16 * 1024**2) -> None:
        self._root = root.resolve()
        self._protection = Protection(str(self._root), protected)
        self._write_limit_bytes = write_limit_bytes

    def read(self, path: str, *, limit_bytes: int) -> tuple[bytes, bool]:
        """The first ``limit_bytes`` of the file, and whether there is more.

        Raises:
            ToolError: there is no such regular file beneath the root, or it may not be read.
        """
        with self._said(path), self._opened(path) as fd:
            found = bytearray()
            while len(found) <= limit_bytes:
                piece = os.read(fd, min(_CHUNK_BYTES, limit_bytes + 1 - len(found)))
                if not piece:
                    return bytes(found), False
                found += piece
            return bytes(found[:limit_bytes]), True

    def list(self, path: str, *, limit: int) -> tuple[list[str], bool]:
        """Names in a directory, sorted, directories with a trailing ``/``, and whether the list was cut.

        Raises:
            ToolError: there is no such directory beneath the root, or it may not be read.
        """
        with self._said(path), self._directory(self._parts(path)) as fd:
            names = []
            with os.scandir(fd) as entries:
                for entry in entries:
                    name = os.fsencode(entry.name).decode("utf-8", "backslashreplace")
                    names.append(f"{name}/" if entry.is_dir(follow_symlinks=False) else name)
        names.sort()
        return names[:limit], len(names) > limit

    def is_dir(self, path: str) -> bool:
        """Whether ``path`` is a directory; a link to one is not.

        Raises:
            ToolError: it does not exist or cannot be looked at.
        """
        parts = self._parts(path)
        if not parts:
            return True
        with self._said(path), self._directory(parts[:-1]) as parent:
            return stat.S_ISDIR(os.stat(parts[-1], dir_fd=parent, follow_symlinks=False).st_mode)

    def write(self, path: str, data: bytes, *, create_only: bool) -> None:
        """Makes ``data`` the file's content, whole or not at all, and synced; parents are made, the mode is kept.

        Raises:
            ToolError: the path is protected, too large, exists (with ``create_only``), is no regular file, or the disk
                refuses.
        """
        parts = self._parts(path)
        if not parts:
            raise ToolError(f"{path!r} is the workspace itself, not a file", kind="invalid")
        self._refuse_protected(path, parts)
        if len(data) > self._write_limit_bytes:
            over = f"{len(data)} bytes are over the limit of {self._write_limit_bytes} for one file"
            raise ToolError(over, kind="invalid")
        with self._said(path), self._directory(parts[:-1], make=True) as parent:
            before = _present(parent, parts[-1])
            if before is not None and create_only:
                raise ToolError(f"{path!r} exists already", kind="exists")
            if before is not None and not stat.S_ISREG(before.st_mode):
                raise ToolError(f"{path!r} is not a regular file", kind="invalid")
            _replace(parent, parts[-1], data, before, create_only=create_only)

    def digest(self, path: str) -> str | None:
        """The sha256 of the file in hex, or None when there is none.

        Raises:
            ToolError: it is not a regular file, or may not be read.
        """
        parts = self._parts(path)
        with self._said(path):
            try:
                with self._opened_at(parts) as fd:
                    summed = hashlib.sha256()
                    while piece := os.read(fd, _CHUNK_BYTES):
                        summed.update(piece)
                    return summed.hexdigest()
            except FileNotFoundError:
                return None

    def _parts(self, path: str) -> tuple[str, ...]:
        """The components of ``path`` below the root; an absolute path must lie beneath it."""
        if path.startswith("/"):
            root = str(self._root)
            if path != root and not path.startswith(root.rstrip("/") + "/"):
                raise ToolError(f"{path!r} is outside the workspace {root}", kind="permission")
            path = path[len(root) :]
        return _components(path)

    def _refuse_protected(self, path: str, parts: tuple[str, ...]) -> None:
        pattern = self._protection.covering("/".join(parts))
        if pattern is not None:
            raise ToolError(f"{path!r} is protected: nothing may change {pattern!r}", kind="protected")

    @contextlib.contextmanager
    def _directory(self, parts: Sequence[str], *, make: bool = False) -> Iterator[int]:
        """A descriptor of the directory that ``parts`` lead to, closed afterwards."""
        fd = os.open(self._root, _DIRECTORY)
        try:
            for part in parts:
                below = _step(fd, part, make=make)
                os.close(fd)
                fd = below
            yield fd
        finally:
            os.close(fd)

    def _opened(self, path: str) -> contextlib.AbstractContextManager[int]:
        return self._opened_at(self._parts(path))

    @contextlib.contextmanager
    def _opened_at(self, parts: Sequence[str]) -> Iterator[int]:
        """A descriptor of the regular file that ``parts`` lead to, closed afterwards."""
        if not parts:
            raise OSError(errno.ENXIO, "a directory")
        with self._directory(parts[:-1]) as parent:
            # Opening a device can have effects and a FIFO would wait for its other end: look before opening, and
            # look again at what was opened, because the name may have been given to something else in between.
            if not stat.S_ISREG(_linkless(parent, parts[-1]).st_mode):
                raise OSError(errno.ENXIO, "not a regular file")
            fd = os.open(parts[-1], _REGULAR, dir_fd=parent)
            try:
                if not stat.S_ISREG(os.fstat(fd).st_mode):
                    raise OSError(errno.ENXIO, "not a regular file")
                yield fd
            finally:
                os.close(fd)

    @contextlib.contextmanager
    def _said(self, path: str) -> Iterator[None]:
        """Turns what the kernel says into a sentence about ``path`` for the model."""
        try:
            yield
        except OSError as why:
            kind, said = _SAID.get(why.errno or 0, ("tool", f"cannot be used: {why.strerror}"))
            raise ToolError(f"{path!r} {said}", kind=kind) from why


def _components(path: str) -> tuple[str, ...]:
    """The names in a relative path; ``.`` and repeated slashes are dropped.

    Raises:
        ToolError: it holds ``..`` or NUL, is too long, or is not text a file name can have.
    """
    try:
        raw = os.fsencode(path)
    except UnicodeEncodeError as why:
        raise ToolError(f"{path!r} cannot be a file name", kind="invalid") from why
    if b"\0" in raw:
        raise ToolError(f"{path!r} holds a NUL", kind="invalid")
    if len(raw) > _PATH_BYTES:
        raise ToolError(f"a path of {len(raw)} bytes is too long", kind="invalid")
    parts = tuple(part for part in path.split("/") if part not in ("", "."))
    if ".." in parts:
        raise ToolError(f"{path!r} holds '..'; name the file from the workspace's root", kind="invalid")
    return parts


def _step(fd: int, part: str, *, make: bool) -> int:
    """A descriptor of the directory ``part`` in ``fd``; made when missing and ``make``."""
    if make:
        with contextlib.suppress(FileExistsError):
            os.mkdir(part, 0o755, dir_fd=fd)
    _linkless(fd, part)
    return os.open(part, _DIRECTORY, dir_fd=fd)


def _linkless(fd: int, part: str) -> os.stat_result:
    """What ``part`` in ``fd`` is; a symbolic link is refused by name (O_DIRECTORY would only say ENOTDIR)."""
    seen = os.stat(part, dir_fd=fd, follow_symlinks=False)
    if stat.S_ISLNK(seen.st_mode):
        raise OSError(errno.ELOOP, "a symbolic link")
    return seen


def _present(parent: int, name: str) -> os.stat_result | None:
    try:
        return _linkless(parent, name)
    except FileNotFoundError:
        return None


def _replace(parent: int, name: str, data: bytes, before: os.stat_result | None, *, create_only: bool) -> None:
    """Writes beside ``name``, syncs, and gives the bytes their name in one step."""
    temp = f".{secrets.token_hex(8)}.tmp"
    fd = os.open(temp, _TEMPORARY, 0o600, dir_fd=parent)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(data)
            file.flush()
            _dress(fd, before)
            os.fsync(fd)
        if create_only:
            # link() fails when the name was taken meanwhile; rename() would replace it.
            os.link(temp, name, src_dir_fd=parent, dst_dir_fd=parent, follow_symlinks=False)
            os.unlink(temp, dir_fd=parent)
        else:
            os.rename(temp, name, src_dir_fd=parent, dst_dir_fd=parent)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temp, dir_fd=parent)
        raise
    os.fsync(parent)


def _dress(fd: int, before: os.stat_result | None) -> None:
    """Gives the new file the mode and owner of the one it replaces; setuid and setgid are not carried over."""
    if before is None:
        os.fchmod(fd, 0o644)
        return
    with contextlib.suppress(PermissionError):
        os.fchown(fd, before.st_uid, before.st_gid)
    os.fchmod(fd, stat.S_IMODE(before.st_mode) & 0o777)
