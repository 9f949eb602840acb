"""Channels: the worst live finding counts, unknown is never healthy, a cleared one lingers for a while."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from watchdogd.core.health import Channel, Finding, Health, Severity, after, channel_health, channels, overall, worse


def a_finding(severity: Severity, key: str = "k", channel: Channel = Channel.SAFETY) -> Finding:
    return Finding(rule=f"{channel.value}/x", channel=channel, severity=severity, risk=0.4, headline=severity, key=key)


def test_nothing_seen_is_unknown():
    assert channel_health(Health(), Channel.COST).severity is Severity.UNKNOWN
    assert overall(()) is Severity.UNKNOWN


def test_a_healthy_stream_is_ok():
    assert channel_health(after(Health(), (), 1, None), Channel.COST).severity is Severity.OK


@given(
    st.lists(st.sampled_from([Severity.WARN, Severity.CRIT, Severity.UNKNOWN]), min_size=1, max_size=6),
    st.sampled_from(list(Severity)),
)
def test_more_findings_never_make_a_channel_look_better(found, more):
    health = after(Health(), tuple(a_finding(one, str(n)) for n, one in enumerate(found)), 1, None)
    before = channel_health(health, Channel.SAFETY).severity
    later = channel_health(after(health, (a_finding(more, "new"),), 2, None), Channel.SAFETY).severity
    assert worse(before, later) is later


def test_a_cleared_finding_counts_until_its_hold_is_over():
    health = after(Health(), (a_finding(Severity.CRIT),), 1, None)
    health = after(health, (a_finding(Severity.OK),), 2, None)
    assert channel_health(health, Channel.SAFETY).severity is Severity.CRIT
    for seq in range(3, 13):
        health = after(health, (), seq, None)
    assert channel_health(health, Channel.SAFETY).severity is Severity.OK


def test_unknown_ranks_above_warn():
    health = after(Health(), (a_finding(Severity.WARN, "a"), a_finding(Severity.UNKNOWN, "b")), 1, None)
    assert overall(channels(health)) is Severity.UNKNOWN


@given(st.integers(0, 1_000))
def test_live_findings_stay_bounded_and_the_worst_are_kept(count):
    findings = (a_finding(Severity.CRIT, "worst"), *(a_finding(Severity.WARN, str(n)) for n in range(count)))
    health = after(Health(keep=50), findings, 1, None)
    assert len(health.live) <= 50
    assert channel_health(health, Channel.SAFETY).severity is Severity.CRIT
