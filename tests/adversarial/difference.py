"""See everything the ledger holds, opened, and what of it changed; bring it back as it was. Judges nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from bot.ledger import resealing
from bot.ledger.book import Book, Ledger
from bot.ledger.tables import metadata

Row = Mapping[str, Any]
Key = tuple[Any, ...]
Tables = Mapping[str, Mapping[Key, Row]]


@dataclass(frozen=True, slots=True)
class Change:
    """One row that came, went (`after` is empty) or is not what it was."""

    table: str
    before: Row
    after: Row

    @property
    def columns(self) -> frozenset[str]:
        names = self.before.keys() | self.after.keys()
        return frozenset(n for n in names if self.before.get(n) != self.after.get(n))

    @property
    def is_new(self) -> bool:
        return not self.before


def everything(ledger: Ledger) -> Tables:
    """Every row of every table, what is sealed in it opened; what has a key of its own stays as it lies there."""
    sealed = {table.name: columns for table, columns in resealing.tables().items()}
    with ledger.read() as book:
        return {
            table.name: {
                tuple(row[c.name] for c in table.primary_key): _opened(book, table.name, row, sealed)
                for row in book.rows(select(table))
            }
            for table in metadata.sorted_tables
        }


def changes(before: Tables, after: Tables) -> list[Change]:
    """What is not the same, every row once."""
    found = []
    for table in before:
        for key in before[table].keys() | after[table].keys():
            change = Change(table, before[table].get(key, {}), after[table].get(key, {}))
            if change.columns:
                found.append(change)
    return found


def copied(ledger: Ledger) -> dict[str, list[dict[str, Any]]]:
    """Every row as it lies there."""
    with ledger.read() as book:
        return {t.name: [dict(row) for row in book.rows(select(t))] for t in metadata.sorted_tables}


def put_back(ledger: Ledger, rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Make the ledger what it was when it was copied."""
    with ledger.write() as book:
        for table in reversed(metadata.sorted_tables):
            book.run(table.delete())
        for table in metadata.sorted_tables:
            if rows[table.name]:
                book.run(table.insert(), rows[table.name])


def _opened(book: Book, table: str, row: Row, sealed: Mapping[str, Sequence[str]]) -> Row:
    opened = dict(row)
    for column in sealed.get(table, ()):
        if row[column] is not None:
            opened[column] = book.unseal(f"{table}.{column.removesuffix('_enc')}", row[column])
    return opened
