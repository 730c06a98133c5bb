"""Import the operator's files: clients, senders, sent messages (CONTRACT.md, "Files"). Prints nothing.

A wrong header is refused at once; a bad row is refused with its line and reason and the rest goes in. A
reason never repeats a value.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import islice
from pathlib import Path

from bot.domain import imports
from bot.domain.errors import BadInput
from bot.domain.imports import Columns, ImportReport, Refusal
from bot.ledger import clients, senders
from bot.ledger.book import Book, Ledger
from bot.services import take_sent as feed
from bot.services.take_sent import Numbered, take_sent

__all__ = ["ImportReport", "Refusal", "import_clients", "import_senders", "import_sent", "take_sent"]

BATCH = 500  #: rows of one transaction; clients and senders are few, and each is compared by itself

Progress = Callable[[int, int | None], None]


def import_clients(ledger: Ledger, path: Path, progress: Progress | None, now: datetime) -> ImportReport:
    """Import a clients' file.

    progress: called after each batch with the bytes read so far and those of the whole file.
    Raises BadInput for a wrong header, OSError when the file cannot be read.
    """

    def take(book: Book, numbered: list[Numbered], report: ImportReport) -> None:
        for line, row in _accepted(numbered, report):
            try:
                report.count(clients.save(book, imports.client(row), now=now))
            except BadInput as error:
                report.refused.append(Refusal(line, error.place, error.reason))

    return _import(ledger, _File(path, imports.CLIENTS, progress), take)


def import_senders(ledger: Ledger, path: Path, progress: Progress | None, now: datetime) -> ImportReport:
    """Import a senders' file; clients must be there. Arguments and errors as in `import_clients`."""

    def take(book: Book, numbered: list[Numbered], report: ImportReport) -> None:
        rows = list(_accepted(numbered, report))
        ids = clients.ids(book, {row.get("client_id", "").strip() for _, row in rows})
        entries = []
        for line, row in rows:
            try:
                entries.append(imports.sender(row, ids.get))
            except BadInput as error:
                report.refused.append(Refusal(line, error.place, error.reason))
        for change in senders.save_many(book, entries):
            report.count(change)

    return _import(ledger, _File(path, imports.SENDERS, progress), take)


def import_sent(ledger: Ledger, path: Path, progress: Progress | None, now: datetime) -> ImportReport:
    """Import a file of sent messages; clients must be there. Arguments and errors as in `import_clients`."""
    file = _File(path, imports.SENT, progress)
    return feed.take(ledger, file.rows(), now, after=file.report_progress)


class _File:
    """A CSV file being read: its header checked, its rows with their lines, how far it got."""

    def __init__(self, path: Path, columns: Columns, progress: Progress | None) -> None:
        self._path = path
        self._columns = columns
        self._progress = progress
        self._size = path.stat().st_size
        self._read = 0

    def rows(self) -> Iterator[Numbered]:
        with self._path.open("rb") as raw:
            # A wrong byte becomes a lone surrogate, which the row's reader refuses with its column.
            text = io.TextIOWrapper(raw, encoding="utf-8-sig", errors="surrogateescape", newline="")
            lines = csv.reader(text)
            header = tuple(name.strip() for name in next(lines, []))
            if not header:
                raise BadInput("header", "the file is empty")
            self._columns.check(header)
            line = lines.line_num + 1
            while True:
                try:
                    values = next(lines)
                except StopIteration:
                    break
                except csv.Error:
                    yield line, Refusal(line, "row", "is no CSV; is a quotation mark left open?")
                    line = lines.line_num + 1
                    continue
                self._read = raw.tell()
                if values:
                    yield line, self._row(line, header, values)
                line = lines.line_num + 1
        self._read = self._size

    def report_progress(self) -> None:
        if self._progress is not None:
            self._progress(self._read, self._size)

    @staticmethod
    def _row(line: int, header: tuple[str, ...], values: list[str]) -> dict[str, str] | Refusal:
        if len(values) != len(header):
            return Refusal(line, "row", f"has {len(values)} columns, the header {len(header)}")
        return dict(zip(header, values, strict=True))


def _import(
    ledger: Ledger, file: _File, take: Callable[[Book, list[Numbered], ImportReport], None]
) -> ImportReport:
    report = ImportReport()
    rows = file.rows()
    while batch := list(islice(rows, BATCH)):
        report.read += len(batch)
        with ledger.write() as book:
            take(book, batch, report)
        file.report_progress()
    return report


def _accepted(numbered: list[Numbered], report: ImportReport) -> Iterator[tuple[int, dict[str, str]]]:
    for line, row in numbered:
        if isinstance(row, Refusal):
            report.refused.append(row)
        else:
            yield line, dict(row)
