"""create: a whole file."""

from __future__ import annotations

from typing_extensions import override

from watchdogd.core.errors import ToolError
from watchdogd.core.events import Args, Impact
from watchdogd.ports import ToolSpec
from watchdogd.worker.tools.arguments import text_of
from watchdogd.worker.tools.call import Prepared
from watchdogd.worker.tools.inprocess import MOST_TEXT, FileTool


class CreateTool(FileTool):
    """Writes a file from its first to its last character."""

    @property
    def spec(self) -> ToolSpec:
        """As the model is told of it."""
        return ToolSpec(
            name="create",
            description="Creates a text file and the directories it needs. A file that exists is replaced as a whole.",
            schema={
                "type": "object",
                "properties": {
                    "path": {"type": "string", "minLength": 1, "description": "path relative to the workspace"},
                    "text": {"type": "string", "maxLength": MOST_TEXT},
                },
                "required": ["path", "text"],
                "additionalProperties": False,
            },
        )

    def prepare(self, args: Args) -> Prepared:
        """A write to one path. Raises: ToolError."""
        path, size = self.located(text_of(args, "path")), len(text_of(args, "text"))
        replaces = self._replaces(path)
        return Prepared(
            impact=Impact.WRITE,
            summary=f"{'replace' if replaces else 'create'} {path} ({size} characters)",
            reasons=(f"{'replaces' if replaces else 'creates'} {path}",),
            writes=(path,),
            reads=(path,),
        )

    @override
    def effect(self, args: Args) -> tuple[str, tuple[str, ...]]:
        path, text = self.located(text_of(args, "path")), text_of(args, "text")
        replaced = self._replaces(path)
        self._files.write(path, text.encode("utf-8"), create_only=not replaced)
        return f"{'replaced' if replaced else 'created'} {path}, {len(text)} characters", (path,)

    def _replaces(self, path: str) -> bool:
        """Whether something is there; what cannot be looked at counts as something."""
        try:
            self._files.is_dir(path)
        except ToolError as why:
            return why.kind != "not_found"
        return True
