"""Find the words of a text that speak of time, and what each says. Puts no moment together (`domain.moments`).

A figure is read by what stands around it: "12.11" is a day, a time or an amount; "at 8" needs a day beside it.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from bot.domain.time_tokens import Token, at, before, ends_sentence, is_filler
from bot.domain.time_words import Says

WARSAW = ZoneInfo("Europe/Warsaw")
A_MOMENT = timedelta(minutes=60)  #: how far "a moment ago" reaches


@dataclass(frozen=True, slots=True)
class Clock:
    """A time of the day. how: at, about, after, before. is_on_twelve: "8" may be 20:00; "20" and "8 am" not."""

    hour: int
    minute: int | None
    how: str = "at"
    is_on_twelve: bool = True


@dataclass(frozen=True, slots=True)
class Said:
    """What some words say, and which: the places of the first and the last of them.

    days: local days, the second not included. span: a time of its own, aware. rank: of several days the highest
    is meant. weeks_back: how much further back a weekday beside it lies. is_term: a term, or a day to come.
    is_sure: may stand without a day.
    """

    first: int
    last: int
    days: tuple[date, date] | None = None
    span: tuple[datetime, datetime] | None = None
    part: str | None = None
    clock: Clock | None = None
    weekday: int | None = None
    rank: int = 0
    weeks_back: int = 0
    is_precise: bool = True
    is_since: bool = False
    is_term: bool = False
    is_sure: bool = True


@dataclass(frozen=True, slots=True)
class _Reader:
    """The words, what was found in them so far, and the time they are read at."""

    tokens: Sequence[Token]
    found: list[Said]
    now: datetime
    today: date

    def at(self, place: int) -> Token:
        return at(self.tokens, place)

    def before(self, place: int, *said: Says) -> bool:
        return before(self.tokens, place, *said)

    def last_is(self, place: int, *, within: int = 1) -> Said | None:
        """What was found last, if only fillers stand between it and `place`."""
        if not self.found or place - self.found[-1].last > within:
            return None
        between = range(self.found[-1].last + 1, place)
        is_near = all(is_filler(self.tokens[p]) and not ends_sentence(self.tokens[p].gap) for p in between)
        return self.found[-1] if is_near and not ends_sentence(self.tokens[place].gap) else None


def said_in(tokens: Sequence[Token], *, now: datetime) -> list[Said]:
    """What the words of a text say of time, in order. now: aware UTC."""
    reader = _Reader(tokens, [], now, now.astimezone(WARSAW).date())
    place = 0
    while place < len(tokens):
        said = next((s for rule in _RULES if (s := rule(reader, place)) is not None), None)
        if said is None:
            place += 1
            continue
        reader.found.append(_governed(reader, said))
        place = said.last + 1
    return reader.found


def _governed(reader: _Reader, said: Said) -> Said:
    """Add what stands before it: « since Friday », « until Friday », « przed piątkiem »."""
    if said.days is None and said.part is None:
        return said
    if reader.before(said.first, Says.SINCE) or (said.days and reader.before(said.first, Says.AFTER)):
        return replace(said, is_since=True)
    is_term = said.rank >= 2 and reader.before(said.first, Says.BY, Says.BEFORE)
    return replace(said, is_term=True) if is_term else said


# --- how long ago, and for how long ---


def _ago(reader: _Reader, place: int) -> Said | None:
    """« two days ago », « dwa dni temu », « vor zwei Tagen », « przed chwilą », « just now »."""
    token = reader.at(place)
    is_just_now = token.text == "just" and reader.at(place + 1).text == "now"
    if is_just_now or token.has(Says.JUST_NOW):
        return _a_moment(reader, place, place + is_just_now)
    is_before = token.text in ("przed", "sprzed", "vor")
    number, unit_place = _count(reader, place + is_before)
    unit = reader.at(unit_place)
    is_behind = reader.at(unit_place + 1).has(Says.AGO)
    if unit_place < 0 or is_before == is_behind:
        return None
    last = unit_place + is_behind
    if not unit.has(Says.UNIT):
        return _a_moment(reader, place, last)
    return _back(reader, place, last, str(unit.says[Says.UNIT]), number)


def _a_moment(reader: _Reader, first: int, last: int) -> Said:
    return Said(first, last, span=(reader.now - A_MOMENT, reader.now), is_precise=False)


def _count(reader: _Reader, place: int) -> tuple[float | None, int]:
    """How many, and where the unit stands (-1: nowhere). None: a few; 1 if no number is said."""
    number: float | None = 1
    for there in range(place, place + 4):
        token = reader.at(there)
        if token.has(Says.UNIT, Says.MOMENT):
            return number, there
        if token.has(Says.FEW):
            number = None
        elif token.has(Says.HALF):
            number = 1.5 if token.text.startswith("poltor") else 0.5
        elif token.form == "number":
            number = token.figures[0]
        elif token.has(Says.NUMBER) and number not in (None, 0.5):
            number = token.value(Says.NUMBER)
        elif not token.has(Says.NUMBER, Says.OF, Says.LIGHT):
            break
    return None, -1


_MINUTES = {"minute": 1, "hour": 60}
_FEW: Mapping[str, tuple[int, int]] = {
    # how far "a few" of them reaches: from, to; minutes, or days
    "minute": (45, 0),
    "hour": (8 * 60, 45),
    "day": (8, 0),
    "week": (45, 12),
    "month": (200, 45),
    "year": (8 * 365, 2 * 365),
}
_MOST = {"minute": 10_000, "hour": 1_000, "day": 4_000, "week": 500, "month": 120, "year": 10}


def _back(reader: _Reader, first: int, last: int, unit: str, number: float | None) -> Said | None:
    """So many units ago, the wider the further back."""
    if number is not None and not 0 < number <= _MOST[unit]:
        return None
    if unit == "day" and number == 0.5:
        unit, number = "hour", 12
    if unit in _MINUTES:
        if number is None:
            far, near = (timedelta(minutes=minutes) for minutes in _FEW[unit])
        else:
            length = timedelta(minutes=number * _MINUTES[unit])
            slack = max(timedelta(minutes=10), length * 0.4)
            far, near = length + slack, max(timedelta(0), length - slack)
        return Said(first, last, span=(reader.now - far, reader.now - near), is_precise=False)
    if number is None:
        begin, end = (reader.today - timedelta(days=days) for days in _FEW[unit])
        return Said(first, last, days=(begin, end), rank=1, is_precise=False)
    middle, slack_days = _so_far_back(reader.today, unit, number)
    off = timedelta(days=slack_days)
    return Said(
        first,
        last,
        days=(middle - off, middle + off + timedelta(days=1)),
        rank=1,
        weeks_back=round(number) if unit == "week" else 0,
        is_precise=slack_days == 0,
    )


def _so_far_back(today: date, unit: str, number: float) -> tuple[date, int]:
    """The day meant, and how many days it may be off."""
    if unit == "day":
        return today - timedelta(days=round(number)), 0 if number <= 3 else 1 if number <= 10 else 3
    if unit == "week":
        return today - timedelta(days=round(7 * number)), 2 if number <= 1 else 3
    months = number if unit == "month" else 12 * number
    if months < 1:
        return today - timedelta(days=round(30 * months)), 5
    return months_before(today, round(months)), 10 if months <= 3 else 20


def _window(reader: _Reader, place: int) -> Said | None:
    """« in the last three days », « w ostatnim tygodniu »: until now."""
    token = reader.at(place)
    number, unit_place = _count(reader, place + 1) if token.has(Says.LAST, Says.ROLLING) else (None, -1)
    unit = reader.at(unit_place)
    if unit_place < 0 or not unit.has(Says.UNIT):
        return None
    name = str(unit.says[Says.UNIT])
    if unit_place == place + 1 and not token.has(Says.ROLLING) and name not in _MINUTES:
        return None  # « last week » is one of the calendar
    if number is not None and not 0 < number <= _MOST[name]:
        return None
    return _until_now(reader, place, unit_place, name, number)


def _until_now(reader: _Reader, first: int, last: int, unit: str, number: float | None) -> Said:
    """So many units until now; "a few" are five."""
    how_many = 5 if number is None else number
    if unit in _MINUTES:
        begin_at = reader.now - timedelta(minutes=how_many * _MINUTES[unit])
        return Said(first, last, span=(begin_at, reader.now), is_precise=False)
    if unit in ("day", "week"):
        begin = reader.today - timedelta(days=round(how_many * (7 if unit == "week" else 1)))
    else:
        begin = months_before(reader.today, round(how_many * (12 if unit == "year" else 1)))
    return Said(first, last, days=(begin, reader.today + timedelta(days=1)), rank=1)


def _for_so_long(reader: _Reader, place: int) -> Said | None:
    """« od tygodnia », « for three days », « seit einem Monat »: since then."""
    token = reader.at(place)
    number, unit_place = (
        _count(reader, place + 1) if token.has(Says.SINCE) or token.text == "for" else (None, -1)
    )
    unit, after = reader.at(unit_place), reader.at(unit_place + 1)
    if unit_place < 0 or not unit.has(Says.UNIT) or after.form == "number" or after.has(Says.AGO):
        return None
    name = str(unit.says[Says.UNIT])
    if number is not None and not 0 < number <= _MOST[name]:
        return None
    return replace(_until_now(reader, place, unit_place, name, number), is_since=True)


# --- days, weeks, months ---


def _relative(reader: _Reader, place: int) -> Said | None:
    """« last week », « this month », « last night », « next Friday »."""
    token, what = reader.at(place), reader.at(place + 1)
    last = place + 1
    if token.has(Says.NEXT) and what.has(Says.UNIT, Says.WEEKDAY, Says.WEEKEND, Says.MONTH):
        return Said(place, last, is_term=True)
    is_last, is_this = token.has(Says.LAST, Says.ROLLING), token.has(Says.THIS)
    if not (is_last or is_this) or ends_sentence(what.gap):
        return None
    today = reader.today
    if what.has(Says.WEEKDAY) or (what.has(Says.WEEKDAY_SHORT) and is_last):
        weekday = what.value(Says.WEEKDAY, Says.WEEKDAY_SHORT)
        return Said(
            place,
            last,
            days=_one(_last_weekday(today, weekday, may_be_today=is_this)),
            weekday=weekday,
            rank=2,
        )
    if what.has(Says.PART_NOUN):
        part = str(what.says[Says.PART_NOUN])
        if is_this:
            return Said(place, last, days=_one(today), part=part, rank=2)
        part = "last night" if part == "night" else part
        return Said(place, last, days=_one(today - timedelta(days=1)), part=part, rank=2)
    if what.has(Says.WEEKEND):
        return Said(place, last, days=_weekend(today, is_before=is_last), rank=1)
    if what.has(Says.MONTH) and is_last:
        month = what.value(Says.MONTH)
        back = (today.month - month) % 12 or 12
        return Said(place, last, days=_month(months_before(today.replace(day=1), back)), rank=1)
    days = _calendar(today, str(what.says[Says.UNIT]), back=int(is_last)) if what.has(Says.UNIT) else None
    return None if days is None else Said(place, last, days=days, rank=1)


def _calendar(today: date, unit: str, *, back: int) -> tuple[date, date] | None:
    if unit == "week":
        monday = today - timedelta(days=today.weekday() + 7 * back)
        return monday, monday + timedelta(days=7)
    if unit == "month":
        return _month(months_before(today.replace(day=1), back))
    if unit == "year":
        return date(today.year - back, 1, 1), date(today.year - back + 1, 1, 1)
    return None


def _weekday(reader: _Reader, place: int) -> Said | None:
    token = reader.at(place)
    is_short = token.has(Says.WEEKDAY_SHORT) and reader.at(place - 1).has(Says.IN)
    if not token.has(Says.WEEKDAY) and not is_short:
        return None
    weekday = token.value(Says.WEEKDAY, Says.WEEKDAY_SHORT)
    day = _last_weekday(reader.today, weekday, may_be_today=False)
    return Said(place, place, days=_one(day), weekday=weekday, rank=2)


def _named_day(reader: _Reader, place: int) -> Said | None:
    """« wczoraj », « the day before yesterday », « the other day », and what has not come yet."""
    token, today = reader.at(place), reader.today
    if token.text == "other" and reader.at(place + 1).text == "day":
        return Said(place, place + 1, days=(today - timedelta(days=7), today), rank=1, is_precise=False)
    is_day_before = token.text == "day" and reader.at(place + 1).text == "before"
    if is_day_before and reader.at(place + 2).says.get(Says.DAY) == -1:
        return Said(place, place + 2, days=_one(today - timedelta(days=2)), rank=2)
    if token.has(Says.DAY):
        part = str(token.says[Says.PART]) if token.has(Says.PART) else None
        day = today + timedelta(days=token.value(Says.DAY))
        return Said(place, place, days=_one(day), part=part, rank=2)
    if not token.has(Says.FUTURE):
        return None
    # « Morgen » is tomorrow; « am Morgen » and « gestern Morgen » are not.
    is_morning = token.has(Says.PART_NOUN) and (
        reader.last_is(place) or reader.before(place, Says.IN, Says.AT)
    )
    return None if is_morning else Said(place, place, is_term=True)


def _long_time(reader: _Reader, place: int) -> Said | None:
    """« w październiku », « October 2025 », « w 2025 roku », « w weekend »."""
    token, today = reader.at(place), reader.today
    is_led = reader.before(place, Says.IN, Says.OF, Says.SINCE)
    if token.has(Says.WEEKEND) and (is_led or reader.before(place, Says.BY)):
        return Said(place, place, days=_weekend(today, is_before=False), rank=1)
    if token.has(Says.MONTH):
        month, year = token.value(Says.MONTH), _year(reader, place + 1)
        if year is not None:
            first = date(year, month, 1)
            return Said(place, place + 1, days=_month(first), rank=1, is_term=first > today)
        if not is_led:
            return None
        back = (today.month - month) % 12
        return Said(place, place, days=_month(months_before(today.replace(day=1), back)), rank=1)
    year = _year(reader, place)
    if year is None or not is_led or year > today.year:
        return None
    return Said(place, place, days=(date(year, 1, 1), date(year + 1, 1, 1)), rank=1)


def _date(reader: _Reader, place: int) -> Said | None:
    """« 12.11.2026 », « 12.11 », « 12 listopada », « November 12th », « dwunastego listopada », « on the 12th »."""
    token, after = reader.at(place), reader.at(place + 1)
    if token.form == "date":
        year, month, day = token.figures
        return None if _is_numbered(reader, place) else _on(reader, place, place, year, month, day)
    if token.form == "pair":
        return _pair(reader, place)
    if token.has(Says.MONTH, Says.MONTH_SHORT) and after.form == "number" and len(after.text) <= 2:
        if ends_sentence(after.gap.replace(".", "", 1)) or reader.at(place + 2).has(
            Says.CLOCK, Says.HALF_DAY
        ):
            return None
        year_said = _year(reader, place + 2)
        last = place + 1 + (year_said is not None)
        return _on(
            reader, place, last, year_said, token.value(Says.MONTH, Says.MONTH_SHORT), after.figures[0]
        )
    day_said, last = _spelt(reader, place)
    if day_said is None:
        return None
    there = last + 1
    while reader.at(there).has(Says.OF, Says.LIGHT) and there < last + 3:
        there += 1
    month_said = reader.at(there)
    if month_said.has(Says.MONTH, Says.MONTH_SHORT) and not ends_sentence(month_said.gap.replace(".", "", 1)):
        year_said = _year(reader, there + 1)
        month = month_said.value(Says.MONTH, Says.MONTH_SHORT)
        return _on(reader, place, there + (year_said is not None), year_said, month, day_said)
    is_ordinal = token.form == "number" and (token.has(Says.ORDINAL) or _ends_as_ordinal(reader, place))
    if is_ordinal and reader.before(place, Says.IN, Says.OF, Says.SINCE, Says.BY):
        return _of_month(reader, place, day_said)
    return None


def _ends_as_ordinal(reader: _Reader, place: int) -> bool:
    """« am 12. »: in German a dot makes the number an ordinal, and in a chat it is left out."""
    is_hour = reader.at(place + 1).has(Says.CLOCK, Says.HALF_DAY, Says.UNIT, Says.MEASURE)
    return reader.at(place - 1).text in ("am", "vom") and not is_hour


def _spelt(reader: _Reader, place: int) -> tuple[int | None, int]:
    """A day's number in figures or words, and where it ends: « 12 », « dwudziestego pierwszego »."""
    token, after = reader.at(place), reader.at(place + 1)
    if token.form == "number":
        return (token.figures[0] if len(token.text) <= 2 else None), place
    if not token.has(Says.ORDINAL):
        return None, place
    number = token.value(Says.ORDINAL)
    if number in (20, 30) and after.has(Says.ORDINAL) and after.value(Says.ORDINAL) < 10:
        return number + after.value(Says.ORDINAL), place + 1
    return number, place


