"""How a program's words divide into options, their values and operands."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from watchdogd.core.shell.paths import UNKNOWN

URL_HOST = re.compile(r"(?:https?|ftp|wss?|ssh|git)://(?:[^\s/@'\"]{1,100}@)?([A-Za-z0-9._-]{1,253})")
"""The host in a URL."""


def named(text: str) -> frozenset[str]:
    """The names in ``text``, which are set apart by white space."""
    return frozenset(text.split())


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """A program's words, sorted."""

    flags: frozenset[str]
    """Short flags as single letters, long ones with their dashes (``--force``), values cut off."""
    values: tuple[tuple[str, str], ...]
    """Options that took a value: (flag, value)."""
    operands: tuple[str, ...]

    def value(self, *names: str) -> str:
        """The last value given to any of ``names``; empty when none was."""
        found = [value for flag, value in self.values if flag in names]
        return found[-1] if found else ""

    def has(self, *names: str) -> bool:
        """Whether any of ``names`` was given."""
        return any(name in self.flags for name in names)


def sorted_words(words: Sequence[str], takes_value: Collection[str] = (), *, until_operand: bool = False) -> Words:
    """``words`` (without the program) as flags, values and operands.

    Args:
        words: the words after the program's name.
        takes_value: letters and long options (with dashes) that consume the next word.
        until_operand: stop looking for options at the first operand (wrappers such as ``sudo``).
    """
    flags: set[str] = set()
    values: list[tuple[str, str]] = []
    operands: list[str] = []
    at = 0
    while at < len(words):
        word = words[at]
        at += 1
        if word == "--":
            operands += words[at:]
            break
        if word == "-" or not word.startswith("-") or word.startswith(UNKNOWN):
            operands.append(word)
            if until_operand:
                operands += words[at:]
                break
        elif word.startswith("--"):
            name, eq, value = word.partition("=")
            flags.add(name)
            if not eq and name in takes_value and at < len(words):
                value = words[at]
                at += 1
            if value:
                values.append((name, value))
        else:
            at = _short(word, words, at, takes_value, flags, values)
    return Words(flags=frozenset(flags), values=tuple(values), operands=tuple(operands))


def _short(
    word: str,
    words: Sequence[str],
    at: int,
    takes_value: Collection[str],
    flags: set[str],
    values: list[tuple[str, str]],
) -> int:
    """Reads a cluster of short flags; the index of the next word."""
    for place, letter in enumerate(word[1:], start=1):
        flags.add(letter)
        if letter in takes_value:
            value = word[place + 1 :]
            if not value and at < len(words):
                value = words[at]
                at += 1
            values.append((letter, value))
            break
    flags.add(word)
    return at


_HOST = re.compile(r"(?:\w{2,12}://)?(?:[^\s/@]{1,200}@)?(\[[0-9a-fA-F:]{2,40}\]|[A-Za-z0-9_.-]{1,253})")


def host_of(word: str) -> str:
    """The host a URL, ``user@host:path`` or bare host names; unknown when it is not static."""
    if word.startswith(UNKNOWN) or f"://{UNKNOWN}" in word:
        return UNKNOWN
    match = _HOST.match(word)
    if match is None:
        return ""
    return UNKNOWN if word[match.end() : match.end() + 1] == UNKNOWN else match.group(1).lower()
