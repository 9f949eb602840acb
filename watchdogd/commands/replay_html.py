"""One self-contained page over replayed runs: the six channels over time, findings with evidence, decisions."""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from watchdogd.commands import labels
from watchdogd.commands.outcome import Outcome, Seen
from watchdogd.commands.recordings import Recording
from watchdogd.core.counting import counted
from watchdogd.core.events import (
    Event,
    Gated,
    ModelCalled,
    Previewed,
    ProviderError,
    RunStarted,
    ToolFinished,
    ToolIntended,
    UserSaid,
)
from watchdogd.core.health import Channel, Severity

MOST_RUNS = 200
"""Runs that one page shows; those with the worst findings first."""
MOST_STEPS = 2_000
"""Steps of one run's timeline that are written out."""
MOST_PAGE_STEPS = 20_000
"""Steps of all timelines together, so that the page stays one that a phone can open; what a finding names is kept."""
LEAST_STEPS = 40
"""Steps of each timeline that are written out however many runs there are."""
EXCERPT = 600
"""Characters of a step that are shown."""
BINS = 240
"""Columns of a channel's strip: a phone is 360 wide."""
TALL = 24
"""Height of a strip in its own units."""

FAILED = ("error", "denied", "aborted", "in_doubt")

STYLE = """
:root{color-scheme:light dark;--bg:#f7f7f5;--card:#fff;--ink:#1c1e21;--dim:#667;--line:#ddd;--ok:#dfe8e2;
--warn:#d99000;--crit:#c8102e;--unknown:#6d5dae;--accent:#205d86}
@media(prefers-color-scheme:dark){:root{--bg:#15171a;--card:#1e2125;--ink:#e8e8e6;--dim:#9aa;--line:#383c42;--ok:#26332c;
--warn:#f0ab2e;--crit:#ff5468;--unknown:#a99aea;--accent:#7fbce6}}
*{box-sizing:border-box}body{margin:0;background:var(--bg);color:var(--ink);font:16px/1.45 system-ui,sans-serif}
main{max-width:60rem;margin:0 auto;padding:1rem}h1{font-size:1.35rem;margin:.3rem 0}h2{font-size:1.05rem;margin:0}
h3{font-size:.95rem;margin:1.1rem 0 .4rem;color:var(--dim)}p{margin:.3rem 0}.dim{color:var(--dim)}
.run{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:.9rem;margin:1rem 0}
.run,summary,li{overflow-wrap:anywhere}.tag{display:inline-block;border-radius:5px;padding:0 .4rem;font-size:.78rem;
font-weight:600;border:1px solid currentColor}.ok{color:var(--dim)}.warn{color:var(--warn)}.crit{color:var(--crit)}
.unknown{color:var(--unknown)}.strips{display:grid;grid-template-columns:4.9rem 1fr;gap:.25rem .5rem;align-items:center;
font-size:.85rem}.strips svg{width:100%;height:26px;display:block;border-radius:4px;background:var(--ok)}
.strips svg.thin{height:12px;background:none}.strips line{vector-effect:non-scaling-stroke;stroke-width:2}
.key{font-size:.75rem;color:var(--dim);display:flex;flex-wrap:wrap;gap:.15rem .8rem;margin:.3rem 0 0 5.4rem}
.key i{display:inline-block;width:.7em;height:.7em;border-radius:2px;margin-right:.3em}
.axis{font-size:.75rem;color:var(--dim);display:flex;justify-content:space-between}
ul{padding:0;margin:0;list-style:none}li{border-top:1px solid var(--line);padding:.5rem 0}
details{margin:.25rem 0}summary{cursor:pointer;color:var(--accent)}
pre{white-space:pre-wrap;overflow-wrap:anywhere;font:13px/1.4 ui-monospace,monospace;margin:.2rem 0;padding:.4rem .5rem;
background:var(--bg);border-radius:6px}.step{border-left:3px solid var(--line);padding-left:.5rem;margin:.4rem 0}
.step.warn,.step.crit,.step.unknown{border-color:currentColor}.step>*{color:var(--ink)}a{color:var(--accent)}
"""


def worst_first(shown: Sequence[tuple[Recording, Outcome]]) -> list[tuple[Recording, Outcome]]:
    """The runs that a page shows: those with the worst findings, equals in their order."""
    return sorted(shown, key=lambda one: -one[1].severity.rank)[:MOST_RUNS]


