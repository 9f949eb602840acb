"""Where values come from: files, environment, flags; the later over the earlier, merged by pydantic-settings."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource
from typing_extensions import override

from watchdogd.core.errors import Problem
from watchdogd.settings import schema
from watchdogd.settings.positions import KeyPath, positions

PREFIX = "WATCHDOGD_"
Table: TypeAlias = dict[str, object]

_AT_LINE = re.compile(r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a value comes from."""

    kind: Literal["default", "policy", "file", "env", "flag"]
    name: str = ""
    """The file, the variable or the flag; for ``policy`` the shipped file."""
    line: int = 0
    """1-based; 0 where there is none."""

    @override
    def __str__(self) -> str:
        match self.kind:
            case "default":
                return "default"
            case "env":
                return f"${self.name}"
            case "policy":
                return f"policy {Path(self.name).stem}:{self.line}"
            case _:
                return f"{self.name}:{self.line}" if self.line else self.name

    def problem(self, key: str, text: str) -> Problem:
        """A problem with the value that came from here."""
        return Problem(file=str(self) if self.kind == "env" else self.name, line=self.line, key=key, text=text)


DEFAULT = Origin(kind="default")


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """What one source says, and where each key of it stands."""

    data: Table
    origins: Mapping[KeyPath, Origin]


def _syntax(file: str, text: str, why: tomllib.TOMLDecodeError) -> Problem:
    found = _AT_LINE.search(str(why))
    line = int(found[1]) if found and found[1] else max(1, text.rstrip().count("\n") + 1)
    column = f" (column {found[2]})" if found and found[2] else " (at the end)"
    said = _AT_LINE.sub("", str(why))
    if said == "Cannot overwrite a value" and re.search(r"^policy\s*=", text, re.MULTILINE):
        said = 'policy = "NAME" and [policy] exclude each other, write base = "NAME" below [policy]'
    return Problem(file=file, line=line, key="", text=f"not TOML: {said[:1].lower()}{said[1:]}{column}")


def file_layer(path: Path, *, below: KeyPath = (), kind: Literal["file", "policy"] = "file") -> Layer | Problem:
    """What the TOML file ``path`` says, put below the key ``below``; or why it cannot be used."""
    file = str(path)
    try:
        raw = path.read_bytes()
        text = raw.decode("utf-8").removeprefix("\ufeff")
    except FileNotFoundError:
        return Problem(file=file, line=0, key="", text="no such file")
    except OSError as why:
        return Problem(file=file, line=0, key="", text=f"cannot be read: {why.strerror}")
    except UnicodeDecodeError as why:
        line = why.object.count(b"\n", 0, why.start) + 1
        return Problem(file=file, line=line, key="", text=f"not UTF-8 (byte 0x{why.object[why.start]:02x})")
    try:
        data: Table = tomllib.loads(text)
        places = positions(text)
    except tomllib.TOMLDecodeError as why:
        return _syntax(file, text, why)
    except RecursionError:
        return Problem(file=file, line=0, key="", text="not usable: nested too deeply")
    origins = {(*below, *path_): Origin(kind=kind, name=file, line=line) for path_, line in places.items()}
    for key in reversed(below):
        data = {str(key): data}
    return Layer(data=data, origins=origins)


def _typed(text: str, path: KeyPath) -> object:
    """``text`` as the value that may stand at ``path``: itself, or the TOML value it spells."""
    if schema.is_text(path):
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"] if "\n" not in text else text
    except tomllib.TOMLDecodeError:
        return text


def _spelled(part: str, names: Sequence[str]) -> str:
    """The name among ``names`` that an environment variable can only spell in one case and without hyphens."""
    plain = part.lower().replace("-", "_")
    return next((name for name in names if name.lower().replace("-", "_") == plain), part.lower())


def _put(data: Table, path: Sequence[str], value: object) -> bool:
    for key in path[:-1]:
        inner = data.setdefault(key, {})
        if not isinstance(inner, dict):
            return False
        data = inner
    data[path[-1]] = value
    return True


def _names(files: Sequence[Layer], path: Sequence[str]) -> list[str]:
    found: list[str] = []
    for layer in files:
        at: object = layer.data
        for key in path:
            at = at.get(key) if isinstance(at, dict) else None
        if isinstance(at, dict):
            found.extend(at)
    return found


def env_layer(env: Mapping[str, str], files: Sequence[Layer]) -> tuple[Layer, list[Problem]]:
    """What ``WATCHDOGD_SECTION__KEY`` says; names the user chose are found in ``files`` whatever their case."""
    data: Table = {}
    origins: dict[KeyPath, Origin] = {}
    problems: list[Problem] = []
    for variable in sorted(env):
        if not variable.startswith(PREFIX):
            continue
        parts = variable.removeprefix(PREFIX).split("__")
        if len(parts) == 1 and parts[0].lower() not in ("policy", "policy_file"):
            continue
        path: list[str] = []
        for part in parts:
            path.append(_spelled(part, _names(files, path)) if schema.is_names(tuple(path)) else part.lower())
        if path == ["policy"]:
            path.append("base")  # so that other variables can change the policy it names
        origin = Origin(kind="env", name=variable)
        if not _put(data, path, _typed(env[variable], tuple(path))):
            problems.append(origin.problem(".".join(path), "another variable sets the whole section"))
            continue
        origins[tuple(path)] = origin
    return Layer(data=data, origins=origins), problems


def flag_layer(flags: Mapping[str, object]) -> Layer:
    """What the command line says: dotted keys; None means that the flag was not given."""
    data: Table = {}
    origins: dict[KeyPath, Origin] = {}
    for key, value in flags.items():
        if value is None:
            continue
        path = key.split(".")
        origin = Origin(kind="flag", name=f"--{key}")
        plain = str(value) if isinstance(value, Path) else value
        if _put(data, path, _typed(plain, tuple(path)) if isinstance(plain, str) else plain):
            origins[tuple(path)] = origin
    return Layer(data=data, origins=origins)


class _Source(PydanticBaseSettingsSource):
    """One layer as pydantic-settings takes it."""

    def __init__(self, settings_cls: type[BaseSettings], layer: Layer) -> None:
        super().__init__(settings_cls)
        self._layer = layer

    @override
    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        return self._layer.data, field_name, False

    @override
    def __call__(self) -> dict[str, Any]:
        return {"tables": self._layer.data}


def merged(layers: Sequence[Layer]) -> Table:
    """All ``layers``, lowest first, as one: tables are merged, everything else is replaced."""

    class Sections(BaseSettings):
        """The sections as the sources give them, not yet validated."""

        tables: dict[str, Any]

        @classmethod
        @override
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return tuple(_Source(settings_cls, layer) for layer in reversed(layers))

    return Sections().tables


def origin_of(layers: Sequence[Layer], path: KeyPath) -> Origin:
    """Where the value at ``path`` comes from, or its nearest table; ``layers`` lowest first."""
    lists = [path[:index] for index, step in enumerate(path) if isinstance(step, int)]
    if lists:  # a list is one layer's as a whole
        owner = next((layer for layer in reversed(layers) if lists[0] in layer.origins), None)
        layers = layers if owner is None else [owner]
    for length in range(len(path), 0, -1):
        for layer in reversed(layers):
            found = layer.origins.get(path[:length])
            if found is not None:
                return found
    return DEFAULT


def strings(value: object, path: KeyPath = ()) -> Iterator[tuple[KeyPath, str]]:
    """Every text in ``value`` and where it stands."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from strings(inner, (*path, str(key)))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from strings(inner, (*path, index))
