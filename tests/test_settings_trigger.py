"""When a mission starts, as it is written."""

from datetime import UTC, datetime

import pytest
from apscheduler.triggers.cron import CronTrigger

from watchdogd.settings.trigger import AtStart, Cron, Every, OnRequest, trigger_of


@pytest.mark.parametrize(
    ("text", "trigger"),
    [
        ("start", AtStart()),
        ("request", OnRequest()),
        ("interval 600", Every(seconds=600)),
        ("cron 30 2 * * *", Cron(expression="30 2 * * *")),
        ('cron "30 2 * * *"', Cron(expression="30 2 * * *")),
        ("cron 0 9 * * 1-5", Cron(expression="0 9 * * mon,tue,wed,thu,fri")),
        ("cron 0 9 * * 0", Cron(expression="0 9 * * sun")),
        ("cron 0 9 * * 7", Cron(expression="0 9 * * sun")),
        ("cron 0 9 * * */2", Cron(expression="0 9 * * sun,tue,thu,sat")),
        ("cron 0 9 * * mon-fri", Cron(expression="0 9 * * mon-fri")),
    ],
)
def test_a_trigger_is_read(text, trigger):
    assert trigger_of(text) == trigger


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is not"),
        ("daily", "is not"),
        ("start now", "is not"),
        ("interval", "a number of seconds"),
        ("interval soon", "a number of seconds"),
        ("interval 0", "at least 1 s"),
        ("interval -5", "at least 1 s"),
        ("interval inf", "at least 1 s"),
        ("interval nan", "at least 1 s"),
        ("cron * * *", "5 fields"),
        ("cron 61 * * * *", "61"),
        ("cron * * * * 8", "weekday"),
        ("cron * * * * 5-2", "backwards"),
        ("cron 0 0 31 2 *", "never"),
        ("cron 0 0 1 * 1", "both"),
    ],
)
def test_a_trigger_that_cannot_be_kept_is_refused(text, problem):
    with pytest.raises(ValueError, match=problem):
        trigger_of(text)


def test_a_weekday_number_means_what_crontab_means_by_it():
    """APScheduler 3 counts from Monday (its issue 286); crontab(5) from Sunday."""
    trigger = trigger_of("cron 0 9 * * 1")
    assert isinstance(trigger, Cron)
    fires = CronTrigger.from_crontab(trigger.expression, timezone="UTC").get_next_fire_time(
        None, datetime(2026, 11, 22, tzinfo=UTC)
    )
    assert fires is not None
    assert fires.strftime("%A") == "Monday"
