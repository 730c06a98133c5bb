"""Prove that a number is the person's: a code is texted to it and typed back where it was asked for.

Nothing is looked up by a number before its code comes back, and nothing decided about it (`send_codes` does that
later): for a number the ledger knows, one it does not, one that gets no codes and one that had its three today, the
same is done, said and counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from bot.domain.codes import A_DAY_MOST_ASKED, PROVEN_LASTS, Purpose
from bot.domain.conversation import Asked, Level, Wish
from bot.domain.numbers import number_in
from bot.ledger import audit, codes, conversations, people, tries
from bot.ledger.audit import Deed
from bot.ledger.book import Book
from bot.ledger.codes import Code
from bot.ledger.conversations import Conversation
from bot.services.contracts import House
from bot.services.escalate import now_proven
from bot.services.opt_out import carry_out_waiting

SLOT = "number"  #: of the question that asks for one
_ASKED = "codes_asked"
_LONGEST = 60  #: characters: a number and a few words, and no sentence that wants something else as well


def typed(asked: Asked, text: str) -> Wish | None:
    """The number that was asked for, in few words or none: the model is not shown it. None: this is none."""
    if asked.slot != SLOT or number_in(text) is None or len(text) > _LONGEST:
        return None
    return Wish(asked.topic, "slot", slots={**asked.slots, SLOT: text.strip()})


def ask_code(
    book: Book,
    conversation: Conversation,
    *,
    number: str | None,
    then: Mapping[str, Any] | None,
    language: str,
    now: datetime,
) -> str:
    """Have a code texted to the number of the conversation; where it has none, to `number` (E.164).

    number: what the person typed; None: the one they are known by. then: the wish to go on with once it is proven.
    Returns `sent`, whatever becomes of it, or `limited`: this conversation has asked too often today.
    """
    if not may_ask(book, conversation, now=now):
        return "limited"
    to = conversation.address.number or number
    if to is None:
        assert conversation.person is not None  # else a number was asked for
        to = people.number_of(book, conversation.person)
    codes.make(
        book,
        conversation.id,
        Purpose.PROOF,
        person=conversation.person,
        about={"number": to, "then": then, "language": language},
        takes_place_of=(Purpose.ACCOUNT,),
        is_to_be_sent=True,
        now=now,
    )
    return "sent"


def may_ask(book: Book, conversation: Conversation, *, now: datetime) -> bool:
    """Count one more code that a conversation asks for; False: it had its day's."""
    return tries.within(
        book, _ASKED, str(conversation.id), most=A_DAY_MOST_ASKED, period=timedelta(days=1), now=now
    )


def prove(house: House, book: Book, conversation: Conversation, code: Code, *, now: datetime) -> str | None:
    """The code came back: the number is the person's for an hour, and the STOPs that waited for it are carried out.

    Returns how those ended, None if none waited.
    """
    person = people.ensure(book, str(code.about["number"]))
    conversations.know(book, conversation.id, person=person, level=Level.PROVEN, until=now + PROVEN_LASTS)
    audit.act(book, Deed.NUMBER_PROVEN, at=now, conversation=conversation.id, code=code.id)
    known = conversations.get(book, conversation.id)
    now_proven(book, known, now=now)
    return carry_out_waiting(house, book, known, now=now)
