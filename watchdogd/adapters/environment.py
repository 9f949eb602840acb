"""What of this process's environment its children get: enough to run, and nothing that was meant for it alone."""

from __future__ import annotations

from collections.abc import Mapping

KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV", "LD_LIBRARY_PATH")
"""What a child of ours gets: no key, no credential directory, nothing of the service manager's."""

SERVICE = frozenset(
    {
        "CACHE_DIRECTORY",
        "CONFIGURATION_DIRECTORY",
        "CREDENTIALS_DIRECTORY",
        "FDSTORE",
        "INVOCATION_ID",
        "JOURNAL_STREAM",
        "LISTEN_FDNAMES",
        "LISTEN_FDS",
        "LISTEN_PID",
        "LISTEN_PIDFDID",
        "LOGS_DIRECTORY",
        "MAINPID",
        "MANAGERPID",
        "MEMORY_PRESSURE_WATCH",
        "MEMORY_PRESSURE_WRITE",
        "NOTIFY_SOCKET",
        "RUNTIME_DIRECTORY",
        "STATE_DIRECTORY",
        "SYSTEMD_EXEC_PID",
        "WATCHDOG_PID",
        "WATCHDOG_USEC",
    }
)
"""What a service manager tells a service about itself, as systemd.exec(5) and sd_notify(3) list it. A program that
understands it (mosquitto does) would speak in the service's name."""


def kept(environ: Mapping[str, str]) -> dict[str, str]:
    """The part of ``environ`` for a child of ours."""
    return {name: environ[name] for name in KEPT if name in environ}


def without_service(environ: Mapping[str, str], private: str) -> dict[str, str]:
    """``environ`` for somebody else's program, which may need a display or a bus of the user's.

    What is the service's alone is left out, and so are variables that begin with ``private`` or name a key.
    """
    return {
        name: value
        for name, value in environ.items()
        if name not in SERVICE and not name.startswith(private) and not name.endswith("_API_KEY")
    }
