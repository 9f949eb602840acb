# Paths here are bytes, which pathlib does not take.
# ruff: noqa: PTH101, PTH102, PTH104, PTH108, PTH112, PTH114, PTH115, PTH116, PTH118, PTH120, PTH123, PTH208, PTH211
"""Workspaces made and looked at without the engine: random trees, random damage, an independent picture of both."""

import hashlib
import os
import random
import shutil
import stat
import time
from contextlib import contextmanager, suppress

MODES = [0o644, 0o600, 0o755, 0o640, 0o444, 0o400, 0o777, 0o664, 0o4755, 0o2755, 0o600]
DIR_MODES = [0o755, 0o700, 0o775, 0o555, 0o500, 0o1777, 0o2755, 0o755, 0o755]
ODD_NAMES = [
    b"new\nline",
    b"\xff\xfe not utf-8",
    b" leading and trailing ",
    b"-rf",
    b"*",
    b"\xe2\x80\xaebidi",
    b"tab\t",
    b'quo"te\\',
    b"...",
    b"x" * 255,
    "ünï".encode(),
    b"a\x01b",
    b".git",
    b"CON",
    b".hidden",
]


class StillClock:
    """Real time; nothing here waits."""

    def __init__(self, boot=time.monotonic):
        self.boot = boot

    def wall(self):
        return time.time()

    def nonce(self):
        return os.urandom(8).hex()

    async def sleep(self, seconds):
        raise AssertionError("nothing here waits")


def picture(root):
    """What lies below ``root``: {path: (kind, mode, uid, gid, content)}; follows no link, opens no special file."""
    seen: dict[bytes, tuple[object, ...]] = {}
    root = os.fsencode(root)

    def look(path, below):
        found = os.lstat(path)
        mode, owner = stat.S_IMODE(found.st_mode), (found.st_uid, found.st_gid)
        kind = stat.S_IFMT(found.st_mode)
        if kind == stat.S_IFLNK:
            seen[below] = ("link", None, *owner, os.readlink(path))
        elif kind == stat.S_IFREG:
            seen[below] = ("file", mode, *owner, digest_of(path))
        elif kind == stat.S_IFDIR:
            seen[below] = ("dir", mode, *owner, None)
            for name in os.listdir(path):
                look(os.path.join(path, name), os.path.join(below, name))
        else:
            seen[below] = ("special", None, *owner, kind)

    with all_powerful():
        look(root, b"")
    return seen


def digest_of(path):
    found = hashlib.sha256()
    with open(path, "rb") as file:
        while data := file.read(1 << 20):
            found.update(data)
    return found.hexdigest(), os.stat(path).st_size


@contextmanager
def all_powerful():
    """Back to root for a moment, where the test runs as somebody else."""
    euid, egid = os.geteuid(), os.getegid()
    os.seteuid(os.getuid())
    os.setegid(os.getgid())
    try:
        yield
    finally:
        os.setegid(egid)
        os.seteuid(euid)


@contextmanager
def acting_as(uid):
    """Somebody else for a while; needs root."""
    os.setegid(uid)
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(os.getuid())
        os.setegid(os.getgid())


def surroundings(parent, besides):
    """Everything around a workspace, to the timestamps: what an engine that stays inside cannot change."""
    seen = {}
    for at, folders, files in os.walk(os.fsencode(parent)):
        folders[:] = [name for name in folders if os.fsdecode(os.path.join(at, name)) not in besides]
        for name in [*folders, *files]:
            path = os.path.join(at, name)
            found = os.lstat(path)
            content = digest_of(path) if stat.S_ISREG(found.st_mode) else None
            # A file that has a name inside as well gets a new ctime whenever that name goes.
            changed = 0 if name == b"linked" else found.st_ctime_ns
            seen[path] = (found.st_ino, found.st_mode, found.st_uid, found.st_mtime_ns, changed, content)
    return seen


def captured(seen, missed=()):
    """The part of a picture that a checkpoint promises: no special files, nothing below what was not captured."""
    prefixes = tuple(path + b"/" for path in missed)
    return {
        path: facts
        for path, facts in seen.items()
        if facts[0] != "special" and path not in missed and not path.startswith(prefixes)
    }


