"""What an SQL text changes, by its statements' first words."""

from __future__ import annotations

import re

from watchdogd.core.events import Impact

_DESTROYS = re.compile(
    r"\b(?:drop\s{1,8}(?:table|database|schema|view|index|user|role|column|collection|keyspace)|truncate\b|"
    r"alter\s{1,8}table\s{1,8}\S{1,200}\s{1,8}drop\b|flushall\b|flushdb\b|dropdatabase\s{0,4}\(|"
    r"deletemany\s{0,4}\(\s{0,4}\{\s{0,4}\})|\.drop\s{0,4}\(",
    re.IGNORECASE,
)
_DELETES = re.compile(r"\b(?:delete\s{1,8}from|update\s{1,8}\S{1,200}\s{1,8}set)\b([^;]{0,4000})", re.IGNORECASE)
_CHANGES = re.compile(
    r"\b(?:insert\s{1,8}(?:into|or)|replace\s{1,8}into|update\s{1,8}\S{1,200}\s{1,8}set|delete\s{1,8}from|create\s{1,8}\w|"
    r"alter\s{1,8}\w|grant\s|revoke\s|copy\s{1,8}\S|merge\s{1,8}into|vacuum\b|pragma\s{1,8}\w{1,40}\s{0,4}=|import\s)",
    re.IGNORECASE,
)
_RUNS = re.compile(r"(?:^|\n)\s{0,8}(?:\\!|\.shell\b|\.system\b|\\i\b|\.read\b)|\bto\s{1,8}program\b", re.IGNORECASE)
_READS = re.compile(
    r"\s{0,40}(?:select|show|explain|describe|desc|pragma|with|values|table|\.(?:tables|schema|mode|headers?|dump|indexes|databases|width)|\\[dltcx])",
    re.IGNORECASE,
)
_STATEMENT = re.compile(r"\s{0,40}(?:insert|update|delete|select|replace|merge|with)\b", re.IGNORECASE)
_LITERAL = re.compile(r"'[^']{0,4000}'")
_LIMIT = 40_000


def mentions(text: str) -> bool:
    """Whether ``text`` looks like it holds statements that change something."""
    low = text[:_LIMIT].lower()
    return any(word in low for word in ("drop ", "truncate", "delete ", "alter ", "update ", "insert ", "flush"))


def changes(text: str) -> bool:
    """Whether ``text`` holds a statement that changes data."""
    found = worst(text)
    return found is not None and found[0] is not Impact.READ


def worst(text: str) -> tuple[Impact, str] | None:
    """The heaviest thing ``text`` does, and why; None when nothing in it is understood."""
    text = text[:_LIMIT]
    if "'" in text and _STATEMENT.match(text):  # what is stored is not done
        text = _LITERAL.sub("''", text)
    destroys = _DESTROYS.search(text)
    if destroys:
        return Impact.DESTRUCTIVE, f"the statement says {' '.join(destroys.group(0).split()).upper()}"
    for match in _DELETES.finditer(text):
        if not re.search(r"\bwhere\b", match.group(1), re.IGNORECASE):
            return Impact.DESTRUCTIVE, "the statement changes every row (no WHERE)"
    if _RUNS.search(text):
        return Impact.EXECUTE, "the statement runs a program or a script"
    if _CHANGES.search(text):
        return Impact.WRITE, "the statement changes data"
    return (Impact.READ, "the statement reads") if _READS.match(text) else None
