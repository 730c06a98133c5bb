"""Keep what is on its way to clients, in the order of each person, with its tries. Sends nothing, words nothing."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    and_,
    bindparam,
    exists,
    func,
    literal_column,
    or_,
    select,
    update,
)

from bot.ledger import audit
from bot.ledger.audit import Telling
from bot.ledger.book import Book, Prepared, Row
from bot.ledger.tables import clients, notices

_BODY = "notices.body"
_CHUNK = 5_000  #: rows named in one statement
LEASE = timedelta(seconds=90)
DIGEST_EVERY = timedelta(hours=24)
LARGEST_DIGEST = 20_000  #: notices of one mail, about 2 MB; what is over waits for the next day's


class EventType(StrEnum):
    """What a client is told of; the `type` of a Standard Webhooks payload."""

    STOPPED = "optout.created"
    LIFTED = "optout.lifted"
    RIGHTS = "rights_request.forwarded"
    REMINDER = "rights_request.reminder"
    """The same again, since it was not acknowledged."""


REQUESTS = frozenset({EventType.RIGHTS, EventType.REMINDER})
"""What is about one request and has a due date, so that it waits for no daily mail."""


class Way(StrEnum):
    """How it reaches the client."""

    WEBHOOK = "webhook"
    MAIL = "mail"  #: one at once, for a request with a due date
    DIGEST = "digest"  #: one mail a day for all that waits


@dataclass(frozen=True, slots=True)
class Draft:
    """What is to be told. Exactly one of `case` and `evidence` is set: why it is told."""

    event_type: EventType
    client: int
    person: int
    way: Way
    body: Mapping[str, Any] = field(repr=False)
    case: int | None = None
    evidence: int | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """One notice in somebody's hand. `event` is the webhook-id: the same over every attempt."""

    id: int
    event: str
    event_type: EventType
    client: int
    person: int
    case: int | None
    way: Way
    body: Mapping[str, Any] = field(repr=False)
    tries: int
    lease: str


_NEWEST = Prepared(
    lambda _: select(func.max(notices.c.sequence)).where(
        notices.c.client == bindparam("of_client"), notices.c.person == bindparam("of_person")
    )
)
_PUT = Prepared(
    lambda insert: insert(notices),
    *("event", "event_type", "client", "person", "sequence", "case_id", "evidence", "way", "body_enc"),
    *("state", "ready_at", "created_at"),
)


def put(book: Book, draft: Draft, *, now: datetime) -> str:
    """Write a notice down after all others of its person, and return its webhook-id.

    Whoever calls holds the person (`people.lock`): two places in the order would collide otherwise.
    """
    newest = book.scalar(_NEWEST, of_client=draft.client, of_person=draft.person)
    event = f"msg_{secrets.token_hex(12)}"
    values = {
        "event": event,
        "event_type": draft.event_type.value,
        "client": draft.client,
        "person": draft.person,
        "sequence": (newest or 0) + 1,
        "case_id": draft.case,
        "evidence": draft.evidence,
        "way": draft.way.value,
        "body_enc": book.keys.seal_json(_BODY, draft.body),
        "state": "ready",
        "ready_at": now,
        "created_at": now,
    }
    book.do(_PUT, **values)
    return event


def claim(book: Book, *, now: datetime) -> Notice | None:
    """Take the oldest that is due and is no part of a digest; a holder that died lets its lease run out.

    One waits for every earlier one of its person, and a webhook that has just failed rests
    (`clients.rest_webhook`), so that a client that hangs does not keep the others waiting.
    """
    is_awake = clients.c.webhook_rests_until.is_(None) | (clients.c.webhook_rests_until <= now)
    query = (
        select(notices)
        .join(clients, clients.c.id == notices.c.client)
        .where(
            notices.c.way != Way.DIGEST.value,
            _is_free(now),
            notices.c.ready_at <= now,
            ~_waits_for_another(),
            or_(notices.c.way != Way.WEBHOOK.value, is_awake),
        )
        .order_by(notices.c.id)
        .limit(1)
    )
    taken = _take(book, query, now=now)
    return taken[0] if taken else None


def claim_digest(book: Book, *, now: datetime) -> list[Notice]:
    """Take all that waits for one client's daily mail, in order; empty if no client's mail is due.

    One that failed holds back those that came after it, so that they go in one mail and in order.
    """
    other = notices.alias("other")
    holds_back = exists(
        select(other.c.id).where(
            other.c.client == notices.c.client,
            other.c.way == Way.DIGEST.value,
            _is_open(other),
            or_(
                and_(other.c.state == "ready", other.c.ready_at > now),
                and_(other.c.state == "in_hand", other.c.lease_until >= now),
            ),
        )
    )
    is_due = clients.c.digested_at.is_(None) | (clients.c.digested_at <= now - DIGEST_EVERY)
    due = (
        select(notices.c.client)
        .join(clients, clients.c.id == notices.c.client)
        .where(notices.c.way == Way.DIGEST.value, _is_free(now), is_due, ~holds_back)
        .order_by(notices.c.id)
        .limit(1)
    )
    client = book.scalar(due)
    if client is None:
        return []
    # Whoever holds the client's row decides alone: a second worker sees the first one's leases.
    book.run(select(clients.c.id).where(clients.c.id == client).with_for_update(key_share=True))
    if book.scalar(due.where(notices.c.client == client)) is None:
        return []
    query = (
        select(notices)
        .where(notices.c.client == client, notices.c.way == Way.DIGEST.value, _is_free(now))
        .order_by(notices.c.id)
        .limit(LARGEST_DIGEST)
    )
    return _take(book, query, now=now)


