"""Merged tables to settings: shaped, made absolute, validated; with something wrong, as much as can be had."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

from pydantic import ValidationError

from watchdogd.core.access import Scope
from watchdogd.settings import schema
from watchdogd.settings.complaints import DATE, MISSING, Complaint, complaints
from watchdogd.settings.layers import Table
from watchdogd.settings.model import Settings
from watchdogd.settings.positions import KeyPath

_PLACEHOLDER = "/nonexistent"
"""Stands for a text that is missing, so that the rest can be looked at."""
_ROUNDS = 4
"""Looks at what is left once the broken keys are out; each may show keys below them that are broken too."""


def _without(data: object, path: KeyPath) -> None:
    """Takes what stands at ``path`` out of ``data``."""
    for step in path[:-1]:
        try:
            data = data[step]  # type: ignore[index]  # JSON data; a step that does not fit is caught below
        except (KeyError, IndexError, TypeError):
            return
    if isinstance(data, dict):
        data.pop(path[-1], None)
    elif isinstance(data, list) and isinstance(path[-1], int) and path[-1] < len(data):
        data.pop(path[-1])


def _at(data: object, path: KeyPath) -> object:
    for step in path:
        try:
            data = data[step]  # type: ignore[index]
        except (KeyError, IndexError, TypeError):
            return None
    return data


def absolute(data: object, at: KeyPath, directory: Path, home: str) -> object:
    """``data`` with every path made absolute: ``~`` by $HOME, relative ones from ``directory``."""
    if isinstance(data, dict):
        return {key: absolute(value, (*at, key), directory, home) for key, value in data.items()}
    if isinstance(data, str) and data and schema.is_path(at):
        text = home + data[1:] if home and (data == "~" or data.startswith("~/")) else data
        return str(directory / text)
    return data


def _shaped(data: Table) -> Table:
    """``data`` as the settings take it: missions as a list, operators as part of the policy."""
    shaped = {key: value for key, value in data.items() if key != "policy_file"}
    missions = shaped.get("missions")
    if isinstance(missions, dict):
        shaped["missions"] = [{**one, "name": name} if isinstance(one, dict) else one for name, one in missions.items()]
    policy, broker = shaped.get("policy"), shaped.get("broker")
    operators = broker.get("operators") if isinstance(broker, dict) else None
    if isinstance(policy, dict):
        policy = {key: value for key, value in policy.items() if key != "base"}
        if isinstance(operators, dict):
            scopes = {scope.value for scope in Scope}
            policy["operators"] = [
                {"name": name, "may": [one for one in may if one in scopes] if isinstance(may, list) else []}
                for name, may in sorted(operators.items())
            ]
        shaped["policy"] = policy
    return shaped


def _json(data: Table) -> str:
    return json.dumps(data, default=lambda value: {DATE: str(value)})


def validated(data: Table) -> tuple[Settings | None, list[Complaint]]:
    """The settings in ``data``, and what is wrong with it.

    With something wrong the settings are those of the rest, so that what must hold between values is looked at too.
    """
    found: list[Complaint] = []
    for _ in range(_ROUNDS):
        missions = data.get("missions")
        names = tuple(missions) if isinstance(missions, dict) else ()
        shaped = _shaped(data)
        try:
            return Settings.model_validate_json(_json(shaped), strict=True), found
        except ValidationError as why:
            broken = [complaint for complaint, _ in complaints(why, names)]
        new = [one for one in broken if one[0] not in {path for path, _ in found}]
        found.extend(new)
        for path, text in reversed(broken):
            _without(data, path)
            if text == MISSING and (new or path[-1] in ("goal", "workspace")):
                inner = _at(data, path[:-1])
                if isinstance(inner, dict):
                    inner[str(path[-1])] = _PLACEHOLDER
    return None, found


def plain(settings: Settings) -> Table:
    """``settings`` as a person writes them: missions by name, operators with the broker."""
    data: Table = settings.model_dump(mode="json")
    missions = cast("list[Table]", data["missions"])
    data["missions"] = {
        str(one["name"]): {key: value for key, value in one.items() if key != "name"} for one in missions
    }
    policy = cast("Table", data["policy"])
    data["policy"] = {key: value for key, value in policy.items() if key != "operators"}
    return data
