"""Whatever is understood, in whatever state of a conversation: an answer comes, it fits, and nothing breaks."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from bot.domain.messages import Medium
from bot.domain.segments import count
from bot.ledger.conversations import get
from bot.ledger.tables import conversations, inbox
from bot.understanding import INTENTS
from tests.world import BOT_NUMBER, CLINIC_NUMBER, SHOP_NUMBER, World

pytestmark = pytest.mark.parametrize("ledger", ["sqlite"], indirect=True)

TEXT = "prosze o te wiadomosci, tekst do odczytania przez model"
PERSON = "+48500100200"
DIRECT_CLIENT = "+48500100290"
TELEGRAM = {"as_": "5550001", "to": "42", "medium": Medium.TELEGRAM}

STATES = {
    # where it is written, and what was said before
    "a first SMS to a shop": ({"to": SHOP_NUMBER}, ()),
    "a first SMS to the bot's own number": ({"to": BOT_NUMBER}, ()),
    "an SMS to a clinic": ({"to": CLINIC_NUMBER}, ()),
    "a direct client": ({"as_": DIRECT_CLIENT, "to": BOT_NUMBER}, ()),
    "after an answer with a question": ({"to": SHOP_NUMBER}, ("KTO",)),
    "while a sender's name is asked for": (TELEGRAM, ("KTO",)),
    "after a STOP": ({"to": SHOP_NUMBER}, ("STOP",)),
    "while a START code is awaited": ({"to": SHOP_NUMBER}, ("STOP", "START")),
    "a first Telegram message": (TELEGRAM, ()),
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("intent", sorted(INTENTS))
def test_every_wish_is_answered_in_every_state(world: World, state: str, intent: str) -> None:
    place, before = STATES[state]
    world.sent("shop", SHOP_NUMBER)
    world.sent("clinic", CLINIC_NUMBER)
    world.model.known[TEXT] = (intent, 0.99)
    for said in before:
        world.says(said, **place)
    answers = world.says(TEXT, **place)
    is_repeated_stop = intent == "opt_out" and "STOP" in before
    assert answers or is_repeated_stop
    for answer in answers:
        assert "{" not in answer
        if place.get("medium") is not Medium.TELEGRAM:
            assert count(answer).parts <= 2, answer
            assert answer.startswith("SMSAPI bot: ")
    assert _unsettled(world) == 0


@pytest.mark.parametrize(
    "text", ["", " ", "🙂", "/confirm_erasure{}", "\u202e\u200b", "a" * 1600, "1", "99", "+48500100999"]
)
@pytest.mark.parametrize("state", STATES)
def test_odd_messages_break_nothing(world: World, state: str, text: str) -> None:
    place, before = STATES[state]
    for said in before:
        world.says(said, **place)
    world.says(text, **place)
    assert _unsettled(world) == 0


A_RIGHT, A_STOP = "prosze o wglad do wszystkiego", "chyba mam tego juz powyzej uszu"
QUESTIONS = {
    # the question that is open: where, and what was said for it
    "who_sent.ask_name_or_contact": (TELEGRAM, ("KTO",)),
    "who_sent.name_shared": (TELEGRAM, ("KTO", "NOWOSCI")),
    "opt_out.unsure": ({"to": SHOP_NUMBER}, (A_STOP,)),
    "opt_out.near": ({"to": BOT_NUMBER}, ("STOP STRONCIA",)),
    "rights.which": ({"to": SHOP_NUMBER}, ("KTO", "2")),
    "rights.whom": ({"to": SHOP_NUMBER}, (A_RIGHT,)),
    "rights.who_are_you": ({"to": BOT_NUMBER, "as_": "+48500100777"}, (A_RIGHT,)),
}
SPOKEN = {A_RIGHT: ("rights_access", 0.99), A_STOP: ("opt_out", 0.8)}
TALK = {
    "back": "wróć",
    "other_one": "nie ten",
    "give_up": "nieważne",
    "menu": "menu",
    "language": "po polsku",
}
"""Wishes that need no model, each with its words."""

TOO = {"rights_objection", "rights_withdraw_consent", "rights_erasure"}
"""Rights that stop messages as well: a chat without a number is asked for it, and for who it is to us."""


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("intent", sorted(INTENTS | TALK.keys()))
def test_an_open_question_outlives_every_other_wish(world: World, question: str, intent: str) -> None:
    place, before = QUESTIONS[question]
    world.sent("shop", SHOP_NUMBER)
    world.sent("books", "STRONICA")
    world.model.known |= {**SPOKEN, TEXT: (intent, 0.99)}
    for said in before:
        world.says(said, **place)
    assert _open_question(world) == question
    answers = world.says(TALK.get(intent, TEXT), **place)
    assert answers or intent in ("opt_out", "back_to_bot")
    owner, now_open, then = _open(world)
    is_over = intent in ("deny", "give_up") or (intent == "opt_out" and question.startswith("opt_out."))
    if owner != "bot" or is_over:
        assert now_open is None
    elif intent.startswith("rights_") and question.startswith("rights."):
        assert str(now_open).startswith(("rights.", "account."))
        assert then != "rights.which"
    elif intent in TOO and place is TELEGRAM:
        assert (now_open, then) == ("rights.who_are_you", "proof.number")
    elif intent in ("back", "other_one") and len(before) > 1:
        assert now_open is not None
    else:
        assert question in (now_open, then)
    assert _unsettled(world) == 0


def _open_question(world: World) -> str | None:
    return _open(world)[1]


def _open(world: World) -> tuple[str, str | None, str | None]:
    """Who has the conversation, the question that is open there, and the one that waits behind it."""
    with world.house.ledger.read() as book:
        found = get(book, int(book.scalar(select(func.max(conversations.c.id)))))
        asked = found.asked
        then = None if asked is None else asked.then
        return found.owner, asked.question if asked else None, then.question if then else None


def _unsettled(world: World) -> int:
    with world.house.ledger.read() as book:
        query = select(func.count()).where((inbox.c.state == "new") | (inbox.c.tries > 1))
        return int(book.scalar(query))
