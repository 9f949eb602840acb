"""edit: one passage of a file for another."""

from __future__ import annotations

from typing_extensions import override

from watchdogd.core.errors import ToolError
from watchdogd.core.events import Args, Impact
from watchdogd.ports import ToolSpec
from watchdogd.worker.tools.arguments import flag_of, text_of
from watchdogd.worker.tools.call import Prepared
from watchdogd.worker.tools.inprocess import MOST_TEXT, FileTool

AROUND = 3
"""Lines shown on both sides of the change, so that the model need not look again."""


class EditTool(FileTool):
    """Replaces a passage that occurs exactly once, or everywhere when asked to."""

    @property
    def spec(self) -> ToolSpec:
        """As the model is told of it."""
        return ToolSpec(
            name="edit",
            description=(
                "Replaces a passage of a text file. The old passage must match exactly, blanks and line ends included, "
                "and occur exactly once unless all is true."
            ),
            schema={
                "type": "object",
                "properties": {
                    "path": {"type": "string", "minLength": 1, "description": "path relative to the workspace"},
                    "old": {"type": "string", "minLength": 1, "maxLength": MOST_TEXT},
                    "new": {"type": "string", "maxLength": MOST_TEXT},
                    "all": {"type": "boolean", "description": "replace every occurrence"},
                },
                "required": ["path", "old", "new"],
                "additionalProperties": False,
            },
        )

    def prepare(self, args: Args) -> Prepared:
        """A write to one path; what cannot match is refused before anybody is asked about it. Raises: ToolError."""
        path, _, _, count = self._found(args)
        times = f" ({count} places)" if count > 1 else ""
        return Prepared(
            impact=Impact.WRITE,
            summary=f"edit {path}{times}",
            reasons=(f"changes {path}",),
            writes=(path,),
            reads=(path,),
        )

    @override
    def effect(self, args: Args) -> tuple[str, tuple[str, ...]]:
        path, before, at, count = self._found(args)
        old, new = text_of(args, "old"), text_of(args, "new")
        after = before.replace(old, new)
        self._files.write(path, after.encode("utf-8"), create_only=False)
        places = f" in {count} places, the first" if count > 1 else ""
        said = f"edited {path}{places} at line {after.count(chr(10), 0, at) + 1}"
        return f"{_around(after, at, new)}\n{said}", (path,)

    def _found(self, args: Args) -> tuple[str, str, int, int]:
        """Path, text, where the old passage stands first, how often it occurs. Raises: ToolError."""
        path, old = self.located(text_of(args, "path")), text_of(args, "old")
        if old == text_of(args, "new"):
            raise ToolError("edit: old and new are the same", kind="invalid")
        text = self.text(path)
        count = text.count(old)
        if count == 0:
            raise ToolError(f"the old passage does not occur in {path}{_near(text, old)}", kind="not_found")
        if count > 1 and not flag_of(args, "all"):
            lines = ", ".join(str(line) for line in _lines_of(text, old)[:10])
            raise ToolError(
                f"the old passage occurs {count} times in {path} (lines {lines}); add lines around it or set all",
                kind="invalid",
            )
        return path, text, text.index(old), count


def _lines_of(text: str, passage: str) -> list[int]:
    found, at = [], text.find(passage)
    while at >= 0:
        found.append(text.count("\n", 0, at) + 1)
        at = text.find(passage, at + len(passage))
    return found


def _near(text: str, old: str) -> str:
    """A hint at what usually went wrong."""
    if "\r\n" in text and old.replace("\r\n", "\n").replace("\n", "\r\n") in text:
        return "; its lines end in CR LF"
    if " ".join(old.split()) in " ".join(text.split()):
        return "; it does with other blanks or line breaks"
    first = next((line.strip() for line in old.splitlines() if line.strip()), "")
    at = text.find(first) if first else -1
    return f"; its first line does, at line {text.count(chr(10), 0, at) + 1}" if at >= 0 else ""


def _around(text: str, at: int, new: str) -> str:
    """The lines of ``new`` at ``at`` with some on both sides, numbered."""
    lines = text.split("\n")
    first = text.count("\n", 0, at)
    last = first + new.count("\n")
    start, end = max(0, first - AROUND), min(len(lines), last + AROUND + 1)
    shown = [f"{number + 1:6d}\t{lines[number][:500]}" for number in range(start, end)]
    return "\n".join(shown if len(shown) <= 40 else [*shown[:20], "   […]", *shown[-20:]])
