"""What pydantic found wrong, in words for the person who wrote the file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeAlias

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from watchdogd.core.spelling import meant as nearest
from watchdogd.settings import schema
from watchdogd.settings.layers import PREFIX
from watchdogd.settings.positions import KeyPath
from watchdogd.settings.secrets import SECRET_KEY, SECRET_VALUE, variable_of

Complaint: TypeAlias = tuple[KeyPath, str]

DATE = "a TOML date"
"""Key under which a date travels as JSON: no setting is one."""
MISSING = "missing"
UNKNOWN = frozenset({"extra_forbidden", "unexpected_keyword_argument"})
_ABSENT = frozenset({"missing", "missing_argument", "missing_keyword_only_argument"})

_WANTED: Mapping[str, str] = {
    "string_type": "text",
    "string_unicode": "text",
    "path_type": "text (a path)",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "frozen_set_type": "a list",
    "list_type": "a list",
    "dict_type": "a table",
    "mapping_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
    "dataclass_type": "a table",
    "dataclass_exact_type": "a table",
}


def _kind(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case int() | float():
            return f"the number {value}"
        case str():
            return "text"
        case list() | tuple():
            return "a list"
        case dict():
            return "a date or time" if DATE in value else "a table"
        case _:
            return "a date or time"


def _elsewhere(key: str) -> str | None:
    """Where the key does belong, if it belongs somewhere else."""
    for path in schema.leaves():
        for length in range(1, len(path) + 1):
            if path[length - 1] == key:
                return ".".join("NAME" if step == "*" else str(step) for step in path[:length])
    return None


def unknown(path: KeyPath) -> str:
    """What to say about a key that does not exist."""
    key = str(path[-1])
    if SECRET_KEY.search(key):
        return secret(path)
    known = schema.keys_at(path[:-1])
    if meant := nearest(key, known):
        return f"unknown key; did you mean {meant}?"
    if place := _elsewhere(key):
        return f"unknown key here; did you mean {place}?"
    return f"unknown key; known here: {', '.join(known)}" if known else "unknown key"


def secret(path: KeyPath) -> str:
    """What to say about a secret in a file; the secret itself is never repeated."""
    top = path[0] if path[0] in ("worker", "judge") else "broker"
    variable = variable_of(f"{top}_api_key") if top != "broker" else f"{PREFIX}BROKER_PASSWORD_NAME"
    return f"secrets do not belong in the configuration: set ${variable} or a systemd credential, and renew this one"


def _choice(error: ErrorDetails) -> str:
    expected = str(error.get("ctx", {}).get("expected", ""))
    value = error["input"]
    text = f"must be {expected}"
    if isinstance(value, str) and not SECRET_VALUE.search(value):
        known = tuple(part.strip("'") for part in expected.replace(" or ", ", ").split(", "))
        meant = nearest(value, known)
        return f"{text}, not {value[:40]!r}" + (f"; did you mean {meant!r}?" if meant else "")
    return f"{text}, not {_kind(value)}"


def _text(error: ErrorDetails, path: KeyPath) -> str:
    kind = error["type"]
    if kind in UNKNOWN:
        return unknown(path)
    if kind in _ABSENT:
        return MISSING
    if kind in ("enum", "literal_error"):
        return _choice(error)
    if kind in _WANTED:
        return f"must be {_WANTED[kind]}, not {_kind(error['input'])}"
    if kind == "value_error":
        return error["msg"].removeprefix("Value error, ")
    if kind == "string_too_short":
        return "must not be empty"
    said = error["msg"].removeprefix("Input should ").removeprefix("be ")
    return f"must be {said}" if error["msg"].startswith("Input should") else error["msg"]


def complaints(why: ValidationError, missions: tuple[str, ...]) -> Iterator[tuple[Complaint, ErrorDetails]]:
    """Each error of ``why`` with the path of its key in the file, where missions are tables by name."""
    for error in why.errors(include_url=False):
        loc = [step for step in error["loc"] if step != "[key]"]
        if len(loc) > 1 and loc[0] == "missions" and isinstance(loc[1], int) and loc[1] < len(missions):
            loc[1] = missions[loc[1]]
            if loc[2:] == ["name"]:
                loc.pop()
        yield (tuple(loc), _text(error, tuple(loc))), error
