"""A mission whose check cannot run at all: on a machine that contains no commands there is no shell."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

from watchdogd.core.conversation import ToolUse
from watchdogd.core.errors import ToolError
from watchdogd.worker.run import Runner


def test_a_check_without_a_shell_is_a_check_that_failed() -> None:
    async def no_shell(*_: object, **__: object) -> None:
        raise ToolError("there is no tool 'shell'", kind="invalid")

    worker = cast("Any", SimpleNamespace(_gate=SimpleNamespace(admit=no_shell), _run=None))
    use = ToolUse(id="done-1-1", name="shell", args={"command": "make check"})
    outcome = asyncio.run(Runner._check(worker, use))
    assert outcome is not None
    assert (outcome.ok, outcome.text) == (False, "there is no tool 'shell'")