_ENDED = {"ready": "failed", "failed": "given_up"}  #: what stands in the evidence of an attempt
_TOLD = (notices.c.evidence, notices.c.client, notices.c.event, notices.c.way)


def settle(
    book: Book,
    held: Sequence[Notice],
    state: str,
    *,
    now: datetime,
    code: str = "",
    ready_at: datetime | None = None,
    way: Way | None = None,
) -> None:
    """Write down how it ended; only whoever holds the lease can. Of an opt-out it is evidence, too.

    state: sent or failed end it, ready comes back at `ready_at`. way: the other way it goes from now on,
    with its tries counted anew.
    """
    is_sent, ended = state == "sent", "moved" if way is not None else _ENDED.get(state, state)
    values: dict[str, Any] = {"state": state, "code": code[:40], "lease": None, "lease_until": None}
    values |= {"settled_at": now} if ready_at is None else {"ready_at": ready_at}
    if way is not None:
        values |= {"way": way.value, "tries": 0}
    for start in range(0, len(held), _CHUNK):
        part = held[start : start + _CHUNK]
        mine = and_(notices.c.id.in_([n.id for n in part]), notices.c.lease.in_({n.lease for n in part}))
        settled = book.run(update(notices).where(mine).values(values).returning(*_TOLD)).all()
        attempts = [
            Telling(row.evidence, row.client, row.event, _delivered(row.way) if is_sent else ended)
            for row in settled
            if row.evidence is not None
        ]
        audit.tell(book, attempts, at=now)


def _delivered(way: str) -> str:
    return "delivered" if way == Way.WEBHOOK.value else "mailed"


def take_waiting(book: Book, client: int, way: Way, *, now: datetime) -> list[Notice]:
    """Take all that waits for a client on one way, due or not, because that way is closed."""
    query = select(notices).where(
        notices.c.client == client, notices.c.way == way.value, notices.c.state == "ready"
    )
    return _take(book, query.order_by(notices.c.id), now=now)


@dataclass(frozen=True, slots=True)
class Count:
    """How much of one kind and state there is for a client, and since when."""

    event_type: str
    way: str
    state: str
    count: int
    oldest: datetime


def counts(book: Book, client: int) -> list[Count]:
    """What a client was told, what waits and what failed, for whoever looks after it."""
    columns = (notices.c.event_type, notices.c.way, notices.c.state)
    query = select(*columns, func.count().label("count"), func.min(notices.c.created_at).label("oldest"))
    rows = book.rows(query.where(notices.c.client == client).group_by(*columns).order_by(*columns))
    return [Count(**row) for row in rows]


def _is_free(now: datetime) -> ColumnElement[bool]:
    return and_(_is_open(notices), or_(notices.c.state == "ready", notices.c.lease_until < now))


def _is_open(table: FromClause) -> ColumnElement[bool]:
    """As `ix_notices_open` has it, values and all: SQLite sees through no parameter to a partial index."""
    return table.c.state.in_([literal_column("'ready'"), literal_column("'in_hand'")])


def _waits_for_another() -> ColumnElement[bool]:
    """Is an earlier one of the person still open? A request, which has a due date, waits for no daily mail."""
    earlier = notices.alias("earlier")
    return exists(
        select(earlier.c.id).where(
            earlier.c.client == notices.c.client,
            earlier.c.person == notices.c.person,
            earlier.c.sequence < notices.c.sequence,
            _is_open(earlier),
            or_(earlier.c.way != Way.DIGEST.value, notices.c.event_type.not_in(REQUESTS)),
        )
    )


def _take(book: Book, query: Select[Any], *, now: datetime) -> list[Notice]:
    rows = book.rows(query.with_for_update(of=notices, skip_locked=True))
    lease = secrets.token_hex(16)
    if rows:
        mine = {"state": "in_hand", "lease": lease, "lease_until": now + LEASE, "tries": notices.c.tries + 1}
        for start in range(0, len(rows), _CHUNK):
            part = [row["id"] for row in rows[start : start + _CHUNK]]
            book.run(update(notices).where(notices.c.id.in_(part)).values(mine))
    return [_notice(book, row, lease) for row in rows]


def _notice(book: Book, row: Row, lease: str) -> Notice:
    return Notice(
        id=row["id"],
        event=row["event"],
        event_type=EventType(row["event_type"]),
        client=row["client"],
        person=row["person"],
        case=row["case_id"],
        way=Way(row["way"]),
        body=book.keys.unseal_json(_BODY, row["body_enc"]),
        tries=row["tries"] + 1,
        lease=lease,
    )
