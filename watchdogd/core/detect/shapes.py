"""Shapes of secrets, and a look for all of them at once: each is only tried around what it cannot do without.

The shapes come from outside (the core reads no library that talks to the network); the marks that redaction leaves in
recorded events count as what they stand for.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import groupby

MOST_TEXT = 1_200_000
"""Characters of one text that are looked at."""
LONG_TEXT = 30_000
"""Characters from which it pays to look first for single letters, and for values only as far as they are needed."""
SHORTEST_WORD = 16
"""Characters without white space that any secret of a known shape has."""
LENGTHS = (SHORTEST_WORD, 20, 24, 36, 44, 55)
"""Lengths of words that are told apart: no shape is tried in a text without a word that could hold it."""
MOST_WORDS = 1_000
"""Long words of one text that are looked at on their own; a text of more is looked at whole."""
AROUND = 300
"""Characters before a needle, and twice as many after it, in which its shape is looked for."""
BEFORE_SIGN, AFTER_VALUE = 40, 240
"""Characters before and after the start of a value in which what names it, and the value itself, stand."""
MOST_SPOTS = 48
"""Needles of one shape in one text that are looked at."""
MOST_HITS = 1_000
"""Needles in the long words of one text after which all are taken to be there."""
MOST_FOUND = 20
"""Secrets of one text that are reported."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What a kind of secret looks like."""

    name: str
    pattern: str
    needles: tuple[str, ...]
    """Lower-case texts of which one must occur."""
    shortest: int = SHORTEST_WORD
    """Characters without white space that it has at least."""
    value: int = 0
    """Letters, digits and ``/+_-`` in a row that the value named by a needle begins with at least, after a character
    that is none of them; 0 = not known."""
    signs: str = ""
    """Characters of which one stands between needle and value, within ``BEFORE_SIGN`` characters, and only white space
    and quotes after it; empty = not known."""


