"""Reaching into a workspace by directory descriptors: one component at a time, never through a link."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_PATH = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_OWNER = 0o700


class Descent:
    """Opens directories below one root; keeps the way to the last one open, for paths come in order.

    With ``loosen`` a directory that its owner may not write to is made writable and remembered in ``loosened``.
    """

    def __init__(self, root_fd: int, *, loosen: bool = True) -> None:
        self._fds = [root_fd]
        self._loosen = loosen and os.geteuid() != 0
        self._names: list[str] = []
        self.loosened: dict[str, int] = {}
        self.entered: set[str] = set()

    def close(self) -> None:
        """Lets go of all but the root."""
        for fd in self._fds[1:]:
            os.close(fd)
        del self._fds[1:], self._names[:]

    def into(self, path: str) -> int:
        """A descriptor of directory ``path``, valid until the next call, in which names can be changed.

        Raises:
            OSError: a component is missing, no directory, or cannot be opened.
        """
        wanted = path.split("/") if path else []
        same = 0
        while same < min(len(wanted), len(self._names)) and wanted[same] == self._names[same]:
            same += 1
        while len(self._names) > same:
            os.close(self._fds.pop())
            self._names.pop()
        if not wanted and self._loosen:
            self._loosen_root()
        for name in wanted[same:]:
            self._fds.append(self._opened("/".join([*self._names, name]), name))
            self._names.append(name)
        self.entered.add(path)
        return self._fds[-1]

    def parent_of(self, path: str) -> tuple[int, str]:
        """The directory in which ``path`` has its name, and that name.

        Raises:
            OSError: as ``into``.
        """
        above, _, name = path.rpartition("/")
        return self.into(above), name

    def tighten(self) -> None:
        """Gives every directory that was opened for its owner the permissions it had."""
        for path, mode in sorted(self.loosened.items(), reverse=True):
            with suppress(FileNotFoundError, NotADirectoryError):
                self.set_mode(path, mode)
        self.loosened.clear()

    def set_mode(self, path: str, mode: int) -> None:
        """Sets the permissions of directory ``path``.

        Raises:
            OSError: it is missing, no directory, or not ours.
        """
        if not path:
            os.fchmod(self._fds[0], mode)
            return
        fd, name = self.parent_of(path)
        with held(name, fd) as (inner, found):
            if not stat.S_ISDIR(found.st_mode):
                raise NotADirectoryError(path)
            change_mode(inner, mode)

    def _loosen_root(self) -> None:
        mode = stat.S_IMODE(os.fstat(self._fds[0]).st_mode)
        if mode & _OWNER != _OWNER:
            os.fchmod(self._fds[0], mode | _OWNER)
            self.loosened.setdefault("", mode)

    def _opened(self, path: str, name: str) -> int:
        above = self._fds[-1]
        if self._loosen:
            with held(name, above) as (fd, found):
                mode = stat.S_IMODE(found.st_mode)
                if stat.S_ISDIR(found.st_mode) and mode & _OWNER != _OWNER:
                    change_mode(fd, mode | _OWNER)
                    self.loosened.setdefault(path, mode)
        return os.open(name, _DIRECTORY, dir_fd=above)


@contextmanager
def held(name: str, dir_fd: int) -> Iterator[tuple[int, os.stat_result]]:
    """A descriptor that only holds on to what ``name`` is, and its status; nothing is opened.

    Raises:
        OSError: there is nothing of that name.
    """
    fd = os.open(name, _PATH, dir_fd=dir_fd)
    try:
        yield fd, os.fstat(fd)
    finally:
        os.close(fd)


def change_mode(held_fd: int, mode: int) -> None:
    """Sets the permissions of what ``held`` gave.

    Raises:
        OSError: it is not ours.
    """
    os.chmod(f"/proc/self/fd/{held_fd}", mode)  # noqa: PTH101 - a descriptor, not a path


def status(name: str, dir_fd: int) -> os.stat_result | None:
    """What ``name`` is, or None when there is nothing."""
    try:
        return os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
    except FileNotFoundError:
        return None


def opened_directory(name: str, dir_fd: int) -> int:
    """A descriptor of directory ``name``.

    Raises:
        OSError: it is missing or no directory.
    """
    return os.open(name, _DIRECTORY, dir_fd=dir_fd)


def make_path(dir_fd: int, path: str) -> int:
    """A descriptor of directory ``path`` below ``dir_fd``, made where it is missing (0700).

    Raises:
        OSError: something else is in the way, or the disk refuses.
    """
    fd = os.dup(dir_fd)
    for name in path.split("/") if path else []:
        with suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=fd)
        try:
            inner = opened_directory(name, fd)
        finally:
            os.close(fd)
        fd = inner
    return fd


def remove(name: str, dir_fd: int) -> None:
    """Removes ``name`` and all below it, links as links.

    Raises:
        OSError: something cannot be removed.
    """
    found = status(name, dir_fd)
    if found is None:
        return
    if not stat.S_ISDIR(found.st_mode):
        os.unlink(name, dir_fd=dir_fd)
        return
    if stat.S_IMODE(found.st_mode) & _OWNER != _OWNER and os.geteuid() != 0:
        with held(name, dir_fd) as (fd, again):
            if stat.S_ISDIR(again.st_mode):
                change_mode(fd, _OWNER)
    fd = opened_directory(name, dir_fd)
    try:
        for inner in os.listdir(fd):  # noqa: PTH208 - a descriptor, not a path
            remove(inner, fd)
    finally:
        os.close(fd)
    os.rmdir(name, dir_fd=dir_fd)