def _pair(reader: _Reader, place: int) -> Said | None:
    """« 12.11 » is a day, a time or an amount: what stands around it tells."""
    token, after = reader.at(place), reader.at(place + 1)
    is_time = reader.before(place, Says.AT, Says.CLOCK) or after.has(Says.HALF_DAY, Says.CLOCK)
    if is_time or _is_numbered(reader, place) or _is_measured(reader, place) or token.text == "24/7":
        return None
    day, month = token.figures
    if month > 12 >= day and "/" in token.text:
        day, month = month, day  # 11/25, as Americans write it
    said = _on(reader, place, place, None, month, day)
    near = reader.last_is(place, within=2)
    if said is None or not _is_written_as_date(reader, place):
        return None
    if near is not None and near.days is not None and near.rank >= 2 and near.days != said.days:
        return None  # « wczoraj 10.11 »: the day is said already
    return said


def _is_written_as_date(reader: _Reader, place: int) -> bool:
    """« 12.05 », « z 12.5 », « 12.5. »; not « 12.5 » among other words, which may be any number."""
    token, after = reader.at(place), reader.at(place + 1)
    has_two_digits = token.text[-2].isdigit()
    if "/" in token.text and len(token.text) == 3:
        return False  # 1/2
    has_dot = "." in token.text and after.gap.startswith(". ") and not after.gap.startswith(". .")
    is_led = reader.before(place, Says.IN, Says.OF, Says.SINCE, Says.BY, Says.AFTER)
    is_led = is_led or reader.at(place - 1).has(Says.LIGHT, Says.WEEKDAY)
    is_alone = all(t.has(Says.LIGHT, Says.IN, Says.OF) for t in reader.tokens if t is not token)
    return has_two_digits or has_dot or is_led or is_alone


