"""The model port over the ``anthropic`` SDK (2.12); the only module that imports it.

Every failure leaves as one :class:`ModelError` of a known kind, because each becomes an event and decides what the
caller does next. Retries are the caller's: the SDK's own are off, it honours ``retry-after`` without a cap.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Literal, cast

import anthropic
import httpx2
from anthropic import AsyncAnthropic

from watchdogd.adapters.reply import Answer, Assembly, Incomplete, answer_in_body
from watchdogd.core.conversation import Conversation
from watchdogd.core.errors import ModelError
from watchdogd.ports import Clock, ModelReply, ModelRequest

CONNECT_S = 10.0
"""A provider that does not take the connection within this time is down (seconds)."""

_TEXT_LIMIT = 500
"""Characters of a provider's own words that travel in an error."""

_KIND_OF_TYPE: Mapping[str, str] = {
    "rate_limit_error": "rate_limit",
    "overloaded_error": "overloaded",
    "api_error": "server",
    "timeout_error": "timeout",
    "authentication_error": "auth",
    "permission_error": "auth",
    "billing_error": "auth",
    "invalid_request_error": "request",
    "not_found_error": "request",
    "conflict_error": "server",
}
"""What the ``type`` of an error body means; the status is only asked when the type is unknown."""

_KIND_OF_STATUS: Mapping[int, str] = {
    401: "auth",
    402: "auth",
    403: "auth",
    408: "timeout",
    409: "server",
    429: "rate_limit",
    504: "timeout",
    529: "overloaded",
}

_UNMARKABLE = frozenset({"thinking", "redacted_thinking"})
"""Blocks the API does not let carry a cache mark."""

_MARK: dict[str, str] = {"type": "ephemeral"}


def _is_loopback(url: str) -> bool:
    host = httpx2.URL(url).host
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _TEXT_LIMIT else line[: _TEXT_LIMIT - 1] + "…"


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """How long the provider asks to wait (seconds), from ``retry-after-ms`` or ``retry-after`` (number or date).

    A date is compared with the answer's own ``date`` header: no clock of ours is trusted with it.
    """
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            seconds = float(headers[name]) / unit
        except (KeyError, ValueError):
            continue
        if 0 <= seconds < float("inf"):
            return seconds
    try:
        until, now = parsedate_to_datetime(headers["retry-after"]), parsedate_to_datetime(headers["date"])
        return max(0.0, (until - now).total_seconds())
    except (KeyError, ValueError, TypeError):
        return None


def _status_error(why: anthropic.APIStatusError) -> ModelError:
    """The error in an answer of 4xx or 5xx, or in an ``error`` event of a stream that began with 200."""
    kind = _KIND_OF_TYPE.get(str(why.type)) or _KIND_OF_STATUS.get(why.status_code)
    if kind is None:
        kind = "request" if 400 <= why.status_code < 500 else "server"
    said = why.api_message or why.message
    text = f"{why.status_code} {why.type or 'error'}: {said}"
    return ModelError(kind, _short(text), status=why.status_code, retry_after_s=retry_after_s(why.response.headers))


def as_model_error(why: Exception) -> ModelError | None:
    """``why`` in our terms; None when it is not a failure of the provider or the network."""
    match why:
        case anthropic.APIStatusError():
            return _status_error(why)
        case anthropic.APITimeoutError() | httpx2.TimeoutException():
            return ModelError("timeout", f"the provider fell silent: {type(why).__name__}")
        case anthropic.APIConnectionError():
            cause = why.__cause__
            # A connection that was made and died while we read: the provider may have done (and billed) the work.
            kind = "cut" if isinstance(cause, httpx2.RemoteProtocolError | httpx2.ReadError) else "connection"
            return ModelError(kind, _short(f"{type(cause or why).__name__}: {cause or why}"))
        case httpx2.DecodingError():
            return ModelError("malformed", _short(f"the body could not be decoded: {why}"))
        case httpx2.RequestError() | httpx2.StreamError():
            return ModelError("cut", _short(f"the stream was cut: {why}"))
        case Incomplete():
            return ModelError("cut", str(why))
        case anthropic.APIResponseValidationError() | ValueError():  # JSONDecodeError, UnicodeDecodeError, our checks
            return ModelError("malformed", _short(f"not a reply of the Messages API: {why}"))
        case anthropic.AnthropicError():
            return ModelError("request", _short(f"the SDK refused the request: {why}"))
        case _:
            return None


def _marked(blocks: list[dict[str, object]]) -> list[dict[str, object]]:
    """``blocks`` with a cache mark on the last one that may carry it."""
    for at in range(len(blocks) - 1, -1, -1):
        if blocks[at].get("type") not in _UNMARKABLE:
            return [*blocks[:at], {**blocks[at], "cache_control": _MARK}, *blocks[at + 1 :]]
    return blocks


