"""Quotes, escapes and braces of a shell word."""

from __future__ import annotations

import re


def unescaped(word: str) -> str:
    """``word`` without its backslashes."""
    return re.sub(r"\\(.)", r"\1", word.replace("\\\n", ""), flags=re.DOTALL) if "\\" in word else word


_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "e": "\x1b", "f": "\f", "v": "\v"}
_ESCAPE = re.compile(r"\\(x[0-9A-Fa-f]{1,2}|u[0-9A-Fa-f]{1,4}|[0-7]{1,3}|.)", re.DOTALL)


def ansi(text: str) -> str:
    """The value of ``$'…'`` (and ``$"…"``); a NUL in it counts as unknown."""

    def one(match: re.Match[str]) -> str:
        code = match.group(1)
        if code[0] in "xu" and len(code) > 1:
            return chr(int(code[1:], 16))
        if code[0] in "01234567":
            return chr(int(code, 8))
        return _ESCAPES.get(code, code)

    return _ESCAPE.sub(one, text[2:-1])


def expanded(word: str) -> list[str]:
    """``word`` after brace expansion of lists, at most 32 words; nested braces are left as they are."""
    results = [""]
    at = 0
    for match in re.finditer(r"\{([^{}]*,[^{}]*)\}", word):
        choices = match.group(1).split(",")
        results = [head + word[at : match.start()] + choice for head in results for choice in choices][:32]
        at = match.end()
    return [head + word[at:] for head in results]
