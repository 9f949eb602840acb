"""The demo's person: an account of its own, and nothing but the published topics."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from watchdogd.commands.client import Client, NoDaemon
from watchdogd.core.escalation import ApproveCall, Escalation, ReleaseLatch
from watchdogd.ports import Received
from watchdogd.wire.messages import CheckpointList, Request

ANSWER = (
    "raw/ is the only copy, it stays as it is. Look at the one bad row, hold it with its reason, "
    "and let the rest of the orders through."
)
THINKS_S = 4.0
"""How long she reads before she answers (seconds)."""


class Person:
    """Anna, on call. She reads ``escalation/+`` and answers on ``control/request/anna``."""

    def __init__(self, client: Client, *, speed: float, said: Callable[[str], None]) -> None:
        self._client, self._speed, self._said = client, speed, said
        self._answered: set[str] = set()
        self._told = False

    async def run(self) -> None:
        """Answers until cancelled."""
        while True:
            waiting: list[Escalation] = []

            def on(arrived: Received, waiting: list[Escalation] = waiting) -> bool:
                payload = arrived.message.payload if arrived.message is not None else None
                if isinstance(payload, Escalation) and payload.is_open and payload.id not in self._answered:
                    waiting.append(payload)
                    return payload.subject is not None
                return False

            with suppress(NoDaemon):
                await self._client.follow(on)
                for one in waiting:
                    await self._answer(one)
            await self._client.clock.sleep(0.05)

    async def _take_back(self, one: Escalation, name: str) -> None:
        """Policy found no state that had passed inspection: she goes back to the first there is."""
        listed = (await self._client.retained()).of("checkpoints")
        found = listed.payload.checkpoints if listed and isinstance(listed.payload, CheckpointList) else ()
        whole = [each for each in found if each.standing != "incomplete"]
        if whole:
            self._said(f"rollback {whole[-1].id} yes: orders are not made up here")
            request = Request(command="rollback", id=name, target=whole[-1].id, text="yes orders are not made up here")
            await self._client.ask(request, until_held=True, patience_s=60)
        self._said(f"resume {one.id}")
        await self._client.ask(Request(command="resume", id=f"{name}-r", target=one.id))

    async def _answer(self, one: Escalation) -> None:
        self._answered.add(one.id)
        if one.subject is None:
            return  # a notice: she reads it in the morning
        await self._client.clock.sleep(THINKS_S * self._speed)
        name = f"anna-{self._client.clock.nonce()}"
        match one.subject:
            case ReleaseLatch() if "no checkpoint" in one.headline:
                await self._take_back(one, name)
            case ReleaseLatch():
                text = "" if self._told else ANSWER
                self._told = True
                self._said(f"resume {one.id}: {text}" if text else f"resume {one.id}")
                await self._client.ask(Request(command="resume", id=name, target=one.id, text=text))
            case ApproveCall():
                self._said(f"deny {one.id}: not without me")
                await self._client.ask(Request(command="deny", id=name, target=one.id, text="not without me"))
            case _:
                return
