"""What a broker is told: explicit grants, working hashes, no surprise."""

from __future__ import annotations

import stat

import pytest

from tests.bus.worlds import HAVE_MOSQUITTO
from watchdogd.adapters import broker_mosquitto
from watchdogd.adapters.broker import BrokerSpec, start_broker
from watchdogd.adapters.broker_config import acl, broker_config, commands, password_line, principals
from watchdogd.adapters.broker_connection import Connection, connection_of, load, save
from watchdogd.adapters.clock import SystemClock
from watchdogd.core.errors import ConfigError
from watchdogd.core.ids import AgentRef, Role
from watchdogd.wire.topics import VIEWER, Topics, matches

TOPICS = Topics(ref=AgentRef(site="lab", agent="a1"))
ROOT = TOPICS.root
MADE = Connection(host="127.0.0.1", port=1883, site="lab", agent="a1", accounts={"anna": "s3cret word", "viewer": "v"})


def lines_of(user: str, text: str) -> list[str]:
    blocks = [block.splitlines() for block in text.split("\n\n")]
    (found,) = [block[1:] for block in blocks if block[0] == f"user {user}"]
    return found


def test_no_line_holds_for_every_account():
    text = acl(TOPICS, ("anna",))
    assert "pattern" not in text
    assert text.startswith("user ")
    assert "#" not in text


def test_the_worker_may_write_what_is_its_own_and_nothing_else():
    writes = [line.split(" ", 2)[2] for line in lines_of("worker", acl(TOPICS, ("anna",))) if "write" in line]
    assert sorted(writes) == sorted(
        f"{ROOT}/{one}" for one in ("presence/worker", "state", "event/+", "beat", "lease/ack", "order/ack")
    )


def test_a_person_may_ask_in_his_own_name_only():
    grants = TOPICS.grants("anna")
    assert grants.write == (f"{ROOT}/control/request/anna",)
    assert not any(matches(one, f"{ROOT}/control/request/ben") for one in grants.read)
    assert not any(matches(one, f"{ROOT}/control/response/ben/r1") for one in grants.read)
    assert any(matches(one, f"{ROOT}/control/response/anna/r1") for one in grants.read)


def test_a_viewer_writes_nothing_and_sees_no_requests():
    grants = TOPICS.grants(VIEWER)
    assert grants.write == ()
    assert not any("control" in one for one in grants.read)


def test_only_the_supervisor_and_the_overseer_publish_health():
    writers = [name for name in principals(("anna",)) if f"{ROOT}/health" in TOPICS.grants(name).write]
    assert sorted(writers) == ["overseer", "supervisor"]


@pytest.mark.parametrize("name", ["worker", "viewer", "<person>", "a/b", "+", "#", "", "x" * 65, "anna bell", "ä"])
def test_a_persons_name_that_could_widen_a_grant_is_refused(name):
    with pytest.raises(ConfigError):
        principals((name,))


def test_two_people_cannot_have_one_name():
    with pytest.raises(ConfigError):
        principals(("anna", "anna"))


def test_a_prefix_tells_the_roles_of_two_agents_apart():
    text = broker_config(TOPICS, ("anna",), role_prefix="a1-")
    assert "user a1-worker" in text
    assert "user anna" in text
    assert "user a1-anna" not in text


def test_a_hash_is_the_one_mosquitto_writes():
    # mosquitto_passwd 2.0.11 -b file user word, salt as found in the file
    line = password_line("user", "word", salt=b"123456789012")
    name, empty, scheme, rounds, salt, key = line.replace(":", "$").split("$")
    assert (name, empty, scheme, rounds, salt) == ("user", "", "7", "101", "MTIzNDU2Nzg5MDEy")
    assert len(key) == 88


@pytest.mark.skipif(not HAVE_MOSQUITTO, reason="mosquitto is not installed")
async def test_mosquitto_takes_our_own_hashes_where_its_tool_is_missing(tmp_path, monkeypatch):
    program = broker_mosquitto.found()
    assert program is not None
    only = tmp_path / "bin"
    only.mkdir()
    (only / "mosquitto").symlink_to(program)
    monkeypatch.setenv("PATH", str(only))
    monkeypatch.setattr(broker_mosquitto, "PLACES", ())
    spec = BrokerSpec(topics=TOPICS, state_dir=tmp_path / "state")
    async with start_broker(spec, clock=SystemClock()) as running:
        assert running.connection.kind == "mosquitto"
        text = (tmp_path / "state/broker/passwords").read_text()
        assert not any(word in text for word in running.connection.accounts.values())


def test_the_connection_file_is_for_its_owner_alone_and_reads_back(tmp_path):
    path = tmp_path / "deep" / "connection.json"
    path.parent.mkdir()
    path.write_text("old")
    path.chmod(0o666)
    save(MADE, path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load(path) == MADE
    assert [one.name for one in path.parent.iterdir()] == ["connection.json"]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"host": 1}', '{"host": "h", "port": "x"}'])
def test_a_damaged_connection_file_is_one_clear_problem(tmp_path, text):
    with pytest.raises(ConfigError) as why:
        connection_of(text, "connection.json")
    assert len(why.value.problems) == 1
    assert "\n" not in str(why.value)


def test_a_missing_connection_file_says_that_there_is_no_daemon(tmp_path):
    with pytest.raises(ConfigError, match="no daemon"):
        load(tmp_path / "none.json")


def test_passwords_are_not_part_of_what_is_printed():
    assert "s3cret" not in repr(MADE)


def test_a_child_is_given_its_own_account_alone():
    assert MADE.only(Role.WORKER, "viewer").accounts == {"viewer": "v"}


def test_the_commands_for_people_are_complete_and_quoted():
    watch, inbox, pause, *_ = commands(MADE, TOPICS, "anna")
    assert watch == f"mosquitto_sub -h 127.0.0.1 -p 1883 -u anna -P 's3cret word' -v -t '{ROOT}/#'"
    assert f"-t {ROOT}/inbox" in inbox
    assert pause.endswith(f"-q 1 -t {ROOT}/control/request/anna -m pause")


def test_a_viewer_is_shown_how_to_watch_only():
    assert all(line.startswith("mosquitto_sub") for line in commands(MADE, TOPICS, VIEWER))