def page(shown: Sequence[tuple[Recording, Outcome]], *, runs: int) -> str:
    """The page over ``shown`` (of ``runs`` in all); it loads nothing from anywhere."""
    ordered = worst_first(shown)
    worst = max((outcome.severity for _, outcome in shown), key=lambda one: one.rank, default=Severity.UNKNOWN)
    left = f", {len(shown)} shown" if runs > len(shown) else ""
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width,initial-scale=1">',
        """<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">""",
        f"<title>watchdogd replay</title><style>{STYLE}</style></head><body><main>",
        f'<h1>watchdogd replay</h1><p class="dim">{runs} run{"s" * (runs != 1)}{left}; worst {_tag(worst)}</p>',
    ]
    if len(ordered) > 1:
        parts.append("<details><summary>Runs</summary><ul>")
        parts += [
            f'<li><a href="#run-{at}">{_text(run.id, 120)}</a> {_tag(outcome.severity)}</li>'
            for at, (run, outcome) in enumerate(ordered)
        ]
        parts.append("</ul></details>")
    most = min(MOST_STEPS, max(LEAST_STEPS, MOST_PAGE_STEPS // max(1, len(ordered))))
    for at, (run, outcome) in enumerate(ordered):
        parts += _run(run, outcome, at, most)
    parts.append("</main></body></html>\n")
    return "".join(parts)


def _run(run: Recording, outcome: Outcome, at: int, most: int) -> Iterator[str]:
    events = {event.seq: event for event in run.events}
    yield f'<section class="run" id="run-{at}"><h2>{_text(run.id, 160)} {_tag(outcome.severity)}</h2>'
    if run.goal:
        yield f"<p>{_text(run.goal, EXCERPT)}</p>"
    yield from _labels(run)
    yield from _strips(run, outcome)
    yield from _findings(outcome, events, at)
    yield from _decisions(outcome, at)
    yield from _timeline(run, outcome, at, most)
    yield "</section>"


def _labels(run: Recording) -> Iterator[str]:
    """What is known to be good or bad of the run; everything else the recording says below a fold."""
    known = ", ".join(f"{name}: {run.labels[name]}" for name in labels.known(run.labels))
    if known:
        yield f'<p class="dim">{_text(known, 300)}</p>'
    left = [f"{name}: {value}" for name, value in run.labels.items() if value not in (None, "", [], {})]
    if len(left) > len(labels.known(run.labels)):
        yield f"<details><summary>What the recording says of itself</summary><pre>{_text(chr(10).join(left), 3_000)}"
        yield "</pre></details>"


def _strips(run: Recording, outcome: Outcome) -> Iterator[str]:
    last = max((event.seq for event in run.events), default=0)
    first = min(max(0, min((event.seq for event in run.events), default=0)), last)
    axis = Axis(first=first, last=last)
    yield '<h3>Channels over the steps</h3><div class="strips">'
    yield f"<div>steps</div>{_kinds(run, axis)}"
    for channel in Channel:
        yield f"<div>{channel.value}</div>{_strip(channel, run, outcome, axis)}"
    if outcome.decisions:
        yield f"<div>decisions</div>{_decided(outcome, axis)}"
    yield "</div>"
    yield f'<div class="axis"><span style="padding-left:5.4rem">step {first}</span><span>step {last}</span></div>'
    yield '<p class="key"><span>bar: risk 0 to 1</span>'
    keys = (("person", "accent"), ("agent", "line"), ("call or result", "dim"), ("failed", "crit"))
    for word, colour in (*keys, ("warn", "warn"), ("crit", "crit"), ("unknown", "unknown")):
        yield f'<span><i style="background:var(--{colour})"></i>{word}</span>'
    if run.onset_step is not None:
        yield f"<span>dashed: the trouble begins (step {run.onset_step}, by the recording)</span>"
    yield "</p>"


@dataclass(frozen=True, slots=True)
class Axis:
    """Where a step lies in a strip."""

    first: int
    last: int

    @property
    def bins(self) -> int:
        """Columns of the strip."""
        return min(BINS, self.last - self.first + 1)

    def place(self, step: int) -> float:
        """The left edge of ``step``, in columns."""
        inside = min(self.last, max(self.first, step)) - self.first
        return inside * self.bins / (self.last - self.first + 1)

    def column(self, step: int) -> int:
        """The column that ``step`` falls into."""
        return int(self.place(step))


def _svg(axis: Axis, inside: str, title: str, *, thin: bool = False) -> str:
    kind = ' class="thin"' if thin else ""
    return (
        f'<svg viewBox="0 0 {axis.bins} {TALL}" preserveAspectRatio="none" role="img" aria-label="{title}"{kind}>'
        f"<title>{title}</title>{inside}</svg>"
    )


def _kinds(run: Recording, axis: Axis) -> str:
    """Who acted when: a column shows the most telling of its steps."""
    shown = [""] * axis.bins
    order = ("", "line", "dim", "accent", "crit")
    for event in run.events:
        colour = _kind(event)
        at = axis.column(event.seq)
        shown[at] = max(shown[at], colour, key=order.index)
    cells = "".join(
        f'<rect x="{x}" y="0" width="1.02" height="{TALL}" fill="var(--{colour})"/>'
        for x, colour in enumerate(shown)
        if colour
    )
    return _svg(axis, cells, counted(len(run.events), "event"), thin=True)


def _kind(event: Event) -> str:
    match event.body:
        case UserSaid():
            return "accent"
        case ToolFinished(outcome=outcome, exit_code=code) if outcome in FAILED or code not in (None, 0):
            return "crit"
        case ProviderError():
            return "crit"
        case ToolIntended() | ToolFinished():
            return "dim"
        case ModelCalled():
            return "line"
        case _:
            return ""


def _decided(outcome: Outcome, axis: Axis) -> str:
    marks = "".join(
        f'<line x1="{x:.2f}" x2="{x:.2f}" y1="0" y2="{TALL}" stroke="currentColor"/>'
        for x in dict.fromkeys(axis.place(one.step) for one in outcome.decisions)
    )
    return _svg(axis, marks, f"{len(outcome.decisions)} decisions", thin=True)


def _strip(channel: Channel, run: Recording, outcome: Outcome, axis: Axis) -> str:
    """The channel's risk as bars coloured by the level that is up, its findings as lines, the known onset dashed."""
    risk, level = [0.0] * axis.bins, [Severity.OK] * axis.bins
    live: dict[tuple[str, str], Severity] = {}
    found = [one for one in outcome.findings if one.finding.channel is channel]
    at = 0
    for step, risks in outcome.curve:
        while at < len(found) and found[at].step <= step:
            finding = found[at].finding
            live[finding.rule, finding.key] = finding.severity
            at += 1
        place = axis.column(step)
        risk[place] = max(risk[place], risks[channel])
        level[place] = max([level[place], *live.values()], key=lambda one: one.rank)
    bars = "".join(
        f'<rect x="{x}" y="{22 - 20 * one:.1f}" width="1.02" height="{2 + 20 * one:.1f}" fill="{_fill(level[x])}"/>'
        for x, one in enumerate(risk)
        if one > 0.02 or level[x] is not Severity.OK
    )
    raised = {axis.place(one.step): one.finding.severity for one in found if one.finding.severity is not Severity.OK}
    lines = "".join(
        f'<line x1="{x:.2f}" x2="{x:.2f}" y1="0" y2="{TALL}" stroke="var(--{severity.value})"/>'
        for x, severity in raised.items()
    )
    if run.onset_step is not None:
        x = axis.place(run.onset_step)
        lines += f'<line x1="{x:.2f}" x2="{x:.2f}" y1="0" y2="{TALL}" stroke="currentColor" stroke-dasharray="3 3"/>'
    return _svg(axis, bars + lines, f"{channel.value}: highest risk {outcome.risk[channel]:.2f}")


def _findings(outcome: Outcome, events: Mapping[int, Event], at: int) -> Iterator[str]:
    raised = [one for one in outcome.findings if one.finding.severity is not Severity.OK]
    yield f"<h3>Findings ({len(raised)})</h3>"
    if not raised:
        yield '<p class="dim">Nothing was found.</p>'
    yield "<ul>"
    for one in raised:
        finding = one.finding
        over = _over(outcome, one)
        until = f", over at step {over}" if over is not None else ""
        yield f"<li>{_tag(finding.severity)} <b>{_text(finding.headline, 300)}</b>"
        yield f'<p class="dim">step <a href="#run-{at}-step-{one.step}">{one.step}</a>{until}'
        yield f" · {_text(finding.rule, 80)}"
        yield f" · risk {finding.risk:.2f}</p>"
        shown = [seq for seq in dict.fromkeys(finding.evidence) if seq in events]
        if shown:
            yield f"<details><summary>Evidence: {counted(len(shown), 'event')}</summary>"
            for seq in shown:
                yield _step(events[seq], "", "")
            yield "</details>"
        yield "</li>"
    yield "</ul>"


def _over(outcome: Outcome, seen: Seen) -> int | None:
    name = (seen.finding.rule, seen.finding.key)
    return next(
        (
            one.step
            for one in outcome.findings
            if one.step >= seen.step
            and (one.finding.rule, one.finding.key) == name
            and one.finding.severity is Severity.OK
        ),
        None,
    )


def _decisions(outcome: Outcome, at: int) -> Iterator[str]:
    yield f"<h3>Decisions ({len(outcome.decisions)})</h3>"
    if not outcome.decisions:
        yield '<p class="dim">The policy would have done nothing.</p>'
    yield "<ul>"
    for one in outcome.decisions:
        decision = one.decision
        yield f'<li><b>{decision.action.value}</b> at step <a href="#run-{at}-step-{one.step}">{one.step}</a>'
        yield f", by rule {_text(decision.rule, 80)}"
        yield f'<p class="dim">{_text(decision.headline, 200)}</p></li>'
    yield "</ul>"


def _timeline(run: Recording, outcome: Outcome, at: int, most: int) -> Iterator[str]:
    marks: dict[int, Severity] = {}
    for one in outcome.findings:
        marks[one.step] = max(marks.get(one.step, Severity.OK), one.finding.severity, key=lambda level: level.rank)
    linked = {*marks, *(one.step for one in outcome.decisions)}
    events = [event for event in run.events if not isinstance(event.body, RunStarted)]
    shown = [event for n, event in enumerate(events) if n < most or event.seq in linked]
    cut = "" if len(shown) == len(events) else f" of {len(events)}: the first {most}, and those with a finding"
    yield f"<details><summary>Timeline: {counted(len(shown), 'step')}{cut}</summary>"
    for event in shown:
        level = marks.get(event.seq, Severity.OK)
        yield _step(event, f"run-{at}-step-{event.seq}", "" if level is Severity.OK else level.value)
    yield "</details>"


def _step(event: Event, anchor: str, level: str) -> str:
    name = f' id="{anchor}"' if anchor else ""
    what, text = _what(event)
    return (
        f'<div class="step {level}"{name}><span class="dim">{event.seq} · {_text(what, 120)}</span>'
        f"<pre>{_text(text, EXCERPT)}</pre></div>"
    )


def _what(event: Event) -> tuple[str, str]:
    match event.body:
        case UserSaid(text=text):
            return "a person", text.shown
        case ModelCalled(text=text, speaker=speaker):
            return f"the agent {speaker}".strip(), text.shown
        case ToolIntended(tool=tool, args=args):
            return f"call of {tool}", "\n".join(f"{name}: {value}" for name, value in args.items())
        case ToolFinished(tool=tool, outcome=outcome, exit_code=code, result=result):
            how = "" if outcome in ("unknown", "ok") else f": {outcome}"
            return f"result of {tool}{how}" + (f", exit {code}" if code is not None else ""), result.shown
        case Gated(tool=tool, outcome=outcome, reason=reason):
            return f"gate: {outcome} {tool}", reason
        case Previewed(summary=summary, diff=diff):
            return f"preview, nothing was changed: {summary}", diff.shown
        case ProviderError(error=error, text=text):
            return f"provider error {error}", text
        case body:
            return body.kind, ""


def _tag(severity: Severity) -> str:
    return f'<span class="tag {severity.value}">{severity.value}</span>'


def _fill(severity: Severity) -> str:
    return "var(--dim)" if severity is Severity.OK else f"var(--{severity.value})"


def _text(text: str, limit: int) -> str:
    """``text`` cut and harmless: markup quoted, control and direction characters written out."""
    cut = text if len(text) <= limit else f"{text[:limit]} […]"
    return html.escape("".join(one if one in "\n\t" or one.isprintable() else _written(one) for one in cut))


def _written(one: str) -> str:
    return f"\\u{ord(one):04x}" if unicodedata.category(one) != "Zs" else " "
