"""Count what the ledger keeps of a conversation, or of all of a person's. Shows no text, knows no level of proof."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, func, or_, select

from bot.ledger.book import Book
from bot.ledger.tables import cases, conversations, inbox, opt_outs, sent


@dataclass(frozen=True, slots=True)
class Counted:
    """How many there are, and since when the oldest."""

    count: int = 0
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept, by kind. messages: the person's, each with its answers; stops: opt-outs that stand; sent: by
    clients; others: further conversations."""

    messages: Counted = Counted()
    stops: Counted = Counted()
    open_cases: Counted = Counted()
    sent: Counted = Counted()
    others: Counted = Counted()


def kept(book: Book, conversation: int, person: int | None, *, is_proven: bool) -> Kept:
    """What there is of a conversation; of all of the person's, and what clients sent them, if they are proven."""
    here = whose(conversation, person if is_proven else None)
    of_theirs = (opt_outs.c.person == person) & opt_outs.c.lifted_at.is_(None)
    is_open = cases.c.conversation.in_(here) & (cases.c.state != "closed")
    is_said = inbox.c.conversation.in_(here) & inbox.c.body_enc.is_not(None)
    is_other = conversations.c.id.in_(here) & (conversations.c.id != conversation)
    return Kept(
        messages=_counted(book, inbox, inbox.c.received_at, is_said),
        stops=_counted(book, opt_outs, opt_outs.c.since, of_theirs),
        open_cases=_counted(book, cases, cases.c.received_at, is_open),
        sent=_counted(book, sent, sent.c.sent_at, sent.c.person == person) if is_proven else Counted(),
        others=_counted(book, conversations, conversations.c.last_at, is_other),
    )


def whose(conversation: int, person: int | None) -> Select[Any]:
    """The ids of a conversation and, if a person is given, of all of theirs."""
    is_theirs = conversations.c.id == conversation
    if person is not None:
        is_theirs = or_(is_theirs, conversations.c.person == person)
    return select(conversations.c.id).where(is_theirs)


def _counted(book: Book, table: Table, at: ColumnElement[Any], *which: ColumnElement[bool]) -> Counted:
    found = select(func.count().label("count"), func.min(at).label("since")).select_from(table)
    row = book.row(found.where(*which))
    assert row is not None  # an aggregate always has its row
    return Counted(row["count"], row["since"])
