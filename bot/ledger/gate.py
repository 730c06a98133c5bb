"""Read the opt-outs of many numbers at once. Writes nothing; `ledger.consents` keeps them."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial

from sqlalchemy import LargeBinary, String, bindparam, text
from sqlalchemy.sql.expression import TextualSelect

from bot.domain.consent import Covers, OptOut
from bot.ledger.book import Book, Prepared
from bot.ledger.tables import Id, Moment

# All keys come as one value, a row made of each: 10 000 parameters take the driver and SQLAlchemy longer than the
# database takes to look them up. CROSS JOIN on SQLite and OFFSET 0 on PostgreSQL hold the planner to one look-up a
# key by the index; by its estimate it would read the whole table for a batch.
_STANDING = {
    "sqlite": """
        WITH RECURSIVE place(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM place WHERE n + 1 < :count)
        SELECT people.number_key, opt_outs.client, opt_outs.covers, opt_outs.since FROM place
        CROSS JOIN people ON people.number_key = substr(:keys, 1 + 32 * n, 32)
        CROSS JOIN opt_outs ON opt_outs.person = people.id WHERE opt_outs.lifted_at IS NULL""",
    "postgresql": """
        SELECT people.number_key, opt_outs.client, opt_outs.covers, opt_outs.since
        FROM generate_series(0, :count - 1) AS place(n)
        CROSS JOIN LATERAL (
            SELECT id, number_key FROM people WHERE number_key = substr(:keys, 1 + 32 * n, 32) OFFSET 0) AS people
        CROSS JOIN LATERAL (
            SELECT client, covers, since FROM opt_outs
            WHERE person = people.id AND lifted_at IS NULL OFFSET 0) AS opt_outs""",
}


def _statement(sql: str, _insert: object) -> TextualSelect:
    asked = text(sql).bindparams(bindparam("keys", type_=LargeBinary))
    return asked.columns(number_key=LargeBinary, client=Id, covers=String, since=Moment)


_PREPARED = {name: Prepared(partial(_statement, sql)) for name, sql in _STANDING.items()}


def standing_of(book: Book, numbers: Collection[str]) -> dict[str, list[OptOut]]:
    """The opt-outs that hold, by number (E.164); numbers without one are left out. One query for a batch."""
    by_key = {key: number for number in numbers for key in book.keys.find_any(number)}
    if not by_key:
        return {}
    # In order, so that neighbours in the index are looked up one after the other.
    values = {"keys": b"".join(sorted(by_key)), "count": len(by_key)}
    found: dict[str, list[OptOut]] = {}
    for row in book.rows(_PREPARED[book.dialect], **values):
        stands = OptOut(row["client"], Covers(row["covers"]), row["since"])
        found.setdefault(by_key[row["number_key"]], []).append(stands)
    return found
