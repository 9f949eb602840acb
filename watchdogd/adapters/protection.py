"""What nothing may change below a workspace: plain paths, and globs as the gate reads them."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from watchdogd.core.errors import SandboxError

_MOST_FOUND = 500
"""Mounts a profile may ask for; each costs the kernel some 20 µs."""

_MOST_LOOKED_AT = 50_000
"""Entries a glob may have to be compared with before every command (0.2 s)."""


class Protection:
    """Protected paths below ``workspace``, an absolute path without links.

    A plain path means itself and all below it. A glob means whatever it matches, ``*`` crossing slashes, and all
    below that. Absolute patterns count where they lie in the workspace; elsewhere there is nothing to protect here.

    Raises:
        SandboxError: a pattern leads out of the workspace, names the whole of it, or holds a NUL.
    """

    def __init__(self, workspace: str, patterns: Sequence[str]) -> None:
        self._workspace = workspace
        found = (_below(workspace, pattern) for pattern in patterns)
        self.patterns = tuple(dict.fromkeys(pattern for pattern in found if pattern is not None))

    def covering(self, path: str) -> str | None:
        """The pattern that protects ``path`` (relative), or something below it that a file there would replace."""
        upwards = [path, *_parents(path)]
        for pattern in self.patterns:
            if pattern.startswith(path + "/") or any(_is(one, pattern) for one in upwards):
                return pattern
        return None

    def existing(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The protected paths that are there, and the patterns that match nothing.

        Raises:
            SandboxError: one leads through a symbolic link, which could be exchanged; or there are too many.
        """
        found: dict[str, None] = {}
        missing = []
        globs = [pattern for pattern in self.patterns if _is_glob(pattern)]
        walked = list(self._walk(globs)) if globs else []
        for pattern in self.patterns:
            matched = [path for path in walked if _is(path, pattern)] if pattern in globs else []
            if self._exists(pattern):
                matched.append(pattern)
            found.update(dict.fromkeys(path for path in matched if self._exists(path)))
            if not matched:
                missing.append(pattern)
        if len(found) > _MOST_FOUND:
            raise SandboxError(f"{len(found)} protected paths are over the limit of {_MOST_FOUND}: protect a directory")
        return tuple(sorted(found)), tuple(missing)

    def _walk(self, globs: Sequence[str]) -> Iterator[str]:
        """Every path that some glob matches, and nothing below it: that is covered with it."""
        waiting, seen = [""], 0
        while waiting:
            directory = waiting.pop()
            try:
                entries = list(os.scandir(f"{self._workspace}/{directory}"))
            except OSError:
                continue  # what we may not list the command may not either: it is the same user
            for entry in entries:
                seen += 1
                if seen > _MOST_LOOKED_AT:
                    raise SandboxError(
                        f"{', '.join(globs)} cannot be protected: more than {_MOST_LOOKED_AT} files to compare with; "
                        "name directories instead"
                    )
                path = f"{directory}/{entry.name}" if directory else entry.name
                if any(_is(path, pattern) for pattern in globs):
                    yield path
                elif entry.is_dir(follow_symlinks=False):
                    waiting.append(path)

    def _exists(self, path: str) -> bool:
        """Whether ``path`` is there.

        Raises:
            SandboxError: it leads through a symbolic link; mounting follows links, so it cannot be protected at all.
        """
        at = Path(self._workspace)
        for part in path.split("/"):
            at /= part
            try:
                mode = at.lstat().st_mode
            except (FileNotFoundError, NotADirectoryError):
                return False
            except OSError as why:
                raise SandboxError(f"protected path {path!r} cannot be looked at: {why.strerror}") from why
            if stat.S_ISLNK(mode):
                raise SandboxError(f"protected path {path!r} leads through a symbolic link; protect what it points to")
        return True


def _below(workspace: str, pattern: str) -> str | None:
    """``pattern`` relative to ``workspace``; None when it lies elsewhere."""
    if pattern.startswith("/"):
        inside = f"{workspace.rstrip('/')}/"
        if not pattern.startswith(inside) and not fnmatchcase(workspace, pattern):
            return None
        pattern = pattern[len(inside) :]
    parts = [part for part in pattern.split("/") if part not in ("", ".")]
    if not parts or ".." in parts or "\0" in pattern:
        raise SandboxError(f"protected path {pattern!r} must lie below the workspace")
    return "/".join(parts)


def _is(path: str, pattern: str) -> bool:
    return path == pattern or fnmatchcase(path, pattern)


def _is_glob(pattern: str) -> bool:
    return any(char in pattern for char in "*?[")


def _parents(path: str) -> Iterator[str]:
    while "/" in path:
        path = path.rsplit("/", 1)[0]
        yield path
