"""Keep opt-outs, each with the evidence it rests on. What they cover is decided in `domain.consent`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Table, bindparam, select, update

from bot.domain.consent import Covers, OptOut
from bot.ledger.book import Book, Prepared
from bot.ledger.evidence import Act, Confirmed, record
from bot.ledger.tables import clients, opt_outs

__all__ = ["Act", "Confirmed", "Held", "every", "lift", "record", "standing", "stop"]

_STANDING = Prepared(
    lambda _: select(opt_outs.c.client, opt_outs.c.covers, opt_outs.c.since).where(
        opt_outs.c.person == bindparam("of"), opt_outs.c.lifted_at.is_(None)
    )
)


def _stop(insert: Callable[[Table], Any]) -> Any:
    statement = insert(opt_outs)
    new = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=["person", "client"],
        index_where=opt_outs.c.lifted_at.is_(None),
        set_={"covers": new.covers, "evidence": new.evidence},
        where=(opt_outs.c.covers != Covers.ALL.value) & (new.covers == Covers.ALL.value),
    )


_STOP = Prepared(_stop, "person", "client", "covers", "evidence", "since")


def standing(book: Book, person: int) -> list[OptOut]:
    """The opt-outs of a person that hold."""
    rows = book.rows(_STANDING, of=person)
    return [OptOut(r["client"], Covers(r["covers"]), r["since"]) for r in rows]


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


def stop(
    book: Book, person: int, clients: Sequence[int], covers: Covers, *, evidence: int, now: datetime
) -> None:
    """Put opt-outs in place, or widen those that stand. Never narrows one."""
    for client in clients:
        values = {"person": person, "client": client, "covers": covers.value, "evidence": evidence}
        book.run(_STOP, {**values, "since": now})


def lift(book: Book, person: int, clients: Sequence[int], *, evidence: int, now: datetime) -> None:
    """Lift opt-outs; whoever calls has a confirmed START in hand."""
    book.run(
        update(opt_outs)
        .where(
            opt_outs.c.person == person, opt_outs.c.client.in_(list(clients)), opt_outs.c.lifted_at.is_(None)
        )
        .values(lifted_at=now, lifted_by=evidence)
    )
