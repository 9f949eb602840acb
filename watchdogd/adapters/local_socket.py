"""The local control socket: status, pause and stop for people on this machine, without a broker."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

SOCKET = "control.sock"
LINE_BYTES = 16_384
ASK_S = 10.0


def _peer(writer: asyncio.StreamWriter) -> tuple[int, int]:
    sock: socket.socket = writer.get_extra_info("socket")
    pid, uid, _ = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
    return pid, uid


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid-{uid}"


@asynccontextmanager
async def local_socket(
    path: Path,
    answer: Callable[[str, str, str], Awaitable[dict[str, Any]]],
    of_worker: Callable[[int], bool],
) -> AsyncIterator[None]:
    """Serves the socket; only root and our own user may use it, and nothing of the worker's tree.

    Args:
        path: where it lies.
        answer: command, user, text to the reply.
        of_worker: whether a pid belongs to the worker's process tree.
    """

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            pid, uid = _peer(writer)
            if uid not in (0, os.geteuid()) or of_worker(pid):
                reply: dict[str, Any] = {"ok": False, "text": "this socket is not for you"}
            else:
                async with asyncio.timeout(ASK_S):
                    raw = await reader.readline()
                data = json.loads(raw)
                reply = await answer(str(data.get("command", "")), _name(uid), str(data.get("text", "")))
        except (TimeoutError, ValueError, AttributeError, OSError) as why:
            reply = {"ok": False, "text": f"not understood: {type(why).__name__}"}
        with suppress(OSError):
            writer.write(json.dumps(reply).encode() + b"\n")
            await writer.drain()
        writer.close()

    _remove(path)
    before = os.umask(0o077)
    try:
        server = await asyncio.start_unix_server(serve, path=str(path), limit=LINE_BYTES)
    finally:
        os.umask(before)
    try:
        yield
    finally:
        server.close()
        _remove(path)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


async def ask(path: Path, command: str, text: str = "") -> dict[str, Any]:
    """One question to the daemon's socket.

    Raises:
        OSError: nobody listens.
        TimeoutError: no reply.
    """
    async with asyncio.timeout(ASK_S):
        reader, writer = await asyncio.open_unix_connection(str(path), limit=LINE_BYTES * 64)
        try:
            writer.write(json.dumps({"command": command, "text": text}).encode() + b"\n")
            await writer.drain()
            reply: dict[str, Any] = json.loads(await reader.readline() or b"{}")
            return reply
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
