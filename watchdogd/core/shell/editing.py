"""Programs that edit, pack and convert files."""

from __future__ import annotations

import re

from watchdogd.core.events import Impact
from watchdogd.core.shell.effects import Effect, register, shown
from watchdogd.core.shell.options import sorted_words
from watchdogd.core.shell.simple import SimpleCommand


def _sed(effect: Effect, command: SimpleCommand) -> None:
    words = sorted_words(command.argv[1:], ("e", "f", "--expression", "--file", "l"))
    if any(flag in ("i", "--in-place") for flag in words.flags) or "--in-place" in words.flags:
        scripted = bool(words.value("e", "f", "--expression", "--file"))
        targets = words.operands if scripted else words.operands[1:]
        effect.writes += targets
        effect.at_least(Impact.WRITE, f"sed edits {', '.join(map(shown, targets[:3])) or 'files'} in place")
    scripts = [words.value("e", "--expression"), *words.operands[:1]]
    for script in scripts:
        if re.search(r"(?:^|[;}/\d$])\s{0,4}e(?:\s|$)|/[a-z0-9]{0,3}e[a-z0-9]{0,3}\s{0,2}$", script):
            effect.at_least(Impact.EXECUTE, "sed may run commands")
        written = re.search(r"(?:^|[;/}])\s{0,4}w\s{1,4}(\S{1,300})", script)
        if written:
            effect.writes.append(written.group(1))
            effect.at_least(Impact.WRITE, f"sed writes {shown(written.group(1))}")


_AWK_RUNS = re.compile(
    r'(?:system\(\s{0,4}|\|\s{0,4})"((?:[^"\\]|\\.){1,500})"|"([^"\n]{1,500})"\s{0,4}\|\s{0,4}getline'
)


def _awk(effect: Effect, command: SimpleCommand) -> None:
    script = " ".join(command.argv[1:])[:8_000]
    effect.scripts += [one or other for one, other in _AWK_RUNS.findall(script)[:8]]
    if "system(" in script or "|" in script.replace("||", ""):
        effect.at_least(Impact.EXECUTE, "awk may run commands")
    if re.search(r"print[^;{}\n]{0,200}>", script) or "-i" in command.argv:
        effect.at_least(Impact.WRITE, "awk may write files")


def _unpacking(effect: Effect, command: SimpleCommand) -> None:
    words = sorted_words(command.argv[1:], ("d", "x"))
    if words.has("l", "t", "Z", "p", "v"):
        return
    target = words.value("d") or "."
    effect.writes.append(f"{target.rstrip('/')}/**" if target != "." else "**")
    effect.at_least(Impact.WRITE, f"{command.program} writes below {shown(target)}")


def _in_place(effect: Effect, command: SimpleCommand) -> None:
    words = sorted_words(command.argv[1:])
    effect.at_least(Impact.EXECUTE, f"runs {command.program}")
    if words.has("i", "w", "--inplace", "--in-place", "--write") or words.operands[:1] == ("put",):
        effect.writes += [word for word in words.operands if "=" not in word]


def _last_place(effect: Effect, command: SimpleCommand) -> None:
    """A program whose last operand is what it makes."""
    effect.at_least(Impact.EXECUTE, f"runs {command.program}")
    words = sorted_words(command.argv[1:], ("i",))
    if words.operands and not words.operands[-1].startswith("-"):
        effect.writes.append(words.operands[-1])


def _editor(effect: Effect, command: SimpleCommand) -> None:
    words = sorted_words(command.argv[1:], ("c", "s", "S", "u", "--cmd", "--eval"))
    effect.at_least(Impact.WRITE, f"{command.program} edits {', '.join(map(shown, words.operands[:3])) or 'files'}")
    effect.writes += [word for word in words.operands if not word.startswith("+")]
    effect.scripts += [word.lstrip(":+! ") for word in command.argv[1:] if re.match(r"[:+]{0,2}!", word)]


def _archive(effect: Effect, command: SimpleCommand) -> None:
    first = command.argv[1] if len(command.argv) > 1 else ""
    words = sorted_words(command.argv[1:], ("f", "C", "T", "X", "--file", "--directory", "--exclude", "--transform"))
    mode = set(words.flags) | (set() if first.startswith("-") else set(first))
    if words.has("--to-command", "I", "--use-compress-program", "--checkpoint-action"):
        effect.at_least(Impact.EXECUTE, "tar runs a program")
    extracting = bool({"x", "--extract", "--get"} & mode)
    if {"t", "--list"} & mode and not extracting and "c" not in mode:
        return
    target = (words.value("C", "--directory") or ".") if extracting else words.value("f", "--file")
    if not target and len(command.argv) > 2:
        target = command.argv[2]
    effect.writes.append(f"{target.rstrip('/')}/**" if extracting else target)
    effect.at_least(Impact.WRITE, f"tar writes {shown(target)}")
    if words.has("--remove-files"):
        effect.removes += words.operands
        effect.at_least(Impact.DESTRUCTIVE, "tar removes what it packed")


register(
    {
        "sed": _sed,
        "gsed": _sed,
        **dict.fromkeys(("awk", "gawk", "mawk", "nawk"), _awk),
        **dict.fromkeys(("tar", "bsdtar"), _archive),
        **dict.fromkeys(("unzip", "unrar"), _unpacking),
        **dict.fromkeys(("ex", "vi", "vim", "nvim", "nano", "emacs", "sponge"), _editor),
        **dict.fromkeys(("yq", "clang-format", "gofmt", "prettier", "dasel", "crudini"), _in_place),
        **dict.fromkeys(
            ("ffmpeg", "convert", "magick", "sox", "virtualenv", "venv", "mksquashfs", "genisoimage"), _last_place
        ),
    }
)
