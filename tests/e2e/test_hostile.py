"""What people, roles and strangers may put on the wire: recorded, ignored, and nothing stops."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from tests.e2e import records
from tests.e2e.daemon import HAVE_MOSQUITTO, SCENARIOS, Daemon, running
from tests.e2e.viewer import Viewer
from watchdogd.core.ids import Role
from watchdogd.wire.topics import OPERATOR

DEEP = "[" * 50_000 + "]" * 50_000
BAD = {
    "not-json": b"{",
    "binary": b"\xff\x00\xfe\x01",
    "empty": b"",
    "a-number": b"17",
    "a-list": b"[1, 2]",
    "deep": DEEP.encode(),
    "deep-in-an-object": ('{"command": "pause", "text": ' + DEEP + "}").encode(),
    "endless-number": b'{"command": "pause", "expires": 1e999}',
    "not-a-number": b'{"command": "pause", "expires": NaN}',
    "large": b'{"command": "pause", "text": "' + b"x" * 300 * 1024 + b'"}',
    "unknown-command": b'{"command": "destroy"}',
    "wrong-type": b'{"command": ["pause"]}',
    "another-major": b'{"specversion": "1.0", "type": "watchdogd.control.request.v2", "data": {}}',
    "half-an-envelope": b'{"specversion": "1.0"}',
    "no-cloud-event": b'{"specversion": "0.3", "type": 4, "data": 7}',
}
"""None of these is a request, an event, or anything else of ours."""


@pytest.fixture(scope="module")
def daemon(tmp_path_factory) -> Iterator[Daemon]:
    root, mission = tmp_path_factory.mktemp("hostile") / "d", '[missions.lines]\ngoal = "Write."\nbudget_usd = 1.0'
    with running(root, scenario=SCENARIOS / "questions.toml", mission=mission, trigger="request") as daemon:
        daemon.viewer().ask("label", "warm-up", "right")
        yield daemon


@pytest.fixture(scope="module")
def operator(daemon: Daemon) -> Viewer:
    return daemon.viewer()


def ignored(daemon: Daemon) -> list[dict[str, str]]:
    return [one["body"] for one in records.entries(daemon.record("overseer")) if one["kind"] == "ignored"]


def epoch(daemon: Daemon) -> int:
    """Rises with every start of the overseer."""
    return int(records.cells(daemon.record("overseer"))["epoch"])


def expect(daemon: Daemon, before: int, most: int, what: str) -> list[dict[str, str]]:
    """The rows about what was ignored, once there are ``most`` more than ``before``."""
    daemon.until(f"{what} to be recorded as ignored", lambda: len(ignored(daemon)) >= before + most)
    return ignored(daemon)[before:]


@pytest.mark.parametrize("name", BAD)
def test_a_broken_request_is_recorded_and_ignored(daemon, operator, name):
    before, life = len(ignored(daemon)), epoch(daemon)
    operator.publish("control/request/operator", BAD[name])
    (row,) = expect(daemon, before, 1, name)
    assert row["topic"].endswith("control/request/operator")
    assert operator.ask("label", "x", "right").status == "ok"
    assert epoch(daemon) == life


@pytest.mark.parametrize("role", [Role.WORKER, Role.OVERSEER, Role.SUPERVISOR])
def test_rubbish_on_every_topic_a_role_may_write_stops_nothing(daemon, operator, role):
    hostile = daemon.viewer(role.value)
    life, pids = epoch(daemon), {name: daemon.pid(name) for name in ("worker", "overseer")}
    root = f"{operator.root}/"
    for filter_ in operator.topics.writable(role):
        topic = filter_.removeprefix(root).replace("+", "rubbish")
        if topic.startswith("presence/"):
            continue  # retained: a later viewer would read it as its own
        for raw in BAD.values():
            hostile.publish(topic, raw)
    assert operator.ask("label", "after", "right").status == "ok"
    assert {name: daemon.pid(name) for name in pids} == pids
    assert epoch(daemon) == life


def test_what_a_role_makes_up_about_orders_loses_none(daemon, operator):
    hostile = daemon.viewer("worker")
    envelope = {
        "specversion": "1.0",
        "id": "made-up",
        "source": f"/{operator.root}/worker",
        "type": "watchdogd.order.ack.v1",
        "time": "2026-11-22T00:00:00Z",
        "boot": "b",
        "data": {"headline": "", "body": {"n": 10**9, "note": "all done"}},
    }
    hostile.publish("order/ack", json.dumps(envelope))
    assert operator.ask("label", "after", "right").status == "ok"
    assert records.cells(daemon.record("overseer")).get("desired", {}).get("acked_n", 0) == 0


@pytest.mark.skipif(
    not HAVE_MOSQUITTO, reason="mosquitto is not installed: only MQTT 5 marks a live message as retained"
)
def test_a_retained_request_is_ignored_and_its_copy_cleared(daemon, operator):
    before = len(ignored(daemon))
    operator.publish("control/request/operator", "pause retained", retain=True)
    (row,) = expect(daemon, before, 1, "a retained request")
    assert row["reason"] == "retained"
    assert records.cells(daemon.record("overseer")).get("desired", {}).get("latches", []) == []
    daemon.kill("overseer")
    assert operator.ask("label", "after", "right").status == "ok"
    assert [one for one in ignored(daemon)[before + 1 :] if one["reason"] == "retained"] == []


def test_an_expired_request_is_ignored(daemon, operator):
    before = len(ignored(daemon))
    operator.say("pause", expires=time.time() - 1)
    assert expect(daemon, before, 1, "an expired request")[0]["reason"] == "expired"


def test_a_repeated_request_is_answered_again_and_carried_out_once(daemon, operator):
    name = operator.say("level", "observe")
    first = operator.answer(name)
    since = operator.mark
    operator.say("level", "observe", name=name)
    assert operator.answer(name, since=since) == first
    rows = [one for one in records.entries(daemon.record("overseer")) if one["kind"] == "level"]
    assert len(rows) == 1
    assert operator.ask("level", "assisted").status == "ok"


@pytest.mark.parametrize("words", ["half \ud800 a character", "\u202egnissap eb ton", "\x00\x07", "x" * 200_000])
def test_a_pause_with_odd_words_is_still_a_pause(daemon, operator, words):
    answer = operator.ask("pause", text=words)
    assert (answer.status, answer.stage) == ("ok", "latched")
    assert len(answer.text) < 10_000
    operator.answer(answer.request, "held")
    assert operator.ask("resume").status == "ok"


@pytest.mark.parametrize("target", ["\ud800", "x" * 100_000, "../../etc/passwd", "q1\x00", "#", "+/+"])
@pytest.mark.parametrize("command", ["approve", "resume", "ack", "run", "level", "rollback"])
def test_an_odd_target_is_an_error_in_one_line(daemon, operator, command, target):
    answer = operator.ask(command, target)
    assert answer.status == "error"
    assert len(answer.text) < 1_000


def test_nobody_writes_in_anothers_name(daemon, operator):
    """The broker refuses what an account may not write; what is refused was never seen by anybody."""
    bob = daemon.viewer("bob")
    before = len(records.entries(daemon.record("overseer")))
    for topic in ("control/request/operator", "order", "lease", "health", "state", "escalation/q1"):
        bob.publish(topic, b'{"command": "stop"}')
    assert operator.ask("label", "after", "right").status == "ok"
    kinds = [one["kind"] for one in records.entries(daemon.record("overseer"))[before:]]
    assert "ignored" not in kinds
    assert all(
        not one.startswith(f"{operator.root}/control/request/operator")
        for one in bob.topics.writable(OPERATOR, user="bob")
    )


def test_after_all_that_a_mission_still_ends_well(daemon, operator):
    assert operator.ask("run", "lines").status == "ok"
    assert operator.event("run_finished").body.outcome == "done"
    assert (daemon.workspace / "log.txt").read_text().split() == ["first", "first", "away", "unwanted", "late"]