BUILT_IN = (
    Shape(
        "token of a known service",
        r"\b(?:AIza[0-9A-Za-z_-]{35}|npm_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{60,90}|hf_[A-Za-z]{34}|"
        r"dop_v1_[a-f0-9]{64}|shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32})\b",
        ("aiza", "npm_", "github_pat_", "hf_", "dop_v1_", "shpat_", "shpca_", "shppa_", "shpss_"),
        shortest=37,
    ),
    Shape("password in an address", r"://[^\s/:@]{1,60}:([^\s/:@]{12,100})@", ("://",), shortest=18),
    Shape("redacted secret", r"\[redacted:([^\]\n]{1,60})\]", ("[redacted:",), shortest=0),
    Shape("private key", r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY", ("private key",), shortest=0),
    Shape("key of a model provider", r"\bsk-(?:ant|proj|or)-[A-Za-z0-9_-]{20,200}", ("sk-",), shortest=26),
    Shape("bearer token", r"(?i)\bbearer\s{1,4}([A-Za-z0-9._~+/-]{24,2000})", ("bearer",), shortest=24),
    Shape(
        "assigned secret",
        r"(?i)(?:api[_-]?key|access[_-]?key|secret[_-]?key|private[_-]?key|auth[_-]?key|account[_-]?key|"
        r"encryption[_-]?key|signing[_-]?key|master[_-]?key|secret|token|passw(?:or)?d|credential)s?"
        r"[\"']?\s{0,4}[:=]\s{0,4}[\"']?"
        r"([A-Za-z0-9/+_\-]{20,200})(?![A-Za-z0-9/+_.(\-])",
        ("key", "secret", "token", "passw", "credential"),
        shortest=20,
        value=20,
        signs=":=",
    ),
)
"""Shapes that need no library or that it lacks: what redaction leaves, keys in PEM, values named as secrets."""
LOOKS_DRAWN = frozenset({"assigned secret", "password in an address"})
"""Those that only count where the value looks random."""


@dataclass(frozen=True, slots=True)
class Sought:
    """A shape, ready to be looked for."""

    name: str
    pattern: re.Pattern[str]
    needles: tuple[tuple[str, str], ...]
    """Each with the letter of it that most texts lack first."""
    shortest: int
    value: int
    signs: str
    drawn: bool
    """It only counts where it looks random."""
    inside: frozenset[str]
    """Its needles, where they stand inside a long word or nowhere; empty = they may stand elsewhere."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How shapes are looked for."""

    every: tuple[Sought, ...]
    spread: tuple[Sought, ...]
    """Those that may stand outside of long words."""
    inside: re.Pattern[str]
    """The needles of the others."""
    begins: Mapping[str, frozenset[str]]
    """What ``inside`` fits, to the needles that begin so."""
    rarest: frozenset[str]
    """Of each of those needles the letter that most texts lack."""
    least: int
    """Characters of the shortest value."""


def secrets(text: str, shapes: tuple[Shape, ...] = ()) -> Iterator[tuple[str, str]]:
    """Shape and text of the secrets in ``text``, at most ``MOST_FOUND``."""
    return found_in(text, planned(shapes))


def found_in(text: str, plan: Plan) -> Iterator[tuple[str, str]]:
    """Shape and text of the secrets in ``text`` by a plan made before, at most ``MOST_FOUND``."""
    text = text[:MOST_TEXT]
    low = _low(text)
    spaced = low.encode().translate(_WORDS).decode()
    bound = MOST_TEXT
    for length, word in _LONG:
        if word not in spaced:
            bound = length
            break
    if bound == SHORTEST_WORD and "[redacted:" not in low and "private key" not in low:
        return
    left = MOST_FOUND
    inside = _inside(low, spaced, plan)
    values: Iterable[tuple[int, int]] = _Values(low, plan.least)
    longest = MOST_TEXT
    if len(low) <= LONG_TEXT:
        values = list(values)
        longest = max([end - at for at, end in values], default=0)
    for one in plan.every if inside else plan.spread:
        if one.shortest >= bound or one.value > longest or (one.inside and one.inside.isdisjoint(inside)):
            continue
        for window in _around(text, low, one, values) if one.value else _windows(text, low, one):
            for match in one.pattern.finditer(window):
                secret = next((group for group in match.groups() if group and len(group) >= 8), match.group(0))
                if one.drawn and not random_looking(secret):
                    continue
                yield one.name, secret
                left -= 1
                if not left:
                    return


_WORDS = bytes(32 if chr(code).isspace() else 120 for code in range(256))
"""Spells white space as a space, and all else as an x."""
_LONG = [(length, "x" * length) for length in LENGTHS]
_WORD = "x" * SHORTEST_WORD
_VALUES = bytes(120 if chr(code).isalnum() or chr(code) in "/+_-" else 32 for code in range(128)) + b" " * 128
"""Spells what values are made of as an x, and all else as a space."""
_BESIDE = " \t\n\r\f\v\x1c\x1d\x1e\x1f?\"'"
"""What may stand between a value and the sign before it; a ? stands for what is not ASCII."""
_RARE_FIRST = "[:=.zqxjkvwy_-0123456789bpgfmuhdclrnsoitae "
"""The characters of needles, those that are rare in what tools print first."""


def _low(text: str) -> str:
    """``text`` in lower case and of the same length: what is not ASCII is no part of a needle."""
    if text.isascii():
        return text.lower()
    text = text.replace("\u212a", "k")  # the one character beyond ASCII whose lower case is in it
    return text.encode("ascii", "replace").decode().lower()


def _inside(low: str, spaced: str, plan: Plan) -> set[str]:
    """The needles that may stand inside long words."""
    long: list[str] = []
    end = 0
    while (start := spaced.find(_WORD, end)) >= 0:
        end = spaced.find(" ", start + SHORTEST_WORD)
        if end < 0:
            long.append(low[start:])
            break
        long.append(low[start:end])
        if len(long) > MOST_WORDS:
            long = [low]
            break
    words = " ".join(long)
    found: set[str] = set()
    if len(words) > LONG_TEXT and not any(letter in words for letter in plan.rarest):
        return found
    at = hits = 0
    while (hit := plan.inside.search(words, at)) is not None:
        found |= plan.begins[hit[0]]
        at = hit.start() + 1
        hits += 1
        if hits >= MOST_HITS:
            return set().union(*plan.begins.values())
    return found


@cache
def planned(shapes: tuple[Shape, ...]) -> Plan:
    """How ``shapes`` and the built-in ones are looked for."""
    every = tuple(_sought(one) for one in (*BUILT_IN, *shapes))
    inside = dict(needle for one in every if one.inside for needle in one.needles)
    first = [one for one in inside if not any(one != other and one.startswith(other) for other in inside)]
    return Plan(
        every=every,
        spread=tuple(one for one in every if not one.inside),
        inside=re.compile(_any_of(sorted(first))),
        begins={one: frozenset(other for other in inside if other.startswith(one)) for one in first},
        rarest=frozenset(inside.values()),
        least=min(one.value for one in every if one.value),
    )


def _any_of(texts: list[str]) -> str:
    """A pattern that fits where one of the sorted ``texts`` begins; a letter that many begin with is tried once."""
    if texts == [""]:
        return ""
    by_letter = groupby(texts, key=lambda one: one[0])
    tails = [re.escape(letter) + _any_of([one[1:] for one in group]) for letter, group in by_letter]
    return tails[0] if len(tails) == 1 else f"(?:{'|'.join(tails)})"


def _sought(shape: Shape) -> Sought:
    return Sought(
        name=shape.name,
        pattern=re.compile(shape.pattern),
        needles=tuple((one, min(one, key=_RARE_FIRST.find)) for one in shape.needles),
        shortest=shape.shortest,
        value=shape.value,
        signs=shape.signs,
        drawn=shape.name in LOOKS_DRAWN,
        inside=frozenset(shape.needles if _in_word(shape) else ()),
    )


def _in_word(shape: Shape) -> bool:
    """Whether whatever ``shape`` fits, needle and all, is one word of at least ``SHORTEST_WORD`` characters."""
    spelt = re.sub(r"\\[^sSWDB]", "", shape.pattern)
    loose = any(mark in spelt for mark in (".", "\\", " ", "[^", "(?<"))
    return not shape.value and shape.shortest >= SHORTEST_WORD and not loose


def _windows(text: str, low: str, sought: Sought) -> list[str]:
    """The stretches of ``text`` around the needles of a shape; it may backtrack, in a stretch that costs little."""
    spots: list[int] = []
    for needle, rarest in sought.needles:
        at = low.find(needle) if rarest in low else -1
        while at >= 0 and len(spots) < MOST_SPOTS:
            spots.append(at)
            at = low.find(needle, at + AROUND)
    if not spots:
        return []
    found: list[str] = []
    end = -1
    for spot in sorted(spots):
        start = max(0, spot - AROUND, end)
        if spot + AROUND > end:
            end = spot + 2 * AROUND
            found.append(text[start:end])
    return found


class _Values:
    """Where what may be values of at least so many characters stands, and where it ends; found as it is asked for."""

    def __init__(self, low: str, least: int) -> None:
        self._spelt = low.encode().translate(_VALUES).decode()
        self._run = "x" * least
        self._found: list[tuple[int, int]] = []
        self._end = 0

    def __iter__(self) -> Iterator[tuple[int, int]]:
        yield from self._found
        while (start := self._spelt.find(self._run, self._end)) >= 0:
            end = self._spelt.find(" ", start + len(self._run))
            self._end = end if end >= 0 else len(self._spelt)
            self._found.append((start, self._end))
            yield start, self._end


def _around(text: str, low: str, sought: Sought, values: Iterable[tuple[int, int]]) -> list[str]:
    """The stretches of ``text`` around the values that a needle of a shape names."""
    if len(low) > LONG_TEXT and not any(rarest in low and needle in low for needle, rarest in sought.needles):
        return []
    before = BEFORE_SIGN if sought.signs else AROUND
    stretches: list[tuple[int, int]] = []
    spots = 0
    for at, end in values:
        if end - at < sought.value:
            continue
        start = max(0, at - before)
        named = low[start:at]
        if sought.signs and named.rstrip(_BESIDE)[-1:] not in sought.signs:
            continue
        if not any([needle in named for needle, _ in sought.needles]):  # noqa: C419 - a list is twice as fast here
            continue
        if stretches and start <= stretches[-1][1]:
            start = stretches.pop()[0]
        stretches.append((start, at + AFTER_VALUE))
        spots += 1
        if spots >= MOST_SPOTS:
            break
    return [text[start:end] for start, end in stretches]


def random_looking(text: str) -> bool:
    """Whether ``text`` looks drawn at random: digits among letters, and at least 3.5 bits per character (Shannon).

    The threshold is that of detect-secrets for base64 (4.5), lowered for strings as short as 20 characters, whose
    entropy cannot exceed 4.3.
    """
    if not any(char.isdigit() for char in text) or not any(char.isalpha() for char in text):
        return False
    counts = [text.count(char) for char in set(text)]
    return -sum(count / len(text) * math.log2(count / len(text)) for count in counts) >= 3.5
