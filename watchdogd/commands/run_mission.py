"""run-mission: starts a mission, or rehearses it in a throw-away copy and prints what it would have changed."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text as Styled

from watchdogd.adapters.objects import ObjectDirectory
from watchdogd.commands.asking import AsJson, Config, StateDir, User, send, show
from watchdogd.commands.client import RESEND_S, Client, NoDaemon, connection_in, state_dir_of
from watchdogd.core.errors import BusDown
from watchdogd.core.events import Event, Previewed, RunFinished, RunStarted, Text
from watchdogd.ports import Received
from watchdogd.settings.model import LOCAL_OPERATOR
from watchdogd.wire import codec
from watchdogd.wire.messages import Message, Request, Response, WorkerStatus

DRY_RUN = "--dry-run"
UNSEEN = 3
"""Exit status: the run is over, and how it ended was not seen."""
AGAIN_S = 1.0
"""Between attempts to reach a broker that went away (seconds)."""
AWAY_S = 60.0
"""How long a broker may be away before the wait is given up (seconds)."""
ANSWER_S = 15.0
"""The overseer says by then whether it takes the request (seconds)."""
STYLES = {"+": "green", "-": "red", "@": "cyan"}
"""Of a diff's lines, by their first character."""


def run_mission(
    mission: Annotated[str, typer.Argument(help="a mission of the configuration")],
    dry_run: Annotated[
        bool, typer.Option(DRY_RUN, help="in a throw-away copy, without network; waits, and prints what would change")
    ] = False,
    config: Config = None,
    state_dir: StateDir = None,
    user: User = LOCAL_OPERATOR,
    as_json: AsJson = False,
) -> None:
    """Start a mission now, or rehearse it with --dry-run in a throw-away copy.

    A start returns at once; a dry run is waited for, and what it would have changed is printed as a diff.
    """
    if not dry_run:
        send("run", target=mission, config=config, state_dir=state_dir, user=user, as_json=as_json)
        return
    where = state_dir_of(config, state_dir)
    seen = Rehearsal(client=Client(connection_in(where), user), mission=mission)
    try:
        asyncio.run(seen.watch())
    except KeyboardInterrupt:
        sys.stderr.write("\nthe dry run goes on without you; `watchdogd stop` ends it\n")
        raise typer.Exit(130) from None
    if seen.refused is not None:
        show([seen.refused], as_json=as_json)
        raise typer.Exit(1)
    if seen.finished is None:
        sys.stderr.write(f"dry run {seen.run} is over; its end was not seen, for the connection was lost meanwhile\n")
        raise typer.Exit(UNSEEN)
    report(seen, seen.finished, ObjectDirectory(where / "objects"), as_json=as_json)
    raise typer.Exit(0 if seen.finished.outcome == "done" else 1)


@dataclass(kw_only=True)
class Rehearsal:
    """One dry run as its requester sees it."""

    client: Client
    mission: str
    run: str = ""
    refused: Response | None = None
    would: Previewed | None = None
    finished: RunFinished | None = None
    over: bool = False
    request: Request = field(init=False)
    _accepted: bool = field(init=False, default=False)
    _told: str = field(init=False, default="")

    def __post_init__(self) -> None:
        """Names the request, by which the run is known again."""
        self.request = codec.load(
            Request,
            {"command": "run", "id": f"c{self.client.clock.nonce()}", "target": self.mission, "text": DRY_RUN},
        )

    async def watch(self) -> None:
        """Asks for the dry run and waits for its end, through a broker's restart too.

        Raises:
            NoDaemon: there is no broker, or no overseer that answers.
        """
        away_since: float | None = None
        while not self.over:
            try:
                async with aclosing(self._arriving()) as messages:
                    async for arrived in messages:
                        away_since = None
                        self.take(arrived)
                        if self.over:
                            return
            except BusDown as why:
                now = self.client.clock.boot()
                away_since = now if away_since is None else away_since
                if not self._accepted or now - away_since > AWAY_S:
                    where = f"{self.client.connection.host}:{self.client.connection.port}"
                    raise NoDaemon(f"no broker at {where}: {why}") from None
                await self.client.clock.sleep(AGAIN_S)
            except TimeoutError:
                raise NoDaemon("the broker took the request, but no overseer answered") from None

    async def _arriving(self) -> AsyncGenerator[Received, None]:
        async with self.client.bus.connect() as link:
            if not self._accepted:
                await link.send(self._message())
            messages = link.received()
            sent = self.client.clock.boot()
            answer_by = asyncio.get_running_loop().time() + ANSWER_S
            while True:
                async with asyncio.timeout_at(None if self._accepted else answer_by):
                    try:
                        arrived = await anext(messages)
                    except StopAsyncIteration:
                        raise BusDown("the connection ended") from None
                yield arrived
                if not (self._accepted or self.over) and self.client.clock.boot() - sent > RESEND_S:
                    await link.send(self._message())
                    sent = self.client.clock.boot()

    def _message(self) -> Message:
        now = self.client.clock.wall()
        return Message(
            payload=self.request,
            headline=f"run {self.mission} {DRY_RUN}",
            at=now,
            source=self.client.user,
            user=self.client.user,
            boot=self.client.clock.nonce(),
            expires=now + 60,
        )

    def take(self, arrived: Received) -> None:
        """Whatever of it concerns this run."""
        message = arrived.message
        if message is None:
            return
        payload = message.payload
        match payload:
            case Response() if payload.request == self.request.id:
                self._accepted = payload.status == "ok"
                if not self._accepted:
                    self.refused, self.over = payload, True
                self._say(payload.text)
            case Event(body=RunStarted(request=request)) if request == self.request.id:
                self.run = payload.run
                self._say(f"dry run {self.run} began")
            case Event(body=Previewed(call="") as body) if self.run and payload.run == self.run:
                self.would = body
            case Event(body=RunFinished() as body) if self.run and payload.run == self.run:
                self.finished, self.over = body, True
            case WorkerStatus() if not self.run and payload.run:
                why = f": {payload.why}" if payload.why else ""
                self._say(f"run {payload.run} of {payload.mission} comes first{why}")
            case WorkerStatus() if self.run and payload.run == self.run:
                self._say(payload.why)
            case WorkerStatus() if self.run and arrived.retained:
                self.over = True  # its end passed while there was no connection
            case _:
                pass

    def _say(self, text: str) -> None:
        if text and text != self._told:
            self._told = text
            sys.stderr.write(f"{text}\n")


def report(seen: Rehearsal, finished: RunFinished, objects: ObjectDirectory, *, as_json: bool) -> None:
    """Prints how it ended and what it would have changed."""
    diff = _whole(seen.would.diff, objects) if seen.would is not None else ""
    if as_json:
        would = None if seen.would is None else {**codec.dump(seen.would), "diff": diff}
        end = {"run": seen.run, "mission": seen.mission, **codec.dump(finished), "would_change": would}
        end.pop("kind", None)
        print(json.dumps(end, indent=2))
        return
    out = Console(highlight=False)
    good = finished.outcome == "done"
    out.print(Styled(f"{finished.outcome}: ", "green" if good else "red") + Styled(finished.reason), soft_wrap=True)
    for line in diff.splitlines()[1:]:
        out.print(Styled(line, STYLES.get(line[:1], "")), soft_wrap=True)
    for missing in seen.would.missing if seen.would is not None else ():
        out.print(Styled(f"not in the copy: {missing}", "yellow"), soft_wrap=True)


def _whole(text: Text, objects: ObjectDirectory) -> str:
    """A cut text in full where the daemon's folder has it."""
    found = objects.get(text.digest) if text.cut else None
    return text.shown if found is None else found
