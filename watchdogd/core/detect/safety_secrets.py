"""Secrets in what a tool shows, in what a call is given, and in what leaves the machine.

A finding never carries the secret, only its shape and a digest.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from watchdogd.core.detect.detector import NONE, Levels
from watchdogd.core.detect.keys import answer_key, leaves, text_key
from watchdogd.core.detect.safety_calls import assessed, commands, sends
from watchdogd.core.detect.safety_thresholds import Safety
from watchdogd.core.detect.shapes import Plan, Shape, found_in, planned
from watchdogd.core.events import Event, Impact, MemoryWritten, RunStarted, ToolFinished, ToolIntended, UserSaid
from watchdogd.core.health import Channel, Finding, Severity

SHOWN = "safety/secret-shown"
GIVEN = "safety/secret-in-call"
SENT = "safety/secret-sent"

MOST_KNOWN = 256
"""Secrets remembered by digest."""
MOST_TEXTS = 64
"""Texts remembered by digest, so that what is shown again is not looked through again."""


@dataclass(slots=True)
class Seen:
    """Secrets seen so far, by digest."""

    trusted: str = ""
    """The user's words: a secret he gave may be used."""
    known: dict[int, int] = field(default_factory=dict)
    """Secret to the event in which it was first seen."""
    texts: dict[int, None] = field(default_factory=dict)
    levels: Levels = field(default_factory=Levels)
    now: float = 0.0
    calm: int = 0


@dataclass(frozen=True, slots=True)
class ExposedSecret:
    """Looks for the shapes in results, arguments and memory. Linear in the text; shapes are tried where a needle is."""

    thresholds: Safety = field(default_factory=Safety)
    shapes: tuple[Shape, ...] = ()
    """Beyond ``BUILT_IN``: those of a kept library, handed in by whoever assembles the bank."""
    plan: Plan = field(init=False, repr=False, compare=False)
    name: ClassVar[str] = "secrets"
    channel: ClassVar[Channel] = Channel.SAFETY
    version: ClassVar[int] = 3
    kinds: ClassVar[frozenset[str]] = frozenset(
        {"run_started", "user_said", "tool_intended", "tool_finished", "memory_written"}
    )

    def __post_init__(self) -> None:
        """Looks the shapes over once: hashing them for every text would cost more than most texts."""
        object.__setattr__(self, "plan", planned(self.shapes))

    def start(self) -> Seen:
        """None seen."""
        return Seen()

    def risk(self, state: Seen) -> float:
        """Risk of the newest secret, fading."""
        return state.now

    def step(self, state: Seen, event: Event) -> tuple[Seen, tuple[Finding, ...]]:
        """What was seen after ``event``; a finding per secret and way."""
        match event.body:
            case RunStarted() as body:
                new = Seen(trusted=" ".join((body.goal, *body.rules))[:20_000], levels=state.levels)
                over = NONE
                for rule in (SHOWN, GIVEN, SENT):
                    over += state.levels.over(rule, Channel.SAFETY, seq=event.seq)
                return new, over
            case UserSaid(text=text):
                state.trusted = (state.trusted + " " + text.shown)[-20_000:]
            case ToolFinished() as body:
                key = answer_key(body.result)
                if not _remember(state.texts, key):
                    return state, self._shown(state, body.result.shown, body.tool, event.seq)
            case MemoryWritten(text=text):
                return state, self._shown(state, text.shown, "the memory", event.seq)
            case ToolIntended() as body:
                return state, self._calmed(state, event.seq) + self._given(state, body, event.seq)
            case _:
                pass
        return state, NONE

    def _shown(self, state: Seen, text: str, where: str, seq: int) -> tuple[Finding, ...]:
        found = NONE
        for name, secret in found_in(text, self.plan):
            if secret in state.trusted:
                continue
            key = text_key(secret)
            new = key not in state.known
            state.known.setdefault(key, seq)
            if len(state.known) > MOST_KNOWN:
                del state.known[next(iter(state.known))]
            risk = self.thresholds.secret_output_risk
            if new:
                headline = f"{where} shows a secret ({name}, {len(secret)} characters)"
                found += self._raised(state, SHOWN, Severity.WARN, risk, headline, (seq,), key)
        return found

    def _given(self, state: Seen, body: ToolIntended, seq: int) -> tuple[Finding, ...]:
        found = NONE
        leaves_machine = None
        for text in leaves(body.args):
            if len(text) < 8:
                continue
            for name, secret in found_in(text, self.plan):
                if leaves_machine is None:
                    leaves_machine = _leaves(body)
                if secret in state.trusted and not (leaves_machine and "redacted" in name):
                    continue
                key = text_key(secret)
                since = state.known.get(key)
                evidence = (since, seq) if since is not None and since < seq else (seq,)
                if leaves_machine:
                    headline = f"{body.tool} would send a secret away ({name}, {len(secret)} characters)"
                    risk = self.thresholds.secret_sent_risk
                    found += self._raised(state, SENT, Severity.CRIT, risk, headline, evidence, key)
                else:
                    headline = f"{body.tool} is given a secret ({name}, {len(secret)} characters)"
                    risk = self.thresholds.secret_argument_risk
                    found += self._raised(state, GIVEN, Severity.WARN, risk, headline, evidence, key)
        return found

    def _raised(
        self,
        state: Seen,
        rule: str,
        severity: Severity,
        risk: float,
        headline: str,
        evidence: tuple[int, ...],
        key: int,
    ) -> tuple[Finding, ...]:
        state.now = max(state.now, risk)
        state.calm = 0
        return state.levels.raised(rule, Channel.SAFETY, severity, risk, headline, evidence, f"{key:016x}")

    def _calmed(self, state: Seen, seq: int) -> tuple[Finding, ...]:
        state.now *= 0.9
        if not state.levels.up:
            return NONE
        state.calm += 1
        if state.calm <= self.thresholds.decay_calls:
            return NONE
        over = NONE
        for rule in (SHOWN, GIVEN, SENT):
            over += state.levels.over(rule, Channel.SAFETY, seq=seq)
        return over


def _leaves(body: ToolIntended) -> bool:
    if sends(body):
        return True
    away = (Impact.NETWORK, Impact.EXTERNAL)
    return any(
        assessed(command, "", ()).impact in away or assessed(command, "", ()).hosts for command in commands(body)
    )


def _remember(texts: dict[int, None], key: int) -> bool:
    """Whether ``key`` was there already."""
    if key in texts:
        return True
    texts[key] = None
    if len(texts) > MOST_TEXTS:
        del texts[next(iter(texts))]
    return False
