"""``watchdogd bench`` and ``watchdogd drill``."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
import typer
from typer.testing import CliRunner

from watchdogd.commands import thresholds as named
from watchdogd.commands.bench import bench
from watchdogd.commands.drill import drill
from watchdogd.commands.measures import auroc, quantile, rate
from watchdogd.core.detect.bank import Thresholds
from watchdogd.core.events import Event
from watchdogd.sim.faults import INJECTORS, LOOK_ALIKES, injected
from watchdogd.sim.wordings import SHIPPED
from watchdogd.wire.trajectory import SCHEMA, Step, Trajectory, events, line_of

app = typer.Typer()
app.command("bench")(bench)
app.command("drill")(drill)


def run(*args: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(one) for one in args])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def healthy(seed: int, *, success: bool = True, loop: bool = False) -> Trajectory:
    rng = Random(seed)
    steps = [Step(i=0, kind="user", text="find the cheapest train")]
    topics = ["ulm", "bonn", "kiel", "jena", "graz", "bern", "lyon", "brno", "gent", "rovigo", "leeds", "nancy"]
    for n in range(12):
        tool, city = rng.choice(["search", "fetch_page", "shell"]), topics[n]
        same = loop and n > 4
        args = {"query": "same" if same else f"trains from {city} to {rng.choice(topics)} {n}"}
        text = (
            "same again"
            if same
            else f"{city}: " + " ".join(f"{rng.randrange(24)}h-{rng.randrange(90)}eur" for _ in range(9))
        )
        steps.append(Step(i=len(steps), kind="tool_call", tool="search" if same else tool, args=args))
        steps.append(Step(i=len(steps), kind="tool_result", tool="search" if same else tool, result=text))
    onset = 11 if loop else None
    return Trajectory(id=f"run {seed}", labels={"task_success": success}, onset_step=onset, steps=tuple(steps))


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    path = tmp_path / "runs.jsonl"
    lines = [healthy(seed) for seed in range(8)] + [healthy(seed, success=False, loop=True) for seed in range(8, 12)]
    path.write_text("".join(line_of(one) + "\n" for one in lines))
    return path


def test_bench_prints_areas_rates_delays_and_cost(runs: Path) -> None:
    status, out = run("bench", runs)
    assert status == 0
    lines = out.splitlines()
    assert lines[0] == "12 runs, 312 events, 0 unreadable"
    assert "task_success: 4 bad, 8 good, 0 unknown" in lines[1]
    progress = next(one for one in lines if one.strip().startswith("progress"))
    assert "1.000" in progress
    assert "100.0 % [51.0, 100.0]" in progress
    assert "us per event" in out
    assert "p99" in out
    assert "KiB" in out


def test_bench_json_holds_the_same(runs: Path) -> None:
    measured = json.loads(run("bench", "--json", runs)[1])
    channel = measured["labels"]["task_success"]["progress"]
    assert channel["auroc"]["value"] == 1
    assert channel["warn_bad"]["value"] == 1
    assert channel["warn_good"]["value"] == 0
    assert measured["steps_from_onset"]["progress"] == {"runs": 4, "median": 7, "p90": 7}


def test_a_sweep_shows_what_a_threshold_trades(runs: Path) -> None:
    status, out = run("bench", "--sweep", "progress/repeat.crit=5,40", runs)
    assert status == 0
    low, high = (one for one in out.splitlines() if one.strip().startswith(("5 ", "40 ")))
    assert low.count("100.0 % [") == 2
    assert high.count("100.0 % [") == 1


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ("progress", "is not RULE.threshold"),
        ("=3", "is not RULE.threshold"),
        ("progress/repeat.=3", "is not RULE.threshold"),
        ("progress/nothing.warn=1", "no threshold 'progress/nothing.warn'; progress has repeat_warn"),
        ("mood/x.y=1", "no family 'mood'; there are drift, progress"),
        ("progress/repeat.warn=", "'' is not a number"),
        ("progress/repeat.warn=a", "'a' is not a number"),
        ("progress/repeat.warn=3,,4", "'' is not a number"),
        ("progress/repeat.warn=nan", "'nan' is not a number"),
        ("progress/repeat.warn=-1", "'-1' is not a number from 0 on"),
        ("progress/repeat.warn=1e400", "is not a number"),
        ("progress/repeat.warn=2.5", "2.5: this threshold counts something"),
        ("drift/injection.warn=0.1:0.9", "'0.1:0.9' is not first:last:count"),
        ("drift/injection.warn=0.1:0.9:1", "'1': the count is a whole number from 2 to 50"),
        ("drift/injection.warn=0.1:0.9:1000000", "'1000000': the count is a whole number"),
    ],
)
def test_a_sweep_over_nothing_is_refused_with_the_reason(runs: Path, bad: str, why: str) -> None:
    with pytest.raises(typer.BadParameter) as said:
        named.parsed(bad)
    assert why in str(said.value)
    assert run("bench", "--sweep", bad, runs)[0] == 2


def test_a_range_is_first_to_last_in_equal_parts_and_whole_where_the_threshold_counts() -> None:
    assert named.parsed("drift/injection.warn=0.2:0.4:5").values == (0.2, 0.25, 0.3, 0.35, 0.4)
    assert named.parsed("progress/repeat.warn=3:5:7").values == (3, 4, 5)
    assert named.parsed("progress/repeat.warn=6,3,6").values == (6, 3)


def test_a_sweeps_json_holds_recall_and_false_alarms_of_each_value(runs: Path) -> None:
    status, out = run("bench", "--json", "--sweep", "progress/repeat.crit=5:40:2", runs)
    assert status == 0
    found = json.loads(out)
    assert (found["sweep"], found["channel"], found["now"]) == ("progress.repeat_crit", "progress", 6)
    rates = [(one["value"], one["labels"]["task_success"]["progress"]) for one in found["values"]]
    assert [(value, rate["warn_bad"]["value"], rate["warn_good"]["value"]) for value, rate in rates] == [
        (5, 1, 0),
        (40, 1, 0),
    ]


def test_a_sweep_over_runs_without_labels_shows_how_often_it_fires(tmp_path: Path) -> None:
    path = tmp_path / "runs.jsonl"
    path.write_text("".join(line_of(replace(healthy(seed, loop=True), labels={})) + "\n" for seed in range(3)))
    status, out = run("bench", "--sweep", "progress/repeat.warn=3,100", path)
    assert status == 0
    low, high = (one.split() for one in out.splitlines() if one.strip().startswith(("3 ", "100 ")))
    assert (low[1], high[1]) == ("100.0", "100.0")  # another rule of the channel sees the loop as well


def test_thresholds_are_found_under_both_spellings_and_keep_their_type() -> None:
    assert named.parsed("progress/repeat.warn=3") == named.parsed("progress.repeat_warn=3")
    assert named.parsed("progress/repeat.warn=3").name == "progress.repeat_warn"
    new = named.changed(Thresholds(), "progress", "repeat_warn", 7.0)
    assert new.progress.repeat_warn == 7
    assert isinstance(new.progress.repeat_warn, int)


def test_drill_prints_recall_delay_and_untouched_alarms(runs: Path) -> None:
    status, out = run("drill", runs, "--fault", "exact-loop", "--fault", "polling")
    assert status == 0
    assert out.startswith("8 healthy recordings; alarms on the untouched copies: warn 0.0 %")
    loop = next(one for one in out.splitlines() if one.startswith("exact-loop"))
    assert "100.0 %" in loop
    assert "median 4" in loop
    polling = next(one for one in out.splitlines() if one.startswith("polling"))
    assert polling.split()[1:3] == ["8", "0.0"]


def test_drill_is_the_same_for_the_same_seed_and_another_for_another(runs: Path) -> None:
    args = ("drill", runs, "--fault", "error-burst", "--json")
    assert run(*args, "--seed", 3) == run(*args, "--seed", 3)
    assert run(*args, "--seed", 3)[1] != run(*args, "--seed", 4)[1]


def test_an_unknown_fault_is_refused_with_the_known_ones(runs: Path) -> None:
    status, out = run("drill", runs, "--fault", "gremlins")
    assert status == 2
    assert "exact-loop" in out


@pytest.mark.parametrize("kind", sorted(INJECTORS))
def test_every_fault_is_one_consistent_recording(kind: str) -> None:
    base = tuple(events(healthy(5)))
    made = next(found for seed in range(60) if (found := injected(kind, base, Random(seed), SHIPPED)) is not None)
    assert [one.seq for one in made.events] == list(range(-1, len(made.events) - 1))
    assert made.events[: made.onset] != base or made.onset == len(base)
    open_calls: set[str] = set()
    for event in made.events:
        call = getattr(event.body, "call", "")
        if event.body.kind == "tool_intended":
            assert call not in open_calls
            open_calls.add(call)
        if event.body.kind == "tool_finished":
            open_calls.remove(call)
    assert not open_calls
    assert (kind in LOOK_ALIKES) or made.onset <= made.events[-1].seq


def test_faults_need_something_to_be_made_from() -> None:
    assert injected("exact-loop", [Event(seq=0, body=next(iter(events(healthy(1)))).body)], Random(1), SHIPPED) is None


def test_rates_and_areas_are_the_textbook_ones() -> None:
    ten = rate(0, 10)
    assert ten is not None
    assert (round(ten.low, 3), round(ten.high, 3)) == (0.0, 0.278)
    assert rate(0, 0) is None
    area = auroc([0.9, 0.5], [0.1, 0.5])
    assert area is not None
    assert area.value == 0.875
    assert auroc([], [1.0]) is None
    assert [quantile([1, 2, 3, 4], share) for share in (0.5, 0.9, 1.0)] == [2, 4, 4]


def test_the_schema_name_is_the_documented_one() -> None:
    assert SCHEMA == "watchdogd.trajectory/1"


def test_a_terminal_gets_colours_and_a_pipe_gets_none(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b[" not in run("bench", runs)[1]
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[" in run("bench", runs)[1]
