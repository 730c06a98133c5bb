"""Find the clients that nothing can be posted to. Mends nothing and tells nobody."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, literal_column, select

from bot.ledger.book import Book
from bot.ledger.notices import Way
from bot.ledger.tables import clients, notices

_OPEN: tuple[ColumnElement[str], ...] = (literal_column("'ready'"), literal_column("'in_hand'"))
"""As `ix_notices_open` has it, values and all: SQLite sees through no parameter to a partial index."""


@dataclass(frozen=True, slots=True)
class Unheard:
    """A client whose webhook takes nothing. is_gone: it said so itself (410). waiting: what would be posted."""

    client_id: str
    public_name: str
    is_gone: bool
    since: datetime
    failures: int
    waiting: int


def unheard(book: Book, *, failing_before: datetime) -> list[Unheard]:
    """The clients whose webhook is gone, or has failed since before a moment; the longest first."""
    gone_at, failing_since = clients.c.webhook_gone_at, clients.c.webhook_failing_since
    since = func.coalesce(gone_at, failing_since).label("since")
    waiting = select(func.count()).where(
        notices.c.client == clients.c.id, notices.c.way == Way.WEBHOOK.value, notices.c.state.in_(_OPEN)
    )
    query = (
        select(
            clients.c.client_id,
            clients.c.public_name,
            gone_at.is_not(None).label("is_gone"),
            since,
            clients.c.webhook_failures.label("failures"),
            waiting.scalar_subquery().label("waiting"),
        )
        .where(gone_at.is_not(None) | (failing_since < failing_before))
        .order_by(since, clients.c.id)
    )
    return [Unheard(**row) for row in book.rows(query)]
