"""When something was, by what people write of it: always the past, never a price."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.moments import around, moment_in, shown
from bot.texts import WIDEST

WARSAW = ZoneInfo("Europe/Warsaw")
FRIDAY = datetime(2026, 11, 20, 13, 0, tzinfo=WARSAW)


def read(text: str, now: datetime = FRIDAY) -> str | None:
    moment = moment_in(text, now=now)
    return None if moment is None else shown(moment.since, moment.until)


YESTERDAY, FRIDAY_BEFORE, EVENING = "19.11.2026", "13.11.2026", "19.11.2026 17:00-24:00"

UNDERSTOOD = {
    # what is written: what it means on Friday, 20 November 2026, 13:00
    # - a day
    "wczoraj": YESTERDAY, "yesterday": YESTERDAY, "gestern": YESTERDAY, "вчора": YESTERDAY, "учора": YESTERDAY,
    "przedwczoraj": "18.11.2026", "the day before yesterday": "18.11.2026", "vorgestern": "18.11.2026",
    "позавчора": "18.11.2026", "dwa dni temu": "18.11.2026", "2 days ago": "18.11.2026",
    "vor zwei Tagen": "18.11.2026", "2 дні тому": "18.11.2026", "dziś": "20.11.2026 00:00-13:00",
    "today": "20.11.2026 00:00-13:00", "heute": "20.11.2026 00:00-13:00", "сьогодні": "20.11.2026 00:00-13:00",
    # - a day of the week: the last one, and on a Friday that of the week before
    "w piątek": FRIDAY_BEFORE, "w piatek": FRIDAY_BEFORE, "last Friday": FRIDAY_BEFORE, "on friday": FRIDAY_BEFORE,
    "am letzten Freitag": FRIDAY_BEFORE, "am Freitag": FRIDAY_BEFORE, "у п'ятницю": FRIDAY_BEFORE,
    "у пятницю": FRIDAY_BEFORE, "минулої п’ятниці": FRIDAY_BEFORE, "w zeszły piątek": FRIDAY_BEFORE,
    "w pt": FRIDAY_BEFORE, "we wtorek": "17.11.2026", "у вівторок": "17.11.2026",
    "w piątek tydzień temu": "06.11.2026", "w zeszłym tygodniu we wtorek": "10.11.2026",
    # - a date
    "12.11": "12.11.2026", "12.11.": "12.11.2026", "12.11.2026": "12.11.2026", "12/11/26": "12.11.2026",
    "2026-11-12": "12.11.2026", "12 listopada": "12.11.2026", "12-go listopada": "12.11.2026",
    "dwunastego listopada": "12.11.2026", "12 lis": "12.11.2026", "12 listopada 2025 r.": "12.11.2025",
    "November 12": "12.11.2026", "12th of November": "12.11.2026", "Nov 12th, 2026": "12.11.2026",
    "am 12. November": "12.11.2026", "12. 11. 2026": "12.11.2026", "12 листопада": "12.11.2026",
    "on the 12th": "12.11.2026", "am 12.": "12.11.2026", "25.12": "25.12.2025", "5 stycznia": "05.01.2026",
    "w piątek 13 listopada": FRIDAY_BEFORE, "dwudziestego pierwszego października": "21.10.2026",
    # - a part of a day
    "wczoraj wieczorem": EVENING, "yesterday evening": EVENING, "gestern Abend": EVENING, "gesternabend": EVENING,
    "вчора ввечері": EVENING, "вчера вечером": EVENING, "vorgestern Abend": "18.11.2026 17:00-24:00",
    "dziś rano": "20.11.2026 04:00-12:00", "dzis rano": "20.11.2026 04:00-12:00",
    "this morning": "20.11.2026 04:00-12:00", "heute Morgen": "20.11.2026 04:00-12:00",
    "heute früh": "20.11.2026 04:00-12:00", "сьогодні зранку": "20.11.2026 04:00-12:00",
    "rano": "20.11.2026 04:00-12:00", "wieczorem": EVENING, "last night": "19.11 18:00-20.11 06:00",
    "w nocy": "19.11 22:00-20.11 06:00", "wczoraj po południu": "19.11.2026 12:00-19:00",
    "w poniedziałek przed południem": "16.11.2026 06:00-12:00", "Freitag Morgen": "13.11.2026 04:00-12:00",
    # - a time
    "w piątek o 14": "13.11.2026 13:40-15:00", "on Friday at 2pm": "13.11.2026 13:40-15:00",
    "am Freitag um 14 Uhr": "13.11.2026 13:40-15:00", "у п'ятницю о 14": "13.11.2026 13:40-15:00",
    "wczoraj 20:47": "19.11.2026 20:32-21:02", "wczoraj o 8 wieczorem": "19.11.2026 19:40-21:00",
    "вчора о 8 вечора": "19.11.2026 19:40-21:00", "wczoraj ok 18": "19.11.2026 17:00-19:00",
    "wczoraj o ósmej": "19.11.2026 07:40-09:00", "wczoraj po 20": "19.11.2026 20:00-24:00",
    "wczoraj przed 10": "19.11.2026 00:00-10:00", "o 14:30": "19.11.2026 14:15-14:45",
    "o 12:30": "20.11.2026 12:15-12:45", "wczoraj o 14.30": "19.11.2026 14:15-14:45",
    "kto wczoraj wysłał mi wiadomość o 14:30": "19.11.2026 14:15-14:45",
    # - so long ago
    "przed godziną": "20.11.2026 11:36-12:24", "godzinę temu": "20.11.2026 11:36-12:24",
    "an hour ago": "20.11.2026 11:36-12:24", "vor einer Stunde": "20.11.2026 11:36-12:24",
    "годину тому": "20.11.2026 11:36-12:24", "przed chwilą": "20.11.2026 12:00-13:00",
    "just now": "20.11.2026 12:00-13:00", "tydzień temu": "11.11-15.11.2026", "a week ago": "11.11-15.11.2026",
    "kilka dni temu": "12.11-19.11.2026", "sprzed dwóch dni": "18.11.2026", "rok temu": "31.10-10.12.2025",
    # - a longer time
    "w zeszłym tygodniu": "09.11-15.11.2026", "last week": "09.11-15.11.2026", "letzte Woche": "09.11-15.11.2026",
    "минулого тижня": "09.11-15.11.2026", "w październiku": "01.10-31.10.2026", "w weekend": "14.11-15.11.2026",
    "od wtorku": "17.11-20.11.2026", "since Tuesday": "17.11-20.11.2026", "in the last 3 days": "17.11-20.11.2026",
    "mam ten numer od tygodnia": "13.11-20.11.2026", "I have had this number for a week": "13.11-20.11.2026",
    "seit drei Tagen": "17.11-20.11.2026", "od 2 miesięcy": "20.09-20.11.2026",
    "od poniedziałku do środy": "16.11-18.11.2026", "w 2024 roku": "01.01-31.12.2024",
    # - with a slip
    "wcozraj wieczorem": EVENING, "yesturday": YESTERDAY, "wednsday": "18.11.2026", "w poniedzialek": "16.11.2026",
    # - in the middle of a question
    "a ten wczoraj?": YESTERDAY, "co to za firma do mnie wczoraj pisala": YESTERDAY,
    "Who was it that texted me last Friday?": FRIDAY_BEFORE,
    "wczoraj przyszła wiadomość, że mam się stawić w czwartek na dziewiątą": YESTERDAY,
}  # fmt: skip


@pytest.mark.parametrize(("text", "meant"), UNDERSTOOD.items())
def test_a_moment_is_understood_in_four_languages(text: str, meant: str) -> None:
    assert read(text) == meant
    assert read(text.upper()) == meant


NO_MOMENT = [
    # - amounts, orders, versions, numbers
    "12.11 zł", "12,11 zł", "za 12.11", "kosztuje 12.11", "$12.11", "12.11%", "12.11 EUR", "5.5 km dalej",
    "zamówienie nr 12.11", "order 12/11/2026", "faktura FV/12/11/2026", "wersja 1.2.3", "192.168.1.10",
    "kod 482910", "500 100 200", "+48 500 100 200", "12.11.2026-45", "3 z 5 gwiazdek", "24/7", "1/2", "o 20% taniej",
    "o 5 zł taniej",
    # - no day that there is
    "30.02", "32.11", "31.11.2026", "99.99.9999",
    # - what has not come, and terms
    "jutro", "pojutrze rano", "tomorrow", "morgen", "завтра", "25.12.2026", "next Friday", "w przyszłym tygodniu",
    "do piątku", "na piątek", "until Friday", "bis Freitag", "до п'ятниці",
    # - greetings and words that only look like time
    "dobry wieczór", "dzień dobry, kto to", "good evening", "Guten Morgen", "guten Abend, wer ist da", "добрий вечір",
    "I may have got one", "marzenia", "robota", "worek", "czwarte piętro", "rodzina", "at 5", "o 8", "kto to?", "",
]  # fmt: skip


@pytest.mark.parametrize("text", NO_MOMENT)
def test_what_is_no_moment_is_not_taken_for_one(text: str) -> None:
    assert read(text) is None


def test_a_few_days_ago_is_vague_and_a_day_is_not() -> None:
    vague = moment_in("kilka dni temu", now=FRIDAY)
    assert vague is not None
    assert not vague.is_precise
    day = moment_in("kto pisał wczoraj wieczorem?", now=FRIDAY)
    assert day is not None
    assert day.is_precise
    assert "kto pisał wczoraj wieczorem?"[day.start : day.end] == "wczoraj wieczorem"


MONTHS = {
    "pl": "stycznia lutego marca kwietnia maja czerwca lipca sierpnia września października listopada grudnia",
    "en": "January February March April May June July August September October November December",
    "de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
    "uk": "січня лютого березня квітня травня червня липня серпня вересня жовтня листопада грудня",
}
FORMS = [
    "{d:%d.%m.%Y}", "{d:%Y-%m-%d}", "{d:%d/%m/%Y}", "{d:%d.%m}", "{d.day} {pl}", "z {d.day} {pl} {d.year}",
    "{en} {d.day}", "{d.day} {en} {d.year}", "am {d.day}. {de}", "{d.day} {uk}", "{d.day} {uk} {d.year}",
]  # fmt: skip

moments = st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))


@given(moments, st.integers(0, 364), st.sampled_from(FORMS))
def test_a_date_as_people_write_it_is_that_day(now: datetime, back: int, form: str) -> None:
    day = now.astimezone(WARSAW).date() - timedelta(days=back)
    names = {language: words.split()[day.month - 1] for language, words in MONTHS.items()}
    found = moment_in(form.format(d=day, **names), now=now)
    if found is None:  # midnight has just struck: nothing of today has been
        assert back == 0
        return
    assert found.since.astimezone(WARSAW) == datetime(day.year, day.month, day.day, tzinfo=WARSAW)
    following = day + timedelta(days=1)
    end = datetime(following.year, following.month, following.day, tzinfo=WARSAW)
    assert found.until == min(end, now)


PIECES = st.lists(
    st.sampled_from([*UNDERSTOOD, *NO_MOMENT, "od", "do", "o", "przed", "3", "lub", "zł", "."]), max_size=4
)


@given(moments, PIECES)
def test_a_moment_has_been_and_lasts_however_it_is_put(now: datetime, pieces: list[str]) -> None:
    text = " ".join(pieces)
    found = moment_in(text, now=now)
    if found is None:
        return
    assert found.since < found.until <= now
    assert 0 <= found.start < found.end <= len(text)
    since, until = around(found.since, found.until, now=now)
    assert since <= found.since < found.until <= until <= now
    assert len(shown(found.since, found.until)) <= len(WIDEST["when"])


@given(st.text(), moments)
def test_any_text_is_read(text: str, now: datetime) -> None:
    found = moment_in(text, now=now)
    assert found is None or found.since < found.until <= now


@given(
    moments,
    st.sampled_from(["12.11", "w marcu", "w piątek", "25 grudnia", "rano", "w nocy", "przed godziną"]),
)
def test_without_a_year_it_lies_within_twelve_months(now: datetime, text: str) -> None:
    found = moment_in(text, now=now)
    assert found is None or now - found.since <= timedelta(days=367)


@pytest.mark.parametrize(
    ("text", "now", "since", "until"),
    [
        # the clock goes forward on 29 March 2026 at 02:00, and back on 25 October at 03:00
        ("29.03", datetime(2026, 4, 1, tzinfo=UTC), "2026-03-28T23:00", "2026-03-29T22:00"),
        ("25.10", datetime(2026, 11, 1, tzinfo=UTC), "2026-10-24T22:00", "2026-10-25T23:00"),
        ("29.03 o 2:30", datetime(2026, 4, 1, tzinfo=UTC), "2026-03-29T00:15", "2026-03-29T01:45"),
        ("25.10 o 2:30", datetime(2026, 11, 1, tzinfo=UTC), "2026-10-25T00:15", "2026-10-25T01:45"),
        ("wczoraj o 14:00", datetime(2026, 3, 30, 12, tzinfo=UTC), "2026-03-29T11:45", "2026-03-29T12:15"),
        ("wczoraj", datetime(2026, 7, 1, 22, 30, tzinfo=UTC), "2026-06-30T22:00", "2026-07-01T22:00"),
    ],
)
def test_days_and_hours_are_those_of_warsaw_also_when_the_clock_changes(
    text: str, now: datetime, since: str, until: str
) -> None:
    found = moment_in(text, now=now)
    assert found is not None
    assert (f"{found.since:%Y-%m-%dT%H:%M}", f"{found.until:%Y-%m-%dT%H:%M}") == (since, until)


def test_the_29th_of_february_is_the_last_there_was() -> None:
    found = moment_in("29 lutego", now=FRIDAY)
    assert found is not None
    assert found.since.astimezone(WARSAW).date() == date(2024, 2, 29)


@pytest.mark.parametrize(
    "text", ["wczoraj " * 500, "12.11 " * 500, "1." * 2000, "a" * 4000, "listopad" * 500, "x" * 30]
)
def test_a_text_made_to_be_slow_is_not(text: str) -> None:
    moment_in("warm", now=FRIDAY)
    start = time.process_time()
    moment_in(text, now=FRIDAY)
    assert time.process_time() - start < 0.1


def test_an_ordinary_question_is_read_in_less_than_five_milliseconds() -> None:
    texts = [*UNDERSTOOD, *NO_MOMENT]
    moment_in("warm", now=FRIDAY)
    start = time.process_time()
    for text in texts:
        moment_in(f"kto do mnie napisał {text} i czego chce", now=FRIDAY)
    assert (time.process_time() - start) / len(texts) < 0.005
