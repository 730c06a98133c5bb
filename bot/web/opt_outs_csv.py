"""Write opt-outs as CSV (RFC 4180) that no spreadsheet runs as a formula. Reads nothing.

A phone number begins with "+", which a spreadsheet takes for a formula, so a cell that begins with one of the
signs below gets an apostrophe before it (OWASP ASVS 1.2.10, https://owasp.org/www-community/attacks/CSV_Injection).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import astuple, fields
from datetime import UTC, datetime

from bot.services.list_opt_outs import Item

FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r", "\n", "\0")
HEADERS = {
    "Content-Disposition": 'attachment; filename="optouts.csv"',
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
_ROWS_AT_ONCE = 500


def lines(items: Iterable[Item]) -> Iterator[str]:
    """The file in pieces: a line with the columns' names, then one for each opt-out."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(field.name for field in fields(Item))
    for count, item in enumerate(items, 1):
        writer.writerow([cell(value) for value in astuple(item)])
        if count % _ROWS_AT_ONCE == 0:
            yield _taken(buffer)
    yield _taken(buffer)


def cell(value: object) -> str:
    """A value as a spreadsheet shows it and does not run it."""
    if value is None:
        return ""
    text = _moment(value) if isinstance(value, datetime) else str(value)
    return f"'{text}" if text.startswith(FORMULA_SIGNS) else text


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _taken(buffer: io.StringIO) -> str:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text
