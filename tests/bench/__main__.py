"""``python -m tests.bench [NAME …]``: all measurements, or those named."""

from __future__ import annotations

import importlib
import sys

NAMES = ("detectors", "derailments", "everyday", "forgetting", "injections", "bank", "daemon", "snapshots", "freeze")


def main(wanted: list[str]) -> int:
    """Runs the modules of this package in order; one that cannot run says why and does not stop the rest."""
    unknown = [name for name in wanted if name not in NAMES]
    if unknown:
        print(f"no such measurement: {', '.join(unknown)}; there are: {', '.join(NAMES)}")
        return 2
    failed = 0
    for name in wanted or NAMES:
        print(f"\n== {name}", flush=True)
        try:
            importlib.import_module(f"tests.bench.{name}").run()
        except Exception as why:
            failed += 1
            print(f"could not be measured: {type(why).__name__}: {why}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
