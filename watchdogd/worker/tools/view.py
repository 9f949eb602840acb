"""view: a file with line numbers, or a directory."""

from __future__ import annotations

from typing_extensions import override

from watchdogd.core.errors import ToolError
from watchdogd.core.events import Args, Impact
from watchdogd.ports import ToolSpec
from watchdogd.worker.tools.arguments import number_of, text_of
from watchdogd.worker.tools.call import Prepared
from watchdogd.worker.tools.inprocess import EDIT_BYTES, FileTool

LINES = 1_000
CHARACTERS = 64_000
LINE_CHARACTERS = 2_000
ENTRIES = 500


class ViewTool(FileTool):
    """Shows a part of a text file, or what is in a directory."""

    @property
    def spec(self) -> ToolSpec:
        """As the model is told of it."""
        return ToolSpec(
            name="view",
            description=(
                "Shows a text file with line numbers, or lists a directory. "
                f"At most {LINES} lines at a time; give start_line for more."
            ),
            schema={
                "type": "object",
                "properties": {
                    "path": {"type": "string", "minLength": 1, "description": "path relative to the workspace"},
                    "start_line": {"type": "integer", "minimum": 1},
                    "end_line": {"type": "integer", "minimum": 1},
                },
                "required": ["path"],
                "additionalProperties": False,
            },
        )

    def prepare(self, args: Args) -> Prepared:
        """Reading changes nothing. Raises: ToolError."""
        path, first = self.located(text_of(args, "path")), number_of(args, "start_line", 1)
        if number_of(args, "end_line", first) < first:
            raise ToolError("view: end_line lies before start_line", kind="invalid")
        return Prepared(impact=Impact.READ, summary=f"view {path}")

    @override
    def effect(self, args: Args) -> tuple[str, tuple[str, ...]]:
        path = self.located(text_of(args, "path"))
        if path == "." or self._files.is_dir(path):
            names, cut = self._files.list(path, limit=ENTRIES)
            return "\n".join(names) + (f"\n[more than {ENTRIES} entries]" if cut else "") or "(empty directory)", ()
        data, cut = self._files.read(path, limit_bytes=EDIT_BYTES)
        if b"\0" in data[:8_192]:
            raise ToolError(f"{path!r} is not a text file", kind="invalid")
        # Only line feeds count: that is what an editor, a compiler's message and sed call a line.
        lines = data.decode("utf-8", "replace").split("\n")
        if lines[-1] == "":
            lines.pop()
        return _numbered(lines, number_of(args, "start_line", 1), number_of(args, "end_line", len(lines)), cut=cut), ()


def _numbered(lines: list[str], first: int, last: int, *, cut: bool) -> str:
    """The asked for lines within the limits, and how to see what is missing."""
    if not lines:
        return "(empty file)"
    if first > len(lines):
        raise ToolError(f"the file has {len(lines)} lines", kind="invalid")
    shown: list[str] = []
    room = CHARACTERS
    for number, line in enumerate(lines[first - 1 : min(last, first + LINES - 1)], start=first):
        whole = line if len(line) <= LINE_CHARACTERS else f"{line[:LINE_CHARACTERS]} [… {len(line)} characters]"
        room -= len(whole) + 8
        if room < 0:
            break
        shown.append(f"{number:6d}\t{whole}")
    at = first + len(shown) - 1
    if at < min(last, len(lines)):
        shown.append(f"[lines {at + 1} to {len(lines)}{' and more' if cut else ''} not shown; start_line={at + 1}]")
    elif cut:
        shown.append("[the file is too large to show all of it; use the shell]")
    return "\n".join(shown)
