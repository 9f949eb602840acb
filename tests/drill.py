"""``make drill``: the long versions of what the tests do in short. ``python -m tests.drill [NAME…]`` runs some of them.

A drill is a function without arguments that prints its counts and returns whether everything held. To add one, write it
where its subject is tested and put it into ``DRILLS`` by its import path: it is loaded only when it runs.
"""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable

DRILLS: dict[str, str] = {
    "protocol": "tests.protocol.drill:drill",
    "checkpoints": "tests.snapshots_drill:drill",
    "kills": "tests.e2e.drill_kill:drill",
    "returns": "tests.e2e.drill_rollback:drill",
}
"""In this order."""


def loaded(path: str) -> Callable[[], bool]:
    """The function behind ``module:name``.

    Raises:
        TypeError: it is not a function.
    """
    module, _, name = path.partition(":")
    found = getattr(importlib.import_module(module), name)
    if not callable(found):
        raise TypeError(f"{path} is not a function")

    def run() -> bool:
        return bool(found())

    return run


def main(names: list[str]) -> int:
    """Runs the drills named, or all; exit status 0 iff every one held."""
    unknown = [name for name in names if name not in DRILLS]
    if unknown:
        print(f"no such drill: {', '.join(unknown)}; there are: {', '.join(DRILLS)}")
        return 2
    failed = []
    for name in names or DRILLS:
        print(f"== {name}", flush=True)
        began = time.perf_counter()
        held = loaded(DRILLS[name])()
        if not held:
            failed.append(name)
        print(f"== {name}: {'held' if held else 'BROKEN'}, {time.perf_counter() - began:.0f} s", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
