"""Somebody with an MQTT client: sees what a person may see, says what a person may say, in raw bytes."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from watchdogd.adapters.broker_connection import Connection
from watchdogd.core.errors import WireError
from watchdogd.wire.envelope import opened
from watchdogd.wire.messages import Message, Response
from watchdogd.wire.topics import Topics

T = TypeVar("T")
WAIT_S = 90.0
"""Longer than anything takes on a busy machine; nothing is measured by it."""


class Late(AssertionError):
    """What was waited for did not come."""


@dataclass(frozen=True)
class Seen:
    """One message as it came."""

    topic: str
    """Below the agent's root."""
    raw: bytes
    retained: bool
    message: Message | None
    problem: WireError | None

    @property
    def payload(self) -> Any:
        return None if self.message is None else self.message.payload


class Viewer:
    """A connection as one account, kept up by paho's own thread."""

    def __init__(self, connection: Connection, user: str = "operator") -> None:
        self.connection, self.user = connection, user
        self.topics: Topics = connection.topics
        self.root = self.topics.root
        self.seen: list[Seen] = []
        self.more = threading.Condition()
        self._up = threading.Event()
        self._sent = 0
        account, password = connection.login(user)
        version = MQTTProtocolVersion.MQTTv5 if connection.version == 5 else MQTTProtocolVersion.MQTTv311
        self._client = Client(CallbackAPIVersion.VERSION2, client_id="", protocol=version)
        self._client.username_pw_set(account, password)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message
        self._client.connect(connection.host, connection.port, keepalive=10)
        self._client.loop_start()
        self.until_up()

    def _on_connect(self, client: Client, *_: object) -> None:
        client.subscribe([(one, qos) for one, qos in self.topics.subscriptions(self.user)])

    def _on_subscribe(self, *_: object) -> None:
        self._up.set()

    def _on_disconnect(self, *_: object) -> None:
        self._up.clear()

    def _on_message(self, client: Client, userdata: object, arrived: MQTTMessage) -> None:
        raw = bytes(arrived.payload)
        message, problem = opened(self.topics, arrived.topic, raw)
        with self.more:
            name = arrived.topic[len(self.root) + 1 :]
            self.seen.append(Seen(name, raw, arrived.retain, message, problem))
            self.more.notify_all()

    def until_up(self) -> None:
        """Waits until the broker takes and gives."""
        if not self._up.wait(WAIT_S):
            raise Late("no connection to the broker")

    @property
    def mark(self) -> int:
        """How much was seen so far; what comes later is found with ``wait(…, since=mark)``."""
        with self.more:
            return len(self.seen)

    def wait(self, what: str, found: Callable[[Seen], T | None], *, since: int = 0, deadline_s: float = WAIT_S) -> T:
        """The first thing ``found`` says of a message seen after ``since``."""
        until = time.monotonic() + deadline_s
        looked = since
        with self.more:
            while True:
                for one in self.seen[looked:]:
                    hit = found(one)
                    if hit is not None and hit is not False:
                        return hit
                looked = len(self.seen)
                left = until - time.monotonic()
                if left <= 0 or not self.more.wait(left):
                    newest = "\n".join(f"  {one.topic} {one.raw[:160]!r}" for one in self.seen[-12:])
                    raise Late(f"waited {deadline_s:.0f} s for {what}; newest messages:\n{newest}")

    def event(self, kind: str, test: Callable[[Any], bool] = lambda _: True, *, since: int = 0) -> Any:
        """The first event of ``kind`` (after ``since``) whose body passes ``test``."""

        def found(one: Seen) -> Any:
            if one.topic == f"event/{kind}" and one.message is not None and test(one.payload.body):
                return one.payload
            return None

        return self.wait(f"event {kind}", found, since=since)

    def latest(self, topic: str) -> Seen | None:
        """The newest message on ``topic``."""
        with self.more:
            return next((one for one in reversed(self.seen) if one.topic == topic), None)

    def all(self, topic: str, *, since: int = 0) -> list[Seen]:
        """Every message on ``topic`` (or below it, with a trailing slash)."""
        with self.more:
            return [one for one in self.seen[since:] if one.topic == topic or one.topic.startswith(f"{topic}/")]

    def publish(self, topic: str, raw: bytes | str, *, retain: bool = False) -> None:
        """Publishes below the agent's root and waits until the broker has it; tries again when it dies meanwhile."""
        until = time.monotonic() + WAIT_S
        while True:
            self.until_up()
            info = self._client.publish(f"{self.root}/{topic}", raw, qos=1, retain=retain)
            try:
                info.wait_for_publish(5)
            except RuntimeError:  # not connected just now: paho says so instead of waiting
                continue
            if info.is_published():
                return
            if time.monotonic() > until:
                raise Late(f"the broker did not take a message on {topic}")

    def say(self, command: str, target: str = "", text: str = "", *, name: str = "", **more: object) -> str:
        """Sends a request as JSON; returns its id."""
        self._sent += 1
        name = name or f"{self.user}-{id(self) % 100_000}-{self._sent}"
        data = {"command": command, "id": name, "target": target, "text": text, **more}
        self.publish(f"control/request/{self.user}", json.dumps(data))
        return name

    def answer(self, request: str, stage: str = "", *, since: int = 0, deadline_s: float = WAIT_S) -> Response:
        """The response to request ``request``, at ``stage`` where one is named."""

        def found(one: Seen) -> Response | None:
            payload = one.payload
            if isinstance(payload, Response) and payload.request == request and stage in ("", payload.stage):
                return payload
            return None

        return self.wait(f"the answer to {request} {stage}", found, since=since, deadline_s=deadline_s)

    def ask(self, command: str, target: str = "", text: str = "") -> Response:
        """Sends a request and waits for its first answer; asks again under the same id, which is carried out once.

        The broker keeps requests for an overseer that was there before, not for one that never was.
        """
        since, name = self.mark, ""
        until = time.monotonic() + WAIT_S
        while True:
            name = self.say(command, target, text, name=name)
            try:
                return self.answer(name, since=since, deadline_s=5)
            except Late:
                if time.monotonic() > until:
                    raise

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
