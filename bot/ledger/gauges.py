"""Count what waits, for whoever watches the house. Opens nothing and changes nothing."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select

from bot.ledger import audit
from bot.ledger.book import Book
from bot.ledger.tables import conversations, inbox, notices, outbox

_WAITING = {
    "inbox": select(func.count(), func.min(inbox.c.received_at)).where(inbox.c.state == "new"),
    "outbox": select(func.count(), func.min(outbox.c.created_at)).where(
        outbox.c.state.in_(("ready", "in_hand", "unknown"))
    ),
    "notices": select(func.count(), func.min(notices.c.created_at)).where(
        notices.c.state.in_(("ready", "in_hand")), notices.c.way != "digest"
    ),
    "desk": select(func.count(), func.min(conversations.c.waiting_since)).where(
        conversations.c.owner == "waiting"
    ),
}


def queues(book: Book) -> list[tuple[str, int, datetime | None]]:
    """Each queue with how much waits in it and since when the oldest does."""
    found = []
    for name, query in _WAITING.items():
        count, oldest = book.run(query).one()
        found.append((name, int(count), oldest))
    return [*found, ("seals", *audit.unsealed(book))]
