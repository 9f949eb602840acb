"""Ways a provider misbehaves: errors in its own shape, broken bodies, connections that die or fall silent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from aiohttp import web

from watchdogd.sim.api_wire import Reply, error_json, events_of, message_json, sse
from watchdogd.sim.scenario import Fault, FaultKind

_HTTP: dict[FaultKind, tuple[int, str, str]] = {
    "rate_limit": (429, "rate_limit_error", "This request would exceed your organization's rate limit."),
    "overloaded": (529, "overloaded_error", "Overloaded"),
    "server": (500, "api_error", "Internal server error"),
    "auth": (401, "authentication_error", "invalid x-api-key"),
    "request": (400, "invalid_request_error", "messages: prompt is too long"),
}
_REPLACED: frozenset[FaultKind] = frozenset({"empty", "refusal", "max_tokens", "pause_turn", "not_json"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long a reply takes: ``before_s`` until the first byte, then ``between_s`` before each stream event."""

    before_s: float = 0.0
    between_s: float = 0.0

    @staticmethod
    def over(latency_s: float, events: int) -> Pace:
        """``latency_s`` shared out: most of it before the first byte, as with a model that reads first."""
        return Pace(before_s=latency_s * 0.6, between_s=latency_s * 0.4 / max(1, events))


def due(faults: Sequence[Fault], attempts: int, visit: int) -> Fault | None:
    """The fault of attempt number ``attempts`` (0 = the first) on ``visit``; None when all are used up."""
    for fault in faults:
        if fault.visit not in {0, visit}:
            continue
        if attempts < fault.times:
            return fault
        attempts -= fault.times
    return None


def replaced(reply: Reply, kind: FaultKind) -> Reply:
    """``reply`` as a message that is well-formed and of no use."""
    words = [dict(block) for block in reply.content if block.get("type") == "text"]
    match kind:
        case "empty":
            return replace(reply, content=(), stop_reason="end_turn")
        case "refusal":
            return replace(reply, content=(), stop_reason="refusal")
        case "pause_turn":
            return replace(reply, content=({"type": "text", "text": "One moment."},), stop_reason="pause_turn")
        case "not_json":
            return replace(reply, content=({"type": "text", "text": "All looks fine to me!"},))
        case "max_tokens" if reply.content and reply.content[-1].get("type") == "tool_use":
            return replace(reply, stop_reason="max_tokens", cut_json=True)
        case "max_tokens":
            for block in words:
                block["text"] = str(block["text"])[: max(1, len(str(block["text"])) // 2)]
            return replace(reply, content=words, stop_reason="max_tokens")
        case _:
            return reply


def error_answer(
    kind: str, status: int, text: str, request_id: str, retry_after_s: float | None = None
) -> web.Response:
    """An error in the API's shape."""
    headers = {"request-id": request_id}
    if retry_after_s is not None:
        headers["retry-after"] = f"{retry_after_s:g}"
    return web.json_response(error_json(kind, text, request_id), status=status, headers=headers)


class Sender:
    """Sends one reply, well or badly."""

    def __init__(self, request: web.Request, *, stopping: asyncio.Event, pace: Pace) -> None:
        self._request, self._stopping, self._pace = request, stopping, pace

    async def send(self, reply: Reply, *, stream: bool, fault: Fault | None) -> web.StreamResponse:
        """Answers the request; a fault that kills the connection leaves a response nobody can finish."""
        await asyncio.sleep(self._pace.before_s)
        if fault is not None and fault.kind in _HTTP:
            status, kind, text = _HTTP[fault.kind]
            return error_answer(kind, status, text, reply.id, fault.retry_after_s)
        if fault is not None and fault.kind in _REPLACED:
            return await self.send_whole(replaced(reply, fault.kind), stream=stream)
        match fault.kind if fault else None:
            case "cut" | "hang" | "stream_error" | "malformed" if fault is not None:
                if stream:
                    return await self._break_stream(reply, fault)
                return await self._break_body(reply, fault)
            case _:
                return await self.send_whole(reply, stream=stream)

    async def send_whole(self, reply: Reply, *, stream: bool) -> web.StreamResponse:
        """The reply as it should be."""
        if not stream:
            return web.json_response(message_json(reply), headers={"request-id": reply.id})
        response = await self._started(reply)
        for name, data in events_of(reply):
            await asyncio.sleep(self._pace.between_s)
            await response.write(sse(name, data))
        await response.write_eof()
        return response

    async def _started(self, reply: Reply) -> web.StreamResponse:
        headers = {"content-type": "text/event-stream; charset=utf-8", "request-id": reply.id}
        response = web.StreamResponse(headers={**headers, "cache-control": "no-cache"})
        response.enable_chunked_encoding()
        await response.prepare(self._request)
        return response

    async def _break_stream(self, reply: Reply, fault: Fault) -> web.StreamResponse:
        response = await self._started(reply)
        events = list(events_of(reply))
        for name, data in events[: min(fault.after_events, len(events) - 1)]:
            await response.write(sse(name, data))
        match fault.kind:
            case "hang":
                await self._stopping.wait()
            case "malformed":
                await response.write(b'event: content_block_delta\ndata: {"type": "content_block_del\n\n')
            case "stream_error":
                await response.write(sse("error", error_json("overloaded_error", "Overloaded", reply.id)))
            case _:
                pass
        if fault.kind in {"malformed", "stream_error"}:
            await response.write_eof()
        else:
            self._hang_up()
        return response

    async def _break_body(self, reply: Reply, fault: Fault) -> web.StreamResponse:
        whole = json.dumps(message_json(reply)).encode()
        match fault.kind:
            case "stream_error":
                return error_answer("overloaded_error", 529, "Overloaded", reply.id)
            case "malformed":
                half = whole[: len(whole) // 2]
                return web.Response(body=half, content_type="application/json", headers={"request-id": reply.id})
            case "hang":
                await self._stopping.wait()
            case _:
                response = web.StreamResponse(headers={"content-type": "application/json"})
                response.content_length = len(whole)
                await response.prepare(self._request)
                await response.write(whole[: len(whole) // 2])
                self._hang_up()
                return response
        return error_answer("api_error", 500, "the scripted server is going away", reply.id)

    def _hang_up(self) -> None:
        """Closes the connection under the response: what was written still arrives."""
        transport: asyncio.BaseTransport | None = self._request.transport
        if transport is not None:
            transport.close()
