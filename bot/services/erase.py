"""Erase what the ledger keeps of a number or a conversation (GDPR 17). Asks nobody: the wish or command was given.

What stays is what keeps an opt-out standing: without it the messages would start again that the person
stopped (GDPR 17(3)(b) and 21(3)). A client's own contacts are the operator's record and change by its import.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

from bot.domain.conversation import Level
from bot.domain.errors import BadInput
from bot.domain.numbers import to_e164
from bot.ledger import audit, erasure, people
from bot.ledger.audit import Deed
from bot.ledger.book import Book, Ledger
from bot.ledger.conversations import Conversation
from bot.ledger.erasure import ErasureReport

__all__ = ["ErasureReport", "erase", "erase_own"]


def erase(ledger: Ledger, number: str, now: datetime) -> ErasureReport:
    """Erase everything of a number but its standing opt-outs; all of it or nothing.

    number: as typed; without a country code a Polish one.
    now: when it is ordered.
    A number never seen gives an empty report. Erasing twice is harmless.
    Raises BadInput for what is no number.
    """
    e164 = to_e164(number, region="PL")
    if e164 is None:
        raise BadInput("number", "is no phone number")
    with ledger.write() as book:
        person = people.find(book, e164)
        if person is None:
            return ErasureReport()
        report = erasure.erase(book, person)
        audit.act(book, Deed.ERASED, at=now, **asdict(report))
    erasure.overwrite(ledger)
    return report


def erase_own(book: Book, conversation: Conversation, *, message: int, now: datetime) -> ErasureReport:
    """Erase what the bot keeps of a conversation, at the wish of the person in it, in the turn's own transaction.

    Of a number that is proven, everything goes as by `erase`; else only what was said here: whoever writes under a
    number has not shown that it is theirs. Open cases and the conversation's address stay, so that the answers
    that are owed still find their way.
    message: the one that wishes it.
    """
    is_proven = conversation.level_at(now) >= Level.PROVEN
    report = erasure.blank(
        book, conversation.id, conversation.person, is_proven=is_proven, message=message
    )
    audit.act(book, Deed.ERASED, at=now, conversation=conversation.id, **asdict(report))
    return report
