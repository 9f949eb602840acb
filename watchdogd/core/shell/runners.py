"""Programs that run other programs: wrappers, shells, interpreters, and what their texts name."""

from __future__ import annotations

from collections.abc import Mapping

from watchdogd.core.events import Impact
from watchdogd.core.shell.code import code_effect
from watchdogd.core.shell.effects import Effect, handed, register, shown
from watchdogd.core.shell.files import chosen
from watchdogd.core.shell.literals import given
from watchdogd.core.shell.options import Words, named, sorted_words
from watchdogd.core.shell.paths import UNKNOWN
from watchdogd.core.shell.simple import SimpleCommand

WRAPPERS: Mapping[str, tuple[str, ...]] = {
    "sudo": ("u", "g", "p", "h", "C", "D", "R", "T", "r", "t", "U", "--user", "--group", "--chdir", "--host"),
    "doas": ("u", "C"),
    "env": ("u", "C", "S", "--unset", "--chdir", "--split-string"),
    "nohup": (),
    "nice": ("n", "--adjustment"),
    "ionice": ("c", "n", "p"),
    "time": ("f", "o"),
    "timeout": ("k", "s", "--kill-after", "--signal"),
    "stdbuf": ("i", "o", "e"),
    "command": (),
    "builtin": (),
    "exec": ("a",),
    "setsid": (),
    "chrt": (),
    "taskset": (),
    "unbuffer": (),
    "strace": ("o", "e", "p", "s"),
    "ltrace": ("o", "e"),
    "watch": ("n", "d", "--interval"),
    "xargs": ("I", "n", "P", "L", "d", "a", "s", "E", "--max-args", "--max-procs", "--delimiter", "--arg-file"),
    "parallel": ("j", "--jobs", "a"),
    "flock": ("w", "E", "--timeout"),
    "chroot": ("--userspec",),
    "unshare": (),
    "nsenter": ("t", "--target"),
    "pkexec": ("--user",),
    "su": ("c", "s", "--command", "--shell"),
    "runuser": ("u", "c", "--command"),
    "script": ("c", "t", "E", "I", "O", "B", "T", "--command"),
    "busybox": (),
    "uv": (),
    "poetry": (),
    "pipenv": (),
    "caffeinate": (),
    "coproc": (),
    "systemd-run": (
        "p",
        "u",
        "M",
        "H",
        "t",
        "--unit",
        "--property",
        "--on-calendar",
        "--on-active",
        "--slice",
        "--uid",
    ),
}
"""Programs that run the command in their operands, and their options that take a value."""

_LEADING_OPERANDS = {"timeout": 1, "flock": 1, "chroot": 1, "taskset": 1, "su": 1}
SHELLS = frozenset(["sh", "bash", "dash", "zsh", "ksh", "ash", "fish", "mksh"])
INTERPRETERS = named(
    """
    python python2 python3 pypy pypy3 ipython perl ruby node nodejs deno bun php lua Rscript osascript tclsh julia
    groovy elixir swift ts-node tsx octave
    """
)


def interprets(program: str) -> bool:
    """Whether ``program`` runs program texts, whatever version its name carries (``python3.12``)."""
    return program in INTERPRETERS or program.rstrip("0123456789.") in INTERPRETERS


def _wrapper(effect: Effect, command: SimpleCommand) -> None:
    program = command.program
    words = sorted_words(command.argv[1:], WRAPPERS[program], until_operand=True)
    operands = list(words.operands)
    if program in ("sudo", "doas", "pkexec", "su"):
        effect.at_least(Impact.EXECUTE, f"with the rights of another user ({program})")
    if program in ("su", "runuser", "flock", "script") and words.value("c", "--command"):
        effect.scripts.append(words.value("c", "--command"))
    if program == "env":
        while operands and "=" in operands[0]:
            operands.pop(0)
        if words.value("S", "--split-string"):
            operands = words.value("S", "--split-string").split() + operands
    if program in ("uv", "poetry", "pipenv"):
        _run_tool(effect, command, operands)
        return
    _run(effect, command, operands, words)


def _run(effect: Effect, command: SimpleCommand, operands: list[str], words: Words) -> None:
    """Hands ``operands`` on as a command."""
    program = command.program
    del operands[: _LEADING_OPERANDS.get(program, 0)]
    while program in ("sudo", "doas") and operands and "=" in operands[0]:
        operands.pop(0)
    if program in ("command", "exec", "builtin") and words.has("v", "V"):
        return
    if program == "watch" and len(operands) == 1:
        effect.scripts.append(operands[0])
    elif operands:
        if program in ("xargs", "parallel"):
            operands = _with_input(operands, words, command)
        effect.inner.append(handed(command, operands, stdin=program not in ("xargs", "parallel")))
    elif program not in ("env", "command", "exec", "builtin", "time"):
        effect.at_least(Impact.EXECUTE, f"{program} without a command that can be seen")


