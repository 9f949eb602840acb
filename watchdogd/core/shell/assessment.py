"""What a shell command would do, judged by its text alone: class, reasons, paths, hosts, dangers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from watchdogd.core.events import Impact
from watchdogd.core.shell import databases as _databases  # noqa: F401 - registers the clients of databases
from watchdogd.core.shell import editing as _editing  # noqa: F401 - registers editors, packers and converters
from watchdogd.core.shell import files as _files  # noqa: F401 - registers the programs of this machine
from watchdogd.core.shell import remote as _remote  # noqa: F401 - registers the programs that reach out
from watchdogd.core.shell import versions as _versions  # noqa: F401 - registers git
from watchdogd.core.shell import windows as _windows  # noqa: F401 - registers the programs of PowerShell and cmd
from watchdogd.core.shell.danger import Danger, Seen, looked_at
from watchdogd.core.shell.dangers import dangers_of
from watchdogd.core.shell.effects import ORDER, Effect, effect_of, shown
from watchdogd.core.shell.grammar import parsed, reparsed
from watchdogd.core.shell.literals import printed
from watchdogd.core.shell.options import named
from watchdogd.core.shell.paths import UNKNOWN, any_touched, beneath, joined, normal, outside
from watchdogd.core.shell.runners import SHELLS
from watchdogd.core.shell.simple import SimpleCommand

MAX_SCRIPTS = 24
"""Texts handed to further shells that are followed."""

STEERING = named(
    """
    PATH LD_PRELOAD LD_LIBRARY_PATH LD_AUDIT BASH_ENV ENV PROMPT_COMMAND PS4 IFS SHELLOPTS PAGER GIT_PAGER
    EDITOR VISUAL GIT_EDITOR GIT_SSH GIT_SSH_COMMAND GIT_EXTERNAL_DIFF LESSOPEN PYTHONSTARTUP PYTHONPATH
    NODE_OPTIONS PERL5OPT RUBYOPT DYLD_INSERT_LIBRARIES MANPAGER BROWSER
    """
)
"""Variables through which a harmless-looking program runs another one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """What parsing can tell about a command. It refines the class and the headline; the sandbox is the wall."""

    impact: Impact
    reasons: tuple[str, ...] = ()
    commands: tuple[SimpleCommand, ...] = ()
    writes: tuple[str, ...] = ()
    """Paths written, removed or redirected to: relative to the workspace inside it, absolute or ``~`` outside."""
    removes: tuple[str, ...] = ()
    trees: tuple[str, ...] = ()
    """Paths removed or moved with everything below them."""
    hosts: tuple[str, ...] = ()
    """Network destinations named; ``…`` for one that is only known when it runs."""
    dangers: tuple[Danger, ...] = ()
    outside: tuple[str, ...] = ()
    """The ``writes`` that lead out of the workspace (scratch places excepted)."""
    protected: tuple[str, ...] = ()
    """The protected paths that a write may reach."""
    named: tuple[str, ...] = ()
    """Those of them that a write names, or takes along with a whole tree; none of them by a part that is unknown."""
    matched: tuple[str, ...] = ()
    """The forbidden-command patterns that some simple command matches."""
    parsed: bool = True
    """Whether the grammar understood all of it; if not, the class is execute or heavier."""

    @property
    def dynamic(self) -> bool:
        """Whether a program, or a path that is changed, is only known when it runs."""
        return any(command.dynamic for command in self.commands) or any("…" in path for path in self.writes)


