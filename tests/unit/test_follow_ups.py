"""What asks the same of another time, and what asks for something else."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bot.domain.follow_ups import is_one

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "a ten wczoraj?", "a ten z piątku", "A TA WIADOMOSC W PIATEK O 14?", "wczoraj", "12.11", "nie, ten z wczoraj",
        "a kto pisał wczoraj wieczorem?", "o 14:30", "tydzień temu", "and the one yesterday?",
        "what about last Friday?",
        "no, the one on Monday", "i mean the message from 12 November", "und der von gestern?", "nein, am Freitag",
        "was ist mit gestern Abend?", "а те вчора?", "а хто писав у п'ятницю?", "ні, позавчора",
    ],
)  # fmt: skip
def test_a_time_and_words_that_only_point_ask_the_same_again(text: str) -> None:
    assert is_one(text, now=NOW)


@pytest.mark.parametrize(
    "text",
    [
        "", "a ten drugi?", "tak", "1", "dziękuję", "przestańcie pisać od wczoraj", "STOP od wczoraj",
        "usuńcie dane z wczoraj", "jutro", "a ten jutro?", "wczoraj zamówiłem pizzę", "stop texting me since Friday",
        "nie pisz do mnie w piątek", "delete yesterday's message", "what is your address",
        "löschen Sie alles von gestern",
        "za 12.11 zł", "wczoraj " * 40,
    ],
)  # fmt: skip
def test_another_wish_is_none(text: str) -> None:
    assert not is_one(text, now=NOW)
