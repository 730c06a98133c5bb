"""Read when something was out of what a person writes: "wczoraj wieczorem", "last Friday", "12.11". Keeps no clock.

Always the past: "on Friday" is the last one, "12 November" the last there was. What has not come, a term ("until
Friday"), a price ("12.11 zł") and the number of an order are no moment. The words are `domain.time_words`.

A library was tried first (dateparser 1.2): it tells a point and no part of a day, reads "12.11" as a time of
today, loses the hour of "w piątek o 14" and does not know "dwa dni temu".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise

from bot.domain.time_said import WARSAW, Clock, Said, said_in, utc
from bot.domain.time_tokens import Token, ends_sentence, is_filler, tokens_of
from bot.domain.time_words import Says

LONGEST = 1_000  #: characters looked at
FARTHEST = 10  #: words between a day and its time: « who was it yesterday, some code came, at 14:30 »

# Hours of the day meant, generously: a message at half past five is one of the afternoon and of the evening.
PARTS: Mapping[str, tuple[int, int]] = {
    "morning": (4, 12),
    "forenoon": (6, 12),
    "noon": (11, 15),
    "afternoon": (12, 19),
    "evening": (17, 24),
    "night": (20, 30),  # into the next morning
    "last night": (18, 30),
    "this night": (-2, 6),
}
ON_TWELVE = {"noon": range(1, 3), "afternoon": range(1, 8), "evening": range(4, 12), "night": range(8, 13)}
"""Hours that are said with these parts of the day on a clock of twelve: "8 in the evening"."""

TO_THE_MINUTE = (timedelta(minutes=15), timedelta(minutes=15))
TO_THE_HOUR = (timedelta(minutes=20), timedelta(minutes=60))
ABOUT = (timedelta(minutes=60), timedelta(minutes=60))


@dataclass(frozen=True, slots=True)
class Moment:
    """A time that has been, from `since` to before `until`, aware UTC; `until` is never later than now.

    is_precise: a day, a time or a bounded time was named, and not "a few days ago" or "a month ago".
    start, end: where it stands in the text.
    """

    since: datetime
    until: datetime
    is_precise: bool
    start: int
    end: int


def moment_in(text: str, *, now: datetime) -> Moment | None:
    """The moment that a text names, the first if there are several; None if it names none that has been.

    now: aware; days are Warsaw's. A date without a year lies within the last twelve months (29 February
    excepted); one with a year may be older.
    """
    tokens = tokens_of(text[:LONGEST])
    moment = now.astimezone(UTC)
    for group in _groups(said_in(tokens, now=moment), tokens):
        span = _span(group, tokens, moment)
        if span is not None:
            start = min(tokens[said.first].start for said in group)
            end = max(tokens[said.last].end for said in group)
            return Moment(*span, all(said.is_precise for said in group), start, end)
    return None


def around(since: datetime, until: datetime, *, now: datetime) -> tuple[datetime, datetime]:
    """The whole Warsaw days that a time touches: the day is remembered better than the hour."""
    first = since.astimezone(WARSAW).date()
    last = (until - timedelta(microseconds=1)).astimezone(WARSAW).date()
    return utc(first), min(utc(last + timedelta(days=1)), now.astimezone(UTC))


def shown(since: datetime, until: datetime) -> str:
    """A time in Warsaw's: "19.11.2026", "19.11.2026 17:00-24:00", "16.11-22.11.2026"."""
    begin, end = since.astimezone(WARSAW), until.astimezone(WARSAW)
    last = end - timedelta(microseconds=1)  # a day that ends at midnight is that day
    if begin.date() == last.date():
        is_whole = begin.time() == time() == end.time()
        until_shown = "24:00" if end.time() == time() else f"{end:%H:%M}"
        return f"{begin:%d.%m.%Y}" if is_whole else f"{begin:%d.%m.%Y %H:%M}-{until_shown}"
    if until - since < timedelta(hours=23):
        return f"{begin:%d.%m %H:%M}-{end:%d.%m %H:%M}"
    return (
        f"{begin:%d.%m}-{last:%d.%m.%Y}" if begin.year == last.year else f"{begin:%d.%m.%Y}-{last:%d.%m.%Y}"
    )


def _groups(found: Sequence[Said], tokens: Sequence[Token]) -> Iterator[list[Said]]:
    """What stands together: « wczoraj | wieczorem | o 20 »; those with a day first, with a time from further on."""
    groups: list[list[Said]] = []
    for said in found:
        if groups and _stand_together(groups[-1][-1], said, tokens):
            groups[-1].append(said)
        else:
            groups.append([said])
    dated = [g for g in groups if any(s.days or s.span for s in g)]
    timed = [g for g in groups if g not in dated and all(s.clock for s in g)]
    for group in dated:
        if not any(s.clock or s.part or s.span for s in group):
            near = [t for t in timed if _words_between(group, t) <= FARTHEST]
            group += near[0] if near else []
        yield group
    yield from (g for g in groups if g not in dated)


