"""Slow drift of a declared metric, and acts that nothing on the way from the goal accounts for."""

from __future__ import annotations

import pickle
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watchdogd.core.detect import snapshot
from watchdogd.core.detect.derailment import DERAILED, TERMS, Derailment
from watchdogd.core.detect.drift_thresholds import Drift
from watchdogd.core.detect.slow_drift import METRIC, MetricDrift, reading
from watchdogd.core.events import Body, Event, ModelCalled, RunStarted, Text, ToolFinished, ToolIntended, UserSaid
from watchdogd.core.health import Severity


def fold(rule, *bodies: Body):
    state = rule.start()
    found = []
    risk = 0.0
    for seq, body in enumerate(bodies, start=1):
        if body.kind in rule.kinds:
            state, new = rule.step(state, Event(seq=seq, body=body))
            found += new
            risk = max(risk, rule.risk(state))
    return found, risk


def measured(values, better="higher", tool="", name="accuracy"):
    start = RunStarted(goal="x", metric="accuracy", metric_better=better, metric_tool=tool)
    return [
        start,
        *(ToolFinished(tool="eval", result=Text.plain(f"epoch done\n{name}: {value}\n")) for value in values),
    ]


CALM = [0.80, 0.81, 0.79, 0.80, 0.81, 0.80, 0.79, 0.80]


def test_a_metric_that_keeps_falling_is_found():
    found, _ = fold(MetricDrift(), *measured([*CALM, *(0.80 - 0.01 * step for step in range(1, 12))]))
    assert [(one.rule, one.severity) for one in found] == [(METRIC, Severity.WARN), (METRIC, Severity.CRIT)]
    assert found[0].evidence[0] < found[0].evidence[1]


def test_a_metric_that_is_better_when_lower_is_found_when_it_rises():
    found, _ = fold(MetricDrift(), *measured([*CALM, *(0.80 + 0.01 * step for step in range(1, 12))], better="lower"))
    assert found[-1].severity is Severity.CRIT
    assert fold(MetricDrift(), *measured([*CALM, *(0.80 + 0.01 * step for step in range(1, 12))]))[0] == []


def test_a_metric_that_falls_back_from_its_own_best_is_found():
    values = [*CALM, 0.85, 0.9, *[0.92] * 8, *(0.92 - 0.02 * step for step in range(1, 8))]
    assert fold(MetricDrift(), *measured(values))[0] != []


def test_a_steady_metric_raises_nothing():
    assert fold(MetricDrift(), *measured([0.8] * 500))[0] == []


def test_a_noisy_metric_seldom_raises_anything():
    noise = random.Random(7)
    alarms = sum(
        bool(fold(MetricDrift(), *measured([noise.gauss(0.8, 0.01) for _ in range(60)]))[0]) for _ in range(60)
    )
    assert alarms <= 12


def test_the_finding_is_over_when_the_metric_recovers():
    values = [*CALM, *(0.80 - 0.01 * step for step in range(1, 8)), *([0.82] * 20)]
    assert fold(MetricDrift(), *measured(values))[0][-1].severity is Severity.OK


def test_without_a_metric_the_rule_is_silent():
    bodies = measured([*CALM, 0, 0, 0, 0])
    bodies[0] = RunStarted(goal="x")
    assert fold(MetricDrift(), *bodies) == ([], 0.0)


def test_only_the_named_tool_is_read():
    assert fold(MetricDrift(), *measured([*CALM, 0, 0, 0, 0], tool="other"))[0] == []
    assert fold(MetricDrift(), *measured([*CALM, 0, 0, 0, 0], tool="eval"))[0] != []


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("accuracy: 0.5", 0.5),
        ('{"accuracy": 0.5, "loss": 2}', 0.5),
        ("Accuracy = 50 %", 50.0),
        ("accuracy -1e-3", -0.001),
        ("accuracy: 0.1\naccuracy: 0.2", 0.2),
        ("accuracy was not measured, 3 files", None),
        ("inaccuracy: 4", None),
        ("accuracy:\n4", None),
        ("accuracy: nan", None),
        ("accuracy: " + "9" * 400, None),
        ("accuracy", None),
        ("", None),
    ],
)
def test_the_number_is_the_one_behind_the_name(text, value):
    assert reading(text, "accuracy") == value


