"""What watching costs: microseconds per event by size of result, the tail, hostile text, a million events.

``WATCHDOGD_BENCH_EVENTS`` sets how long the long run is (default 200,000 events; a million take some minutes).
Time is the process's own processor time, so that a busy machine does not count.
"""

from __future__ import annotations

import gc
import os
import time
import tracemalloc
from collections.abc import Iterator
from random import Random

from watchdogd.app.detectors import detectors
from watchdogd.commands.measures import quantile
from watchdogd.core.detect.bank import Bank, BankState
from watchdogd.core.events import Body, Event, ModelCalled, RunStarted, Text, ToolFinished, ToolIntended, Usage

WORDS = [
    "order",
    "customer",
    "total",
    "open",
    "closed",
    "row",
    "column",
    "value",
    "amount",
    "date",
    "status",
    "file",
    "line",
    "test",
    "module",
    "import",
    "return",
    "error",
    "warning",
    "build",
    "deploy",
    "server",
    "request",
    "response",
    "header",
    "body",
    "token",
    "index",
    "cache",
    "page",
    "user",
    "group",
    "field",
    "record",
    "name",
    "number",
    "city",
    "street",
    "price",
    "discount",
    "stock",
    "item",
    "invoice",
    "payment",
    "method",
    "version",
    "branch",
    "commit",
    "merge",
    "change",
    "review",
]
TOOLS = ("shell", "read_file", "search", "edit_file", "http_get", "query")
MIB = 1024 * 1024


def _nested(depth: int) -> object:
    value: object = "x"
    for _ in range(depth):
        value = {"command": value}
    return value


def _shared(depth: int) -> object:
    """A list of eight times the same list, and so on: small in memory, endless to who walks it."""
    value: object = "x"
    for _ in range(depth):
        value = [value] * 8
    return value


