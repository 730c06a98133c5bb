"""Promises about due dates: calendar months and Polish working days."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.deadlines import (
    WARSAW,
    WORKING_DAYS,
    Step,
    day_in_warsaw,
    due_on,
    extended,
    is_over,
    is_working_day,
    next_working_day,
)

MOMENTS = st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2035, 12, 31)).map(
    lambda moment: moment.replace(tzinfo=UTC)
)


def noon(year: int, month: int, day: int) -> datetime:
    return datetime(year, month, day, 12, 0, tzinfo=WARSAW).astimezone(UTC)


@pytest.mark.parametrize(
    ("received", "due"),
    [
        (noon(2026, 10, 14), date(2026, 11, 16)),  # 14.11 is a Saturday
        (noon(2027, 1, 31), date(2027, 3, 1)),  # no 31.02; 28.02 is a Sunday
        (noon(2026, 11, 30), date(2026, 12, 30)),  # not 31.12
        (noon(2026, 10, 11), date(2026, 11, 12)),  # 11.11 Independence Day
        (noon(2026, 11, 24), date(2026, 12, 28)),  # Christmas Eve, Christmas, Sunday
        (noon(2024, 11, 24), date(2024, 12, 24)),  # Christmas Eve was a working day until 2024
        (noon(2025, 11, 24), date(2025, 12, 29)),  # and is none from 2025
        (noon(2028, 1, 31), date(2028, 2, 29)),  # leap year
        (noon(2026, 12, 1), date(2027, 1, 4)),  # New Year's Day on a Friday
        (noon(2026, 12, 6), date(2027, 1, 7)),  # Epiphany
        (noon(2026, 3, 6), date(2026, 4, 7)),  # Easter Monday
        (noon(2026, 5, 4), date(2026, 6, 5)),  # Corpus Christi
    ],
)
def test_a_month_ends_as_the_regulation_says(received: datetime, due: date):
    assert due_on(received) == due


def test_the_day_of_receipt_is_the_day_in_warsaw():
    # 23:30 UTC in winter is past midnight in Warsaw; in summer already 22:30 UTC is.
    assert due_on(datetime(2026, 2, 9, 22, 59, tzinfo=UTC)) == date(2026, 3, 9)
    assert due_on(datetime(2026, 2, 9, 23, 0, tzinfo=UTC)) == date(2026, 3, 10)
    assert due_on(datetime(2026, 6, 9, 21, 59, tzinfo=UTC)) == date(2026, 7, 9)
    assert due_on(datetime(2026, 6, 9, 22, 0, tzinfo=UTC)) == date(2026, 7, 10)


def test_an_extension_is_counted_from_receipt():
    # 31.01.2027: first due 01.03, so counting on from there would end on 04.05 instead of 30.04.
    assert extended(noon(2027, 1, 31)) == date(2027, 4, 30)
    assert extended(noon(2027, 1, 31), further_months=1) == date(2027, 3, 31)
    assert extended(noon(2026, 10, 12)) == date(2027, 1, 12)


def test_no_extension_goes_beyond_the_two_months_of_the_law():
    with pytest.raises(ValueError, match="2 months at most"):
        extended(noon(2026, 10, 14), further_months=3)


@pytest.mark.parametrize(
    ("now", "days", "expected"),
    [
        (noon(2026, 10, 14), 1, date(2026, 10, 15)),
        (noon(2026, 10, 16), 1, date(2026, 10, 19)),  # Friday
        (noon(2026, 10, 17), 1, date(2026, 10, 19)),  # Saturday
        (noon(2026, 11, 10), 1, date(2026, 11, 12)),  # the day after is a holiday
        (noon(2026, 12, 23), 1, date(2026, 12, 28)),
        (noon(2026, 12, 23), 2, date(2026, 12, 29)),
        (datetime(2026, 10, 15, 22, 30, tzinfo=UTC), 1, date(2026, 10, 19)),  # Friday already in Warsaw
    ],
)
def test_one_working_day_is_the_next_one(now: datetime, days: int, expected: date):
    assert next_working_day(now, days) == expected


@pytest.mark.parametrize("step", Step)
@given(since=MOMENTS, later=st.integers(min_value=0, max_value=60))
def test_a_step_is_over_from_the_working_day_after_its_last(step: Step, since: datetime, later: int):
    now = since + timedelta(days=later)
    day, until = day_in_warsaw(since), day_in_warsaw(now)
    span = [day + timedelta(days=passed) for passed in range(1, (until - day).days + 1)]
    assert is_over(since, step, now) == (sum(map(is_working_day, span)) > WORKING_DAYS[step])


def test_a_client_told_before_the_holidays_is_reminded_after_them():
    told = noon(2026, 12, 22)  # a Tuesday; 24 to 27 December are days off
    assert not is_over(told, Step.REMIND, noon(2026, 12, 28))
    assert is_over(told, Step.REMIND, noon(2026, 12, 29))
    assert not is_over(told, Step.ESCALATE, noon(2026, 12, 31))
    assert is_over(told, Step.ESCALATE, noon(2027, 1, 4))


@pytest.mark.parametrize("ask", [due_on, extended, next_working_day, day_in_warsaw])
def test_a_moment_without_a_zone_is_refused(ask):
    with pytest.raises(ValueError, match="time zone"):
        ask(datetime(2026, 10, 14, 12, 0))


@pytest.mark.parametrize(
    "ask", [lambda: due_on(noon(2026, 1, 1), -1), lambda: next_working_day(noon(2026, 1, 1), 0)]
)
def test_a_period_without_length_is_refused(ask):
    with pytest.raises(ValueError, match=r"cannot|at least"):
        ask()


@given(MOMENTS, st.integers(min_value=0, max_value=24))
def test_every_due_date_is_a_working_day_not_before_the_month_is_over(received: datetime, months: int):
    due = due_on(received, months)
    day = received.astimezone(WARSAW).date()
    assert is_working_day(due)
    # 28 days is the shortest month; a run of days off is never longer than five days.
    assert timedelta(days=28 * months) <= due - day <= timedelta(days=31 * months + 5)


@given(MOMENTS, MOMENTS)
def test_what_came_later_is_never_due_earlier(one: datetime, other: datetime):
    earlier, later = sorted((one, other))
    assert due_on(earlier) <= due_on(later)
    assert next_working_day(earlier) <= next_working_day(later)


@given(MOMENTS, st.integers(min_value=1, max_value=30))
def test_working_days_add_up(now: datetime, days: int):
    last = next_working_day(now, days)
    day = now.astimezone(WARSAW).date()
    span = [day + timedelta(days=passed) for passed in range(1, (last - day).days + 1)]
    assert sum(map(is_working_day, span)) == days