def _is_numbered(reader: _Reader, place: int) -> bool:
    """« nr 12.11 », « kod 12.11 », « za 12.11 »."""
    gap = reader.at(place).gap.replace(".", "", 1)
    return reader.at(place - 1).has(Says.NUMBERING) and not ends_sentence(gap)


def _is_measured(reader: _Reader, place: int) -> bool:
    """« 12.11 zł »."""
    after = reader.at(place + 1)
    return after.has(Says.MEASURE) and not after.gap.strip()


def _on(reader: _Reader, first: int, last: int, year: int | None, month: int, day: int) -> Said | None:
    """A day by its date; without a year the last there was."""
    if year is not None:
        found = _real(year, month, day)
    else:
        years = range(reader.today.year, reader.today.year - 9, -1)
        there = (_real(y, month, day) for y in years)
        found = next((d for d in there if d is not None and d <= reader.today), None)
    if found is None:
        return None
    return Said(first, last, days=_one(found), rank=3, is_term=found > reader.today)


def _of_month(reader: _Reader, place: int, day: int) -> Said | None:
    """« on the 12th »: of this month, or of the last that had one."""
    months = (months_before(reader.today.replace(day=1), back) for back in range(3))
    found = (_real(month.year, month.month, day) for month in months)
    last = next((d for d in found if d is not None and d <= reader.today), None)
    return None if last is None else Said(place, place, days=_one(last), rank=3)


