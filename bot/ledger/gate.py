"""Read the opt-outs of many numbers at once. Writes nothing; `ledger.consents` keeps them."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select

from bot.domain.consent import Covers, OptOut
from bot.ledger.book import Book
from bot.ledger.bulk import among
from bot.ledger.tables import opt_outs, people

_MOST = 30_000  #: values in one statement of SQLite, which takes 32 766


def standing_of(book: Book, numbers: Collection[str]) -> dict[str, list[OptOut]]:
    """The opt-outs that hold, by number (E.164); numbers without one are left out. One query for a batch."""
    by_key = {key: number for number in numbers for key in book.keys.find_any(number)}
    keys = list(by_key)
    found: dict[str, list[OptOut]] = {}
    for start in range(0, len(keys), _MOST):
        part = keys[start : start + _MOST]
        query = (
            select(people.c.number_key, opt_outs.c.client, opt_outs.c.covers, opt_outs.c.since)
            .join(opt_outs, opt_outs.c.person == people.c.id)
            .where(opt_outs.c.lifted_at.is_(None), among(book, people.c.number_key, part))
        )
        for row in book.rows(query):
            stands = OptOut(row["client"], Covers(row["covers"]), row["since"])
            found.setdefault(by_key[row["number_key"]], []).append(stands)
    return found
