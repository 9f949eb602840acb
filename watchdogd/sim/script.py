"""Where in a scenario a conversation stands: a pure function of its messages, so a killed server forgets nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from watchdogd.core.ids import digest_of
from watchdogd.sim.scenario import TEMPLATE, Rule, Turn, When, WorkerScript

_CALL_ID = re.compile(r"\Atoolu_([a-z0-9-]{1,40})_(\d+)_(\d+)_[0-9a-f]{8}\Z")
_NUDGE = re.compile(r"\A\s*<watchdogd-nudge")
_OPERATOR = re.compile(r"\A\s*<operator-message\b")
_REFUSED = re.compile(r"\A\s*refused:")


@dataclass(frozen=True, slots=True)
class Result:
    """What came back for one call."""

    text: str
    is_error: bool

    @property
    def denied(self) -> bool:
        """Whether the gate refused the call."""
        return self.is_error and _REFUSED.match(self.text) is not None


@dataclass(slots=True)
class Since:
    """What the user's side said since the last scripted turn."""

    results: list[Result] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    earlier: tuple[str, ...] = ()
    """All texts of before."""

    def take(self, blocks: Sequence[Mapping[str, object]]) -> None:
        """Adds one user message."""
        for block in blocks:
            if block.get("type") == "tool_result":
                self.results.append(Result(text_in(block.get("content")), block.get("is_error") is True))
            elif block.get("type") == "text":
                self.texts.append(str(block.get("text", "")))

    def found(self, pattern: str, *, mark: re.Pattern[str] | None = None) -> bool:
        """Whether ``pattern`` is in some text (of those that begin with ``mark``)."""
        return any(re.search(pattern, text) for text in self.texts if mark is None or mark.match(text))


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """The turn that is due, and all that its words depend on."""

    turn: Turn
    visit: int
    """1 when the turn is said for the first time."""
    captures: Mapping[str, str]
    strays: int
    """Assistant messages since the last scripted turn that are none of ours: what became of failed attempts."""


def text_in(content: object) -> str:
    """The text of a message's or a tool result's content, string or blocks."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        texts = [block for block in content if isinstance(block, Mapping) and block.get("type") == "text"]
        return "\n".join(str(block.get("text", "")) for block in texts)
    return ""


def blocks_in(content: object) -> list[Mapping[str, object]]:
    """A message's blocks; a bare string is one text block."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [block for block in content if isinstance(block, Mapping)] if isinstance(content, list) else []


def holds(when: When, since: Since, visits: int) -> bool:
    """Whether every condition given in ``when`` is met."""
    results = since.results
    denied = any(result.denied for result in results)
    nudged = since.found("", mark=_NUDGE)
    checks = (
        when.result_matches is None or any(re.search(when.result_matches, one.text) for one in results),
        when.result_lacks is None or not any(re.search(when.result_lacks, one.text) for one in results),
        when.is_error is None or any(one.is_error for one in results) is when.is_error,
        when.denied is None or denied is when.denied,
        when.approved is None or (bool(results) and not denied) is when.approved,
        when.nudged is None or nudged is when.nudged,
        when.nudge_matches is None or since.found(when.nudge_matches, mark=_NUDGE),
        when.operator_says is None or since.found(when.operator_says, mark=_OPERATOR),
        when.user_says is None or since.found(when.user_says),
        when.user_said is None or any(re.search(when.user_said, one) for one in (*since.earlier, *since.texts)),
        when.visits is None or visits >= when.visits,
    )
    return all(checks)


def _first(rules: Sequence[Rule], since: Since, visits: int) -> str | None:
    return next((rule.go for rule in rules if holds(rule.when, since, visits)), None)


def filled(text: str, captures: Mapping[str, str], visit: int) -> str:
    """``text`` with its templates replaced; what was never captured becomes the template's own default."""
    known = {**captures, "visit": str(visit)}
    return TEMPLATE.sub(lambda found: known.get(found[1], found[2] or ""), text)


