"""Whoever meets the bot is told what it is, what for and where its privacy notice is: at first, and again in time."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from bot.domain.messages import Kind, Medium
from bot.domain.segments import count
from bot.ledger.tables import conversations
from bot.services.escalate import claim, hand_back
from bot.services.sign_in import create
from tests.conftest import Clock
from tests.conversations.test_stop import allowed
from tests.world import ALA, SHOP_NUMBER, TEXTS, World

TELEGRAM = {"as_": "5550001", "to": "42", "medium": Medium.TELEGRAM}


def said(world: World, text: str, **more: object) -> str:
    return " ".join(world.says(text, **more))


def notice(medium: Medium = Medium.SMS, language: str = "pl") -> str:
    return TEXTS.say("notice.short", language, medium, prefix=False)


def test_the_first_answer_says_what_answers_what_for_and_where_to_read_more(world: World) -> None:
    answered = said(world, "POMOC")
    assert notice() in answered
    assert "automat" in notice()
    assert "zalatwic" in notice()
    assert TEXTS.provider.slots["privacy_url"] in notice()
    assert notice() not in said(world, "POMOC")


def test_the_ways_to_answer_stand_last(world: World) -> None:
    world.sent("shop", SHOP_NUMBER)
    answered = said(world, "KTO")
    assert answered.index(notice()) < answered.index("1=STOP")


def test_after_thirty_days_it_is_said_again(world: World, clock: Clock) -> None:
    world.says("POMOC")
    clock.move(timedelta(days=29))
    assert notice() not in said(world, "POMOC")
    clock.move(timedelta(days=2))
    assert notice() in said(world, "POMOC")


@pytest.mark.parametrize("way", ["the person writes BOT", "an agent hands back"])
def test_after_a_human_it_is_said_again_and_nothing_from_before_is_open(world: World, way: str) -> None:
    world.sent("shop", SHOP_NUMBER)
    world.says("KTO")
    world.says("CZŁOWIEK")
    if way == "an agent hands back":
        staff = create(world.house.ledger, "ola", "agent", "a long enough password", now=world.now)
        with world.house.ledger.read() as book:
            number = int(book.scalar(select(conversations.c.id)))
        claim(world.house, number, staff=staff, now=world.now)
        hand_back(world.house, number, staff=staff, now=world.now)
        answered = said(world, "1")
        assert allowed(world, "shop")
    else:
        answered = said(world, "BOT")
    assert notice() in answered


def test_a_receipt_that_is_a_chats_first_answer_carries_it_once(world: World) -> None:
    world.sent("shop", "AGREST")
    [asks] = world.says("STOP", **TELEGRAM)
    assert notice(Medium.TELEGRAM) in asks
    [receipt] = world.shares(ALA, **TELEGRAM)
    assert receipt.startswith("Gotowe.")
    assert notice(Medium.TELEGRAM) not in receipt
    assert notice(Medium.TELEGRAM) not in said(world, "POMOC", **TELEGRAM)


def test_a_number_that_is_known_is_not_asked_for_again(world: World) -> None:
    world.sent("shop", "AGREST")
    world.says("STOP", **TELEGRAM)
    world.shares(ALA, **TELEGRAM)
    assert "numer" not in said(world, "dziękuję", **TELEGRAM)
    world.model.known["a jak długo to trzymacie"] = ("faq/retention", 0.95)
    assert "Podaj numer" not in said(world, "a jak długo to trzymacie", **TELEGRAM)


def test_a_receipt_by_sms_stays_one_segment_and_the_first_answer_brings_the_notice(world: World) -> None:
    [receipt] = world.says("STOP")
    assert receipt.startswith("SMSAPI bot: ")
    assert count(receipt).parts == 1
    assert notice() in said(world, "KTO")


def test_a_chat_that_is_opened_says_what_it_is_and_asks_what_it_needs(world: World) -> None:
    [opened] = world.says("", kind=Kind.START, **TELEGRAM)
    assert "automat, nie człowiek" in opened
    assert notice(Medium.TELEGRAM) in opened
    assert world.phone.arrived[-1].asks_contact


def test_a_chat_opened_again_begins_anew(world: World) -> None:
    world.says("KTO", **TELEGRAM)
    world.says("NOWOSCI", **TELEGRAM)
    world.says("", kind=Kind.START, **TELEGRAM)
    assert "Stronica" in said(world, "STRONICA", **TELEGRAM)


@pytest.mark.parametrize("language", ["pl", "en", "uk", "de"])
def test_the_notice_is_short_enough_to_stand_beside_an_answer(language: str) -> None:
    assert count(f"SMSAPI bot: {notice(language=language)}").parts <= (2 if language == "uk" else 1)


@pytest.mark.parametrize("text", ["human", "unsubscribe"])
def test_the_first_word_of_a_language_is_answered_in_it(world: World, text: str) -> None:
    world.model.is_away = True
    answered = said(world, text)
    assert "a person will take" in answered or "will send you no more" in answered


def test_a_stop_among_other_words_is_confirmed_in_their_language(world: World) -> None:
    assert "will send you no more" in said(world, "STOP. And leave me alone with your offers, please")


def test_the_button_that_shares_the_number_says_so_in_the_language_of_the_chat(world: World) -> None:
    for text, label in (("KTO", "udostępnij mój numer"), ("in English please", "share my number")):
        world.says(text, **TELEGRAM)
        sent = world.phone.arrived[-1]
        assert sent.asks_contact
        assert [button for _, button in sent.buttons] == [label]
