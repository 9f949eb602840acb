"""Shapes of secrets: what a look around needles finds is what a look everywhere would find, at bounded cost."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from watchdogd.adapters.secret_shapes import VALUES, known_shapes
from watchdogd.core.detect import shapes
from watchdogd.core.detect.shapes import (
    AFTER_VALUE,
    AROUND,
    BUILT_IN,
    LOOKS_DRAWN,
    MOST_SPOTS,
    SHORTEST_WORD,
    Shape,
    planned,
    secrets,
)

SHAPES = known_shapes()
EVERY = [*BUILT_IN, *SHAPES]
MIB = 1024 * 1024


MAKERS = ("Cloudant Credentials", "SoftLayer Credentials", "IBM COS HMAC Credentials", "IBM Cloud IAM Key")
"""Shapes of the library that also fit without their maker's name; they are only looked for beside it."""


def longest_word(text: str) -> int:
    return max(map(len, text.split()), default=0)


def drawn(data: st.DataObject, shape: Shape) -> str:
    """A text that ``shape`` fits, and that is long enough for a secret of it."""
    pattern = shape.pattern.replace("api.softlayer.com", r"api\.softlayer\.com")  # the library's dots fit anything
    secret = data.draw(st.from_regex(re.compile(pattern, re.ASCII), fullmatch=True))
    assume(secret.isascii() and len(secret) < 500)
    assume(longest_word(secret) >= SHORTEST_WORD or shape.shortest == 0)
    assume(shape.name not in MAKERS or any(needle in secret.lower() for needle in shape.needles))
    return secret


@pytest.mark.parametrize(
    "shape",
    [one for one in EVERY if one.name not in LOOKS_DRAWN],
    ids=lambda shape: f"{shape.name} {EVERY.index(shape)}",
)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_whatever_a_shape_fits_is_found_in_the_middle_of_a_text(shape: Shape, data: st.DataObject) -> None:
    secret = drawn(data, shape)
    before = data.draw(st.sampled_from(["", "the file says\n", "x = 1\t", "é İ \ud800 ", "lorem ipsum " * 3_000]))
    assert shape.name in [name for name, _ in secrets(f"{before}{secret} and so on", SHAPES)]


@pytest.mark.parametrize("shape", EVERY, ids=lambda shape: f"{shape.name} {EVERY.index(shape)}")
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_secret_of_a_shape_is_shorter_than_the_shape_says_or_lacks_its_needles(
    shape: Shape, data: st.DataObject
) -> None:
    secret = drawn(data, shape)
    assert longest_word(secret) >= shape.shortest
    assert any(needle in secret.lower() for needle in shape.needles)


def test_every_length_of_a_value_belongs_to_a_pattern_of_the_library() -> None:
    assert {shape.name for shape in SHAPES if shape.value} == set(VALUES)
    assert all(shape.needles for shape in EVERY)


TOKEN = "q7Rw2Zk9LmX4vB8nT1yC"


@pytest.mark.parametrize("sign", [":", "=", " = ", ": '", '=\t"', ":    "])
def test_a_value_is_found_whatever_stands_between_it_and_its_name(sign: str) -> None:
    assert list(secrets(f"nothing here: {TOKEN}, but api_key{sign}{TOKEN}", SHAPES)) == [("assigned secret", TOKEN)]


def test_a_value_is_told_whole_when_other_values_stand_before_it() -> None:
    lines = [f"secret_{n}: {n}" for n in range(90)]
    lines[70] = f"token = {TOKEN * 4}"
    assert list(secrets("\n".join(lines), SHAPES)) == [("assigned secret", TOKEN * 4)]


@pytest.mark.parametrize("apart", range(150, 260, 10))
def test_a_value_is_told_whole_wherever_another_ends(apart: int) -> None:
    text = f"api_key={TOKEN} {'.' * apart} token = {TOKEN[::-1] * 3}"
    assert list(secrets(text, SHAPES)) == [("assigned secret", TOKEN), ("assigned secret", TOKEN[::-1] * 3)]


def test_letters_whose_lower_case_is_longer_do_not_hide_what_stands_after_them() -> None:
    assert list(secrets(f"{'İ' * 2_000} api_key={TOKEN}", SHAPES)) == [("assigned secret", TOKEN)]


def test_a_name_may_be_written_with_the_sign_of_kelvin() -> None:
    assert list(secrets(f"to\u212aen={TOKEN}", SHAPES)) == [("assigned secret", TOKEN)]


HOSTILE = {
    "names": "key secret token ",
    "named values": f"x={TOKEN} ",
    "named short values": "token=abc key: 'x' ",
    "values": "A1b2C3d4E5f6G7h8I9j0K1l2 ",
    "needles": "sk-npm_ghp_akia-us.xoxclou",
    "needles in words": "sk-aaaaaaaaaaaaaaaaaaa xoxb-aaaaaaaaaaaaaaaa ",
    "addresses": "https://a:b",
    "at": "://a:bcdefghijklmnop@",
    "marks": "[redacted:",
    "bearers": "bearer " * 2,
    "keys": "-----BEGIN A",
    "npm": "//x/:_authToken=npm_ ",
    "aws": "aws_key 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa ",
    "digits": "1234567890:",
    "one letter": "a",
    "last letters": "aiza" * 4 + "aaaaaaaaaaaaaaaaaaaaaaa",
    "surrogates": "\ud800",
    "combining": "e\u0301",
    "right to left": "\u202eabc\u202c",
    "escapes": "\x1b[31m",
    "nul": "\0",
}


def spent_s(text: str) -> float:
    best = 1e9
    for _ in range(3):
        began = time.process_time()
        list(secrets(text, SHAPES))
        best = min(best, time.process_time() - began)
    return best


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_four_times_the_text_takes_about_four_times_the_work(name: str) -> None:
    piece = HOSTILE[name]
    once = (piece * (MIB // 8 // len(piece) + 1))[: MIB // 8]
    assert spent_s(once * 4) < 10 * max(spent_s(once), 5e-4)  # squared work would be 16 times as much


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_patterns_see_little_of_a_hostile_text(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    around, windows = shapes._around, shapes._windows

    def counted_around(*given: object) -> list[str]:
        found = around(*given)  # type: ignore[arg-type]
        seen.append(sum(map(len, found)))
        return found

    def counted_windows(*given: object) -> list[str]:
        found = windows(*given)  # type: ignore[arg-type]
        seen.append(sum(map(len, found)))
        return found

    monkeypatch.setattr(shapes, "_around", counted_around)
    monkeypatch.setattr(shapes, "_windows", counted_windows)
    piece = HOSTILE[name]
    list(secrets(piece * (MIB // len(piece)), SHAPES))
    assert max(seen, default=0) <= MOST_SPOTS * max(3 * AROUND, AROUND + AFTER_VALUE)


def test_a_plan_is_made_once_for_the_same_shapes() -> None:
    assert planned(SHAPES) is planned(tuple(SHAPES))
