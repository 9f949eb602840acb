"""The socketpair between overseer and supervisor, as lines."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

from watchdogd.core.errors import BusDown, WireError
from watchdogd.wire import channel
from watchdogd.wire.channel import Line

LINE_BYTES = 4 * 1024 * 1024
"""A policy travels in one line."""


class SocketChannel:
    """One end of it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @staticmethod
    async def over(sock: socket.socket) -> SocketChannel:
        """The end that ``sock`` is."""
        reader, writer = await asyncio.open_unix_connection(sock=sock, limit=LINE_BYTES)
        return SocketChannel(reader, writer)

    def send(self, line: Line) -> None:
        """Puts ``line`` on the socket. Raises: BusDown."""
        if self._writer.is_closing():
            raise BusDown("the other end of the channel is gone")
        self._writer.write(channel.encode(line))

    async def received(self) -> AsyncIterator[Line]:
        """What the other end says, until it is gone; a line that is none of ours is skipped."""
        while True:
            try:
                raw = await self._reader.readline()
            except (OSError, ValueError) as why:
                raise BusDown(f"the channel broke: {why}") from None
            if not raw:
                return
            try:
                yield channel.decode(raw)
            except WireError:
                continue

    def close(self) -> None:
        """Lets go of the socket."""
        self._writer.close()
