"""Escalations: nothing hidden from an approver, notices folded, a timeout is nobody's denial."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from watchdogd.core.escalation import ApproveCall, Escalation, expired, folded, inbox, visible, within_cap
from watchdogd.core.health import Severity


def a_notice(group: str = "g", **changes) -> Escalation:
    return Escalation(**{"id": "n1", "run": "r", "severity": Severity.WARN, "headline": "h", "group": group, **changes})


def a_question(**changes) -> Escalation:
    subject = ApproveCall(tool="shell", action_digest="d", shown="ls")
    return a_notice(id="q1", subject=subject, **changes)


def test_bidi_control_and_zero_width_characters_are_shown_as_escapes():
    assert visible("rm \u202etxt.exe\u200b\x1b[2J\ud800") == "rm \\u202etxt.exe\\u200b\\x1b[2J\\ud800"


@given(st.text())
def test_what_is_shown_is_printable_throughout(text):
    assert all(char.isprintable() or char in "\n\t" for char in visible(text))


def test_repeated_notices_become_one_with_a_count_and_the_worst_severity():
    again = folded((a_notice(),), a_notice(id="n2", severity=Severity.CRIT, headline="again"))
    assert again is not None
    assert (again.id, again.count, again.severity, again.headline) == ("n1", 2, Severity.CRIT, "again")


def test_questions_and_closed_notices_are_never_folded():
    assert folded((a_question(),), a_notice(id="n2")) is None
    assert folded((a_notice(state="acked"),), a_notice(id="n2")) is None
    assert folded((a_notice(),), a_question()) is None


def test_only_open_questions_run_out():
    late = a_question(expires_at=10.0)
    assert expired((late, a_question(expires_at=10.0, state="approved"), a_notice()), 10.0) == (late,)
    assert expired((late,), 9.9) == ()


@given(st.lists(st.floats(0, 10_000), max_size=30), st.integers(1, 10))
def test_the_hourly_cap_counts_the_last_hour_only(opened, cap):
    assert within_cap(opened, 10_000, cap) is (sum(1 for at in opened if 10_000 - at < 3600) < cap)


def test_the_inbox_names_the_newest_and_the_worst():
    box = inbox((a_notice(opened_at=1, severity=Severity.CRIT), a_question(opened_at=2, headline="newest")))
    assert (box.open, box.questions, box.headline, box.worst, box.newest) == (2, 1, "newest", Severity.CRIT, "q1")
    assert inbox((a_notice(state="acked"),)).open == 0
