"""Wordings for loops and their look-alikes, written after the rules of loops had been mended with the set before it.

Unseen when it was first measured; a few repairs since.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random

from tests.bench.wordings_loops import LOOPS

_SPECIES = ("heron", "plover", "wagtail", "dunlin", "siskin", "crossbill", "redstart", "garganey", "whinchat", "pipit")
_QUOTES = ("Less is more.", "All is flux.", "Know thyself.", "Time flies.", "So it goes.")


def _nested(rng: Random, n: int) -> str:
    return (
        f'{{"ctx": {{"span": "{rng.getrandbits(64):016x}", "parent": "{rng.getrandbits(64):016x}", "sampled": true}}, '
        f'"clock": {{"wall": {1_795_400_000_000 + 900 * n + rng.randrange(800)}, "tz": "UTC"}}}}'
    )


def _trace(rng: Random, n: int) -> str:
    return "\n".join(
        f"{rng.uniform(0, 0.2):9.6f} [{rng.randrange(8):03}] {what}-{rng.randrange(200, 900)}: done"
        for what in ("open", "read", "close")
    )


def _headers(rng: Random, n: int) -> str:
    return (
        f"HTTP/1.1 200 OK\nDate: Mon, {1 + n % 28:02} Dec 2026 {n % 24:02}:{rng.randrange(60):02}:04 GMT\n"
        f"Age: {rng.randrange(5, 400)}\nX-Cache: HIT from edge-{rng.randrange(10, 99)}\n"
        f"CF-RAY: {rng.getrandbits(60):x}-AMS"
    )


LOOPS_HELD = replace(
    LOOPS,
    stamps=(
        _nested,
        _trace,
        _headers,
        lambda rng, _: f"memory {rng.uniform(1, 3):.1f}/8.0 GB, swap {rng.randrange(1, 99)}/512 MB",
        lambda rng, n: f"vor {rng.randrange(2, 59)} Minuten aktualisiert",
        lambda rng, _: f"bird of the day: {rng.choice(_SPECIES)}",
        lambda rng, _: rng.choice(_QUOTES),
        lambda rng, _: f"nonce={''.join(rng.choices('abcdefghijklmnop', k=rng.randrange(8, 24)))}",
        lambda rng, n: f"frame {n * 30 + rng.randrange(30)} rendered in {rng.uniform(10, 20):.1f} ms",
        lambda rng, n: f"uptime {3 * 86_400 + 40 * n + rng.randrange(40)} seconds",
        lambda rng, n: f"you are visitor number {88_021 + n}",
        lambda rng, _: f"{rng.randrange(200)} users online, {rng.randrange(40)} guests",
        lambda rng, n: f"updated {n + 1} minute{'s' if n else ''} ago",
        lambda rng, _: (
            f"worker@{rng.choice('abcdef')}{rng.randrange(100)}.{rng.choice(('eu', 'us', 'ap'))}-{rng.randrange(4)}"
        ),
        lambda rng, _: f"signature: {rng.getrandbits(160):040x}",
        lambda rng, n: (
            f'ETag: "{rng.getrandbits(32):x}-{rng.getrandbits(16):x}"; '
            f"Last-Modified: {n % 24:02}:{rng.randrange(60):02}"
        ),
        lambda rng, _: f"{rng.uniform(-0.5, 0.5):+.3f} ppm drift",
        lambda rng, n: f"2026年11月{1 + n % 28}日 {n % 24}時{rng.randrange(60):02}分",
        lambda rng, n: f"il {1 + n % 28} novembre 2026 alle {n % 24}.{rng.randrange(60):02}",
        lambda rng, _: f"coin: {rng.choice(('heads', 'tails'))}",
        lambda rng, n: f"lease expires in {rng.randrange(20, 60)}s (renewal {rng.getrandbits(20)})",
        lambda rng, _: f"<!-- cached {rng.getrandbits(48):x} by varnish -->",
        lambda rng, n: f"row_version 0x{0x8A00 + 7 * n:08X}",
        lambda rng, n: f"attempt {n + 2}",
    ),
    statuses=(
        lambda _, n: f"{n + 1} down, {11 - n} to go",
        lambda rng, n: f"converged: {'no' if n < 20 else 'yes'}; residual {2.0 * 0.7**n:.3e}",
        lambda _, n: f"[{n + 1:02}/14] linking module {chr(97 + n)}",
        lambda rng, n: f"{140 * n + rng.randrange(90)} kB of 3 MB received, {rng.randrange(80, 120)} kB/s",
        lambda _, n: f"Elevator at floor {n}",
        lambda _, n: f"Approved by: {', '.join(_SPECIES[: n + 1])}",
        lambda _, n: f'{{"stage": "{_SPECIES[n % 10]}", "ok": true}}',
        lambda rng, n: f"water level {30 + 5 * n}.{rng.randrange(10)} cm and rising",
        lambda _, n: f"remaining: {3 - n // 5}h {59 - 4 * n}m",
        lambda _, n: "\n".join(f"wave {m}: landed" for m in range(n + 1)),
    ),
    waits=(
        "The ferry has not left the dock.",
        "status = BOOTING",
        "Signature outstanding",
        '{"open": true, "result": null}',
        "Noch nicht fertig",
        "pas encore",
        "locked",
        "Printing...",
        "0 of 3 approvals",
        "under review",
    ),
    wait_calls=(
        ("check_signature", {"doc": "d1"}),
        ("poll_printer", {"id": 3}),
        ("run", {"cmd": "sleep 30 && cat state"}),
        ("get_ferry_status", {"line": 4}),
        ("await_boot", {"vm": "v2"}),
        ("job_state", {"job": "n"}),
    ),
    acks=(
        "Aye.",
        "Stored {}.",
        '{"code": 0}',
        "Erledigt",
        "Your request was handled.",
        "1 item changed",
        "",
        "[ok]",
        "👌",
    ),
    batch_calls=(
        ("crop", "picture"),
        ("run", "cmd"),
        ("notarize", "deed"),
        ("put_object", "key"),
        ("classify", "scan_path"),
    ),
    stagnant=(
        "Es wurden keine Einträge gefunden.",
        "Query returned 0 rows.",
        "(empty set)",
        "Your search for this has no hits; try the glossary, the index or the list of plates.",
        "Choose a language to continue: English, Deutsch, Français, Español, Polski, Türkçe, 日本語",
        "See other.",
        '{"hits": {"total": 0, "items": []}}',
        "The archive is closed on Mondays. Visit us from Tuesday to Sunday between ten and five, last entry at four.",
        "I don't have that information.",
    ),
    queries=(
        "heron nest",
        "wading bird",
        "river delta",
        "ringing",
        "census 1998",
        "egg",
        "moult",
        "field notes",
        "reed",
    ),
)
"""What it does not name is of the set before it."""
