"""Programs that work on files, devices, text, processes and databases on this machine."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from watchdogd.core.events import Impact
from watchdogd.core.shell.effects import SINKS, Effect, Handler, handed, register, shown
from watchdogd.core.shell.options import sorted_words
from watchdogd.core.shell.paths import UNKNOWN
from watchdogd.core.shell.simple import SimpleCommand


def _writing(takes_value: tuple[str, ...] = (), *, last_only: bool = False) -> Handler:
    def handler(effect: Effect, command: SimpleCommand) -> None:
        words = sorted_words(command.argv[1:], takes_value)
        targets = words.operands[-1:] if last_only else words.operands
        if last_only and words.value("t", "--target-directory"):
            targets = (words.value("t", "--target-directory"),)
        effect.at_least(Impact.WRITE, f"{command.program} writes {', '.join(map(shown, targets[:3])) or 'files'}")
        effect.writes += targets

    return handler


_TIGHTER = re.compile(r"0?[4-7]00|(?:go|g|o|a)-[rwx]{1,3}|go=")
"""Modes that take rights from everybody but the owner."""


def _changing_rights(effect: Effect, command: SimpleCommand) -> None:
    words = sorted_words(command.argv[1:], ("--reference", "m", "x", "M", "X"))
    targets = words.operands if words.values else words.operands[1:]
    if command.program == "chmod" and words.operands and _TIGHTER.fullmatch(words.operands[0]):
        effect.at_least(Impact.WRITE, "chmod takes rights away")
        return
    effect.at_least(Impact.WRITE, f"{command.program} changes the rights of {', '.join(map(shown, targets[:3]))}")
    effect.writes += targets


def _rm(effect: Effect, command: SimpleCommand) -> None:
    words = sorted_words(command.argv[1:])
    names = ", ".join(map(shown, words.operands[:3]))
    effect.removes += words.operands
    effect.writes += words.operands
    effect.trees += [word for word in words.operands if word.endswith("/**")]
    if words.has("r", "R", "--recursive"):
        effect.trees += words.operands
        effect.at_least(Impact.DESTRUCTIVE, f"removes {names} with everything below")
    elif any(wide(operand) for operand in words.operands):
        effect.at_least(Impact.DESTRUCTIVE, f"removes whatever {names} stands for")
    else:
        effect.at_least(Impact.WRITE, f"removes {names}")


def wide(path: str) -> bool:
    """Whether ``path`` stands for everything in a directory, or for nobody knows what."""
    last = path.rstrip("/").rsplit("/", 1)[-1]
    return last in ("*", "**", ".*", "*.*", "{*,.*}") or UNKNOWN in path


def _mv(effect: Effect, command: SimpleCommand) -> None:
    words = sorted_words(command.argv[1:], ("t", "S", "--target-directory", "--suffix"))
    names = ", ".join(map(shown, words.operands[:3]))
    effect.at_least(Impact.WRITE, f"moves {names}")
    effect.writes += words.operands
    sources = words.operands if words.value("t", "--target-directory") else words.operands[:-1]
    effect.removes += sources
    effect.trees += sources


def _destructive(reason: str) -> Handler:
    def handler(effect: Effect, command: SimpleCommand) -> None:
        words = sorted_words(command.argv[1:], ("s", "--size", "n", "t", "L"))
        effect.writes += [word for word in words.operands if "/" in word or "." in word]
        effect.at_least(Impact.DESTRUCTIVE, f"{command.program} {reason}")

    return handler


def _dd(effect: Effect, command: SimpleCommand) -> None:
    targets = [word[3:] for word in command.argv[1:] if word.startswith("of=")]
    effect.writes += targets
    if targets and targets[0] not in SINKS:
        effect.at_least(Impact.DESTRUCTIVE, f"dd overwrites {shown(targets[0])}")


def _find(effect: Effect, command: SimpleCommand) -> None:
    words = list(command.argv[1:])
    roots = []
    for word in words:
        if word.startswith(("-", "(", "!")):
            break
        roots.append(word)
    below = [f"{root.rstrip('/')}/**{chosen(words)}" for root in roots] or [f"**{chosen(words)}"]
    named_paths = [words[at + 1] for at in _asked(words, "-path", "-wholename", "-ipath")]
    below = named_paths or below
    if "-delete" in words:
        effect.removes += below
        effect.writes += below
        effect.trees += below
        effect.at_least(Impact.DESTRUCTIVE, f"find deletes below {', '.join(map(shown, roots)) or '.'}")
    for flag in ("-fprint", "-fprintf", "-fls"):
        if flag in words and words.index(flag) + 1 < len(words):
            effect.writes.append(words[words.index(flag) + 1])
            effect.at_least(Impact.WRITE, "find writes a file")
    at = 0
    while at < len(words):
        at += 1
        if words[at - 1] in ("-exec", "-execdir", "-ok", "-okdir"):
            argv: list[str] = []
            while at < len(words) and words[at] not in (";", "+"):
                argv += below if words[at] == "{}" else [words[at].replace("{}", below[0])]
                at += 1
            effect.inner.append(handed(command, argv))
    if effect.inner:
        effect.reasons.append("find runs a command on what it finds")


_WHOLE = frozenset(["-type", "-mindepth", "-maxdepth", "-depth", "-xdev", "-mount", "-print0", "-print", "-delete"])


def _fd(effect: Effect, command: SimpleCommand) -> None:
    """``fd PATTERN ROOT… -x COMMAND``."""
    words = list(command.argv[1:])
    until = next((at for at, word in enumerate(words) if word in ("-x", "-X", "--exec", "--exec-batch")), len(words))
    operands = sorted_words(words[:until], ("t", "e", "d", "E", "--type", "--extension", "--exclude")).operands
    narrowed = "" if operands[:1] in ((".",), ("",), (".*",)) else f"/{UNKNOWN}"
    below = [f"{root.rstrip('/')}/**{narrowed}" for root in operands[1:]] or [f"**{narrowed}"]
    if until + 1 < len(words):
        argv = words[until + 1 :]
        places = [place for word in argv for place in (below if word == "{}" else [word])]
        effect.inner.append(handed(command, places if "{}" in argv else argv + below))


def _asked(words: Sequence[str], *tests: str) -> list[int]:
    """Where ``words`` ask for one of ``tests``, not for its contrary, nor for what is left out."""
    return [
        at
        for at, word in enumerate(words[:-1])
        if word in tests
        and words[at - 1 : at] not in (["!"], ["-not"], ("!",), ("-not",))
        and words[at + 2 : at + 3] not in (["-prune"], ("-prune",))
    ]


def chosen(words: Sequence[str]) -> str:
    """What the tests of ``find`` narrow its tree to: a name's pattern, something unknown, or nothing."""
    for at in _asked(words, "-name", "-iname"):
        return f"/{words[at + 1]}"
    until = next((at for at, word in enumerate(words) if word.startswith("-exec")), len(words))
    tests = [word for word in words[:until] if word.startswith("-") and word not in _WHOLE and not word[1:].isdigit()]
    return f"/{UNKNOWN}" if tests else ""


