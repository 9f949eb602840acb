"""``python -m watchdogd.app ROLE``: a role as the supervisor starts it, its bundle on stdin."""

from __future__ import annotations

import asyncio
import sys

from watchdogd.app.life import log_to_stderr, read_bundle
from watchdogd.core.ids import Role


def main(role: str) -> int:
    """Runs ``role``; each imports only what it needs."""
    log_to_stderr(role)
    bundle = read_bundle()
    if role == Role.WORKER:
        from watchdogd.app.worker import worker_main

        return asyncio.run(worker_main(bundle))
    from watchdogd.app.overseer import overseer_main

    return asyncio.run(overseer_main(bundle))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
