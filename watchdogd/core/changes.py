"""What changed in a workspace, for people and for machines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from watchdogd.core.ids import canonical
from watchdogd.core.tree import Change, Entry, Kind

_LETTERS = {"added": "A", "removed": "D", "modified": "M", "kind": "K", "mode": "P", "owner": "O"}
_WORDS = {
    "added": "added",
    "removed": "removed",
    "modified": "modified",
    "kind": "replaced by another kind",
    "mode": "with other permissions",
    "owner": "with another owner",
}


def shown(path: str) -> str:
    """``path`` on one line with nothing hidden: control, bidirectional and undecodable characters escaped."""
    return "".join(char if char.isprintable() else _escape(char) for char in path)


def _escape(char: str) -> str:
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that was not UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return char.encode("unicode_escape", "backslashreplace").decode("ascii")


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What is different in a workspace since a checkpoint."""

    since: str
    items: tuple[Change, ...]
    unsure: tuple[str, ...] = ()
    """Paths that changed while they were looked at."""

    @property
    def headline(self) -> str:
        """How many of what since when, in a line."""
        unsure = f", {len(self.unsure)} still changing" if self.unsure else ""
        return f"{self.counts or 'nothing changed'} since {self.since}{unsure}"

    @property
    def counts(self) -> str:
        """How many of what; empty for nothing."""
        counts = Counter[str](item.what for item in self.items)
        parts = [f"{counts[what]} {word}" for what, word in _WORDS.items() if counts[what]]
        return ", ".join(parts)

    def lines(self, limit: int = 200) -> list[str]:
        """A line per change, at most ``limit``, and one that says how many more there are."""
        found = [f"{_LETTERS[item.what]} {shown(item.path)}  {_detail(item)}".rstrip() for item in self.items[:limit]]
        rest = len(self.items) - limit
        return [*found, f"… and {rest} more"] if rest > 0 else found

    def as_json(self, limit: int = 1_000) -> dict[str, object]:
        """The same for machines; bytes of a path that are not UTF-8 stay lone surrogates."""
        return {
            "since": self.since,
            "headline": self.headline,
            "total": len(self.items),
            "unsure": list(self.unsure[:limit]),
            "changes": [
                {"path": item.path, "what": item.what, "was": _facts(item.was), "now": _facts(item.now)}
                for item in self.items[:limit]
            ],
        }


def fitting(lines: Sequence[str], most_bytes: int) -> tuple[str, ...]:
    """The first of ``lines`` that stay within ``most_bytes`` as JSON, and one that says how many more there are."""
    found: list[str] = []
    left = most_bytes
    for line in lines:
        left -= len(canonical(line))
        if left < 0:
            return (*found, f"… and {len(lines) - len(found)} more")
        found.append(line)
    return tuple(found)


def _facts(entry: Entry | None) -> dict[str, object] | None:
    if entry is None:
        return None
    facts: dict[str, object] = {"kind": str(entry.kind), "mode": f"{entry.mode:04o}", "size": entry.size}
    if entry.kind is Kind.FILE:
        facts["digest"] = entry.ref
    elif entry.kind is not Kind.DIR:
        facts["target" if entry.kind is Kind.LINK else "not_captured"] = entry.ref
    return facts


def _detail(item: Change) -> str:
    was, now = item.was, item.now
    if was is None or now is None:
        there = was or now
        return "" if there is None else _brief(there)
    match item.what:
        case "mode":
            return f"{was.mode:04o} → {now.mode:04o}"
        case "owner":
            return f"{was.uid}:{was.gid} → {now.uid}:{now.gid}"
        case _:
            return f"{_brief(was)} → {_brief(now)}"


def _brief(entry: Entry) -> str:
    match entry.kind:
        case Kind.FILE:
            return f"{entry.size:,} bytes"
        case Kind.DIR:
            return "directory"
        case Kind.LINK:
            return f"link to {shown(entry.ref)}"
        case Kind.OTHER:
            return f"not captured: {entry.ref}"
