"""Network destinations that the mission does not list."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import ClassVar

from watchdogd.core.detect.detector import NONE
from watchdogd.core.detect.lexicon import Act
from watchdogd.core.detect.safety_calls import Standing, assessed, bounds_of, commands, leaves, own_acts, singles_of
from watchdogd.core.detect.safety_thresholds import Safety
from watchdogd.core.events import Event, Impact, RunStarted, ToolIntended
from watchdogd.core.health import Channel, Finding, Severity

UNLISTED = "safety/unlisted-host"
LOCAL = ("localhost", "127.*", "::1", "0.0.0.0", "[::1]")  # noqa: S104 - told apart, not bound to
_URL = re.compile(
    r"(?:https?|ftp|wss?|ssh|git)://(?:[^\s/@'\"]{1,100}@)?(\[[0-9a-fA-F:]{2,40}\]|[A-Za-z0-9._-]{1,253})"
)
_ADDRESS_WORDS = frozenset(
    ["url", "uri", "link", "host", "hostname", "address", "endpoint", "website", "site", "domain", "server"]
)
_TEXT_WORDS = frozenset(["text", "content", "body", "message", "query", "pattern", "comment", "description", "title"])
"""Arguments in which an address is only spoken of."""
_HOST = re.compile(r"(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}(?=[:/?#]|$)")
LEAVES = frozenset({Impact.EXTERNAL, Impact.DESTRUCTIVE})


@dataclass(slots=True)
class Reach:
    """Where the run may go."""

    hosts: tuple[str, ...] = ()
    workspace: str = ""
    protected: tuple[str, ...] = ()
    """As the channel's other rules know it, so that they share one look at a command."""
    standing: Standing = field(default_factory=Standing)


@dataclass(frozen=True, slots=True)
class UnlistedHost:
    """Compares the hosts a call names with the mission's list; silent when the mission lists none."""

    thresholds: Safety = field(default_factory=Safety)
    name: ClassVar[str] = "destinations"
    channel: ClassVar[Channel] = Channel.SAFETY
    version: ClassVar[int] = 2
    kinds: ClassVar[frozenset[str]] = frozenset({"run_started", "tool_intended"})

    def start(self) -> Reach:
        """No list known."""
        return Reach()

    def risk(self, state: Reach) -> float:
        """Risk of the newest call, fading."""
        return state.standing.now

    def step(self, state: Reach, event: Event) -> tuple[Reach, tuple[Finding, ...]]:
        """The list after ``event``; a finding per host that is not on it."""
        match event.body:
            case RunStarted() as body:
                over = state.standing.levels.over(UNLISTED, Channel.SAFETY, seq=event.seq)
                hosts = tuple(host.lower() for host in body.hosts)
                standing = Standing(levels=state.standing.levels)
                kept = bounds_of(body)
                return Reach(hosts=hosts, workspace=body.workspace, protected=kept, standing=standing), over
            case ToolIntended() as body if state.hosts:
                found = state.standing.called((UNLISTED,), Channel.SAFETY, event.seq, self.thresholds.decay_calls)
                for host, sends in self._named(state, body).items():
                    if not listed(host, state.hosts):
                        found += self._raised(state, host, sends=sends, tool=body.tool, seq=event.seq)
                return state, found
            case _:
                return state, NONE

    def _named(self, state: Reach, body: ToolIntended) -> dict[str, bool]:
        """The hosts that ``body`` names, and whether something is sent there."""
        found: dict[str, bool] = {}
        texts = commands(body)
        for command in texts:
            seen = assessed(command, state.workspace, state.protected)
            for host in seen.hosts:
                found[host] = found.get(host, False) or seen.impact in LEAVES
        carries = body.impact in LEAVES or bool(own_acts(body) & (Act.SEND | Act.POST | Act.PAY | Act.GRANT))
        for name, value in leaves(body.args):
            if isinstance(value, str) and value not in texts:
                low = value[:2_000].strip().lower()
                words = singles_of(name)
                match = _URL.match(low) if "://" in low and " " not in low and not words & _TEXT_WORDS else None
                if match is None and words & _ADDRESS_WORDS:
                    match = _URL.match(low) or _HOST.match(low)
                if match:
                    found[match.group(match.lastindex or 0)] = carries
        return found

    def _raised(self, state: Reach, host: str, *, sends: bool, tool: str, seq: int) -> tuple[Finding, ...]:
        limits = self.thresholds
        risk = limits.host_send_risk if sends else limits.host_risk
        state.standing.now = max(state.standing.now, risk)
        state.standing.calm = 0
        severity = Severity.CRIT if sends else Severity.WARN
        verb = "sends to" if sends else "reaches"
        headline = f"{tool} {verb} {host[:120]}, which is not among the mission's {len(state.hosts)} hosts"
        return state.standing.levels.raised(UNLISTED, Channel.SAFETY, severity, risk, headline, (seq,), host[:200])


def listed(host: str, hosts: tuple[str, ...]) -> bool:
    """Whether ``host`` is on the list: itself, below a listed domain written ``*.domain``, or this machine."""
    name = host.lower().rstrip(".")
    return any(fnmatchcase(name, one) for one in LOCAL) or any(
        fnmatchcase(name, one.partition(":")[0]) for one in hosts
    )