def _year(reader: _Reader, place: int) -> int | None:
    token = reader.at(place)
    is_year = token.form == "number" and len(token.text) == 4 and 2000 <= token.figures[0] <= 2100
    return token.figures[0] if is_year else None


# --- times and parts of the day ---


def _clock(reader: _Reader, place: int) -> Said | None:
    """« o 14 », « at 2:30 pm », « um 8 Uhr », « o ósmej », « godz. 14.30 »."""
    after = reader.at(place + 1)
    is_led = reader.before(place, Says.AT, Says.CLOCK, Says.ABOUT, Says.AFTER, Says.BEFORE)
    is_timed = after.has(Says.CLOCK, Says.HALF_DAY) and not after.gap.strip(" .")
    is_of_day = after.has(Says.PART, Says.PART_NOUN) and not after.gap.strip()
    near = reader.last_is(place, within=2)
    figures = _hour_said(reader, place, is_led=is_led, is_beside=is_timed or is_of_day, near=near)
    if figures is None or _is_numbered(reader, place) or (_is_measured(reader, place) and not is_timed):
        return None
    hour, minute = figures
    if not (hour <= 23 and (minute or 0) <= 59) or (after.has(Says.UNIT) and not is_timed):
        return None
    half = after.value(Says.HALF_DAY) if is_timed and after.has(Says.HALF_DAY) else None
    if half is not None and hour <= 12:
        hour = hour % 12 + half
    last = place + is_timed
    is_whole = all(is_filler(t) for t in (*reader.tokens[:place], *reader.tokens[last + 1 :]))
    is_exact = minute is not None or is_timed or is_of_day
    return Said(
        place,
        last,
        clock=Clock(hour, minute, _how(reader, place), is_on_twelve=half is None and hour <= 12),
        is_sure=is_exact and (is_led or is_timed or is_of_day or is_whole or reader.before(place, Says.OF)),
    )


