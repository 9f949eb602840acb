"""Objects by digest, many in one file: a pack is written once, synced once, and never changed.

A pack is blocks of concatenated objects, each block compressed on its own, then an index, then a trailer that says
where the index begins and carries its digest. A file of its own per object would cost a create, a rename and a sync
each.
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import os
import struct
import zlib
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Set
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Self, TypeAlias

from watchdogd.core.errors import SnapshotError

CHUNK_BYTES = 1024 * 1024
"""Larger contents are stored as chunks of this size; also the largest object there is."""
BLOCK_BYTES = 256 * 1024
"""Objects are gathered into blocks of about this size: large enough for zlib to work with the interpreter lock
released, small enough to unpack one for the sake of one object."""
COMPRESSION = 1
"""zlib level. Measured on Python sources: level 1 0.37 of the size at 100 MB/s, level 6 0.34 at 35 MB/s."""
_WAITING_BLOCKS = 8
"""Blocks being compressed at a time: bounds the memory."""
_KEPT_BLOCKS = 16
"""Unpacked blocks that a reader keeps: neighbours are read together."""
_TRAILER = struct.Struct(">8sQII32s")
_MAGIC = b"wdpack01"
_BLOCK = struct.Struct(">QIIB")
_OBJECT = struct.Struct(">32sIII")
_STORED, _DEFLATED = 0, 1


_Place: TypeAlias = tuple[str, tuple[int, int, int, int], int, int]
"""Where an object lies: pack; offset, stored and raw length and packing of its block; start and length in the block.
Plain tuples, because a store holds hundreds of thousands of them."""


class Damaged(SnapshotError):
    """An object is missing or its bytes do not match its digest."""

    def __init__(self, digest: bytes, why: str) -> None:
        super().__init__(f"object {digest.hex()[:16]} {why}")
        self.digest = digest


class Packs:
    """The packs of a directory, for reading; every object is verified by its digest."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self._places: dict[bytes, _Place] = {}
        self._sizes: dict[str, int] = {}
        self._fds: dict[str, int] = {}
        self._blocks: OrderedDict[tuple[str, int], bytes] = OrderedDict()

    def open(self) -> None:
        """Reads the index of every pack; unreadable packs are passed over (what they held is missing then)."""
        for name in sorted(os.listdir(self.directory)):  # noqa: PTH208 - names alone
            if name.endswith(".pack"):
                self.admit(name)

    def close(self) -> None:
        """Lets go of open files."""
        for fd in self._fds.values():
            os.close(fd)
        self._fds.clear()
        self._blocks.clear()

    def admit(self, name: str) -> None:
        """Makes the objects of pack ``name`` known."""
        with suppress(OSError, SnapshotError, struct.error):
            fd = os.open(f"{self.directory}/{name}", os.O_RDONLY | os.O_CLOEXEC)
            try:
                self._sizes[name] = os.fstat(fd).st_size
                for digest, place in _index(fd, name, self._sizes[name]):
                    self._places.setdefault(digest, place)
            finally:
                os.close(fd)

    def __contains__(self, digest: bytes) -> bool:
        return digest in self._places

    def get(self, digest: bytes) -> bytes:
        """The object.

        Raises:
            Damaged: it is missing, unreadable, or not what its digest says.
        """
        place = self._places.get(digest)
        if place is None:
            raise Damaged(digest, "is missing from the store")
        pack, block, start, length = place
        try:
            data = self._block(pack, block)[start : start + length]
        except (OSError, zlib.error) as error:
            raise Damaged(digest, f"cannot be read: {error}") from error
        if hashlib.sha256(data).digest() != digest:
            raise Damaged(digest, "was damaged in the store")
        return data

    def total_bytes(self) -> int:
        """Bytes on disk of all packs."""
        return sum(self._sizes.values())

    def shares(self, live: set[bytes]) -> dict[str, tuple[int, int]]:
        """For each pack the bytes of its objects that are in ``live``, and of all."""
        found = dict.fromkeys(self._sizes, (0, 0))
        for digest, (pack, _, _, length) in self._places.items():
            kept, whole = found[pack]
            found[pack] = (kept + (length if digest in live else 0), whole + length)
        return found

    def of(self, names: Set[str]) -> list[bytes]:
        """The digests of the objects that are read from these packs, in the order in which they lie there."""
        found = [(*place[:2], place[2], digest) for digest, place in self._places.items() if place[0] in names]
        return [digest for *_, digest in sorted(found)]

    def drop(self, names: Set[str]) -> None:
        """Removes packs; objects that another pack holds as well are found there from now on."""
        for name in names:
            fd = self._fds.pop(name, None)
            if fd is not None:
                os.close(fd)
            with suppress(FileNotFoundError):
                os.unlink(f"{self.directory}/{name}")  # noqa: PTH108 - one style of paths in this module
            self._sizes.pop(name, None)
        self._places = {digest: place for digest, place in self._places.items() if place[0] not in names}
        self._blocks.clear()
        for other in sorted(self._sizes):
            self.admit(other)

    def _block(self, pack: str, block: tuple[int, int, int, int]) -> bytes:
        offset, stored, raw, flag = block
        key = (pack, offset)
        found = self._blocks.get(key)
        if found is not None:
            self._blocks.move_to_end(key)
            return found
        fd = self._fds.get(pack)
        if fd is None:
            fd = self._fds[pack] = os.open(f"{self.directory}/{pack}", os.O_RDONLY | os.O_CLOEXEC)
        data = os.pread(fd, stored, offset)
        if flag == _DEFLATED:
            data = zlib.decompressobj().decompress(data, raw)
        self._blocks[key] = data
        if len(self._blocks) > _KEPT_BLOCKS:
            self._blocks.popitem(last=False)
        return data


