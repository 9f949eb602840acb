"""The text of changed files, side by side, bounded: what a person reads before saying yes."""

from __future__ import annotations

from collections.abc import Callable
from difflib import unified_diff
from itertools import islice
from typing import TypeAlias

from watchdogd.core.changes import Changes, shown
from watchdogd.core.tree import Change, Kind

Reader: TypeAlias = Callable[[str, int], bytes | None]
"""The first bytes of a file by its path below the workspace; None when there is no such file to read."""

_FILE_BYTES = 256 * 1024
"""Larger files are not compared line by line."""


def readable(
    changes: Changes, was: Reader, now: Reader, *, lines: int = 400, files: int = 50, listed: int = 200
) -> list[str]:
    """The list of changes, then the lines of the first ``files`` files that are text, ``lines`` lines in all."""
    found = [changes.headline, *changes.lines(listed)]
    texts = [item for item in changes.items if _is_text_change(item)]
    for item in texts[:files]:
        found += _of(item, was, now, lines)
    if len(texts) > files:
        found.append(f"… and {len(texts) - files} more files")
    return found if len(found) <= lines else [*found[:lines], f"… and {len(found) - lines} more lines"]


def _is_text_change(item: Change) -> bool:
    there = item.now or item.was
    return item.what in {"added", "removed", "modified"} and there is not None and there.kind is Kind.FILE


def _of(item: Change, was: Reader, now: Reader, lines: int) -> list[str]:
    old = was(item.path, _FILE_BYTES + 1) if item.was is not None else b""
    new = now(item.path, _FILE_BYTES + 1) if item.now is not None else b""
    path = shown(item.path)
    if old is None or new is None:
        return [f"{path}: cannot be read"]
    if max(len(old), len(new)) > _FILE_BYTES:
        return [f"{path}: too large to compare line by line"]
    try:
        before, after = old.decode("utf-8").splitlines(), new.decode("utf-8").splitlines()
    except UnicodeDecodeError:
        return [f"{path}: not text"]
    if b"\0" in old or b"\0" in new:
        return [f"{path}: not text"]
    # One line too many per file is enough to know that there are more.
    diff = unified_diff(before, after, f"was/{path}", f"now/{path}", lineterm="")
    return [shown(line) for line in islice(diff, lines + 1)]
