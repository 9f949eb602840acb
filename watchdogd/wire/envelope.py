"""CloudEvents 1.0 in structured JSON: one object per payload, the same bytes on MQTT 3.1.1 and 5."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, get_args, get_type_hints

from watchdogd.core.chain import Row
from watchdogd.core.errors import WireError
from watchdogd.core.escalation import Escalation
from watchdogd.core.events import Event
from watchdogd.core.ids import canonical
from watchdogd.wire import codec
from watchdogd.wire.messages import Message, Presence, Request
from watchdogd.wire.topics import OPERATOR, Route, Topics, route_of

MAX_BYTES = 256 * 1024
"""Larger payloads are ignored and recorded (DESIGN 3)."""
MAJOR = "v1"
TYPE_PREFIX = "watchdogd"
COMMANDS: frozenset[str] = frozenset(get_args(get_type_hints(Request)["command"]))


def rfc3339(at: float) -> str:
    """Unix seconds as CloudEvents wants them."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def unix(text: str) -> float:
    """RFC 3339 as unix seconds. Raises: WireError."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise WireError("schema", f"not a time: {text[:40]!r}") from None
    if moment.tzinfo is None:
        raise WireError("schema", "a time without a zone")
    return moment.timestamp()


def entry(event: Event) -> dict[str, Any]:
    """The event as it is recorded: what its row's digest is over."""
    return {
        "seq": event.seq,
        "run": event.run,
        "step": event.step,
        "at": None if event.at is None else float(event.at),
        "boot": event.boot,
        "body": codec.dump(event.body),
    }


def event_of(data: Any, digest: str) -> Event:  # noqa: ANN401 - JSON data
    """The event of an entry. Raises: WireError."""
    if not isinstance(data, dict):
        raise WireError("schema", "an entry must be an object")
    try:
        return codec.load(Event, {**data, "digest": digest})
    except TypeError as why:
        raise WireError("schema", f"not an event: {why!r}") from None


def recorded_event(row: Row) -> Event:
    """The event of a worker's row. Raises: WireError."""
    return event_of(json.loads(row.body), row.digest)


def row_data(row: Row) -> dict[str, Any]:
    """A row's entry. Raises: WireError."""
    return _parsed(row.body.encode())


def kind_of(message: Message, route: Route) -> str:
    """The CloudEvents type: ``watchdogd.event.tool_started.v1``."""
    name = route.template.replace("/{}", "").replace("/", ".")
    if isinstance(message.payload, Event):
        name = f"{name}.{message.payload.body.kind}"
    return f"{TYPE_PREFIX}.{name}.{MAJOR}"


def stamped(message: Message) -> Message:
    """``message`` with the expiry of its route, unless it has one of its own."""
    expiry_s = route_of(message.payload).expiry_s
    if message.expires is not None or expiry_s is None:
        return message
    return replace(message, expires=message.at + expiry_s)


def encode(topics: Topics, message: Message) -> tuple[str, bytes, Route]:
    """Topic, bytes and route of ``message``. A closed escalation is an empty payload.

    Raises:
        WireError: it does not fit on the wire.
    """
    route = route_of(message.payload)
    topic = topics.of(message)
    if message.closed and isinstance(message.payload, Escalation):
        return topic, b"", route
    payload = message.payload
    data: dict[str, Any] = {"headline": message.headline}
    if isinstance(payload, Event):
        data["entry"] = entry(payload)
        data["digest"] = payload.digest
    else:
        data["body"] = codec.dump(payload)
        if message.digest:
            data["digest"] = message.digest
    serial = message.seq if message.seq is not None else f"{message.boot}-{message.at:.6f}-{topic[len(topics.root) :]}"
    envelope: dict[str, Any] = {
        "specversion": "1.0",
        "id": f"{message.source}-{serial}",
        "source": f"/{topics.root}/{message.source}",
        "type": kind_of(message, route),
        "time": rfc3339(message.at),
        "datacontenttype": "application/json",
        "boot": message.boot,
        "runid": message.run,
        "policy": message.policy,
        "data": data,
    }
    if message.seq is not None:
        envelope["seq"] = message.seq
    if message.expires is not None:
        envelope["expires"] = rfc3339(message.expires)
    raw = canonical(envelope).encode()
    if len(raw) > MAX_BYTES:
        raise WireError("too-large", f"{len(raw)} bytes for {topic}")
    return topic, raw, route


def _text_request(raw: bytes) -> Request | None:
    """A request in plain words: ``pause``, ``approve q-17``, ``nudge q-17 look at the header``."""
    try:
        words = raw.decode("utf-8").strip().split(maxsplit=1)
    except UnicodeDecodeError:
        return None
    if not words or words[0].lower() not in COMMANDS:
        return None
    command, rest = words[0].lower(), words[1].strip() if len(words) > 1 else ""
    if command in ("pause", "nudge", "stop"):
        target, text = "", rest
    else:
        target, _, text = rest.partition(" ")
    return codec.load(Request, {"command": command, "target": target, "text": text})


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _no_number(text)


