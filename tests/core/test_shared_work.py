"""What several rules ask about one event is worked out once, and no answer outlives what it was asked about."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from typing_extensions import override

from watchdogd.core.detect import keys
from watchdogd.core.detect.actions import acts_of, name_words, things_of
from watchdogd.core.detect.bank import bank
from watchdogd.core.detect.keys import MOST_NODES, answer_key, call_key, leaves
from watchdogd.core.detect.lexicon import ACTS, THINGS
from watchdogd.core.events import Event, Text, ToolFinished, ToolIntended


def test_one_event_is_hashed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = "the whole answer " * 50
    hashed: list[str] = []
    real = keys.text_key

    def counted(text: str) -> int:
        hashed.append(text)
        return real(text)

    monkeypatch.setattr(keys, "text_key", counted)
    one = bank()
    state, _ = one.step(one.start(), Event(seq=1, body=ToolIntended(call="a", tool="read", args={"path": "x"})))
    body = ToolFinished(call="a", tool="read", outcome="ok", result=Text.plain(whole))
    one.step(state, Event(seq=2, body=body))
    assert hashed.count(whole) == 1


def test_answers_one_after_the_other_have_numbers_of_their_own() -> None:
    first, second, again = Text.plain("one"), Text.plain("two"), Text.plain("one")
    assert answer_key(first) != answer_key(second)
    assert answer_key(first) == answer_key(again) == answer_key(first)


def test_an_answer_that_is_cut_is_told_from_one_that_is_whole() -> None:
    cut = Text(head="one", tail="two", length=100)
    assert answer_key(cut) != answer_key(Text(head="one", tail="two", length=101))
    assert answer_key(cut) != answer_key(Text.plain("onetwo"))


def test_words_of_a_name_are_the_callers_own() -> None:
    words = name_words("read_aFile")
    words.append("more")
    assert name_words("read_aFile") == ["read", "a", "file"]


def test_a_very_long_name_is_read_in_part() -> None:
    assert name_words("a_" * 10_000) == ["a"] * 100


def test_acts_and_things_of_words_are_those_of_each_together() -> None:
    verbs, things = list(ACTS)[::50], list(THINGS)[::50]
    assert acts_of(["of", *verbs]) == acts_of(verbs) == _all(ACTS[one] for one in verbs)
    assert things_of(["of", *things]) == things_of(things) == _all(THINGS[one] for one in things)
    assert acts_of(iter(["of", "the"])) == 0


def _all(bits: Iterable[int]) -> int:
    found = 0
    for one in bits:
        found |= one
    return found


class Counted(dict[str, object]):
    """Arguments that count how many of their values are looked at."""

    looks = 0

    @override
    def __getitem__(self, name: str) -> object:
        self.looks += 1
        return super().__getitem__(name)


def test_of_a_hundred_thousand_arguments_only_some_are_spelt() -> None:
    args = Counted((f"k{n}", n) for n in range(100_000))
    call_key("run", args)
    assert args.looks <= MOST_NODES


def test_calls_of_many_arguments_are_still_told_apart_by_the_first() -> None:
    args = {f"k{n:06}": n for n in range(10_000)}
    assert call_key("run", args) != call_key("run", {**args, "k000000": 7})
    assert call_key("run", args) == call_key("run", dict(reversed(args.items())))


def test_leaves_of_plain_and_of_nested_arguments_are_told_alike() -> None:
    flat = {f"k{n}": str(n) for n in range(100)}
    assert leaves(flat, 8) == leaves([flat], 8) == [str(n) for n in range(8)]
    assert leaves({"a": "x", "b": ["y", {"c": 3}], "d": True}) == ["x", "y", "3"]
    assert leaves({}) == []
