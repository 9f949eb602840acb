"""What the calls around a failure say about it, and how outages are counted."""

from __future__ import annotations

from tests.core.detecting import Tape, levels
from watchdogd.core.events import ModelCalled, Text, ToolFinished, ToolIntended, Usage
from watchdogd.core.health import Severity

NAMED = "errors/provider-or-network-outage"
RATE, ROW, SAME = "errors/rate", "errors/in-a-row", "errors/same-error"
STRANGE = ("the frobnicator went home", "grmpf", "no dice", "sigh", "the elves have left", "not today", "nope", "alas")


def test_failures_that_say_nothing_belong_to_the_outage_beside_them() -> None:
    tape = Tape()
    for n in range(9):
        text = "HTTP 503" if n % 3 == 0 else STRANGE[n % 8]
        tape.call({"n": n}, text, tool=f"tool{n % 2}", failed=True)
    rules = tape.rules()
    assert NAMED in rules
    assert not {RATE, ROW, SAME} & set(rules)


def test_failures_that_say_nothing_beside_the_agents_own_are_no_outage() -> None:
    tape = Tape()
    for n in range(12):
        text = "HTTP 503" if n == 0 else STRANGE[n % 8] if n % 2 else f"KeyError: 'x{n}'"
        tape.call({"n": n}, text, tool=f"tool{n % 2}", failed=True)
    rules = tape.rules()
    assert NAMED not in rules
    assert RATE in rules


def test_one_outage_excuses_nothing_that_the_agent_did() -> None:
    tape = Tape()
    for n in range(10):
        tape.call({"n": n}, "HTTP 503" if n == 4 else f"ValueError: bad row {n}", tool="load", failed=True)
    assert ROW in tape.rules()


def test_what_nobody_had_explained_is_taken_back_when_an_outage_shows() -> None:
    tape = Tape()
    for n in range(3):
        tape.call({"n": n}, STRANGE[n], tool="fetch", failed=True)
    for n in range(3):
        tape.call({"m": n}, "502 Bad Gateway", tool="fetch", failed=True)
    for n in range(3):
        tape.call({"k": n}, f"KeyError: 'a{n}'", tool="parse", failed=True)
    rules = tape.rules()
    assert NAMED in rules
    assert RATE not in rules


def test_several_tools_that_refuse_the_same_wrong_input_are_no_outage() -> None:
    tape = Tape()
    for n, tool in enumerate(["price", "rating", "hours", "address", "price", "rating"]):
        tape.call({"name": None, "n": n}, "ValidationError: name: Input should be a valid list", tool=tool, failed=True)
    rules = tape.rules()
    assert NAMED not in rules
    assert SAME in rules


def test_tools_that_fail_alike_within_a_minute_have_one_cause_although_others_work() -> None:
    tape = Tape(every_s=2.0)
    for n in range(10):
        tape.call({"n": n}, "the frobnicator went home", tool=("mail", "room", "user")[n % 3], failed=True)
        tape.call({"path": f"f{n}"}, f"line {n * 7}", tool="read_file")
    assert NAMED in tape.rules()


def test_the_same_without_clocks_is_not_known_to_be_one_cause() -> None:
    tape = Tape()
    for n in range(10):
        tape.call({"n": n}, "the frobnicator went home", tool=("mail", "room", "user")[n % 3], failed=True)
        tape.call({"path": f"f{n}"}, f"line {n * 7}", tool="read_file")
    assert NAMED not in tape.rules()


def test_a_call_that_worked_and_now_fails_although_nothing_was_done_is_no_fault_of_the_agent() -> None:
    tape = Tape()
    tape.call({"city": "Ulm"}, "17 degrees, light wind from the west", tool="get_weather")
    for n in range(4):
        tape.call({"city": "Ulm"}, STRANGE[n], tool="get_weather", failed=True)
        tape.call({"city": "Ulm"}, f"{17 + n} degrees, light wind from the west", tool="get_weather")
    rules = tape.rules()
    assert NAMED in rules
    assert not {RATE, ROW, SAME} & set(rules)


def test_a_state_that_turned_bad_is_no_outage_when_only_its_words_say_so() -> None:
    tape = Tape()
    for n in range(6):
        tape.call({"seat": 4}, f"free, asked {n * 13} times", tool="get_seat")
        tape.call({"seat": 4}, f"Seat 4 is no longer free, gate {'abcdef'[n]}", tool="get_seat")
    assert NAMED not in tape.rules()


