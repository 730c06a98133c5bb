"""Read what the demo's phone shows besides its chat. For the simulator only: a list needs a proof."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import func, select

from bot.ledger import conversations
from bot.ledger.book import Book
from bot.ledger.queues import BODY_OUT
from bot.ledger.tables import clients, outbox, senders, sent


@dataclass(frozen=True, slots=True)
class Got:
    """One message that a number got. Its text is nowhere kept."""

    sender: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Number:
    """A number that clients send from and people answer. `client`: public name, empty for a shared one."""

    sender: str
    client: str


def got(book: Book, person: int, *, limit: int) -> tuple[Got, ...]:
    """The newest messages to a number."""
    query = (
        select(sent.c.sender, sent.c.sent_at)
        .where(sent.c.person == person)
        .order_by(sent.c.sent_at.desc(), sent.c.id.desc())
        .limit(limit)
    )
    return tuple(Got(row["sender"], row["sent_at"]) for row in book.rows(query))


def numbers(book: Book, *, now: datetime) -> tuple[Number, ...]:
    """The senders that are numbers, with who holds each now."""
    query = (
        select(senders.c.sender, func.max(clients.c.public_name).label("client"))
        .outerjoin(clients, clients.c.id == senders.c.client)
        .where(senders.c.sender.startswith("+"), senders.c.valid_to.is_(None) | (senders.c.valid_to > now))
        .group_by(senders.c.sender)
        .order_by(senders.c.sender)
    )
    return tuple(Number(row["sender"], row["client"] or "") for row in book.rows(query))


@dataclass(frozen=True, slots=True)
class Texted:
    """The SMS that bears a code, on the phone of the number that is being proven."""

    id: int
    number: str = field(repr=False)
    text: str = field(repr=False)


def last_code(book: Book) -> int:
    """The newest such SMS so far, 0 if there is none."""
    newest: int | None = book.scalar(select(func.max(outbox.c.id)).where(outbox.c.kind == "code"))
    return newest or 0


def codes_since(book: Book, after: int) -> tuple[Texted, ...]:
    """Those that came after one, oldest first."""
    query = select(outbox).where(outbox.c.kind == "code", outbox.c.id > after).order_by(outbox.c.id)
    found = []
    for row in book.rows(query):
        number = conversations.get(book, row["conversation"]).address.person
        found.append(Texted(row["id"], number, book.keys.unseal_json(BODY_OUT, row["body_enc"])["text"]))
    return tuple(found)