def _parsed(raw: bytes) -> dict[str, Any]:
    try:
        envelope = json.loads(raw, parse_constant=_no_number, parse_float=_finite)
    except (ValueError, RecursionError):
        raise WireError("not-json", "not JSON") from None
    if not isinstance(envelope, dict):
        raise WireError("schema", "not an object")
    return envelope


def _str(envelope: dict[str, Any], name: str) -> str:
    value = envelope.get(name, "")
    if not isinstance(value, str):
        raise WireError("schema", f"{name} is not a text")
    return value


def decode(topics: Topics, topic: str, raw: bytes) -> Message:
    """The message in ``raw``, which arrived on ``topic``.

    Raises:
        WireError: too large, not JSON, another major version, a schema that does not fit, an unknown topic.
    """
    route, parts = topics.find(topic)
    if len(raw) > MAX_BYTES:
        raise WireError("too-large", f"{len(raw)} bytes")
    user = parts[0] if route.template.startswith("control/") else ""
    if route.payload is Request:
        request = _text_request(raw)
        if request is not None:
            return Message(payload=request, headline="", at=0, source=user, user=user)
    envelope = _parsed(raw)
    if route.payload is Request and "specversion" not in envelope:
        request = _usable(codec.load(Request, envelope))
        return Message(payload=request, headline="", at=0, source=user, user=user, expires=request.expires)
    message = _from_envelope(envelope, route, user)
    if isinstance(message.payload, Request):
        _usable(message.payload)
    if topics.of(message) != topic:
        raise WireError("topic", "the payload speaks for another topic")
    return message


def _usable(request: Request) -> Request:
    """``request``, if it can be recorded. Raises: WireError."""
    if request.expires is not None and not math.isfinite(request.expires):
        raise WireError("schema", "expires is no time")
    return request


def opened(topics: Topics, topic: str, raw: bytes) -> tuple[Message | None, WireError | None]:
    """The message in ``raw``, or why it is none; both None when an escalation was closed. Never raises."""
    try:
        return (None, None) if _closes(topics, topic, raw) else (decode(topics, topic, raw), None)
    except WireError as problem:
        return None, problem
    except Exception as bug:  # noqa: BLE001 - one payload, however odd, must not end the stream; it is recorded
        return None, WireError("undecodable", f"{type(bug).__name__}: {str(bug)[:200]}")


def _closes(topics: Topics, topic: str, raw: bytes) -> bool:
    """Whether this is the empty payload that closes an escalation. Raises: WireError, on any other empty payload."""
    if raw:
        return False
    if topics.find(topic)[0].payload is not Escalation:
        raise WireError("empty", "an empty payload")
    return True


def _source(envelope: dict[str, Any], route: Route, payload: object, user: str) -> str:
    """Who sent it: the user of the topic, else a role that may write there. Raises: WireError."""
    if OPERATOR in route.writers:
        return user
    source = _str(envelope, "source").rsplit("/", 1)[-1]
    if source not in route.writers or (isinstance(payload, Presence) and source != payload.role):
        raise WireError("source", f"{source[:80]!r} does not write here")
    return source


def _from_envelope(envelope: dict[str, Any], route: Route, user: str) -> Message:
    kind = _str(envelope, "type")
    if envelope.get("specversion") != "1.0" or not kind.startswith(f"{TYPE_PREFIX}."):
        raise WireError("schema", "not a CloudEvents 1.0 object of ours")
    if not kind.endswith(f".{MAJOR}"):
        raise WireError("major", f"unknown schema major in {kind[:80]!r}")
    data = envelope.get("data")
    if not isinstance(data, dict):
        raise WireError("schema", "data is not an object")
    digest = data.get("digest", "")
    payload = (
        event_of(data.get("entry"), str(digest))
        if route.payload is Event
        else codec.load(route.payload, data.get("body"))
    )
    seq, expires = envelope.get("seq"), _str(envelope, "expires")
    if seq is not None and (isinstance(seq, bool) or not isinstance(seq, int)):
        raise WireError("schema", "seq is not a number")
    message = Message(
        payload=payload,
        headline=str(data.get("headline", "")),
        at=unix(_str(envelope, "time")),
        source=_source(envelope, route, payload, user),
        boot=_str(envelope, "boot"),
        seq=seq,
        run=_str(envelope, "runid"),
        policy=_str(envelope, "policy"),
        expires=unix(expires) if expires else None,
        user=user,
        digest=str(digest),
    )
    if isinstance(payload, Request) and payload.expires is not None and message.expires is None:
        return replace(message, expires=payload.expires)
    return message
