"""One message, several wishes: cut where something new begins, and taken apart only when that is sure."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.conversation import Wish
from bot.domain.readings import Reading
from bot.domain.several import MOST, beside_stop, parts_of, wishes_beside_stop, wishes_of
from tests.world import WORDS

NOTHING = Wish("not_understood", "model", 0.4)


def texts(text: str) -> list[str]:
    return [part.text for part in parts_of(text, WORDS)]


def read(intent: str, confidence: float = 0.97) -> Reading:
    return Reading(intent, confidence, ((intent, confidence),))


def wishes(text: str, whole: Wish, *readings: Reading | None) -> list[str]:
    found = wishes_of(whole, text, list(zip(parts_of(text, WORDS), readings, strict=True)), WORDS)
    return [wish.intent for wish in found]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("kto to wysłał i proszę mnie wypisać", ["kto to wysłał", "proszę mnie wypisać"]),
        ("STOP. And delete my data", ["STOP", "delete my data"]),
        ("kto to i stop", ["kto to", "stop"]),
        ("Who is this? And where did you get my number?", ["Who is this", "where did you get my number"]),
        ("хто це і видаліть мої дані", ["хто це", "видаліть мої дані"]),
        ("wer ist das und löscht meine Daten", ["wer ist das", "löscht meine Daten"]),
        ("skąd macie mój numer\nchcę go usunąć", ["skąd macie mój numer", "chcę go usunąć"]),
        ("kto to wysłał, skąd macie numer", ["kto to wysłał", "skąd macie numer"]),
    ],
)
def test_a_message_is_cut_where_something_new_begins(text: str, parts: list[str]) -> None:
    assert texts(text) == parts


@pytest.mark.parametrize(
    "text",
    [
        "",
        "stop",
        "kto to wysłał",
        "tak, jasne",
        "o 14.30",
        "12.03",
        "imię i nazwisko",
        "when i get home",
        "🙂",
    ],
)
def test_one_piece_stays_whole(text: str) -> None:
    assert texts(text) == []


@given(st.text(max_size=300))
def test_the_parts_stand_in_the_text_in_order_and_are_few(text: str) -> None:
    parts = parts_of(text, WORDS)
    assert len(parts) in (0, *range(2, MOST + 1))
    ends = [0, *(place for part in parts for place in (part.start, part.end))]
    assert ends == sorted(ends)
    assert all(text[part.start : part.end] == part.text for part in parts)


def test_many_sentences_are_joined_to_three_parts() -> None:
    assert (
        len(texts("Raz. Dwa trzy. Cztery pięć sześć. Siedem osiem. Dziewięć dziesięć. Kto to wysłał?"))
        == MOST
    )


def test_two_sure_parts_are_two_wishes_and_the_stop_is_taken_first() -> None:
    text = "kto to wysłał i proszę nie pisać do mnie smsów"
    assert wishes(text, Wish("who_sent", "model", 0.8), read("who_sent"), read("opt_out")) == [
        "opt_out",
        "who_sent",
    ]


def test_a_human_comes_last_whatever_the_order() -> None:
    text = "połącz mnie z kimś, kto to wysłał"
    assert wishes(text, Wish("human", "model", 0.9), read("human"), read("who_sent")) == ["who_sent", "human"]


def test_one_sure_part_leaves_the_whole_as_it_was_read() -> None:
    text = "proszę podać moje imię i nazwisko które macie"
    whole = Wish("rights_access", "model", 0.9)
    assert wishes(text, whole, read("rights_access"), read("rights_erasure", 0.5)) == ["rights_access"]
    assert wishes(text, NOTHING, read("rights_access"), read("out_of_scope")) == ["not_understood"]


def test_a_stop_in_a_part_is_not_lost_beside_another_wish() -> None:
    text = "kto to wysłał i nie piszcie już smsów"
    assert wishes(text, Wish("who_sent", "model", 0.8), None, read("opt_out")) == ["opt_out", "who_sent"]


def test_a_stop_in_a_part_of_other_talk_is_asked_back() -> None:
    text = "mama mówi że kupi chleb i nie piszcie już smsów"
    assert wishes(text, NOTHING, read("out_of_scope"), read("opt_out")) == ["opt_out_unsure"]


def test_a_stop_of_the_models_is_asked_back_where_the_whole_is_no_sure_wish() -> None:
    text = "jaki macie numer do obsługi i moglibyście mi tych smsów już oszczędzić"
    unsure = Wish("did_you_mean", "model", 0.5)
    assert wishes(text, unsure, read("faq/contact"), read("opt_out")) == ["faq/contact", "opt_out_unsure"]
    sure = Wish("faq/contact", "model", 0.9)
    assert wishes(text, sure, read("faq/contact"), read("opt_out")) == ["opt_out", "faq/contact"]


def test_two_sure_parts_of_what_is_surely_nothing_to_us_are_no_wishes() -> None:
    text = "zapytaj babcię kto to wysłał i powiedz jej żeby usunęła moje dane"
    whole = Wish("not_understood", "model", 0.9)
    assert wishes(text, whole, read("who_sent"), read("rights_erasure")) == ["not_understood"]


def test_a_right_read_in_the_whole_is_not_lost_to_its_parts() -> None:
    text = "kto to wysłał i jak długo trzymacie"
    whole = Wish("rights_erasure", "model", 0.8)
    assert "rights_erasure" in wishes(text, whole, read("who_sent"), read("faq/retention"))


def test_a_contract_that_is_over_is_no_wish_beside_another_right() -> None:
    text = "miałem kiedyś u was umowę, proszę o kopię moich danych"
    whole = Wish("rights_access", "model", 0.9)
    assert wishes(text, whole, read("rights_terminate_contract"), read("rights_access")) == ["rights_access"]


def test_keywords_are_told_apart_without_a_model() -> None:
    assert wishes("kto to? stop", Wish("not_read", "fallback"), None, None) == ["opt_out", "who_sent"]


def test_small_talk_is_no_second_wish() -> None:
    text = "dzięki za info, kto to wysłał"
    assert wishes(text, Wish("who_sent", "model", 0.9), read("thanks"), read("who_sent")) == ["who_sent"]


def test_what_stands_beside_a_stop_is_found_and_the_stop_is_not_taken_twice() -> None:
    text = "STOP. And delete my data"
    parts = beside_stop(text, WORDS)
    assert [part.text for part in parts] == ["delete my data"]
    found = wishes_beside_stop(text, [(parts[0], read("rights_erasure"))], WORDS)
    assert [wish.intent for wish in found] == ["rights_erasure"]
    assert wishes_beside_stop(text, [(parts[0], read("opt_out"))], WORDS) == ()


def test_a_stop_alone_leaves_nothing_beside_it() -> None:
    for text in ("STOP", "stop!!!", "Proszę o wypisanie", "STOP STOP STOP", "stop sms"):
        assert beside_stop(text, WORDS) == ()
