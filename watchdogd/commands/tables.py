"""Tables for people: aligned everywhere, coloured on a terminal only."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from watchdogd.core.health import Severity

COLOUR = {Severity.OK: "green", Severity.WARN: "yellow", Severity.CRIT: "red", Severity.UNKNOWN: "magenta"}
PIPE_COLUMNS = 240
"""Width where no terminal says one: whoever reads a pipe wraps for himself (columns)."""


def table(*heads: str, right: Sequence[str] = (), keep: Sequence[str] = ()) -> Table:
    """An empty table with ``heads``.

    Args:
        heads: the columns' headings.
        right: those whose cells are set to the right.
        keep: those that are never broken over lines.
    """
    made = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for head in heads:
        made.add_column(head, justify="right" if head in right else "left", no_wrap=head in keep)
    return made


def row(into: Table, *cells: str | Text) -> None:
    """Adds a row of plain text: nothing in it is markup."""
    into.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in cells))


def level(severity: Severity) -> Text:
    """The word for ``severity`` in its colour."""
    return Text(severity.value, style=COLOUR[severity])


def show(*parts: Table | Text | str) -> None:
    """Prints ``parts`` on stdout."""
    out = Console(file=sys.stdout, highlight=False, markup=False, emoji=False)
    if not out.is_terminal:
        out = Console(file=sys.stdout, highlight=False, markup=False, emoji=False, width=PIPE_COLUMNS)
    for part in parts:
        out.print(part, soft_wrap=isinstance(part, str))