class Gardener:
    """Grows and damages a tree, by a seed."""

    def __init__(self, root, seed, *, outside=None, unreadable=False):
        self.root, self.random = os.fsencode(root), random.Random(seed)
        self.outside = outside
        self.unreadable = unreadable
        self.names = 0

    # --- growing ---

    def grow(self, entries, below=b""):
        folders = [below]
        for _ in range(entries):
            parent = self.random.choice(folders[-8:] + folders[:2])
            path = os.path.join(parent, self.name(parent))
            kind = self.random.choices(
                [self.file, self.folder, self.link, self.fifo, self.socket, self.hard, self.sparse, self.repository],
                [50, 16, 8, 2, 2, 4, 2, 1],
            )[0]
            kind(path)
            if os.path.isdir(self.full(path)) and not os.path.islink(self.full(path)):
                folders.append(path)
        for folder in folders[1:]:
            if self.random.random() < 0.3:
                os.chmod(self.full(folder), self.random.choice(DIR_MODES))

    def full(self, path):
        return os.path.join(self.root, path) if path else self.root

    def name(self, parent):
        if self.random.random() < 0.15:
            odd = self.random.choice(ODD_NAMES)
            if not os.path.lexists(os.path.join(self.full(parent), odd)):
                return odd
        self.names += 1
        return b"n%d" % self.names

    def bytes(self):
        size = self.random.choice([0, 0, 1, 10, 500, 5_000, 70_000])
        return self.random.randbytes(size) if self.random.random() < 0.5 else b"line of text\n" * (size // 13)

    def file(self, path):
        self.open_up(os.path.dirname(path))
        with open(self.full(path), "xb") as file:
            file.write(self.bytes())
        os.chmod(self.full(path), 0 if self.unreadable and self.random.random() < 0.05 else self.random.choice(MODES))
        if self.random.random() < 0.05:
            with suppress(OSError):
                os.setxattr(self.full(path), b"user.note", b"x")

    def folder(self, path):
        self.open_up(os.path.dirname(path))
        os.mkdir(self.full(path))

    def link(self, path):
        self.open_up(os.path.dirname(path))
        target = self.random.choice(
            [b".", b"..", b"/etc/passwd", b"nowhere", b"n1", b"../../..", b"\xff", path[-20:] or b"x"]
        )
        if self.outside and self.random.random() < 0.4:
            target = os.fsencode(self.outside)
        os.symlink(target, self.full(path))

    def fifo(self, path):
        self.open_up(os.path.dirname(path))
        os.mkfifo(self.full(path))

    def socket(self, path):
        self.open_up(os.path.dirname(path))
        os.mknod(self.full(path), stat.S_IFSOCK | 0o600)

    def hard(self, path):
        others = [other for other in self.paths() if self.kind(other) == "file"]
        if self.outside and self.random.random() < 0.2:
            source = os.path.join(os.fsencode(self.outside), b"linked")
        elif others:
            source = self.full(self.random.choice(others))
        else:
            return self.file(path)
        self.open_up(os.path.dirname(path))
        try:
            os.link(source, self.full(path))
        except OSError:  # protected_hardlinks, for somebody who may not write to the source
            self.file(path)

    def sparse(self, path):
        self.open_up(os.path.dirname(path))
        with open(self.full(path), "xb") as file:
            file.truncate(self.random.choice([3 << 20, (5 << 20) + 17, 1 << 20]))
            file.seek(self.random.choice([0, 1 << 20, (2 << 20) + 5]))
            file.write(b"data")

    def repository(self, path):
        self.folder(path)
        self.folder(os.path.join(path, b".git"))
        self.folder(os.path.join(path, b".git", b"refs"))
        self.file(os.path.join(path, b".git", b"HEAD"))
        self.file(os.path.join(path, b".gitignore"))

    # --- looking ---

    def paths(self):
        found = []
        with all_powerful():
            for at, folders, files in os.walk(self.root):
                found += [os.path.relpath(os.path.join(at, name), self.root) for name in [*folders, *files]]
        return sorted(found)

    def kind(self, path):
        with all_powerful():
            mode = os.lstat(self.full(path)).st_mode
        return {stat.S_IFREG: "file", stat.S_IFDIR: "dir", stat.S_IFLNK: "link"}.get(stat.S_IFMT(mode), "special")

    # --- damaging ---

    def damage(self, times):
        for _ in range(times):
            paths = self.paths()
            what = self.random.choice(
                [
                    *[self.remove, self.remove, self.append, self.overwrite, self.same_size, self.mode],
                    *[self.replace, self.new, self.new, self.rename, self.swap, self.new_tree],
                ]
            )
            with suppress(OSError):  # a damage that cannot be done is no damage
                what(self.random.choice(paths) if paths else b"")

    def open_up(self, folder):
        """What an agent does when a directory is read-only: makes it writable, as its owner may."""
        mode = stat.S_IMODE(os.stat(self.full(folder)).st_mode)
        if mode & 0o700 != 0o700:
            os.chmod(self.full(folder), mode | 0o700)

    def remove(self, path):
        if not path:
            return
        self.open_up(os.path.dirname(path))
        if self.kind(path) == "dir":
            shutil.rmtree(self.full(path))
        else:
            os.unlink(self.full(path))

    def append(self, path):
        if self.kind(path) == "file":
            with open(self.full(path), "ab") as file:
                file.write(b"damage")

    def overwrite(self, path):
        if self.kind(path) == "file":
            with open(self.full(path), "wb") as file:
                file.write(self.bytes())

    def same_size(self, path):
        """Other bytes, same length, mtime put back: what only ctime shows."""
        if self.kind(path) == "file":
            found = os.stat(self.full(path))
            with open(self.full(path), "r+b") as file:
                file.write(self.random.randbytes(min(found.st_size, 4)))
            os.utime(self.full(path), ns=(found.st_atime_ns, found.st_mtime_ns))

    def mode(self, path):
        if self.kind(path) in {"file", "dir"}:
            os.chmod(self.full(path), self.random.choice(DIR_MODES if self.kind(path) == "dir" else MODES))

    def replace(self, path):
        if path:
            self.remove(path)
            self.random.choice([self.file, self.folder, self.link, self.fifo])(path)

    def new(self, path):
        folder = path if path and self.kind(path) == "dir" else os.path.dirname(path)
        self.random.choice([self.file, self.file, self.link, self.fifo, self.hard])(
            os.path.join(folder, self.name(folder))
        )

    def new_tree(self, path):
        folder = path if path and self.kind(path) == "dir" else os.path.dirname(path)
        inner = os.path.join(folder, self.name(folder))
        self.folder(inner)
        self.grow(self.random.randrange(6), inner)

    def rename(self, path):
        if path:
            self.open_up(os.path.dirname(path))
            os.rename(self.full(path), self.full(os.path.join(os.path.dirname(path), self.name(os.path.dirname(path)))))

    def swap(self, path):
        other = self.random.choice([*self.paths(), path])
        if path and other and not path.startswith(other + b"/") and not other.startswith(path + b"/") and path != other:
            self.open_up(os.path.dirname(path))
            self.open_up(os.path.dirname(other))
            spare = self.full(os.path.join(os.path.dirname(path), b"spare"))
            os.rename(self.full(path), spare)
            os.rename(self.full(other), self.full(path))
            os.rename(spare, self.full(other))
