"""``run-mission --dry-run`` as a person meets it: whatever the connection does, it ends and says what it knows."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from typing_extensions import override

from watchdogd.adapters.broker_connection import Connection
from watchdogd.adapters.clock import SystemClock
from watchdogd.adapters.objects import ObjectDirectory
from watchdogd.commands import run_mission
from watchdogd.commands.client import RESEND_S, Client, NoDaemon
from watchdogd.commands.run_mission import Rehearsal, report
from watchdogd.core.errors import BusDown
from watchdogd.core.events import Body, Event, Previewed, RunFinished, RunStarted, Text, Tick
from watchdogd.ports import Received
from watchdogd.wire.messages import Message, Payload, Request, Response, WorkerStatus

WOULD = Previewed(
    summary="1 added, 1 modified",
    total=2,
    changed=("M a", "A b"),
    diff=Text.of("1 added since the workspace\nM a\nA b\n--- was/a\n+++ now/a\n@@ -1 +1 @@\n-old\n+new"),
)
DONE = RunFinished(outcome="done", reason="all well")


@dataclass
class Line:
    """One connection: what arrives, and then it breaks (or stays silent)."""

    arrives: list[Any]
    sent: list[Message] = field(default_factory=list)
    silent: bool = False

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    async def received(self) -> AsyncIterator[Received]:
        for one in self.arrives:
            yield one(self) if callable(one) else one
        while self.silent:
            await asyncio.sleep(0)
            yield event(Tick(), run="")
        raise BusDown("the connection is gone")


@dataclass
class Lines:
    """A bus whose every connection is scripted."""

    lines: list[Line]
    used: list[Line] = field(default_factory=list)

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Line]:
        if not self.lines:
            raise BusDown("nobody listens")
        self.used.append(self.lines.pop(0))
        yield self.used[-1]


class Quick(SystemClock):
    """Does not wait, but time passes."""

    passed_s = 0.0

    @override
    async def sleep(self, seconds: float) -> None:
        self.passed_s += 20 * seconds
        await asyncio.sleep(0)

    @override
    def boot(self) -> float:
        return super().boot() + self.passed_s


def received(payload: Payload, *, retained: bool = False) -> Received:
    message = Message(payload=payload, headline="x", at=1.0, source="worker")
    return Received(topic="t", message=message, retained=retained)


def event(body: Body, *, run: str = "r7") -> Received:
    return received(Event(seq=1, body=body, run=run))


def answer_to(message: Message) -> Response:
    return Response(request=cast("Any", message.payload).id, command="run", status="ok", text="queued")


def accepted(line: Line) -> Received:
    (message,) = line.sent
    return received(answer_to(message))


def began(rehearsal: Rehearsal) -> Received:
    return event(RunStarted(mission="tidy", dry_run=True, request=rehearsal.request.id))


def rehearsal_over(*lines: Line) -> tuple[Rehearsal, Lines]:
    bus = Lines(list(lines))
    client = SimpleNamespace(
        clock=Quick(), bus=bus, user="operator", connection=SimpleNamespace(host="localhost", port=1883)
    )
    return Rehearsal(client=cast("Client", client), mission="tidy"), bus


async def test_it_waits_for_its_own_run_and_for_no_other() -> None:
    line = Line([])
    rehearsal, _ = rehearsal_over(line)
    other = RunStarted(mission="tidy", dry_run=True, request="somebody else's")
    line.arrives += [event(DONE, run="r1"), accepted, event(other, run="r6"), event(WOULD, run="r6")]
    line.arrives += [event(DONE, run="r6"), began(rehearsal), event(Previewed(call="c1")), event(WOULD), event(DONE)]
    await rehearsal.watch()
    assert (rehearsal.run, rehearsal.would, rehearsal.finished) == ("r7", WOULD, DONE)
    (message,) = line.sent
    assert cast("Any", message.payload).text == "--dry-run"


def later(client: object, seconds: float) -> Callable[[Line], Received]:
    """Nothing of interest, ``seconds`` later."""

    def arrives(line: Line) -> Received:
        cast("Any", client).clock.passed_s += seconds
        return event(Tick(), run="")

    return arrives


async def test_a_request_that_no_overseer_was_there_to_hear_is_sent_again_until_it_is_answered() -> None:
    line = Line([])
    rehearsal, _ = rehearsal_over(line)
    wait = later(rehearsal.client, RESEND_S + 1)
    line.arrives += [
        wait,
        wait,
        lambda one: received(answer_to(one.sent[0])),
        wait,
        wait,
        began(rehearsal),
        event(DONE),
    ]
    await rehearsal.watch()
    assert len(line.sent) == 3
    assert len({cast("Any", one.payload).id for one in line.sent}) == 1, "one request, so that it is carried out once"


async def test_every_command_is_sent_again_until_it_is_answered() -> None:
    line = Line([])
    client = Client(Connection(host="h", port=1, site="s", agent="a", accounts={"operator": "x"}))
    client.clock, client.bus = Quick(), cast("Any", Lines([line]))
    wait = later(client, RESEND_S + 1)
    line.arrives += [wait, wait, lambda one: received(answer_to(one.sent[0]))]
    (answer,) = await client.ask(Request(command="resume", id="c1"))
    assert (answer.status, len(line.sent)) == ("ok", 3)
    assert {cast("Any", one.payload).id for one in line.sent} == {"c1"}


async def test_a_broker_that_restarts_loses_nothing_that_is_said_again() -> None:
    first, second = Line([accepted]), Line([])
    rehearsal, bus = rehearsal_over(first, second)
    first.arrives.append(began(rehearsal))
    second.arrives += [received(WorkerStatus(status="running", run="r7"), retained=True), event(WOULD), event(DONE)]
    await rehearsal.watch()
    assert rehearsal.finished == DONE
    assert [len(line.sent) for line in bus.used] == [1, 0], "it is asked for once"


async def test_a_run_that_comes_first_is_named_while_the_dry_run_waits(capsys: pytest.CaptureFixture[str]) -> None:
    line = Line([])
    rehearsal, _ = rehearsal_over(line)
    busy = WorkerStatus(status="asking", run="r1", mission="other", why="waiting for a person's answer")
    line.arrives += [accepted, received(busy), received(busy), began(rehearsal), event(DONE)]
    await rehearsal.watch()
    said = capsys.readouterr().err.splitlines()
    assert said.count("run r1 of other comes first: waiting for a person's answer") == 1


async def test_an_end_that_passed_unseen_is_not_waited_for() -> None:
    first, second = Line([accepted]), Line([received(WorkerStatus(status="idle"), retained=True)])
    rehearsal, _ = rehearsal_over(first, second)
    first.arrives.append(began(rehearsal))
    await rehearsal.watch()
    assert rehearsal.over
    assert rehearsal.finished is None


async def test_a_broker_that_stays_away_is_not_waited_for_forever() -> None:
    rehearsal, _ = rehearsal_over(Line([accepted]))
    with pytest.raises(NoDaemon, match="no broker at localhost:1883: nobody listens"):
        await rehearsal.watch()


async def test_without_a_broker_nothing_is_asked() -> None:
    rehearsal, _ = rehearsal_over()
    with pytest.raises(NoDaemon, match="no broker"):
        await rehearsal.watch()


async def test_an_overseer_that_does_not_answer_is_given_up_however_much_others_talk(monkeypatch) -> None:
    monkeypatch.setattr(run_mission, "ANSWER_S", 0.05)
    rehearsal, _ = rehearsal_over(Line([], silent=True))
    with pytest.raises(NoDaemon, match="no overseer answered"):
        await rehearsal.watch()


async def test_a_request_that_is_refused_is_over() -> None:
    line = Line([])
    rehearsal, _ = rehearsal_over(line)
    no = Response(request=rehearsal.request.id, command="run", status="rejected", text="bob may not run")
    line.arrives.append(received(no))
    await rehearsal.watch()
    assert rehearsal.refused == no


# --- what is printed --------------------------------------------------------------------------------------------------


def ended(would: Previewed | None) -> Rehearsal:
    rehearsal, _ = rehearsal_over()
    rehearsal.run, rehearsal.would, rehearsal.finished = "r7", would, DONE
    return rehearsal


def test_a_pipe_gets_the_difference_without_colours(tmp_path: Path, capsys) -> None:
    report(ended(WOULD), DONE, ObjectDirectory(tmp_path), as_json=False)
    expected = ["done: all well", "M a", "A b", "--- was/a", "+++ now/a", "@@ -1 +1 @@", "-old", "+new"]
    assert capsys.readouterr().out.splitlines() == expected


def test_a_terminal_gets_colours_and_nothing_that_a_file_says_is_markup(tmp_path: Path, capsys, monkeypatch) -> None:
    for name, value in {"FORCE_COLOR": "1", "TERM": "xterm-256color"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("NO_COLOR", raising=False)
    would = Previewed(summary="1 added", total=1, diff=Text.of("x\n+[bold]mine[/]\n-old"))
    report(ended(would), DONE, ObjectDirectory(tmp_path), as_json=False)
    out = capsys.readouterr().out
    assert "\x1b[32m+[bold]mine[/]\x1b[0m" in out
    assert "\x1b[31m-old\x1b[0m" in out


def test_a_long_difference_is_printed_whole_where_the_daemons_folder_has_it(tmp_path: Path, capsys) -> None:
    objects = ObjectDirectory(tmp_path)
    whole = "\n".join(["head", *(f"+line {n}" for n in range(5_000))])
    objects.put(whole)
    report(ended(Previewed(total=1, diff=Text.of(whole))), DONE, objects, as_json=False)
    assert "+line 2500" in capsys.readouterr().out.splitlines()
    report(ended(Previewed(total=1, diff=Text.of(whole))), DONE, ObjectDirectory(tmp_path / "none"), as_json=False)
    cut = capsys.readouterr().out.splitlines()
    assert "[…]" in cut
    assert "+line 2500" not in cut


def test_as_json_the_whole_is_one_object(tmp_path: Path, capsys) -> None:
    report(ended(WOULD), DONE, ObjectDirectory(tmp_path), as_json=True)
    said = json.loads(capsys.readouterr().out)
    assert (said["run"], said["mission"], said["outcome"]) == ("r7", "tidy", "done")
    assert said["would_change"]["summary"] == "1 added, 1 modified"
    assert said["would_change"]["diff"].endswith("-old\n+new")
    report(ended(None), DONE, ObjectDirectory(tmp_path), as_json=True)
    assert json.loads(capsys.readouterr().out)["would_change"] is None
