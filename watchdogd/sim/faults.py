"""Faults put into healthy recordings, and things that only look like faults."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random  # noqa: TID251 - seeded by the caller: the same seed, the same faults
from typing import TypeAlias

from watchdogd.core.detect.failures import Habit, says_error
from watchdogd.core.detect.keys import leaves
from watchdogd.core.detect.manners import Effect, asks_to_wait, effect_of
from watchdogd.core.events import (
    Body,
    Event,
    ModelCalled,
    RunStarted,
    Text,
    ToolFinished,
    ToolIntended,
    Usage,
)
from watchdogd.sim.wordings import Wordings

STEP_S = 4.0
"""Seconds between injected events where the recording has times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Injected:
    """A recording with a fault in it."""

    events: tuple[Event, ...]
    onset: int
    """Sequence number of the first event of the fault."""
    calls_at_onset: int
    """Finished calls before it."""


@dataclass(frozen=True, slots=True)
class Done:
    """A call and its outcome, taken from a recording."""

    intended: ToolIntended
    finished: ToolFinished


class Tape:
    """Events being put together: numbers, times and call ids are made to fit."""

    def __init__(self, head: Sequence[Event], rng: Random, wordings: Wordings) -> None:
        self.events = list(head)
        self.rng, self.words = rng, wordings
        self._timed = any(one.at is not None for one in head)
        self.at = next((one.at for one in reversed(head) if one.at is not None), None)
        self._ids = 0
        self.onset: int | None = None

    def put(self, body: Body, *, after_s: float = STEP_S) -> Event:
        """The next event."""
        if self._timed and self.at is not None:
            self.at += after_s
        seq = self.events[-1].seq + 1 if self.events else 0
        event = Event(
            seq=seq, body=body, at=self.at if self._timed else None, run=self.events[0].run if self.events else ""
        )
        if self.onset is None:
            self.onset = seq
        self.events.append(event)
        return event

    def say(self, text: str | None = None) -> None:
        """The agent says something (often nothing)."""
        words = self.rng.choice(self.words.thoughts) if text is None else text
        if words:
            self.put(ModelCalled(text=Text.plain(words)))

    def call(
        self,
        tool: str,
        args: Mapping[str, object],
        result: str,
        *,
        failed: bool = False,
        takes_s: float = STEP_S,
        gap_s: float = STEP_S,
    ) -> None:
        """A call and its result."""
        self._ids += 1
        call = f"injected {self._ids}"
        self.put(ToolIntended(call=call, tool=tool, args=args), after_s=gap_s)
        outcome = ToolFinished(call=call, tool=tool, result=Text.plain(result))
        self.put(replace(outcome, outcome="error") if failed else outcome, after_s=takes_s)

    def again(self, done: Done, result: str | None = None) -> None:
        """A recorded call once more."""
        text = done.finished.result.shown if result is None else result
        self.call(done.intended.tool, done.intended.args, text, failed=done.finished.outcome == "error")

    def follow(self, events: Sequence[Event]) -> None:
        """The rest of a recording, moved behind what was injected."""
        first = next((one.at for one in events if one.at is not None), None)
        shift_s = 0.0 if first is None or self.at is None else max(0.0, self.at + STEP_S - first)
        for one in events:
            at = None if one.at is None else one.at + shift_s
            self.events.append(replace(one, seq=self.events[-1].seq + 1, at=at))

    def injected(self) -> Injected:
        """All of it."""
        onset = self.onset if self.onset is not None else self.events[-1].seq + 1
        calls = sum(isinstance(one.body, ToolFinished) and one.seq < onset for one in self.events)
        return Injected(events=tuple(self.events), onset=onset, calls_at_onset=calls)


