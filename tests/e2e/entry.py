"""A daemon for tests: ``watchdogd run``, with the broker of choice and timings that a configuration may not have."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from dataclasses import replace
from pathlib import Path

from watchdogd.app.supervisor import Daemon, supervise
from watchdogd.core.errors import WatchdogdError
from watchdogd.core.lease.messages import Timing
from watchdogd.core.policy import Policy
from watchdogd.settings import secrets
from watchdogd.settings.load import Loaded, load


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def loaded(config: Path, timing: Timing | None) -> Loaded:
    found = load(config, env=os.environ, demo=True)
    if timing is None:
        return found
    settings = found.settings.model_copy(update={"timing": timing})
    return replace(found, settings=settings, digest=settings.digest)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--broker", default="auto")
    parser.add_argument("--speed", type=float, default=0.0)
    parser.add_argument("--timing", type=json.loads, default=None)
    parser.add_argument("--scratch", action="store_true", help="allow what only the demo's scratch workspace may do")
    given = parser.parse_args()
    timing = Timing(**given.timing) if given.timing is not None else None
    try:
        found = loaded(given.config, timing)

        def reload() -> Policy:
            return load(given.config, env=os.environ, demo=True).settings.policy

        daemon = Daemon(
            loaded=found,
            secrets=secrets.read(found.settings, os.environ),
            reload=reload,
            say=say,
            demo=given.scratch,
            speed=given.speed,
            broker_kind=given.broker,
        )
        return asyncio.run(supervise(daemon))
    except WatchdogdError as why:
        say(f"watchdogd cannot run: {why}")
        return 1


if __name__ == "__main__":
    sys.exit(main())
