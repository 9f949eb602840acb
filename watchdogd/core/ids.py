"""Names and digests: how things are identified."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from enum import StrEnum

SEGMENT = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
"""What one part of a topic may look like: no wildcard, no slash, no surprise."""


class Role(StrEnum):
    """The processes that speak on the bus."""

    SUPERVISOR = "supervisor"
    WORKER = "worker"
    OVERSEER = "overseer"


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentRef:
    """Which agent, at which site; the second and third part of every topic.

    Raises:
        ValueError: a part is not ``[A-Za-z0-9_-]{1,64}``.
    """

    site: str
    agent: str

    def __post_init__(self) -> None:
        for name, part in (("site", self.site), ("agent", self.agent)):
            if not SEGMENT.match(part):
                raise ValueError(f"{name} must be 1 to 64 of A-Z a-z 0-9 _ -, not {part!r}")


def canonical(value: object) -> str:
    """``value`` as JSON with one spelling: sorted keys, no spaces, no NaN.

    Raises:
        ValueError: not JSON, or a number that JSON cannot carry.
        TypeError: a type JSON does not know.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def digest(text: str | bytes) -> str:
    """The sha256 of ``text`` in hex; text that is not valid Unicode is taken as it stands."""
    raw = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    return hashlib.sha256(raw).hexdigest()


def digest_of(value: object) -> str:
    """The digest of ``value``'s canonical JSON."""
    return digest(canonical(value))
