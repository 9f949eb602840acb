"""The JSON schema of the configuration file, and what stands where in it."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from itertools import pairwise
from typing import TypeAlias, cast

from watchdogd.core.access import Denial, Operator
from watchdogd.core.detect.bank import Thresholds
from watchdogd.core.lease.messages import Timing
from watchdogd.core.policy import Judging, Policy, Questions, Rule
from watchdogd.settings.model import Settings
from watchdogd.settings.positions import KeyPath

Schema: TypeAlias = dict[str, object]

URI = "http://json-schema.org/draft-07/schema#"
"""The draft that TOML editors speak."""


def _families(group: object) -> Iterator[type]:
    """The classes of the threshold tables below ``group``."""
    for value in (getattr(group, field.name) for field in fields(group)) if is_dataclass(group) else ():
        if is_dataclass(value):
            yield type(value)
            yield from _families(value)


_CORE: tuple[type, ...] = (
    *(Timing, Thresholds, Policy, Rule, Questions, Judging, Denial, Operator),
    *_families(Thresholds()),
)


def field_docs(kind: type) -> Mapping[str, str]:
    """The docstring under each field of the class ``kind``."""
    body = cast("ast.ClassDef", ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]).body
    docs: dict[str, str] = {}
    for before, here in pairwise(body):
        if (
            isinstance(before, ast.AnnAssign)
            and isinstance(before.target, ast.Name)
            and isinstance(here, ast.Expr)
            and isinstance(here.value, ast.Constant)
            and isinstance(here.value.value, str)
        ):
            docs[before.target.id] = " ".join(here.value.value.split())
    return docs


def _table(value: object) -> Schema:
    return cast("Schema", value) if isinstance(value, dict) else {}


@cache
def file_schema() -> Schema:
    """The schema of ``watchdogd.toml``: the settings as a person writes them."""
    whole = Settings.model_json_schema()
    definitions = _table(whole["$defs"])
    for kind in _CORE:
        fields = _table(_table(definitions.get(kind.__name__)).get("properties"))
        for name, text in field_docs(kind).items():
            _table(fields.get(name))["description"] = text
    mission = _table(definitions["Mission"])
    _table(mission["properties"]).pop("name")
    mission["required"] = [name for name in cast("list[str]", mission["required"]) if name != "name"]
    policy = _table(definitions["Policy"])
    fields = _table(policy["properties"])
    fields.pop("operators")
    definitions.pop("Operator", None)
    fields["base"] = {"type": "string", "description": "The shipped policy this one changes.", "default": "suggest"}
    properties = _table(whole["properties"])
    properties["missions"] = {
        "type": "object",
        "description": "The jobs, a table each.",
        "additionalProperties": {"$ref": "#/$defs/Mission"},
    }
    properties["policy"] = {
        "description": "The name of a shipped policy, or a table that changes one.",
        "anyOf": [{"$ref": "#/$defs/Policy"}, {"type": "string"}],
    }
    properties["policy_file"] = {
        "type": "string",
        "format": "path",
        "description": "A policy of your own in a file of its own.",
    }
    for name in ("timing", "detect"):
        _table(properties[name]).pop("default", None)
    for definition in definitions.values():
        for field in _table(_table(definition).get("properties")).values():
            if "$ref" in _table(field):
                _table(field).pop("default", None)  # a table's defaults stand at its fields
    for field in properties.values():
        _table(field).pop("default", None)
    return {"$schema": URI, "title": "watchdogd.toml"} | {k: v for k, v in whole.items() if k != "title"}


def _resolved(node: Schema) -> Iterator[Schema]:
    """``node`` with references followed and alternatives spread out."""
    reference = node.get("$ref")
    if isinstance(reference, str):
        name = reference.rpartition("/")[2]
        yield from _resolved(_table(_table(file_schema()["$defs"])[name]))
        return
    choices = node.get("anyOf")
    if isinstance(choices, list):
        for choice in choices:
            yield from _resolved(_table(choice))
        return
    yield node


def nodes_at(path: KeyPath) -> tuple[Schema, ...]:
    """What may stand at ``path``; empty when nothing may."""
    nodes: list[Schema] = [file_schema()]
    for step in path:
        below: list[Schema] = []
        for node in nodes:
            if isinstance(step, int):
                inner = node.get("items")
            else:
                inner = _table(node.get("properties")).get(step, node.get("additionalProperties"))
            if isinstance(inner, dict):
                below.extend(_resolved(inner))
        nodes = below
    return tuple(nodes)


def keys_at(path: KeyPath) -> tuple[str, ...]:
    """The keys a table at ``path`` may have; empty when it may have any, or is no table."""
    return tuple(key for node in nodes_at(path) for key in _table(node.get("properties")))


def is_text(path: KeyPath) -> bool:
    """Whether nothing but text may stand at ``path``."""
    kinds = [node.get("type") for node in nodes_at(path)]
    return bool(kinds) and all(kind in ("string", "null") or kind is None for kind in kinds)


def is_path(path: KeyPath) -> bool:
    """Whether a file's or directory's path stands at ``path``."""
    return any(node.get("format") == "path" for node in nodes_at(path))


def is_names(path: KeyPath) -> bool:
    """Whether the keys at ``path`` are names that the user chooses."""
    return any(isinstance(node.get("additionalProperties"), dict) for node in nodes_at(path))


def leaves(path: KeyPath = ()) -> Iterator[KeyPath]:
    """Every key of the schema that is no table; a name the user chooses stands as ``*``."""
    for node in nodes_at(path):
        fields = [*_table(node.get("properties"))]
        if isinstance(node.get("additionalProperties"), dict):
            fields.append("*")
        for key in fields:
            below = list(leaves((*path, key)))
            yield from below or [(*path, key)]
