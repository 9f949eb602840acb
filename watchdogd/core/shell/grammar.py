"""A shell command as its simple commands: words as far as they are static, redirections, directory, surroundings."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import tree_sitter_bash
from tree_sitter import Language, Node, Parser, Point, Tree

from watchdogd.core.shell.literals import printed
from watchdogd.core.shell.paths import SCRATCH_PLACE, UNKNOWN, joined
from watchdogd.core.shell.quoting import ansi, expanded, unescaped
from watchdogd.core.shell.simple import Redirect, SimpleCommand

MAX_CHARS = 12_000
"""Longer commands are not parsed (after heredoc bodies were set aside). The grammar's error recovery is quadratic in
hostile text: 20 KB of ``a=(`` cost 1.1 s, 16 KB of ``>|`` 0.8 s, 12 KB of what the limits below let through at most
0.4 s, an ordinary command 0.1 ms (measured, tree-sitter 0.26)."""

MAX_NESTING = 60
"""Brackets and blocks open at once; real scripts stay below 20."""

MAX_STRAY = 40
"""Closing brackets with none open; only ``case`` patterns have them. 16,000 of them cost 0.9 s to recover from."""

MAX_PIPES = 400
"""Bars in one text. A chain of 6,000 that ends in a bar cost 2 s to recover from; of 400, 10 ms."""

MAX_RECOVERY = 60
"""Progress reports of the parser (one per 100 operations) while recovering from errors, before it is given up."""

MAX_COMMANDS = 400
"""Simple commands looked at; loops over literal words are unrolled into this budget."""

MAX_WORD_CHARS = 8_000
"""Longer words are cut: no rule needs more of one."""

MAX_WORDS = 2_000
"""Words of one simple command."""

UNROLL = 8
"""Literal items of a ``for`` loop that are walked one by one."""

_LANGUAGE = Language(tree_sitter_bash.language())
_HEREDOC = re.compile(r"<<-?[ \t]*(['\"]?)([A-Za-z_][A-Za-z0-9_]{0,40})\1")
_UNKNOWN_WORD = "$__unknown__"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """All simple commands in the order of the text, and what the parse could not tell."""

    commands: tuple[SimpleCommand, ...]
    problems: tuple[str, ...] = ()
    """Why the picture is not whole; empty = the grammar understood everything."""
    functions: tuple[str, ...] = ()
    forks_itself: bool = False
    """A function pipes itself into itself in the background."""
    assigned: tuple[str, ...] = ()
    """Names of variables that are set."""


class _TooMuch(Exception):
    """The command is larger than what is worth following."""


@dataclass(slots=True)
class _Scope:
    """What is known at one point of a script."""

    cwd: str = ""
    names: dict[str, str] = field(default_factory=dict)
    functions: dict[str, Node] = field(default_factory=dict)

    def copy(self) -> _Scope:
        return _Scope(self.cwd, dict(self.names), self.functions)


def parsed(command: str, *, cwd: str = "", depth: int = 0, given: tuple[str, ...] = ()) -> Parsed:
    """The simple commands of ``command``, which starts in ``cwd``. Never raises; bounded by the limits above.

    Args:
        command: bash source.
        cwd: absolute path it starts in; empty when unknown.
        depth: how many shells it is inside of.
        given: its positional parameters, ``$0`` first.
    """
    text = _without_bodies(command) if len(command) > MAX_CHARS else command
    refused = _refused(text)
    if refused:
        return Parsed(commands=(), problems=(refused,))
    source = text.encode("utf-8", "replace")
    tree = _tree(source)
    if tree is None:
        return Parsed(commands=(), problems=("it is no valid shell",))
    walker = _Walker(source, depth)
    if tree.root_node.has_error:
        walker.problems.append("not all of it is valid shell")
    try:
        walker.walk(tree.root_node, _Scope(cwd=cwd, names=_parameters(given)), 0)
    except _TooMuch as why:
        walker.problems.append(str(why))
    return Parsed(
        commands=tuple(walker.found),
        problems=tuple(dict.fromkeys(walker.problems)),
        functions=tuple(walker.defined),
        forks_itself=walker.forks_itself,
        assigned=tuple(dict.fromkeys(walker.assigned)),
    )


_ASCII = bytes(range(128)) + b"." * 128
"""Maps every byte of a character beyond ASCII to a letter that is part of a word and of no name, as in bash."""


def _tree(whole: bytes) -> Tree | None:
    """The syntax tree, or None when the parser spends too long on errors.

    The parser sees ASCII of the same length: tree-sitter-bash 0.25.1 hands any character after a ``{`` to C's
    ``isdigit``, which reads far outside its table and ends the process (tree-sitter-bash issue 337).
    """
    source = whole.translate(_ASCII)
    recovering = 0

    def progress(_offset: int, has_error: bool) -> bool:
        nonlocal recovering
        recovering += has_error
        return recovering > MAX_RECOVERY

    def read(offset: int, _point: Point) -> bytes:
        return source[offset : offset + 4096]

    try:
        return Parser(_LANGUAGE).parse(read, progress_callback=progress)
    except ValueError:
        return None


def _refused(text: str) -> str:
    if len(text) > MAX_CHARS:
        return f"{len(text):,} characters are too many to parse"
    if UNKNOWN in text:
        return "it contains a NUL character"
    deepest, stray = _brackets(text)
    if text.count("<<") - text.count("<<<") > MAX_STRAY:
        return "too many here-documents"
    if text.count("|") - text.count("||") > MAX_PIPES:
        return "too many pipes"
    if stray > MAX_STRAY:
        return f"{stray} brackets close that were never opened"
    return f"{deepest} brackets are open at once" if deepest > MAX_NESTING else ""


def _brackets(text: str) -> tuple[int, int]:
    """How many brackets are open at once, and how many close that were never opened; 0, 0 where both are surely few."""
    if sum(map(text.count, "([{")) <= MAX_NESTING and sum(map(text.count, ")]}")) <= MAX_STRAY:
        return 0, 0
    deepest = open_now = stray = 0
    for char in text:
        if char in "([{":
            open_now += 1
            deepest = max(deepest, open_now)
        elif char in ")]}":
            stray += not open_now
            open_now = max(0, open_now - 1)
    return deepest, stray


def _without_bodies(command: str) -> str:
    """``command`` with the bodies of its here-documents emptied, in one pass over its lines."""
    kept: list[str] = []
    waiting: list[str] = []
    for line in command.split("\n"):
        if waiting:
            if line.strip() == waiting[0]:
                waiting.pop(0)
                kept.append(line)
            continue
        kept.append(line)
        if "<<" in line and len(line) <= MAX_CHARS:
            waiting = [match.group(2) for match in _HEREDOC.finditer(line)]
    return "\n".join(kept)


_SKIP = frozenset({"comment", "heredoc_start", "heredoc_end", "heredoc_body", "file_descriptor"})
_BLOCKS = frozenset(
    {
        "if_statement",
        "while_statement",
        "case_statement",
        "c_style_for_statement",
        "elif_clause",
        "else_clause",
        "case_item",
    }
)
_COMPOUND = _BLOCKS | {
    "for_statement",
    "function_definition",
    "test_command",
    "variable_assignment",
    "variable_assignments",
}


class _Walker:
    """Visits a syntax tree in the order of execution, as far as the text tells."""

    def __init__(self, source: bytes, depth: int) -> None:
        self.source = source
        self.depth = depth
        self.found: list[SimpleCommand] = []
        self.problems: list[str] = []
        self.defined: list[str] = []
        self.forks_itself = False
        self.assigned: list[str] = []
        self.calling: list[str] = []

    def text(self, node: Node) -> str:
        return self.source[node.start_byte : node.end_byte].decode("utf-8", "replace")

    def emit(self, command: SimpleCommand) -> None:
        if len(self.found) >= MAX_COMMANDS:
            raise _TooMuch(f"more than {MAX_COMMANDS} commands")
        self.found.append(command)

    # --- statements ---------------------------------------------------------------------------------------------------

    def walk(self, node: Node, scope: _Scope, level: int, redirects: tuple[Redirect, ...] = ()) -> SimpleCommand | None:
        """Visits ``node``; the last simple command of it, which is what a pipe after it reads from."""
        if level > MAX_NESTING:
            raise _TooMuch("nested too deeply")
        kind = node.type
        if kind in _SKIP:
            return None
        if kind in ("command", "declaration_command", "unset_command"):
            return self.simple(node, scope, level, redirects)
        if kind == "redirected_statement":
            return self.redirected(node, scope, level, redirects)
        if kind == "pipeline":
            self.bare(redirects, node, scope)
            return self.pipeline(node, scope, level)
        if kind == "list":
            *first, last = _spine(node)
            before = self.sequence(first, scope, level)
            return self.walk(last, scope, level + 1, redirects) or before
        if kind in ("subshell", "command_substitution", "process_substitution"):
            return self.sequence(node.named_children, scope.copy(), level, redirects)
        if kind in _COMPOUND:
            self.bare(redirects, node, scope)
            self.compound(node, scope, level)
            return None
        if kind == "file_redirect":
            return self.bare(tuple(self.redirect(node, scope, level, [])), node, scope)
        if kind == "ERROR":
            self.problems.append("not all of it is valid shell")
        return self.sequence(node.named_children, scope, level, redirects)

    def compound(self, node: Node, scope: _Scope, level: int) -> None:
        kind = node.type
        if kind == "for_statement":
            self.loop(node, scope, level)
        elif kind == "function_definition":
            self.define(node, scope, level)
        elif kind == "test_command":
            self.substitutions(node, scope, level)
        elif kind in _BLOCKS:
            self.branch(node, scope, level)
        else:
            self.assign(node, scope, level)

    def sequence(
        self, nodes: list[Node], scope: _Scope, level: int, redirects: tuple[Redirect, ...] = ()
    ) -> SimpleCommand | None:
        last: SimpleCommand | None = None
        for node in nodes:
            last = self.walk(node, scope, level + 1, redirects) or last
        return last

    def branch(self, node: Node, scope: _Scope, level: int) -> None:
        before = dict(scope.names)
        self.sequence(node.named_children, scope, level)
        for name in scope.names.keys() | before.keys():
            if scope.names.get(name) != before.get(name):
                scope.names[name] = UNKNOWN

    def loop(self, node: Node, scope: _Scope, level: int) -> None:
        variable = node.child_by_field_name("variable")
        body = node.child_by_field_name("body")
        name = self.text(variable) if variable else ""
        items = [word for value in node.children_by_field_name("value") for word in self.words(value, scope, level)]
        if body is None:
            return
        each = items if items and len(items) <= UNROLL else [UNKNOWN]
        for item in each:
            scope.names[name] = item
            self.walk(body, scope, level + 1)
        scope.names[name] = UNKNOWN

    def define(self, node: Node, scope: _Scope, level: int) -> None:
        name_node, body = node.child_by_field_name("name"), node.child_by_field_name("body")
        if name_node is None or body is None:
            return
        name = self.text(name_node)
        scope.functions[name] = body
        self.defined.append(name)
        redirects = [
            one for child in node.children_by_field_name("redirect") for one in self.redirect(child, scope, level, [])
        ]
        self.bare(tuple(redirects), node, scope)
        self.call(name, ["", *[UNKNOWN] * 9], scope.copy(), level)

    def call(self, name: str, argv: list[str], scope: _Scope, level: int) -> None:
        if name in self.calling or len(self.calling) > 4:
            return
        self.calling.append(name)
        inner = scope.copy()
        inner.names.update(_parameters(argv))
        before = len(self.found)
        self.walk(scope.functions[name], inner, level + 1)
        own = [command for command in self.found[before:] if command.program == name]
        if len(own) >= 2 and any(command.stdin is not None or command.background for command in own):
            self.forks_itself = True
        self.calling.pop()

    def pipeline(self, node: Node, scope: _Scope, level: int) -> SimpleCommand | None:
        last: SimpleCommand | None = None
        for child in node.named_children:
            before = len(self.found)
            new = self.walk(child, scope.copy(), level + 1)
            if last is not None and len(self.found) > before:
                first = self.found[before]
                self.found[before] = replace(first, stdin=last)
                if new is first:
                    new = self.found[before]
            last = new or last
        return last

    def redirected(self, node: Node, scope: _Scope, level: int, outer: tuple[Redirect, ...]) -> SimpleCommand | None:
        redirects = list(outer)
        piped: list[Node] = []
        for child in node.children_by_field_name("redirect"):
            redirects += self.redirect(child, scope, level, piped)
        body = node.child_by_field_name("body")
        if body is None:
            return self.bare(tuple(redirects), node, scope)
        seen = len(self.found)
        last = self.walk(body, scope, level + 1, tuple(redirects))
        if len(self.found) == seen:
            last = self.bare(tuple(redirects), node, scope)
        for more in piped:
            before = len(self.found)
            self.walk(more, scope, level + 1)
            if len(self.found) > before and last is not None:
                self.found[before] = replace(self.found[before], stdin=last)
                last = self.found[-1]
        return last

    def bare(self, redirects: tuple[Redirect, ...], node: Node, scope: _Scope) -> SimpleCommand | None:
        """Redirections that belong to no simple command: of a loop, a pipeline, or of nothing at all."""
        if not redirects:
            return None
        found = SimpleCommand(argv=(), redirects=redirects, cwd=scope.cwd, raw=self.text(node)[:400])
        self.emit(found)
        return found

    def redirect(self, node: Node, scope: _Scope, level: int, piped: list[Node]) -> Iterator[Redirect]:
        if node.type == "file_redirect":
            op = next((child.type for child in node.children if not child.is_named), ">")
            target = node.child_by_field_name("destination")
            words = self.words(target, scope, level) if target else [UNKNOWN]
            yield Redirect(op=op, target=words[0] if words else UNKNOWN)
        elif node.type == "herestring_redirect":
            inner = node.named_children
            yield Redirect(op="<<<", text=" ".join(word for one in inner for word in self.words(one, scope, level)))
        elif node.type == "heredoc_redirect":
            body = ""
            for child in node.named_children:
                if child.type == "heredoc_body":
                    body = self.text(child)
                    self.substitutions(child, scope, level)
                elif child.type in ("file_redirect", "herestring_redirect"):
                    yield from self.redirect(child, scope, level, piped)
                elif child.type not in _SKIP:
                    piped.append(child)
            yield Redirect(op="<<", text=body)

    # --- simple commands ----------------------------------------------------------------------------------------------

    def simple(self, node: Node, scope: _Scope, level: int, redirects: tuple[Redirect, ...]) -> SimpleCommand:
        argv: list[str] = []
        own = list(redirects)
        assigned: list[Node] = []
        if node.type != "command":
            argv.append(self.text(node).split(None, 1)[0])
        for child in node.children:
            if child.type in ("variable_assignment", "variable_assignments"):
                assigned.append(child)
                if node.type == "declaration_command":
                    argv.append(self.text(child)[:MAX_WORD_CHARS])
            elif child.type.endswith("_redirect"):
                own += self.redirect(child, scope, level, [])
            elif child.type == "command_name":
                for inner in child.named_children or [child]:
                    argv += self.words(inner, scope, level)
            elif child.is_named or (node.type == "command" and child.type not in (";", "&")):
                argv += self.words(child, scope, level)
        command = SimpleCommand(
            argv=tuple(argv[:MAX_WORDS]),
            redirects=tuple(own),
            cwd=scope.cwd,
            background=self.in_background(node),
            raw=self.text(node)[:400],
        )
        for one in assigned:
            target = scope if node.type == "declaration_command" or not argv else scope.copy()
            self.assign(one, target, level)
        self.emit(command)
        self.follow(command, scope, level)
        return command

    def follow(self, command: SimpleCommand, scope: _Scope, level: int) -> None:
        if command.program in ("cd", "pushd") and not command.dynamic:
            self.change_directory(command, scope)
        elif command.program in ("popd", "read", "mapfile", "readarray", "source", "."):
            self.forget(command, scope)
        elif command.program in scope.functions:
            self.call(command.program, list(command.argv), scope, level)

    def in_background(self, node: Node) -> bool:
        after = self.source[node.end_byte : node.end_byte + 8].lstrip()
        return after[:1] == b"&" and after[1:2] not in (b"&", b">")

    def change_directory(self, command: SimpleCommand, scope: _Scope) -> None:
        targets = [word for word in command.argv[1:] if word == "-" or not word.startswith("-")]
        if not targets:
            scope.cwd = "~"
        elif targets[0] == "-" or targets[0].startswith("+"):
            scope.cwd = UNKNOWN
        else:
            scope.cwd = joined(scope.cwd, targets[0])

    def forget(self, command: SimpleCommand, scope: _Scope) -> None:
        if command.program == "popd":
            scope.cwd = UNKNOWN
        for word in command.argv[1:]:
            if word.isidentifier():
                scope.names[word] = UNKNOWN

    def assign(self, node: Node, scope: _Scope, level: int) -> None:
        if node.type == "variable_assignments":
            for child in node.named_children:
                self.assign(child, scope, level)
            return
        name, value = node.child_by_field_name("name"), node.child_by_field_name("value")
        if name is None:
            return
        parts = [] if value is None else value.named_children if value.type == "array" else [value]
        words = [word for part in parts[:64] for word in self.words(part, scope, level)] or [UNKNOWN]
        self.assigned.append(self.text(name))
        plain = any(child.type == "=" for child in node.children)
        before = "" if plain else scope.names.get(self.text(name), UNKNOWN)
        scope.names[self.text(name)] = before + " ".join(words)

    # --- words --------------------------------------------------------------------------------------------------------

    def words(self, node: Node, scope: _Scope, level: int) -> list[str]:
        """The words ``node`` stands for: several after brace expansion or an unquoted variable with spaces."""
        value = self.value(node, scope, level)[:MAX_WORD_CHARS]
        if node.type == "simple_expansion" or (node.type == "expansion" and " " in value):
            return _split(value, scope.names.get("IFS", "")) or [""]
        if node.type == "string" and " " in value and (self.text(node) == '"$@"' or self.text(node).endswith('@]}"')):
            return value.split()
        if node.type in ("concatenation", "word") and "{" in value and "," in value:
            return expanded(value)
        return [value]

    def value(self, node: Node, scope: _Scope, level: int) -> str:
        if level > MAX_NESTING:
            raise _TooMuch("nested too deeply")
        kind = node.type
        if kind in ("word", "number", "extglob_pattern", "variable_name"):
            return unescaped(self.text(node))
        if kind == "raw_string":
            return self.text(node)[1:-1]
        if kind in ("ansi_c_string", "translated_string"):
            return ansi(self.text(node))
        if kind in ("string", "concatenation", "command_name", "array"):
            return self.composed(node, scope, level)
        if kind == "string_content":
            return self.text(node).replace('\\"', '"').replace("\\$", "$").replace("\\\\", "\\").replace("\\`", "`")
        if kind == "simple_expansion":
            return self.variable(self.text(node)[1:], scope)
        if kind == "expansion":
            inner = self.text(node)[2:-1].removesuffix("[@]").removesuffix("[*]")
            self.substitutions(node, scope, level)
            return self.variable(inner, scope) if inner.isidentifier() or inner.isdigit() else UNKNOWN
        if kind in ("command_substitution", "process_substitution"):
            before = len(self.found)
            self.walk(node, scope, level + 1)
            return self.yielded(self.found[before:], scope)
        self.substitutions(node, scope, level)
        return UNKNOWN if node.named_child_count else unescaped(self.text(node))

    @staticmethod
    def yielded(commands: list[SimpleCommand], scope: _Scope) -> str:
        """What a substitution stands for: the directory, a new scratch place, a literal text; else unknown."""
        if len(commands) == 1 and commands[0].argv in (("pwd",), ("git", "rev-parse", "--show-toplevel")):
            return scope.cwd or "."
        if len(commands) == 1 and commands[0].program == "mktemp" and _in_scratch(commands[0].argv[1:]):
            return SCRATCH_PLACE
        if len(commands) == 1 and commands[0].program in ("which", "command", "type") and len(commands[0].argv) > 1:
            return commands[0].argv[-1]
        if not commands or len(commands) > 8 or not _one_pipeline(commands):
            return UNKNOWN
        return printed(commands[-1]).rstrip("\n")

    def composed(self, node: Node, scope: _Scope, level: int) -> str:
        """A string or concatenation: its parts and the plain text between them."""
        quoted = node.type == "string"
        parts: list[str] = []
        at = node.start_byte + (1 if quoted else 0)
        for child in node.named_children:
            if quoted and child.start_byte > at:
                parts.append(self.source[at : child.start_byte].decode("utf-8", "replace"))
            parts.append(self.value(child, scope, level + 1))
            at = child.end_byte
        if quoted:
            end = node.end_byte - (0 if node.children and node.children[-1].is_missing else 1)
            parts.append(self.source[at:end].decode("utf-8", "replace") if end > at else "")
        elif not node.named_children:
            parts.append(unescaped(self.text(node)))
        return "".join(parts)

    def variable(self, name: str, scope: _Scope) -> str:
        if name == "HOME":
            return scope.names.get(name, "~")
        if name == "PWD":
            return scope.cwd or "."
        return scope.names.get(name, UNKNOWN)

    def substitutions(self, node: Node, scope: _Scope, level: int) -> None:
        """Visits the command substitutions anywhere below ``node``, without recursing through the rest."""
        pending = list(node.named_children)
        while pending:
            child = pending.pop()
            if child.type in ("command_substitution", "process_substitution"):
                self.walk(child, scope, level + 1)
            else:
                pending.extend(child.named_children)


def _spine(node: Node) -> list[Node]:
    """The operands of a left-nested ``list``, left to right, without recursion."""
    operands: list[Node] = []
    while node.type == "list":
        children = node.named_children
        operands += reversed(children[1:])
        if not children:
            return operands[::-1]
        node = children[0]
    operands.append(node)
    return operands[::-1]


def _one_pipeline(commands: list[SimpleCommand]) -> bool:
    """Whether each of ``commands`` reads what the one before it prints."""
    return all(later.stdin is not None and later.stdin.raw == earlier.raw for earlier, later in pairwise(commands))


def _split(value: str, separators: str) -> list[str]:
    """The words of an unquoted variable, where the script says what sets words apart."""
    for sign in separators if UNKNOWN not in separators else "":
        value = value.replace(sign, " ")
    return value.split()


def _in_scratch(words: tuple[str, ...]) -> bool:
    """Whether ``mktemp`` with ``words`` makes its file where scratch files belong."""
    return all(word.startswith("-") and not word.startswith(("-p", "--tmpdir=")) for word in words)


def _parameters(words: Sequence[str]) -> dict[str, str]:
    """The names by which a function or script knows ``words``, ``$0`` first."""
    if not words:
        return {}
    return {**{str(at): word for at, word in enumerate(words)}, "@": " ".join(words[1:]), "*": " ".join(words[1:])}


def reparsed(text: str, *, cwd: str, depth: int, given: tuple[str, ...] = ()) -> Parsed:
    """``text`` (an argument that another shell will run) as commands; unknown parts stay unknown."""
    if depth > 4:
        return Parsed(commands=(), problems=("shells inside shells",))
    return parsed(text.replace(UNKNOWN, _UNKNOWN_WORD), cwd=cwd, depth=depth, given=given)
