"""A command's output as it comes: its head and its tail kept, the rest counted."""

from __future__ import annotations

import os
from collections import deque

_READ_BYTES = 65_536


class Capture:
    """Keeps the first and the last half of ``limit_bytes``, whatever amount goes through."""

    def __init__(self, limit_bytes: int) -> None:
        self._head_bytes = limit_bytes // 2
        self._tail_bytes = limit_bytes - self._head_bytes
        self._head = bytearray()
        self._tail: deque[bytes] = deque()
        self._in_tail = 0
        self.total_bytes = 0
        """Everything that came, kept or not."""

    @property
    def cut(self) -> bool:
        """Whether something that came was not kept."""
        return self.total_bytes > self._head_bytes + self._tail_bytes

    def feed(self, data: bytes) -> None:
        """Takes the next piece."""
        self.total_bytes += len(data)
        room = self._head_bytes - len(self._head)
        if room > 0:
            self._head += data[:room]
            data = data[room:]
        if not data:
            return
        self._tail.append(data)
        self._in_tail += len(data)
        while self._in_tail - len(self._tail[0]) >= self._tail_bytes:
            self._in_tail -= len(self._tail.popleft())

    def drain(self, fd: int) -> bool:
        """Reads what there is on the non-blocking ``fd``; False at its end."""
        try:
            piece = os.read(fd, _READ_BYTES)
        except BlockingIOError:
            return True
        if piece:
            self.feed(piece)
        return bool(piece)

    def text(self) -> str:
        """What was kept, decoded with replacement, with a line that says how much is missing in the middle."""
        tail = b"".join(self._tail)
        if not self.cut:
            return (bytes(self._head) + tail).decode("utf-8", "replace")
        tail = tail[-self._tail_bytes :] if self._tail_bytes else b""
        missing = self.total_bytes - len(self._head) - len(tail)
        mark = f"\n[… {missing} bytes left out …]\n"
        return self._head.decode("utf-8", "replace") + mark + tail.decode("utf-8", "replace")
