"""Tools that act in the worker's own process: view, create and edit share their way through the deadline."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from watchdogd.core.errors import ToolError
from watchdogd.core.events import Args
from watchdogd.core.shell.paths import beneath, normal
from watchdogd.ports import Clock, Files, SandboxProfile
from watchdogd.worker.tools.call import NOT_RUN, Outcome

MOST_TEXT = 2_000_000
"""Characters of a file that a model may write in one call."""

EDIT_BYTES = 16 * 1024**2
"""Largest file that can be edited (bytes)."""


class FileTool(ABC):
    """A tool over the files of the workspace."""

    def __init__(self, files: Files, clock: Clock, workspace: str) -> None:
        self._files, self._clock, self._workspace = files, clock, workspace

    async def run(
        self, args: Args, profile: SandboxProfile | None, *, until_boot_s: float, launched: Callable[[], None]
    ) -> Outcome:
        """Does it at once; the deadline is looked at right before, as a launcher would."""
        del profile
        try:
            began = self._clock.boot()
            if began >= until_boot_s:
                return NOT_RUN
            try:
                text, changed = self.effect(args)
            except ToolError as why:
                return Outcome(
                    ok=False, text=f"error: {why}", error_class=why.kind, duration_s=self._clock.boot() - began
                )
            return Outcome(ok=True, text=text, duration_s=self._clock.boot() - began, changed=changed)
        finally:
            launched()

    @abstractmethod
    def effect(self, args: Args) -> tuple[str, tuple[str, ...]]:
        """Does it: what the model is told, and the files that changed. Raises: ToolError."""

    def located(self, path: str) -> str:
        """``path`` relative to the workspace in one spelling, which is what rules are held against.

        Raises:
            ToolError: it is empty, holds ``..`` or leads out of the workspace.
        """
        if not path or ".." in path.split("/"):
            raise ToolError(f"{path!r} is no path below the workspace", kind="invalid")
        inside = beneath(normal(path), self._workspace)
        if inside.startswith("/"):
            raise ToolError(f"{path!r} is outside the workspace {self._workspace}", kind="permission")
        return inside

    def text(self, path: str) -> str:
        """The file's text, whole.

        Raises:
            ToolError: there is no such file, it is too large, or it is not UTF-8.
        """
        data, cut = self._files.read(path, limit_bytes=EDIT_BYTES)
        if cut:
            raise ToolError(f"{path!r} is larger than {EDIT_BYTES} bytes; use the shell", kind="invalid")
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError as why:
            raise ToolError(f"{path!r} is not UTF-8 text (byte {why.start})", kind="invalid") from None
