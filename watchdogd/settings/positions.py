"""In which line of a TOML text each key stands. The text has been parsed before; tomllib keeps no positions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

KeyPath: TypeAlias = tuple[str | int, ...]
"""Keys and list indices from the top of the document."""

_ENDS_BARE = frozenset(" \t.=]}#,\n")


@dataclass(slots=True)
class _Scan:
    """A walk over valid TOML that only looks for where keys begin."""

    text: str
    at: int = 0
    found: dict[KeyPath, int] = field(default_factory=dict)
    tables: dict[KeyPath, int] = field(default_factory=dict)
    """How many tables each array of tables has so far."""
    line: int = 1
    counted: int = 0

    def document(self) -> None:
        """Walks to the end."""
        table: KeyPath = ()
        while self._skip():
            if self.text[self.at] == "[":
                table = self._header()
            else:
                self._pair(table)

    def _line(self) -> int:
        self.line += self.text.count("\n", self.counted, self.at)
        self.counted = self.at
        return self.line

    def _skip(self) -> bool:
        """Past blanks, commas and comments; whether anything is left."""
        while self.at < len(self.text):
            if self.text[self.at] == "#":
                end = self.text.find("\n", self.at)
                self.at = len(self.text) if end < 0 else end
            elif self.text[self.at] in " \t\r\n,\ufeff":
                self.at += 1
            else:
                return True
        return False

    def _blanks(self) -> None:
        while self.text[self.at] in " \t":
            self.at += 1

    def _key(self) -> tuple[str, ...]:
        """A possibly dotted key; the scan stands behind it."""
        parts: list[str] = []
        while True:
            self._blanks()
            start = self.at
            if self.text[start] in "\"'":
                self._string()
                parts.append(_unquoted(self.text[start : self.at]))
            else:
                while self.text[self.at] not in _ENDS_BARE:
                    self.at += 1
                parts.append(self.text[start : self.at])
            self._blanks()
            if self.text[self.at] != ".":
                return tuple(parts)
            self.at += 1

    def _header(self) -> KeyPath:
        line, double = self._line(), self.text.startswith("[[", self.at)
        self.at += 2 if double else 1
        *outer, last = self._key()
        self.at += 2 if double else 1
        path = (*self._resolved(outer), last)
        for length in range(1, len(path) + 1):
            self.found.setdefault(path[:length], line)
        if double:
            index = self.tables.get(path, 0)
            self.tables[path] = index + 1
            path = (*path, index)
            self.found[path] = line
        elif path in self.tables:
            path = (*path, self.tables[path] - 1)
        return path

    def _resolved(self, keys: list[str]) -> KeyPath:
        """``keys`` with the index of the newest table wherever one of them names an array of tables."""
        path: KeyPath = ()
        for key in keys:
            path = (*path, key)
            if path in self.tables:
                path = (*path, self.tables[path] - 1)
        return path

    def _pair(self, table: KeyPath) -> None:
        line = self._line()
        path = table
        for key in self._key():
            path = (*path, key)
            self.found.setdefault(path, line)
        self.at += 1  # the equals sign
        self._blanks()
        self._value(path)

    def _value(self, path: KeyPath) -> None:
        first = self.text[self.at]
        if first in "\"'":
            self._string()
        elif first == "[":
            self.at += 1
            index = 0
            while self._skip() and self.text[self.at] != "]":
                self.found[*path, index] = self._line()
                self._value((*path, index))
                index += 1
            self.at += 1
        elif first == "{":
            self.at += 1
            while self._skip() and self.text[self.at] != "}":
                self._pair(path)
            self.at += 1
        else:
            while self.at < len(self.text) and self.text[self.at] not in "\n#,]}":
                self.at += 1

    def _string(self) -> None:
        quote = self.text[self.at]
        triple = self.text.startswith(quote * 3, self.at)
        mark = quote * 3 if triple else quote
        self.at += len(mark)
        while not self.text.startswith(mark, self.at):
            self.at += 2 if quote == '"' and self.text[self.at] == "\\" else 1
        self.at += len(mark)
        while triple and self.text.startswith(quote, self.at):  # up to two quotes may stand right before the mark
            self.at += 1


def _unquoted(key: str) -> str:
    import tomllib

    return next(iter(tomllib.loads(f"{key} = 0")))


def positions(text: str) -> Mapping[KeyPath, int]:
    """The 1-based line of every key, table and list item of the valid TOML document ``text``."""
    scan = _Scan(text.replace("\r\n", "\n") + "\n")
    scan.document()
    return scan.found
