"""mosquitto as a child: its files in the state directory, its command line."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from watchdogd.adapters.broker_config import SETTINGS, acl, hashed
from watchdogd.adapters.environment import kept
from watchdogd.wire.topics import Topics

PLACES = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin")
"""Where distributions put daemons; often not on the PATH of people."""
HASHING_S = 10.0


def found(name: str = "mosquitto") -> str | None:
    """The program ``name``, on the PATH or where distributions put daemons."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *PLACES])
    return shutil.which(name, path=path)


def written(path: Path, text: str) -> Path:
    """``path`` holding ``text``, for its owner alone."""
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def passwords(path: Path, accounts: Mapping[str, str]) -> Path:
    """The password file for ``accounts``: hashed by mosquitto's own tool where there is one, else by us."""
    tool = found("mosquitto_passwd")
    if tool is not None:
        written(path, "".join(f"{name}:{word}\n" for name, word in accounts.items()))
        with suppress(OSError, subprocess.SubprocessError):
            command, env = [tool, "-U", str(path)], kept(os.environ)
            subprocess.run(command, check=True, capture_output=True, timeout=HASHING_S, env=env)
            if all(word not in path.read_text(encoding="utf-8") for word in accounts.values()):
                path.chmod(0o600)
                return path
    return written(path, hashed(accounts))


def prepared(
    directory: Path, port: int, topics: Topics, accounts: Mapping[str, str], operators: Sequence[str]
) -> tuple[str, ...]:
    """Writes mosquitto's files below ``directory``; its command line, empty when there is no mosquitto here."""
    program = found()
    if program is None:
        return ()
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    secret = passwords(directory / "passwords", accounts)
    walls = written(directory / "acl", acl(topics, operators))
    lines = [
        f"listener {port} 127.0.0.1",
        f"password_file {secret}",
        f"acl_file {walls}",
        f"persistence_location {directory}/",
        "persistence_file mosquitto.db",
        "log_dest stderr",
        *(f"log_type {kind}" for kind in ("error", "warning", "notice")),
        *SETTINGS.splitlines(),
    ]
    if os.geteuid() == 0:
        lines.append(f"user {getpass.getuser()}")  # as root it would become "mosquitto", who cannot read our files
    return (program, "-c", str(written(directory / "mosquitto.conf", "\n".join(lines) + "\n")))
