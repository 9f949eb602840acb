"""A workspace as a value: entries in trees that are named by their digest, what differs, and how to undo it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, TypeAlias


class Kind(StrEnum):
    """What an entry of a directory is."""

    FILE = "file"
    DIR = "dir"
    LINK = "link"
    OTHER = "other"
    """Seen, named and not captured; ``ref`` says why (a ``Missed``)."""


class Missed(StrEnum):
    """Why something in a workspace was not captured."""

    FIFO = "fifo"
    SOCKET = "socket"
    DEVICE = "device"
    EXCLUDED = "excluded"
    MOUNT = "mount"
    OURS = "ours"
    """The state directory itself, showing through the workspace."""
    UNREADABLE = "unreadable"
    TOO_LARGE = "too large"
    TOO_DEEP = "too deep"
    CHANGING = "changing"
    """It changed while it was read: the checkpoint is incomplete."""


LEFT_ALONE = frozenset({Missed.EXCLUDED, Missed.MOUNT, Missed.OURS})
"""What a restore never touches, whatever stood there before."""

SPECIAL = frozenset({Missed.FIFO, Missed.SOCKET, Missed.DEVICE})
"""What is noted and never opened, nor made again."""

HARD_LINK = "hard link"
"""Note on a file that has more names than this one: restoring must not write through it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One name in a directory. Names may hold any bytes: those that are not UTF-8 travel as lone surrogates."""

    name: str
    kind: Kind
    mode: int
    """Permission bits, with setuid, setgid and sticky."""
    uid: int
    gid: int
    size: int
    """Bytes of a file, else 0."""
    ref: str
    """Content of a file, tree of a directory, target of a link, or why it was not captured."""
    notes: tuple[str, ...] = ()
    """What is known and not restored: hard links, names of extended attributes, holes."""

    @property
    def left_alone(self) -> bool:
        """Whether a restore must not touch what has this name."""
        return self.kind is Kind.OTHER and self.ref in LEFT_ALONE


Tree: TypeAlias = Mapping[str, Entry]
Loader: TypeAlias = Callable[[str], Tree]
"""Turns a directory's ``ref`` into its entries."""

What: TypeAlias = Literal["added", "removed", "modified", "kind", "mode", "owner"]


@dataclass(frozen=True, slots=True)
class Change:
    """One path that is not as it was."""

    path: str
    what: What
    was: Entry | None
    now: Entry | None


def changes(was: Entry, now: Entry, load: Loader, path: str = "") -> Iterator[Change]:
    """What is different in directory ``now`` from directory ``was``, in the order of names; notes do not count."""
    if (was.mode, was.uid, was.gid) != (now.mode, now.uid, now.gid):
        yield Change(path or ".", "mode" if was.mode != now.mode else "owner", was, now)
    if was.ref == now.ref:
        return
    old, new = load(was.ref), load(now.ref)
    for name in sorted(old.keys() | new.keys()):
        yield from _change(f"{path}/{name}" if path else name, old.get(name), new.get(name), load)


def _change(path: str, was: Entry | None, now: Entry | None, load: Loader) -> Iterator[Change]:
    if was is None or now is None:
        there = was or now
        if there is not None:
            yield Change(path, "added" if was is None else "removed", was, now)
            if there.kind is Kind.DIR:
                for name, inner in sorted(load(there.ref).items()):
                    before, after = (None, inner) if was is None else (inner, None)
                    yield from _change(f"{path}/{name}", before, after, load)
    elif was.kind is not now.kind:
        yield Change(path, "kind", was, now)
    elif was.kind is Kind.DIR:
        yield from changes(was, now, load, path)
    elif was.ref != now.ref:
        yield Change(path, "kind" if was.kind is Kind.OTHER else "modified", was, now)
    elif was.kind is not Kind.OTHER:
        if was.mode != now.mode:
            yield Change(path, "mode", was, now)
        elif (was.uid, was.gid) != (now.uid, now.gid):
            yield Change(path, "owner", was, now)


# --- undoing ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Quarantine:
    """Moves what has this path out of the workspace, whole, and keeps it."""

    path: str
    was: Entry


@dataclass(frozen=True, slots=True)
class PutFile:
    """Puts the file of the checkpoint in place of nothing, or of a file whose content is stored."""

    path: str
    entry: Entry
    was: Entry | None


@dataclass(frozen=True, slots=True)
class PutLink:
    """The same for a symbolic link."""

    path: str
    entry: Entry
    was: Entry | None


