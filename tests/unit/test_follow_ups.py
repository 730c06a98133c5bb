"""What asks the same of another time, and what asks for something else."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bot.domain.follow_ups import asks_who, is_one

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


@pytest.mark.parametrize(
    "text",
    [
        "kto pisał wczoraj wieczorem", "Kto wysłał w piątek o 14?", "od kogo był sms w zeszłym tygodniu",
        "czyj to sms z 12.11", "co to za sms z 12 listopada", "kto mi wyslal wiadomosc dzis rano",
        "who texted me last Friday", "whose message was that yesterday", "who sent the sms at 14:30",
        "wer hat mir gestern Abend geschrieben", "von wem war die Nachricht am Freitag",
        "хто писав учора ввечері", "хто надіслав смс у п'ятницю",
    ],
)  # fmt: skip
def test_who_wrote_at_a_time_needs_no_model(text: str) -> None:
    assert asks_who(text)


@pytest.mark.parametrize(
    "text",
    [
        "kto był wczoraj w domu", "kto wygrał wczoraj", "kto przyjdzie jutro", "who was there last night",
        "a ten wczoraj?", "who sent", "kto pisał", "wczoraj wysłałem paczkę", "kto wczoraj napisał tę piosenkę",
        "kto wysłał w piątek kwiaty", "wer war gestern dran", "хто був учора",
        "kto pisał do mnie wczoraj i skąd ma numer", "",
    ],
)  # fmt: skip
def test_other_questions_with_a_time_are_the_models(text: str) -> None:
    assert not asks_who(text)
