"""A workspace as a value: entries in trees that are named by their digest, what differs, and how to undo it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
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
    if was is None:
        yield Change(path, "added", was, now)
        yield from _within(path, None, now, load)
    elif now is None:
        yield Change(path, "removed", was, now)
        yield from _within(path, was, None, load)
    elif was.kind is not now.kind:
        yield Change(path, "kind", was, now)
        yield from _within(path, was, None, load)
        yield from _within(path, None, now, load)
    elif was.kind is Kind.DIR:
        yield from changes(was, now, load, path)
    elif was.ref != now.ref:
        yield Change(path, "kind" if was.kind is Kind.OTHER else "modified", was, now)
    elif was.kind is not Kind.OTHER:
        if was.mode != now.mode:
            yield Change(path, "mode", was, now)
        elif (was.uid, was.gid) != (now.uid, now.gid):
            yield Change(path, "owner", was, now)


def _within(path: str, was: Entry | None, now: Entry | None, load: Loader) -> Iterator[Change]:
    """Everything in a directory that came or went."""
    there = was or now
    if there is not None and there.kind is Kind.DIR:
        for name, inner in sorted(load(there.ref).items()):
            yield from _change(f"{path}/{name}", inner if was else None, inner if now else None, load)


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


@dataclass(frozen=True, slots=True)
class Rights:
    """What this process may give away: only a privileged one may give files to others."""

    privileged: bool
    uid: int = 0
    groups: frozenset[int] = frozenset()

    def possible(self, entry: Entry) -> Entry:
        """``entry`` as it can be made here.

        A file that would run with its owner's rights must not get another owner and keep the bit.
        """
        if self.privileged:
            return entry
        drop = (_SETUID if entry.uid != self.uid else 0) | (_SETGID if entry.gid not in self.groups else 0)
        return replace(entry, mode=entry.mode & ~drop) if entry.mode & drop else entry

    def same(self, want: Entry, have: Entry) -> bool:
        """Whether permissions and, where it can be changed, the owner are as wanted."""
        owner = not self.privileged or (want.uid, want.gid) == (have.uid, have.gid)
        return owner and self.possible(want).mode == have.mode


_SETUID, _SETGID = 0o4000, 0o2000


@dataclass(frozen=True, slots=True)
class Undoing:
    """The way from what is to what a checkpoint holds, as steps.

    Each step can be repeated and dying between any two is safe: what is left to do is what this yields for the
    workspace as it is then.
    """

    load: Loader
    rights: Rights

    def steps(self, target: Entry, present: Entry, path: str = "") -> Iterator[Effect | Residue]:
        """The steps from directory ``present`` to directory ``target``; none where they are the same."""
        if target.ref != present.ref:
            want, have = self.load(target.ref), self.load(present.ref)
            for name in sorted(want.keys() | have.keys()):
                yield from self._one(f"{path}/{name}" if path else name, want.get(name), have.get(name))
        if not self.rights.same(target, present):
            yield SetMode(path, target, present)

    def _one(self, path: str, want: Entry | None, have: Entry | None) -> Iterator[Effect | Residue]:
        if want is None:
            if have is not None:
                yield from self._take_away(path, have)
        elif want.kind is Kind.OTHER:
            yield from self._not_captured(path, want, have)
        elif have is None:
            yield from self._put(path, want, None)
        elif have.left_alone:
            yield Residue(path, f"{have.ref} now, left alone")
        elif want.kind is not have.kind:
            if self._holds_left_alone(have):
                yield Residue(path, "a directory that holds what is left alone")
            else:
                yield Quarantine(path, have)
                yield from self._put(path, want, None)
        elif want.kind is Kind.DIR:
            yield from self.steps(want, have, path)
        elif want.ref != have.ref:
            yield from self._put(path, want, have)
        elif not self.rights.same(want, have):
            yield from self._same_content(path, want, have)

    def _take_away(self, path: str, have: Entry) -> Iterator[Effect | Residue]:
        if have.left_alone:
            return
        if self._holds_left_alone(have):
            for name, inner in sorted(self.load(have.ref).items()):
                yield from self._take_away(f"{path}/{name}", inner)
            yield Residue(path, "a directory that holds what is left alone")
        else:
            yield Quarantine(path, have)

    def _not_captured(self, path: str, want: Entry, have: Entry | None) -> Iterator[Effect | Residue]:
        if want.left_alone or (have is not None and (have.kind, have.ref) == (Kind.OTHER, want.ref)):
            return
        if have is not None and want.ref in SPECIAL and not have.left_alone and not self._holds_left_alone(have):
            yield Quarantine(path, have)
        yield Residue(path, f"{want.ref}, not captured")

    def _put(self, path: str, want: Entry, have: Entry | None) -> Iterator[Effect | Residue]:
        match want.kind:
            case Kind.FILE:
                yield PutFile(path, want, have)
            case Kind.LINK:
                yield PutLink(path, want, have)
            case Kind.DIR:
                yield PutTree(path, want)
                yield from self._missing_within(path, want)
            case Kind.OTHER:
                yield Residue(path, f"{want.ref}, not captured")

    def _missing_within(self, path: str, want: Entry) -> Iterator[Residue]:
        for name, inner in sorted(self.load(want.ref).items()):
            if inner.kind is Kind.DIR:
                yield from self._missing_within(f"{path}/{name}", inner)
            elif inner.kind is Kind.OTHER and not inner.left_alone:
                yield Residue(f"{path}/{name}", f"{inner.ref}, not captured")

    def _same_content(self, path: str, want: Entry, have: Entry) -> Iterator[Effect | Residue]:
        # A mode set on a file with a second name would be set outside the workspace as well.
        if want.kind is Kind.LINK or HARD_LINK in have.notes:
            yield from self._put(path, want, have)
        else:
            yield SetMode(path, want, have)

    def _holds_left_alone(self, have: Entry) -> bool:
        if have.kind is not Kind.DIR:
            return False
        return any(inner.left_alone or self._holds_left_alone(inner) for inner in self.load(have.ref).values())
