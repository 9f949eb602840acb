"""Copying files by descriptor: shared where the disk can, holes kept, never through a link."""

from __future__ import annotations

import fcntl
import os
import stat

from watchdogd.adapters.snapshots.descent import change_mode, held, opened_directory, remove
from watchdogd.adapters.snapshots.packs import CHUNK_BYTES, write_all

_FICLONE = 0x40049409
"""``linux/fs.h``: shares the blocks of a whole file (btrfs, xfs, bcachefs)."""
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def copy_file(name: str, dir_fd: int, own: str, place: int, *, sync: bool) -> bool:
    """Copies the content of file ``name`` to a new file ``own`` in ``place``; whether the blocks are shared.

    Raises:
        OSError: it cannot be read or made, or the disk refuses.
    """
    source = os.open(name, _READ, dir_fd=dir_fd)
    try:
        made = os.open(own, _NEW, 0o600, dir_fd=place)
        try:
            shared = _shared(source, made)
            if not shared:
                _copy_content(source, made, os.fstat(source).st_size)
            if sync:
                os.fsync(made)
            return shared
        finally:
            os.close(made)
    finally:
        os.close(source)


def _shared(source: int, made: int) -> bool:
    try:
        fcntl.ioctl(made, _FICLONE, source)
    except OSError:
        return False
    return True


def _copy_content(source: int, made: int, size: int) -> None:
    at = 0
    while at < size:
        try:
            at = os.lseek(source, at, os.SEEK_DATA)
        except OSError:
            break  # nothing but a hole up to the end
        data = os.pread(source, CHUNK_BYTES, at)
        if not data:
            break
        os.lseek(made, at, os.SEEK_SET)
        write_all(made, data)
        at += len(data)
    os.ftruncate(made, size)


def copy(name: str, dir_fd: int, own: str, place: int) -> None:
    """Copies whatever ``name`` is, with all below it, synced.

    Raises:
        OSError: something cannot be read, made or written.
    """
    found = os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
    remove(own, place)  # half a copy from a time when this was cut off
    if stat.S_ISLNK(found.st_mode):
        os.symlink(os.readlink(name, dir_fd=dir_fd), own, dir_fd=place)
    elif stat.S_ISREG(found.st_mode):
        copy_file(name, dir_fd, own, place, sync=True)
    elif stat.S_ISDIR(found.st_mode):
        _copy_directory(name, dir_fd, own, place)
    else:
        os.mknod(own, found.st_mode, found.st_rdev, dir_fd=place)
    give_rights(found, own, place)


def give_rights(found: os.stat_result, own: str, place: int) -> None:
    """Gives ``own`` the owner, where that is permitted, and the permissions of ``found``.

    Raises:
        OSError: it is gone, or not ours.
    """
    if os.geteuid() == 0:
        os.chown(own, found.st_uid, found.st_gid, dir_fd=place, follow_symlinks=False)
    if not stat.S_ISLNK(found.st_mode):
        with held(own, place) as (fd, _):
            change_mode(fd, stat.S_IMODE(found.st_mode))


def _copy_directory(name: str, dir_fd: int, own: str, place: int) -> None:
    os.mkdir(own, 0o700, dir_fd=place)
    inner, outer = opened_directory(name, dir_fd), opened_directory(own, place)
    try:
        for each in os.listdir(inner):  # noqa: PTH208 - a descriptor, not a path
            copy(each, inner, each, outer)
        os.fsync(outer)
    finally:
        os.close(inner)
        os.close(outer)
