"""Injected faults, look-alikes, untouched recordings and the conformance cases, beside two published detectors.

``WATCHDOGD_RECORDINGS`` names a directory of recorded runs (``*.jsonl.gz``); without it those beside the checkout are
taken, beside the scripted sessions of ``sessions.py``. ``WATCHDOGD_BENCH_RUNS`` is how many recordings get each fault
(60); ``!`` marks what is short of its bar.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.bench.peers import Gemini, OpenHands
from tests.bench.sessions import sessions
from tests.bench.wordings_eighth import EIGHTH
from tests.bench.wordings_fifth import FIFTH
from tests.bench.wordings_fourth import FOURTH
from tests.bench.wordings_fresh import FRESH
from tests.bench.wordings_held import HELD
from tests.bench.wordings_loops import LOOPS
from tests.bench.wordings_loops_held import LOOPS_HELD
from tests.bench.wordings_second import SECOND
from tests.bench.wordings_seventh import SEVENTH
from tests.bench.wordings_sixth import SIXTH
from tests.bench.wordings_third import THIRD
from watchdogd.app.detectors import detectors
from watchdogd.commands.drill import alarms_of, blames
from watchdogd.commands.measures import Estimate, quantile, rate
from watchdogd.commands.recordings import Recording, Unread, recordings
from watchdogd.core.detect.bank import Bank
from watchdogd.core.events import Event, ToolFinished
from watchdogd.core.health import Channel, Finding, Severity
from watchdogd.sim.faults import EXPECTED, INJECTORS, LOOK_ALIKES, Injected, injected
from watchdogd.sim.wordings import SHIPPED, Wordings

CONFORMANCE = Path(__file__).parents[1] / "data" / "conformance.jsonl.gz"
BESIDE = Path(__file__).parents[3] / "shared" / "data"
SETS: dict[str, Wordings] = {
    "development": SHIPPED,
    "second": SECOND,
    "held": HELD,
    "third": THIRD,
    "loops": LOOPS,
    "loops, held": LOOPS_HELD,
    "fresh": FRESH,
}
"""Wordings: those that ship, then those of rounds of repairs; each set was unseen when it was first measured, none is
now."""
NEWEST = "fresh"
OF_ERRORS: dict[str, Wordings] = {
    "fourth": FOURTH,
    "fifth": FIFTH,
    "sixth": SIXTH,
    "seventh": SEVENTH,
    "eighth": EIGHTH,
}
"""Further sets of errors and outages alone. The outages of the fifth and the seventh and the whole eighth never
changed a rule: held out."""
ERRORS = ("same-error", "error-burst", "unflagged-error-burst", "outage")
PEERS: dict[str, Callable[[], OpenHands | Gemini]] = {"openhands": OpenHands, "gemini-cli": Gemini}
BARS: dict[str, tuple[float, float]] = {
    **dict.fromkeys(("exact-loop", *(f"cycle-{one}" for one in range(2, 9))), (0.99, 1.0)),
    **dict.fromkeys(("interleaved", "same-error", "stagnation", "monologue"), (0.99, 1.0)),
    "stamped-loop": (0.95, 1.0),
    "stamped-cycle-3": (0.80, 0.99),
    "error-burst": (0.99, 1.0),
    "unflagged-error-burst": (0.85, 0.95),
    "restart": (0.99, 1.0),
    "forgetting": (0.93, 0.99),
    "outage": (0.90, 0.99),
    "outage, blamed on the agent": (0.10, 0.0),
    **dict.fromkeys(LOOK_ALIKES, (0.01, 0.0)),
    **dict.fromkeys((f"{one}, any channel" for one in LOOK_ALIKES), (0.01, 0.0)),
}
"""What must and what should be reached: recall of faults, false alarms of the rest."""
AT_MOST = frozenset({"outage, blamed on the agent", *LOOK_ALIKES, *(f"{one}, any channel" for one in LOOK_ALIKES)})
OF_CALLS = (Channel.ERRORS, Channel.PROGRESS, Channel.RECALL, Channel.COST)
"""What calls and their results show; that look-alikes are foreign to the task is another channel's matter."""
SEED = 11


@dataclass(slots=True)
class Count:
    """One row of the table under one set of wordings."""

    runs: int = 0
    hits: int = 0
    calls: list[float] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)

    def take(self, run: str, after_calls: int | None) -> None:
        """One more run; ``after_calls`` is None when nothing was seen."""
        self.runs += 1
        if after_calls is None:
            self.missed.append(run)
        else:
            self.hits += 1
            self.calls.append(float(after_calls))


@dataclass(slots=True)
class Row:
    """One kind of fault under one set of wordings: the bank, and the peers on the very same runs."""

    ours: Count = field(default_factory=Count)
    other: Count = field(default_factory=Count)
    """Of an outage: blamed on the agent. Of a look-alike: anything from any channel."""
    peers: dict[str, Count] = field(default_factory=lambda: {name: Count() for name in PEERS})