def _output_flag(*flags: str) -> Handler:
    def handler(effect: Effect, command: SimpleCommand) -> None:
        words = sorted_words(command.argv[1:], flags)
        if words.value(*flags):
            effect.writes.append(words.value(*flags))
            effect.at_least(Impact.WRITE, f"{command.program} writes {shown(words.value(*flags))}")

    return handler


def _alias(effect: Effect, command: SimpleCommand) -> None:
    effect.scripts += [text for word in command.argv[1:4] if (text := word.partition("=")[2])]


def _visudo(effect: Effect, command: SimpleCommand) -> None:
    words = sorted_words(command.argv[1:], ("f", "x"))
    if not words.has("c", "--check", "h", "V"):
        effect.at_least(Impact.EXECUTE, "visudo edits who may do what")
        effect.writes.append(words.value("f") or "/etc/sudoers")


def _second_operand(effect: Effect, command: SimpleCommand) -> None:
    words = sorted_words(command.argv[1:], ("f", "s", "w", "l", "c", "g", "o", "n"))
    if len(words.operands) > 1:
        effect.writes.append(words.operands[1])
        effect.at_least(Impact.WRITE, f"{command.program} writes {shown(words.operands[1])}")


def _flagged(impact: Impact, reason: str, *flags: str) -> Handler:
    def handler(effect: Effect, command: SimpleCommand) -> None:
        words = sorted_words(command.argv[1:])
        if words.has(*flags):
            effect.at_least(impact, f"{command.program} {reason}")

    return handler


