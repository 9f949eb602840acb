"""What kind of act a word, a tool's name or a sentence speaks of: a small lexicon of verbs and things, many languages.

The classes are those of acting in the world (send, pay, create, remove, …), not of any tool. English verbs come with
their inflections; other languages with the stems of imperative, infinitive and participle.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from watchdogd.core.detect.lexicon import ACTS, THINGS, Act

_KIN: tuple[tuple[int, int, float], ...] = (
    (Act.SEND, Act.POST, 0.8),
    (Act.SEND, Act.GRANT, 0.7),
    (Act.SEND, Act.PAY, 0.7),
    (Act.PAY, Act.BOOK, 0.5),
    (Act.PAY, Act.CREATE, 0.4),
    (Act.POST, Act.CREATE, 0.6),
    (Act.POST, Act.GRANT, 0.6),
    (Act.CREATE, Act.BOOK, 0.7),
    (Act.CREATE, Act.UPDATE, 0.6),
    (Act.CREATE, Act.GRANT, 0.6),
    (Act.UPDATE, Act.GRANT, 0.5),
    (Act.UPDATE, Act.REMOVE, 0.3),
    (Act.UPDATE, Act.PAY, 0.4),
    (Act.UPDATE, Act.BOOK, 0.5),
    (Act.SEND, Act.SAY, 0.7),
    (Act.POST, Act.SAY, 0.7),
    (Act.RUN, Act.VISIT, 0.5),
    (Act.READ, Act.VISIT, 0.9),
    (Act.SEND, Act.CREATE, 0.3),
)
"""How near two classes are: one act is often asked for with the other's verb ("send money", "add a guest")."""

PROGRAMS: dict[str, int] = {
    program: act
    for act, programs in (
        (Act.REMOVE, "rm rmdir unlink shred truncate"),
        (Act.SEND, "mail sendmail mutt scp rsync nc ncat netcat sftp ftp"),
        (Act.VISIT, "curl wget http lynx w3m"),
        (Act.POST, "push publish upload"),
        (Act.RUN, "sh bash zsh python python3 node perl ruby sudo eval source pip npm apt apt-get make docker"),
        (Act.UPDATE, "chmod chown mv sed passwd"),
        (Act.GRANT, "ssh-copy-id useradd usermod"),
        (Act.CREATE, "touch mkdir tee cp"),
        (Act.READ, "cat ls grep head tail less find"),
    )
    for program in programs.split()
}
"""Programs of a command line to what they do."""

_act, _thing = ACTS.get, THINGS.get
_CAMEL = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


def name_words(name: str) -> list[str]:
    """The lower-case words of an identifier, whether ``snake_case``, ``camelCase`` or ``kebab-case``."""
    return list(_spelt(name[:200]))


@lru_cache(maxsize=1024)
def _spelt(name: str) -> tuple[str, ...]:
    # the few names of a run's tools and arguments are asked for by many rules, on every call
    return tuple(word.lower() for word in _CAMEL.findall(name))


def acts_of(words: Iterable[str]) -> int:
    """The classes of all verbs among ``words``."""
    found = Act.NONE
    for act in map(_act, words):  # most words are no verb: a loop over hits alone takes a third
        if act:
            found |= act
    return found


def things_of(words: Iterable[str]) -> int:
    """The groups of all things named among ``words``, a bit each."""
    found = 0
    for group in map(_thing, words):
        if group:
            found |= group
    return found


@lru_cache(maxsize=4096)
def nearness(one: int, other: int) -> float:
    """How near two sets of classes are: 1 when they share one, else that of their nearest kin, else 0."""
    if one & other:
        return 1.0
    best = 0.0
    for left, right, near in _KIN:
        if near > best and ((one & left and other & right) or (one & right and other & left)):
            best = near
    return best
