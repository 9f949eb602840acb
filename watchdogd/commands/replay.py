"""``watchdogd replay``: recorded runs through the detectors and the policy."""

from __future__ import annotations

import json as jsonlib
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from watchdogd.commands import labels, replay_html, tables
from watchdogd.commands.outcome import Outcome, replayed
from watchdogd.commands.recordings import Reading, Recording
from watchdogd.commands.rules_in_force import in_force
from watchdogd.core.counting import counted
from watchdogd.core.health import Channel, Severity

UNWRITABLE = 1
"""Exit status when the page cannot be written."""


def replay(
    paths: Annotated[list[Path], typer.Argument(help="Trajectories (JSON lines, plain or gzip) or a daemon's record.")],
    json: Annotated[bool, typer.Option("--json", help="One JSON object per run on stdout.")] = False,
    until: Annotated[int | None, typer.Option(min=0, help="Stop each run after so many steps.")] = None,
    config: Annotated[Path | None, typer.Option(help="Take the detectors' thresholds from this file.")] = None,
    policy: Annotated[Path | None, typer.Option(help="Decide by this policy file.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write one self-contained page here.")] = None,
) -> None:
    """Replay recorded runs through the detectors and the policy; print what they would have done."""
    bank, rules = in_force(config, policy)
    tally = Tally()
    page: list[tuple[Recording, Outcome]] = []
    reading = Reading()
    for run in reading.readable(paths):
        outcome = replayed(run, bank, rules, until=until, curve=html is not None)
        tally.take(run, outcome)
        if json:
            sys.stdout.write(jsonlib.dumps(as_json(outcome), ensure_ascii=True) + "\n")
        if html is not None:
            page.append((run, outcome))
            if len(page) > 2 * replay_html.MOST_RUNS:
                page = replay_html.worst_first(page)
    if not reading.read:
        raise typer.Exit(reading.status)
    if html is not None:
        written = replay_html.page(replay_html.worst_first(page), runs=tally.runs)
        try:
            html.write_text(written, encoding="utf-8", errors="backslashreplace")
        except OSError as why:
            sys.stderr.write(f"{html}: cannot be written: {why.strerror}\n")
            raise typer.Exit(UNWRITABLE) from None
    tally.unread = reading.unread
    if not json:
        tables.show(*tally.table())
    raise typer.Exit(reading.status)


def as_json(outcome: Outcome) -> Mapping[str, Any]:
    """The object that ``--json`` prints."""
    return {
        "id": outcome.id,
        "events": outcome.events,
        "risk": {channel.value: round(outcome.risk[channel], 4) for channel in Channel},
        "severity": outcome.severity.value,
        "findings": [
            {
                "step": one.step,
                "rule": one.finding.rule,
                "channel": one.finding.channel.value,
                "severity": one.finding.severity.value,
                "risk": round(one.finding.risk, 4),
                "headline": one.finding.headline,
                "evidence": list(one.finding.evidence),
                "key": one.finding.key,
            }
            for one in outcome.findings
        ],
        "first": {level.value: outcome.first(level) for level in (Severity.WARN, Severity.CRIT)},
        "decisions": [
            {
                "step": one.step,
                "rule": one.decision.rule,
                "action": one.decision.action.value,
                "finding": one.decision.finding,
                "severity": one.decision.severity.value,
            }
            for one in outcome.decisions
        ],
        "end": {channel.value: severity.value for channel, severity in outcome.end.items()},
    }


@dataclass(slots=True)
class Tally:
    """How often what fired, on which runs."""

    runs: int = 0
    events: int = 0
    unread: int = 0
    labels: Counter[tuple[str, bool]] = field(default_factory=Counter)
    """(label, it says bad) to runs."""
    fired: Counter[tuple[str, bool, Channel, Severity]] = field(default_factory=Counter)
    anywhere: Counter[tuple[Channel, Severity]] = field(default_factory=Counter)
    rules: Counter[tuple[str, Severity]] = field(default_factory=Counter)
    actions: Counter[str] = field(default_factory=Counter)

    def take(self, run: Recording, outcome: Outcome) -> None:
        """Counts one run."""
        self.runs += 1
        self.events += outcome.events
        known = labels.known(run.labels)
        self.labels.update(known.items())
        worst: dict[Channel, Severity] = {}
        for one in outcome.findings:
            finding = one.finding
            if finding.severity.rank > worst.get(finding.channel, Severity.OK).rank:
                worst[finding.channel] = finding.severity
        self.rules.update({(one.finding.rule, one.finding.severity) for one in outcome.findings})
        self.actions.update({one.decision.action.value for one in outcome.decisions})
        for channel, severity in worst.items():
            for level in (Severity.WARN, Severity.UNKNOWN, Severity.CRIT):
                if (level is Severity.UNKNOWN) == (severity is Severity.UNKNOWN) and level.rank <= severity.rank:
                    self.anywhere[channel, level] += 1
                    self.fired.update((label, bad, channel, level) for label, bad in known.items())

    def table(self) -> list[Table | Text | str]:
        """What was seen, for people: coverage first, then what fired, on good runs and on bad ones."""
        parts: list[Table | Text | str] = [
            f"{counted(self.runs, 'run')}, {counted(self.events, 'step')}, {self.unread} unreadable"
        ]
        names = sorted({label for label, _ in self.labels})
        if names:
            heads = ("says bad", "says good", "unknown")
            made = tables.table("label", *heads, right=heads, keep=("label",))
            for name in names:
                bad, good = self.labels[name, True], self.labels[name, False]
                tables.row(made, name, f"{bad}", f"{good}", f"{self.runs - bad - good}")
            parts += ["", made]
        parts += ["", self._channels(names)]
        if any(severity is not Severity.OK for _, severity in self.rules):
            made = tables.table("rule", "level", "runs", right=("runs",), keep=("rule",))
            for (rule, severity), count in sorted(self.rules.items(), key=lambda item: (item[0][0], item[0][1].rank)):
                if severity is not Severity.OK:
                    tables.row(made, rule, tables.level(severity), f"{count}")
            parts += ["", made]
        if self.actions:
            parts += ["", "decisions, in runs: " + ", ".join(f"{a} {n}" for a, n in sorted(self.actions.items()))]
        return parts

    def _channels(self, names: Sequence[str]) -> Table:
        made = tables.table(
            "channel", "level", "runs", "by label: fired on bad, on good", right=("runs",), keep=("channel", "level")
        )
        for channel in Channel:
            for severity in (Severity.WARN, Severity.CRIT, Severity.UNKNOWN):
                count = self.anywhere[channel, severity]
                if count or severity is not Severity.UNKNOWN:
                    word = tables.level(severity) if count else Text(severity.value, style="dim")
                    shares = "  ".join(self._shares(name, channel, severity) for name in names)
                    tables.row(made, channel.value, word, f"{count}", shares)
        return made

    def _shares(self, name: str, channel: Channel, level: Severity) -> str:
        parts = []
        for bad in (True, False):
            of = self.labels[name, bad]
            parts.append(f"{self.fired[name, bad, channel, level]}/{of}" if of else "-")
        return f"{name} {parts[0]}, {parts[1]}"
