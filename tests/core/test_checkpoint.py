"""Which checkpoint passed, which to return to, which to keep."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchdogd.core.checkpoint import Look, Past, Point, Retention, Return, contains, kept, passed, target


def point(at_seq, *, complete=True, taken_at=0.0):
    return Point(id=f"c{at_seq}", at_seq=at_seq, complete=complete, taken_at=taken_at)


def past(*, healthy_upto=(), onsets=(), returns=()):
    return Past(
        looks=tuple(Look(healthy_upto=seq) for seq in healthy_upto),
        onsets=tuple(onsets),
        returns=tuple(Return(at_seq=at, to_seq=to) for at, to in returns),
    )


@pytest.mark.parametrize(
    ("says", "at", "known"),
    [
        (False, 100, past()),
        (False, 100, past(healthy_upto=[99])),
        (True, 100, past(healthy_upto=[100])),
        (True, 100, past(healthy_upto=[250])),
        (True, 100, past(healthy_upto=[0, 250])),
        (False, 100, past(healthy_upto=[0])),
        (True, 100, past(healthy_upto=[250], onsets=[101])),
        (False, 100, past(healthy_upto=[250], onsets=[100])),
        (False, 100, past(healthy_upto=[250], onsets=[7])),
    ],
)
def test_a_checkpoint_passed_when_a_later_inspection_found_all_up_to_it_healthy(says, at, known):
    assert passed(point(at), known) is says


def test_an_incomplete_checkpoint_never_passes():
    assert not passed(point(100, complete=False), past(healthy_upto=[500]))


def test_a_later_onset_takes_the_standing_back_and_a_withdrawn_one_gives_it_again():
    before = past(healthy_upto=[500])
    assert passed(point(100), before)
    assert not passed(point(100), past(healthy_upto=[500], onsets=[60]))
    assert passed(point(100), past(healthy_upto=[500], onsets=[]))


def test_trouble_that_a_rollback_undid_does_not_taint_what_came_after():
    known = past(healthy_upto=[900], onsets=[150], returns=[(300, 100)])
    assert not passed(point(200), known)
    assert passed(point(310), known)


def test_trouble_before_the_rollbacks_target_taints_what_came_after_as_well():
    assert not passed(point(310), past(healthy_upto=[900], onsets=[50], returns=[(300, 100)]))


@pytest.mark.parametrize(
    ("event", "says"), [(5, True), (50, False), (110, True), (150, False), (250, False), (301, True), (400, False)]
)
def test_a_history_leads_through_every_rollback(event, says):
    # 1..20, back from 100 to 20; 101..120, back from 300 to 120; 301..350
    returns = [Return(at_seq=100, to_seq=20), Return(at_seq=300, to_seq=120)]
    assert contains(350, event, returns) is says


@given(st.integers(0, 50), st.integers(0, 50), st.lists(st.tuples(st.integers(0, 50), st.integers(0, 60)), max_size=5))
def test_a_history_ends_whatever_the_rollbacks_say(at, event, returns):
    found = contains(at, event, [Return(at_seq=a, to_seq=b) for a, b in returns])
    assert found is False or event <= at


def test_the_target_is_the_newest_that_passed_before_the_onset():
    points = [point(100), point(200), point(300), point(400)]
    known = past(healthy_upto=[350])
    assert target(points, 250, known) == point(200)
    assert target(points, 301, known) == point(300)
    assert target(points, 10_000, known) == point(300)


def test_there_is_no_target_when_nothing_passed_before_the_onset():
    assert target([point(100)], 50, past(healthy_upto=[900])) is None
    assert target([point(100)], 500, past()) is None
    assert target([point(100, complete=False)], 500, past(healthy_upto=[900])) is None


POINTS = st.lists(
    st.builds(
        lambda seq, hour, whole: Point(id=f"c{seq}", at_seq=seq, complete=whole, taken_at=hour * 1800.0),
        st.integers(0, 10_000),
        st.integers(0, 1_000),
        st.booleans(),
    ),
    max_size=60,
    unique_by=lambda one: one.id,
)


@given(POINTS, st.lists(st.integers(0, 10_000), max_size=3), st.lists(st.integers(0, 10_000), max_size=3))
def test_retention_keeps_the_newest_that_passed_and_what_is_pinned(points, upto, onsets):
    known = past(healthy_upto=upto, onsets=onsets)
    good = [one for one in points if passed(one, known)]
    keep = kept(
        points, {one.id for one in good}, Retention(latest=1, hourly=0, daily=0, passed=1, incomplete=0), {"pinned"}
    )
    assert "pinned" in keep
    if good:
        assert max(good, key=lambda one: (one.at_seq, one.taken_at, one.id)).id in keep
    assert len(keep) <= 3


@given(POINTS)
def test_retention_is_bounded(points):
    rules = Retention()
    bound = rules.latest + rules.hourly + rules.daily + rules.passed + rules.incomplete
    assert len(kept(points, {one.id for one in points}, rules)) <= bound


def test_retention_thins_out_with_age():
    minutes = [Point(id=f"m{n}", at_seq=n, complete=True, taken_at=n * 60.0) for n in range(60 * 48)]
    keep = kept(minutes, (), Retention(latest=5, hourly=10, daily=0))
    assert {f"m{60 * 48 - 1 - n}" for n in range(5)} <= keep
    assert len(keep) == 5 + 10 - 1
