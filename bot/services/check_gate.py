"""Answer whether a client may send. Changes nothing and counts nothing.

From the commit of a STOP on every answer denies what it covers: it is read from the ledger each time, and
kept nowhere else. What cannot be told is denied.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from bot.domain import consent
from bot.domain.consent import MessageClass
from bot.domain.numbers import to_e164
from bot.ledger import clients, gate
from bot.ledger.book import Book

MOST = 10_000  #: queries of one batch

Reason = Literal["stopped", "unknown_client", "not_a_number"]


@dataclass(frozen=True, slots=True)
class Query:
    """May `client_id` send a message of this class to `number`?"""

    number: str = field(repr=False)
    client_id: str
    message_class: MessageClass = MessageClass.UNCLASSIFIED


@dataclass(frozen=True, slots=True)
class GateAnswer:
    """`reason` when denied: for a client only "stopped" and what is wrong with its own query."""

    allowed: bool
    reason: Reason | None = None
    since: datetime | None = None


def check(book: Book, queries: Sequence[Query], *, only_client: int | None = None) -> list[GateAnswer]:
    """Answer a batch in its order, by one query for all of it, in the transaction it is given.

    only_client: the row id of the one client that may be asked about; any other reads like one that is not
    known, so that nobody learns whose clients there are.
    """
    numbers = [to_e164(query.number) for query in queries]
    # Before the clients: on SQLite the first look fixes the moment that all of them see.
    standing = gate.standing_of(book, {number for number in numbers if number is not None})
    # PostgreSQL keeps no text with a NUL in it, and no key can be made of half a character.
    ids = clients.ids(book, {query.client_id for query in queries if query.client_id.isprintable()})
    answers = []
    for query, number in zip(queries, numbers, strict=True):
        client = ids.get(query.client_id)
        if client is None or only_client not in (None, client):
            answers.append(GateAnswer(False, "unknown_client"))
            continue
        if number is None:
            answers.append(GateAnswer(False, "not_a_number"))
            continue
        answer = consent.gate(standing.get(number, ()), client, query.message_class)
        reason: Reason | None = None if answer.is_allowed else "stopped"
        answers.append(GateAnswer(answer.is_allowed, reason, answer.since))
    return answers
