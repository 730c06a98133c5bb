"""A reference is told from words, numbers and senders' names, however it is typed."""

from __future__ import annotations

import random

import pytest

from bot.domain import references


def test_a_reference_has_letters_and_digits_and_nothing_that_is_misheard() -> None:
    pick = random.Random(7).choice
    made = [references.make(pick) for _ in range(2_000)]
    assert len(set(made)) == len(made)
    for reference in made:
        assert references.found_in(f"nr {reference}, prosze") == (reference,)
        assert not set(reference) & set("01IO")
        assert not reference.isdecimal()
        assert not reference.isalpha()


@pytest.mark.parametrize(
    "text",
    [
        "status AB23CD45",
        "Status ab23cd45?",
        "co z moją sprawą AB23-CD45",
        "sprawa nr: ab23 cd45.",
        "what about case AB23CD45",
        "Wie steht es um AB23CD45, mein Fall",
        "що зі справою AB23CD45",
    ],
)
def test_a_question_about_a_case_is_found_however_it_is_typed(text: str) -> None:
    assert references.found_in(text) == ("AB23CD45",)
    assert references.asks_about_a_case(text)


def test_a_number_or_a_name_is_not_spoken_of_as_a_case() -> None:
    assert references.found_in("kto to, numer PACZKA24") == ("PACZKA24",)
    assert not references.asks_about_a_case("kto to, numer PACZKA24")


@pytest.mark.parametrize(
    "text",
    [
        "WYPADEK",
        "przestancie natychmiast",
        "48500100",
        "+48500100200",
        "500 100 200",
        "AB23CD456",
        "ŻAB23CD45",
        "AB12CD34 has a one",
        "MAMA TATA",
        "",
    ],
)
def test_words_and_numbers_are_no_reference(text: str) -> None:
    assert references.found_in(text) == ()


@pytest.mark.parametrize(
    "text",
    [
        "AB23CD45",
        "status AB23CD45",
        "co z moją sprawą AB23CD45?",
        "Kiedy odpowiedź w sprawie AB23CD45",
        "any news on my case AB23CD45 please",
        "Wie ist der Stand zu AB23CD45?",
        "що з моєю справою AB23CD45",
    ],
)
def test_a_plain_question_asks_nothing_else(text: str) -> None:
    assert references.asks_nothing_else(text)


@pytest.mark.parametrize(
    "text",
    [
        "AB23CD45 usuńcie moje dane",
        "sprawa AB23CD45, chcę człowieka",
        "case AB23CD45: stop texting me",
        "AB23CD45 " + "status " * 200,
    ],
)
def test_what_more_is_said_is_not_lost(text: str) -> None:
    assert not references.asks_nothing_else(text)


@pytest.mark.parametrize(
    "text",
    [
        "co z moją sprawą?",
        "status sprawy",
        "STATUS",
        "kiedy dostanę odpowiedź na moje żądanie",
        "what about my request",
        "any news on my case?",
        "Wie steht es um meinen Antrag",
        "що з моїм запитом",
        "коли буде відповідь на мою заяву",
    ],
)
def test_a_question_without_a_reference_is_told_too(text: str) -> None:
    assert references.asks_how_it_goes(text)


@pytest.mark.parametrize(
    "text",
    [
        "mam prośbę",
        "mam sprawę",
        "what is my number",
        "moja sprawa to usunięcie danych",
        "just in case",
        "What requests can I make here?",
        "як справи?",
        "jak sprawy",
        "I want to make a request",
        "jaki jest mój numer",
        "что в моем случае",
        "co u ciebie",
        "",
    ],
)
def test_other_questions_are_not_taken_for_it(text: str) -> None:
    assert not references.asks_how_it_goes(text)


def test_several_are_found_each_once() -> None:
    text = "status AB23CD45, ab23cd45 i EF67GH89"
    assert references.found_in(text) == ("AB23CD45", "EF67GH89")
