"""The AsyncAPI 3.0 description of every topic, generated from the routes and the codecs.

``python -m watchdogd.wire.asyncapi DOCS`` writes ``asyncapi.json`` and the generated part of ``topics.md`` below DOCS.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from watchdogd.core.escalation import Escalation
from watchdogd.core.events import Event
from watchdogd.core.ids import Role
from watchdogd.wire import codec
from watchdogd.wire.envelope import COMMANDS, MAJOR, MAX_BYTES, TYPE_PREFIX, encode
from watchdogd.wire.examples import TOPICS, example
from watchdogd.wire.messages import Presence, Request, Response
from watchdogd.wire.topics import BASE, OPERATOR, ROUTES, Route

VERSION = "3.0.0"
BINDING = "0.2.0"
"""Version of AsyncAPI's MQTT operation binding."""
BEGIN, END = "<!-- generated: python -m watchdogd.wire.asyncapi docs -->", "<!-- end of the generated part -->"
JSON = dict[str, Any]

PARTS = {
    "site": "Where the agent runs.",
    "agent": "Which agent.",
    "role": "Which of the three processes speaks.",
    "kind": "What happened: the event's kind.",
    "channel": "Which of the six channels.",
    "id": "The escalation's id, as answers name it.",
    "user": "Whose request it is: the account the broker authenticated.",
    "request": "The request's id, chosen by its sender.",
}


def names_of(route: Route) -> tuple[str, ...]:
    """What the variable parts of the route's topic are called."""
    known: dict[type, tuple[str, ...]] = {Presence: ("role",), Event: ("kind",), Escalation: ("id",)}
    if route.payload is Request:
        return ("user",)
    if route.payload is Response:
        return ("user", "request")
    return known.get(route.payload, ("channel",) if "{}" in route.template else ())


def address(route: Route) -> str:
    """The route's topic with named parts."""
    return f"{BASE}/{{site}}/{{agent}}/" + route.template.format(*(f"{{{name}}}" for name in names_of(route)))


def key_of(route: Route) -> str:
    """The route's name in the document."""
    return "_".join(part for part in route.template.split("/") if part != "{}") + ("_one" if _is_one(route) else "")


def _is_one(route: Route) -> bool:
    return any(other is not route and route.template == f"{other.template}/{{}}" for other in ROUTES)


def who(principal: Role | str) -> str:
    """A reader or writer in plain words."""
    return "a person" if principal == OPERATOR else f"the {Role(principal).value}"


