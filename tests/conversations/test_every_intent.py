"""Whatever is understood, in whatever state of a conversation: an answer comes, it fits, and nothing breaks."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from bot.domain.messages import Medium
from bot.domain.segments import count
from bot.ledger.tables import inbox
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


def _unsettled(world: World) -> int:
    with world.house.ledger.read() as book:
        query = select(func.count()).where((inbox.c.state == "new") | (inbox.c.tries > 1))
        return int(book.scalar(query))
