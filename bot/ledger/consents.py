"""Keep opt-outs, each with the evidence it rests on. What they cover is decided in `domain.consent`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Table, and_, bindparam, func, select, update

from bot.domain.consent import OptOut
from bot.ledger.book import Book, Prepared
from bot.ledger.client_opt_outs import COLUMNS, Row, read
from bot.ledger.evidence import Act, Confirmed, record
from bot.ledger.tables import clients, codes, opt_outs

__all__ = [
    "Act",
    "Confirmed",
    "Held",
    "answered",
    "close_codes",
    "every",
    "lift",
    "record",
    "rows_standing",
    "standing",
    "stop",
]

_STANDING = Prepared(
    lambda _: (
        select(*COLUMNS)
        .where(opt_outs.c.person == bindparam("of"), opt_outs.c.lifted_at.is_(None))
        .order_by(opt_outs.c.id)
    )
)


def _stop(insert: Callable[[Table], Any]) -> Any:
    statement = insert(opt_outs)
    new = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=["person", "client"],
        index_where=opt_outs.c.lifted_at.is_(None),
        set_={"covers": new.covers, "evidence": new.evidence, "since": new.since},
    ).returning(*COLUMNS)


_STOP = Prepared(_stop, "person", "client", "covers", "evidence", "since")
_ANSWERED = Prepared(
    lambda _: (
        select(opt_outs.c.client, func.max(codes.c.made_at).label("asked_at"))
        .join(codes, and_(codes.c.person == opt_outs.c.person, codes.c.used_at == opt_outs.c.lifted_at))
        .where(
            opt_outs.c.person == bindparam("of"),
            codes.c.purpose == "start",
            codes.c.made_at > bindparam("after"),
        )
        .group_by(opt_outs.c.client)
    )
)
_CLOSE_CODES = Prepared(
    lambda _: (
        update(codes)
        .where(
            codes.c.person == bindparam("of"),
            codes.c.purpose == "start",
            codes.c.tries_left > 0,
            codes.c.made_at <= bindparam("until"),
        )
        .values(tries_left=0)
    )
)


def standing(book: Book, person: int) -> list[OptOut]:
    """The opt-outs of a person that hold."""
    return [row.opt_out for row in rows_standing(book, person)]


def rows_standing(book: Book, person: int) -> list[Row]:
    """As `standing`, each with what brought it, the oldest first."""
    return [read(row) for row in book.rows(_STANDING, of=person)]


@dataclass(frozen=True, slots=True)
class Held:
    """One opt-out, standing or lifted. client_id: the operator's own name; None: every client."""

    id: int
    client_id: str | None
    covers: str
    since: datetime
    lifted_at: datetime | None


def every(book: Book, person: int) -> list[Held]:
    """Every opt-out of a person, oldest first, the lifted ones too."""
    query = (
        select(opt_outs, clients.c.client_id)
        .outerjoin(clients, clients.c.id == opt_outs.c.client)
        .where(opt_outs.c.person == person)
        .order_by(opt_outs.c.id)
    )
    return [Held(r["id"], r["client_id"], r["covers"], r["since"], r["lifted_at"]) for r in book.rows(query)]


def answered(book: Book, person: int, *, after: datetime) -> dict[int, datetime]:
    """By client: when the newest START code was made that lifted an opt-out of it, of those made after a moment.

    Codes are kept for a day and some minutes: a STOP that comes later than that is never taken for answered.
    """
    return {r["client"]: r["asked_at"] for r in book.rows(_ANSWERED, of=person, after=after)}


def close_codes(book: Book, person: int, *, until: datetime) -> None:
    """Let no START code of a person made until then lift anything."""
    book.do(_CLOSE_CODES, of=person, until=until)


def stop(book: Book, person: int, put: Sequence[OptOut], *, evidence: int) -> list[Row]:
    """Put opt-outs in place, or in the place of those that stand; `domain.consent.after` says which."""
    rows: list[Any] = []
    for one in put:
        values = {"person": person, "client": one.client, "covers": one.covers.value, "evidence": evidence}
        rows += book.rows(_STOP, **values, since=one.since)
    return [read(row) for row in rows]


def lift(book: Book, person: int, clients: Sequence[int], *, evidence: int, now: datetime) -> None:
    """Lift opt-outs; whoever calls has a confirmed START in hand."""
    book.run(
        update(opt_outs)
        .where(
            opt_outs.c.person == person, opt_outs.c.client.in_(list(clients)), opt_outs.c.lifted_at.is_(None)
        )
        .values(lifted_at=now, lifted_by=evidence)
    )
