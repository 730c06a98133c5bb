"""Read what one client may know of opt-outs: its own, and a STOP ALL of people it wrote to. Writes nothing.

A STOP ALL holds for every client, but a client that never wrote to the person learns of it by the gate alone:
a list would give it a number it does not have.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import itemgetter

from sqlalchemy import ColumnElement, and_, bindparam, exists, func, or_, select, union

from bot.domain.consent import EVERY_CLIENT, Covers, OptOut
from bot.ledger import book as books
from bot.ledger.book import Book, Prepared
from bot.ledger.people import NUMBER
from bot.ledger.tables import evidence, notices, opt_outs, people, sent


@dataclass(frozen=True, slots=True)
class Row:
    """One opt-out with what brought it and what lifted it (row ids of evidence)."""

    id: int
    client: int
    covers: Covers
    since: datetime
    evidence: int
    lifted_at: datetime | None
    lifted_by: int | None

    @property
    def opt_out(self) -> OptOut:
        return OptOut(self.client, self.covers, self.since)

    @property
    def is_of_everybody(self) -> bool:
        return self.client == EVERY_CLIENT


@dataclass(frozen=True, slots=True)
class Listed:
    """One opt-out as a client's list has it. `number`: E.164."""

    row: Row
    number: str = field(repr=False)


COLUMNS = tuple(opt_outs.c[name] for name in Row.__slots__)


_AROUND = Prepared(
    lambda _: (
        select(*COLUMNS)
        .where(
            opt_outs.c.person == bindparam("of"),
            or_(opt_outs.c.lifted_at.is_(None), opt_outs.c.lifted_by == bindparam("act")),
        )
        .order_by(opt_outs.c.id)
    )
)


def around(book: Book, person: int, *, act: int) -> list[Row]:
    """The opt-outs of a person that hold, and those that this act (a row id of evidence) lifted."""
    return [read(row) for row in book.rows(_AROUND, of=person, act=act)]


def of_person(book: Book, person: int) -> list[Row]:
    """Every opt-out of a person that is still known, lifted ones too, the oldest first."""
    query = select(*COLUMNS).where(opt_outs.c.person == person).order_by(opt_outs.c.id)
    return [read(row) for row in book.rows(query)]


def concerned(book: Book, person: int, *, sent_since: datetime) -> list[int]:
    """The clients that a STOP ALL is told to: those that wrote to the person since then or were told before."""
    wrote = select(sent.c.client).where(sent.c.person == person, sent.c.sent_at >= sent_since)
    told = select(notices.c.client).where(notices.c.person == person, notices.c.evidence.is_not(None))
    return sorted(row["client"] for row in book.rows(union(wrote, told)))


def changed_since(book: Book, client: int, since: datetime) -> list[int]:
    """The people whose opt-outs, as far as this client may know of them, changed since then; in that order."""
    moment = func.max(func.coalesce(opt_outs.c.lifted_at, opt_outs.c.since))
    query = (
        select(opt_outs.c.person)
        .where(_may_know(client), _has_changed(since))
        .group_by(opt_outs.c.person)
        .order_by(moment, opt_outs.c.person)
    )
    return [row["person"] for row in book.rows(query)]


def newest(book: Book) -> int:
    """The row id of the newest opt-out of anybody, 0 if there is none."""
    return int(book.scalar(select(func.max(opt_outs.c.id))) or 0)


def page(
    book: Book, client: int, *, since: datetime | None, after: int, until: int, limit: int
) -> list[Listed]:
    """The next opt-outs of a client's list by row id, `after` not included and `until` included.

    since: those made or lifted since then; None: those that stand.
    """
    wanted = opt_outs.c.lifted_at.is_(None) if since is None else _has_changed(since)
    within = and_(wanted, opt_outs.c.id > after, opt_outs.c.id <= until)
    # Two questions, each answered by an index, are faster than one with an OR.
    both: list[books.Row] = []
    for whose in (opt_outs.c.client == client, _of_everybody_it_wrote_to(client)):
        query = (
            select(*COLUMNS, people.c.number_enc)
            .join(people, people.c.id == opt_outs.c.person)
            .where(whose, within)
            .order_by(opt_outs.c.id)
            .limit(limit)
        )
        both += book.rows(query)
    found = sorted(both, key=itemgetter("id"))[:limit]
    return [Listed(read(row), book.unseal(NUMBER, row["number_enc"])) for row in found]


def standing_for(rows: Sequence[Row], client: int) -> Row | None:
    """What a client is held by: of the rows given the widest that stands, of two alike the newer."""
    return _widest([r for r in rows if r.lifted_at is None and r.client in (client, EVERY_CLIENT)])


def lifted_for(rows: Sequence[Row], client: int) -> Row | None:
    """What a client was held by last, of the rows given that were lifted."""
    lifted = [r for r in rows if r.lifted_at is not None and r.client in (client, EVERY_CLIENT)]
    last = max((r.lifted_at for r in lifted if r.lifted_at is not None), default=None)
    return _widest([r for r in lifted if r.lifted_at == last])


def _widest(rows: Sequence[Row]) -> Row | None:
    return max(rows, key=lambda r: (r.covers is Covers.ALL, r.is_of_everybody, r.id), default=None)


def _of_everybody_it_wrote_to(client: int) -> ColumnElement[bool]:
    wrote = select(sent.c.id).where(sent.c.person == opt_outs.c.person, sent.c.client == client)
    told = select(notices.c.id).where(
        notices.c.person == opt_outs.c.person, notices.c.client == client, notices.c.evidence.is_not(None)
    )
    return and_(opt_outs.c.client == EVERY_CLIENT, or_(exists(wrote), exists(told)))


def _may_know(client: int) -> ColumnElement[bool]:
    return or_(opt_outs.c.client == client, _of_everybody_it_wrote_to(client))


def _has_changed(since: datetime) -> ColumnElement[bool]:
    """Made, lifted, or widened since: widening keeps `since` and brings new evidence."""
    widened = select(evidence.c.id).where(
        evidence.c.id == opt_outs.c.evidence, evidence.c.effective_at >= since
    )
    return or_(opt_outs.c.since >= since, opt_outs.c.lifted_at >= since, exists(widened))


def read(row: books.Row) -> Row:
    """A row as `COLUMNS` select it."""
    return Row(**{**{name: row[name] for name in Row.__slots__}, "covers": Covers(row["covers"])})
