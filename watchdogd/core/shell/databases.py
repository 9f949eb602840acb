"""Clients of databases: what their statements do, and where they copy to."""

from __future__ import annotations

import re

from watchdogd.core.events import Impact
from watchdogd.core.shell import sql
from watchdogd.core.shell.effects import Effect, register, shown
from watchdogd.core.shell.literals import given
from watchdogd.core.shell.options import URL_HOST, sorted_words
from watchdogd.core.shell.paths import UNKNOWN
from watchdogd.core.shell.simple import SimpleCommand


def _dumping(effect: Effect, command: SimpleCommand) -> None:
    words = sorted_words(command.argv[1:], ("f", "r", "o", "h", "U", "u", "p", "--file", "--result-file", "--out"))
    effect.at_least(Impact.EXECUTE, f"runs {command.program}")
    target = words.value("f", "r", "o", "--file", "--result-file", "--out")
    if target:
        effect.writes.append(target)


def _sql_client(effect: Effect, command: SimpleCommand) -> None:
    texts = [redirect.text for redirect in command.redirects if redirect.op in ("<<", "<<<")]
    texts += [word for word in command.argv[1:] if " " in word or "(" in word or word.startswith(".")]
    if command.stdin is not None and (text := given(command)) != UNKNOWN:
        texts.append(text)
    words = sorted_words(
        command.argv[1:],
        ("h", "c", "d", "U", "e", "f", "u", "p", "P", "n", "--host", "--command", "--execute", "--file"),
    )
    texts += [value for value in (words.value("c", "--command"), words.value("e", "--execute")) if value]
    host = words.value("h", "--host") or next(iter(URL_HOST.findall(" ".join(command.argv[1:]))), "")
    host = host or next(
        (m.group(1) for w in command.argv[1:] if (m := re.match(r"\w{2,20}://[^/@\s]{0,200}@?([\w.-]{1,253})", w))), ""
    )
    if host and not host.startswith("/") and host not in ("localhost", "127.0.0.1"):
        effect.hosts.append(host)
        effect.at_least(Impact.NETWORK, f"talks to the database on {shown(host)}")
    if command.program in ("sqlite3", "duckdb") and words.operands:
        effect.writes += [word for word in words.operands[:1] if any(sql.changes(text) for text in texts)]
    if not texts or any(redirect.op == "<" for redirect in command.redirects) or words.value("f", "--file"):
        effect.at_least(Impact.EXECUTE, f"{command.program} runs statements that are not seen here")
    if command.program in ("redis-cli", "valkey-cli"):
        texts.append(" ".join(words.operands))
    for text in texts:
        copied = re.match(r"\.(?:backup|save|output|once|clone)\s{1,4}(?:main\s{1,4})?[\"']?([^\"'\s]{1,300})", text)
        if copied is not None:
            effect.writes.append(copied.group(1))
    for text in dict.fromkeys(texts):
        impact, reason = sql.worst(text) or (Impact.EXECUTE, f"{command.program} runs a statement")
        effect.at_least(impact, reason)


def _drop_database(effect: Effect, command: SimpleCommand) -> None:
    effect.at_least(Impact.DESTRUCTIVE, f"{command.program} removes a database")


register(
    {
        **dict.fromkeys(("dropdb", "dropuser"), _drop_database),
        **dict.fromkeys(("pg_dump", "pg_dumpall", "mysqldump", "mongodump"), _dumping),
        **dict.fromkeys(
            (
                "psql",
                "sqlite3",
                "mysql",
                "mariadb",
                "duckdb",
                "sqlcmd",
                "mongosh",
                "mongo",
                "clickhouse-client",
                "cqlsh",
                "redis-cli",
            ),
            _sql_client,
        ),
    }
)
