"""From files, environment and flags to settings; every problem at once, each with its place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from watchdogd.core.access import Scope
from watchdogd.core.errors import ConfigError, Problem
from watchdogd.settings import sanity, schema
from watchdogd.settings.complaints import MISSING, Complaint, secret, unknown
from watchdogd.settings.layers import (
    DEFAULT,
    PREFIX,
    Layer,
    Origin,
    Table,
    env_layer,
    file_layer,
    flag_layer,
    merged,
    origin_of,
    strings,
)
from watchdogd.settings.model import LOCAL_OPERATOR, Settings
from watchdogd.settings.policies import policy_layers, spread, with_all_denials
from watchdogd.settings.positions import KeyPath
from watchdogd.settings.pricing import price_table
from watchdogd.settings.resolve import absolute, plain, validated
from watchdogd.settings.secrets import SECRET_KEY, SECRET_VALUE

DROP_INS = "conf.d"
"""Beside the main file; its ``*.toml`` come after it, in the order of their names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """Settings that can be used, and where each of them comes from."""

    settings: Settings
    origins: Mapping[str, Origin]
    """Dotted key to its origin, for every value; what nobody set is ``default``."""
    items: Mapping[str, Origin]
    """The same for each item of a list, its number behind the key."""
    digest: str
    """Of the settings; secrets are no part of them."""
    files: tuple[Path, ...]
    """Every file that was read, in order."""
    warnings: tuple[Problem, ...] = ()
    """What is allowed and worth a second look."""


def _files(path: Path) -> tuple[list[Path], list[Layer], list[Problem]]:
    paths = [path, *sorted((path.parent / DROP_INS).glob("*.toml"))]
    read = [file_layer(each) for each in paths]
    layers = [each for each in read if isinstance(each, Layer)]
    return paths, layers, [each for each in read if isinstance(each, Problem)]


def _secrets(layer: Layer) -> Iterator[KeyPath]:
    """Where ``layer`` says what must not be said in a file."""
    for path in layer.origins:
        if isinstance(path[-1], str) and SECRET_KEY.search(path[-1]) and not schema.nodes_at(path):
            yield path
    for path, text in strings(layer.data):
        if SECRET_VALUE.search(text):
            yield path


def _strangers(layer: Layer) -> Iterator[Complaint]:
    """Keys of ``layer`` that a person cannot set, also those that the settings hold under another name."""
    for path in layer.origins:
        known = schema.keys_at(path[:-1])
        if known and path[-1] not in known and not schema.is_names(path[:-1]):
            yield path, unknown(path)


def _origins(settings: Settings, layers: Sequence[Layer]) -> Mapping[str, Origin]:
    """Where every value of ``settings`` comes from, by dotted key."""
    found: dict[str, Origin] = {}

    def walk(value: object, path: KeyPath) -> None:
        if isinstance(value, dict) and value:
            for key, inner in value.items():
                walk(inner, (*path, key))
            return
        found[".".join(str(step) for step in path)] = next(
            (layer.origins[path] for layer in reversed(layers) if path in layer.origins), DEFAULT
        )

    walk(plain(settings), ())
    return found


def _items(settings: Settings, layers: Sequence[Layer]) -> Mapping[str, Origin]:
    """Where each item of every list of ``settings`` comes from."""
    found: dict[str, Origin] = {}

    def walk(value: object, path: KeyPath) -> None:
        for key, inner in value.items() if isinstance(value, dict) else []:
            walk(inner, (*path, key))
        for index in range(len(value) if isinstance(value, list) else 0):
            found[".".join(str(step) for step in (*path, index))] = origin_of(layers, (*path, index))

    walk(plain(settings), ())
    return found


_DEFAULTS = Layer(
    data={"broker": {"operators": {LOCAL_OPERATOR: [scope.value for scope in sorted(Scope)]}}}, origins={}
)


