"""What the scripted judge answers: rules on the prompt, with citations taken from the events quoted in it."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from watchdogd.core.health import Channel
from watchdogd.sim.scenario import Cite, JudgeRule, JudgeScript, Scores

_EVENT = re.compile(r'<event seq="(\d+)" digest="([0-9a-f]*)" kind="([a-z_]+)"[^>\n]*>(.*?)</event>', re.DOTALL)
QUOTE_CHARS = 160
"""A quote is cut here; it must stay a verbatim part of the event's text."""


@dataclass(frozen=True, slots=True)
class Quoted:
    """An event as the prompt shows it, its text unescaped."""

    seq: int
    digest: str
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """One citation of a verdict."""

    seq: int
    digest: str
    quote: str


def quoted_events(prompt: str) -> list[Quoted]:
    """The events quoted in ``prompt``, in order."""
    return [Quoted(int(seq), mark, kind, html.unescape(text)) for seq, mark, kind, text in _EVENT.findall(prompt)]


def citations(cite: Cite, events: Sequence[Quoted]) -> list[Evidence] | None:
    """The evidence ``cite`` finds in ``events``; None when there is too little of it."""
    found = []
    for event in events:
        hit = re.search(cite.pattern, event.text) if cite.kind in {None, event.kind} else None
        if hit and hit[0].strip():
            found.append(Evidence(event.seq, event.digest, hit[0].strip()[:QUOTE_CHARS].strip()))
    if len(found) < cite.at_least:
        return None
    match cite.which:
        case "first":
            return found[:1]
        case "last":
            return found[-1:]
        case "all":
            return found


def evidence_for(rule: JudgeRule, prompt: str) -> list[Evidence] | None:
    """What ``rule`` would cite from ``prompt``; None when it does not apply."""
    if rule.match is not None and not re.search(rule.match, prompt):
        return None
    events = quoted_events(prompt)
    found: list[Evidence] = []
    for cite in rule.cite:
        some = citations(cite, events)
        if some is None:
            return None
        found += some
    return list(dict.fromkeys(found))


def chosen(script: JudgeScript, prompt: str) -> tuple[JudgeRule | None, list[Evidence]]:
    """The first rule that applies to ``prompt`` with its evidence; None when all is calm."""
    for rule in script.rule:
        evidence = evidence_for(rule, prompt)
        if evidence is not None:
            return rule, evidence
    return None, []


def verdict_text(script: JudgeScript, rule: JudgeRule | None, evidence: Sequence[Evidence]) -> str:
    """The verdict as JSON: all six channels, evidence, onset, action, words for people."""
    given: Mapping[Channel, Scores] = rule.channels if rule else {}
    scores = {channel.value: given.get(channel, script.calm) for channel in Channel}
    return json.dumps(
        {
            "channels": {name: {"risk": one.risk, "confidence": one.confidence} for name, one in scores.items()},
            "evidence": [{"seq": one.seq, "digest": one.digest, "quote": one.quote} for one in evidence],
            "onset": min((one.seq for one in evidence), default=None),
            "action": rule.action if rule else "none",
            "headline": (rule.headline if rule else "") or script.headline,
            "rationale": (rule.rationale if rule else "") or script.rationale,
        },
        ensure_ascii=False,
    )


def with_wrong_citation(evidence: Sequence[Evidence]) -> list[Evidence]:
    """``evidence`` with a digest that no record has; made up whole when there was none."""
    first = evidence[0] if evidence else Evidence(1, "", "it said so")
    return [Evidence(first.seq, "0" * 64, first.quote), *evidence[1:]]
