"""Keep what is on its way to a client, with its tries. Sends nothing."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, update

from bot.ledger.book import Book
from bot.ledger.tables import cases, forwards

_BODY = "forwards.body"
LEASE = timedelta(seconds=90)


@dataclass(frozen=True, slots=True)
class Forward:
    """One notification in somebody's hand; `event` stays the same over every attempt."""

    id: int
    case: int
    client: int
    way: str
    event: str
    body: Mapping[str, Any] = field(repr=False)
    tries: int
    lease: str
    created_at: datetime


def put(
    book: Book, *, case: int, client: int, way: str, event: str, body: Mapping[str, Any], now: datetime
) -> None:
    book.run(
        book.insert(forwards).values(
            case_id=case,
            client=client,
            way=way,
            event=event,
            body_enc=book.keys.seal_json(_BODY, body),
            state="ready",
            ready_at=now,
            created_at=now,
        )
    )


def claim(book: Book, *, now: datetime, limit: int = 10) -> list[Forward]:
    """Take what is due; a holder that died lets its lease run out."""
    is_free = (forwards.c.state == "ready") | (
        (forwards.c.state == "in_hand") & (forwards.c.lease_until < now)
    )
    query = select(forwards).where(is_free, forwards.c.ready_at <= now).order_by(forwards.c.id).limit(limit)
    rows = book.rows(query.with_for_update(skip_locked=True))
    lease = secrets.token_hex(16)
    if rows:
        book.run(
            update(forwards)
            .where(forwards.c.id.in_([r["id"] for r in rows]))
            .values(state="in_hand", lease=lease, lease_until=now + LEASE, tries=forwards.c.tries + 1)
        )
    return [
        Forward(
            id=r["id"],
            case=r["case_id"],
            client=r["client"],
            way=r["way"],
            event=r["event"],
            body=book.keys.unseal_json(_BODY, r["body_enc"]),
            tries=r["tries"] + 1,
            lease=lease,
            created_at=r["created_at"],
        )
        for r in rows
    ]


def settle(
    book: Book,
    forward: Forward,
    state: str,
    *,
    now: datetime,
    code: str = "",
    ready_at: datetime | None = None,
) -> None:
    """state: sent or failed end it, ready comes back at `ready_at`."""
    values: dict[str, Any] = {"state": state, "code": code[:40], "lease": None, "lease_until": None}
    if ready_at is not None:
        values["ready_at"] = ready_at
    else:
        values["settled_at"] = now
    book.run(
        update(forwards).where(forwards.c.id == forward.id, forwards.c.lease == forward.lease).values(values)
    )


def acknowledge(book: Book, ref: str, client: int, *, now: datetime) -> bool:
    """The client says that it has the request. False: no such request of this client."""
    case = select(cases.c.id).where(cases.c.ref == ref.upper(), cases.c.client == client).scalar_subquery()
    done = book.run(
        update(forwards)
        .where(forwards.c.case_id == case, forwards.c.client == client, forwards.c.acknowledged_at.is_(None))
        .values(acknowledged_at=now)
        .returning(forwards.c.id)
    )
    return done.first() is not None
