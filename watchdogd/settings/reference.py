"""Texts generated from the settings: the JSON schema for editors, the detectors in the full example."""

from __future__ import annotations

import json
import sys
from dataclasses import fields
from pathlib import Path

from watchdogd.core.detect.bank import Thresholds
from watchdogd.settings.schema import field_docs, file_schema

BEGIN, END = "# --- detectors ---", "# --- end of detectors ---"


def schema_text() -> str:
    """The JSON schema of ``watchdogd.toml``."""
    return json.dumps(file_schema(), indent=2, ensure_ascii=False) + "\n"


def detect_text() -> str:
    """Every threshold with its default, its unit and its reason."""
    lines: list[str] = []
    for family in fields(Thresholds):
        group = getattr(Thresholds(), family.name)
        docs = field_docs(type(group))
        said = " ".join((type(group).__doc__ or "").split())
        lines += ["", f"[detect.{family.name}]  # {said}"]
        for field in fields(group):
            lines += [f"# {docs.get(field.name, '')}", f"{field.name} = {json.dumps(getattr(group, field.name))}"]
    return "\n".join(lines) + "\n"


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
