"""Keep the registry of sender names and numbers with their dates. Knows no person and no message."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import bindparam, insert, select, text, update

from bot.domain.imports import Change
from bot.domain.numbers import sender_key
from bot.domain.senders import Holding
from bot.ledger.book import Book, Prepared
from bot.ledger.tables import clients, senders

_HELD = Prepared(
    lambda _: (
        select(senders, clients.c.is_sensitive)
        .outerjoin(clients, clients.c.id == senders.c.client)
        .where(senders.c.sender_key.in_(bindparam("keys", expanding=True)))
        .order_by(senders.c.id)
    )
)


def holdings(book: Book, sender: str) -> tuple[Holding, ...]:
    """Every holding of a sender, of any time, however the sender is spelt."""
    return tuple(held for _, held in _of_keys(book, {sender_key(sender)}).values())


def save_many(book: Book, entries: Sequence[Holding]) -> list[Change]:
    """Write holdings down and say of each what that did.

    A holding is known by sender, client, channel and its first day; a new last day or another way to spell
    the sender changes it.
    """
    if book.dialect == "postgresql":  # two imports at once would both find a holding missing
        book.run(text("LOCK TABLE senders IN SHARE ROW EXCLUSIVE MODE"))
    known = _of_keys(book, {sender_key(e.sender) for e in entries})
    changes = []
    for entry in entries:
        key = _identity(entry)
        row, held = known.get(key, (0, None))
        if held is None:
            values = _values(entry) | {"sender_key": sender_key(entry.sender)}
            row = book.run(insert(senders).values(values).returning(senders.c.id)).scalar_one()
            changes.append(Change.NEW)
        elif (held.sender, held.valid_to) == (entry.sender, entry.valid_to):
            changes.append(Change.UNCHANGED)
        else:
            book.run(update(senders).where(senders.c.id == row).values(_values(entry)))
            changes.append(Change.CHANGED)
        known[key] = (row, entry)
    return changes


_Identity = tuple[str, int | None, str, object]


def _identity(entry: Holding) -> _Identity:
    return (sender_key(entry.sender), entry.client, entry.channel, entry.valid_from)


def _values(entry: Holding) -> dict[str, object]:
    return {
        "sender": entry.sender,
        "client": entry.client,
        "channel": entry.channel,
        "valid_from": entry.valid_from,
        "valid_to": entry.valid_to,
    }


def _of_keys(book: Book, keys: set[str]) -> dict[_Identity, tuple[int, Holding]]:
    found: dict[_Identity, tuple[int, Holding]] = {}
    for row in book.rows(_HELD, keys=list(keys)):
        held = Holding(
            sender=row["sender"],
            client=row["client"],
            channel=row["channel"],
            valid_from=row["valid_from"],
            valid_to=row["valid_to"],
            is_sensitive=bool(row["is_sensitive"]),
        )
        found[(row["sender_key"], held.client, held.channel, held.valid_from)] = (row["id"], held)
    return found