@dataclass(frozen=True, slots=True)
class PutTree:
    """Puts a directory with all that is in it where nothing is."""

    path: str
    entry: Entry


@dataclass(frozen=True, slots=True)
class SetMode:
    """Sets permissions (and owner, where that is permitted)."""

    path: str
    entry: Entry
    was: Entry


Effect: TypeAlias = Quarantine | PutFile | PutLink | PutTree | SetMode


@dataclass(frozen=True, slots=True)
class Residue:
    """A path that a restore leaves as it is, and why."""

    path: str
    why: str


def undoing(target: Entry, present: Entry, load: Loader, path: str = "") -> Iterator[Effect | Residue]:
    """The steps from directory ``present`` to directory ``target``; none where they are the same.

    Each step can be repeated and dying between any two is safe: what is left to do is what this yields for the
    workspace as it is then.
    """
    if target.ref != present.ref:
        want, have = load(target.ref), load(present.ref)
        for name in sorted(want.keys() | have.keys()):
            yield from _undo(f"{path}/{name}" if path else name, want.get(name), have.get(name), load)
    if (target.mode, target.uid, target.gid) != (present.mode, present.uid, present.gid):
        yield SetMode(path, target, present)


def _undo(path: str, want: Entry | None, have: Entry | None, load: Loader) -> Iterator[Effect | Residue]:
    if want is None:
        if have is not None:
            yield from _take_away(path, have, load)
    elif want.kind is Kind.OTHER:
        yield from _not_captured(path, want, have, load)
    elif have is None:
        yield from _put(path, want, None, load)
    elif have.left_alone:
        yield Residue(path, f"{have.ref} now, left alone")
    elif want.kind is not have.kind:
        if _holds_left_alone(have, load):
            yield Residue(path, "a directory that holds what is left alone")
        else:
            yield Quarantine(path, have)
            yield from _put(path, want, None, load)
    elif want.kind is Kind.DIR:
        yield from undoing(want, have, load, path)
    elif want.ref != have.ref:
        yield from _put(path, want, have, load)
    elif (want.mode, want.uid, want.gid) != (have.mode, have.uid, have.gid):
        yield from _same_content(path, want, have, load)


def _take_away(path: str, have: Entry, load: Loader) -> Iterator[Effect | Residue]:
    if have.left_alone:
        return
    if _holds_left_alone(have, load):
        for name, inner in sorted(load(have.ref).items()):
            yield from _take_away(f"{path}/{name}", inner, load)
        yield Residue(path, "a directory that holds what is left alone")
    else:
        yield Quarantine(path, have)


def _not_captured(path: str, want: Entry, have: Entry | None, load: Loader) -> Iterator[Effect | Residue]:
    if want.left_alone:
        return
    if have is not None and (have.kind, have.ref) == (Kind.OTHER, want.ref):
        return
    if have is not None and want.ref in SPECIAL and not have.left_alone and not _holds_left_alone(have, load):
        yield Quarantine(path, have)
    yield Residue(path, f"{want.ref}, not captured")


def _put(path: str, want: Entry, have: Entry | None, load: Loader) -> Iterator[Effect | Residue]:
    match want.kind:
        case Kind.FILE:
            yield PutFile(path, want, have)
        case Kind.LINK:
            yield PutLink(path, want, have)
        case Kind.DIR:
            yield PutTree(path, want)
            yield from _missing_within(path, want, load)
        case Kind.OTHER:
            yield Residue(path, f"{want.ref}, not captured")


def _missing_within(path: str, want: Entry, load: Loader) -> Iterator[Residue]:
    for name, inner in sorted(load(want.ref).items()):
        if inner.kind is Kind.DIR:
            yield from _missing_within(f"{path}/{name}", inner, load)
        elif inner.kind is Kind.OTHER and not inner.left_alone:
            yield Residue(f"{path}/{name}", f"{inner.ref}, not captured")


def _same_content(path: str, want: Entry, have: Entry, load: Loader) -> Iterator[Effect | Residue]:
    # A mode set on a file with a second name would be set outside the workspace as well.
    if want.kind is Kind.LINK or HARD_LINK in have.notes:
        yield from _put(path, want, have, load)
    else:
        yield SetMode(path, want, have)


def _holds_left_alone(have: Entry, load: Loader) -> bool:
    if have.kind is not Kind.DIR:
        return False
    return any(inner.left_alone or _holds_left_alone(inner, load) for inner in load(have.ref).values())
