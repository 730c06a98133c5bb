"""Insert and look for many rows at once. Knows no table's meaning."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import ARRAY, Column, ColumnElement, Row, Table, any_, bindparam, func, literal, select

from bot.ledger.book import Book


def insert_new(
    book: Book,
    table: Table,
    rows: Sequence[Mapping[str, Any]],
    *,
    unless: Sequence[str],
    returning: Sequence[Column[Any]],
) -> Sequence[Row[Any]]:
    """Insert rows unless the columns of a unique constraint meet one that is there; return what was inserted.

    rows: every one with the same columns, sorted by `unless`, so that two such calls wait for each other and
    never in a circle.
    """
    if not rows:
        return []
    if book.dialect == "sqlite":
        insert = book.insert(table).on_conflict_do_nothing(index_elements=unless)
        return book.run(insert.returning(*returning), list(rows)).all()
    # One array a column: executemany sends a statement for each row, which measured a fifth of the rate.
    names = list(rows[0])
    arrays = [
        func.unnest(bindparam(None, [row[name] for row in rows], type_=ARRAY(table.c[name].type)))
        for name in names
    ]
    filled = book.insert(table).from_select(names, select(*arrays))
    return book.run(filled.on_conflict_do_nothing(index_elements=unless).returning(*returning)).all()


def among(book: Book, column: Column[Any], values: Collection[Any]) -> ColumnElement[bool]:
    """Whether a column has one of many values; on PostgreSQL one array instead of a parameter for each."""
    if book.dialect == "sqlite":
        return column.in_(values)
    return column == any_(literal(list(values), ARRAY(column.type)))
