"""Commands of PowerShell and cmd, as far as their names and parameters tell; names are read without regard to case."""

from __future__ import annotations

import base64
import binascii

from watchdogd.core.events import Impact
from watchdogd.core.shell.effects import Effect, Handler, register, shown
from watchdogd.core.shell.options import named
from watchdogd.core.shell.simple import SimpleCommand
from watchdogd.core.shell.wordings import destinations

SHELLS = named("pwsh powershell powershell.exe pwsh.exe cmd cmd.exe")
_TEXT_FLAGS = named("-c -command /c /k -commandwithargs")
_ENCODED = named("-e -ec -enc -encodedcommand")
_REMOVERS = named("remove-item ri rd del erase clear-content")
_WRITERS = named("set-content add-content out-file new-item copy-item move-item rename-item sc ac ni cpi mi tee-object")
_FETCHERS = named("invoke-webrequest iwr invoke-restmethod irm start-bitstransfer")
_VALUES = named(
    "-path -literalpath -destination -filepath -outfile -value -uri -method -body -encoding -filter -include"
)


def _sorted(argv: tuple[str, ...]) -> tuple[dict[str, str], list[str]]:
    """Parameters (lower case) with their values, and the other words."""
    given: dict[str, str] = {}
    rest: list[str] = []
    words = list(argv[1:])
    while words:
        word = words.pop(0)
        if word.startswith("-") or (len(word) == 2 and word[0] == "/" and word[1].isalpha()):
            name = word.lower()
            given[name] = words.pop(0) if name in _VALUES and words else ""
        else:
            rest.append(word.rstrip(","))
    return given, rest


def _shell(effect: Effect, command: SimpleCommand) -> None:
    effect.at_least(Impact.EXECUTE, f"runs {command.program}")
    words = command.argv[1:]
    for at, word in enumerate(words):
        low = word.lower()
        if low in _TEXT_FLAGS:
            effect.scripts.append(" ".join(words[at + 1 :]).replace("\\", "/"))
            return
        if low in _ENCODED and at + 1 < len(words):
            try:
                text = base64.b64decode(words[at + 1], validate=False).decode("utf-16-le", "replace")
            except (binascii.Error, ValueError):
                text = ""
            effect.reasons.append("the command is encoded so that nobody reads it")
            effect.scripts.append(text.replace("\\", "/").replace("\0", ""))
            return
    if not words or words[0].startswith("-") is False:
        effect.reasons.append(f"the script {shown(words[0]) if words else ''} is not looked into")


def _remover(effect: Effect, command: SimpleCommand) -> None:
    given, rest = _sorted(command.argv)
    paths = [*rest, *(given[name] for name in ("-path", "-literalpath") if given.get(name))]
    effect.removes += paths
    effect.writes += paths
    if {"-recurse", "-r", "/s"} & given.keys():
        effect.trees += paths
        effect.at_least(Impact.DESTRUCTIVE, f"removes {', '.join(map(shown, paths[:3]))} with everything below")
    else:
        effect.at_least(Impact.WRITE, f"removes {', '.join(map(shown, paths[:3]))}")


def _writer(effect: Effect, command: SimpleCommand) -> None:
    given, rest = _sorted(command.argv)
    program = command.program.lower()
    places = [given[name] for name in ("-destination", "-filepath", "-path", "-literalpath") if given.get(name)]
    if program in ("copy-item", "cpi", "move-item", "mi"):
        places = [given["-destination"]] if given.get("-destination") else rest[-1:]
    effect.writes += places[:1] or rest[:1]
    effect.at_least(Impact.WRITE, f"{command.program} writes {', '.join(map(shown, effect.writes[:3]))}")


def _fetcher(effect: Effect, command: SimpleCommand) -> None:
    given, _ = _sorted(command.argv)
    effect.hosts += destinations(command.argv)
    sends = (
        given.get("-method", "").upper() in ("POST", "PUT", "PATCH", "DELETE") or {"-body", "-infile"} & given.keys()
    )
    effect.at_least(Impact.EXTERNAL if sends else Impact.NETWORK, f"{command.program} talks to the network")
    if given.get("-outfile"):
        effect.writes.append(given["-outfile"])


def _evaluator(effect: Effect, command: SimpleCommand) -> None:
    effect.at_least(Impact.EXECUTE, "runs text as a command")
    effect.scripts.append(" ".join(command.argv[1:]))


_ANY_CASE: dict[str, Handler] = {
    **dict.fromkeys(SHELLS, _shell),
    **dict.fromkeys(_REMOVERS, _remover),
    **dict.fromkeys(_WRITERS, _writer),
    **dict.fromkeys(_FETCHERS, _fetcher),
    **dict.fromkeys(("invoke-expression", "iex"), _evaluator),
}
register({}, families=_ANY_CASE)