def _index(fd: int, name: str, size: int) -> Iterator[tuple[bytes, _Place]]:
    magic, begins, blocks, objects, digest = _TRAILER.unpack(os.pread(fd, _TRAILER.size, size - _TRAILER.size))
    raw = os.pread(fd, size - _TRAILER.size - begins, begins)
    if magic != _MAGIC or hashlib.sha256(raw).digest() != digest:
        raise SnapshotError(f"pack {name} has no valid index")
    split = blocks * _BLOCK.size
    if len(raw) != split + objects * _OBJECT.size:
        raise SnapshotError(f"pack {name} has no valid index")
    table = list(_BLOCK.iter_unpack(raw[:split]))
    for key, block, start, length in _OBJECT.iter_unpack(raw[split:]):
        yield key, (name, table[block], start, length)


class PackWriter:
    """Gathers objects into a new pack; nothing is to be found there before ``finish``.

    ``fits`` is asked before each block is written, with the pack's size then. With ``again`` objects are written
    although another pack holds them.
    """

    def __init__(self, packs: Packs, name: str, fits: Callable[[int], None], *, again: bool = False) -> None:
        self._packs, self._name, self._fits, self._again = packs, name, fits, again
        self._temporary = f"{packs.directory}/{name}.tmp"
        self._fd = -1
        self._size = 0
        self._block: list[bytes] = []
        self._filled = 0
        self._blocks: list[tuple[int, int, int, int]] = []
        self._numbered = 0
        self._objects: dict[bytes, tuple[int, int, int]] = {}
        self._pending: deque[Future[tuple[int, bytes, int]]] = deque()
        self._pool: ThreadPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.abandon()

    def __contains__(self, digest: bytes) -> bool:
        return digest in self._objects or (not self._again and digest in self._packs)

    def put(self, data: bytes) -> bytes:
        """Stores ``data`` (at most ``CHUNK_BYTES``); returns its digest.

        Raises:
            OSError: the disk refuses.
            SnapshotError: what ``fits`` raises.
        """
        digest = hashlib.sha256(data).digest()
        if digest not in self:
            if self._filled and self._filled + len(data) > BLOCK_BYTES:
                self._flush()
            self._objects[digest] = (self._numbered, self._filled, len(data))
            self._block.append(data)
            self._filled += len(data)
        return digest

    def put_tree(self, data: bytes) -> bytes:
        """The same for (a part of) a directory; see ``put``."""
        return self.put(data)

    def finish(self) -> bool:
        """Syncs the pack and gives it its name; False when there was nothing to write.

        Raises:
            OSError: the disk refuses; the pack is abandoned.
        """
        if not self._objects:
            return False
        if self._block:
            self._flush()
        self._write_out(0)
        index = b"".join(
            [_BLOCK.pack(*block) for block in self._blocks]
            + [_OBJECT.pack(digest, *place) for digest, place in self._objects.items()]
        )
        trailer = _TRAILER.pack(
            _MAGIC, self._size, len(self._blocks), len(self._objects), hashlib.sha256(index).digest()
        )
        write_all(self._fd, index + trailer)
        os.fsync(self._fd)
        os.close(self._fd)
        self._fd = -1
        os.rename(self._temporary, f"{self._packs.directory}/{self._name}.pack")  # noqa: PTH104 - as above
        sync_directory(self._packs.directory)
        self._packs.admit(f"{self._name}.pack")
        self.abandon()
        return True

    def abandon(self) -> None:
        """Gives up what is not finished and leaves no trace of it."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None
        self._pending.clear()
        self._objects.clear()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
            with suppress(FileNotFoundError):
                os.unlink(self._temporary)  # noqa: PTH108 - as above

    def _flush(self) -> None:
        if self._fd < 0:
            if os.path.exists(f"{self._packs.directory}/{self._name}.pack"):  # noqa: PTH110 - as above
                raise FileExistsError(errno.EEXIST, "a pack of that name is there already", self._name)
            self._fd = os.open(self._temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            self._pool = ThreadPoolExecutor(2, thread_name_prefix="snapshot-pack")
        if self._pool is not None:
            self._pending.append(self._pool.submit(_packed, self._block))
        self._numbered += 1
        self._block, self._filled = [], 0
        self._write_out(_WAITING_BLOCKS)

    def _write_out(self, leave: int) -> None:
        while len(self._pending) > leave:
            raw, stored, flag = self._pending.popleft().result()
            self._fits(self._size + len(stored))
            write_all(self._fd, stored)
            self._blocks.append((self._size, len(stored), raw, flag))
            self._size += len(stored)


def _packed(parts: list[bytes]) -> tuple[int, bytes, int]:
    raw = b"".join(parts)
    deflated = zlib.compress(raw, COMPRESSION)
    if len(deflated) < len(raw) * 15 // 16:
        return len(raw), deflated, _DEFLATED
    return len(raw), raw, _STORED


def write_all(fd: int, data: bytes | memoryview) -> None:
    """Writes all of ``data``.

    Raises:
        OSError: the disk refuses.
    """
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]


def sync_directory(path: str) -> None:
    """Makes names in the directory survive a power cut.

    Raises:
        OSError: the disk refuses.
    """
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def sync_disk(fd: int) -> None:
    """Makes everything written to the file system of ``fd`` survive a power cut.

    Raises:
        OSError: the disk refuses.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syncfs(fd) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


