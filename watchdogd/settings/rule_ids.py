"""The ids that findings carry, for those who name one in a policy, a label or a sweep."""

from __future__ import annotations

from watchdogd.core.spelling import meant

RULE_IDS = (
    "cost/budget",
    "cost/cache-misses",
    "cost/day",
    "cost/forecast",
    "cost/judged",
    "cost/tokens",
    "cost/velocity",
    "cost/without-progress",
    "drift/derailed",
    "drift/goal-terms",
    "drift/injected-instruction-obeyed",
    "drift/injected-words-repeated",
    "drift/judged",
    "drift/metric",
    "errors/in-a-row",
    "errors/judged",
    "errors/provider-or-network-outage",
    "errors/rate",
    "errors/same-error",
    "progress/call-overdue",
    "progress/chanting",
    "progress/cycle",
    "progress/identical-call",
    "progress/interleaved-call",
    "progress/judged",
    "progress/monologue",
    "progress/nothing-new",
    "progress/replayed-stretch",
    "progress/same-call-failing",
    "progress/silence",
    "progress/stagnation",
    "progress/unanswered-loop",
    "recall/against-rule",
    "recall/asked-again",
    "recall/context-cleared",
    "recall/done-again",
    "recall/judged",
    "recall/probe-failed",
    "recall/re-read",
    "recall/started-over",
    "safety/claim-done",
    "safety/claim-tests-pass",
    "safety/destructive-command",
    "safety/exfiltration",
    "safety/judged",
    "safety/outside-workspace",
    "safety/persistence",
    "safety/privilege",
    "safety/protected-path",
    "safety/record-broken",
    "safety/secret-in-call",
    "safety/secret-sent",
    "safety/secret-shown",
    "safety/tampering",
    "safety/unlisted-host",
)
"""Each detector's rules (a page each in docs/rules), what the judge finds (``CHANNEL/judged``) and a record that broke.

Beside them stands ``…/broken`` for a detector that raised.
"""


def unheard_of(finding: str) -> str:
    """Why nothing ever matches ``finding`` (a rule's id, or a prefix that ends in ``*``); empty when something may."""
    prefix = finding.removesuffix("*")
    if finding.endswith("/broken") or any(
        one.startswith(prefix) if finding.endswith("*") else one == finding for one in RULE_IDS
    ):
        return ""
    near = meant(prefix, RULE_IDS)
    return f"no finding is called {finding!r}" + (
        f"; did you mean {near}?" if near else ": docs/rules has a page for each"
    )
