"""Keep what clients sent to whom, and the feed that tells us. The texts are not kept, only fingerprints."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from functools import cache
from operator import attrgetter
from typing import Any

from sqlalchemy import bindparam, func, select, update

from bot.ledger.book import Book, Prepared
from bot.ledger.bulk import among, insert_new
from bot.ledger.tables import clients, feeds, sent, shingles, templates

FEED = "sent"  #: name of the sent-message feed in `feeds`
_SEEN_EVERY = timedelta(days=1)  #: how exactly it is known when a template was last seen


@dataclass(frozen=True, slots=True)
class Sent:
    """One message that a client sent to a person."""

    client: int
    is_sensitive: bool
    sender: str
    sent_at: datetime


@dataclass(frozen=True, slots=True)
class NewSent:
    """One message to be written down, its client, person and template by row id."""

    message_id: str
    client: int
    sender: str
    sender_key: str
    person: int
    channel: str
    message_class: str
    template: int | None
    sent_at: datetime


_COLUMNS = tuple(field.name for field in fields(NewSent))


@dataclass(frozen=True, slots=True)
class Template:
    """What is looked for when a text is fingerprinted: whose it is, and the mark of the whole."""

    client: int
    text_mark: bytes


@dataclass(frozen=True, slots=True)
class Feed:
    """When the feed last said anything, and the newest message it ever told of."""

    heard_at: datetime
    newest_sent_at: datetime | None


def by_message(book: Book, message_id: str, *, person: int) -> Sent | None:
    """The message of that provider's id, if it went to `person`."""
    row = book.row(_QUERY.where(sent.c.message_id == message_id, sent.c.person == person))
    return None if row is None else Sent(**row)


def newest_by_client(
    book: Book,
    person: int,
    *,
    since: datetime,
    until: datetime,
    sender_key: str | None = None,
    template_ids: Collection[int] | None = None,
) -> list[Sent]:
    """The newest message of each client to a person between two moments, both included; newest first.

    sender_key: only from that sender (domain.numbers.sender_key); template_ids: only with these fingerprints.
    """
    values: dict[str, Any] = {"to_person": person, "since": since, "until": until}
    if sender_key is not None:
        values["from_sender"] = sender_key
    if template_ids is not None:
        values["among"] = list(template_ids)
    return [Sent(**row) for row in book.rows(_newest("from_sender" in values, "among" in values), **values)]


@cache
def _newest(by_sender: bool, by_template: bool) -> Prepared:
    place = func.row_number().over(
        partition_by=sent.c.client, order_by=(sent.c.sent_at.desc(), sent.c.id.desc())
    )
    wanted = _QUERY.add_columns(place.label("place"), sent.c.id).where(
        sent.c.person == bindparam("to_person"),
        sent.c.sent_at >= bindparam("since"),
        sent.c.sent_at <= bindparam("until"),
    )
    if by_sender:
        wanted = wanted.where(sent.c.sender_key == bindparam("from_sender"))
    if by_template:
        wanted = wanted.where(sent.c.template.in_(bindparam("among", expanding=True)))
    ranked = wanted.subquery()
    query = (
        select(ranked.c.client, ranked.c.is_sensitive, ranked.c.sender, ranked.c.sent_at)
        .where(ranked.c.place == 1)
        .order_by(ranked.c.sent_at.desc(), ranked.c.id.desc())
    )
    return Prepared(lambda _: query)


_TEMPLATES = Prepared(
    lambda _: (
        select(sent.c.template)
        .where(
            sent.c.person == bindparam("whose"),
            sent.c.sent_at >= bindparam("since"),
            sent.c.template.is_not(None),
        )
        .distinct()
    )
)
_FEED = Prepared(lambda _: select(feeds.c.heard_at, feeds.c.newest_sent_at).where(feeds.c.name == FEED))


def senders_to(book: Book, person: int, *, since: datetime) -> tuple[str, ...]:
    """The senders, as last spelt, from which anything was sent to a person since a moment."""
    query = (
        select(sent.c.sender)
        .where(sent.c.person == person, sent.c.sent_at >= since)
        .group_by(sent.c.sender)
        .order_by(func.max(sent.c.sent_at).desc())
    )
    return tuple(row["sender"] for row in book.rows(query))


def templates_to(book: Book, person: int, *, since: datetime) -> tuple[int, ...]:
    """The templates of what was sent to a person since a moment."""
    return tuple(row["template"] for row in book.rows(_TEMPLATES, whose=person, since=since))


def templates_like(
    book: Book, among: Collection[int], *, text_mark: bytes, shingle_marks: Sequence[bytes]
) -> dict[int, tuple[bool, int, int]]:
    """Of the templates given: whether the whole text is theirs, how many shingles agree, how many it has."""
    whole = {
        row["id"]
        for row in book.rows(
            select(templates.c.id).where(templates.c.id.in_(among), templates.c.text_mark == text_mark)
        )
    }
    agreeing = (
        select(shingles.c.template, func.count().label("n"))
        .where(shingles.c.template.in_(among), shingles.c.mark.in_(shingle_marks))
        .group_by(shingles.c.template)
    )
    agree = {row["template"]: row["n"] for row in book.rows(agreeing)} if shingle_marks else {}
    close = whole | set(agree)
    counted = select(shingles.c.template, func.count().label("n")).where(shingles.c.template.in_(close))
    sizes = (
        {row["template"]: row["n"] for row in book.rows(counted.group_by(shingles.c.template))}
        if close
        else {}
    )
    return {t: (t in whole, agree.get(t, 0), sizes.get(t, 0)) for t in close}


