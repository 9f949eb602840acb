"""Whether a call failed, and through whose fault: from flags, exit codes and typed statuses first, from text last."""

from __future__ import annotations

import re
from enum import StrEnum

from watchdogd.core.events import ToolFinished

HEAD_CHARS = 400
"""Only the beginning of an answer is looked at for an error's shape: what was read may talk about errors."""


class Fault(StrEnum):
    """Whose fault a call's outcome is."""

    NONE = "none"
    OWN = "own"
    """The agent's: a wrong command, a wrong argument, a failing test."""
    OUTAGE = "outage"
    """The network's or a service's."""
    DENIED = "denied"
    """The gate refused it."""


_OUTAGE_CLASSES = frozenset({"provider", "connection", "overloaded", "rate_limit", "server", "network", "unavailable"})

_TEXT_FAULT = re.compile(
    r"\A\W{0,6}(?:error\b|fatal\b|traceback \(most|exception\b|failed\b|failure\b"
    r"|[A-Za-z_.]{0,80}(?:Error|Exception)\b)"
    r"|\A[^\n]{0,160}(?:command not found|no such file or directory|permission denied)",
    re.IGNORECASE,
)
_TEXT_OUTAGE = re.compile(
    r"\b50[234]\b[^\n]{0,40}(?:unavailable|gateway|timeout)|service unavailable|bad gateway|gateway time-?out"
    r"|connection (?:refused|reset|timed out)|could not resolve host|temporary failure in name resolution"
    r"|network is unreachable|too many requests",
    re.IGNORECASE,
)


def fault_of(done: ToolFinished) -> Fault:
    """Whose fault the outcome of ``done`` is."""
    if done.outcome == "denied":
        return Fault.DENIED
    if done.outcome in ("aborted", "in_doubt"):
        return Fault.NONE
    if done.error_class in _OUTAGE_CLASSES or (done.status is not None and (done.status >= 500 or done.status == 429)):
        return Fault.OUTAGE
    if done.error_class.startswith("http_5") or done.error_class == "http_429":
        return Fault.OUTAGE
    failed = done.outcome == "error" or (done.exit_code is not None and done.exit_code != 0)
    head = done.result.head[:HEAD_CHARS]
    if failed:
        return Fault.OUTAGE if _TEXT_OUTAGE.search(head) else Fault.OWN
    if done.outcome == "unknown" and done.exit_code is None and _TEXT_FAULT.search(head):
        return Fault.OUTAGE if _TEXT_OUTAGE.search(head) else Fault.OWN
    return Fault.NONE