def run() -> None:
    """Prints every table."""
    most = int(os.environ.get("WATCHDOGD_BENCH_RUNS", "60"))
    one = detectors()
    conformance(one)
    found = healthy()
    silent = untouched(one, found)
    runs = _spread(silent, most)
    faults(one, runs)
    errors(one, runs)


def healthy() -> dict[str, list[Recording]]:
    """Recordings of runs that did their work, by where they come from."""
    root = Path(os.environ.get("WATCHDOGD_RECORDINGS", BESIDE))
    found: dict[str, list[Recording]] = {}
    for path in sorted(root.glob("*.jsonl*")) if root.is_dir() else []:
        if "conformance" in path.name:
            continue
        good = [one for one in _read([path]) if _succeeded(one)]
        if good:
            found[path.name.partition(".")[0]] = good
    found["scripted sessions"] = list(sessions())
    return found


def _read(paths: Iterable[Path]) -> Iterator[Recording]:
    return (one for one in recordings(list(paths)) if not isinstance(one, Unread))


def _succeeded(one: Recording) -> bool:
    labels = one.labels
    return labels.get("task_success") is True and not labels.get("attacked") and not labels.get("hijacked")


def _spread(silent: dict[str, list[Recording]], most: int) -> list[Recording]:
    """Up to ``most`` recordings, as evenly from each source as there are."""
    rng = Random(SEED)
    taken: list[list[Recording]] = []
    for runs in silent.values():
        fit = [one for one in runs if sum(isinstance(event.body, ToolFinished) for event in one.events) >= 4]
        taken.append(rng.sample(fit, min(len(fit), -(-most // len(silent)))))
    return [one for group in taken for one in group][:most]


def conformance(of: Bank) -> None:
    """The cases of other detectors' own tests."""
    cases = list(_read([CONFORMANCE]))
    hard = [case for case in cases if case.labels.get("threshold_sensitive") is False]
    right = {case.id for case in cases if _stuck(of, case) == (case.labels.get("expect") == "stuck")}
    hits = sum(case.id in right for case in hard)
    print(f"conformance, hard cases (must 95 %, aim 100 %): {hits}/{len(hard)}; all {len(right)}/{len(cases)}")
    for name, make in PEERS.items():
        hits = sum(_peer_stuck(make(), case) == (case.labels.get("expect") == "stuck") for case in hard)
        print(f"  {name}: {hits}/{len(hard)} of the hard ones")
    for case in cases:
        if case.id not in right:
            print(f"  otherwise: {case.id}{'' if case in hard else ' (threshold sensitive)'}")


def _stuck(of: Bank, case: Recording) -> bool:
    """Whether progress was at WARN or worse: at any time, or where the case asks for that, at its end."""
    at_end = case.labels.get("eval_at") == "end"
    state, up = of.start(), dict[str, bool]()
    for event in case.events:
        state, found = of.step(state, event)
        for one in found:
            if one.channel is Channel.PROGRESS:
                name, loud = f"{one.rule} {one.key}", one.severity.rank >= Severity.WARN.rank
                up[name] = loud or (up.get(name, False) and not at_end)
    return any(up.values())


def _peer_stuck(detector: OpenHands | Gemini, case: Recording) -> bool:
    seen = [detector.sees(event) for event in case.events]
    return seen[-1] if case.labels.get("eval_at") == "end" else any(seen)


def untouched(of: Bank, found: dict[str, list[Recording]]) -> dict[str, list[Recording]]:
    """Alarms on healthy recordings as they are; those without any."""
    print("\nhealthy recordings, untouched (must: warn 3 %, crit 1 %; aim: 1 %, 0)")
    print(f"{'from':<20}{'runs':>6}  {'warn or worse':<22}{'crit':<22}{'openhands':<22}{'gemini-cli':<22}rules")
    silent: dict[str, list[Recording]] = {}
    for name, runs in found.items():
        warn, crit, rules = 0, 0, dict[str, int]()
        other = dict.fromkeys(PEERS, 0)
        silent[name] = []
        for one in runs:
            alarms = [alarm.finding for alarm in alarms_of(one.events, of)]
            loud = [alarm for alarm in alarms if alarm.severity.rank >= Severity.WARN.rank]
            warn, crit = warn + bool(loud), crit + any(alarm.severity is Severity.CRIT for alarm in loud)
            for rule in {alarm.rule for alarm in loud}:
                rules[rule] = rules.get(rule, 0) + 1
            if not any(alarm.channel in OF_CALLS for alarm in alarms):
                silent[name].append(one)
            for peer, make in PEERS.items():
                other[peer] += _peer(make(), one.events, -1) is not None
        count = len(runs)
        cells = [_share(rate(hits, count)) for hits in (warn, crit, *other.values())]
        print(f"{name:<20}{count:>6}  " + "".join(f"{cell:<22}" for cell in cells) + _most(rules))
    return silent


def _most(rules: dict[str, int]) -> str:
    ranked = sorted(rules.items(), key=lambda item: -item[1])
    return ", ".join(f"{rule} {count}" for rule, count in ranked[:4])


def faults(of: Bank, runs: Sequence[Recording]) -> None:
    """Recall and delay of every kind of fault, false alarms of look-alikes; by set of wordings, and the peers."""
    print(
        f"\ninjected into {len(runs)} recordings in which these rules are silent; "
        "recall [95 %] at WARN, median finished calls from the onset"
    )
    heads = "".join(f"{name:<25}" for name in SETS)
    print(f"{'':<30}{'must':>6}{'aim':>6}  {heads}" + "".join(f"{f'{name}, {NEWEST}':<22}" for name in PEERS))
    for kind in INJECTORS:
        rows = {name: measured(kind, runs, of, words) for name, words in SETS.items()}
        _print(kind, {name: row.ours for name, row in rows.items()}, rows[NEWEST].peers)
        if kind == "outage" or kind in LOOK_ALIKES:
            what = "blamed on the agent" if kind == "outage" else "any channel"
            _print(f"{kind}, {what}", {name: row.other for name, row in rows.items()}, None)


def errors(of: Bank, runs: Sequence[Recording]) -> None:
    """The faults of the errors channel in the sets of errors and outages alone."""
    print(f"\n{'errors and outages':<30}{'must':>6}{'aim':>6}  " + "".join(f"{name:<25}" for name in OF_ERRORS))
    for kind in ERRORS:
        rows = {name: measured(kind, runs, of, words, peers=()) for name, words in OF_ERRORS.items()}
        _print(kind, {name: row.ours for name, row in rows.items()}, None)
        if kind == "outage":
            _print(f"{kind}, blamed on the agent", {name: row.other for name, row in rows.items()}, None)


def _print(kind: str, counts: dict[str, Count], peers: dict[str, Count] | None) -> None:
    must, aim = BARS.get(kind, (None, None))
    bars = f"{'' if must is None else f'{must:.0%}':>6}{'' if aim is None else f'{aim:.0%}':>6}"
    cells = "".join(f"{_cell(kind, one):<25}" for one in counts.values())
    others = "" if peers is None else "".join(f"{_share(rate(one.hits, one.runs)):<22}" for one in peers.values())
    print(f"{kind:<30}{bars}  {cells}{others}", flush=True)


def _cell(kind: str, one: Count) -> str:
    must = BARS.get(kind, (None, None))[0]
    share = one.hits / one.runs if one.runs else 0.0
    under = must is not None and (share > must if kind in AT_MOST else share < must)
    median = quantile(one.calls, 0.5)
    delay = "" if median is None or kind in AT_MOST else f" {median:.0f}"
    return f"{'!' if under else ' '}{_share(rate(one.hits, one.runs))}{delay}"


def _share(estimate: Estimate | None) -> str:
    if estimate is None:
        return "-"
    return f"{100 * estimate.value:5.1f} [{100 * estimate.low:.0f},{100 * estimate.high:.0f}]"


def measured(
    kind: str, runs: Sequence[Recording], of: Bank, words: Wordings, peers: Iterable[str] = tuple(PEERS)
) -> Row:
    """``kind`` in ``words`` put into each of ``runs``."""
    row = Row()
    for one in runs:
        rng = Random(f"{SEED} {kind} {one.id}")
        made = injected(kind, one.events, rng, words)
        if made is None:
            continue
        _ours(kind, one.id, made, of, row)
        for name in peers:
            row.peers[name].take(one.id, _peer(PEERS[name](), made.events, made.onset))
    return row


def _ours(kind: str, run: str, made: Injected, of: Bank, row: Row) -> None:
    first: int | None = None
    other: int | None = None
    for alarm in alarms_of(made.events, of):
        if alarm.seq < made.onset or alarm.finding.severity.rank < Severity.WARN.rank:
            continue
        after = alarm.calls - made.calls_at_onset
        if first is None and _about(kind, alarm.finding):
            first = after
        if other is None and (kind in LOOK_ALIKES or (kind == "outage" and blames(alarm.finding))):
            other = after
    row.ours.take(run, first)
    row.other.take(run, other)


def _about(kind: str, finding: Finding) -> bool:
    if kind in LOOK_ALIKES:
        return finding.channel in OF_CALLS
    if kind == "outage":
        return finding.rule.endswith("outage")
    return finding.channel.value in EXPECTED.get(kind, ("progress",))


def _peer(detector: OpenHands | Gemini, events: Sequence[Event], onset: int) -> int | None:
    """Finished calls from ``onset`` to the first alarm of ``detector`` there."""
    calls = 0
    for event in events:
        calls += isinstance(event.body, ToolFinished) and event.seq >= onset
        if detector.sees(event) and event.seq >= onset:
            return calls
    return None


if __name__ == "__main__":
    run()
