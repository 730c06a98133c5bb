"""File a rights request with whoever must answer it. Decides neither the request nor its admissibility.

A processor passes a request on and does not decide it (EDPB 07/2020, 127-129); forwarded is only what the
client needs: number, request, time and reference.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bot.ledger import cases, clients, notices, people
from bot.ledger.book import Book
from bot.ledger.cases import Case
from bot.ledger.conversations import Conversation
from bot.ledger.notices import Draft, EventType
from bot.services.contracts import House
from bot.services.escalate import open_case
from bot.services.reach_client import way_to


@dataclass(frozen=True, slots=True)
class Forwarded:
    """How passing on began. `case` holds it either way; `way` is None if the client has no way to be told."""

    case: Case
    way: str | None


def forward(
    house: House,
    book: Book,
    conversation: Conversation,
    *,
    client: int,
    topic: str,
    text: str,
    language: str,
    received_at: datetime,
    now: datetime,
) -> Forwarded:
    """File an end user's request and put it on its way to the client, once.

    A client that can be reached neither by webhook nor by mail leaves the case open for support, which
    passes it on within one working day.
    """
    case, is_new = open_case(
        book,
        conversation,
        topic=topic,
        audience="recipient",
        text=text,
        language=language,
        received_at=received_at,
        client=client,
    )
    if not is_new and case.state == "forwarded":
        return Forwarded(case, "again")
    card = clients.card(book, client)
    person = conversation.person
    way = way_to(book, card, EventType.RIGHTS, house.ways_to_clients)
    if way is None or person is None:
        return Forwarded(case, None)
    people.lock(book, person)
    body = {
        "type": EventType.RIGHTS.value,
        "timestamp": now.isoformat(),
        "data": {
            "reference": case.ref,
            "client_id": card.client_id,
            "number": people.number_of(book, person),
            "request": topic,
            "received_at": received_at.isoformat(),
        },
    }
    notices.put(book, Draft(EventType.RIGHTS, client, person, way, body, case=case.id), now=now)
    cases.set_state(book, case.id, "forwarded", now=now)
    return Forwarded(case, way)
