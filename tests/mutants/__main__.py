"""Prints a table: guard, how it was removed, what turned red. Exit status 0 iff every mutant is accounted for."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

from tests.mutants.registry import MUTANTS
from tests.mutants.runner import Copy, Result, baseline, results


def row(result: Result) -> str:
    """One mutant for people."""
    one = result.mutant
    verdict = "ERROR" if result.error else "red" if result.killed else "green"
    text = f"{verdict:5} {result.took_s:5.1f} s  {one.guard}\n{'':15}removed: {one.how}\n{'':15}{verdict}: {result.by}"
    return text if result.killed or not one.why_green else f"{text}\n{'':15}because: {one.why_green}"


def main(names: list[str]) -> int:
    """Tries the mutants whose guard contains one of ``names``; all without any."""
    chosen = [one for one in MUTANTS if not names or any(name in one.guard for name in names)]
    began = time.perf_counter()
    say = print
    with tempfile.TemporaryDirectory(prefix="watchdogd-mutants-") as place:
        say(f"{len(chosen)} mutants", flush=True)
        broken = baseline(Copy(Path(place) / "baseline"), chosen)
        if broken:
            say(f"the named tests are red without any mutant:\n{broken}")
            return 1
        found = []
        for result in results(chosen, Path(place), min(2, os.cpu_count() or 1)):
            say(row(result), flush=True)
            found.append(result)
    bad = [one for one in found if not one.fine]
    green = sum(1 for one in found if one.fine and not one.killed)
    say(
        f"\n{len(found)} guards taken out: {sum(one.killed for one in found)} turned something red, "
        f"{green} cannot (reason above), {len(bad)} unaccounted for; {time.perf_counter() - began:.0f} s"
    )
    return 1 if bad or not found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
