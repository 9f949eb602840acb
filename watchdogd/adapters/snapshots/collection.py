"""What of a store is still needed, and getting rid of the rest without ever losing what is."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from watchdogd.adapters.snapshots import trees
from watchdogd.adapters.snapshots.packs import Packs, PackWriter, objects_of, sync_directory
from watchdogd.adapters.snapshots.scan import Known
from watchdogd.core.tree import Kind

_SMALL_PACK_BYTES = 1024 * 1024
_MANY_PACKS = 48
"""Small packs are merged when there are more packs than this: each costs an open and a read at start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """What collecting removed."""

    checkpoints: tuple[str, ...]
    freed_bytes: int


def reach(ref: str, live: set[bytes], walked: set[str], get: Callable[[bytes], bytes]) -> None:
    """Adds the objects of directory ``ref`` and of all that is in it to ``live``.

    ``walked`` holds the directories that were entered already: being in ``live`` does not show that, since a file may
    have the very bytes of a directory's entries.

    Raises:
        SnapshotError: a directory cannot be read: then nobody can say what it needs.
    """
    if ref in walked:
        return
    walked.add(ref)
    live.update(objects_of(ref, get))
    for entry in trees.loaded(ref, get).values():
        if entry.kind is Kind.DIR:
            reach(entry.ref, live, walked, get)
        elif entry.kind is Kind.FILE:
            live.update(objects_of(entry.ref, get))


def reach_known(known: Known, live: set[bytes], get: Callable[[bytes], bytes]) -> None:
    """Adds what is remembered of a workspace: a next checkpoint will refer to it without reading the files again."""
    if known.ref:
        live.update(objects_of(known.ref, get))
    for entry in known.entries.values():
        if entry.kind is Kind.FILE:
            live.update(objects_of(entry.ref, get))
    for child in known.children.values():
        reach_known(child, live, get)


def sweep(packs: Packs, live: set[bytes], name: str) -> int:
    """Removes packs that hold nothing of ``live``; writes what others hold anew where that frees half; bytes freed.

    The new pack is synced before an old one goes.

    Raises:
        OSError: the disk refuses.
        SnapshotError: what has to be copied was damaged.
    """
    before = packs.total_bytes()
    shares = packs.shares(live)
    dead = {pack for pack, (kept, _) in shares.items() if not kept}
    thin = {pack for pack, (kept, whole) in shares.items() if kept and kept * 2 < whole}
    if len(shares) - len(dead) > _MANY_PACKS:
        thin |= {pack for pack, (kept, _) in shares.items() if 0 < kept < _SMALL_PACK_BYTES}
    if thin:
        with PackWriter(packs, name, lambda _: None, again=True) as writer:
            for digest in packs.of(thin):
                if digest in live:
                    writer.put(packs.get(digest))
            writer.finish()
    if dead | thin:
        packs.drop(dead | thin)
        sync_directory(packs.directory)
    return before - packs.total_bytes()


def remove_temporary(directory: str) -> None:
    """Removes what an interrupted write left behind."""
    for name in os.listdir(directory):  # noqa: PTH208 - names alone
        if name.endswith(".tmp"):
            os.unlink(f"{directory}/{name}")  # noqa: PTH108 - one style of paths in this package


def remove_all(directory: str) -> None:
    """Removes all files in ``directory``."""
    for name in os.listdir(directory):  # noqa: PTH208 - names alone
        with suppress(FileNotFoundError):
            os.unlink(f"{directory}/{name}")  # noqa: PTH108 - as above
