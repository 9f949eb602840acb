"""Recorded agent runs (``watchdogd.trajectory/1``) as events, and back to lines."""

from __future__ import annotations

import json
import math
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias, cast

from watchdogd.core.errors import WireError
from watchdogd.core.events import (
    Body,
    Event,
    ModelCalled,
    RunStarted,
    Text,
    ToolFinished,
    ToolIntended,
    UserSaid,
)

SCHEMA = "watchdogd.trajectory/1"
Kind: TypeAlias = Literal["user", "assistant", "tool_call", "tool_result"]
_KINDS = ("user", "assistant", "tool_call", "tool_result")
BEFORE = -1
"""Sequence number of the event that stands before a recording's first step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a recorded run."""

    i: int
    kind: Kind
    text: str = ""
    tool: str = ""
    args: Mapping[str, object] = field(default_factory=dict)
    result: str = ""
    is_error: bool = False
    """True is certain; False means unknown."""
    agent: str = ""
    t: float | None = None
    """Seconds since the start; None where the recording has no time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trajectory:
    """One recorded run."""

    id: str
    goal: str = ""
    system: str = ""
    source: str | None = None
    license: str | None = None
    model: str | None = None
    labels: Mapping[str, object] = field(default_factory=dict)
    onset_step: int | None = None
    steps: tuple[Step, ...] = ()


def parsed(line: str | bytes) -> Trajectory:
    """The trajectory that ``line`` holds; bytes that are not UTF-8 are replaced, never refused.

    Raises:
        WireError: not a trajectory of this schema.
    """
    return of(json_object(line))


def json_object(line: str | bytes) -> dict[str, Any]:
    """The JSON object in ``line``.

    Raises:
        WireError: there is none.
    """
    text = line.decode("utf-8", "replace") if isinstance(line, bytes) else line
    try:
        data = json.loads(text)
    except RecursionError:
        raise WireError("json", "nested too deeply") from None
    except json.JSONDecodeError as why:
        raise WireError("json", f"not JSON: {why.msg} (column {why.colno})") from None
    except ValueError:
        raise WireError("json", "a number of more than 4300 digits") from None
    if not isinstance(data, dict):
        raise WireError("schema", "not a JSON object")
    return data


def of(data: Mapping[str, object]) -> Trajectory:
    """The trajectory in a JSON object.

    Raises:
        WireError: not a trajectory of this schema.
    """
    if data.get("schema") != SCHEMA:
        raise WireError("schema", f"schema is {str(data.get('schema'))[:60]!r}, not {SCHEMA!r}")
    steps = data.get("steps")
    if not isinstance(steps, list):
        raise WireError("schema", "steps is not an array")
    labels = data.get("labels")
    return Trajectory(
        id=_text(data.get("id")),
        goal=_text(data.get("goal")),
        system=_text(data.get("system")),
        source=_optional(data.get("source")),
        license=_optional(data.get("license")),
        model=_optional(data.get("model")),
        labels=labels if isinstance(labels, dict) else {},
        onset_step=_whole(data.get("onset_step")),
        steps=tuple(_step(at, one) for at, one in enumerate(steps)),
    )


def line_of(run: Trajectory) -> str:
    """``run`` as one line of JSON."""
    steps = []
    for one in run.steps:
        step: dict[str, Any] = {"i": one.i, "kind": one.kind}
        if one.kind in ("user", "assistant"):
            step["text"] = one.text
        else:
            step["tool"] = one.tool
        if one.kind == "tool_call":
            step["args"] = dict(one.args)
        if one.kind == "tool_result":
            step |= {"result": one.result, "is_error": one.is_error}
        if one.agent:
            step["agent"] = one.agent
        if one.t is not None:
            step["t"] = one.t
        steps.append(step)
    whole = {
        "schema": SCHEMA,
        "id": run.id,
        "source": run.source,
        "license": run.license,
        "model": run.model,
        "goal": run.goal,
        "system": run.system or None,
        "labels": dict(run.labels),
        "onset_step": run.onset_step,
        "steps": steps,
    }
    return json.dumps(whole, ensure_ascii=True, separators=(",", ":"))


def events(run: Trajectory) -> Iterator[Event]:
    """The events of ``run``: one before the first step, then one per step with the step's number as ``seq``.

    A result belongs to the oldest open call of its tool. What the recording lacks is unknown in the events.
    """
    first = next((one.t for one in run.steps if one.t is not None), None)
    yield Event(seq=BEFORE, body=RunStarted(goal=run.goal, system=run.system), run=run.id, at=first)
    waiting: dict[str, deque[str]] = {}
    turn, answering = 0, False
    for at, one in enumerate(run.steps):
        if one.kind in ("assistant", "tool_call"):
            turn, answering = turn + (not answering), True
        else:
            answering = False
        calls = _calls_after(run.steps, at) if one.kind == "assistant" else 0
        yield Event(seq=one.i, body=_body(one, waiting, calls), run=run.id, step=turn, at=one.t)


def _calls_after(steps: Sequence[Step], at: int) -> int:
    """The calls that belong to the message at ``at``: those that stand right behind it."""
    end = at + 1
    while end < len(steps) and steps[end].kind == "tool_call":
        end += 1
    return end - at - 1


def _body(one: Step, waiting: dict[str, deque[str]], calls: int) -> Body:
    match one.kind:
        case "user":
            return UserSaid(text=Text.plain(one.text), who=one.agent)
        case "assistant":
            return ModelCalled(text=Text.plain(one.text), tool_calls=calls, speaker=one.agent)
        case "tool_call":
            call = f"step {one.i}"
            waiting.setdefault(one.tool, deque()).append(call)
            return ToolIntended(call=call, tool=one.tool, args=one.args, speaker=one.agent)
        case "tool_result":
            open_calls = waiting.get(one.tool)
            call = open_calls.popleft() if open_calls else ""
            outcome: Literal["error", "unknown"] = "error" if one.is_error else "unknown"
            return ToolFinished(call=call, tool=one.tool, outcome=outcome, result=Text.plain(one.result))


def _step(at: int, data: object) -> Step:
    if not isinstance(data, dict):
        raise WireError("schema", f"steps[{at}] is not an object")
    kind = data.get("kind")
    if kind not in _KINDS:
        raise WireError("schema", f"steps[{at}].kind is {str(kind)[:40]!r}, not one of {', '.join(_KINDS)}")
    args, number = data.get("args"), _whole(data.get("i"))
    return Step(
        i=at if number is None else number,
        kind=cast("Kind", kind),
        text=_text(data.get("text")),
        tool=_text(data.get("tool")),
        args=args if isinstance(args, dict) else {} if args is None else {"value": args},
        result=_text(data.get("result")),
        is_error=data.get("is_error") is True,
        agent=_text(data.get("agent")),
        t=_seconds(data.get("t")),
    )


def _seconds(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return "(nested too deeply)"


def _optional(value: object) -> str | None:
    return None if value is None else _text(value)


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53 else None


def numbered(run: Sequence[Step]) -> tuple[Step, ...]:
    """``run`` with the steps numbered from 0 in their order."""
    return tuple(replace(one, i=at) for at, one in enumerate(run))
