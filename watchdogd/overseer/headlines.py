"""What people read first: a question in one line, and what became of a resume."""

from __future__ import annotations

from collections.abc import Sequence

from watchdogd.core.escalation import AskedByWorker, ReleaseLatch, visible
from watchdogd.core.events import Impact, ToolIntended
from watchdogd.core.lease.messages import Latch
from watchdogd.overseer.book import Book

COMMAND_CHARS = 80
"""Of a command in a headline: what a phone shows of a notice in two lines."""
SAID = frozenset({Impact.NETWORK, Impact.EXTERNAL, Impact.DESTRUCTIVE})
"""Classes that the headline names: what leaves the machine or cannot be taken back."""


def may_it(tool: str, intended: ToolIntended | None) -> str:
    """The headline of a question about a call, from what the call was announced as.

    What is cut says so and how much there is, so that nobody takes the beginning for the whole.

    Args:
        tool: the tool's name.
        intended: the call as it was announced; None = not known any more.
    """
    if intended is None:
        return f"may it make a call of {_line(tool)}?"
    command = intended.args.get("command")
    if isinstance(command, str):
        line = _line(command)
        wish = f"run `{_cut(line)}`" + (f" ({len(line)} characters in all)" if len(line) > COMMAND_CHARS else "")
    else:
        wish = _cut(_line(intended.summary)) or f"make a call of {_line(tool)}"
    impact = f" ({intended.impact.value})" if intended.impact in SAID and intended.impact is not None else ""
    return f"may it {wish}{impact}?"


def _line(text: str) -> str:
    return " ".join(visible(text).split())


def _cut(line: str) -> str:
    return line if len(line) <= COMMAND_CHARS else f"{line[:COMMAND_CHARS]}…"


def released(user: str, pauses: Sequence[Latch], left: Sequence[Latch], *, lifted: str = "") -> str:
    """What ``user`` released, the freeze or kill that was taken back with it, and what still holds the worker."""
    was = "; ".join(_by(latch) for latch in pauses)
    still = f". It stays paused: {'; '.join(_by(latch) for latch in left)}" if left else ""
    back = f"; taken back: {lifted}" if lifted else ""
    return f"resumed by {user}; it was paused {was}{back}{still}"


def _by(latch: Latch) -> str:
    return f"by {latch.by} ({latch.reason})"


def held_by(book: Book) -> str:
    """Why the worker stands still although nobody has paused it, and what will let it go on."""
    process, status = book.process, book.status
    if process is not None and process.decided:
        return f"taken back: {process.reason}"
    if process is not None and process.state in ("frozen", "probation"):
        return (
            "nobody has paused it: the supervisor froze the agent's processes because nobody was seen to watch them, "
            "and thaws them by itself as soon as worker and overseer have heard each other again"
        )
    asked = [one for one in book.escalations.values() if one.subject and not isinstance(one.subject, ReleaseLatch)]
    if asked:
        ids = " and ".join(one.id for one in asked)
        how = "approve or deny" if not any(isinstance(one.subject, AskedByWorker) for one in asked) else "answer"
        return f"nobody has paused it; it waits for people: {how} {ids}"
    if status is not None and status.status == "holding" and status.why:
        return f"nobody has paused it; it holds by itself: {status.why}"
    return "nothing was paused"
