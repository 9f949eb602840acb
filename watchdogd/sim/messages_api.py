"""A local server that speaks the Messages API and follows a scenario: the same client, the same bytes, no key.

``python -m watchdogd.sim.messages_api --scenario FILE`` prints ``{"url": …}`` on one line when it is ready, and ends
when its stdin closes or on SIGTERM. The worker's script answers below ``/``, the judge's below ``/judge``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import stat
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from watchdogd.core.errors import ConfigError
from watchdogd.core.ids import digest_of
from watchdogd.sim.api_rules import fault_in
from watchdogd.sim.api_wire import Reply, counted, events_of, reply_id
from watchdogd.sim.faults_http import Pace, Sender, due, error_answer
from watchdogd.sim.judge_script import chosen, verdict_text, with_wrong_citation
from watchdogd.sim.scenario import JUDGE_PATH, Counted, Fault, Scenario, WorkerScript
from watchdogd.sim.scenario_file import load
from watchdogd.sim.script import content_of, position, text_in

_BODY_BYTES = 64 * 1024**2
"""Long conversations are large requests; the real API takes 32 MB."""


class ScriptedApi:
    """Answers from a scenario. Its only memory is how often a faulty turn was already attempted."""

    def __init__(self, scenario: Scenario, *, speed: float = 1.0) -> None:
        self._scenario, self._speed = scenario, speed
        self._attempts: dict[str, int] = {}
        self.stopping = asyncio.Event()

    def app(self) -> web.Application:
        """The HTTP application."""
        app = web.Application(client_max_size=_BODY_BYTES)
        app.router.add_post("/v1/messages", self._worker)
        app.router.add_post(f"{JUDGE_PATH}/v1/messages", self._judge)
        return app

    async def _worker(self, request: web.Request) -> web.StreamResponse:
        body = await _checked_body(request)
        if isinstance(body, web.Response):
            return body
        script = self._scenario.worker
        if script is None:
            return error_answer("not_found_error", 404, "the scenario has no [worker]", reply_id(body))
        return await self._play(request, body, script)

    async def _play(self, request: web.Request, body: Mapping[str, object], script: WorkerScript) -> web.StreamResponse:
        messages = _messages(body)
        at = position(script, messages)
        content = content_of(at, messages)
        key = digest_of(["worker", body.get("model"), text_in(messages[0].get("content")), at.turn.id, at.visit])
        fault = self._fault(key, at.turn.faults, at.visit, at_least=at.strays)
        stop = at.turn.stop_reason or ("tool_use" if at.turn.calls else "end_turn")
        reply = _reply(body, content, stop, at.turn.usage)
        latency = script.latency_s if at.turn.latency_s is None else at.turn.latency_s
        return await self._send(request, body, reply, fault, latency)

    async def _judge(self, request: web.Request) -> web.StreamResponse:
        body = await _checked_body(request)
        if isinstance(body, web.Response):
            return body
        script = self._scenario.judge
        asked = [message for message in _messages(body) if message.get("role") == "user"]
        prompt = text_in(asked[-1].get("content")) if asked else ""
        rule, evidence = chosen(script, prompt)
        fault = None
        if rule is not None:
            fault = self._fault(digest_of(["judge", rule.name, prompt]), rule.faults, 1, at_least=0)
        if fault is not None and fault.kind == "wrong_citation":
            evidence = with_wrong_citation(evidence)
        content = [{"type": "text", "text": verdict_text(script, rule, evidence)}]
        reply = _reply(body, content, "end_turn", rule.usage if rule else None)
        latency = rule.latency_s if rule is not None and rule.latency_s is not None else script.latency_s
        return await self._send(request, body, reply, fault, latency)

    def _fault(self, key: str, faults: Sequence[Fault], visit: int, *, at_least: int) -> Fault | None:
        """The fault this attempt meets. Failed attempts that left a trace in the history count as well."""
        attempts = max(self._attempts.get(key, 0), at_least)
        fault = due(faults, attempts, visit)
        if fault is not None:
            self._attempts[key] = attempts + 1
        return fault

    async def _send(
        self, request: web.Request, body: Mapping[str, object], reply: Reply, fault: Fault | None, latency_s: float
    ) -> web.StreamResponse:
        stream = body.get("stream") is True
        events = sum(1 for _ in events_of(reply)) if stream else 0
        pace = Pace.over(latency_s * self._speed, events)
        return await Sender(request, stopping=self.stopping, pace=pace).send(reply, stream=stream, fault=fault)


def _messages(body: Mapping[str, object]) -> list[Mapping[str, object]]:
    messages = body.get("messages")
    return [one for one in messages if isinstance(one, Mapping)] if isinstance(messages, list) else []


def _reply(
    body: Mapping[str, object], content: Sequence[Mapping[str, object]], stop: str, usage: Counted | None
) -> Reply:
    return Reply(
        content=content,
        stop_reason=stop,
        model=str(body.get("model")),
        usage=usage or counted(body, content),
        id=reply_id(body),
    )


async def _checked_body(request: web.Request) -> Mapping[str, object] | web.Response:
    """The request's JSON, or the error the real API would answer."""
    if not (request.headers.get("authorization") or request.headers.get("x-api-key")):
        return error_answer("authentication_error", 401, "x-api-key header is required", "req_unsigned")
    try:
        body = await request.json()
    except (ValueError, UnicodeDecodeError):
        return error_answer("invalid_request_error", 400, "The request body is not valid JSON", "req_unread")
    fault = fault_in(body)
    if "anthropic-version" not in request.headers:
        fault = "anthropic-version: header is required"
    if fault is not None:
        return error_answer("invalid_request_error", 400, fault, "req_refused")
    checked: Mapping[str, object] = body
    return checked


@asynccontextmanager
async def served(scenario: Scenario, *, port: int = 0, speed: float = 1.0) -> AsyncIterator[str]:
    """Serves ``scenario`` on 127.0.0.1 for the time of the block; gives the base URL.

    ``speed`` scales every latency: 1 as the scenario says, 0 none.
    """
    api = ScriptedApi(scenario, speed=speed)
    runner = web.AppRunner(api.app(), access_log=None, shutdown_timeout=0.5, handler_cancellation=True)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", port)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        api.stopping.set()
        await runner.cleanup()


def _watch_parent(stop: asyncio.Event) -> None:
    """Ends the server with the pipe on stdin: a parent that dies closes it. Terminals and files are not watched."""
    mode = os.fstat(0).st_mode
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
        return
    loop = asyncio.get_running_loop()

    def readable() -> None:
        if not os.read(0, 4096):
            loop.remove_reader(0)
            stop.set()

    loop.add_reader(0, readable)


async def _run(scenario: Scenario, port: int, speed: float) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    _watch_parent(stop)
    async with served(scenario, port=port, speed=speed) as url:
        sys.stdout.write(json.dumps({"url": url}) + "\n")
        sys.stdout.flush()
        await stop.wait()


def main(arguments: Sequence[str] | None = None) -> int:
    """Serves a scenario file until told to stop; 2 when the file or the port cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m watchdogd.sim.messages_api", description=__doc__)
    parser.add_argument("--scenario", type=Path, required=True, help="the scenario file (TOML)")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 picks a free one")
    parser.add_argument("--speed", type=float, default=1.0, help="scales every latency; 0 = answer at once")
    given = parser.parse_args(arguments)
    try:
        scenario = load(given.scenario)
    except ConfigError as why:
        sys.stderr.write(f"{why}\n")
        return 2
    try:
        asyncio.run(_run(scenario, given.port, max(0.0, given.speed)))
    except OSError as why:
        sys.stderr.write(f"port {given.port}: {why}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
