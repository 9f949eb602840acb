"""Whatever a file or a variable says, it becomes settings or problems, never anything else."""

import tempfile
from pathlib import Path

import tomlkit
from hypothesis import given, settings
from hypothesis import strategies as st

from watchdogd.core.errors import ConfigError
from watchdogd.settings import schema
from watchdogd.settings.load import load

PATHS = [*schema.leaves(), *(path[:length] for path in schema.leaves() for length in (1, 2) if length < len(path))]
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    TEXT,
    st.sampled_from(["/", "..", "auto", "cron * * * * *", "interval 1", "suggest", "(", "mqtt://[", "~", "a/b"]),
    st.dates(),
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2), max_leaves=4
)


def without_none(value):
    if isinstance(value, dict):
        return {key: without_none(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [without_none(inner) for inner in value if inner is not None]
    return value


def document(changes) -> dict[str, object]:
    data: dict[str, object] = {
        "agent": {"workspace": "work", "state_dir": "state"},
        "missions": {"m": {"goal": "g", "budget_tokens": 5}},
    }
    for path, value in changes:
        at = data
        for step in path[:-1]:
            inner = at.setdefault("m" if step == "*" else step, {})
            if not isinstance(inner, dict):
                break
            at = inner
        else:
            if value is not None:
                at["m" if path[-1] == "*" else path[-1]] = without_none(value)
    return data


def outcome(text: str | bytes, env: dict[str, str]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        main = Path(directory) / "watchdogd.toml"
        main.write_bytes(text if isinstance(text, bytes) else text.encode())
        try:
            loaded = load(main, env=env)
        except ConfigError as why:
            problems = why.problems
        else:
            assert loaded.settings.agent.workspace.is_absolute()
            return
        assert problems
        assert all(problem.text and str(problem).isprintable() for problem in problems)
        lines = main.read_bytes().count(b"\n") + 1
        assert all(problem.line <= lines for problem in problems if problem.file == str(main))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(PATHS), VALUES), min_size=1, max_size=4))
def test_any_value_at_any_key_is_settings_or_problems(changes):
    outcome(tomlkit.dumps(document(changes)), {})


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(PATHS), TEXT.filter(lambda text: "\0" not in text))
def test_any_text_in_any_variable_is_settings_or_problems(path, text):
    name = "WATCHDOGD_" + "__".join("M" if step == "*" else str(step).upper() for step in path)
    outcome(tomlkit.dumps(document([])), {name: text})


@settings(max_examples=80, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_settings_or_problems(raw):
    outcome(raw, {})