def document() -> JSON:
    """The whole description, as JSON data."""
    schemas: JSON = {}
    messages = {key_of(route): _message(route, schemas) for route in ROUTES}
    return {
        "asyncapi": VERSION,
        "info": {
            "title": "watchdogd",
            "version": MAJOR,
            "description": (
                "A worker agent under a separate overseer, over MQTT. Every payload is one CloudEvents 1.0 object in "
                f"structured JSON of at most {MAX_BYTES} bytes; requests may also be plain text."
            ),
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/cloudevents+json",
        "servers": {
            "local": {
                "host": "{host}:{port}",
                "protocol": "mqtt",
                "protocolVersion": "5.0",
                "description": "The daemon's own broker; host, port and accounts stand in its connection file.",
                "variables": {"host": {"default": "127.0.0.1"}, "port": {"default": "1883"}},
                "security": [{"$ref": "#/components/securitySchemes/account"}],
            }
        },
        "channels": {key_of(route): _channel(route) for route in ROUTES},
        "operations": {f"{_action(route)}_{key_of(route)}": _operation(route) for route in ROUTES},
        "components": {
            "securitySchemes": {"account": {"type": "userPassword", "description": "One account per role and person."}},
            "parameters": {name: {"description": text} for name, text in PARTS.items()},
            "messages": messages,
            "schemas": dict(sorted(schemas.items())),
        },
    }


def _action(route: Route) -> str:
    """From the daemon's point of view, as AsyncAPI wants it."""
    return "receive" if OPERATOR in route.writers else "send"


def _channel(route: Route) -> JSON:
    names = ("site", "agent", *names_of(route))
    return {
        "address": address(route),
        "description": route.summary,
        "parameters": {name: {"$ref": f"#/components/parameters/{name}"} for name in names},
        "messages": {key_of(route): {"$ref": f"#/components/messages/{key_of(route)}"}},
    }


def _operation(route: Route) -> JSON:
    mqtt: JSON = {"qos": route.qos, "retain": route.retain, "bindingVersion": BINDING}
    if route.expiry_s is not None:
        mqtt["messageExpiryInterval"] = int(route.expiry_s)
    return {
        "action": _action(route),
        "channel": {"$ref": f"#/channels/{key_of(route)}"},
        "summary": route.summary,
        "bindings": {"mqtt": mqtt},
        "messages": [{"$ref": f"#/channels/{key_of(route)}/messages/{key_of(route)}"}],
        "x-writers": [who(one) for one in route.writers],
        "x-readers": [who(one) for one in route.readers],
    }


def _message(route: Route, schemas: JSON) -> JSON:
    shown = json.loads(encode(TOPICS, example(route.payload))[1])
    return {
        "name": key_of(route),
        "summary": route.summary,
        "contentType": "application/cloudevents+json",
        "payload": _payload(route, schemas),
        "examples": [{"name": "example", "payload": shown}],
    }


def _payload(route: Route, schemas: JSON) -> JSON:
    envelope = _envelope(route, _named(route, schemas))
    if route.payload is Request:
        words = rf"^\s*({'|'.join(sorted(COMMANDS))})(\s.*)?$"
        plain = {"type": "string", "pattern": words, "description": "In plain words: not JSON, the bare text."}
        return {"anyOf": [envelope, {"$ref": "#/components/schemas/Request"}, plain]}
    return envelope


def _named(route: Route, schemas: JSON) -> str:
    """Puts the payload's schema, and all it refers to, among ``schemas``; its name there."""
    found = codec.schema(route.payload)
    for name, one in found.pop("$defs", {}).items():
        if schemas.setdefault(name, one) != one:
            raise ValueError(f"two schemas are called {name}")
    if route.payload is Event:
        found["properties"].pop("digest")  # it travels beside the entry it is the digest of
    name = "Entry" if route.payload is Event else route.payload.__name__
    if schemas.setdefault(name, found) != found:
        raise ValueError(f"two schemas are called {name}")
    return name


def _envelope(route: Route, name: str) -> JSON:
    """CloudEvents 1.0 with our extensions, around the schema ``name``."""
    text = {"type": "string"}
    moment = {"type": "string", "format": "date-time"}
    inner = {"entry" if route.payload is Event else "body": {"$ref": f"#/components/schemas/{name}"}}
    types = f"{TYPE_PREFIX}.{route.template.replace('/{}', '').replace('/', '.')}"
    kind = rf"^{re.escape(types)}(\.[a-z_]+)?\.{MAJOR}$" if route.payload is Event else None
    return {
        "type": "object",
        "required": ["specversion", "id", "source", "type", "time", "data"],
        "properties": {
            "specversion": {"const": "1.0"},
            "id": text | {"description": "Unique per source; for what is recorded the record's number is part of it."},
            "source": text | {"description": "/{base}/{site}/{agent}/{role, or the person's name}"},
            "type": {"type": "string", "pattern": kind} if kind else {"const": f"{types}.{MAJOR}"},
            "time": moment,
            "datacontenttype": {"const": "application/json"},
            "seq": {"type": "integer", "minimum": 1, "description": "Number in the sender's record, if recorded."},
            "boot": text | {"description": "The sender's boot id."},
            "runid": text,
            "policy": text | {"description": "Digest of the policy in force."},
            "expires": moment | {"description": "After this it means nothing any more."},
            "data": {
                "type": "object",
                "required": ["headline", *inner],
                "properties": {
                    "headline": text | {"description": "In plain words, for a person who sees nothing else."},
                    "digest": text | {"description": "Chain digest of the row, for what is recorded."},
                    **inner,
                },
            },
        },
    }


def table() -> str:
    """The generated part of ``topics.md``: a chapter for every topic, with its example."""
    return "\n".join(_chapter(route) for route in ROUTES)


def _chapter(route: Route) -> str:
    message = example(route.payload)
    topic, raw, _ = encode(TOPICS, message)
    how = [f"QoS {route.qos}", "retained" if route.retain else "not retained"]
    how += [f"expires after {route.expiry_s:g} s"] if route.expiry_s is not None else []
    readers = ", ".join(who(one) for one in route.readers if one != OPERATOR)
    public = "its person" if route.payload is Response else "people" if "control/" not in route.template else ""
    shown = json.dumps(json.loads(raw), indent=2, ensure_ascii=False)
    return f"""\
### `{address(route).removeprefix(f"{BASE}/{{site}}/{{agent}}/")}`

{route.summary[0].upper()}{route.summary[1:]}.

* written by {" and ".join(who(one) for one in route.writers)}; read by {", ".join(filter(None, (readers, public)))}
* {", ".join(how)}

`{topic}`

```json
{shown}
```
"""


def write(docs: Path) -> None:
    """Writes ``asyncapi.json`` and renews the generated part of ``topics.md`` below ``docs``."""
    (docs / "asyncapi.json").write_text(text(), encoding="utf-8")
    path = docs / "topics.md"
    path.write_text(renewed(path.read_text(encoding="utf-8")), encoding="utf-8")


def text() -> str:
    """The document as it lies in ``docs/asyncapi.json``."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


def renewed(page: str) -> str:
    """``topics.md`` with its generated part as it should be. Raises: ValueError, when it has none."""
    before, _, rest = page.partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        raise ValueError("topics.md has no generated part")
    return f"{before}{BEGIN}\n\n{table()}\n{END}{after}"


if __name__ == "__main__":
    write(Path(sys.argv[1]))
