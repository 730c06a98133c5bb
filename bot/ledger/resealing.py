"""Bring sealed and keyed columns to the current key version. Knows the columns, not when it is time.

A sealed column ends in `_enc` and is bound to `table.column` without that ending; the one exception has a key
of its own, which is sealed beside it. A keyed column that must be found again stands beside the sealed value
it is made from.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, LargeBinary, Table, bindparam, func, literal, or_, select, text, update

from bot.ledger.book import Book, Row
from bot.ledger.keys import version_of
from bot.ledger.tables import codes, metadata

OWN_KEY = frozenset({"evidence.text_enc"})

Opened = Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Rekeyed:
    """A column found by, and how its value is made from a row and its opened columns."""

    column: str
    beside: tuple[str, ...]
    value: Callable[[Row, Opened], str]


REKEYED: Mapping[str, Rekeyed] = {
    "people": Rekeyed("number_key", (), lambda row, opened: str(opened["number_enc"])),
    "client_contacts": Rekeyed(
        "value_key", ("kind",), lambda row, opened: f"{row['kind']}:{opened['value_enc']}"
    ),
    "conversations": Rekeyed(
        "address_key",
        ("provider", "account"),
        lambda row, opened: "\n".join((row["provider"], row["account"], *_place(opened["address_enc"]))),
    ),
}


def tables() -> dict[Table, tuple[str, ...]]:
    """Every table with sealed columns, and which they are."""
    found = {
        table: tuple(
            c.name
            for c in table.columns
            if c.name.endswith("_enc") and f"{table.name}.{c.name}" not in OWN_KEY
        )
        for table in metadata.sorted_tables
    }
    return {table: columns for table, columns in found.items() if columns}


def count(book: Book, table: Table, columns: tuple[str, ...]) -> int:
    """How many rows hold something sealed with an older key version."""
    found: int = book.scalar(select(func.count()).select_from(table).where(_is_old(book, table, columns)))
    return found


def reseal(book: Book, table: Table, columns: tuple[str, ...], *, after: int, limit: int) -> tuple[int, int]:
    """Reseal and re-key the next rows; return the last row id and how many there were.

    The rows are locked: nobody writes one of their columns between our reading and our writing.
    """
    rekeyed = REKEYED.get(table.name)
    wanted = ["id", *columns, *(rekeyed.beside if rekeyed else ())]
    query = (
        select(*(table.c[name] for name in wanted))
        .where(table.c.id > after, _is_old(book, table, columns))
        .order_by(table.c.id)
        .limit(limit)
        .with_for_update()
    )
    rows = book.rows(query)
    if not rows:
        return after, 0
    changes = [_resealed(book, table, columns, rekeyed, row) for row in rows]
    book.run(update(table).where(table.c.id == bindparam("row")), changes)
    return rows[-1]["id"], len(rows)


def last_old_code(book: Book, *, made_before: datetime, now: datetime) -> datetime | None:
    """When the last code runs out that may be keyed with an older version; codes cannot be keyed anew."""
    until: datetime | None = book.scalar(
        select(func.max(codes.c.expires_at)).where(
            codes.c.used_at.is_(None), codes.c.expires_at > now, codes.c.made_at <= made_before
        )
    )
    return until


def older_transactions(book: Book, since: datetime) -> int:
    """How many transactions of others have been open since before `since` (PostgreSQL)."""
    found: int = book.connection.execute(
        text(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid() AND backend_type = 'client backend' AND xact_start < :since"
        ),
        {"since": since},
    ).scalar_one()
    return found


def database_time(book: Book) -> datetime:
    """The clock that `older_transactions` goes by."""
    moment: datetime = book.scalar(select(func.clock_timestamp()))
    return moment


def _is_old(book: Book, table: Table, columns: tuple[str, ...]) -> ColumnElement[bool]:
    name = book.keys.current.encode()
    prefix = bytes([len(name)]) + name
    return or_(
        *(func.substr(table.c[column], 1, len(prefix)) != literal(prefix, LargeBinary) for column in columns)
    )


def _resealed(
    book: Book, table: Table, columns: tuple[str, ...], rekeyed: Rekeyed | None, row: Row
) -> dict[str, Any]:
    change: dict[str, Any] = {"row": row["id"]}
    opened: dict[str, str | None] = {}
    for column in columns:
        blob = row[column]
        purpose = f"{table.name}.{column.removesuffix('_enc')}"
        opened[column] = None if blob is None else book.unseal(purpose, blob)
        is_current = blob is None or version_of(blob) == book.keys.current
        value = opened[column]
        change[column] = blob if is_current or value is None else book.seal(purpose, value)
    if rekeyed is not None:
        change[rekeyed.column] = book.keys.find(rekeyed.value(row, opened))
    return change


def _place(sealed: str | None) -> tuple[str, str]:
    value = json.loads(sealed or "{}")
    return value["person"], value["ours"]
