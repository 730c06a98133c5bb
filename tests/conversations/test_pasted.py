"""What a person pastes or passes on is a message of a client's: it is looked up, and none of it is their wish."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.domain.messages import Medium
from tests.conversations.test_stop import allowed
from tests.world import ALA, BOT_NUMBER, CLINIC_NUMBER, SHOP_NUMBER, World

TELEGRAM = {"as_": "5550001", "to": "42", "medium": Medium.TELEGRAM}
ADVERT = "Nowa kolekcja juz w sklepach, tylko dzis -{n}% na plaszcze. Odpisz STOP aby nie otrzymywac SMS-ow"
ADVERT_EN = "The new collection is in, only today -{n}% on all coats. Text us to stop receiving our messages"


@pytest.mark.parametrize("advert", [ADVERT, ADVERT_EN])
@pytest.mark.parametrize("before", ["", "kto to: ", "who is this?\n"])
def test_an_instruction_to_stop_in_a_pasted_text_stops_nothing(
    world: World, advert: str, before: str
) -> None:
    world.sent("shop", SHOP_NUMBER, text=advert.format(n=20))
    world.says(f"{before}{advert.format(n=35)}")
    assert allowed(world, "shop")


@pytest.mark.parametrize("advert", [ADVERT, ADVERT_EN])
@pytest.mark.parametrize("form", ["STOP {}", "{} STOP", "STOP\n{}", "{}\n\nSTOP!"])
def test_a_stop_beside_a_pasted_text_stops(world: World, advert: str, form: str) -> None:
    world.sent("shop", SHOP_NUMBER, text=advert.format(n=20))
    world.says(form.format(advert.format(n=35)))
    assert not allowed(world, "shop")


def test_a_stop_in_a_forwarded_message_waits_for_nobody(world: World) -> None:
    answers = world.says("Nie chcesz SMS-ow? STOP", is_forwarded=True, **TELEGRAM)
    assert not any("24 godziny" in answer for answer in answers)
    assert any("24 godziny" in answer for answer in world.says("STOP", **TELEGRAM))


@pytest.mark.parametrize("before", ["", "hej co to ma byc ", "kto to? ", "hi, what is this? "])
@pytest.mark.parametrize("advert", [ADVERT, ADVERT_EN])
def test_whoever_shows_a_message_is_told_who_sent_it(world: World, advert: str, before: str) -> None:
    world.sent("books", "STRONICA", text=advert.format(n=20), ago=timedelta(days=3))
    world.sent("shop", SHOP_NUMBER)
    text = f"{before}{advert.format(n=45)}"
    world.model.known[text] = ("opt_out", 0.99)  # what it would make of it, were it shown
    answered = " ".join(world.says(text))
    assert "17.11.2026" in answered
    assert "Stronica" in answered
    assert not any("STOP" in seen or "stop receiving" in seen for seen in world.model.seen)


def test_a_message_shown_while_a_name_is_asked_for_is_no_name(world: World) -> None:
    world.sent("books", "STRONICA", text=ADVERT.format(n=20))
    world.says("KTO", to=BOT_NUMBER)
    assert "Stronica" in " ".join(world.says(ADVERT.format(n=45), to=BOT_NUMBER))


def test_a_wish_beside_a_pasted_message_is_the_persons(world: World) -> None:
    world.sent("shop", SHOP_NUMBER, text=ADVERT.format(n=20))
    pasted = ADVERT.format(n=45)
    world.model.known["usuncie wszystkie moje dane:"] = ("rights_erasure", 0.97)
    world.model.known[f"usuncie wszystkie moje dane: {pasted}"] = ("who_sent", 0.99)
    assert "Przekazac" in " ".join(world.says(f"usuncie wszystkie moje dane: {pasted}"))


def test_a_clinics_message_that_is_shown_names_nobody(world: World) -> None:
    text = "Przypominamy o wizycie jutro o godzinie 10:30, prosimy potwierdzic przybycie w rejestracji"
    world.sent("clinic", CLINIC_NUMBER, text=text)
    answered = " ".join(world.says(text, to=BOT_NUMBER))
    assert answered
    assert "Jasna" not in answered
    assert "jasna" not in answered


@pytest.mark.parametrize("has_contact", [False, True])
def test_a_chat_reads_the_same_whoever_got_the_message_it_shows(world: World, has_contact: bool) -> None:
    """Neither an anonymous chat nor one with a contact card learns whether a number got a message."""
    chats = {name: {"as_": f"55500{n}", "to": "42", "medium": Medium.TELEGRAM} for n, name in enumerate("ab")}
    if has_contact:
        for name, number in (("a", ALA), ("b", "+48500100999")):
            world.shares(number, **chats[name])
    for chat in chats.values():
        world.says("POMOC", **chat)
    world.sent("books", "STRONICA", text=ADVERT.format(n=20), to=ALA)
    world.sent("books", "STRONICA", text=ADVERT.format(n=20), to="+48500100777")
    answers = {name: world.says(ADVERT.format(n=45), **chat) for name, chat in chats.items()}
    assert answers["a"] == answers["b"]
    assert "Stronica" not in " ".join(answers["a"])
    assert allowed(world, "books")


def test_what_is_passed_on_in_a_chat_asks_who_sent_it(world: World) -> None:
    [answer] = world.says("Zaległość 1,99 zł, dopłać tu: https://x.example/1", is_forwarded=True, **TELEGRAM)
    assert "nadawcy" in answer
    assert world.model.seen == []
