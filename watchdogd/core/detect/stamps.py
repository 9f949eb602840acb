"""What a word that changes between two answers of one call looks like: a clock, an id, a number, a word."""

from __future__ import annotations

import re
from enum import IntEnum

CLOCK = re.compile(r"\D{0,3}\d{1,4}[-:/.]\d{1,2}[-:/.]\d{1,4}\D?.{0,24}|\D{0,2}\d{1,2}:\d{2}\D{0,3}")
_DAY = re.compile(r"[0-3]?\d(?:st|nd|rd|th|\.)?")
_DECIMAL = re.compile(r"[^\d.]{0,2}(\d{1,15}\.\d{1,12})([^\d]{0,4})")
_SCIENTIFIC = re.compile(r"[-+]?\d{1,3}(?:\.\d{1,12})?[eE][-+]\d{1,3}")
_INTEGER = re.compile(r"[^\d]{0,3}(\d{1,18})([^\d]{0,4})")
_BOUNDED = re.compile(r"(\d{1,12}(?:\.\d{1,6})?)(?:%|/\d{1,12}%?)")
_EPOCH = re.compile(r"1\d{9}(?:\d{3}|\d{6}|\d{9})?(?:\.\d{1,9})?")
_NO_VOWEL = re.compile(r"[^aeiouyAEIOUY\W\d_]{5}")
_DIGITS = re.compile(r"\d+")

LEAST_ID = 5
"""Characters from which a word can look drawn by lot."""
WORD_LETTERS = 4
"""Letters of a word in the mean: capitals so far apart begin words ("ReadyToShip")."""
SPINNER = frozenset("/-*+") | {chr(one) for one in range(0x2800, 0x2900)}
"""What turns in one place while something goes on; bar and backslash part words anyway."""


class Kind(IntEnum):
    """What the changing token of a position looks like."""

    STAMP = 0
    DURATION = 1
    """A fraction with a unit: a measurement, most often of time."""
    NUMBER = 2
    BOUNDED = 3
    SPAN = 4
    """One unit of a length of time that is told in several."""
    WORD = 5


def kind_of(before: str, now: str) -> tuple[Kind, float, float]:
    """What the pair looks like, and its values as numbers where it has them."""
    one, other = before.strip(".:!?"), now.strip(".:!?")
    if "," in one or "," in other:
        one, other = one.replace(",", ""), other.replace(",", "")
    if (a := _BOUNDED.fullmatch(one)) and (b := _BOUNDED.fullmatch(other)):
        return Kind.BOUNDED, float(a[1]), float(b[1])
    if _EPOCH.fullmatch(one) and _EPOCH.fullmatch(other):
        return Kind.STAMP, float(one), float(other)
    if CLOCK.fullmatch(one) and CLOCK.fullmatch(other):
        return Kind.STAMP, _digits(one), _digits(other)
    if (a := _DECIMAL.fullmatch(one)) and (b := _DECIMAL.fullmatch(other)):
        return (Kind.DURATION if a[2][:1].isalpha() else Kind.NUMBER), float(a[1]), float(b[1])
    if _SCIENTIFIC.fullmatch(one) and _SCIENTIFIC.fullmatch(other):
        return Kind.NUMBER, float(one), float(other)
    if (a := _INTEGER.fullmatch(one)) and (b := _INTEGER.fullmatch(other)):
        if one[0] == other[0] == "#":
            return Kind.STAMP, float(a[1]), float(b[1])
        return Kind.NUMBER, float(a[1]), float(b[1])
    if (a := _DIGITS.search(one)) and (b := _DIGITS.search(other)):
        return _numbered(one, other, a, b)
    if _drawn(one, other) or (before in SPINNER and now in SPINNER):
        return Kind.STAMP, 0.0, 0.0
    return Kind.WORD, 0.0, 0.0


def _numbered(one: str, other: str, a: re.Match[str], b: re.Match[str]) -> tuple[Kind, float, float]:
    """A word with digits in it: a numbered thing when only one short number changes, else an id."""
    same_words = one[: a.start()] == other[: b.start()] and one[a.end() :] == other[b.end() :]
    if same_words and len(a[0]) < 6 and len(b[0]) < 6:
        return Kind.NUMBER, float(a[0]), float(b[0])
    return Kind.STAMP, 0.0, 0.0


def _drawn(one: str, other: str) -> bool:
    """Whether both words look drawn by lot, or one does and the other is as long; what they share in front aside."""
    start = 0
    while start < min(len(one), len(other)) and one[start] == other[start]:
        start += 1
    while start and one[start - 1].isalnum():
        start -= 1
    one, other = one[start:], other[start:]
    first, second = _random(one), _random(other)
    return first and second if len(one) != len(other) else first or second


def _random(word: str) -> bool:
    """Whether ``word`` looks drawn by lot: letters and digits mixed, capitals inside, hardly a vowel in a long run."""
    word = word.replace("-", "").replace("_", "")
    if len(word) < LEAST_ID or not word.isalnum():
        return False
    if not word.isalpha():
        return not word.isdecimal()
    capitals = sum(one.isupper() for one in word[1:])
    if capitals >= 2 and not word.isupper() and capitals * WORD_LETTERS > len(word):
        return True
    return sum(one in "aeiouyAEIOUY" for one in word) * 6 < len(word) or (
        len(word) >= 8 and bool(_NO_VOWEL.search(word))
    )


def _digits(token: str) -> float:
    return float("".join(_DIGITS.findall(token[:40])) or 0)
