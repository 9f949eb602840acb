"""view, create and edit: files beneath the workspace, no link out of it."""

from __future__ import annotations

from collections.abc import Callable

from typing_extensions import override

from watchdogd.core.errors import ToolError
from watchdogd.core.events import Args, Impact
from watchdogd.ports import Clock, Files, SandboxProfile, ToolSpec
from watchdogd.worker.tools.call import Outcome, Prepared, int_arg, only, text_arg

VIEW_BYTES = 256_000
VIEW_LINES = 2_000
LIST_ENTRIES = 500
PATH_SCHEMA = {"type": "string", "description": "path relative to the workspace"}


def _text(data: bytes, path: str) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise ToolError(f"{path} is no UTF-8 text") from None


class _InProcess:
    """What the file tools share: the deadline is looked at right before the effect, as a launcher would."""

    def __init__(self, files: Files, clock: Clock) -> None:
        self._files, self._clock = files, clock

    async def run(
        self, args: Args, prepared: SandboxProfile | None, *, until_boot_s: float, launched: Callable[[], None]
    ) -> Outcome:
        """Does it at once, in this process."""
        del prepared
        began = self._clock.boot()
        if began >= until_boot_s:
            launched()
            return Outcome(ok=False, text="not run: the lease had ended", error_class="lease", aborted=True)
        try:
            text, changed = self._do(args)
        except ToolError as why:
            launched()
            return Outcome(ok=False, text=f"error: {why}", error_class="file", duration_s=self._clock.boot() - began)
        launched()
        return Outcome(ok=True, text=text, duration_s=self._clock.boot() - began, changed=changed)

    def _do(self, args: Args) -> tuple[str, tuple[str, ...]]:
        raise NotImplementedError


class ViewTool(_InProcess):
    """Shows a file with line numbers, or a directory."""

    @property
    def spec(self) -> ToolSpec:
        """As the model is told of it."""
        return ToolSpec(
            name="view",
            description="Shows a text file with line numbers, or lists a directory.",
            schema={
                "type": "object",
                "properties": {
                    "path": PATH_SCHEMA,
                    "start_line": {"type": "integer", "minimum": 1},
                    "end_line": {"type": "integer", "minimum": 1},
                },
                "required": ["path"],
                "additionalProperties": False,
            },
        )

    def prepare(self, args: Args) -> Prepared:
        """Reading changes nothing. Raises: ToolError."""
        only(args, "path", "start_line", "end_line")
        path = text_arg(args, "path")
        first, last = int_arg(args, "start_line"), int_arg(args, "end_line")
        if first is not None and last is not None and last < first:
            raise ToolError("end_line lies before start_line")
        return Prepared(impact=Impact.READ, summary=f"view {path}")

    @override
    def _do(self, args: Args) -> tuple[str, tuple[str, ...]]:
        path = text_arg(args, "path")
        if self._files.is_dir(path):
            entries, cut = self._files.list(path, limit=LIST_ENTRIES)
            more = f"\n[more than {LIST_ENTRIES} entries]" if cut else ""
            return "\n".join(entries) + more or "(empty)", ()
        data, cut = self._files.read(path, limit_bytes=VIEW_BYTES)
        lines = data.decode("utf-8", "replace").splitlines()
        first = int_arg(args, "start_line") or 1
        last = min(int_arg(args, "end_line") or len(lines), first + VIEW_LINES - 1)
        shown = [f"{number:6d}\t{line}" for number, line in enumerate(lines[first - 1 : last], start=first)]
        more = "\n[the file goes on]" if cut or last < len(lines) else ""
        return ("\n".join(shown) or "(no such lines)") + more, ()


class CreateTool(_InProcess):
    """Writes a whole new file."""

    @property
    def spec(self) -> ToolSpec:
        """As the model is told of it."""
        return ToolSpec(
            name="create",
            description="Creates a text file (and its directories), or replaces one that exists.",
            schema={
                "type": "object",
                "properties": {"path": PATH_SCHEMA, "text": {"type": "string"}},
                "required": ["path", "text"],
                "additionalProperties": False,
            },
        )

    def prepare(self, args: Args) -> Prepared:
        """A write to one path. Raises: ToolError."""
        only(args, "path", "text")
        path = text_arg(args, "path")
        size = len(text_arg(args, "text", empty=True))
        return Prepared(
            impact=Impact.WRITE, summary=f"create {path} ({size} characters)", writes=(path,), reads=(path,)
        )

    @override
    def _do(self, args: Args) -> tuple[str, tuple[str, ...]]:
        path, text = text_arg(args, "path"), text_arg(args, "text", empty=True)
        self._files.write(path, _encoded(text), create_only=False)
        return f"wrote {path}, {len(text)} characters", (path,)


class EditTool(_InProcess):
    """Replaces one passage of a file."""

    @property
    def spec(self) -> ToolSpec:
        """As the model is told of it."""
        return ToolSpec(
            name="edit",
            description="Replaces a passage of a text file. The old passage must occur exactly once.",
            schema={
                "type": "object",
                "properties": {"path": PATH_SCHEMA, "old": {"type": "string"}, "new": {"type": "string"}},
                "required": ["path", "old", "new"],
                "additionalProperties": False,
            },
        )

    def prepare(self, args: Args) -> Prepared:
        """A write to one path. Raises: ToolError."""
        only(args, "path", "old", "new")
        path = text_arg(args, "path")
        text_arg(args, "old")
        text_arg(args, "new", empty=True)
        return Prepared(impact=Impact.WRITE, summary=f"edit {path}", writes=(path,), reads=(path,))

    @override
    def _do(self, args: Args) -> tuple[str, tuple[str, ...]]:
        path, old, new = text_arg(args, "path"), text_arg(args, "old"), text_arg(args, "new", empty=True)
        data, cut = self._files.read(path, limit_bytes=16 * 1024**2)
        if cut:
            raise ToolError(f"{path} is too large to edit")
        text = _text(data, path)
        count = text.count(old)
        if count != 1:
            hint = "does not occur" if count == 0 else f"occurs {count} times; add lines around it"
            raise ToolError(f"the old passage {hint} in {path}")
        self._files.write(path, _encoded(text.replace(old, new)), create_only=False)
        line = text[: text.index(old)].count("\n") + 1
        return f"edited {path} at line {line}", (path,)


def _encoded(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        raise ToolError("the text holds characters that UTF-8 cannot carry") from None
