"""Which directories may be a workspace, and how one is opened so that it stays the one that was meant."""

from __future__ import annotations

import os
import pwd
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from watchdogd.core.errors import SnapshotError


@contextmanager
def opened(root: str, *, state: str) -> Iterator[int]:
    """A descriptor of directory ``root``, which is no place that must never be rolled back.

    Raises:
        SnapshotError: one sentence that says why not.
    """
    if sys.getfilesystemencoding().lower() != "utf-8":
        raise SnapshotError(f"file names are read as {sys.getfilesystemencoding()} here; UTF-8 is needed")
    if not root.startswith("/"):
        raise SnapshotError(f"workspace {root} is not an absolute path")
    try:
        fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise SnapshotError(_cannot_open(root, error)) from error
    try:
        refuse(fd, root, state)
        yield fd
    finally:
        os.close(fd)


def refuse(fd: int, root: str, state: str) -> None:
    """Lets a directory pass that may be a workspace.

    Identity counts, not spelling: a bind mount of a home directory is that home directory.

    Raises:
        SnapshotError: the directory is ``/``, a home directory, above one, or shares its place with ``state``.
    """
    own = _identity(os.fstat(fd))
    if own == _identity(os.stat("/")):  # noqa: PTH116 - identities, by one function
        raise SnapshotError(f"workspace {root} is the root of the file system")
    for home in _homes():
        if own in set(_identities(home)):
            raise SnapshotError(f"workspace {root} is the home directory {home}, or holds it")
    if own in set(_identities(state)):
        raise SnapshotError(f"workspace {root} is or holds the state directory {state}")
    real = os.path.realpath(f"/proc/self/fd/{fd}")
    if _identity(os.stat(state)) in set(_identities(real)):  # noqa: PTH116 - as above
        raise SnapshotError(f"workspace {root} lies in the state directory {state}")


def mounts_below(fd: int) -> frozenset[str]:
    """Paths, relative to the directory ``fd``, on which something else is mounted."""
    real = os.readlink(f"/proc/self/fd/{fd}")  # noqa: PTH115 - a descriptor, not a path
    inside = real.rstrip("/") + "/"
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as lines:  # noqa: PTH123 - as above
        points = [_unescaped(line.split(" ")[4]) for line in lines]
    return frozenset(point[len(inside) :] for point in points if point.startswith(inside))


def _unescaped(field: str) -> str:
    for code, char in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        field = field.replace(code, char)
    return field


def _identity(what: os.stat_result) -> tuple[int, int]:
    return what.st_dev, what.st_ino


def _identities(path: str) -> Iterator[tuple[int, int]]:
    """The identity of ``path`` and of all directories above it."""
    path = os.path.realpath(path)
    while True:
        try:
            found = os.stat(path)  # noqa: PTH116 - as above
        except OSError:
            pass
        else:
            if stat.S_ISDIR(found.st_mode):
                yield _identity(found)
        parent = os.path.dirname(path)  # noqa: PTH120 - as above
        if parent == path:
            return
        path = parent


def _homes() -> Iterable[str]:
    homes = {entry.pw_dir for entry in pwd.getpwall()} | {os.environ.get("HOME", "")}
    return sorted(home for home in homes if home.startswith("/") and home != "/")


def _cannot_open(root: str, error: OSError) -> str:
    if os.path.islink(root):  # noqa: PTH114 - as above
        return f"workspace {root} is a symbolic link"
    known = {
        FileNotFoundError: "does not exist",
        NotADirectoryError: "is not a directory",
        PermissionError: "may not be read",
    }
    return f"workspace {root} {known.get(type(error), f'cannot be opened: {error.strerror}')}"