def whole_among(
    book: Book, text_marks: Collection[bytes], templates_of: Collection[int] | None = None
) -> set[bytes]:
    """Which of these marks are of a whole text that was sent: of the templates given, or of any there is."""
    query = select(templates.c.text_mark).where(templates.c.text_mark.in_(text_marks)).distinct()
    if templates_of is not None:
        query = query.where(templates.c.id.in_(templates_of))
    return {row["text_mark"] for row in book.rows(query)}


def shingles_among(book: Book, shingle_marks: Collection[bytes], templates_of: Collection[int]) -> set[bytes]:
    """Which of these marks are of shingles of the templates given."""
    query = (
        select(shingles.c.mark)
        .where(shingles.c.template.in_(templates_of), shingles.c.mark.in_(shingle_marks))
        .distinct()
    )
    return {row["mark"] for row in book.rows(query)}


def known(book: Book, message_ids: Collection[str]) -> dict[str, NewSent]:
    """What is written down already of the messages of those ids."""
    query = select(*(sent.c[name] for name in _COLUMNS)).where(among(book, sent.c.message_id, message_ids))
    return {row["message_id"]: NewSent(**row) for row in book.rows(query)}


def known_templates(book: Book, wanted: Collection[Template]) -> dict[Template, int]:
    """The row ids of those templates that are known."""
    if not wanted:
        return {}
    query = select(templates.c.id, templates.c.client, templates.c.text_mark).where(
        among(book, templates.c.text_mark, {w.text_mark for w in wanted}),
        templates.c.client.in_({w.client for w in wanted}),
    )
    found = {Template(row["client"], row["text_mark"]): row["id"] for row in book.rows(query)}
    return {template: row for template, row in found.items() if template in wanted}


def ensure_templates(
    book: Book,
    wanted: Collection[Template],
    shingles_of: Callable[[Template], Iterable[bytes]],
    *,
    now: datetime,
) -> dict[Template, int]:
    """The row ids of templates, the new ones written down with their shingles."""
    found = known_templates(book, wanted)
    stale = select(templates.c.id).where(
        templates.c.id.in_(found.values()), templates.c.last_seen_at < now - _SEEN_EVERY
    )
    ours = stale.order_by(templates.c.id).with_for_update(skip_locked=True)
    book.run(update(templates).where(templates.c.id.in_(ours.scalar_subquery())).values(last_seen_at=now))
    missing = sorted(set(wanted) - set(found), key=lambda t: (t.client, t.text_mark))
    if not missing:
        return found
    rows = [{"client": t.client, "text_mark": t.text_mark, "last_seen_at": now} for t in missing]
    returned = (templates.c.id, templates.c.client, templates.c.text_mark)
    new = insert_new(book, templates, rows, unless=["client", "text_mark"], returning=returned)
    fresh = {Template(row.client, row.text_mark): row.id for row in new}
    marks = [
        {"template": row, "mark": mark} for template, row in fresh.items() for mark in shingles_of(template)
    ]
    insert_new(book, shingles, marks, unless=["template", "mark"], returning=[shingles.c.template])
    rest = set(missing) - set(fresh)  # somebody else was faster with them
    return found | fresh | known_templates(book, rest)


def add_many(book: Book, messages: Sequence[NewSent]) -> int:
    """Write messages down and say how many were new; those of a known id are left as they are."""
    ordered = sorted(messages, key=attrgetter("message_id"))
    rows = [{name: getattr(message, name) for name in _COLUMNS} for message in ordered]
    return len(insert_new(book, sent, rows, unless=["message_id"], returning=[sent.c.id]))


def hear(book: Book, *, now: datetime, newest_sent_at: datetime | None) -> None:
    """The feed said something at `now`, be it an empty list."""
    insert = book.insert(feeds).values(name=FEED, heard_at=now, newest_sent_at=newest_sent_at)
    latest = func.max if book.dialect == "sqlite" else func.greatest
    old, new = feeds.c, insert.excluded
    book.run(
        insert.on_conflict_do_update(
            index_elements=["name"],
            set_={
                "heard_at": latest(old.heard_at, new.heard_at),
                "newest_sent_at": latest(
                    func.coalesce(old.newest_sent_at, new.newest_sent_at),
                    func.coalesce(new.newest_sent_at, old.newest_sent_at),
                ),
            },
        )
    )


def feed(book: Book) -> Feed | None:
    """How far the feed has told, None if it never said anything."""
    row = book.row(_FEED)
    return None if row is None else Feed(**row)


_QUERY = select(sent.c.client, clients.c.is_sensitive, sent.c.sender, sent.c.sent_at).join(
    clients, clients.c.id == sent.c.client
)