def _kill(effect: Effect, command: SimpleCommand) -> None:
    if command.argv[1:2] in (("-l",), ("-0",)):
        return
    effect.at_least(Impact.EXECUTE, f"{command.program} ends processes")


MORE: Mapping[str, Handler] = {
    "sort": _output_flag("o", "--output"),
    "tree": _output_flag("o"),
    "shuf": _output_flag("o", "--output"),
    "uniq": _second_operand,
    "xxd": _second_operand,
    "rg": _flagged(Impact.EXECUTE, "runs a preprocessor", "--pre"),
    "date": _flagged(Impact.DESTRUCTIVE, "sets the clock", "s", "--set"),
    "hostname": _flagged(Impact.WRITE, "sets the name", "b", "F", "--file"),
    "less": _output_flag("o", "O", "--log-file"),
    "history": _flagged(Impact.WRITE, "changes the shell's history", "c", "d", "w"),
    "bc": _flagged(Impact.READ, ""),
    "trap": lambda effect, command: effect.scripts.extend(command.argv[1:2] if len(command.argv) > 2 else ()),
}

HANDLERS: dict[str, Handler] = {
    "rm": _rm,
    "rmdir": _rm,
    "unlink": _rm,
    "mv": _mv,
    "rename": _writing(),
    "find": _find,
    "fd": _fd,
    "fdfind": _fd,
    "dd": _dd,
    "truncate": _destructive("empties or cuts a file"),
    "shred": _destructive("overwrites files for good"),
    "wipefs": _destructive("erases a device's signatures"),
    "fdisk": _destructive("changes partitions"),
    "sfdisk": _destructive("changes partitions"),
    "sgdisk": _destructive("changes partitions"),
    "parted": _destructive("changes partitions"),
    "mkswap": _destructive("formats a device"),
    "blkdiscard": _destructive("erases a device"),
    "cryptsetup": _destructive("changes an encrypted device"),
    "shutdown": _destructive("ends the machine"),
    "reboot": _destructive("ends the machine"),
    "halt": _destructive("ends the machine"),
    "poweroff": _destructive("ends the machine"),
    "kill": _kill,
    "pkill": _kill,
    "killall": _kill,
}
HANDLERS.update(
    dict.fromkeys(
        (
            "touch",
            "mkdir",
            "tee",
            "mkfifo",
            "gzip",
            "gunzip",
            "bzip2",
            "bunzip2",
            "xz",
            "unxz",
            "zstd",
            "dos2unix",
            "unix2dos",
            "split",
            "patch",
        ),
        _writing(),
    )
)
HANDLERS.update(
    dict.fromkeys(
        ("cp", "ln", "install", "zip"),
        _writing(("t", "m", "o", "g", "S", "--target-directory", "--mode"), last_only=True),
    )
)
HANDLERS.update(dict.fromkeys(("chmod", "chown", "chgrp", "setfacl", "setfattr", "chattr"), _changing_rights))
HANDLERS.update({"7z": _writing(("d",)), "ed": _writing()})
HANDLERS["alias"] = _alias
HANDLERS["visudo"] = _visudo


register(HANDLERS, more=MORE, families={"mkfs": _destructive("formats a device")})
