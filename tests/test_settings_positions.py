"""Where in a TOML text each key stands."""

import tomllib

import tomlkit
from hypothesis import given, settings
from hypothesis import strategies as st

from watchdogd.settings.positions import positions

DOCUMENT = '''# a comment with [brackets] = and "quotes"
top = 1
"quoted key" = "a = b # no comment"

[agent] # [not.a.table]
name = """
[fake]
key = 1
"""
raw = \'\'\'[also] "fake" \'\'\'
a.b.c = 1

[[missions]]
name = "one"
list = [
  1, # one
  { x = 1, y = [2,
     3] },
]

[[missions]]
name = "two\\"]"
[missions.metric]
field = 'it''s'.x
'''.replace("field = 'it''s'.x\n", "field = 'its'\n")


def test_every_key_is_found_on_its_line():
    found = positions(DOCUMENT)
    assert tomllib.loads(DOCUMENT)
    assert found["top",] == 2
    assert found["quoted key",] == 3
    assert found["agent",] == 5
    assert found["agent", "name"] == 6
    assert found["agent", "raw"] == 10
    assert found["agent", "a", "b", "c"] == 11
    assert found["missions", 0, "name"] == 14
    assert found["missions", 0, "list", 0] == 16
    assert found["missions", 0, "list", 1, "x"] == 17
    assert found["missions", 0, "list", 1, "y", 1] == 18
    assert found["missions", 1, "name"] == 22
    assert found["missions", 1, "metric", "field"] == 24


def test_text_inside_strings_is_no_key():
    assert ("fake",) not in positions(DOCUMENT)
    assert ("also",) not in positions(DOCUMENT)


def test_an_escaped_quoted_key_is_found_under_its_meaning():
    assert positions('"a\\u00e9.b" = 1\n') == {("aé.b",): 1}


def test_windows_line_ends_count_once():
    assert positions("a = 1\r\n\r\nb = 2\r\n")["b",] == 3


def paths(value, at=()):
    if isinstance(value, dict):
        for key, inner in value.items():
            yield (*at, key)
            yield from paths(inner, (*at, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield (*at, index)
            yield from paths(inner, (*at, index))


KEYS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=6)
SCALARS = st.one_of(
    st.integers(-(2**40), 2**40), st.booleans(), st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=12
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_whatever_the_document_every_key_has_a_line_within_it(document):
    text = tomlkit.dumps(document)
    data = tomllib.loads(text)
    found = positions(text)
    lines = text.replace("\r\n", "\n").count("\n") + 1
    assert set(paths(data)) <= set(found)
    assert all(1 <= line <= lines for line in found.values())
