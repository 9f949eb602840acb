"""What is shipped as an example is right, complete and says true defaults."""

import json
import re
import tomllib
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]
import pytest

from watchdogd.settings import policies, pricing, reference, schema
from watchdogd.settings.load import load
from watchdogd.settings.model import Settings
from watchdogd.settings.positions import positions
from watchdogd.settings.resolve import plain

CONFIGS = Path(__file__).parents[1] / "configs"
REGENERATE = "run: .venv/bin/python -m watchdogd.settings.reference configs"
EXAMPLES = ("watchdogd.toml", "minimal.toml")


def uncommented(text: str) -> str:
    """The example with the keys and tables in it that are commented out."""
    return re.sub(r"^# (?=[a-z_0-9]+ = |\[)", "", text, flags=re.M)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_loads_without_a_problem(name):
    loaded = load(CONFIGS / name, env={})
    assert loaded.settings.missions
    assert [str(one) for one in loaded.warnings if "does not exist yet" not in str(one)] == []


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_fits_the_schema_it_names(name):
    text = (CONFIGS / name).read_text()
    assert text.startswith("#:schema ./watchdogd.schema.json\n")
    found = json.loads((CONFIGS / "watchdogd.schema.json").read_text())
    jsonschema.Draft7Validator.check_schema(found)
    jsonschema.Draft7Validator(found).validate(tomllib.loads(text))


def test_the_schema_refuses_what_the_settings_refuse():
    found = jsonschema.Draft7Validator(schema.file_schema())
    good = {"agent": {"workspace": "/srv/x"}, "missions": {"a": {"goal": "x"}}, "policy": "suggest"}
    assert found.is_valid(good)
    bads: list[dict[str, object]] = [
        {**good, "agnet": {}},
        {**good, "worker": {"max_tokens": "9"}},
        {**good, "missions": {"a": {"gaol": "x"}}},
        {**good, "policy": {"operators": []}},
        {"agent": {}},
    ]
    for bad in bads:
        assert not found.is_valid(bad)


def test_the_full_example_names_every_key():
    text = uncommented((CONFIGS / "watchdogd.toml").read_text())
    tomllib.loads(text)
    found = {tuple(step for step in path if not isinstance(step, int)) for path in positions(text)}

    def shown(path):
        return any(
            len(path) == len(other) and all(a in ("*", b) for a, b in zip(path, other, strict=True)) for other in found
        )

    assert [".".join(map(str, path)) for path in schema.leaves() if not shown(path)] == [], REGENERATE
    rule = schema.file_schema()["$defs"]["Rule"]["properties"]  # type: ignore[index]
    assert [key for key in rule if not shown(("policy", "rules", key))] == []


def test_the_full_example_says_a_word_about_every_key():
    lines = (CONFIGS / "watchdogd.toml").read_text().splitlines()
    bare = [
        line
        for before, line, after in zip(["", *lines], lines, [*lines[1:], ""], strict=False)
        if re.match(r"(# )?[a-z_0-9]+ = ", line)
        and "#" not in line.removeprefix("# ")
        and not before.startswith("# ")
        and not after.startswith("   ")
        and not line.endswith('"""')
    ]
    assert bare == []


def test_the_defaults_in_the_full_example_are_the_defaults():
    """Everything but the agent's place and the mission, which are examples, is what one gets without a file."""
    example = plain(load(CONFIGS / "watchdogd.toml", env={}).settings)
    own = {"agent": {"workspace": "/srv/watchdogd/workspace"}}
    default = plain(Settings.model_validate(own))
    for section in example:
        if section not in ("missions", "policy"):
            assert example[section] == default[section], section


def test_the_minimal_example_is_short_and_the_policy_is_enforced():
    text = (CONFIGS / "minimal.toml").read_text()
    assert len(text.splitlines()) <= 30
    settings = load(CONFIGS / "minimal.toml", env={}).settings
    assert settings.missions[0].protect == ("data",)
    assert settings.missions[0].done_when


def test_the_policies_to_read_are_the_policies_in_force():
    shown = {path.name: path.read_text() for path in (CONFIGS / "policies").glob("*.toml")}
    assert shown == {path.name: path.read_text() for path in policies.SHIPPED.glob("*.toml")}


def test_the_generated_texts_are_current():
    assert (CONFIGS / "watchdogd.schema.json").read_text() == reference.schema_text(), REGENERATE
    example = (CONFIGS / "watchdogd.toml").read_text()
    assert reference.with_detect(example) == example, REGENERATE


def test_every_key_has_a_description():
    def silent(path):
        return not any(node.get("description") for node in [raw(path)])

    def raw(path):
        parent = next(node for node in schema.nodes_at(path[:-1]) if path[-1] in node.get("properties", {}))  # type: ignore[operator]
        return parent["properties"][path[-1]]  # type: ignore[index]

    own = [path for path in schema.leaves() if path[0] not in ("policy", "timing", "detect") and path[-1] != "*"]
    assert [path for path in own if silent(path)] == []


def test_a_price_of_ones_own_replaces_the_shipped_one():
    own = {"agent": {"workspace": "/x"}, "prices": {"claude-sonnet-5-5": {"input": 4, "output": 8}}}
    table = pricing.price_table(Settings.model_validate(own))
    price = table.of("claude-sonnet-5-5")
    assert price is not None
    assert (price.input, price.output, price.cache_write_5m, price.cache_write_1h, price.cache_read) == (
        4,
        8,
        5,
        8,
        0.4,
    )
    assert table.of("claude-haiku-5-5") is not None
    assert table.of("mystery-1") is None
