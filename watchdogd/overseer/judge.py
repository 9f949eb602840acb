"""The judge's glance: what it is shown, quoted as data, and what its reply is worth."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from watchdogd.core import events as e
from watchdogd.core.conversation import said
from watchdogd.core.errors import ModelError
from watchdogd.core.events import Event, Usage
from watchdogd.core.health import ChannelHealth
from watchdogd.core.ids import canonical, digest
from watchdogd.core.verdict import VERDICT_SCHEMA, Cited, Invalid, Verdict, checked
from watchdogd.overseer.book import RunFacts
from watchdogd.ports import Model, ModelRequest

EVENT_CHARS = 1_500
"""Characters of one event that the judge is shown; head and tail."""
WINDOW_CHARS = 60_000
"""Characters of events in one glance; the oldest are left out and counted."""
SILENT = (e.ModelStarted, e.Resources, e.Tick, e.ToolStarted)
"""Events that tell the judge nothing the others do not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """One look: the prompt, and the events it may cite."""

    text: str
    shown: Mapping[int, Cited]
    first_seq: int
    last_seq: int
    prompt_digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What came of a glance."""

    glance: Glance
    verdict: Verdict | Invalid
    model: str
    usage: Usage | None
    failed: bool
    """The provider failed; not the same as a reply that does not hold."""
    why: str


def _cut(text: str) -> str:
    if len(text) <= EVENT_CHARS:
        return text
    half = EVENT_CHARS // 2
    return f"{text[:half]}\n[… {len(text) - 2 * half} characters …]\n{text[-half:]}"


def words(event: Event) -> str:
    """What of ``event`` the judge reads and may quote."""
    body = event.body
    match body:
        case e.RunStarted():
            dry = " as a dry run: nothing it does is real" if body.dry_run else ""
            return f"mission {body.mission} started by {body.trigger}{dry}"
        case e.UserSaid():
            return f"{body.who}: {_cut(body.text.shown)}"
        case e.ModelCalled():
            return f"({body.stop_reason}) {_cut(body.text.shown)}"
        case e.ToolIntended():
            return f"{body.tool} {_cut(canonical(dict(body.args)))}"
        case e.Gated():
            return f"{body.outcome} by {body.by}: {body.reason}"
        case e.ToolFinished():
            code = "" if body.exit_code is None else f" exit status {body.exit_code}"
            return f"{body.tool} {body.outcome}{code}: {_cut(body.result.shown)}"
        case e.Previewed():
            return f"{body.tool or 'the dry run'} changed nothing; it would have: {body.summary}"
        case e.ProviderError():
            return f"the provider failed: {body.error}"
        case e.Nudged():
            return f"nudge: {_cut(body.text)}"
        case e.RunFinished():
            return f"{body.outcome}: {body.reason}"
        case _:
            return body.kind


def _line(event: Event, text: str) -> str:
    head = f'<event seq="{event.seq}" digest="{event.digest}" kind="{event.body.kind}">'
    return f"{head}{html.escape(text, quote=False)}</event>"


def glance(run: RunFacts, events: Sequence[Event], health: Sequence[ChannelHealth], system: str) -> Glance:
    """The prompt for a look at ``events``: the user's words first, everything the worker read or wrote as data."""
    shown: dict[int, Cited] = {}
    lines: list[str] = []
    size = 0
    left_out = 0
    for event in reversed([one for one in events if not isinstance(one.body, SILENT)]):
        text = words(event)
        line = _line(event, text)
        if size + len(line) > WINDOW_CHARS:
            left_out += 1
            continue
        size += len(line)
        shown[event.seq] = Cited(digest=event.digest, text=text)
        lines.append(line)
    lines.reverse()
    rules = "\n".join(f"- {rule}" for rule in run.rules) or "- none stated"
    found = "\n".join(f"- {one.channel.value}: {one.severity.value} ({one.headline})" for one in health)
    missing = f"\n({left_out} older events are not shown)" if left_out else ""
    text = (
        f"<goal>{html.escape(run.goal, quote=False)}</goal>\n<rules>\n{html.escape(rules, quote=False)}\n</rules>\n"
        f"<detectors>\n{html.escape(found, quote=False)}\n</detectors>\n<events>{missing}\n"
        + "\n".join(lines)
        + "\n</events>"
    )
    seqs = sorted(shown)
    return Glance(
        text=text,
        shown=shown,
        first_seq=seqs[0] if seqs else 0,
        last_seq=seqs[-1] if seqs else 0,
        prompt_digest=digest(system + "\0" + text),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """A language model with its own client, key and model."""

    model: Model
    name: str
    system: str
    max_tokens: int = 4_000
    deadline_s: float = 120
    effort: str | None = None

    async def look(self, at: Glance) -> Looked:
        """The verdict on ``at``, or why there is none: never an exception for what a provider does."""
        request = ModelRequest(
            model=self.name,
            system=self.system,
            conversation=(said("user", at.text),),
            max_tokens=self.max_tokens,
            deadline_s=self.deadline_s,
            output_schema=VERDICT_SCHEMA,
            effort=self.effort,
        )
        try:
            reply = await self.model.ask(request)
        except ModelError as why:
            bad = Invalid(reason=f"the judge failed: {why.kind}")
            return Looked(glance=at, verdict=bad, model=self.name, usage=None, failed=True, why=str(why)[:500])
        if reply.stop_reason != "end_turn":
            verdict: Verdict | Invalid = Invalid(reason=f"the judge's reply ended with {reply.stop_reason}")
        else:
            verdict = checked(reply.text, at.shown)
        return Looked(glance=at, verdict=verdict, model=reply.model, usage=reply.usage, failed=False, why="")
