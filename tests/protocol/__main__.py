"""``python -m tests.protocol FIRST LAST [KIND]``: runs schedules until one breaks a promise; exit status 1 then."""

from __future__ import annotations

import sys

from tests.protocol.model import run


def main(first: int, last: int, kind: str = "") -> int:
    """Prints the first violation."""
    for seed in range(first, last):
        outcome = run(seed, stop_early=True, kind=kind)
        if outcome.violations:
            print(f"seed {seed} ({outcome.kind}): {outcome.violations[0]}")
            return 1
    print(f"{last - first} schedules, no violation")
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:]))
