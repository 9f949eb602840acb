"""The demo's timeline: what the published topics tell, as people enjoy reading it."""

from __future__ import annotations

from dataclasses import dataclass, field

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text as Line

from watchdogd.adapters.broker_connection import Connection
from watchdogd.adapters.clock import SystemClock
from watchdogd.core import events as e
from watchdogd.core.counting import counted
from watchdogd.core.escalation import Escalation
from watchdogd.core.health import Severity
from watchdogd.core.policy import Action
from watchdogd.ports import Received
from watchdogd.settings.model import Settings
from watchdogd.wire.messages import DecisionReport, HealthReport, Message, VerdictReport, WorkerStatus

WHO = {
    "worker": "cyan",
    "tool": "blue",
    "gate": "yellow",
    "overseer": "magenta",
    "judge": "bright_magenta",
    "people": "green",
    "anna": "bold green",
    "daemon": "dim",
}
SHORT = 150


def short(text: str, limit: int = SHORT) -> str:
    """``text`` in one line."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


@dataclass(slots=True)
class Tally:
    """What the end is told from."""

    calls: int = 0
    refused: int = 0
    nudges: int = 0
    pauses: int = 0
    questions: int = 0
    verdicts: int = 0
    checkpoints: int = 0
    returns: int = 0
    events: int = 0
    worker_usd: float = 0.0
    judge_usd: float = 0.0
    worst: Severity = Severity.OK
    outcome: str = ""
    reason: str = ""
    run: str = ""


@dataclass(slots=True)
class Timeline:
    """Prints as it comes."""

    out: Console
    began: float
    clock: SystemClock = field(default_factory=SystemClock)
    tally: Tally = field(default_factory=Tally)
    over: bool = False
    lines: tuple[str, ...] = ()
    _said: set[tuple[str, int]] = field(default_factory=set)
    _warned: bool = False
    _open: set[str] = field(default_factory=set)

    def line(self, who: str, text: str, style: str = "") -> None:
        """One line: time, who, what."""
        seconds = int(self.clock.boot() - self.began)
        at = Line.from_markup(f"[dim]{seconds // 60:02d}:{seconds % 60:02d}[/]")
        name = Line.from_markup(f"[{WHO[who]}]{who:<9}[/]")
        said = Line.from_markup(f"[{style}]{escape(text)}[/]" if style else escape(text))
        if not self.out.is_terminal:  # one line for one thing: whoever reads a pipe wraps for himself
            self.out.print(Line.assemble(at, "  ", name, " ", said), soft_wrap=True)
            return
        row = Table.grid(padding=(0, 1, 0, 0))
        row.add_row(at, "", name, said)
        self.out.print(row)

    def note(self, text: str) -> None:
        """Something the daemon says."""
        self.line("daemon", text, "yellow")

    def person(self, text: str) -> None:
        """What the person sends."""
        self.line("anna", text)

    def opening(self, settings: Settings) -> None:
        """The scene."""
        mission = settings.missions[0]
        self.out.rule("[bold]watchdogd demo[/] · a night shift in a minute", style="dim")
        self.out.print(f"[bold]Mission[/]  {escape(short(mission.goal, 400))}")
        for rule in mission.rules:
            self.out.print(f"[bold]Rule[/]     {escape(rule)}")
        self.out.print("[dim]The model is scripted; processes, MQTT, tools, gate and detectors are the real ones.[/]")

    def broker(self, connection: Connection, lines: tuple[str, ...]) -> None:
        """How to watch along."""
        self.lines = lines
        self.out.print(f"[dim]Broker: {connection.kind} on {connection.host}:{connection.port}. To watch along:[/]")
        self.out.print(f"[dim]  {escape(lines[0])}[/]", soft_wrap=True)
        self.out.rule(style="dim")

    def closing(self) -> None:
        """The end of what is told live."""
        self.out.rule(style="dim")

    def take(self, arrived: Received) -> bool:
        """One message; True once the run is over."""
        message = arrived.message
        if message is None:
            return self.over
        payload = message.payload
        match payload:
            case e.Event():
                if ("event", payload.seq) not in self._said:
                    self._said.add(("event", payload.seq))
                    self._event(payload)
            case DecisionReport() | VerdictReport():
                if ("overseer", message.seq or 0) not in self._said:
                    self._said.add(("overseer", message.seq or 0))
                    self._overseer(payload, message)
            case Escalation():
                self._escalation(payload)
            case WorkerStatus(sandbox="none") if not self._warned:
                self._warned = True
                self.note("no bubblewrap here: in this scratch workspace, and only here, commands run uncontained")
            case HealthReport(judge_spent_usd=usd, severity=severity, run=run) if run:
                self.tally.judge_usd = max(self.tally.judge_usd, usd or 0.0)
                if severity.rank > self.tally.worst.rank:
                    self.tally.worst = severity
            case _:
                pass
        return self.over

    def _event(self, event: e.Event) -> None:
        tally, body = self.tally, event.body
        tally.events += 1
        match body:
            case e.ModelCalled():
                tally.worker_usd += body.cost_usd or 0.0
                self.line("worker", f"“{short(body.text.head, 300)}”", "italic")
            case e.ToolIntended():
                self.line("worker", f"→ {short(body.summary or body.tool)}", "cyan")
            case e.Gated(outcome=outcome, reason=reason):
                tally.refused += outcome == "deny"
                self.line("gate", f"{'refused' if outcome == 'deny' else outcome}: {reason}", "bold yellow")
            case e.ToolFinished(outcome="ok"):
                tally.calls += 1
                self.line("tool", _ended(body), "dim")
            case e.ToolFinished(outcome="error"):
                tally.calls += 1
                self.line("tool", _ended(body), "red")
            case e.Nudged():
                tally.nudges += 1
                who = "people" if body.rule.startswith("person:") else "overseer"
                self.line(who, f"nudge reached the worker: “{short(body.text, 220)}”", "bold")
            case e.Held(why="latch", text=text):
                self.line("gate", f"holds: {text}", "yellow")
            case e.Released(held_s=held_s):
                self.line("gate", f"goes on after {held_s:.0f} s", "yellow")
            case e.CheckpointTaken() | e.RolledBack():
                self._checkpoint(body)
            case e.ProviderError():
                self.line("worker", f"the provider failed: {body.error}", "red")
            case e.RunFinished():
                tally.outcome, tally.reason, tally.run = body.outcome, body.reason, event.run
                style = "bold green" if body.outcome == "done" else "bold red"
                self.line("worker", f"run ended: {body.outcome}. {body.reason}", style)
                self.over = True
            case _:
                pass

    def _checkpoint(self, body: e.CheckpointTaken | e.RolledBack) -> None:
        tally = self.tally
        match body:
            case e.CheckpointTaken(complete=True):
                tally.checkpoints += 1
                self.line(
                    "worker", f"checkpoint {body.checkpoint} ({body.reason}): {counted(body.files, 'file')}", "dim"
                )
            case e.CheckpointTaken():
                self.line("worker", f"no checkpoint: {body.why}", "red")
            case e.RolledBack(ok=True):
                tally.returns += 1
                put = f"{counted(body.changed, 'file')} put back, {body.quarantined} moved to quarantine"
                self.line(
                    "overseer", f"returned to checkpoint {body.checkpoint}: {put}, kept as {body.saved_as}", "bold"
                )
            case e.RolledBack():
                self.line("overseer", f"no return to checkpoint {body.checkpoint}: {body.reason}", "bold red")

    def _overseer(self, payload: DecisionReport | VerdictReport, message: Message) -> None:
        match payload:
            case DecisionReport(decision=decision, effects=effects):
                self.tally.pauses += decision.action is Action.PAUSE
                done = ", ".join(effects) or "nothing (shadow)"
                self.line("overseer", f"{decision.rule}: {short(decision.headline)} ⇒ {done}", "magenta")
            case VerdictReport(valid=valid):
                self.tally.verdicts += 1
                worst = max(payload.channels.values(), default=0.0)
                text = f"risk {worst:.2f}: {message.headline}" if valid else f"void: {payload.reason}"
                self.line("judge", text, "bright_magenta" if worst >= 0.5 or not valid else "dim")

    def _escalation(self, one: Escalation) -> None:
        if one.is_open and one.id not in self._open:
            self._open.add(one.id)
            self.tally.questions += one.subject is not None
            kind = "question" if one.subject is not None else "notice"
            answers = f"  ({' | '.join(one.options)})" if one.subject is not None else ""
            self.line("people", f"{kind} {one.id}: {short(one.headline)}{answers}", "bold green")
        elif not one.is_open and one.id in self._open:
            self._open.discard(one.id)
            by = f" by {one.by}" if one.by else ""
            self.line("people", f"{one.id} closed: {one.state}{by}", "green")


def _ended(body: e.ToolFinished) -> str:
    lines = [line for line in body.result.head.splitlines() if line.strip()]
    last = lines[-1] if lines else ""
    code = f"exit {body.exit_code} · " if body.exit_code is not None else ""
    return f"  {code}{short(last, 120)}"