def _with_input(operands: list[str], words: Words, command: SimpleCommand) -> list[str]:
    """The operands of ``xargs`` with what is piped in: a tree for ``find``, words for ``echo``, else unknown."""
    source = command.stdin
    given = [UNKNOWN]
    if source is not None and source.program == "find":
        roots = [word for word in source.argv[1:2] if not word.startswith("-")] or ["."]
        given = [f"{root.rstrip('/')}/**{chosen(source.argv)}" for root in roots]
    elif source is not None and source.program in ("echo", "printf", "ls"):
        given = [word for word in source.argv[1:] if not word.startswith("-")] or [UNKNOWN]
    mark = words.value("I") or ("{}" if any("{}" in word for word in operands) else "")
    if mark:
        return [part.replace(mark, item) for part in operands for item in (given if mark in part else [part])]
    return operands + given


def _run_tool(effect: Effect, command: SimpleCommand, operands: list[str]) -> None:
    if operands[:1] == ["run"] and len(operands) > 1:
        effect.inner.append(handed(command, operands[1:]))
    elif operands[:1] and operands[0] in ("add", "install", "sync", "lock", "update", "pip", "tool", "publish", "self"):
        external = operands[0] == "publish"
        effect.at_least(
            Impact.EXTERNAL if external else Impact.NETWORK,
            f"{command.program} {'publishes a package' if external else 'fetches packages'}",
        )
    else:
        effect.at_least(Impact.EXECUTE, f"runs {command.program}")


def _shell(effect: Effect, command: SimpleCommand) -> None:
    words = sorted_words(command.argv[1:], ("o", "O", "--rcfile", "--init-file"), until_operand=True)
    effect.at_least(Impact.EXECUTE, f"runs {command.program}")
    if "c" in words.flags and words.operands:
        effect.scripts.append(words.operands[0])
        effect.given = words.operands[1:]
    elif words.operands and words.operands[0] != "-":
        effect.reasons.append(f"the script {shown(words.operands[0])} is not looked into")
    else:
        _read_script(effect, command)


def _read_script(effect: Effect, command: SimpleCommand) -> None:
    """A shell that reads its commands from standard input."""
    text = given(command)
    if text and text != UNKNOWN:
        effect.scripts.append(text)
    else:
        effect.reasons.append("a shell runs what is piped into it")


def _eval(effect: Effect, command: SimpleCommand) -> None:
    text = " ".join(command.argv[1:])
    effect.at_least(Impact.EXECUTE, "eval runs text as a command" + (" that is not static" if UNKNOWN in text else ""))
    effect.scripts.append(text)


def _source(effect: Effect, command: SimpleCommand) -> None:
    effect.at_least(Impact.EXECUTE, f"runs the script {shown(command.argv[1]) if len(command.argv) > 1 else ''}")


def _interpreter(effect: Effect, command: SimpleCommand) -> None:
    program = command.program.rstrip("0123456789.")
    words = sorted_words(command.argv[1:], ("c", "e", "E", "m", "W", "X", "r", "--eval", "-p"), until_operand=True)
    effect.at_least(Impact.EXECUTE, f"runs {command.program}")
    if words.flags <= {"--version", "-V", "V", "-v", "v", "--help", "-h", "h"} and words.flags and not words.operands:
        effect.impact = Impact.READ
        return
    if words.value("m"):
        effect.inner.append(handed(command, [words.value("m"), *words.operands]))
        return
    code = [words.value("c", "e", "E", "r", "--eval")]
    if words.operands[:1] == ("eval",):  # deno
        code += words.operands[1:2]
    if not any(code) and not words.operands:
        code = [given(command)]
    if words.has("i") and command.program.startswith(("perl", "ruby")):
        effect.writes += words.operands
        effect.at_least(Impact.WRITE, f"{command.program} edits {', '.join(map(shown, words.operands[:3]))} in place")
    quotes = program in ("perl", "ruby", "php")
    for text in code:
        code_effect(effect, text[:20_000], shell_quotes=quotes)


register(dict.fromkeys(WRAPPERS, _wrapper))
register(dict.fromkeys(SHELLS, _shell))
register(dict.fromkeys(INTERPRETERS, _interpreter), families={"interpreter": _interpreter})


def _compiled(effect: Effect, command: SimpleCommand) -> None:
    """A program text for a compiler, or recipes for ``make``."""
    effect.at_least(Impact.EXECUTE, f"runs {command.program}")
    text = given(command)
    if text in ("", UNKNOWN):
        return
    if command.program in ("make", "gmake"):
        effect.scripts += [line[1:] for line in text.split("\n") if line.startswith("\t")][:8]
    else:
        code_effect(effect, text[:20_000])


def _read_along(effect: Effect, command: SimpleCommand) -> None:
    """What a compiler or ``make`` is fed through its standard input."""
    if command.stdin is not None or any(redirect.op in ("<<", "<<<") for redirect in command.redirects):
        _compiled(effect, command)


register(
    {"eval": _eval, "source": _source, ".": _source},
    more=dict.fromkeys(("make", "gmake", "go", "tcc", "cargo"), _read_along),
)