def assess(
    command: str, *, workspace: str = "", protected: Sequence[str] = (), rules: Sequence[str] = ()
) -> Assessment:
    """What running ``command`` in ``workspace`` would do. Never raises; bounded time whatever the text.

    Args:
        command: bash source.
        workspace: absolute path the command starts in; empty when unknown.
        protected: paths (relative to the workspace or absolute, globs too) that nothing may change.
        rules: command patterns such as ``git push --force`` or ``terraform *``: a program and words that all occur,
            each a shell pattern.
    """
    collected = _Collected(workspace)
    try:
        collected.take(command, cwd=workspace, depth=0)
    except RecursionError:
        collected.problems.append("nested too deeply")
    impact = max((one.effect.impact for one in collected.seen), key=lambda found: ORDER[found], default=Impact.READ)
    reasons = [reason for one in collected.seen for reason in one.effect.reasons]
    if collected.problems:
        impact = max(impact, Impact.EXECUTE, key=lambda found: ORDER[found])
        reasons = [*collected.problems, *reasons]
    if collected.steering:
        impact = max(impact, Impact.EXECUTE, key=lambda found: ORDER[found])
        reasons.append(f"sets {', '.join(dict.fromkeys(collected.steering))}, which decides what names run")
    dangers = dangers_of(collected.seen, forks_itself=collected.forks_itself)
    if not collected.seen and collected.problems:
        dangers = (*dangers, *_in_the_dark(command))
    if any(danger.kind == "destructive" and danger.weight >= 0.85 for danger in dangers):
        impact = Impact.DESTRUCTIVE
    writes, removes, trees = collected.paths("writes"), collected.paths("removes"), collected.paths("trees")
    kept = {beneath(normal(path), workspace): path for path in protected}
    may = _reached(writes, trees, kept, surely=False)
    does = _reached(writes, trees, kept, surely=True) if may else ()
    return Assessment(
        impact=impact,
        reasons=tuple(dict.fromkeys(reasons))[:40],
        commands=tuple(one.command for one in collected.seen),
        writes=tuple(shown_path(path) for path in writes),
        removes=tuple(shown_path(path) for path in removes),
        trees=tuple(shown_path(path) for path in trees),
        hosts=tuple(dict.fromkeys(shown(host) for one in collected.seen for host in one.effect.hosts if host)),
        dangers=dangers,
        outside=tuple(shown_path(path) for path in writes if outside(path, workspace)),
        protected=may,
        named=does,
        matched=tuple(rule for rule in rules if any(matches(one.command, rule) for one in collected.seen)),
        parsed=not collected.problems,
    )


def _reached(writes: Sequence[str], trees: Sequence[str], kept: Mapping[str, str], *, surely: bool) -> tuple[str, ...]:
    if not kept:
        return ()
    found = any_touched(writes, tuple(kept), surely=surely)
    found += any_touched(trees, tuple(kept), whole_tree=True, surely=surely)
    return tuple(kept[path] for path in dict.fromkeys(found))


def dangers_in(commands: Sequence[SimpleCommand], workspace: str = "") -> tuple[Danger, ...]:
    """The dangers of commands that are known without a text to parse: what structured calls amount to."""
    return dangers_of([looked_at(one, effect_of(one), workspace) for one in commands])


def shown_path(path: str) -> str:
    """``path`` with its unknown parts as an ellipsis."""
    return path.replace(UNKNOWN, "…")


def matches(command: SimpleCommand, rule: str) -> bool:
    """Whether ``command`` is what ``rule`` names: its program, and every further word somewhere in its words."""
    words = rule.split()
    if not words or not command.argv or not fnmatchcase(command.program, words[0]):
        return False
    rest = list(command.argv[1:])
    return all(
        word == "*" or any(fnmatchcase(have, word) or _clustered(have, word) for have in rest) for word in words[1:]
    )


def _clustered(have: str, flag: str) -> bool:
    """Whether the short ``flag`` is part of a cluster such as ``-rf``."""
    return bool(re.fullmatch(r"-[A-Za-z]", flag)) and bool(re.fullmatch(r"-[A-Za-z]{2,8}", have)) and flag[1] in have


