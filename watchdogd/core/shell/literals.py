"""What a command prints, where its words alone tell: plain words, here-documents, and the usual ways to encode them."""

from __future__ import annotations

import base64
import binascii

from watchdogd.core.shell.options import sorted_words
from watchdogd.core.shell.paths import UNKNOWN
from watchdogd.core.shell.quoting import ansi
from watchdogd.core.shell.simple import SimpleCommand

MOST_CHARS = 8_000
"""Longer prints are cut."""

_PASSES = frozenset(["cat", "tee", "head", "tail", "sudo", "stdbuf", "pv", "tac", "sort", "uniq"])
_DECODES = frozenset({"d", "D", "--decode", "-d", "-D"})


def printed(command: SimpleCommand, depth: int = 0) -> str:
    """What ``command`` writes to its standard output; ``UNKNOWN`` where only running it would tell."""
    program = command.program
    if depth > 6:
        return UNKNOWN
    if program in ("echo", "printf"):
        return _words(command)
    if program in _PASSES and len(command.argv) == 1:
        return given(command, depth)
    if program in ("base64", "base32", "xxd", "rev", "openssl", "tr"):
        return _decoded(command, given(command, depth))
    return UNKNOWN


def given(command: SimpleCommand, depth: int = 0) -> str:
    """What ``command`` reads from its standard input; ``UNKNOWN`` where that is not in the text."""
    texts = [redirect.text for redirect in command.redirects if redirect.op in ("<<", "<<<")]
    if texts:
        return "\n".join(texts)[:MOST_CHARS]
    return printed(command.stdin, depth + 1) if command.stdin is not None else UNKNOWN


def _words(command: SimpleCommand) -> str:
    words = list(command.argv[1:])
    escaped = command.program == "printf"
    while words and words[0] in ("-n", "-e", "-E", "-ne", "-en", "--"):
        escaped = escaped or "e" in words[0]
        words.pop(0)
    if command.program == "printf" and words:
        form, rest = words[0], words[1:]
        text = form if not rest else _formatted(form, rest)
    else:
        text = " ".join(words)
    return ansi(f"$'{text}'")[:MOST_CHARS] if escaped and "\\" in text else text[:MOST_CHARS]


def _formatted(form: str, rest: list[str]) -> str:
    if form.count("%s") + form.count("%b") == 0:
        return form
    return "".join(form.replace("%b", "%s").replace("%s", word, 1) for word in rest[:64])


def _decoded(command: SimpleCommand, text: str) -> str:
    """``text`` after a decoder; ``UNKNOWN`` when it is not one, or the text is not static."""
    if UNKNOWN in text:
        return UNKNOWN
    flags = sorted_words(command.argv[1:], ("w", "c", "l", "s")).flags
    try:
        match command.program:
            case "base64" if flags & _DECODES:
                return _text(base64.b64decode("".join(text.split())))
            case "base32" if flags & _DECODES:
                return _text(base64.b32decode("".join(text.split())))
            case "openssl" if flags & _DECODES and {"base64", "enc"} & set(command.argv):
                return _text(base64.b64decode("".join(text.split())))
            case "xxd" if "r" in flags:
                return _text(bytes.fromhex("".join(text.split())))
            case "rev":
                return "\n".join(line[::-1] for line in text.split("\n"))
            case "tr" if len(command.argv) == 3:
                return _translated(text, command.argv[1], command.argv[2])
            case _:
                return UNKNOWN
    except (binascii.Error, ValueError):
        return UNKNOWN


def decoded(text: str) -> str:
    """The text that the base64 ``text`` stands for; empty when it is none."""
    try:
        return _text(base64.b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, ValueError):
        return ""


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace").replace(UNKNOWN, "")[:MOST_CHARS]


def _translated(text: str, old: str, new: str) -> str:
    first, second = _spread(old), _spread(new)
    if not first or not second:
        return UNKNOWN
    second += second[-1] * max(0, len(first) - len(second))
    return text.translate({ord(one): other for one, other in zip(first, second, strict=False)})


def _spread(letters: str) -> str:
    """``letters`` with its ranges (``A-Z``) written out."""
    found: list[str] = []
    at = 0
    while at < min(len(letters), 200):
        if letters[at + 1 : at + 2] == "-" and at + 2 < len(letters):
            low, high = ord(letters[at]), ord(letters[at + 2])
            found += [chr(code) for code in range(low, min(high, low + 200) + 1)]
            at += 3
        else:
            found.append(letters[at])
            at += 1
    return "".join(found)