def _messages(conversation: Conversation, *, cache: bool) -> list[dict[str, object]]:
    messages: list[dict[str, object]] = []
    for at, message in enumerate(conversation):
        blocks = [dict(block) for block in message.content]
        if cache and at == len(conversation) - 1:
            blocks = _marked(blocks)
        messages.append({"role": message.role, "content": blocks})
    return messages


def body_of(request: ModelRequest) -> dict[str, object]:
    """The JSON body for ``request``; marks the end of tools + system, and of the conversation, for the cache."""
    body: dict[str, object] = {
        "model": request.model,
        "max_tokens": request.max_tokens,
        "messages": _messages(request.conversation, cache=request.cache),
    }
    tools = [
        {"name": tool.name, "description": tool.description, "input_schema": tool.schema} for tool in request.tools
    ]
    system: list[dict[str, object]] = [{"type": "text", "text": request.system}] if request.system else []
    if request.cache:
        # Tools come before system in the prefix: one mark at the end of system covers both.
        if system:
            system = _marked(system)
        else:
            tools = cast("list[dict[str, Any]]", _marked(cast("list[dict[str, object]]", tools)))
    if tools:
        body["tools"] = tools
    if system:
        body["system"] = system
    output: dict[str, object] = {}
    if request.output_schema is not None:
        output["format"] = {"type": "json_schema", "schema": request.output_schema}
    if request.effort is not None:
        output["effort"] = request.effort
    if output:
        body["output_config"] = output
    return body


def _raw(event: object) -> dict[str, object]:
    """``event`` as it came, unknown fields included."""
    if not isinstance(event, anthropic.BaseModel):
        raise ValueError("an event that is not a JSON object")
    return event.to_dict(mode="json", use_api_names=True, exclude_unset=True, warnings=False)


class Claude:
    """One client of one provider. Not shared between roles: each has its own key and budget."""

    def __init__(
        self,
        *,
        clock: Clock,
        api_key: str,
        base_url: str | None = None,
        before_attempt: Callable[[ModelRequest], str | None] | None = None,
    ) -> None:
        """Prepares the client; nothing is sent.

        ``before_attempt`` may veto: the sentence it returns becomes a ModelError of kind ``budget``.

        Raises:
            ValueError: the key is empty (the SDK would go looking for one in the environment).
        """
        if not api_key:
            raise ValueError("the model's API key is empty")
        self._clock, self._before_attempt = clock, before_attempt
        # A proxy from the environment must not come between us and a server on this machine. The SDK's own client class
        # reads the environment whatever trust_env says (2.12), hence a plain one.
        http = httpx2.AsyncClient(trust_env=False) if base_url and _is_loopback(base_url) else None
        self._client = AsyncAnthropic(
            api_key=api_key, base_url=base_url, max_retries=0, http_client=http, open_telemetry=False
        )

    async def ask(self, request: ModelRequest) -> ModelReply:
        """One attempt, no retries.

        Raises:
            ModelError: nothing usable came back within ``deadline_s``, or the veto spoke.
        """
        refused = self._before_attempt(request) if self._before_attempt else None
        if refused is not None:
            raise ModelError("budget", refused)
        began = self._clock.boot()
        try:
            async with asyncio.timeout(request.deadline_s):
                answer, request_id = await (self._streamed(request) if request.stream else self._whole(request))
        except TimeoutError as why:
            raise ModelError("timeout", f"no complete reply within {request.deadline_s:g} s") from why
        except Exception as why:
            ours = as_model_error(why)
            if ours is None:
                raise
            raise ours from why
        return ModelReply(
            content=answer.content,
            text=answer.text,
            tool_uses=answer.calls,
            stop_reason=answer.stop_reason,
            usage=answer.usage,
            model=answer.model,
            latency_s=self._clock.boot() - began,
            request_id=request_id,
        )

    async def close(self) -> None:
        """Lets go of connections."""
        await self._client.close()

    def _timeout(self, request: ModelRequest) -> httpx2.Timeout:
        return httpx2.Timeout(request.deadline_s, connect=min(CONNECT_S, request.deadline_s))

    async def _streamed(self, request: ModelRequest) -> tuple[Answer, str]:
        stream = await self._send(request, stream=True)
        assembly = Assembly()
        async with stream:
            async for event in stream:
                assembly.take(_raw(event))
        return assembly.answer(), stream.response.headers.get("request-id", "")

    async def _whole(self, request: ModelRequest) -> tuple[Answer, str]:
        message = await self._send(request, stream=False)
        return answer_in_body(_raw(message)), message._request_id or ""

    async def _send(self, request: ModelRequest, *, stream: Literal[True] | bool) -> Any:  # noqa: ANN401 - SDK's union
        # The body is a plain mapping on purpose: blocks are kept verbatim, also those this SDK has no type for.
        create = cast("Callable[..., Any]", self._client.messages.create)
        return await create(**body_of(request), stream=stream, timeout=self._timeout(request))
