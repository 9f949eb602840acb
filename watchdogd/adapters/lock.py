"""One daemon per state directory."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from watchdogd.core.errors import ConfigError, Problem


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Holds ``path`` as long as this process lives. Raises: ConfigError, when another process holds it."""
    fd = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(fd, 32).decode(errors="replace").strip() or "?"
            text = f"another watchdogd (pid {holder}) works with this state directory"
            raise ConfigError([Problem(file=str(path.parent), line=0, key="agent.state_dir", text=text)]) from None
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(fd)
