"""A text as sentences, and a sentence as the words that say something."""

from __future__ import annotations

import re
from collections.abc import Iterator

from watchdogd.core.detect.cues import TOKEN
from watchdogd.core.detect.provenance import STOP

MAX_SENTENCE = 700
"""Characters; longer runs without an end are cut."""

_END = re.compile(r"[.!?;][\"')\]]{0,3}\s+|[。！？；]")
_SPLITS = re.compile(r"[.!?;。！？；>]|\d[A-Z][A-Za-z]")
_GLUED = re.compile(r"[\d.>][A-Z][a-z]{2}")
_LABELLED = re.compile(r"[A-Z]{3,12}:\s")
"""A sentence that begins right behind another's last character, as where something was pasted in."""
_CELL = re.compile(r" \| |\n")
_CLOSED = re.compile(r"</\w[\w -]{0,24}>")
SHORT_STEM = 4
"""Letters up to which a word is its own stem."""
_ENDINGS = ("ing", "ed", "es", "s", "e", "d")
_VALUE = re.compile(r'"((?:[^"\\]|\\.){16,20000})"|\'((?:[^\'\\]|\\.){16,20000})\'')
_FIELD = re.compile(r"[ \t]{0,40}(?:- )?['\"]?[^\W\d][\w -]{0,30}['\"]?:(?:\s|$)")
_BEGINNING = re.compile(r"[ \t]*[-*•#>\d<A-Z'\"\[{]")
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\U000e0000-\U000e0fff]"
)


def legible(text: str) -> str:
    """``text`` with escaped line ends as line ends, doubled quotes as one, and without invisible characters."""
    if "\\" in text:
        text = (
            text.replace("\\n", "\n")
            .replace("\\t", " ")
            .replace("\\r", "")
            .replace('\\"', '"')
            .replace("\\\n", "\n")
            .replace("\\ ", " ")
        )
    if "''" in text:
        text = text.replace("''", "'")
    if not text.isascii():
        text = _visible(text)
    return text


def _visible(text: str) -> str:
    """``text`` without invisible characters; one kind at a time, which is ten times as fast where there are many."""
    at = 0
    for _ in range(6):
        hidden = _INVISIBLE.search(text, at)
        if hidden is None:
            return text
        at = hidden.start()
        text = text.replace(hidden.group(0), "")
    return _INVISIBLE.sub("", text)


def sentences(text: str) -> list[str]:
    """The sentences of ``text``, in order; every character is looked at a fixed number of times."""
    found: list[str] = []
    held = ""
    for line in text.split("\n"):
        if not held:
            held = line
        elif (
            len(held) > MAX_SENTENCE
            or not line
            or line.isspace()
            or (not line[0].islower() and _BEGINNING.match(line))
            or (":" in line and _FIELD.match(line))
        ):
            _divide(held, found)
            held = line
        else:
            held = f"{held}\n{line}"
    _divide(held, found)
    return found


def _divide(block: str, found: list[str]) -> None:
    """Adds the sentences of ``block`` (lines that belong together) to ``found``."""
    if block.count('": ') + block.count("': ") >= 2 or block.count('":"') >= 2:
        _values(block, found)
        return
    if block.count(" | ") >= 2:
        _cells(block, found)
        return
    if len(block) <= MAX_SENTENCE and _SPLITS.search(block) is None:
        if block and not block.isspace():
            found.append(block)
        return
    cuts = [match.end() for match in _END.finditer(block)]
    glued = [match.start() + 1 for match in _GLUED.finditer(block)]
    if ": " in block or ":\n" in block:
        glued += [match.start() for match in _LABELLED.finditer(block) if _pasted(block, match.start())]
    if "</" in block:
        glued += [match.end() for match in _CLOSED.finditer(block)]
    if glued:
        cuts = sorted({*cuts, *glued})
    start = 0
    for cut in (*cuts, len(block)):
        piece = block[start:cut]
        start = cut
        if len(piece) > MAX_SENTENCE:
            found += _pieces(piece)
        elif piece and not piece.isspace():
            found.append(piece)


def _cells(block: str, found: list[str]) -> None:
    """Adds the sentences among the cells of ``block``, which are rows of a table."""
    for cell in _CELL.split(block):
        if cell.count(" ") >= 3:
            _divide(cell, found)


def _values(block: str, found: list[str]) -> None:
    """Adds the sentences among the values of ``block``, which is a record (JSON, a Python dict)."""
    for match in _VALUE.finditer(block):
        value = match.group(1) or match.group(2)
        if value.count(" ") >= 3:
            for end in re.split(_END, value):
                found += _pieces(end) if len(end) > MAX_SENTENCE else [end] if end and not end.isspace() else []


def _pasted(block: str, at: int) -> bool:
    before = block[at - 1 : at]
    return before.isalnum() and not before.isupper()


def _pieces(sentence: str) -> Iterator[str]:
    start = 0
    while start < len(sentence):
        end = start + MAX_SENTENCE
        if end < len(sentence):
            space = sentence.rfind(" ", start + MAX_SENTENCE // 2, end)
            end = space if space > 0 else end
        yield sentence[start:end]
        start = end


def telling(text: str) -> frozenset[str]:
    """The words of ``text`` that say something: not those of grammar, nor the parts of a date or of a time of day."""
    return frozenset(
        word
        for word in TOKEN.findall(text.lower())
        if word not in STOP and len(word) > 1 and (len(word) > 2 or not word.isdigit())
    )


def stem(word: str) -> str:
    """``word`` without the endings that verbs and plurals take in English; other words are cut alike on both sides."""
    if len(word) > SHORT_STEM:
        for ending in _ENDINGS:
            if word.endswith(ending) and len(word) - len(ending) >= SHORT_STEM - 1:
                return word[: -len(ending)]
    return word


def stems(text: str) -> frozenset[str]:
    """The stems of the words of ``text`` that say something, and its numbers."""
    return frozenset(stem(word) for word in TOKEN.findall(text.lower()) if len(word) > 1 and word not in STOP)