class _Collected:
    """The simple commands of a text and of the texts it hands to further shells."""

    def __init__(self, workspace: str) -> None:
        self.workspace = workspace
        self.seen: list[Seen] = []
        self.problems: list[str] = []
        self.forks_itself = False
        self.functions: set[str] = set()
        self.scripts = 0
        self.texts: dict[str, str] = {}
        """Files that were written earlier in the text, and what they hold."""
        self.links: dict[str, str] = {}
        """Symbolic links made earlier in the text, and where they lead."""
        self.steering: list[str] = []
        """Assigned variables that decide which program a name runs."""

    def take(self, text: str, *, cwd: str, depth: int, given: tuple[str, ...] = ()) -> None:
        tree = reparsed(text, cwd=cwd, depth=depth, given=given) if depth else parsed(text, cwd=cwd)
        self.problems += tree.problems
        self.functions.update(tree.functions)
        self.steering += [name for name in tree.assigned if name in STEERING or name.startswith("BASH_FUNC_")]
        self.forks_itself = self.forks_itself or tree.forks_itself
        for command in tree.commands:
            self.look(command, depth)

    def look(self, command: SimpleCommand, depth: int) -> None:
        if len(self.seen) > 600:
            self.problems.append("too many commands")
            return
        effect = effect_of(command)
        if command.program in self.functions and effect.reasons[-1:] == [f"runs {command.program}"]:
            effect.impact, effect.reasons = Impact.READ, []
        self.through_files(command, depth)
        if self.links:
            self.through_links(command, effect)
        if command.program == "ln" and len(command.argv) > 3 and any(word.startswith("-s") for word in command.argv):
            self.links[joined(command.cwd, command.argv[-1])] = joined(command.cwd, command.argv[-2])
        self.seen.append(looked_at(command, effect, self.workspace))
        for inner in effect.inner:
            if len(inner.via) > 12:
                self.problems.append("wrappers inside wrappers")
            else:
                self.look(inner, depth)
        for script in effect.scripts:
            self.scripts += 1
            if self.scripts > MAX_SCRIPTS:
                self.problems.append("too many shells inside shells")
                return
            self.take(script, cwd=command.cwd, depth=depth + 1, given=effect.given)

    def through_files(self, command: SimpleCommand, depth: int) -> None:
        """Keeps what is written to a file as a literal, and reads it where a shell is given that file."""
        script = next((word for word in command.argv[1:] if not word.startswith("-")), "")
        runs = command.program in SHELLS or command.program in ("source", ".")
        named = (script if runs else command.argv[0]) if command.argv else ""
        text = self.texts.get(joined(command.cwd, named), "") if self.texts and named else ""
        if text and self.scripts < MAX_SCRIPTS:
            self.scripts += 1
            self.take(text, cwd=command.cwd, depth=depth + 1)
        for redirect in command.redirects:
            if redirect.op in (">", ">>", ">|") and "/dev/" not in redirect.target and len(self.texts) < 16:
                written = printed(command)
                if UNKNOWN not in written and written:
                    self.texts[joined(command.cwd, redirect.target)] = written

    def through_links(self, command: SimpleCommand, effect: Effect) -> None:
        """Puts what a link leads to in the place of paths that go through it."""
        for paths in (effect.writes, effect.removes, effect.trees):
            for at, path in enumerate(paths):
                full = joined(command.cwd, path)
                for link, target in self.links.items():
                    if full.startswith(f"{link}/") or (full == link and path.endswith("/")):
                        paths[at] = normal(target + full[len(link) :])

    def paths(self, name: Literal["writes", "removes", "trees"]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(path for one in self.seen for path in getattr(one, name)))[:200]


_GRAVE = re.compile(
    r"\brm\s{1,4}-[a-zA-Z]{0,6}[rR][a-zA-Z]{0,6}\s{1,4}(?:--\S{1,40}\s{1,4}){0,2}[\"']?(?:/|~)[\"']?\s*(?:$|[;&|*\n])|"
    r"\bmkfs[.\w]{0,10}\s{1,4}/dev/|\bof=/dev/(?:sd|nvme|vd|hd)|>\s{0,4}/dev/(?:sd|nvme|vd|hd)|/dev/tcp/\w|:\(\)\s{0,2}\{\s{0,2}:\|"
)


def _in_the_dark(command: str) -> tuple[Danger, ...]:
    """Dangers in a text too large to parse, by their letters alone (one linear pass)."""
    if not any(word in command for word in ("rm ", "rm\t", "/dev/", "mkfs", "(){", "() {")):
        return ()
    match = _GRAVE.search(command)
    if match is None:
        return ()
    text = f"says {shown(match.group(0).strip())} in a text that cannot be parsed"
    return (Danger(kind="destructive", text=text, weight=0.85),)


def headline(assessment: Assessment) -> str:
    """The assessment in a few words for people."""
    if assessment.dangers and assessment.dangers[0].weight >= 0.6:
        return assessment.dangers[0].text
    return "; ".join(assessment.reasons[:2]) or "only looks"
