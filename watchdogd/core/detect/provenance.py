"""Where a value comes from: identifiers in one spelling, whatever notation they were written in."""

from __future__ import annotations

import re
from collections.abc import Iterable

from watchdogd.core.detect.cue_words import words

_EMAIL = re.compile(r"[A-Za-z0-9._%+\-]{1,64}@[A-Za-z0-9\-]{1,63}(?:\.[A-Za-z0-9\-]{1,63}){1,6}")
_URL = re.compile(r"(?:(?:https?|ftp)://|www\.)[^\s<>\"'`)\]}，。、]{3,300}", re.IGNORECASE)
_BARE_DOMAIN = re.compile(
    r"(?<![@\w.\-/])(?:[a-z0-9\-]{1,40}\.){1,4}(?:com|org|net|io|dev|app|info|biz|xyz|co|ai|me|ru|cn|de|uk|fr|"
    r"site|online|top|ly|link|shop|club)(?:/[^\s<>\"'`)\]}]{0,200})?(?![\w@])"
, re.IGNORECASE)  # fmt: skip
_CODE = re.compile(r"(?=[A-Za-z0-9_\-]{0,60}\d)(?=[A-Za-z0-9_\-]{0,60}[A-Za-z])[A-Za-z0-9][A-Za-z0-9_\-]{4,60}")
_SNAKE = re.compile(r"[A-Za-z0-9]{1,30}(?:_[A-Za-z0-9]{1,30}){1,5}")
_SPACED_ACCOUNT = re.compile(r"\b[A-Z]{2}\d{2}(?: [A-Z0-9]{4}){3,7}(?: [A-Z0-9]{1,4})?\b")
_PHONE = re.compile(r"\+\d[\d ()./-]{6,20}\d")
_NUMBER = re.compile(r"\d{1,3}(?:[,.' ]\d{3})+(?:\.\d{1,2})?|\d{2,40}(?:\.\d{1,4})?")
_ISO_DATE = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})")
_DMY = re.compile(r"(?<!\d)(\d{1,2})[./](\d{1,2})[./](\d{4})")
_MONTHS = {
    name: at % 12 + 1
    for names in (
        "january february march april may june july august september october november december",
        "jan feb mar apr may jun jul aug sep oct nov dec",
        "januar februar märz april mai juni juli august september oktober november dezember",
        "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
        "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
        "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
        "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro",
        "januari februari maart april mei juni juli augustus september oktober november december",
        "stycznia lutego marca kwietnia maja czerwca lipca sierpnia września października listopada grudnia",
        "января февраля марта апреля мая июня июля августа сентября октября ноября декабря",
        "ocak şubat mart nisan mayıs haziran temmuz ağustos eylül ekim kasım aralık",
    )
    for at, name in enumerate(names.split())
}
_MONTH = "|".join(sorted(_MONTHS, key=len, reverse=True))
_NTH = r"(?:st|nd|rd|th|er|º|\.)?"
_DAY_MONTH = re.compile(rf"(\d{{1,2}}){_NTH}\s{{0,2}}(?:of |de |d')?\s{{0,2}}({_MONTH})\b")
_MONTH_DAY = re.compile(rf"\b({_MONTH})\.?\s{{0,2}}(\d{{1,2}}){_NTH}(?!\d)")
_RANGE = re.compile(
    rf"(\d{{1,2}}){_NTH}\s{{0,2}}(?:to|until|till|through|bis|au|al|a|–|-|—|and)\s{{1,2}}(?:the |zum |le |el )?"
    rf"\d{{1,2}}{_NTH}\s{{0,2}}(?:of |de )?({_MONTH})"
)
_CJK_DATE = re.compile(r"(?:(\d{4})\s?[年년]\s?)?(\d{1,2})\s?[月월]\s?(\d{1,2})\s?[日일]")
_DATED = re.compile(r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[./]\d{1,2}[./]\d{4}|\d{1,2}:\d{2}(?::\d{2})?|(?<=[a-z])t\d")
_QUOTED = re.compile(
    r"[\"“«「『]([^\"“”«»「」『』\n]{2,160})[\"”»」』]|(?<![A-Za-z0-9])'([^'\n]{2,160})'(?![A-Za-z0-9])"
)

LIMIT = 200
"""Marks taken from one text at most."""


def canonical_url(url: str) -> str:
    """``url`` without scheme, ``www.``, trailing punctuation and slash."""
    text = url.lower().rstrip(".,;:!?)]}'\"*")
    for prefix in ("https://", "http://", "ftp://", "www."):
        text = text.removeprefix(prefix)
    return text.rstrip("/")


def marks(text: str, *, quoted: bool = True) -> dict[str, float]:
    """The identifiers in ``text`` in one spelling each, with how telling each is (0..1)."""
    found: dict[str, float] = {}
    low = text.lower()
    _addresses(low, found)
    if "_" in low:
        for match in _SNAKE.finditer(low):
            found.setdefault(match.group(0), 0.7)
    if any(digit in low for digit in "0123456789"):
        _numeric(text, low, found)
    if quoted and ('"' in text or "'" in text or not text.isascii()):
        for match in _QUOTED.finditer(low):
            inner = folded(match.group(1) or match.group(2))
            if inner:
                found.setdefault(f"={inner}", 0.8 if " " in inner else 0.5)
    if len(found) > LIMIT:
        return dict(list(found.items())[:LIMIT])
    return found


def _addresses(low: str, found: dict[str, float]) -> None:
    if "@" in low:
        for match in _EMAIL.finditer(low):
            found[match.group(0)] = 1.0
    if "." in low:
        if "://" in low or "www." in low:
            for match in _URL.finditer(low):
                _place(match.group(0), found)
        for match in _BARE_DOMAIN.finditer(low):
            _place(match.group(0), found)


def _place(url: str, found: dict[str, float]) -> None:
    """Adds ``url`` and its host: what is appended to an address still goes there."""
    whole = canonical_url(url)
    found[whole] = 1.0
    host = re.split(r"[/?#]", whole, maxsplit=1)[0]
    if host != whole:
        found.setdefault(host, 0.9)


def _numeric(text: str, low: str, found: dict[str, float]) -> None:
    for match in _CODE.finditer(low):
        word = match.group(0)
        digits = sum(char.isdigit() for char in word)
        if digits >= 2:
            found.setdefault(word.replace("-", ""), 1.0 if len(word) >= 10 and digits >= 6 else 0.6)
    if "+" in low:
        for match in _PHONE.finditer(low):
            found["+" + re.sub(r"\D", "", match.group(0))] = 1.0
    for match in _SPACED_ACCOUNT.finditer(text):
        found[match.group(0).replace(" ", "").lower()] = 1.0
    for date in dates(low):
        found[date] = 0.45
    rest = _DATED.sub(" ", low)
    for match in _NUMBER.finditer(rest):
        number = re.sub(r"[,' ]", "", match.group(0))
        number = number.split(".")[0] if re.fullmatch(r"\d+\.0{1,2}", number) else number
        if re.fullmatch(r"\d{1,3}(?:\.\d{3})+", number):
            number = number.replace(".", "")
        length = len(number)
        if length == 4 and number[:2] in ("19", "20"):
            continue
        found.setdefault(f"#{number}", 0.9 if length >= 7 else 0.5 if length >= 4 else 0.25)


def dates(low: str) -> Iterable[str]:
    """Month and day of every date in ``low`` (lower case), as ``@MM-DD``."""
    for match in _ISO_DATE.finditer(low):
        yield f"@{int(match.group(2)):02d}-{int(match.group(3)):02d}"
    if "/" in low or "." in low:
        for match in _DMY.finditer(low):
            yield f"@{int(match.group(2)):02d}-{int(match.group(1)):02d}"
            yield f"@{int(match.group(1)):02d}-{int(match.group(2)):02d}"
    if _MONTH_HINT.search(low):
        for match in _DAY_MONTH.finditer(low):
            yield f"@{_MONTHS[match.group(2)]:02d}-{int(match.group(1)):02d}"
        for match in _MONTH_DAY.finditer(low):
            yield f"@{_MONTHS[match.group(1)]:02d}-{int(match.group(2)):02d}"
        for match in _RANGE.finditer(low):
            yield f"@{_MONTHS[match.group(2)]:02d}-{int(match.group(1)):02d}"
    if "月" in low or "월" in low:
        for match in _CJK_DATE.finditer(low):
            yield f"@{int(match.group(2)):02d}-{int(match.group(3)):02d}"


_MONTH_HINT = re.compile(r"(?:jan|feb|m[aä]r|apr|ma[iyj]|me[ij]|jun|jul|aug|sep|o[ck]t|nov|de[cz]|janv|"
    r"f[eé]v|avr|jui|ao[uû]|ene|abr|ago|dic|gen|mag|giu|lug|set|ott|fev|out|stycz|lut|"
    r"kwie|czerw|lip|sier|wrze|paź|list|grud|янв|фев|мар|апр|ма[яй]|июн|июл|авг|сен|"
    r"окт|ноя|дек|oca|şub|nis|haz|tem|ağu|eyl|eki|kas|ara)")  # fmt: skip


def folded(text: str) -> str:
    """``text`` in lower case with single spaces and without punctuation at its ends."""
    return " ".join(text.lower().split()).strip(" .,;:!?\"'`“”«»()[]{}<>*_-")


STOP = words(
    """
    a an the of to in on at for and or but not no is are was were be been being has have had do does did will
    would can could should shall may might must i you he she it we they me him her us them my your his its our
    their this that these those with from by as into about over under after before then than so if when where
    which who what how all any some more most very just also only up out off here there am pm etc via per re
    please thanks thank hi hello dear best regards yes ok let get got make made der die das und oder ein eine
    einen den dem des zu von mit für auf ist im bitte le la les un une de du et ou à au aux en pour avec sur est
    el los las una y o con por para del al es se il lo gli e di da che non è os um uma dos em na com het een van
    voor met op te w z и в на с по из не что это как bir ve bu için ile
    """
)
"""Words that say nothing about where a text comes from."""
