"""Whoever is in the middle of something may ask, turn back, give up or change the language; nothing is lost by it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.domain.messages import Medium
from bot.ledger import cases
from tests.conversations.test_stop import allowed
from tests.world import BOT_NUMBER, SHARED_NUMBER, SHOP_NUMBER, World

TELEGRAM = {"as_": "5550001", "to": "42", "medium": Medium.TELEGRAM}
ERASE = "proszę usunąć moje dane"
HOW_LONG = "jak długo trzymacie wiadomości w systemie"
WHOM = "Przekazac im Twoja prosbe"
COUNTS_AS = {ERASE: ("rights_access", 0.95), HOW_LONG: ("faq/retention", 0.95)}


@pytest.fixture
def asked(world: World) -> World:
    """A right was claimed, and the question whom to pass it on to is open."""
    world.sent("shop", SHOP_NUMBER)
    world.model.known |= COUNTS_AS
    assert WHOM in said(world, ERASE)
    return world


def said(world: World, text: str, **more: object) -> str:
    return " ".join(world.says(text, **more))


def state_of_case(world: World) -> str:
    with world.house.ledger.read() as book:
        [case] = [c for c in cases.listed(book) if c.topic.startswith("rights_")]
    return case.state


def test_a_question_in_the_middle_is_answered_and_the_open_one_put_again(asked: World) -> None:
    answered = said(asked, HOW_LONG)
    assert "12 miesiecy" in answered
    assert answered.index("12 miesiecy") < answered.index(WHOM)
    assert "przekazano do Agrest Moda" in said(asked, "1")


def test_a_keyword_in_the_middle_does_not_lose_the_open_question(asked: World) -> None:
    answered = said(asked, "KTO")
    assert "wyslal nasz klient: Agrest Moda" in answered
    assert WHOM in answered
    said(asked, "1")
    assert state_of_case(asked) == "forwarded"


def test_stop_in_the_middle_stops_and_the_question_stays_answerable(asked: World) -> None:
    assert len(asked.says("STOP")) == 1
    assert not allowed(asked, "shop")
    assert "przekazano" in said(asked, "1")


def test_a_language_asked_for_in_the_middle_puts_the_question_in_it(asked: World) -> None:
    answered = said(asked, "in English please")
    assert "Pass your request on" in answered
    assert "passed" in said(asked, "1")


def test_another_language_in_the_middle_is_answered_in_it(asked: World) -> None:
    asked.model.known["how long do you keep my messages"] = ("faq/retention", 0.95)
    assert "1=" in said(asked, "how long do you keep my messages").split("months")[-1]


@pytest.mark.parametrize("text", ["nieważne", "forget it", "забудьте про це", "egal"])
def test_giving_up_is_confirmed_and_nothing_stays_open(asked: World, text: str) -> None:
    answered = said(asked, text)
    assert "1=" not in answered
    assert any(word in answered for word in ("zostawiam to", "leave it", "залишаю", "lasse es"))
    said(asked, "1")
    assert state_of_case(asked) == "open"


def test_giving_up_with_nothing_open_changes_nothing(world: World) -> None:
    assert "nic nie zmieniam" in said(world, "nieważne")


def test_back_puts_the_question_before_again(world: World) -> None:
    earlier, later = (
        world.sent("books", SHARED_NUMBER, ago=timedelta(days=2)),
        world.sent("shop", SHARED_NUMBER),
    )
    assert earlier != later
    world.says("KTO", **TELEGRAM)
    assert "1. Agrest Moda" in said(world, "NOWOSCI", **TELEGRAM)
    assert "agrest.example" in said(world, "1", **TELEGRAM)
    assert "1. Agrest Moda" in said(world, "wróć", **TELEGRAM)
    assert "stronica.example" in said(world, "2", **TELEGRAM)


@pytest.mark.parametrize("text", ["nie, ten drugi", "no, the other one", "ні, інший", "nein, die andere"])
def test_the_other_one_takes_the_other_of_two(world: World, text: str) -> None:
    world.says("KTO", **TELEGRAM)
    world.says("NOWOSCI", **TELEGRAM)
    assert "agrest.example" in said(world, "1", **TELEGRAM)
    assert "stronica.example" in said(world, text, **TELEGRAM)


def test_the_other_one_without_a_choice_before_asks_which(world: World) -> None:
    world.sent("shop", SHOP_NUMBER)
    world.says("KTO")
    assert "nazwa lub numer nadawcy" in said(world, "nie ten")


def test_back_with_nothing_before_says_so(world: World) -> None:
    assert "nie ma pytania" in said(world, "wróć")


def test_back_after_a_stop_says_how_a_stop_is_undone_and_undoes_nothing(world: World) -> None:
    world.sent("shop", SHOP_NUMBER)
    world.says("STOP")
    assert "START" in said(world, "cofnij")
    assert not allowed(world, "shop")


def test_what_is_not_understood_in_the_middle_puts_the_question_again(asked: World) -> None:
    first = said(asked, "no nie wiem co to znaczy dla mnie")
    assert "nie rozumiem" in first
    assert WHOM in first
    second = said(asked, "no dalej tego nie wiem sam")
    assert "CZLOWIEK" in second
    assert WHOM in second
    assert "przekazano" in said(asked, "1")


def test_thanks_in_the_middle_do_not_repeat_the_question(asked: World) -> None:
    asked.model.known["ok dzięki wam za to"] = ("thanks", 0.95)
    answered = said(asked, "ok dzięki wam za to")
    assert WHOM not in answered
    assert "przekazano" in said(asked, "1")


def test_a_digit_still_answers_what_was_offered_before_a_question(world: World) -> None:
    world.sent("shop", SHOP_NUMBER)
    world.model.known |= COUNTS_AS
    world.says("KTO")
    assert "1=" not in said(world, HOW_LONG)
    assert "Agrest Moda nie wysle" in said(world, "1")


def test_a_question_within_a_question_is_followed_by_the_one_it_interrupted(asked: World) -> None:
    asked.says("STOP", to=BOT_NUMBER)
    unsure = "hm, chyba mam tego już dosyć"
    asked.model.known[unsure] = ("opt_out", 0.8)
    question = said(asked, unsure)
    assert "TAK albo NIE" in question
    assert WHOM not in question
    assert WHOM in said(asked, "nie")


def test_an_option_that_stops_is_followed_by_the_question_it_interrupted(asked: World) -> None:
    unsure = "hm, chyba mam tego już dosyć"
    asked.model.known[unsure] = ("opt_out", 0.8)
    asked.says(unsure)
    answered = said(asked, "tak")
    assert "nie wysle Ci wiecej reklam" in answered
    assert WHOM in answered


def test_a_wrong_guess_gives_way_to_the_open_question(asked: World) -> None:
    asked.model.known["a to z tym numerem"] = ("faq/role", 0.5)
    guess = said(asked, "a to z tym numerem")
    assert "Czy chodzi o" in guess
    assert WHOM in said(asked, HOW_LONG)


def test_digits_typed_twice_answer_the_question_once(asked: World) -> None:
    unsure = "hm, chyba mam tego już dosyć"
    asked.model.known[unsure] = ("opt_out", 0.8)
    asked.says(unsure)
    asked.receive(asked.inbound("2"), asked.inbound("2"))
    asked.answers()
    assert state_of_case(asked) == "open"


def test_a_human_takes_the_open_question_along(asked: World) -> None:
    assert "1=" not in said(asked, "CZŁOWIEK")
    assert asked.says("1") == []


def test_a_guess_names_each_thing_once_and_a_human_last(world: World) -> None:
    text = "no i co teraz z tym wszystkim mam"
    world.model.known[text] = ("faq/role", 0.5)
    world.model.alternatives = (("faq/policy", 0.2), ("human", 0.1))
    guess = said(world, text)
    assert "1=pytanie o polityke prywatnosci 2=czlowiek" in guess