def test_a_single_outage_takes_nothing_back() -> None:
    tape = Tape()
    for n, text in enumerate([*STRANGE[:3], "HTTP 503", "KeyError: 'a'"]):
        tape.call({"n": n}, text, tool="fetch", failed=True)
    assert RATE in tape.rules()


def test_two_outages_with_the_agents_own_fault_between_take_nothing_back() -> None:
    tape = Tape()
    for n, text in enumerate(["HTTP 503", "KeyError: 'a'", *STRANGE[:2], "HTTP 503", "KeyError: 'b'"]):
        tape.call({"n": n}, text, tool="fetch", failed=True)
    assert RATE in tape.rules()


def _waited(seconds: tuple[float, ...]) -> Tape:
    tape = Tape()
    for n, took_s in enumerate(seconds):
        tape.put(ToolIntended(call=f"c{n}", tool="get_page", args={"n": n}))
        result = Text.plain(STRANGE[n])
        tape.put(ToolFinished(call=f"c{n}", tool="get_page", outcome="error", duration_s=took_s, result=result))
    return tape


def test_reads_that_fail_after_equally_long_waits_ran_into_a_deadline() -> None:
    assert NAMED in _waited((30.0, 30.1, 29.9, 30.0)).rules()
    assert NAMED not in _waited((31.0, 12.4, 44.0, 8.1)).rules()
    assert NAMED not in _waited((0.2, 0.2, 0.2, 0.2)).rules()


def test_a_provider_that_answers_does_not_hide_a_network_that_is_down() -> None:
    tape = Tape()
    for n in range(5):
        for _ in range(2):
            tape.put(ModelCalled(usage=Usage(output_tokens=1)))
        tape.call({"n": n}, "503 Service Unavailable", tool="fetch", failed=True)
    assert NAMED in tape.rules()


def test_a_tool_that_never_gets_through_is_named_although_others_work() -> None:
    tape = Tape()
    for n in range(4):
        tape.call({"n": n}, "503 Service Unavailable", tool="fetch", failed=True)
        for m in range(4):
            tape.call({"path": f"f{n} {m}"}, f"line {n * 7 + m}", tool="read_file")
    assert NAMED in tape.rules()


def test_an_outage_of_one_tool_is_over_when_it_gets_through() -> None:
    tape = Tape()
    for n in range(4):
        tape.call({"n": n}, "503 Service Unavailable", tool="fetch", failed=True)
    for n in range(6):
        tape.call({"m": n}, f"page {n * 31} of the book", tool="fetch")
    assert [one for _, one in levels(tape.found(), NAMED)] == [Severity.WARN, Severity.OK]


def _together(batches: int, size: int) -> Tape:
    """Calls asked for ``size`` at a time, all before an answer is seen, all refused."""
    tape = Tape()
    for batch in range(batches):
        for n in range(size):
            tape.put(ToolIntended(call=f"{batch} {n}", tool=f"tool{n}", args={"names": None, "batch": batch}))
        for n in range(size):
            result = Text.plain("ValidationError: names: Input should be a valid list")
            tape.put(ToolFinished(call=f"{batch} {n}", tool=f"tool{n}", outcome="error", result=result))
    return tape


def test_calls_asked_for_together_fail_as_one_decision() -> None:
    assert _together(1, 9).rules() == {}


def test_decisions_that_fail_again_and_again_count_each() -> None:
    rules = _together(6, 3).rules()
    assert SAME in rules
    assert ROW in rules


def _asked(tool: str, answer: str, odd: str) -> Tape:
    """A tool that answers five times as it does, then says something ``odd`` to whatever it is asked."""
    tape = Tape()
    for n in range(5):
        tape.call({"n": n}, answer.replace("#", str(n * 7)), tool=tool)
    for n in range(5, 12):
        tape.call({"n": n}, f"{odd} {'abcdefghijkl'[n] * 3}", tool=tool)
    return tape


FIELDS = '{"id": #, "price": 1#}'
PROSE = "line # of a long book\n" * 3


def test_a_tool_of_fields_that_answers_in_a_sentence_has_failed() -> None:
    assert RATE in _asked("get_order", FIELDS, "The voucher belongs to Ada, not").rules()


def test_a_tool_of_fields_that_finds_nothing_has_not_failed() -> None:
    assert RATE not in _asked("get_order", FIELDS, "No orders in").rules()


def test_a_tool_of_prose_may_answer_in_a_sentence() -> None:
    assert RATE not in _asked("run", PROSE, "on branch").rules()


def test_a_tool_of_fields_that_is_not_ready_has_not_failed() -> None:
    assert RATE not in _asked("get_order_status", FIELDS, "still waiting for approval of").rules()