@given(st.text(max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_text_can_be_read(text):
    reading("accuracy" + text, "accuracy")


GOAL = RunStarted(goal="Repair the nightly ingestion of orders: the column customer_number was renamed upstream.")


def call(n, **args):
    return ToolIntended(call=f"c{n}", tool="look", args=args)


def answer(n, text):
    return ToolFinished(call=f"c{n}", tool="look", result=Text.plain(text))


ON = call(98, path="ingestion/orders.py")
STRAY = [
    "sourdough hydration",
    "violin varnish",
    "moldovan passports",
    "celtic knitwear",
    "alpine goats",
    "tango festivals",
    "origami cranes",
    "baroque fountains",
    "polar telescopes",
]
TOOLS = ("look", "note", "post")


def step(n, path):
    """One of several kinds in turn: the same kind of step in a row counts once for the goal's terms."""
    return ToolIntended(call=f"c{n}", tool=TOOLS[n % len(TOOLS)], args={"path": path})


def strays(start=10):
    return [
        ToolIntended(call=f"c{start + at}", tool=TOOLS[at % len(TOOLS)], args={"query": text})
        for at, text in enumerate(STRAY)
    ]


def test_a_row_of_calls_about_nothing_of_the_task_is_a_warning():
    found, _ = fold(Derailment(), GOAL, call(1, path="ingestion/orders.py"), answer(1, "def load(): ..."), *strays())
    assert [(one.rule, one.severity) for one in found] == [(DERAILED, Severity.WARN)]
    assert found[0].evidence == (4, 4 + Drift().derail_calls - 1)


def test_the_same_call_again_is_no_step_further_away():
    bodies = [GOAL, *(one for at in range(6) for one in strays(10 + 20 * at)[:3])]
    assert fold(Derailment(), *bodies)[0] == []


def test_one_thing_done_to_many_things_is_a_batch():
    assert fold(Derailment(), GOAL, *(call(n, query=text) for n, text in enumerate(STRAY)))[0] == []


def test_programs_of_one_shell_are_kinds_of_their_own():
    programs = ("curl", "psql", "mail")
    bodies = [
        ToolIntended(call=f"c{n}", tool="shell", args={"command": f"{programs[n % 3]} {text}"})
        for n, text in enumerate(STRAY)
    ]
    assert [one.rule for one in fold(Derailment(), GOAL, ON, *bodies)[0]] == [DERAILED]


def test_looking_around_shows_ways():
    bodies: list[Body] = [GOAL, call(1, path="."), answer(1, " ".join(STRAY))]
    assert fold(Derailment(), *bodies, *strays())[0] == []


def test_what_results_lead_to_is_on_the_way():
    bodies: list[Body] = [
        GOAL,
        call(1, path="ingestion/orders.py"),
        answer(1, "see warehouse_loader and partition_map"),
    ]
    for n in range(2, 20):
        bodies += [call(n, symbol=f"warehouse_loader{n - 1}" if n > 2 else "warehouse_loader")]
        bodies += [answer(n, f"calls warehouse_loader{n}")]
    assert fold(Derailment(), *bodies)[0] == []


def test_what_strayed_calls_return_does_not_lead_on():
    bodies: list[Body] = [GOAL, ON]
    for n, one in enumerate(strays(0)):
        bodies += [one, answer(n, " ".join(STRAY))]
    assert [one.rule for one in fold(Derailment(), *bodies)[0]] == [DERAILED]


def test_the_plan_counts_as_on_the_way():
    plan = ModelCalled(text=Text.plain("Plan: first " + ", then ".join(STRAY) + "."))
    assert fold(Derailment(), GOAL, plan, *strays())[0] == []


def test_what_the_user_adds_counts_as_the_goal():
    more = UserSaid(text=Text.plain("Also tell me about " + " and ".join(STRAY)))
    assert fold(Derailment(), GOAL, more, *strays())[0] == []


def test_coming_back_ends_the_finding():
    found, _ = fold(Derailment(), GOAL, ON, *strays(), call(90, path="ingestion/orders.py"))
    assert [one.severity for one in found] == [Severity.WARN, Severity.OK]


def test_without_a_goal_nobody_strays():
    assert fold(Derailment(), RunStarted(goal=""), *strays()) == ([], 0.0)


def test_calls_without_a_word_neither_stray_nor_return():
    found, _ = fold(Derailment(), GOAL, *strays()[:3], call(50), call(51, count=3), *strays(60)[3:])
    assert [one.rule for one in found] == [DERAILED]


def test_losing_the_terms_of_the_goal_is_a_warning():
    window = Drift().terms_window_calls
    on = [
        body
        for n in range(window)
        for body in (step(n, "ingestion/orders"), answer(n, "next: zebrafish_table warehouse_loader"))
    ]
    off = [step(window + n, "zebrafish_table/warehouse_loader") for n in range(2 * window)]
    assert [one.rule for one in fold(Derailment(), GOAL, *on, *off)[0]] == [TERMS]


RULES = (MetricDrift(), Derailment())


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
@pytest.mark.parametrize(
    "text", ["a" * 300_000, "accuracy" * 40_000, "accuracy 1e" * 30_000, "\ud800" * 100_000, "x1 " * 90_000]
)
def test_hostile_text_is_survived(rule, text):
    start = RunStarted(goal=text, metric="accuracy")
    fold(
        rule,
        start,
        call(1, a=text),
        answer(1, text),
        ModelCalled(text=Text.plain(text)),
        UserSaid(text=Text.plain(text)),
    )


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_the_state_stays_small_and_survives_a_restart(rule):
    state = rule.start()
    state, _ = rule.step(state, Event(seq=0, body=GOAL))
    for seq in range(1, 3_000):
        bodies = (call(seq, path=f"ingestion/part{seq}"), answer(seq, f"word{seq}abc other{seq}xyz accuracy {seq}"))
        for body in bodies:
            if body.kind in rule.kinds:
                state, _ = rule.step(state, Event(seq=seq, body=body))
    assert len(pickle.dumps(state)) < 120_000
    assert snapshot.decoded(snapshot.encoded(state)) == state


def test_a_batch_on_the_way_to_other_work_is_no_step_away():
    batch = [ToolIntended(call=f"b{n}", tool="rotate", args={"image": f"holiday-{n:03}"}) for n in range(30)]
    assert fold(Derailment(), GOAL, ON, *strays()[:3], *batch, *strays(60)[3:6])[0] == []


def test_looking_around_before_anything_is_on_the_way_is_no_straying():
    assert fold(Derailment(), GOAL, *strays()[:9])[0] == []


def test_one_common_word_makes_up_for_a_few_calls_but_does_not_bring_back():
    shown = answer(98, "the orders of the harbour warehouse")
    weak = call(97, query="harbour cranes")
    few, many = [*strays()[:6], weak, *strays(40)[6:8]], [*strays()[:6], weak, *strays(40)[6:9]]
    assert fold(Derailment(), GOAL, ON, shown, *few)[0] == []
    assert [one.rule for one in fold(Derailment(), GOAL, ON, shown, *many)[0]] == [DERAILED]


def test_a_word_of_the_goal_in_the_name_of_a_tool_not_used_before_does_not_bring_back():
    named = ToolIntended(call="c97", tool="ingestion_report", args={"of": "Vienna"})
    found = fold(Derailment(), GOAL, ON, *strays()[:5], named, *strays(40)[5:8])[0]
    assert [one.rule for one in found] == [DERAILED]
