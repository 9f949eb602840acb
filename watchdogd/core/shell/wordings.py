"""What the words of any program tell without knowing the program: where it would write, whom it would reach."""

from __future__ import annotations

import re
from collections.abc import Sequence

from watchdogd.core.shell.options import named

_OUTPUT = named(
    """
    output out outfile outdir dest destination destdir target prefix install save saveto export dump backup log logfile
    cachedir root write
    """
)
"""Words in the name of an option or assignment whose value is a place that is written."""
_NOT_OUTPUT = named("format type level color colour style mode only name branch version arch platform os triple tag")
_HOSTLY = named("host hostname server endpoint registry index proxy broker url uri remote mirror connect address")
"""Words in the name of an option whose value is a network destination."""
_URL = re.compile(
    r"(?:[a-z][a-z0-9]{1,11}\+)?[a-z][a-z0-9]{1,11}://(?:[^\s/@'\"]{1,200}@)?(\[[0-9a-fA-F:]{2,40}\]|[A-Za-z0-9._-]{1,253})",
    re.IGNORECASE,
)
_REMOTE = re.compile(r"[\w.-]{1,64}@([A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}):")
_NAME = re.compile(r"(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}(?=[:/]|$)|\d{1,3}(?:\.\d{1,3}){3}(?=[:/]|$)")
_SPLIT = re.compile(r"[-_.]")
MOST_WORDS = 400


def targets(argv: Sequence[str]) -> list[str]:
    """The places that ``--output X``, ``--prefix=X``, ``-o X`` or operands such as ``DESTDIR=X`` name."""
    found: list[str] = []
    only_says = argv[0].endswith(("configure", "meson")) or any(word.startswith("DESTDIR=") for word in argv)
    for at, word in enumerate(argv[1:MOST_WORDS], start=1):
        name, eq, value = word.partition("=")
        if word[:2] == "--" or (eq and word[0] != "-"):
            parts = set(_SPLIT.split(name.lstrip("-").lower()))
            if not parts & _OUTPUT or parts & _NOT_OUTPUT or (only_says and "prefix" in parts):
                continue
            value = value if eq else next(iter(argv[at + 1 : at + 2]), "")
        elif word == "-o":
            value = next(iter(argv[at + 1 : at + 2]), "")
        else:
            continue
        if _is_place(value):
            found.append(value)
    return found


def _is_place(value: str) -> bool:
    return len(value) > 1 and value[0] in "/~." and not any(sign in value for sign in " \n=:")


def destinations(argv: Sequence[str]) -> list[str]:
    """The hosts in words that are an address as a whole, and in options such as ``--host X`` or ``--registry=X``."""
    found: list[str] = []
    for at, word in enumerate(argv[1:MOST_WORDS], start=1):
        if "://" not in word and "@" not in word and word[:2] != "--":
            continue
        name, eq, value = word.partition("=")
        whole = value if eq and name[:1] in "-" and "://" not in name else word
        match = _URL.match(whole) or _REMOTE.match(whole)
        if match is not None and not any(sign in whole for sign in " \n"):
            found.append(match.group(1).lower())
        elif word[:2] == "--" and set(_SPLIT.split(name[2:].lower())) & _HOSTLY:
            value = value if eq else next(iter(argv[at + 1 : at + 2]), "")
            host = _URL.match(value) or _NAME.match(value)
            if host is not None:
                found.append(host.group(host.lastindex or 0).lower())
    return found
