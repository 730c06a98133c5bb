"""Take in what clients sent: rows of a file or of the feed, in batches. Opens no file and keeps no text.

Taking twice is harmless: a message is known by the provider's `message_id`. Everything slow (phone numbers,
fingerprints) is done before the writing transaction opens, so that on SQLite a STOP waits for inserts only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from itertools import islice

from bot.domain import fingerprints, imports
from bot.domain.errors import BadInput
from bot.domain.imports import Change, ImportReport, Refusal, SentRow
from bot.ledger import clients, people, sent
from bot.ledger.book import Ledger
from bot.ledger.sent import NewSent, Template

BATCHES = {"postgresql": 2_000, "sqlite": 500}  #: rows of one transaction; on SQLite a STOP waits for it

Numbered = tuple[int, Mapping[str, str] | Refusal]


def take_sent(ledger: Ledger, rows: Iterable[Mapping[str, object]], now: datetime) -> ImportReport:
    """Take rows with the columns of the sent-messages file, as `POST /v1/sent` brings them.

    A row that is not accepted is refused with its place, counted from 1, and the rest goes in. The feed
    counts as heard, also by an empty list.
    """
    return take(ledger, ((place, _as_text(place, row)) for place, row in enumerate(rows, start=1)), now)


def take(
    ledger: Ledger, rows: Iterable[Numbered], now: datetime, *, after: Callable[[], None] = lambda: None
) -> ImportReport:
    """The same for rows with their line, some of them refused before. `after` is called after each batch."""
    report = ImportReport()
    remaining = iter(rows)
    while batch := list(islice(remaining, BATCHES[ledger.dialect])):
        report.read += len(batch)
        _take_batch(ledger, list(_read(batch, report, now)), now, report)
        after()
    if not report.read:
        _take_batch(ledger, [], now, report)
    return report


def _read(batch: list[Numbered], report: ImportReport, now: datetime) -> Iterator[tuple[int, SentRow]]:
    for line, row in batch:
        if isinstance(row, Refusal):
            report.refused.append(row)
            continue
        try:
            yield line, imports.sent(row, now=now)
        except BadInput as error:
            report.refused.append(Refusal(line, error.place, error.reason))


def _take_batch(ledger: Ledger, rows: list[tuple[int, SentRow]], now: datetime, report: ImportReport) -> None:
    with ledger.read() as book:
        client_ids = clients.ids(book, {row.client_id for _, row in rows})
        known = sent.known(book, {row.message_id for _, row in rows})
        recipients = people.find_many(book, (row.recipient for _, row in rows if row.message_id in known))
    fresh: dict[str, SentRow] = {}
    for line, row in rows:
        if row.client_id not in client_ids:
            report.refused.append(
                Refusal(line, "client_id", "no client of that id is known; import the clients first")
            )
            continue
        before = known.get(row.message_id)
        twin = fresh.get(row.message_id)
        if before is None and twin is None:
            fresh[row.message_id] = row
        elif (before and _is_same(before, row, client_ids[row.client_id], recipients.get(row.recipient))) or (
            twin and _without_text(twin) == _without_text(row)
        ):
            report.count(Change.UNCHANGED)
        else:
            report.refused.append(Refusal(line, "message_id", "was taken before with other values"))
    words = {m: fingerprints.normalised(row.text) for m, row in fresh.items() if row.text}
    templates = {
        message: Template(client_ids[fresh[message].client_id], fingerprints.whole(text, ledger.keys.mark))
        for message, text in words.items()
        if fingerprints.is_telling(text)
    }
    of_template = {template: words[message] for message, template in templates.items()}
    with ledger.read() as book:
        unknown = set(of_template) - set(sent.known_templates(book, of_template.keys()))
    shingles = {t: fingerprints.shingle_marks(of_template[t], ledger.keys.mark) for t in unknown}
    with ledger.write() as book:
        persons = people.ensure_many(book, (row.recipient for row in fresh.values()))
        template_ids = sent.ensure_templates(
            book,
            of_template.keys(),
            lambda t: shingles.get(t) or fingerprints.shingle_marks(of_template[t], ledger.keys.mark),
            now=now,
        )
        new = sent.add_many(
            book,
            [
                NewSent(
                    message_id=row.message_id,
                    client=client_ids[row.client_id],
                    sender=row.sender,
                    sender_key=row.sender_key,
                    person=persons[row.recipient],
                    channel=row.channel,
                    message_class=row.message_class.value,
                    template=template_ids[templates[row.message_id]] if row.message_id in templates else None,
                    sent_at=row.sent_at,
                )
                for row in fresh.values()
            ],
        )
        if rows or not report.refused:
            newest = max((row.sent_at for row in fresh.values()), default=None)
            sent.hear(book, now=now, newest_sent_at=newest)
    report.new += new
    report.unchanged += len(fresh) - new  # a second feed was faster with them


def _is_same(before: NewSent, row: SentRow, client: int, person: int | None) -> bool:
    return (before.client, before.person, before.sender_key, before.sent_at, before.message_class) == (
        client,
        person,
        row.sender_key,
        row.sent_at,
        row.message_class.value,
    )


def _without_text(row: SentRow) -> SentRow:
    return replace(row, text="")


def _as_text(place: int, row: Mapping[str, object]) -> Mapping[str, str] | Refusal:
    """A row of JSON as the file would have it; null is empty, a number is its digits."""
    if not isinstance(row, Mapping):
        return Refusal(place, "row", "is no object")
    try:
        imports.SENT.check(tuple(row) + tuple(c for c in imports.SENT.needed if c not in row))
    except BadInput:
        return Refusal(place, "row", "has a column that is not known")
    for column, value in row.items():
        if value is not None and (isinstance(value, bool) or not isinstance(value, str | int)):
            return Refusal(place, column, "is no text")
    return {column: "" if value is None else str(value) for column, value in row.items()}
