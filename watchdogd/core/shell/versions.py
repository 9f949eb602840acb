"""What git does to the repository, its remotes and the files it works on."""

from __future__ import annotations

import re

from watchdogd.core.events import Impact
from watchdogd.core.shell.effects import Effect, register
from watchdogd.core.shell.options import host_of, named, sorted_words
from watchdogd.core.shell.simple import SimpleCommand

_GIT_READS = named(
    """
    status log diff show blame annotate rev-parse rev-list ls-files ls-tree describe shortlog cat-file
    name-rev reflog whatchanged version help show-ref merge-base check-ignore count-objects grep var
    for-each-ref diff-tree range-diff cherry show-branch verify-commit
    """
)


_GIT_NETWORK = frozenset(["fetch", "pull", "clone", "ls-remote", "submodule", "lfs"])


def _git(effect: Effect, command: SimpleCommand) -> None:
    words = sorted_words(command.argv[1:], ("C", "c", "--git-dir", "--work-tree", "--namespace"), until_operand=True)
    if any(
        re.match(
            r"alias\.|core\.(?:pager|editor|sshcommand|fsmonitor|hookspath)|diff\.external|.*\.(?:textconv|cmd|clean|smudge)",
            value,
            re.IGNORECASE,
        )
        for flag, value in words.values
        if flag == "c"
    ):
        effect.at_least(Impact.EXECUTE, "git is told to run a program")
        told = [value.partition("=")[2] for flag, value in words.values if flag == "c"]
        effect.scripts += [text.lstrip("!") for text in told if text]
    if not words.operands:
        return
    verb, rest = words.operands[0], words.operands[1:]
    flags = sorted_words(rest, ("m", "b", "B", "o", "--output", "--message"))
    _git_places(effect, verb, rest, flags.operands)
    if verb == "push":
        _git_push(effect, rest)
    elif verb in _GIT_NETWORK:
        effect.at_least(Impact.NETWORK, f"git {verb} talks to a remote")
        effect.hosts += [host for word in flags.operands if ("://" in word or "@" in word) and (host := host_of(word))]
    elif verb in _GIT_READS:
        if flags.value("--output", "o"):
            effect.writes.append(flags.value("--output", "o"))
            effect.at_least(Impact.WRITE, f"git {verb} writes a file")
        if flags.has("--ext-diff", "--textconv", "O", "--open-files-in-pager"):
            effect.at_least(Impact.EXECUTE, "git is told to run a program")
        if verb == "reflog" and flags.operands[:1] in (("expire",), ("delete",)):
            effect.at_least(Impact.DESTRUCTIVE, "git forgets earlier states")
    elif _git_lists(verb, flags.operands, flags.flags):
        return
    else:
        _git_changes(effect, verb, flags.operands, flags.flags)


def _git_places(effect: Effect, verb: str, rest: tuple[str, ...], operands: tuple[str, ...]) -> None:
    """The paths that a verb writes below."""
    if verb in ("checkout", "restore") and "--" in rest:
        effect.writes += rest[rest.index("--") + 1 :]
    elif verb == "restore" and "--staged" not in rest:
        effect.writes += operands
    elif (verb == "clone" and len(operands) > 1) or (
        verb == "worktree" and operands[:1] == ("add",) and len(operands) > 1
    ):
        effect.writes.append(operands[1])
    elif verb == "init":
        effect.writes += operands[:1]


def _git_lists(verb: str, operands: tuple[str, ...], flags: frozenset[str]) -> bool:
    if verb in ("branch", "tag", "remote", "stash", "worktree", "notes", "bisect"):
        asked = operands[:1] in ((), ("list",), ("show",), ("log",), ("get-url",))
        listed = bool(flags & {"l", "--list", "--show-current", "-a", "-v", "-r", "-vv"})
        return (
            (asked or listed)
            and not flags & {"d", "D", "--delete", "m", "M", "f"}
            and (verb != "stash" or bool(operands))
        )
    return verb == "config" and bool(flags & {"--get", "--list", "l", "--get-all", "--get-regexp"})


def _git_push(effect: Effect, rest: tuple[str, ...]) -> None:
    words = sorted_words(rest, ("o", "--repo", "--push-option"))
    forced = words.has("f", "--force", "--delete", "d", "--mirror", "--prune", "--force-with-lease")
    forced = forced or any(word.startswith(("+", ":")) for word in words.operands)
    effect.hosts += [host for word in words.operands[:1] if ("://" in word or "@" in word) and (host := host_of(word))]
    if words.has("--dry-run", "n"):
        effect.at_least(Impact.NETWORK, "git push, dry run")
    elif forced:
        effect.at_least(Impact.DESTRUCTIVE, "git push rewrites or removes what is on the remote")
    else:
        effect.at_least(Impact.EXTERNAL, "git push publishes commits")


def _git_changes(effect: Effect, verb: str, operands: tuple[str, ...], flags: frozenset[str]) -> None:
    loses = (
        (verb == "reset" and "--hard" in flags)
        or (verb == "clean" and bool(flags & {"f", "--force"}))
        or (verb == "branch" and bool(flags & {"D"}))
        or (verb == "stash" and operands[:1] in (("drop",), ("clear",)))
        or (verb == "gc" and any(flag.startswith("--prune") for flag in flags))
        or verb in ("filter-branch", "filter-repo", "update-ref", "prune")
        or (verb in ("checkout", "restore", "switch") and bool(flags & {"f", "--force", "--discard-changes"}))
        or (verb in ("checkout", "restore") and operands[:1] in ((".",), ("--",)) and "--staged" not in flags)
    )
    if loses:
        effect.at_least(Impact.DESTRUCTIVE, f"git {verb} throws work away")
    elif verb in (
        "add",
        "commit",
        "init",
        "checkout",
        "switch",
        "restore",
        "merge",
        "rebase",
        "cherry-pick",
        "revert",
        "reset",
        "clean",
        "branch",
        "tag",
        "remote",
        "stash",
        "worktree",
        "notes",
        "config",
        "apply",
        "am",
        "mv",
        "rm",
        "gc",
        "repack",
        "format-patch",
        "archive",
        "bundle",
        "sparse-checkout",
    ):
        effect.at_least(Impact.WRITE, f"git {verb} changes the repository")
        if verb == "config":
            effect.writes.append(".git/config")
        if verb in ("rm", "mv"):
            effect.writes += operands
            effect.removes += operands if verb == "rm" else operands[:-1]
    else:
        effect.at_least(Impact.EXECUTE, f"runs git {verb}")


register({"git": _git})
