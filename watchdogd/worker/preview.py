"""Work in throw-away copies: one for each call that its level only previews, one for the whole of a dry run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from watchdogd.core.changes import Changes, fitting, shown
from watchdogd.core.errors import RecordFull, SnapshotError
from watchdogd.core.events import Previewed
from watchdogd.core.lifecycle import Run
from watchdogd.ports import Clock, Previews, WorkspaceCopy
from watchdogd.worker.journal import Journal
from watchdogd.worker.tools.call import Call, Outcome
from watchdogd.worker.tools.toolbox import Toolbox

CALL_LINES = 200
"""Lines of a diff that go to the model with a call's result."""
CALL_CHARS = 16_000
"""Characters of that diff."""
RUN_LINES = 20_000
"""Lines of a dry run's diff; the whole of it lies in ``objects/``."""
LISTED = 100
"""Changed paths that an event names: it must fit on the bus (256 KiB) whatever they are called."""
LISTED_CHARS = 200
"""Characters of such a line."""
LISTED_BYTES = 48 * 1024
"""Of all of them as JSON."""
LISTED_MISSING = 20
"""Paths that an event names as not in the copy."""
LOST = "the worker was restarted and this dry run's throw-away copy is gone: nothing was changed, start it again"
"""The end of a dry run that was under way when its worker died."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A copy with the tools over it, for one call."""

    copy: WorkspaceCopy
    toolbox: Toolbox
    call: Call
    """The call as it runs in the copy."""
    journal: Journal

    async def ended(self, outcome: Outcome) -> Outcome:
        """``outcome`` with what the call would have changed, for the model and, as an event, for people.

        Raises:
            RecordError: a long diff cannot be kept.
        """
        try:
            changes, lines = await self.copy.compared(lines=CALL_LINES)
        except SnapshotError as why:
            text = f"preview: nothing was changed; what it would have changed cannot be told ({why})"
            event = Previewed(call=self.call.use.id, tool=self.call.use.name, summary=str(why), total=None)
        else:
            text = _told(changes, lines, outcome)
            event = previewed(self.journal, changes, lines, self.copy.missing, call=self.call)
        text += "".join(f"\nThe copy did not have {one}." for one in event.missing)
        text += f"\n\nIts output, in the copy:\n{outcome.text}"
        return replace(outcome, text=text, changed=(), events=(event,))

    async def discard(self) -> None:
        """Throws the copy away."""
        await self.copy.discard()


class Rehearsals:
    """Hands out toolboxes: over the workspace, or over the copy of a dry run, and never the one for the other."""

    def __init__(
        self,
        *,
        previews: Previews,
        plain: Callable[[Run], Toolbox],
        over: Callable[[Run, str], Toolbox],
        journal: Journal,
        clock: Clock,
    ) -> None:
        self._previews, self._plain, self._over = previews, plain, over
        self._journal, self._clock = journal, clock
        self._copy: WorkspaceCopy | None = None
        self._toolbox: Toolbox | None = None
        self._run = ""

    def toolbox(self, run: Run) -> Toolbox:
        """The toolbox of ``run``.

        Raises:
            SnapshotError: it is a dry run without its copy.
        """
        if not run.dry_run:
            return self._plain(run)
        if self._toolbox is None or self._run != run.id:
            raise SnapshotError(f"dry run {run.id} has no copy of the workspace")
        return self._toolbox

    async def stage(self, run: Run, call: Call) -> Stage:
        """A fresh copy for ``call`` alone.

        Raises:
            SnapshotError: there can be none; nothing may run then.
            ToolError: in the copy the call cannot come to anything.
        """
        copy = await self._previews.make(f"call-{self._clock.nonce()}")
        try:
            toolbox = self._over(run, copy.path)
            own = toolbox.prepare(call.use)
        except BaseException:
            await copy.discard()
            raise
        if own.profile is not None and call.profile is not None:
            own = replace(own, profile=replace(own.profile, time_s=call.profile.time_s))
        return Stage(copy=copy, toolbox=toolbox, call=own, journal=self._journal)

    async def begin(self, run: Run) -> None:
        """Makes the one copy that dry run ``run`` works in, unless it has it already.

        Raises:
            SnapshotError: there can be none.
        """
        if self._copy is not None and self._run == run.id:
            return
        await self.discard()
        self._copy = await self._previews.make(f"run-{run.id}-{self._clock.nonce()}")
        self._toolbox, self._run = self._over(run, self._copy.path), run.id

    async def end(self) -> Previewed | None:
        """What the dry run would have changed, None when there was no copy; it is gone afterwards."""
        if self._copy is None:
            return None
        try:
            changes, lines = await self._copy.compared(lines=RUN_LINES)
            return previewed(self._journal, changes, lines, self._copy.missing)
        except (SnapshotError, RecordFull) as why:
            return Previewed(summary=str(why), total=None)
        finally:
            await self.discard()

    async def discard(self) -> None:
        """Throws a dry run's copy away."""
        copy, self._copy, self._toolbox, self._run = self._copy, None, None, ""
        if copy is not None:
            await copy.discard()


def previewed(
    journal: Journal,
    changes: Changes,
    lines: Sequence[str],
    missing: Sequence[tuple[str, str]],
    *,
    call: Call | None = None,
) -> Previewed:
    """The event for ``changes``; a long diff is kept in ``objects/``. Raises: RecordError."""
    return Previewed(
        call=call.use.id if call is not None else "",
        tool=call.use.name if call is not None else "",
        summary=changes.counts or "nothing",
        total=len(changes.items),
        changed=fitting([_cut(line) for line in changes.lines(LISTED)], LISTED_BYTES),
        diff=journal.text("\n".join(lines)),
        missing=fitting([_cut(f"{shown(path)} ({why})") for path, why in missing[:LISTED_MISSING]], LISTED_BYTES // 4),
    )


def would_have(event: Previewed) -> str:
    """The headline of what a dry run would have changed."""
    if event.total is None:
        return f"nothing was changed; what it would have changed cannot be told ({event.summary})"
    if not event.total:
        return "nothing was changed, and nothing would have been"
    return f"nothing was changed; it would have: {event.summary}"


def _told(changes: Changes, lines: Sequence[str], outcome: Outcome) -> str:
    if not changes.items:
        return "preview: nothing was changed, and it would have changed nothing" + ("" if outcome.ok else "; it failed")
    text = "\n".join(lines[1:])
    if len(text) > CALL_CHARS:
        text = f"{text[:CALL_CHARS]}\n[{len(text) - CALL_CHARS} characters more]"
    failed = "" if outcome.ok else ", and failed"
    return f"preview: nothing was changed; it would have: {changes.counts}{failed}\n{text}"


def _cut(line: str) -> str:
    return line if len(line) <= LISTED_CHARS else f"{line[: LISTED_CHARS - 1]}…"
