"""``python -m watchdogd``."""

from __future__ import annotations

import sys


def main() -> int:
    """The console script's entry."""
    from watchdogd.cli import main as cli

    return cli()


if __name__ == "__main__":
    sys.exit(main())