# --- contents of any size ---------------------------------------------------------------------------------------------

WHOLE, CHUNKED = "b", "c"
"""First letter of a ``ref``: the digest of the content, or of the list of its chunks' digests."""

ZEROS = hashlib.sha256(bytes(CHUNK_BYTES)).digest()
"""A chunk of nothing, never stored: holes of sparse files cost 32 bytes a chunk."""


def ref_of(data: bytes, put: Callable[[bytes], bytes]) -> str:
    """Stores content that is in memory; returns its ref."""
    if len(data) <= CHUNK_BYTES:
        return WHOLE + put(data).hex()
    return listed((put(data[at : at + CHUNK_BYTES]) for at in range(0, len(data), CHUNK_BYTES)), put)


def listed(digests: Iterable[bytes], put: Callable[[bytes], bytes]) -> str:
    """The ref of content whose chunks are stored under ``digests``."""
    return CHUNKED + put(b"".join(digests)).hex()


def chunks_of(ref: str, get: Callable[[bytes], bytes]) -> Iterator[bytes | None]:
    """The content's parts in order; None stands for a chunk of zeros.

    Raises:
        Damaged: a part is missing or damaged.
    """
    digest = bytes.fromhex(ref[1:])
    if ref[0] == WHOLE:
        yield get(digest)
        return
    raw = get(digest)
    for at in range(0, len(raw), 32):
        part = raw[at : at + 32]
        yield None if part == ZEROS else get(part)


def whole(ref: str, get: Callable[[bytes], bytes]) -> bytes:
    """All of a content that is known to fit into memory.

    Raises:
        Damaged: a part is missing or damaged.
    """
    return b"".join(bytes(CHUNK_BYTES) if part is None else part for part in chunks_of(ref, get))


def objects_of(ref: str, get: Callable[[bytes], bytes]) -> Iterator[bytes]:
    """The digests of everything ``ref`` needs in the store.

    Raises:
        Damaged: the list of chunks is missing or damaged.
    """
    digest = bytes.fromhex(ref[1:])
    yield digest
    if ref[0] == CHUNKED:
        raw = get(digest)
        yield from (part for at in range(0, len(raw), 32) if (part := raw[at : at + 32]) != ZEROS)
