"""Scenarios: what a scripted model says, when, and how its provider misbehaves.

A scenario is TOML with a ``[worker]`` script (turns and the rules that lead from one to the next) and a ``[judge]``
script (rules on the prompt). ``docs/scenarios.md`` describes every key; unknown keys and dead references are refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field

from watchdogd.core.health import Channel

JUDGE_PATH = "/judge"
"""Appended to the server's URL: the base URL of the judge's client."""

TEMPLATE = re.compile(r"\{\{\s*([a-z_][a-z0-9_]*)\s*(?:\|([^{}]*))?\}\}")
"""``{{name}}`` or ``{{name|what to say when nothing was captured}}``."""


def _regex(text: str) -> str:
    try:
        re.compile(text)
    except re.error as why:
        raise ValueError(f"not a regular expression: {why}") from why
    return text


Regex = Annotated[str, AfterValidator(_regex)]
TurnId = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,40}$")]
"""Travels in the ids of the turn's calls, so that the position can be read off a history."""

FaultKind: TypeAlias = Literal[
    "rate_limit",
    "overloaded",
    "server",
    "auth",
    "request",
    "stream_error",
    "cut",
    "malformed",
    "empty",
    "refusal",
    "max_tokens",
    "pause_turn",
    "hang",
    "not_json",
    "wrong_citation",
]


class Part(BaseModel, frozen=True, extra="forbid"):
    """Part of a scenario file: immutable, and closed to keys nobody reads."""


class Fault(Part):
    """A way for the provider to misbehave before the turn is answered properly."""

    kind: FaultKind
    times: int = Field(1, ge=1)
    """How many attempts in a row fail so."""
    visit: int = Field(1, ge=0)
    """Only on this visit of the turn (1 = the first, 0 = every one)."""
    retry_after_s: float | None = Field(None, ge=0)
    """Sent as ``retry-after`` (seconds)."""
    after_events: int = Field(4, ge=0)
    """Stream events sent before a cut, a hang or an ``error`` event."""


class Counted(Part):
    """Token counts to report instead of counting the text."""

    input: int = Field(0, ge=0)
    output: int = Field(0, ge=0)
    cache_read: int = Field(0, ge=0)
    cache_write: int = Field(0, ge=0)


class When(Part):
    """What must have come since the turn was said; all given conditions must hold."""

    result_matches: Regex | None = None
    """Some tool result contains this."""
    result_lacks: Regex | None = None
    """No tool result contains this."""
    is_error: bool | None = None
    """Some result is an error (true), or none is (false)."""
    denied: bool | None = None
    """Some call was refused by the gate (true), or none was (false)."""
    approved: bool | None = None
    """All calls came back and none was refused (true), or not (false)."""
    nudged: bool | None = None
    """A nudge came (true), or none did (false)."""
    nudge_matches: Regex | None = None
    operator_says: Regex | None = None
    """A person's message contains this."""
    user_says: Regex | None = None
    """Any text of the user's side contains this: the task, nudges, people, notes."""
    user_said: Regex | None = None
    """Any text of the user's side in the whole conversation contains this."""
    visits: int | None = Field(None, ge=1)
    """The turn has been said at least so many times."""


class Rule(Part):
    """One line of a transition table; the first whose ``when`` holds decides."""

    go: TurnId
    when: When = When()


def _listed(value: object) -> object:
    """A single text stands for a list of one."""
    return [value] if isinstance(value, str) else value


def _ruled(value: object) -> object:
    """A single turn's id stands for one rule that always holds."""
    return [{"go": value}] if isinstance(value, str) else value


Rules = Annotated[tuple[Rule, ...], BeforeValidator(_ruled)]
"""A transition table; a bare id goes there whatever came."""
Texts = Annotated[tuple[str, ...], BeforeValidator(_listed)]


class Call(Part):
    """A tool call to make; strings in ``args`` may hold templates."""

    tool: str = Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")
    args: Mapping[str, object] = Field(default_factory=dict)


class Turn(Part):
    """One message of the scripted worker model."""

    id: TurnId
    text: Texts = ()
    """What is said; of several texts each visit says the next, and the last one stays."""
    calls: tuple[Call, ...] = ()
    next: Rules = ()
    """Where to go from here. When no rule holds the turn is said again."""
    capture: Mapping[str, Regex] = Field(default_factory=dict)
    """Names for what the first group of a pattern finds in this turn's results."""
    stop_reason: Literal["end_turn", "tool_use", "max_tokens", "stop_sequence", "refusal", "pause_turn"] | None = None
    latency_s: float | None = Field(None, ge=0)
    usage: Counted | None = None
    faults: tuple[Fault, ...] = ()

    def words(self, visit: int) -> str:
        """What it says the ``visit``-th time (1 = the first)."""
        return self.text[min(visit, len(self.text)) - 1] if self.text else ""


class WorkerScript(Part):
    """The worker model's part."""

    start: Rules = ()
    """The first turn, or rules on the task's words; the first turn of the file when left out."""
    latency_s: float = Field(0.0, ge=0)
    """How long a reply takes when the turn does not say (seconds)."""
    interrupt: tuple[Rule, ...] = ()
    """Rules that come before every turn's own."""
    turn: tuple[Turn, ...] = ()

    def turns(self) -> dict[str, Turn]:
        """The turns by id."""
        return {turn.id: turn for turn in self.turn}

    @property
    def openings(self) -> tuple[Rule, ...]:
        """The rules that choose the first turn."""
        return self.start or (Rule(go=self.turn[0].id),)


class Cite(Part):
    """Evidence to quote from the events in the judge's prompt."""

    pattern: Regex
    """Searched in each event's text; the match is the quote."""
    which: Literal["first", "last", "all"] = "last"
    at_least: int = Field(1, ge=1)
    """The rule only applies when so many events match."""
    kind: str | None = None
    """Only events of this kind."""


class Scores(Part):
    """The judge's numbers for one channel."""

    risk: float = Field(ge=0, le=1)
    confidence: float = Field(0.9, ge=0, le=1)


class JudgeRule(Part):
    """What the scripted judge says when the prompt and the events in it match."""

    name: str = Field(pattern=r"^[a-z0-9-]{1,40}$")
    match: Regex | None = None
    """Searched in the text of the last user message."""
    cite: tuple[Cite, ...] = ()
    channels: Mapping[Channel, Scores] = Field(default_factory=dict)
    """Channels not named here get the script's ``calm`` scores."""
    action: Literal["none", "nudge", "pause", "rollback", "escalate", "stop"] = "none"
    headline: str = ""
    rationale: str = ""
    latency_s: float | None = Field(None, ge=0)
    usage: Counted | None = None
    faults: tuple[Fault, ...] = ()


class JudgeScript(Part):
    """The judge model's part; without a rule that applies it finds nothing wrong."""

    latency_s: float = Field(0.0, ge=0)
    calm: Scores = Scores(risk=0.02)
    headline: str = "Nothing to object to."
    rationale: str = "The agent works on its goal; calls and results fit the task."
    rule: tuple[JudgeRule, ...] = ()


class Scenario(Part):
    """A whole file."""

    name: str = Field(min_length=1)
    about: str = ""
    extends: str | None = None
    """A file in the same directory: this one says only what is different."""
    worker: WorkerScript | None = None
    judge: JudgeScript = JudgeScript()
