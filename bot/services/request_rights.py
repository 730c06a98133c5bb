"""File a rights request with whoever must answer it. Decides neither the request nor its admissibility.

A processor passes a request on and does not decide it (EDPB 07/2020, 127-129); forwarded is only what the
client needs: number, request, time and reference.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime

from bot.domain.clients import Client
from bot.ledger import cases, clients, forwards, people
from bot.ledger.book import Book
from bot.ledger.cases import Case
from bot.ledger.conversations import Conversation
from bot.services.contracts import House
from bot.services.escalate import open_case


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
    way = _way_to(house, book, card)
    if way is None or conversation.person is None:
        return Forwarded(case, None)
    forwards.put(
        book,
        case=case.id,
        client=client,
        way=way,
        event=f"msg_{secrets.token_hex(12)}",
        body={
            "type": "rights_request.forwarded",
            "timestamp": now.isoformat(),
            "data": {
                "reference": case.ref,
                "client_id": card.client_id,
                "number": people.number_of(book, conversation.person),
                "request": topic,
                "received_at": received_at.isoformat(),
            },
        },
        now=now,
    )
    cases.set_state(book, case.id, "forwarded", now=now)
    return Forwarded(case, way)


def _way_to(house: House, book: Book, card: Client) -> str | None:
    """A webhook needs a secret too: unsigned, nobody could tell it from a forged one."""
    ways = house.ways_to_clients or {}
    if ways.get("webhook") and card.webhook_url and clients.webhook_secret(book, card.id) is not None:
        return "webhook"
    return "mail" if ways.get("mail") and card.privacy_email else None
