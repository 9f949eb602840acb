"""Scenario files read from TOML; everything wrong with one is said at once, a line each."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from pydantic import ValidationError

from watchdogd.core.errors import ConfigError, Problem
from watchdogd.core.ids import canonical
from watchdogd.sim.scenario import TEMPLATE, Rule, Scenario, Turn, WorkerScript


def _place(data: Mapping[str, object], loc: tuple[int | str, ...]) -> tuple[str, str]:
    """Which turn or rule ``loc`` lies in, and the key there."""
    at: object = data
    place = ""
    rest: list[str] = []
    for step in loc:
        if isinstance(step, int):
            at = at[step] if isinstance(at, list) and step < len(at) else None
            if not place:
                place = _name_of(at) or f"{'.'.join(rest)} {step + 1}"
                rest = []
            continue
        at = at.get(step) if isinstance(at, Mapping) else None
        rest.append(step)
    return place, ".".join(rest)


def _name_of(table: object) -> str:
    if not isinstance(table, Mapping):
        return ""
    if isinstance(table.get("id"), str):
        return f'turn "{table["id"]}"'
    return f'rule "{table["name"]}"' if isinstance(table.get("name"), str) else ""


def _problem(file: str, data: Mapping[str, object], loc: tuple[int | str, ...], text: str) -> Problem:
    place, key = _place(data, loc)
    said = "unknown key" if text == "Extra inputs are not permitted" else text.removeprefix("Value error, ")
    return Problem(file=file, line=0, key=place or key, text=f"{key}: {said}" if place and key else said)


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _strings(inner)


def _faults_of_turn(turn: Turn, known: Iterable[str], captured: Iterable[str]) -> Iterator[str]:
    """What is wrong with one turn, beyond its form."""
    if not (turn.text and all(text.strip() for text in turn.text)) and not turn.calls:
        yield "says nothing and calls nothing"
    if turn.calls and not turn.next:
        yield "has calls but no next"
    if turn.calls and turn.stop_reason == "end_turn":
        yield "stop_reason: a turn with calls does not end with end_turn"
    yield from _dead(turn.next, known)
    for call in turn.calls:
        try:
            canonical(call.args)
        except (TypeError, ValueError) as why:
            yield f"args of {call.tool}: {why}"
    for text in _strings([turn.text, [call.args for call in turn.calls]]):
        for name, _ in TEMPLATE.findall(text):
            if name not in captured:
                yield f"{{{{{name}}}}}: no turn captures it"


def _dead(rules: Iterable[Rule], known: Iterable[str]) -> Iterator[str]:
    for rule in rules:
        if rule.go not in known:
            yield f'there is no turn "{rule.go}"'


def _reachable(script: WorkerScript, known: Mapping[str, Turn]) -> set[str]:
    todo = [rule.go for rule in (*script.openings, *script.interrupt)]
    reached: set[str] = set()
    while todo:
        at = todo.pop()
        if at in known and at not in reached:
            reached.add(at)
            todo += [rule.go for rule in known[at].next]
    return reached


def _faults(scenario: Scenario) -> Iterator[tuple[str, str]]:
    """What is wrong between the parts: where, and what."""
    names = [rule.name for rule in scenario.judge.rule]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f'rule "{name}"', "defined twice"
    script = scenario.worker
    if script is None:
        return
    if not script.turn:
        yield "worker", "has no turn"
        return
    known = script.turns()
    captured = {name for turn in script.turn for name in turn.capture} | {"visit"}
    ids = [turn.id for turn in script.turn]
    for one in sorted({one for one in ids if ids.count(one) > 1}):
        yield f'turn "{one}"', "defined twice"
    for turn in script.turn:
        for text in _faults_of_turn(turn, known, captured):
            yield f'turn "{turn.id}"', text
    for place, rules in (("worker.start", script.openings), ("worker.interrupt", script.interrupt)):
        for text in _dead(rules, known):
            yield place, text
    # A variant that ends early leaves turns of its original behind.
    lost_turns = set() if scenario.extends else known.keys() - _reachable(script, known)
    for lost in sorted(lost_turns):
        yield f'turn "{lost}"', "no rule leads here"


def parse(data: Mapping[str, object], file: str) -> Scenario:
    """The scenario in ``data``.

    Raises:
        ConfigError: everything that is wrong with it, one line each.
    """
    try:
        scenario = Scenario.model_validate(data)
    except ValidationError as why:
        raise ConfigError([_problem(file, data, error["loc"], error["msg"]) for error in why.errors()]) from why
    found = [Problem(file=file, line=0, key=place, text=text) for place, text in _faults(scenario)]
    if found:
        raise ConfigError(found)
    return scenario


def _replaced(old: object, new: object, key: str) -> object:
    """The list ``old`` with the tables of ``new`` in the place of those with the same ``key``, or at its end."""
    tables = [one for one in old if isinstance(one, Mapping)] if isinstance(old, list) else []
    for table in new if isinstance(new, list) else []:
        name = table.get(key) if isinstance(table, Mapping) else None
        at = next((at for at, one in enumerate(tables) if one.get(key) == name), len(tables))
        tables[at : at + 1] = [table]
    return tables


def varied(old: Mapping[str, object], new: Mapping[str, object]) -> dict[str, object]:
    """``old`` with what ``new`` says instead: turns and judge's rules one by one, all else key by key."""
    whole = {**old, **new}
    for part, tables, key in (("worker", "turn", "id"), ("judge", "rule", "name")):
        before, after = old.get(part), new.get(part)
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            merged = {**before, **after}
            if tables in after:
                merged[tables] = _replaced(before.get(tables), after[tables], key)
            whole[part] = merged
    return whole


def _data(path: Path) -> dict[str, object]:
    try:
        data: dict[str, object] = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as why:
        raise ConfigError([Problem(file=str(path), line=0, key="", text=why.strerror or str(why))]) from why
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as why:
        raise ConfigError([Problem(file=str(path), line=0, key="", text=str(why))]) from why
    return data


def load(path: Path) -> Scenario:
    """The scenario in the file at ``path``; ``extends`` names a file beside it that this one varies.

    Raises:
        ConfigError: a file cannot be read or used.
    """
    data = _data(path)
    original = data.get("extends")
    if isinstance(original, str):
        if Path(original).name != original:
            text = "must be the name of a file in the same directory"
            raise ConfigError([Problem(file=str(path), line=0, key="extends", text=text)])
        data = varied(_data(path.with_name(original)), data)
    return parse(data, str(path))
