"""Whoever asks sees what the bot itself keeps, as far as they are known, and has it erased on yes, the STOP aside."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from bot.domain.conversation import Level
from bot.domain.messages import Medium
from bot.ledger import cases, people, transcripts
from bot.ledger.conversations import find, know
from bot.ledger.tables import conversations, evidence, inbox, outbox, sent
from tests.conftest import Clock
from tests.conversations.test_stop import allowed
from tests.world import ALA, SHOP_NUMBER, World

TELEGRAM = {"as_": "5550001", "to": "42", "medium": Medium.TELEGRAM}
CANARY = "kanarek siedzi na plocie"


def said(world: World, text: str, **more: object) -> str:
    return " ".join(world.says(text, **more))


def words(world: World) -> str:
    """All that is kept of what was said, in both directions, as the desk would show it."""
    with world.house.ledger.read() as book:
        numbers = [row["id"] for row in book.rows(select(conversations.c.id))]
        return " ".join(line.text for number in numbers for line in transcripts.of(book, number))


def prove(world: World, number: str = ALA) -> None:
    """A code came back: whoever writes has the number."""
    with world.house.ledger.write() as book:
        person = people.ensure(book, number)
        for row in book.rows(select(conversations.c.id)):
            know(book, row["id"], person=person, level=Level.PROVEN, until=world.now + timedelta(hours=1))


def test_a_chat_sees_how_much_it_said_since_when_and_nothing_of_it(world: World, clock: Clock) -> None:
    said(world, CANARY, **TELEGRAM)
    clock.move(timedelta(days=3))
    shown = said(world, "/mydata", **TELEGRAM)
    assert "2, od 20.11.2026" in shown
    assert CANARY not in shown


def test_on_yes_what_was_said_is_gone_and_the_bot_says_what_stays(world: World) -> None:
    said(world, CANARY, **TELEGRAM)
    said(world, "/mydata", **TELEGRAM)
    answered = said(world, "1", **TELEGRAM)
    assert "Usunięte" in answered
    assert "STOP" in answered
    left = words(world)
    assert CANARY not in left
    assert left.strip() == answered
    assert "1, od" in said(world, "/mydata", **TELEGRAM)


def test_on_no_everything_stays(world: World) -> None:
    said(world, CANARY, **TELEGRAM)
    said(world, "/mydata", **TELEGRAM)
    assert "nic nie zmieniam" in said(world, "2", **TELEGRAM)
    assert CANARY in words(world)


def test_what_was_erased_is_not_taken_in_again(world: World) -> None:
    said(world, CANARY, provider_id="swept", **TELEGRAM)
    said(world, "/mydata", **TELEGRAM)
    said(world, "1", **TELEGRAM)
    assert world.says(CANARY, provider_id="swept", **TELEGRAM) == []
    assert CANARY not in words(world)


def test_answers_erased_still_count_against_too_many(world: World) -> None:
    for _ in range(7):
        said(world, CANARY, **TELEGRAM)
    said(world, "/mydata", **TELEGRAM)
    said(world, "1", **TELEGRAM)
    assert world.says(CANARY, **TELEGRAM) == []


def test_a_stop_outlives_the_erasure_without_its_words(world: World) -> None:
    world.sent("shop", "AGREST")
    world.shares(ALA, **TELEGRAM)
    world.says("STOP", **TELEGRAM)
    assert "STOP: 1, od 20.11.2026" in said(world, "/mydata", **TELEGRAM)
    said(world, "1", **TELEGRAM)
    assert not allowed(world, "shop")
    with world.house.ledger.read() as book:
        [row] = book.rows(select(evidence.c.text_key_enc, evidence.c.subject_enc))
    assert row["text_key_enc"] is None
    assert row["subject_enc"] is not None


def test_an_open_case_stays_with_what_was_asked(world: World) -> None:
    world.model.known["chce kopie danych o mnie od was"] = ("rights_access", 0.95)
    world.sent("shop", SHOP_NUMBER)
    said(world, "chce kopie danych o mnie od was")
    prove(world)
    assert "Sprawy w toku: 1" in said(world, "/mydata")
    said(world, "tak")
    with world.house.ledger.read() as book:
        [case] = cases.listed(book)
        assert [note.body for note in cases.notes_of(book, case.id)] == ["chce kopie danych o mnie od was"]
        assert case.conversation is not None


def test_nothing_about_a_number_is_shown_or_erased_before_it_is_proven(world: World) -> None:
    world.sent("shop", SHOP_NUMBER)
    shown = said(world, "/mydata")
    assert "Kto i kiedy" not in shown
    assert "1=usun 2=zostaw 3=kod na moj numer" in shown
    assert "kod" in said(world, "1")
    assert world.house.ledger is not None
    with world.house.ledger.read() as book:
        assert book.rows(select(sent.c.id))


def test_a_proven_number_sees_and_erases_who_wrote_to_it_in_all_its_conversations(world: World) -> None:
    world.sent("shop", SHOP_NUMBER)
    said(world, CANARY)
    said(world, CANARY, **TELEGRAM)
    prove(world)
    shown = said(world, "/mydata")
    assert "bez tresci: 1" in shown
    assert "Inne rozmowy ze mna: 1" in shown
    assert "usunieto" in said(world, "tak")
    assert CANARY not in words(world)
    with world.house.ledger.read() as book:
        assert not book.rows(select(sent.c.id))


def test_another_persons_words_are_left_alone(world: World) -> None:
    said(world, CANARY, as_="+48500100999")
    said(world, "/mydata", **TELEGRAM)
    said(world, "1", **TELEGRAM)
    assert CANARY in words(world)


@pytest.mark.parametrize("text", ["usuń tę rozmowę", "delete this chat", "видаліть цю розмову", "lösche diesen chat"])
def test_it_can_be_wished_for_in_words(world: World, text: str) -> None:
    assert "/mydata" not in said(world, text, **TELEGRAM)
    said(world, "1", **TELEGRAM)
    with world.house.ledger.read() as book:
        bodies = book.rows(select(inbox.c.body_enc))
    assert all(row["body_enc"] is None for row in bodies)


def test_a_conversation_goes_on_after_it(world: World) -> None:
    world.sent("shop", SHOP_NUMBER)
    said(world, "KTO")
    prove(world)
    said(world, "/mydata")
    said(world, "tak")
    assert "Agrest Moda" not in said(world, "KTO")
    assert len(world.says("STOP")) == 1
    assert not allowed(world, "shop")
    with world.house.ledger.read() as book:
        assert find(book, world.inbound("x").address) is not None  # type: ignore[arg-type]
        assert book.rows(select(outbox.c.id))