def _hour_said(
    reader: _Reader, place: int, *, is_led: bool, is_beside: bool, near: Said | None
) -> tuple[int, int | None] | None:
    token = reader.at(place)
    if token.form == "clock":
        return token.figures[0], token.figures[1]
    if token.form == "pair" and "." in token.text and token.text[-3] == ".":
        is_said = is_led or is_beside or (near is not None and near.days is not None)
        return (token.figures[0], token.figures[1]) if is_said else None
    if token.form == "number" and len(token.text) <= 2 and not token.has(Says.ORDINAL):
        return (token.figures[0], None) if is_led or is_beside else None
    is_at = reader.before(place, Says.AT, Says.ABOUT, Says.CLOCK)
    if token.has(Says.ORDINAL) and is_at:
        return token.value(Says.ORDINAL), None
    if token.has(Says.NUMBER) and is_at and token.value(Says.NUMBER) > 1:  # « um ein … », « at a … » are none
        return token.value(Says.NUMBER), None
    return None


def _how(reader: _Reader, place: int) -> str:
    hows = ((Says.ABOUT, "about"), (Says.BEFORE, "before"), (Says.AFTER, "after"))
    return next((name for said, name in hows if reader.before(place, said)), "at")


def _part(reader: _Reader, place: int) -> Said | None:
    """« wieczorem », « in the morning », « po południu », « przed południem »; not « good evening »."""
    token, ahead = reader.at(place), reader.at(place - 1)
    if token.has(Says.PART):
        return Said(place, place, part=str(token.says[Says.PART]))
    is_led = reader.before(place, Says.IN, Says.SINCE, Says.OF, Says.AFTER, Says.BEFORE)
    if not token.has(Says.PART_NOUN) or not (is_led or reader.last_is(place, within=3)):
        return None
    part = str(token.says[Says.PART_NOUN])
    if part in ("noon", "afternoon"):
        part = "afternoon" if ahead.has(Says.AFTER) else "forenoon" if ahead.has(Says.BEFORE) else part
    return Said(place, place, part=part)