def _stand_together(one: Said, other: Said, tokens: Sequence[Token]) -> bool:
    between = range(one.last + 1, other.first)
    gaps = [tokens[place].gap for place in range(one.last + 1, other.first + 1)]
    return (
        len(between) <= 3 and all(is_filler(tokens[p]) for p in between) and not any(map(ends_sentence, gaps))
    )


def _words_between(one: Sequence[Said], other: Sequence[Said]) -> int:
    return max(other[0].first - one[-1].last, one[0].first - other[-1].last) - 1


def _span(group: Sequence[Said], tokens: Sequence[Token], now: datetime) -> tuple[datetime, datetime] | None:
    """What a group says together, cut at now; None for what has not been."""
    spans = [s.span for s in group if s.span is not None]
    if spans:
        return _past(*spans[0], now)
    part = next((s.part for s in group if s.part is not None), None)
    clock = next((s.clock for s in group if s.clock is not None), None)
    days = _days(group, tokens)
    if days is None:
        if any(s.is_term or s.days for s in group) or not all(s.is_sure for s in group):
            return None
        return _without_day(part, clock, is_since=any(s.is_since for s in group), now=now)
    first, after, is_since = days
    end = now if is_since else utc(after)
    if after - first == timedelta(days=1) and (part or clock) and not is_since:
        within = _within(first, part, clock, now)
        past = _past(*within, now)
        if past is not None:
            return past
    return _past(utc(first), end, now)


def _days(group: Sequence[Said], tokens: Sequence[Token]) -> tuple[date, date, bool] | None:
    """The days meant, and whether all since then: « w zeszłym tygodniu w piątek », « od wtorku do środy »."""
    named = [s for s in group if s.days is not None]
    for one, other in pairwise(named):
        is_joined = any(tokens[place].has(Says.OR) for place in range(one.last + 1, other.first))
        if is_joined and (other.is_term is one.is_since) and not one.is_term:
            assert one.days is not None  # named, as the other
            assert other.days is not None
            first, after = min(one.days[0], other.days[0]), max(one.days[1], other.days[1])
            if after - first <= timedelta(days=31):
                return first, after, False
    meant = [s for s in named if not s.is_term]
    if not meant:
        return None
    best = max(meant, key=lambda s: s.rank)
    assert best.days is not None  # named
    day = best.days[0]
    week = next((s.days[0] for s in meant if s.days and s.days[1] - s.days[0] == timedelta(days=7)), None)
    weeks_back = max(s.weeks_back for s in meant)
    if best.weekday is not None and (week is not None or weeks_back):
        day = day - timedelta(days=7 * weeks_back) if week is None else week + timedelta(days=best.weekday)
        return day, day + timedelta(days=1), best.is_since
    return *best.days, best.is_since


def _within(day: date, part: str | None, clock: Clock | None, now: datetime) -> tuple[datetime, datetime]:
    """A time or a part of a day."""
    if clock is None:
        assert part is not None  # one of them is said
        is_tonight = part == "night" and day == now.astimezone(WARSAW).date()
        begin, end = PARTS["this night" if is_tonight else part]
        return utc(day, begin * 60), utc(day, end * 60, is_latest=True)
    hour = clock.hour
    if clock.is_on_twelve and part in ON_TWELVE and hour in ON_TWELVE[part]:
        hour += 12
    minutes = hour * 60 + (clock.minute or 0)
    if clock.how == "after":
        return utc(day, minutes), utc(day, 24 * 60)
    if clock.how == "before":
        return utc(day), utc(day, max(minutes, 1), is_latest=True)
    ahead, behind = ABOUT if clock.how == "about" else TO_THE_HOUR if clock.minute is None else TO_THE_MINUTE
    return utc(day, minutes) - ahead, utc(day, minutes, is_latest=True) + behind


def _without_day(
    part: str | None, clock: Clock | None, *, is_since: bool, now: datetime
) -> tuple[datetime, datetime] | None:
    """A time of today, or of yesterday if it has not come yet today."""
    today = now.astimezone(WARSAW).date()
    for day in (today, today - timedelta(days=1)):
        since, until = _within(day, part, clock, now)
        past = _past(since, now if is_since else until, now)
        if past is not None:
            return past
    return None


def _past(since: datetime, until: datetime, now: datetime) -> tuple[datetime, datetime] | None:
    until = min(until, now)
    return (since, until) if since < until else None
