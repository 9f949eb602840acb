"""What a program call does to the world, as far as its words tell: the fold over redirections and the tables."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from watchdogd.core.events import Impact
from watchdogd.core.shell.options import named
from watchdogd.core.shell.paths import UNKNOWN
from watchdogd.core.shell.simple import SimpleCommand
from watchdogd.core.shell.wordings import destinations, targets


@dataclass(slots=True)
class Effect:
    """What one simple command does; paths as written in it."""

    impact: Impact = Impact.READ
    reasons: list[str] = field(default_factory=list)
    writes: list[str] = field(default_factory=list)
    removes: list[str] = field(default_factory=list)
    trees: list[str] = field(default_factory=list)
    """Removed or moved with everything below."""
    hosts: list[str] = field(default_factory=list)
    scripts: list[str] = field(default_factory=list)
    """Texts that another shell will run."""
    given: tuple[str, ...] = ()
    """The positional parameters of those texts, ``$0`` first."""
    inner: list[SimpleCommand] = field(default_factory=list)
    """Commands handed to a wrapper."""

    def at_least(self, impact: Impact, reason: str = "") -> None:
        """Raises the class."""
        if ORDER[impact] > ORDER[self.impact]:
            self.impact = impact
        if reason:
            self.reasons.append(reason)


ORDER: Mapping[Impact, int] = {impact: at for at, impact in enumerate(Impact)}
READERS = named(
    """
    cat head tail wc ls dir vdir pwd echo printf true false : test [ stat file which type whereis whoami id
    groups uname arch nproc df du free ps uptime printenv basename dirname realpath readlink cut tr paste join
    comm diff cmp colordiff diff3 md5sum sha1sum sha224sum sha256sum sha384sum sha512sum b2sum cksum sum nl
    tac rev fold fmt pr expand unexpand column seq sleep jq grep egrep fgrep zgrep zcat bzcat xzcat zless bat
    strings base64 base32 od hexdump hd tsort lsof ss netstat pgrep pidof lsblk lscpu lsmod lspci lsusb locale
    cal return exit break continue shift wait jobs let getopts local declare typeset readonly export unset set
    shopt alias unalias umask ulimit hash help times cd pushd popd dirs read mapfile readarray history fg bg
    trap date hostname tty stty clear tput yes look apropos man info nm objdump readelf size ldd getent
    getfacl getfattr vmstat iostat mpstat cloc tokei identify exiftool numfmt factor expr bc dc sort less more top
    htop tree rg ag uniq xxd diffstat locate lsattr logname who w last pmap factor shuf
    """
)
"""Programs that only look. Their few flags that do more are in ``_MORE``; redirections count on their own."""


def effect_of(command: SimpleCommand) -> Effect:
    """What ``command`` does, redirections included. An unknown program executes."""
    effect = Effect()
    for redirect in command.redirects:
        _redirected(effect, redirect.op, redirect.target)
    if not command.argv:
        return effect
    if command.dynamic:
        effect.at_least(Impact.EXECUTE, "the program is only known when it runs")
        return effect
    program = command.program
    if "/" in command.argv[0] and not command.argv[0].startswith(("/bin/", "/usr/", "/sbin/", "/opt/homebrew/")):
        effect.at_least(Impact.EXECUTE, f"runs {command.argv[0]}")  # it may be another than its name says
    handler = _HANDLERS.get(program) or _by_shape(program)
    if handler is not None:
        handler(effect, command)
    elif program not in READERS:
        effect.at_least(Impact.EXECUTE, f"runs {program}")
    more = _MORE.get(program)
    if more is not None:
        more(effect, command)
    if program not in READERS:
        _worded(effect, command.argv)
    return effect


def _worded(effect: Effect, argv: tuple[str, ...]) -> None:
    """What options and addresses tell whatever the program is."""
    if len(argv) < 2:
        return
    for path in targets(argv):
        if path not in effect.writes and path not in SINKS:
            effect.writes.append(path)
            effect.at_least(Impact.WRITE)
    for host in destinations(argv):
        if host not in effect.hosts:
            effect.hosts.append(host)


def _redirected(effect: Effect, op: str, target: str) -> None:
    if target.startswith(("/dev/tcp/", "/dev/udp/")):
        effect.at_least(Impact.EXTERNAL, "opens a network socket by redirection")
        effect.hosts.append(target.split("/")[3] if target.count("/") >= 3 else UNKNOWN)
    elif ">" in op and "**" not in target and ("*" in target or "?" in target):
        effect.at_least(Impact.WRITE, f"writes {shown(target)}")
        effect.writes.append(UNKNOWN)  # the one file it stands for, or an error
    elif ">" in op and target and not (target.isdigit() or target == "-" or target in SINKS):
        effect.at_least(Impact.WRITE, f"writes {shown(target)}")
        effect.writes.append(target)


SINKS = frozenset({"/dev/null", "/dev/stdout", "/dev/stderr", "/dev/tty"})


def shown(word: str) -> str:
    """``word`` for people: unknown parts as an ellipsis, cut."""
    text = word.replace(UNKNOWN, "…")
    return text if len(text) <= 80 else text[:79] + "…"


Handler = Callable[[Effect, SimpleCommand], None]


def handed(command: SimpleCommand, argv: list[str], *, stdin: bool = False) -> SimpleCommand:
    """``argv`` as run by ``command`` in its place."""
    return SimpleCommand(
        argv=tuple(argv),
        cwd=command.cwd,
        via=(*command.via, command.program),
        stdin=command.stdin if stdin else None,
        redirects=tuple(redirect for redirect in command.redirects if redirect.op.startswith("<")) if stdin else (),
        raw=command.raw,
    )


_FAMILIES: dict[str, Handler] = {}
_MORE: dict[str, Handler] = {}
_HANDLERS: dict[str, Handler] = {}


def _by_shape(program: str) -> Handler | None:
    """Families of names: ``mkfs.ext4``, ``python3.12``, and names in which case does not count."""
    if program.startswith("mkfs"):
        return _FAMILIES.get("mkfs")
    if re.fullmatch(r"(?:python|pypy|perl|ruby|php|lua)[0-9.]{1,6}", program):
        return _FAMILIES.get("interpreter")
    return _FAMILIES.get(program.lower())


def known(program: str) -> bool:
    """Whether some module of this package knows what ``program`` does."""
    return program in _HANDLERS


def register(
    handlers: Mapping[str, Handler],
    *,
    more: Mapping[str, Handler] | None = None,
    families: Mapping[str, Handler] | None = None,
) -> None:
    """Adds the programs a module of this package knows; called at its import.

    Args:
        handlers: what a program does.
        more: what some flags of a program that only looks do beyond.
        families: handlers for names by shape (``mkfs``, ``interpreter``), and for names in any case.
    """
    _HANDLERS.update(handlers)
    _MORE.update(more or {})
    _FAMILIES.update(families or {})