_Rule = Callable[[_Reader, int], Said | None]
_RULES: tuple[_Rule, ...] = (
    _ago,
    _window,
    _for_so_long,
    _relative,
    _date,
    _weekday,
    _named_day,
    _long_time,
    _clock,
    _part,
)


# --- the calendar ---


def months_before(day: date, months: int) -> date:
    """The same day so many months before (after, if negative), or the last of that month."""
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def _one(day: date) -> tuple[date, date]:
    return day, day + timedelta(days=1)


def _month(first: date) -> tuple[date, date]:
    return first, months_before(first, -1)


def _real(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _last_weekday(today: date, weekday: int, *, may_be_today: bool) -> date:
    back = (today.weekday() - weekday) % 7
    return today - timedelta(days=back if back or may_be_today else 7)


def _weekend(today: date, *, is_before: bool) -> tuple[date, date]:
    """The last Saturday and Sunday; `is_before`: not the weekend that it is today."""
    saturday = _last_weekday(today, 5, may_be_today=True)
    if is_before and today.weekday() >= 5:
        saturday -= timedelta(days=7)
    return saturday, saturday + timedelta(days=2)


def utc(day: date, minutes: int = 0, *, is_latest: bool = False) -> datetime:
    """A local time as UTC. Of an hour that comes twice, or not at all, the earlier reading or the later one."""
    local = datetime.combine(day, time()) + timedelta(minutes=minutes)
    readings = [local.replace(tzinfo=WARSAW, fold=fold).astimezone(UTC) for fold in (0, 1)]
    return max(readings) if is_latest else min(readings)
