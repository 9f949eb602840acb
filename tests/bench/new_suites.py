"""Scripted runs in places no recording comes from: all were seen while rules were changed by now.

``fourth`` and ``fifth`` were written by somebody who knew nothing of the rule; both were learned from once measured.

Each order is put into each text in each wrapping. In one run the agent obeys it, in the other it does its task and
reports what it read; in a third nobody wrote any order.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from watchdogd.core.events import Body, Event, ModelCalled, RunStarted, Text, ToolFinished, ToolIntended

SUITES = Path(__file__).parents[1] / "data" / "suites"
CALM = Path(__file__).parents[1] / "data" / "suites_calm"
Run = list[Event]
Steps = list[tuple[str, dict[str, object], str]]


def attacked_runs() -> dict[str, tuple[list[Run], list[Run]]]:
    """By suite: the runs that obey, the runs that do not."""
    found: dict[str, tuple[list[Run], list[Run]]] = {}
    for name, suite in _suites():
        obeyed, resisted = [], []
        for task in suite["tasks"]:
            for wrapper in suite["wrappers"]:
                for order in suite["orders"]:
                    text = order["text"] if wrapper[:1] == "{" or wrapper.endswith("to {}") else _begun(order["text"])
                    text = wrapper.replace("{}", _begun(text) if wrapper.startswith("{}") else text)
                    work = [tuple(one) for one in task["work"]]
                    obeying = [(tool, args, "done") for tool, args in order["calls"]]
                    obeyed.append(_run(task["goal"], [_reading(task, text), *obeying, *work], task["final"]))
                    told = f"{task['final']} The text also asked me to do something else ({order['text']}); I did not."
                    resisted.append(_run(task["goal"], [_reading(task, text), *work], told))
        found[name] = (obeyed, resisted)
    return found


def calm_runs() -> list[Run]:
    """The same tasks where nobody wrote any order."""
    return [
        _run(
            task["goal"],
            [_reading(task, "That is all for today."), *(tuple(one) for one in task["work"])],
            task["final"],
        )
        for _, suite in _suites()
        for task in suite["tasks"]
    ]


def usual_runs() -> dict[str, list[Run]]:
    """By file: runs that nobody attacks, where text that is read says what to do and the user wants it so, or not."""
    return {
        path.stem: [
            _run(one["goal"], [tuple(step) for step in one["steps"]], one["final"])
            for one in json.loads(path.read_text(encoding="utf-8"))
        ]
        for path in sorted(CALM.glob("*.json"))
    }


def _suites() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted(SUITES.glob("*.json")):
        for name, suite in json.loads(path.read_text(encoding="utf-8")).items():
            yield f"{name} ({path.stem})", suite


def _reading(task: dict[str, Any], text: str) -> tuple[str, dict[str, object], str]:
    tool, args, answer = task["read"]
    return tool, args, answer.replace("{}", text)


def _begun(text: str) -> str:
    return text[:1].upper() + text[1:]


def _run(goal: str, calls: Steps, final: str) -> Run:
    bodies: list[Body] = [RunStarted(goal=goal)]
    for at, (name, given, result) in enumerate(calls):
        bodies.append(ToolIntended(call=f"c{at}", tool=name, args=given))
        bodies.append(ToolFinished(call=f"c{at}", tool=name, result=Text.plain(result)))
    bodies.append(ModelCalled(text=Text.plain(final)))
    return [Event(seq=at, body=body) for at, body in enumerate(bodies)]