def _near_misses(env: Mapping[str, str]) -> Iterator[Problem]:
    """Variables that look like settings and are none."""
    sections = "|".join(schema.keys_at(()))
    for variable in sorted(env):
        found = re.fullmatch(rf"{PREFIX}({sections})_([A-Z]\w*)", variable, re.IGNORECASE)
        if found and "__" not in variable and not SECRET_KEY.search(variable) and "_PASSWORD_" not in variable:
            meant = f"{PREFIX}{found[1]}__{found[2]}".upper()
            yield Problem(file=f"${variable}", line=0, key="", text=f"is not read; did you mean ${meant}?")


def _visible(text: str) -> str:
    """``text`` on one line, without what could steer a terminal."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def _in_order(problems: Iterable[Problem], main: Path) -> list[Problem]:
    """``problems`` each once, those of the main file first, by line."""
    shown = {replace(one, key=_visible(one.key), text=_visible(one.text)) for one in problems}
    return sorted(shown, key=lambda one: (one.file != str(main), one.file, one.line, one.key, one.text))


def _problems(found: Iterable[Complaint], layers: Sequence[Layer], main: Path) -> list[Problem]:
    problems: list[Problem] = []
    for path, text in found:
        origin = origin_of(layers, path)
        if origin is DEFAULT:
            origin = Origin(kind="file", name=str(main))
        said = SECRET_VALUE.sub("[secret]", text)
        problems.append(origin.problem(".".join(str(step) for step in path), said))
    return problems


def load(
    path: Path, *, env: Mapping[str, str], flags: Mapping[str, object] | None = None, demo: bool = False
) -> Loaded:
    """The settings of ``path``, the drop-ins beside it, ``env`` and ``flags``, the later over the earlier.

    Args:
        path: the main file.
        env: the process's environment.
        flags: dotted keys to values; None means not given.
        demo: allows what only the demo's own scratch workspace may do.

    Raises:
        ConfigError: something is wrong; carries every problem, each with its file and line.
    """
    paths, files, problems = _files(path)
    from_env, more = env_layer(env, files)
    problems += more
    own = [spread(layer) for layer in (_DEFAULTS, *files, from_env, flag_layer(flags or {}))]
    found: dict[KeyPath, str] = {at: secret(at) for layer in own for at in _secrets(layer)}
    directory, home = path.parent.absolute(), env.get("HOME", "")
    policy_file = absolute(merged(own).get("policy_file"), ("policy_file",), directory, home)
    if policy_file is not None and not isinstance(policy_file, str):
        found["policy_file",] = "must be text (a path)"
        policy_file = None
    policy_path = Path(policy_file) if policy_file else None
    below, more = policy_layers(own, policy_path, origin_of(own, ("policy_file",)))
    problems += more
    layers = [*below, *own]
    data = merged(layers)
    if (denials := with_all_denials(data, layers)) is not None:
        layers.append(denials)
    for layer in layers:
        found.update(_strangers(layer))
    if not isinstance(data.get("missions", {}), dict):
        found["missions",] = "must be tables, [missions.NAME]"
        del data["missions"]
    settings, wrong = validated(cast("Table", absolute(data, (), directory, home)))
    paths += [policy_path] if policy_path else []
    for at, text in wrong:
        if not (problems and text == MISSING):  # it may stand in a file that could not be read
            found.setdefault(at, text)
    between: list[Complaint] = []
    if settings is not None:
        priced = price_table(settings)
        for at, text in sanity.faults(settings, env=env, loaded=tuple(paths), demo=demo, prices=priced):
            if not any(at[: len(other)] == other for other in found):
                between.append((at, text))
    problems += _problems([*found.items(), *between], layers, path)
    if problems or settings is None:
        raise ConfigError(_in_order(problems, path))
    # One spelling of every number (2 and 2.0), so that equal settings have equal digests in every process.
    settings = Settings.model_validate_json(settings.model_dump_json())
    return Loaded(
        settings=settings,
        origins=_origins(settings, layers),
        items=_items(settings, layers),
        digest=settings.digest,
        files=tuple(paths),
        warnings=(*_problems(sanity.remarks(settings), layers, path), *_near_misses(env)),
    )
