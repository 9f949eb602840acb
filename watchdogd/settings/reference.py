"""Texts generated from the settings: the JSON schema for editors, the detectors in the full example."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path

from watchdogd.core.detect.bank import Thresholds
from watchdogd.settings.schema import field_docs, file_schema

BEGIN, END = "# --- detectors ---", "# --- end of detectors ---"


def schema_text() -> str:
    """The JSON schema of ``watchdogd.toml``."""
    return json.dumps(file_schema(), indent=2, ensure_ascii=False) + "\n"


def _tables(group: object, key: str) -> Iterator[str]:
    kind = type(group)
    docs = field_docs(kind)
    values = {field.name: getattr(group, field.name) for field in fields(kind)} if is_dataclass(kind) else {}
    plain = {name: value for name, value in values.items() if not is_dataclass(value)}
    if plain:
        yield from ("", f"[{key}]  # {' '.join((kind.__doc__ or '').split())}")
    for name, value in plain.items():
        yield from (f"# {docs.get(name, '')}", f"{name} = {json.dumps(value)}")
    for name, value in values.items():
        if name not in plain:
            yield from _tables(value, f"{key}.{name}")


def detect_text() -> str:
    """Every threshold with its default, its unit and its reason."""
    return "\n".join(_tables(Thresholds(), "detect")) + "\n"


def with_detect(example: str) -> str:
    """The full example with its detectors' tables brought up to date."""
    head, _, rest = example.partition(BEGIN + "\n")
    _, _, tail = rest.partition(END + "\n")
    return f"{head}{BEGIN}\n{detect_text()}\n{END}\n{tail}"


def write(configs: Path) -> None:
    """Brings the generated texts in the directory ``configs`` up to date."""
    (configs / "watchdogd.schema.json").write_text(schema_text(), encoding="utf-8")
    example = configs / "watchdogd.toml"
    example.write_text(with_detect(example.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
