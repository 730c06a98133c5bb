"""File a rights request with whoever must answer it. Decides neither the request nor its admissibility.

A processor passes a request on and does not decide it (EDPB 07/2020, 127-129); forwarded is only what the
client needs: number, request, time and reference.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bot.domain.errors import AlreadySettled
from bot.ledger import audit, cases, clients, notices, people
from bot.ledger.audit import Deed
from bot.ledger.book import Book, Ledger
from bot.ledger.cases import Case
from bot.ledger.conversations import Conversation
from bot.ledger.notices import Draft, EventType, Way
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
    way = tell_client(house, book, case, EventType.RIGHTS, now=now)
    if way is not None:
        cases.forward(book, case.id, now=now)
    return Forwarded(case, way)


def passed_on(ledger: Ledger, case: int, *, staff: int, now: datetime) -> None:
    """Support has passed on by hand what no webhook and no mail could. Raises NotKnown, AlreadySettled."""
    with ledger.write() as book:
        found = cases.get(book, case)
        if found.state != "open" or found.client is None or not found.is_right:
            raise AlreadySettled("there is nothing to pass on: the client has it, or it is not the client's")
        cases.forward(book, case, now=now)
        cases.note(book, case, author="staff", staff=staff, body="passed on by hand", at=now)
        audit.act(book, Deed.PASSED_ON, at=now, staff=staff, conversation=found.conversation, case=case)


def tell_client(house: House, book: Book, case: Case, event_type: EventType, *, now: datetime) -> Way | None:
    """Put on its way to the client what it needs of a request and no more. None: it, or the person, has no way.

    What the person wrote stays here: it may say more than the client is to know.
    """
    if case.client is None or case.person is None:
        return None
    card = clients.card(book, case.client)
    way = way_to(book, card, event_type, house.ways_to_clients)
    if way is None:
        return None
    people.lock(book, case.person)
    body = {
        "type": event_type.value,
        "timestamp": now.isoformat(),
        "data": {
            "reference": case.ref,
            "client_id": card.client_id,
            "number": people.number_of(book, case.person),
            "request": case.topic,
            "received_at": case.received_at.isoformat(),
        },
    }
    notices.put(book, Draft(event_type, case.client, case.person, way, body, case=case.id), now=now)
    return way