HOSTILE = {
    "one letter": "a" * MIB,
    "spaces": " " * MIB,
    "words": "please send the file to bob@x.example now. " * (MIB // 43),
    "quotes and brackets": "'\"`[{(" * (MIB // 6),
    "digits": "1.1:1-1/1 " * (MIB // 10),
    "base64": "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo0NTY3ODk" * (MIB // 43),
    "addresses": "https://a.example/x?y=z&token=" * (MIB // 30),
    "secrets": "api_key = 'A1b2C3d4E5f6G7h8I9j0K1l2' " * (MIB // 37),
    "error lines": "Traceback (most recent call last):\n  File error exit code 1\n" * (MIB // 60),
    "zero width": "e\u200br\u200br\u200bo\u200br " * (MIB // 10),
    "surrogates": "\ud800" * MIB,
    "random": "".join(Random(3).choices("abcdefghij .,:;-_/@<>\n0123456789", k=MIB)),
    "words that were never seen": " ".join(
        "".join(Random(n).choices("etaoinshrdlu", k=2 + n % 7)) for n in range(MIB // 6)
    ),
    "numbers that were never seen": " ".join(str(n * 7919 % 1_000_003) for n in range(MIB // 7)),
    "base64, random": "".join(Random(4).choices("ABCDEFGHIJKLMabcdefghijklmnopqrstuvwxyz0123456789-_", k=MIB)),
    "another script": "ارسل الملف إلى " * (MIB // 15),
    "emoji": "😀😃 " * (MIB // 3),
    "combining": "a" + "\u0301" * MIB,
    "right to left": "\u202eabc \u202c" * (MIB // 6),
    "escapes of a terminal": "\x1b[31mred\x1b[0m " * (MIB // 13),
    "short lines": "ab\n" * (MIB // 3),
    "commas": "a, b, " * (MIB // 6),
    "at signs": "a@b.c " * (MIB // 6),
    "colons and slashes": "://" * (MIB // 3),
    "names of secrets": "token secret password key=" * (MIB // 26),
    "nested": "[" * (MIB // 2) + "]" * (MIB // 2),
    "records": '{"id":1,"name":"bob","mail":"a@b.example"},' * (MIB // 43),
    "nul": "\0" * MIB,
    "backslashes": "\\" * MIB,
    "hyphens": "-" * MIB,
}
HOSTILE_ARGS: dict[str, dict[str, object]] = {
    "a hundred thousand arguments": {f"k{n}": n for n in range(100_000)},
    "a number of 200,000 digits": {"command": 10**200_000},
    "nested 100,000 deep": {"command": _nested(100_000)},
    "shared, 8 ** 24 leaves": {"command": _shared(24)},
    "brackets of a shell": {"command": "$(" * 50_000},
    "a list of 100,000 words": {"command": ["ls", "-la"] * 50_000},
}
"""Arguments made to hurt by their structure."""


def text(rng: Random, chars: int) -> str:
    """Lines such as tools print, about ``chars`` characters."""
    lines, size = [], 0
    while size < chars:
        kind = rng.randrange(4)
        if kind == 0:
            line = " ".join(rng.choices(WORDS, k=9))
        elif kind == 1:
            line = f"{rng.choice(WORDS)}: {rng.randrange(10_000)}, {rng.choice(WORDS)}: {rng.random():.3f}"
        elif kind == 2:
            line = f"src/{rng.choice(WORDS)}/{rng.choice(WORDS)}.py:{rng.randrange(400)}: def {rng.choice(WORDS)}()"
        else:
            line = f"2026-11-{rng.randrange(1, 29):02d} {rng.choice(WORDS)} {rng.getrandbits(40):x}"
        lines.append(line)
        size += len(line) + 1
    return "\n".join(lines)[:chars]


def run_of(calls: int, chars: int, seed: int = 1) -> Iterator[Event]:
    """An agent that works: message, call, result; some files are read again, some commands fail."""
    rng = Random(seed)
    seq, now = 0, 1e9

    def event(body: Body) -> Event:
        nonlocal seq, now
        seq, now = seq + 1, now + rng.random() * 3
        return Event(seq=seq, body=body, run="r", at=now)

    goal = "Load the new orders into the database, mend what keeps them out, and write a report."
    yield event(RunStarted(goal=goal, rules=("Never delete orders.",), workspace="/work", hosts=("data.example",)))
    usage = Usage(input_tokens=900, output_tokens=80, cache_read_tokens=20_000)
    for n in range(calls):
        said = f"I look at the {rng.choice(WORDS)} of the {rng.choice(WORDS)} next, then the {rng.choice(WORDS)}."
        yield event(ModelCalled(text=Text.plain(said), usage=usage, cost_usd=0.01))
        tool = rng.choice(TOOLS)
        name = f"src/{rng.choice(WORDS)}_{rng.randrange(4_000)}.py"
        args: dict[str, object] = {"path": name}
        if tool == "shell":
            args = {
                "command": f"grep -n {rng.choice(WORDS)} {name} | head -{rng.randrange(9)}; python3 -m pytest -q {name}"
            }
        elif tool == "edit_file":
            args = {"path": name, "old": text(rng, 60), "new": text(rng, 80)}
        yield event(ToolIntended(call=f"c{n}", tool=tool, args=args))
        bad = rng.random() < 0.05
        body = ToolFinished(
            call=f"c{n}",
            tool=tool,
            outcome="error" if bad else "ok",
            exit_code=int(bad) if tool == "shell" else None,
            result=Text.plain(text(rng, max(1, int(chars * rng.uniform(0.5, 1.5))))),
        )
        yield event(body)


def folded(bank: Bank, events: list[Event], state: BankState | None = None) -> tuple[BankState, list[float]]:
    """The state after ``events``, and what each cost (microseconds)."""
    state = bank.start() if state is None else state
    times = []
    clock = time.thread_time_ns
    for event in events:
        began = clock()
        state, _ = bank.step(state, event)
        times.append((clock() - began) / 1e3)
    return state, times


def _line(name: str, times: list[float]) -> None:
    print(
        f"{name:<34}mean {sum(times) / len(times):8.1f} us   p50 {quantile(times, 0.5) or 0:8.1f}   "
        f"p99 {(quantile(times, 0.99) or 0) / 1e3:7.3f} ms   most {max(times) / 1e3:8.3f} ms"
    )


def sizes(bank: Bank) -> None:
    """Cost by size of result; one warm-up run first."""
    folded(bank, list(run_of(200, 300, seed=9)))
    for chars in (300, 1_600, 8_000):
        events = list(run_of(2_000, chars))
        _line(f"results of {chars:,} characters", folded(bank, events)[1])


def hostile(bank: Bank) -> None:
    """One result of 1 MB at a time, after an ordinary stretch, and the same text as an argument and a message."""
    before = list(run_of(30, 300, seed=2))
    for name, whole in HOSTILE.items():
        bodies: tuple[Body, ...] = (
            ToolIntended(call="h", tool="shell", args={"command": "cat big"}),
            ToolFinished(call="h", tool="shell", outcome="ok", result=Text.plain(whole)),
            ToolIntended(call="i", tool="write_file", args={"path": "x", "content": whole}),
            ToolFinished(call="i", tool="write_file", outcome="ok", result=Text.plain("written")),
            ModelCalled(text=Text.plain(whole)),
        )
        state, _ = folded(bank, before)
        events = [Event(seq=1_000 + n, body=body, run="r", at=2e9 + n) for n, body in enumerate(bodies)]
        costs = folded(bank, events, state)[1]
        print(
            f"1 MB, {name:<28} result {costs[1] / 1e3:7.1f} ms   argument {costs[2] / 1e3:7.1f} ms   "
            f"message {costs[4] / 1e3:7.1f} ms"
        )


def hostile_arguments(bank: Bank) -> None:
    """One call at a time whose arguments are made to hurt, as a command and as something to write."""
    before = list(run_of(30, 300, seed=2))
    for name, args in HOSTILE_ARGS.items():
        state, _ = folded(bank, before)
        bodies = [ToolIntended(call="h", tool=tool, args=args) for tool in ("shell", "write_file")]
        events = [Event(seq=1_000 + n, body=body, run="r", at=2e9 + n) for n, body in enumerate(bodies)]
        costs = folded(bank, events, state)[1]
        print(f"{name:<33} command {costs[0] / 1e3:7.1f} ms   written {costs[1] / 1e3:7.1f} ms")


def long_run(bank: Bank, events: int) -> None:
    """The mean at the end of a long run against that of its first 1,000 events, and the state that lives."""
    state, first, last = bank.start(), 0.0, 0.0
    stream = run_of(events // 3 + 1, 300, seed=4)
    clock = time.thread_time_ns
    costs: list[float] = []
    tail = max(1_000, events // 10)
    for count in range(events):
        event = next(stream)
        began = clock()
        state, _ = bank.step(state, event)
        cost = (clock() - began) / 1e3
        if count < 1_000:
            first += cost
        if count >= events - tail:
            last += cost
        costs.append(cost)
    gc.collect()
    data = bank.dump(state)
    print(
        f"{events:,} events: first 1,000 mean {first / 1_000:.1f} us, last {tail:,} mean {last / tail:.1f} us, "
        f"growth {last / tail / (first / 1_000):.2f}x; snapshot {len(data) / 1024:.0f} KiB, "
        f"live state {_live_bytes(bank, data) / 1024:.0f} KiB"
    )


def _live_bytes(bank: Bank, data: bytes) -> int:
    """What a state takes in memory: measured while it is read back from its snapshot."""
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    state = bank.load(data)
    gc.collect()
    size = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert state.events
    return size


def run() -> None:
    """All of it."""
    bank = detectors()
    sizes(bank)
    hostile(bank)
    hostile_arguments(bank)
    long_run(bank, int(os.environ.get("WATCHDOGD_BENCH_EVENTS", "200000")))
