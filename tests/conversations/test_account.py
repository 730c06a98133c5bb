"""A direct client is known by its account: a code to a contact of it verifies the request, or a human does."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from bot.domain.conversation import Level, Owner
from bot.domain.messages import Medium
from bot.ledger import cases, conversations
from bot.ledger.cases import Case
from tests.conftest import Clock
from tests.conversations.test_proof import choose, codes, said
from tests.world import ALA, BOT_NUMBER, World

TELEGRAM = {"as_": "5550001", "to": "42", "medium": Medium.TELEGRAM}
OTHER_CHAT = {"as_": "5550002", "to": "42", "medium": Medium.TELEGRAM}
CONTACT = "+48500100290"  #: of the client shop
AT_HOME = {"as_": CONTACT, "to": BOT_NUMBER}
ACCESS = "chce dostac kopie danych z mojego konta"
AGAIN = "i jeszcze raz prosze o kopie danych z mojego konta"


@pytest.fixture(autouse=True)
def _model(world: World) -> None:
    world.model.known |= dict.fromkeys((ACCESS, AGAIN), ("rights_access", 0.95))
    world.model.known["wypowiadam umowe o konto"] = ("rights_terminate_contract", 0.95)


def filed(world: World) -> list[Case]:
    with world.house.ledger.read() as book:
        return cases.listed(book)


def owner(world: World) -> Owner:
    [case] = filed(world)
    with world.house.ledger.read() as book:
        return conversations.get(book, case.conversation or 0).owner


def asks(world: World, **chat: object) -> str:
    """Claim a right as somebody with an account; the question for it."""
    answered = said(world, ACCESS, **chat)
    place = re.search(r"(\d)(?:=|\. )mam konto", answered)
    return said(world, place[1], **chat) if place else answered


def test_a_request_from_a_contacts_number_is_verified_by_a_code_to_it(world: World) -> None:
    asked = said(world, ACCESS, **AT_HOME)
    assert "termin 21.12.2026" in asked
    assert [c.is_verified for c in filed(world)] == [False]
    choose(world, asked, "kod na ten numer", **AT_HOME)
    [sms] = [m for m in world.phone.arrived if "dostep do konta" in m.text and codes(world, CONTACT)[0] in m.text]
    assert sms.address.person == CONTACT
    assert "konto potwierdzone" in said(world, codes(world, CONTACT)[0], **AT_HOME)
    [case] = filed(world)
    assert case.is_verified
    assert (case.audience, case.client) == ("direct_client", None)
    assert owner(world) is Owner.WAITING
    with world.house.ledger.read() as book:
        conversation = conversations.get(book, case.conversation or 0)
        assert any("account of shop" in note.body for note in cases.notes_of(book, case.id))
    assert conversation.level_at(world.now) is Level.ACCOUNT


@pytest.mark.parametrize("claim", [CONTACT, "500 100 290", "moj telefon na koncie to 500100290"])
def test_a_chat_names_the_account_and_gets_the_code_on_its_registered_contact(world: World, claim: str) -> None:
    assert "login, e-mail albo telefon" in asks(world, **TELEGRAM)
    assert "Jeśli jest takie konto" in said(world, claim, **TELEGRAM)
    assert "konto potwierdzone" in said(world, codes(world, CONTACT)[0], **TELEGRAM)
    [case] = filed(world)
    assert case.is_verified
    with world.house.ledger.read() as book:
        conversation = conversations.get(book, case.conversation or 0)
    assert conversation.level_at(world.now) is Level.ANONYMOUS  # it says nothing of whose number the chat is
    assert conversation.person is None


def test_the_words_are_the_same_whether_there_is_such_an_account(world: World) -> None:
    heard = []
    for chat, claim in ((TELEGRAM, CONTACT), (OTHER_CHAT, "nikt@nigdzie.example")):
        asks(world, **chat)
        texts = [said(world, claim, **chat)]
        texts += [said(world, "000000", **chat) for _ in range(6)]
        heard.append(texts)
    assert heard[0] == heard[1]
    assert len(codes(world, CONTACT)) == 1
    assert [c.is_verified for c in filed(world)] == [False, False]


def test_without_a_code_a_human_checks_the_account(world: World) -> None:
    answered = choose(world, asks(world, **TELEGRAM), "niech sprawdzi człowiek", **TELEGRAM)
    assert "konto sprawdzi człowiek" in answered
    assert owner(world) is Owner.WAITING
    assert [c.is_verified for c in filed(world)] == [False]


def test_ending_a_contract_is_verified_in_the_same_way(world: World) -> None:
    asked = said(world, "wypowiadam umowe o konto", **AT_HOME)
    choose(world, asked, "kod na ten numer", **AT_HOME)
    said(world, codes(world, CONTACT)[0], **AT_HOME)
    assert [(c.topic, c.is_verified) for c in filed(world)] == [("rights_terminate_contract", True)]


def test_a_request_that_is_joined_to_a_verified_one_takes_nothing_from_it(world: World) -> None:
    choose(world, said(world, ACCESS, **AT_HOME), "kod na ten numer", **AT_HOME)
    said(world, codes(world, CONTACT)[0], **AT_HOME)
    said(world, "BOT", **AT_HOME)
    assert "konto potwierdzone" in said(world, AGAIN, **AT_HOME)  # the same hour: nothing is asked twice
    assert [c.is_verified for c in filed(world)] == [True]


def test_a_proof_of_the_account_is_asked_for_again_after_an_hour(world: World, clock: Clock) -> None:
    choose(world, said(world, ACCESS, **AT_HOME), "kod na ten numer", **AT_HOME)
    said(world, codes(world, CONTACT)[0], **AT_HOME)
    said(world, "BOT", **AT_HOME)
    clock.move(timedelta(minutes=61))
    assert "kod na ten numer" in said(world, AGAIN, **AT_HOME)
    assert [c.is_verified for c in filed(world)] == [True]


def test_a_code_for_an_account_proves_no_number(world: World) -> None:
    world.sent("clinic", "JASNA", to=ALA)
    world.shares(ALA, **TELEGRAM)
    asks(world, **TELEGRAM)
    said(world, CONTACT, **TELEGRAM)
    said(world, codes(world, CONTACT)[0], **TELEGRAM)
    said(world, "BOT", **TELEGRAM)
    said(world, "KTO", **TELEGRAM)
    assert "Jasna" not in said(world, "JASNA", **TELEGRAM)


def test_three_codes_a_day_go_to_an_account_whoever_asks(world: World) -> None:
    for n in range(4):
        chat = {**TELEGRAM, "as_": f"555000{n}"}
        asks(world, **chat)
        said(world, CONTACT, **chat)
    assert len(codes(world, CONTACT)) == 3
