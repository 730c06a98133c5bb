"""Hold the six digits somebody wrote against the code that was sent, and let what it proves take effect.

Asks neither the model nor a provider. What comes of it enters the turn as a fact, never as text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.domain.codes import PROVEN_LASTS, Proof, Purpose, code_in
from bot.domain.conversation import Wish
from bot.ledger import codes, conversations
from bot.ledger.book import Book
from bot.ledger.codes import Code
from bot.ledger.conversations import Conversation
from bot.services import verify_account, verify_number
from bot.services.contracts import House

SLOT = "digits"  #: of the question that awaits a code
ELSEWHERE = "elsewhere"  #: as a proof: it was typed into the SMS that bore it, not where it was asked for


@dataclass(frozen=True, slots=True)
class Taken:
    """What the turn takes up.

    Facts: `proof` (domain.codes.Proof, or ELSEWHERE), `left` (tries), and `stop`, how a STOP that waited ended.
    """

    wishes: tuple[Wish, ...]
    facts: dict[str, str]


def take_code(house: House, book: Book, conversation: Conversation, text: str, *, now: datetime) -> Taken | None:
    """None: the text gives no code, or none is awaited."""
    said = code_in(text)
    if said is None:
        return None
    code = codes.newest(book, conversation.id, Purpose.PROOF, Purpose.ACCOUNT)
    if code is None:
        return _forgotten(conversation, now) or _misplaced(book, conversation, now)
    if code.used_at is not None:
        return None
    tried = codes.take_try(book, code, said, now=now, counts_until=now + PROVEN_LASTS)
    facts = {"proof": tried.proof.value, "left": str(tried.left)}
    if code.purpose is Purpose.ACCOUNT:
        if tried.proof is Proof.OK and not verify_account.verify(book, conversation, code, now=now):
            facts["proof"] = Proof.LOCKED.value
        return Taken((_wish("account_proof", {"account": code.about.get("claim")}),), facts)
    slots = {"number": code.about["number"], "then": code.about.get("then")}
    if tried.proof is not Proof.OK:
        return Taken((_wish("number_proof", slots),), facts)
    facts["stop"] = verify_number.prove(house, book, conversation, code, now=now) or ""
    return Taken((_wish("number_proof", slots), *_then(code)), facts)


def _forgotten(conversation: Conversation, now: datetime) -> Taken | None:
    """The question for a code still stands, but the code is gone: its time was over long ago."""
    asked = conversations.live_asked(conversation, now)
    if asked is None or asked.slot != SLOT:
        return None
    return Taken((_wish(asked.topic, asked.slots),), {"proof": Proof.EXPIRED.value, "left": "0"})


def _misplaced(book: Book, conversation: Conversation, now: datetime) -> Taken | None:
    """People answer the SMS that bears a code; it counts only where it was asked for, or anybody could ask for it."""
    if not codes.came_here(book, conversation.id, now=now):
        return None
    return Taken((_wish("number_proof", {}),), {"proof": ELSEWHERE, "left": "0"})


def _then(code: Code) -> tuple[Wish, ...]:
    """The wish that needed the proof; it goes on in the same turn."""
    then = code.about.get("then")
    return () if not then else (Wish(then["intent"], "option", slots=then["slots"]),)


def _wish(intent: str, slots: Mapping[str, Any]) -> Wish:
    return Wish(intent, "keyword", slots=slots)