def filled_args(value: object, captures: Mapping[str, str], visit: int) -> object:
    """``value`` with the templates in all its strings replaced."""
    if isinstance(value, str):
        return filled(value, captures, visit)
    if isinstance(value, Mapping):
        return {str(key): filled_args(inner, captures, visit) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [filled_args(inner, captures, visit) for inner in value]
    return value


def _history_digest(messages: Sequence[object]) -> str:
    """Eight digits that tell histories apart by their length, first and newest messages; cache marks do not count."""
    return digest_of([len(messages), _unmarked(messages[:1]), _unmarked(messages[-3:])])[:8]


def _unmarked(value: object) -> object:
    """``value`` without cache marks, which move from request to request."""
    if isinstance(value, dict):
        return {key: _unmarked(inner) for key, inner in value.items() if key != "cache_control"}
    if isinstance(value, list | tuple):
        return [_unmarked(inner) for inner in value]
    return value


class _Reader:
    """Walks a history turn by turn."""

    def __init__(self, script: WorkerScript) -> None:
        self._script, self._turns = script, script.turns()
        self.said: Turn | None = None
        self.visits: dict[str, int] = {}
        self.captures: dict[str, str] = {}
        self.since = Since()
        self.strays = 0

    def due(self) -> Turn:
        """The turn that answers what came since the last one."""
        if self.said is None:
            go = _first(self._script.openings, self.since, 0)
            return self._turns[go] if go else self._script.turn[0]
        for name, pattern in self.said.capture.items():
            found = next((hit for one in self.since.results if (hit := re.search(pattern, one.text))), None)
            if found:
                self.captures[name] = found[1] if found.re.groups else found[0]
        visits = self.visits.get(self.said.id, 0)
        go = _first((*self._script.interrupt, *self.said.next), self.since, visits)
        return self._turns[go] if go else self.said

    def take_assistant(self, blocks: Sequence[Mapping[str, object]]) -> None:
        due = self.due()
        recognised = self._by_ids(blocks) or self._by_text(blocks, due)
        if recognised is None:
            self.strays += 1
            return
        self.said, visit = recognised
        self.visits[self.said.id] = visit
        self.since, self.strays = Since(earlier=(*self.since.earlier, *self.since.texts)), 0

    def _by_ids(self, blocks: Sequence[Mapping[str, object]]) -> tuple[Turn, int] | None:
        for block in blocks:
            found = _CALL_ID.match(str(block.get("id"))) if block.get("type") == "tool_use" else None
            if found and found[1] in self._turns:
                return self._turns[found[1]], int(found[2])
        return None

    def _by_text(self, blocks: Sequence[Mapping[str, object]], due: Turn) -> tuple[Turn, int] | None:
        """A turn without calls that said exactly this; the one that was due is asked first."""
        heard = text_in(list(blocks)).strip()
        for turn in (due, *self._script.turn):
            visit = self.visits.get(turn.id, 0) + 1
            if not turn.calls and filled(turn.words(visit), self.captures, visit).strip() == heard:
                return turn, visit
        return None


def position(script: WorkerScript, messages: Sequence[Mapping[str, object]]) -> Position:
    """Where ``messages`` stand in ``script``.

    The ids of scripted calls are believed before the rules, so that a history whose beginning was cleared or that
    was rolled back is still read rightly.
    """
    reader = _Reader(script)
    for message in messages:
        blocks = blocks_in(message.get("content"))
        if message.get("role") == "assistant":
            reader.take_assistant(blocks)
        else:
            reader.since.take(blocks)
    due = reader.due()
    return Position(
        turn=due, visit=reader.visits.get(due.id, 0) + 1, captures=dict(reader.captures), strays=reader.strays
    )


def content_of(at: Position, messages: Sequence[object]) -> list[dict[str, object]]:
    """The blocks of the turn that is due.

    A call's id names turn and visit, and differs when the history before it does (after a rollback).
    """
    history = _history_digest(messages)
    blocks: list[dict[str, object]] = []
    words = filled(at.turn.words(at.visit), at.captures, at.visit).strip()
    if words:
        blocks.append({"type": "text", "text": words})
    for index, call in enumerate(at.turn.calls):
        given = filled_args(call.args, at.captures, at.visit)
        name = f"toolu_{at.turn.id}_{at.visit}_{index}_{history}"
        blocks.append({"type": "tool_use", "id": name, "name": call.tool, "input": given})
    return blocks
