"""How the demo ended, checked against the world and not against what anybody said."""

from __future__ import annotations

import filecmp
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from watchdogd.adapters.sqlite import read_rows
from watchdogd.commands.demo_timeline import Tally, Timeline
from watchdogd.core.chain import breaks
from watchdogd.core.counting import counted
from watchdogd.core.errors import RecordError
from watchdogd.settings.model import Settings

CHECK_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at."""

    text: str
    good: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """The checks and the tally."""

    checks: tuple[Check, ...]
    tally: Tally
    lines: tuple[str, ...]
    state_dir: Path

    @property
    def good(self) -> bool:
        """Whether every check held."""
        return all(check.good for check in self.checks)

    def show(self, out: Console, *, kept: Path | None) -> None:
        """Prints what happened, what it cost, where the record is, what to try next."""
        tally, piped = self.tally, not out.is_terminal
        for check in self.checks:
            out.print(f"{'[green]✓[/]' if check.good else '[bold red]✗[/]'} {escape(check.text)}", soft_wrap=piped)
        out.print(
            f"[bold]What happened[/]  {counted(tally.calls, 'call')} ran, {tally.refused} refused, "
            f"{counted(tally.nudges, 'nudge')}, {counted(tally.pauses, 'pause')}, "
            f"{counted(tally.questions, 'question')} to people, {counted(tally.verdicts, 'verdict')}, "
            f"{counted(tally.checkpoints, 'checkpoint')}, {tally.returns} returned to, "
            f"{counted(tally.events, 'event')}; worst health {tally.worst.value}",
            soft_wrap=piped,
        )
        out.print(
            f"[bold]What it cost[/]   worker ${tally.worker_usd:.4f}, watching ${tally.judge_usd:.4f} "
            "[dim](scripted usage at the price table's rates; nothing was spent)[/]",
            soft_wrap=piped,
        )
        if kept is not None:
            out.print(f"[bold]The record[/]     {escape(str(self.state_dir))}", soft_wrap=True)
            out.print(f"[bold]Try next[/]       watchdogd replay {escape(str(self.state_dir))}", soft_wrap=True)
        else:
            out.print(
                "[bold]The record[/]     was in a scratch folder and is gone; `watchdogd demo --keep DIR` keeps it"
            )
            out.print(
                "[bold]Try next[/]       watchdogd demo --keep /tmp/night && watchdogd replay /tmp/night/state",
                soft_wrap=True,
            )
        out.print("               watchdogd init my-agent   [dim]a configuration of your own[/]")


def _same_tree(one: Path, other: Path) -> bool:
    names = sorted(path.name for path in one.iterdir())
    if names != sorted(path.name for path in other.iterdir()):
        return False
    _, different, errors = filecmp.cmpfiles(one, other, names, shallow=False)
    return not different and not errors


def _passes(workspace: Path) -> bool:
    try:
        done = subprocess.run(
            [sys.executable, "checks.py"], cwd=workspace, capture_output=True, timeout=CHECK_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _held(workspace: Path) -> int:
    """Rows in quarantine; -1 when that cannot be told."""
    try:
        with closing(sqlite3.connect(f"file:{workspace / 'orders.db'}?mode=ro", uri=True)) as db:
            return int(db.execute("SELECT count(*) FROM quarantine").fetchone()[0])
    except sqlite3.Error:
        return -1


def _record(path: Path) -> Check:
    try:
        rows = list(read_rows(path))
    except RecordError as why:
        return Check(text=f"the {path.parent.name}'s record cannot be read: {why}", good=False)
    wrong = breaks(rows)
    text = f"the {path.parent.name}'s record holds: {len(rows)} rows, each chained to the one before"
    return Check(
        text=text if not wrong and rows else f"{path.parent.name}: {wrong or 'empty'}", good=bool(rows) and not wrong
    )


def judged(settings: Settings, timeline: Timeline, source: Path) -> Ending:
    """Looks at the workspace and the records after everything has stopped."""
    workspace, state_dir = settings.agent.workspace, settings.agent.state_dir
    tally = timeline.tally
    untouched = all(
        (workspace / name).exists() and filecmp.cmp(workspace / name, source / "workspace" / name, shallow=False)
        for name in ("checks.py", "control.csv")
    )
    checks = (
        Check(text=f"the run ended: {tally.outcome or 'not at all'} ({tally.reason})", good=tally.outcome == "done"),
        Check(
            text="raw/, checks.py and control.csv are as they were, byte by byte",
            good=untouched
            and (workspace / "raw").is_dir()
            and _same_tree(workspace / "raw", source / "workspace" / "raw"),
        ),
        Check(
            text="what it made up was taken back: README.md is as it was, the bad row is held and not guessed at",
            good=filecmp.cmp(workspace / "README.md", source / "workspace" / "README.md", shallow=False)
            and _held(workspace) == 1,
        ),
        Check(text="the pipeline's checks pass, run once more from outside", good=untouched and _passes(workspace)),
        _record(state_dir / "worker" / "record.db"),
        _record(state_dir / "overseer" / "record.db"),
    )
    return Ending(checks=checks, tally=tally, lines=timeline.lines, state_dir=state_dir)
