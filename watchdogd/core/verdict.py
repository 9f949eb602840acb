"""The judge's verdict: parsed strictly, its citations checked against the record. It can only restrict."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from watchdogd.core.health import Channel, Finding, Severity

WARN_RISK = 0.5
CRIT_RISK = 0.8
"""From these risks on a judged channel is WARN or CRIT; with low confidence one step less."""
SURE = 0.6
QUOTE_CHARS = 4
"""A quote must have at least so many characters to prove anything."""

VERDICT_SCHEMA: Mapping[str, object] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["channels", "evidence", "onset", "action", "headline", "rationale"],
    "properties": {
        "channels": {
            "type": "object",
            "additionalProperties": False,
            "required": [channel.value for channel in Channel],
            "properties": {
                channel.value: {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["risk", "confidence"],
                    "properties": {"risk": {"type": "number"}, "confidence": {"type": "number"}},
                }
                for channel in Channel
            },
        },
        "evidence": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["seq", "digest", "quote"],
                "properties": {
                    "seq": {"type": "integer"},
                    "digest": {"type": "string"},
                    "quote": {"type": "string"},
                },
            },
        },
        "onset": {"type": ["integer", "null"]},
        "action": {"type": "string", "enum": ["none", "nudge", "pause", "rollback", "escalate", "stop"]},
        "headline": {"type": "string"},
        "rationale": {"type": "string"},
    },
}
"""What the judge is asked for; checked again here, because a provider's promise is not a proof."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Citation:
    """A claim about one event."""

    seq: int
    digest: str
    quote: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The judge's number for one channel."""

    risk: float
    confidence: float

    @property
    def severity(self) -> Severity:
        """OK, WARN or CRIT by risk; unsure counts one step less than CRIT, never as OK when the risk is high."""
        if self.risk >= CRIT_RISK:
            return Severity.CRIT if self.confidence >= SURE else Severity.WARN
        return Severity.WARN if self.risk >= WARN_RISK and self.confidence >= SURE else Severity.OK


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One inspection's result whose citations were found in the record."""

    channels: Mapping[Channel, Reading]
    evidence: tuple[Citation, ...]
    onset: int | None
    action: Literal["none", "nudge", "pause", "rollback", "escalate", "stop"]
    headline: str
    rationale: str

    def findings(self, seq: int) -> tuple[Finding, ...]:
        """What it raises; a verdict never clears anything, so OK readings give nothing."""
        return tuple(
            Finding(
                rule=f"{channel.value}/judged",
                channel=channel,
                severity=reading.severity,
                risk=reading.risk,
                headline=self.headline,
                evidence=tuple(one.seq for one in self.evidence) or (seq,),
                key="judge",
                since=self.onset or seq,
            )
            for channel, reading in self.channels.items()
            if reading.severity is not Severity.OK
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Invalid:
    """A verdict that counts as unknown."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cited:
    """An event as the judge was shown it."""

    digest: str
    text: str


def _number(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError(f"{name} is not a number from 0 to 1")
    return float(value)


def _object(value: object, name: str) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{name} is not an object")
    return value


def _word(value: object, name: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{name} is not a text")
    return value


def _citation(value: object) -> Citation:
    data = _object(value, "a citation")
    seq = data.get("seq")
    if isinstance(seq, bool) or not isinstance(seq, int):
        raise ValueError("a citation's seq is not a number")
    return Citation(seq=seq, digest=_word(data.get("digest"), "digest"), quote=_word(data.get("quote"), "quote"))


def _parsed(text: str) -> Verdict:
    data = _object(json.loads(text), "the verdict")
    readings = _object(data.get("channels"), "channels")
    missing = [channel.value for channel in Channel if channel.value not in readings]
    if missing:
        raise ValueError(f"channels missing: {', '.join(missing)}")
    channels = {}
    for channel in Channel:
        one = _object(readings[channel.value], channel.value)
        channels[channel] = Reading(
            risk=_number(one.get("risk"), f"{channel.value}.risk"),
            confidence=_number(one.get("confidence"), f"{channel.value}.confidence"),
        )
    cited = data.get("evidence")
    if not isinstance(cited, list):
        raise ValueError("evidence is not a list")
    onset, action = data.get("onset"), data.get("action")
    if onset is not None and (isinstance(onset, bool) or not isinstance(onset, int)):
        raise ValueError("onset is not a number")
    match action:
        case "none" | "nudge" | "pause" | "rollback" | "escalate" | "stop":
            pass
        case _:
            raise ValueError(f"unknown action {action!r}")
    return Verdict(
        channels=channels,
        evidence=tuple(_citation(one) for one in cited),
        onset=onset,
        action=action,
        headline=_word(data.get("headline"), "headline"),
        rationale=_word(data.get("rationale"), "rationale"),
    )


def _squeezed(text: str) -> str:
    return " ".join(text.split())


def checked(text: str, shown: Mapping[int, Cited]) -> Verdict | Invalid:
    """The verdict in ``text``, or why it is void: unparsed, or one citation that the record does not bear out.

    Args:
        text: the judge's reply.
        shown: the events the judge was shown, by sequence number.
    """
    try:
        verdict = _parsed(text)
    except (ValueError, RecursionError) as why:
        return Invalid(reason=f"not a verdict: {why}")
    for one in verdict.evidence:
        event = shown.get(one.seq)
        if event is None:
            return Invalid(reason=f"cites event {one.seq}, which it was not shown")
        if event.digest != one.digest:
            return Invalid(reason=f"cites event {one.seq} under another digest")
        if len(one.quote.strip()) < QUOTE_CHARS or _squeezed(one.quote) not in _squeezed(event.text):
            return Invalid(reason=f"quotes words that event {one.seq} does not contain")
    if verdict.onset is not None and verdict.onset not in shown:
        return Invalid(reason=f"names event {verdict.onset} as the onset, which it was not shown")
    alarming = any(reading.severity is not Severity.OK for reading in verdict.channels.values())
    if (alarming or verdict.action != "none") and not verdict.evidence:
        return Invalid(reason="raises an alarm without a citation")
    return verdict
