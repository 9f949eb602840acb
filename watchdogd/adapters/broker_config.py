"""What a broker must be told: accounts, explicit grants per account, and the settings our delivery rests on."""

from __future__ import annotations

import base64
import hashlib
import os
import shlex
from collections.abc import Mapping, Sequence

from watchdogd.adapters.broker_connection import Connection
from watchdogd.core.errors import ConfigError, Problem
from watchdogd.core.ids import SEGMENT, Role
from watchdogd.wire.topics import RESERVED, VIEWER, Topics

ITERATIONS = 101
"""What mosquitto_passwd 2.0 writes; the passwords are generated, so that guessing fails without stretching."""
LARGEST_PACKET = 1024 * 1024
"""Bytes the broker takes; who sends more is disconnected. Above our own 256 KiB, so that what is too large for us is
seen, recorded and ignored."""

SETTINGS = f"""\
allow_anonymous false
persistence true
autosave_interval 1
max_inflight_messages 0
max_queued_messages 100000
max_queued_bytes 268435456
max_packet_size {LARGEST_PACKET}
persistent_client_expiration 14d
set_tcp_nodelay true
connection_messages false
"""
"""FACTS, MQTT: the default autosave loses everything on kill -9; beyond the default of 1,000 queued messages the broker
drops although the publisher got its PUBACK; without set_tcp_nodelay a round trip costs 44 ms."""


def principals(operators: Sequence[str]) -> tuple[str, ...]:
    """Every account: the roles, ``viewer``, then people.

    Raises:
        ConfigError: a person's name that cannot be part of a topic, is taken, or comes twice.
    """
    problems = []
    for name in operators:
        if not SEGMENT.match(name):
            problems.append(f"{name!r} must be 1 to 64 of A-Z a-z 0-9 _ -")
        elif name in RESERVED:
            problems.append(f"{name!r} is an account of watchdogd itself")
    if len(set(operators)) != len(operators):
        problems.append("the same name twice")
    if problems:
        raise ConfigError([Problem(file="operators", line=0, key="name", text=text) for text in problems])
    return (*(role.value for role in Role), VIEWER, *operators)


def acl(topics: Topics, operators: Sequence[str], *, role_prefix: str = "") -> str:
    """Mosquitto's acl_file: a line per account and filter. No ``pattern`` lines: they would hold for the worker too."""
    lines = []
    for name in principals(operators):
        grants = topics.grants(name)
        user = role_prefix + name if name in tuple(Role) else name
        lines += [f"user {user}"]
        both = [one for one in grants.read if one in grants.write]
        lines += [f"topic readwrite {one}" for one in both]
        lines += [f"topic read {one}" for one in grants.read if one not in both]
        lines += [f"topic write {one}" for one in grants.write if one not in both]
        lines += [""]
    return "\n".join(lines)


def password_line(user: str, password: str, salt: bytes | None = None) -> str:
    """A line of mosquitto's password_file (``$7$``: PBKDF2 with SHA-512)."""
    salt = os.urandom(12) if salt is None else salt
    key = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ITERATIONS)
    parts = (base64.b64encode(one).decode() for one in (salt, key))
    return f"{user}:$7${ITERATIONS}${'$'.join(parts)}"


def broker_config(topics: Topics, operators: Sequence[str], *, role_prefix: str = "") -> str:
    """What to put into a mosquitto of one's own so that it can serve this agent, as text to read and copy."""
    names = [role_prefix + name if name in tuple(Role) else name for name in principals(operators)]
    accounts = "\n".join(f"#   mosquitto_passwd /etc/mosquitto/watchdogd.passwd {shlex.quote(name)}" for name in names)
    settings = "".join(f"{line}\n" for line in SETTINGS.splitlines())
    return f"""\
# watchdogd: broker settings for {topics.root}
#
# 1. Accounts (each command asks for a password; the first one takes -c to create the file):
{accounts}
#    watchdogd is told the passwords of {", ".join(role.value for role in Role)} and, for its command line, operator:
#    systemd's LoadCredential=broker_password_NAME:FILE, or $WATCHDOGD_BROKER_PASSWORD_NAME. People keep their own.
#    One more person later: a line under [broker.operators], one here and the ACL lines below, then
#    systemctl reload mosquitto and systemctl restart watchdogd.
#
# 2. In mosquitto.conf. Beyond loopback use TLS: certfile, keyfile and a listener on 8883.
password_file /etc/mosquitto/watchdogd.passwd
acl_file /etc/mosquitto/watchdogd.acl
{settings}
# 3. In /etc/mosquitto/watchdogd.acl. Use these lines as they stand: a "pattern write .../%u" line would let the
#    worker's account write requests too. At its start watchdogd tries what must not work, and turns remote control
#    off when it works.
{acl(topics, operators, role_prefix=role_prefix)}"""


def commands(connection: Connection, topics: Topics, user: str) -> tuple[str, ...]:
    """Complete command lines with which ``user`` watches and answers; they need nothing of ours.

    For somebody without an account of his own (``viewer``) only the watching.
    """
    name, password = connection.login(user)
    who = ["-h", connection.host, "-p", str(connection.port), "-u", name, "-P", password or "PASSWORD"]
    if connection.tls:
        who += ["--cafile", connection.ca_file] if connection.ca_file else ["--tls-use-os-certs"]

    def line(program: str, *rest: str) -> str:
        return shlex.join([program, *who, *rest])

    found = [
        line("mosquitto_sub", "-v", "-t", f"{topics.root}/#"),
        line("mosquitto_sub", "-v", "-t", f"{topics.root}/inbox", "-t", f"{topics.root}/escalation/+"),
    ]
    if user != VIEWER:
        ask = ("-q", "1", "-t", f"{topics.root}/control/request/{user}", "-m")
        found += [line("mosquitto_pub", *ask, words) for words in ("pause", "resume", "approve ID", "deny ID")]
        found += [line("mosquitto_sub", "-v", "-q", "1", "-t", f"{topics.root}/control/response/{user}/+")]
    return tuple(found)


def hashed(accounts: Mapping[str, str]) -> str:
    """Mosquitto's password_file for ``accounts``."""
    return "".join(f"{password_line(name, word)}\n" for name, word in accounts.items())