Injector: TypeAlias = Callable[["Base", Tape], bool]
"""Writes the fault onto the tape; False when the recording gives nothing to make it from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """The healthy recording a fault is put into."""

    events: tuple[Event, ...]
    cut: int
    """Index of the first event after the injection."""
    done: tuple[Done, ...]
    """The calls finished before the cut."""
    rest: tuple[Done, ...]
    """Those after it."""


def injected(kind: str, events: Sequence[Event], rng: Random, wordings: Wordings) -> Injected | None:
    """``events`` with a fault (or a look-alike) of ``kind`` in it, or None when they are too short for it."""
    base = _base(events, rng)
    if base is None:
        return None
    tape = Tape(base.events[: base.cut], rng, wordings)
    if not INJECTORS[kind](base, tape):
        return None
    tape.follow(base.events[base.cut :])
    return tape.injected()


def _base(events: Sequence[Event], rng: Random) -> Base | None:
    open_calls: dict[str, ToolIntended] = {}
    ends: list[tuple[int, Done]] = []
    for at, event in enumerate(events):
        body = event.body
        if isinstance(body, ToolIntended):
            open_calls[body.call] = body
        elif isinstance(body, ToolFinished) and body.call in open_calls:
            ends.append((at, Done(open_calls.pop(body.call), body)))
    places = [at for at, _ in ends[1:] if not _open_at(events, at)]
    if not places:
        return None
    cut = rng.choice(places) + 1
    return Base(
        events=tuple(events),
        cut=cut,
        done=tuple(one for at, one in ends if at < cut),
        rest=tuple(one for at, one in ends if at >= cut),
    )


def _open_at(events: Sequence[Event], end: int) -> bool:
    """Whether a call is under way after ``end``."""
    started = {one.body.call for one in events[: end + 1] if isinstance(one.body, ToolIntended)}
    finished = {one.body.call for one in events[: end + 1] if isinstance(one.body, ToolFinished)}
    return bool(started - finished)


def _healthy(base: Base) -> list[Done]:
    """Calls that worked; not those that wait, whose repetition is no fault."""
    return [
        one
        for one in base.done
        if one.finished.outcome != "error"
        and one.finished.result.head.strip()
        and not says_error(one.finished.result, Habit())
        and not asks_to_wait(one.intended.tool, leaves(one.intended.args, 8))
    ]


def _same(one: Done, other: Done) -> bool:
    return one.intended.tool == other.intended.tool and dict(one.intended.args) == dict(other.intended.args)


def _distinct(found: Sequence[Done], count: int, rng: Random) -> list[Done] | None:
    by_key = {f"{one.intended.tool} {sorted(one.intended.args.items(), key=str)!r}": one for one in found}
    if len(by_key) < count:
        return None
    return rng.sample(list(by_key.values()), count)


def _stamped(tape: Tape, text: str, stamp: Callable[[Random, int], str], n: int, style: int) -> str:
    mark = stamp(tape.rng, n)
    if style == 0:
        return f"{mark} {text}"
    if style == 1:
        return f"{text}\n{mark}"
    head, space, tail = text.partition(" ")
    return f"{head} {mark}{space}{tail}"


def _exact(base: Base, tape: Tape) -> bool:
    found = _healthy(base)
    if not found:
        return False
    one = tape.rng.choice(found)
    for _ in range(8):
        tape.say()
        tape.again(one)
    return True


def _stamps(base: Base, tape: Tape) -> bool:
    found = _healthy(base)
    if not found:
        return False
    one, stamp, style = tape.rng.choice(found), tape.rng.choice(tape.words.stamps), tape.rng.randrange(3)
    for n in range(10):
        tape.say()
        tape.again(one, _stamped(tape, one.finished.result.shown, stamp, n, style))
    return True


def _cycle(period: int, *, stamped: bool = False) -> Injector:
    def inject(base: Base, tape: Tape) -> bool:
        found = _distinct(_healthy(base), period, tape.rng)
        if found is None:
            return False
        stamp, style = tape.rng.choice(tape.words.stamps), tape.rng.randrange(3)
        for n in range(6 if stamped else 5):
            for one in found:
                tape.say()
                tape.again(one, _stamped(tape, one.finished.result.shown, stamp, n, style) if stamped else None)
        return True

    return inject


def _interleaved(base: Base, tape: Tape) -> bool:
    found = _healthy(base)
    if not found:
        return False
    one = tape.rng.choice(found)
    others = [done for done in base.rest if not _same(done, one)]
    for n in range(7):
        tape.again(one)
        other = others[n] if n < len(others) else None
        if other is not None:
            tape.again(other)
        else:
            tape.call("look_up", {"item": f"{tape.rng.choice(tape.words.queries)} {n}"}, f"entry {n}: {n * 37 % 101}")
    return True


def _same_error(base: Base, tape: Tape) -> bool:
    tool = tape.rng.choice(base.done).intended.tool
    error = tape.rng.choice(tape.words.errors)
    for n in range(8):
        tape.say()
        tape.call(tool, {"query": f"{tape.rng.choice(tape.words.queries)} {n}"}, error, failed=True)
    return True


def _burst(*, flagged: bool) -> Injector:
    def inject(base: Base, tape: Tape) -> bool:
        source = [*base.rest, *base.done]
        if len(source) < 3:
            return False
        bad: set[int] = set()
        for n in range(20):
            if n % 5 == 0:
                bad = {n + at for at in tape.rng.sample(range(5), 3)}
            one = source[n % len(source)]
            args = {**one.intended.args, "attempt": n} if n >= len(base.rest) else one.intended.args
            if n in bad:
                tape.call(one.intended.tool, args, tape.rng.choice(tape.words.errors), failed=flagged)
            else:
                tape.call(one.intended.tool, args, f"{one.finished.result.shown}\n{n}")
        return True

    return inject


def _stagnation(base: Base, tape: Tape) -> bool:
    asking = [one.intended.tool for one in base.done if effect_of(one.intended.tool, None) is not Effect.WRITE]
    tool = tape.rng.choice(asking or ["search"])
    long = [one.finished.result.shown for one in _healthy(base) if len(one.finished.result.shown) > 60]
    same = tape.rng.choice([*long, *tape.words.stagnant])
    for n in range(12):
        words = tape.rng.sample(list(tape.words.queries), 3)
        tape.call(tool, {"query": f"{' '.join(words)} {n if n % 2 else ''}"}, same)
    return True


def _monologue(_: Base, tape: Tape) -> bool:
    text = tape.rng.choice(["I am still thinking about the next step", "All done here, nothing more to report"])
    for n in range(6):
        tape.put(ModelCalled(text=Text.plain(f"{text}{'.' * (n % 3)}")))
    return True


def _restart(base: Base, tape: Tape) -> bool:
    if len(base.done) < 4:
        return False
    for one in base.done[:10]:
        tape.again(one)
    return True


def _reread(base: Base, tape: Tape) -> bool:
    found = _healthy(base)
    if not found:
        return False
    one = tape.rng.choice(found)
    for n in range(7):
        tape.again(one)
        for m in range(tape.rng.randint(2, 4)):
            tape.call(
                "look_up", {"item": f"{tape.rng.choice(tape.words.queries)} {n} {m}"}, f"entry {n}.{m}: {n * 37 + m}"
            )
    return True


def _outage(base: Base, tape: Tape) -> bool:
    source = [*base.rest, *base.done]
    for n in range(10):
        one = source[n % len(source)]
        text = tape.rng.choice(tape.words.outages)
        tape.call(one.intended.tool, {**one.intended.args, "try": n}, text, failed=tape.rng.random() < 0.5)
    return True


def _silence(_: Base, tape: Tape) -> bool:
    if tape.at is None:
        _clocked(tape)
    tape.put(ModelCalled(text=Text.plain("Next I will compare both files."), tool_calls=1), after_s=1_800)
    return True


def _clocked(tape: Tape) -> None:
    """Gives a recording without times a step every few seconds."""
    tape.events = [replace(one, at=STEP_S * at) for at, one in enumerate(tape.events)]
    tape.at, tape._timed = tape.events[-1].at, True


def _secret(base: Base, tape: Tape) -> bool:
    one = tape.rng.choice(base.done)
    tape.again(one, f"{one.finished.result.shown[:400]}\n{tape.rng.choice(tape.words.secrets)}\n")
    return True


def _forbidden(_: Base, tape: Tape) -> bool:
    tape.call("shell", {"command": tape.rng.choice(tape.words.forbidden)}, "")
    return True


def _obeyed(base: Base, tape: Tape) -> bool:
    text, tool, args = tape.rng.choice(tape.words.injections)
    one = tape.rng.choice(base.done)
    tape.again(one, f"{one.finished.result.shown}\n{text}")
    tape.onset = tape.events[-1].seq + 1
    tape.call(tool, args, "sent")
    return True


def _runaway(_: Base, tape: Tape) -> bool:
    """Token use that doubles with every call, against a budget the run had from its start."""
    first = tape.events[0]
    if isinstance(first.body, RunStarted):
        tape.events[0] = replace(first, body=replace(first.body, budget_usd=2.0))
    for n in range(12):
        usage = Usage(input_tokens=2_000 * 2**n, output_tokens=500)
        tape.put(ModelCalled(text=Text.plain(f"part {n}"), usage=usage, cost_usd=0.01 * 2**n, tool_calls=1))
    return True


def _polling(base: Base, tape: Tape) -> bool:
    tool, args = tape.rng.choice(tape.words.wait_calls)
    status = tape.rng.choice(tape.words.statuses)
    for n in range(12):
        tape.say()
        tape.call(tool, args, status(tape.rng, n), takes_s=2, gap_s=tape.rng.uniform(5, 30))
    return bool(base.done)


def _waiting(base: Base, tape: Tape) -> bool:
    tool, args = tape.rng.choice(tape.words.wait_calls)
    answer = tape.rng.choice(tape.words.waits)
    for _ in range(9):
        tape.say()
        tape.call(tool, args, answer, takes_s=tape.rng.uniform(1, 30), gap_s=tape.rng.uniform(25, 90))
    return bool(base.done)


def _batch(base: Base, tape: Tape) -> bool:
    tool, name = tape.rng.choice(tape.words.batch_calls)
    ack = tape.rng.choice(tape.words.acks)
    for n in range(30):
        item = f"data/{tape.rng.choice(tape.words.queries).replace(' ', '-')}-{n:03}.csv"
        tape.call(tool, {name: item if name != "command" else f"gzip {item}"}, ack.replace("{}", item))
    return bool(base.done)


def _edit_test(base: Base, tape: Tape) -> bool:
    left = tape.rng.randint(5, 8)
    for n in range(left):
        tape.call("edit_file", {"path": "src/app.py", "old": f"line {n}", "new": f"line {n} fixed"}, "edited")
        failed = left - n - 1
        tape.call(
            "shell",
            {"command": "pytest -q"},
            f"{failed} failed, {12 + n} passed in {tape.rng.uniform(0.2, 0.9):.2f}s",
            failed=failed > 0 and tape.rng.random() < 0.5,
        )
    return bool(base.done)


INJECTORS: Mapping[str, Injector] = {
    "exact-loop": _exact,
    "stamped-loop": _stamps,
    **{f"cycle-{period}": _cycle(period) for period in range(2, 9)},
    "stamped-cycle-3": _cycle(3, stamped=True),
    "interleaved": _interleaved,
    "same-error": _same_error,
    "error-burst": _burst(flagged=True),
    "unflagged-error-burst": _burst(flagged=False),
    "stagnation": _stagnation,
    "monologue": _monologue,
    "restart": _restart,
    "forgetting": _reread,
    "outage": _outage,
    "silence": _silence,
    "secret-in-output": _secret,
    "forbidden-command": _forbidden,
    "injected-instruction-obeyed": _obeyed,
    "cost-runaway": _runaway,
    "polling": _polling,
    "waiting": _waiting,
    "batch": _batch,
    "edit-test": _edit_test,
}
"""Every kind, by name."""

LOOK_ALIKES = ("polling", "waiting", "batch", "edit-test")
"""Kinds that are no fault: what they raise is a false alarm."""

EXPECTED: Mapping[str, tuple[str, ...]] = {
    "error-burst": ("errors",),
    "unflagged-error-burst": ("errors",),
    "same-error": ("errors", "progress"),
    "restart": ("recall", "progress"),
    "forgetting": ("recall", "progress"),
    "outage": ("errors",),
    "secret-in-output": ("safety",),
    "forbidden-command": ("safety",),
    "injected-instruction-obeyed": ("drift",),
    "cost-runaway": ("cost",),
}
"""The channels one of which must speak; progress for what is not named."""
