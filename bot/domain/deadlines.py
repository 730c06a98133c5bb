"""Say by when something is due: months and working days. Keeps no clock and reminds nobody.

The rule is Regulation (EEC, Euratom) No 1182/71, Article 3, which the GDPR's months follow: the day of
receipt is not counted; a period of months ends on the day of the same number, in a month that has none on its
last day; and where that day is a Saturday, a Sunday or a public holiday, on the next working day.
https://eur-lex.europa.eu/eli/reg/1971/1182/oj
"""

from calendar import monthrange
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import cache
from zoneinfo import ZoneInfo

from holidays import HolidayBase, country_holidays

WARSAW = ZoneInfo("Europe/Warsaw")
SATURDAY = 5

# GDPR Article 12(3): one month to answer, and two further ones if the person is told why within the first.
ANSWER_MONTHS = 1
FURTHER_MONTHS = 2


class Step(StrEnum):
    """What is due within working days, not months."""

    FORWARD = "forward"  #: an end user's request, to the client that must answer it
    REMIND = "remind"  #: the client, which has not acknowledged it
    ESCALATE = "escalate"  #: to support, since the client still has not


WORKING_DAYS: Mapping[Step, int] = {Step.FORWARD: 1, Step.REMIND: 2, Step.ESCALATE: 5}
"""A processor passes on without delay (GDPR 28(3)(e); EDPB 07/2020, 130), which is read as the next working day.

No law says how soon a client must acknowledge, but its month runs from the day the person wrote. A mailbox that is
looked at is looked at within two working days; after a week of silence somebody must call, while three weeks of
that month are left.
"""


def due_on(received: datetime, months: int = ANSWER_MONTHS) -> date:
    """Return the last day, in Warsaw, on which an answer to what came in at `received` is in time.

    Args:
        received: when it reached us, aware (the provider's stamp, in UTC).
        months: length of the period in calendar months, 0 or more.

    Raises:
        ValueError: `received` has no time zone, or `months` is negative.
    """
    if months < 0:
        raise ValueError("a period cannot have a negative number of months")
    first = day_in_warsaw(received)
    years, month = divmod(first.month - 1 + months, 12)
    year, month = first.year + years, month + 1
    return _working_day_from(date(year, month, min(first.day, monthrange(year, month)[1])))


def extended(received: datetime, further_months: int = FURTHER_MONTHS) -> date:
    """Return the last day of the extended period, counted from receipt and not from the first due date.

    Counted from the first due date it would run later by each weekend that moved that one.

    Args:
        received: when it reached us, aware.
        further_months: by how many calendar months the first is extended, at most 2.

    Raises:
        ValueError: `received` has no time zone, or more is asked than GDPR Article 12(3) gives.
    """
    if not 0 <= further_months <= FURTHER_MONTHS:
        raise ValueError(f"the period can be extended by {FURTHER_MONTHS} months at most")
    return due_on(received, ANSWER_MONTHS + further_months)


def next_working_day(now: datetime, days: int = 1) -> date:
    """Return the `days`th working day in Warsaw after the day of `now`, which itself is not counted.

    Raises:
        ValueError: `now` has no time zone, or `days` is less than 1.
    """
    if days < 1:
        raise ValueError("at least one working day is needed")
    day = day_in_warsaw(now)
    for _ in range(days):
        day = _working_day_from(day + timedelta(days=1))
    return day


def is_over(since: datetime, step: Step, now: datetime) -> bool:
    """Return whether the working days of `step` have passed since `since`: true from the working day after the last.

    So that nobody is reminded on a Sunday, nor on the very day on which the answer was still in time.

    Raises:
        ValueError: `since` or `now` has no time zone.
    """
    return day_in_warsaw(now) >= next_working_day(since, WORKING_DAYS[step] + 1)


def is_working_day(day: date) -> bool:
    """Return whether `day` is neither Saturday, Sunday nor a public holiday in Poland."""
    return day.weekday() < SATURDAY and day not in _polish_holidays(day.year)


@cache
def _polish_holidays(year: int) -> HolidayBase:
    # One table a year: a table that fills itself when asked is not safe between threads. Christmas Eve is in
    # it from 2025, as in the act of 6 December 2024.
    return country_holidays("PL", years=year, expand=False)


def _working_day_from(day: date) -> date:
    while not is_working_day(day):
        day += timedelta(days=1)
    return day


def day_in_warsaw(moment: datetime) -> date:
    """Return the day of `moment` in Warsaw. Raises ValueError if it has no time zone."""
    if moment.utcoffset() is None:
        raise ValueError("a moment without a time zone has no day in Warsaw")
    return moment.astimezone(WARSAW).date()
