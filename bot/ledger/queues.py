"""Keep what came in and what goes out, each thing once and in its order. Decides neither answers nor consent.

A claim is a lease: whoever holds it settles the row by its token; a worker that dies lets it run out.
Uniqueness is the database's (UNIQUE), never a lock's.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, CursorResult, and_, bindparam, case, exists, func, or_, select, update

from bot.domain.conversation import Wish
from bot.domain.messages import Delivery, Inbound, Kind
from bot.domain.own_words import blanked
from bot.ledger.book import Book, Prepared, Row
from bot.ledger.tables import inbox, outbox

LEASE = timedelta(seconds=60)
MAX_TRIES = 5
LAST_ID = 2**63 - 1  #: more is no id of ours, and neither database takes it

BODY_IN = "inbox.body"
_WISH = "inbox.wish"
BODY_OUT = "outbox.body"
PASTED = "pasted"  #: among the facts of a message: the spans of its text that a client once sent
_KEPT_RAW = 4096  #: bytes of an unreadable payload kept for the engineer who looks at it


@dataclass(frozen=True, slots=True)
class Received:
    """A row of the inbox in somebody's hand."""

    id: int
    conversation: int
    kind: Kind
    text: str = field(repr=False)
    answered_id: str | None
    button: str | None = field(repr=False)
    language_hint: str | None
    wishes: tuple[Wish, ...]
    facts: Mapping[str, Any]
    tries: int
    lease: str
    received_at: datetime

    @property
    def said(self) -> str:
        """The text without what a client sent and the person only shows (`PASTED` among the facts)."""
        spans = self.facts.get(PASTED, ())
        return blanked(self.text, spans).strip() if spans else self.text


@dataclass(frozen=True, slots=True)
class Draft:
    """What is to go out. `once` makes a second row with the same value impossible."""

    conversation: int
    kind: str
    text: str = field(repr=False)
    key: str = ""
    cause: int | None = None
    once: str | None = None
    buttons: tuple[tuple[str, str], ...] = ()
    asks_contact: bool = False
    is_understood: bool = True
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """A row of the outbox in somebody's hand."""

    id: int
    conversation: int
    kind: str
    text: str = field(repr=False)
    buttons: tuple[tuple[str, str], ...] = field(repr=False)
    asks_contact: bool
    tries: int
    lease: str
    created_at: datetime
    tried_at: datetime | None
    expires_at: datetime | None
    was_unclear: bool


_OPEN = ("ready", "in_hand", "unknown")
_EARLIER_IN = inbox.alias("earlier")
_EARLIER_OUT = outbox.alias("earlier")

_ACCEPT = Prepared(
    lambda insert: (
        insert(inbox)
        .on_conflict_do_nothing(index_elements=["provider", "account", "provider_id"])
        .returning(inbox.c.id)
    ),
    *[
        "provider",
        "account",
        "provider_id",
        "conversation",
        "kind",
        "body_enc",
        "state",
        "is_late",
        "ready_at",
    ],
    "received_at",
    "sent_at",
    "settled_at",
)
_NOTE_WISH = Prepared(
    lambda _: (
        update(inbox)
        .where(inbox.c.id == bindparam("message"))
        .values(wish_enc=bindparam("wish"), state=bindparam("becomes"), settled_at=bindparam("at"))
    )
)
# OFFSET 0 keeps PostgreSQL from making a join of it: a queue grows faster than its statistics, and by old ones each
# row was held against every other: 98 ms for 480 rows, and 0.7 ms by the index, row by row.
_OLDEST_IN = Prepared(
    lambda _: (
        select(inbox)
        .where(
            inbox.c.state == "new",
            inbox.c.ready_at <= bindparam("now"),
            or_(inbox.c.lease_until.is_(None), inbox.c.lease_until < bindparam("now")),
            ~exists(
                select(_EARLIER_IN.c.id)
                .where(
                    _EARLIER_IN.c.conversation == inbox.c.conversation,
                    _EARLIER_IN.c.state == "new",
                    _EARLIER_IN.c.id < inbox.c.id,
                )
                .offset(0)
            ),
        )
        .order_by(inbox.c.id)
        .limit(bindparam("limit"))
        .with_for_update(skip_locked=True)
    )
)
_LEASE_IN = Prepared(
    lambda _: (
        update(inbox)
        .where(inbox.c.id.in_(bindparam("ids", expanding=True)))
        .values(lease=bindparam("by"), lease_until=bindparam("until"), tries=inbox.c.tries + 1)
    )
)
_MINE = Prepared(
    lambda _: (
        select(inbox.c.id)
        .where(inbox.c.id == bindparam("message"), inbox.c.lease == bindparam("by"), inbox.c.state == "new")
        .with_for_update()
    )
)
_SETTLE_IN = Prepared(
    lambda _: (
        update(inbox)
        .where(inbox.c.id == bindparam("message"), inbox.c.lease == bindparam("by"), inbox.c.state == "new")
        .values(
            state="settled",
            settled_at=bindparam("at"),
            lease=None,
            lease_until=None,
            needs_reading=bindparam("unread"),
        )
    )
)
_PUT = Prepared(
    lambda insert: insert(outbox).on_conflict_do_nothing(index_elements=["once"]).returning(outbox.c.id),
    *[
        "conversation",
        "cause",
        "kind",
        "once",
        "key",
        "is_understood",
        "body_enc",
        "state",
        "ready_at",
        "expires_at",
        "created_at",
    ],
)
_OLDEST_OUT = Prepared(
    lambda _: (
        select(outbox)
        .where(
            outbox.c.state.in_(_OPEN),
            outbox.c.ready_at <= bindparam("now"),
            or_(
                outbox.c.state.in_(("ready", "unknown")),
                and_(outbox.c.state == "in_hand", outbox.c.lease_until < bindparam("now")),
            ),
            ~exists(
                select(_EARLIER_OUT.c.id)
                .where(
                    _EARLIER_OUT.c.conversation == outbox.c.conversation,
                    _EARLIER_OUT.c.state.in_(_OPEN),
                    _EARLIER_OUT.c.id < outbox.c.id,
                )
                .offset(0)  # see _OLDEST_IN
            ),
        )
        .order_by(outbox.c.id)
        .limit(bindparam("limit"))
        .with_for_update(skip_locked=True)
    )
)
_DUE_IN = Prepared(
    lambda _: (
        select(inbox.c.id)
        .where(
            inbox.c.state == "new",
            inbox.c.ready_at <= bindparam("now"),
            or_(inbox.c.lease_until.is_(None), inbox.c.lease_until < bindparam("now")),
        )
        .limit(1)
    )
)
_DUE_OUT = Prepared(
    lambda _: (
        select(outbox.c.id)
        .where(
            outbox.c.state.in_(_OPEN),
            outbox.c.ready_at <= bindparam("now"),
            or_(outbox.c.state != "in_hand", outbox.c.lease_until < bindparam("now")),
        )
        .limit(1)
    )
)
_LEASE_OUT = Prepared(
    lambda _: (
        update(outbox)
        .where(outbox.c.id.in_(bindparam("ids", expanding=True)))
        .values(
            state="in_hand",
            lease=bindparam("by"),
            lease_until=bindparam("until"),
            tries=outbox.c.tries + 1,
            # Of an unclear one the first try stays: what it may have left behind is looked for from then on.
            tried_at=case(
                (outbox.c.state == "ready", bindparam("now", type_=outbox.c.tried_at.type)),
                else_=outbox.c.tried_at,
            ),
        )
    )
)

_IN_WINDOW = outbox.c.created_at >= bindparam("window")


def _answered(*which: ColumnElement[bool]) -> ColumnElement[int]:
    return func.count(func.distinct(case((and_(*which), outbox.c.cause))))


_GIVEN = Prepared(
    lambda _: select(
        _answered(_IN_WINDOW, ~outbox.c.is_understood).label("not_understood"),
        _answered(_IN_WINDOW, outbox.c.is_understood).label("understood"),
        _answered(outbox.c.is_understood).label("understood_today"),
    ).where(
        outbox.c.conversation == bindparam("conversation"),
        outbox.c.created_at >= bindparam("day"),
        outbox.c.kind == "reply",
    )
)


def accept(book: Book, message: Inbound, *, conversation: int | None, state: str) -> int | None:
    """File what came in. None: it was filed before, nothing is to happen."""
    body = {"text": message.text}
    if message.answered_id:
        body["answered_id"] = message.answered_id
    if message.button:
        body["button"] = message.button
    if message.language_hint:
        body["language_hint"] = message.language_hint
    if message.raw is not None:
        body["raw"] = message.raw[:_KEPT_RAW].decode("latin-1")
    number: int | None = book.scalar(
        _ACCEPT,
        provider=message.provider,
        account=message.account,
        provider_id=message.provider_id,
        conversation=conversation,
        kind=message.kind.value,
        body_enc=book.keys.seal_json(BODY_IN, body),
        state=state,
        is_late=message.is_late,
        ready_at=message.received_at,
        received_at=message.received_at,
        sent_at=message.sent_at,
        settled_at=None if state == "new" else message.received_at,
    )
    return number


def wish(
    book: Book, message: int, wishes: Sequence[Wish], *, facts: Mapping[str, Any], state: str, now: datetime
) -> None:
    """Note what was decided on receipt, so that the turn needs no model."""
    value = {"wishes": [asdict(w) for w in wishes], "facts": dict(facts)}
    book.do(
        _NOTE_WISH,
        message=message,
        wish=book.seal(_WISH, json.dumps(value, ensure_ascii=False)),
        becomes=state,
        at=None if state == "new" else now,
    )


def claim_inbox(book: Book, *, now: datetime, limit: int = 1) -> list[Received]:
    """Take the oldest message of each of up to `limit` conversations that have none in hand."""
    rows = book.rows(_OLDEST_IN, now=now, limit=limit)
    if not rows:
        return []
    lease = secrets.token_hex(16)
    book.do(_LEASE_IN, ids=[row["id"] for row in rows], by=lease, until=now + LEASE)
    return [_received(book, row, lease) for row in rows]


def still_mine(book: Book, message: Received) -> bool:
    """Is the lease still ours? Asked in the transaction that settles, so that no message is settled twice."""
    return book.scalar(_MINE, message=message.id, by=message.lease) is not None


def settle_inbox(book: Book, message: Received, *, now: datetime, needs_reading: bool = False) -> bool:
    """Nothing is left to do for a message. False: the lease is not ours any more, and so is the message."""
    changed = book.do(_SETTLE_IN, message=message.id, by=message.lease, at=now, unread=needs_reading)
    return changed == 1


def put_back(book: Book, message: Received, *, ready_at: datetime) -> None:
    """It could not be answered now; again later."""
    book.run(
        update(inbox)
        .where(inbox.c.id == message.id, inbox.c.lease == message.lease)
        .values(lease=None, lease_until=None, ready_at=ready_at)
    )


def poison(book: Book, message: Received, *, now: datetime) -> None:
    """Free the conversation of a message that keeps failing."""
    book.run(
        update(inbox)
        .where(inbox.c.id == message.id)
        .values(state="poisoned", settled_at=now, lease=None, lease_until=None)
    )


def unread(book: Book, *, since: datetime, limit: int) -> list[Received]:
    """Messages that were answered while no model was there, oldest first."""
    query = (
        select(inbox)
        .where(inbox.c.needs_reading, inbox.c.received_at >= since)
        .order_by(inbox.c.id)
        .limit(limit)
    )
    return [_received(book, row, "") for row in book.rows(query)]


def read_at_last(book: Book, message: int) -> bool:
    """Take the mark off. False: somebody else did, and whatever follows is theirs."""
    statement = update(inbox).where(inbox.c.id == message, inbox.c.needs_reading).values(needs_reading=False)
    result = book.run(statement)
    assert isinstance(result, CursorResult)
    return result.rowcount == 1


SPOKEN = (Kind.TEXT.value, Kind.CONTACT.value, Kind.START.value)


def put(book: Book, draft: Draft, *, now: datetime) -> int | None:
    """Put a text into the outbox. None: what may be said once was said before."""
    body: dict[str, Any] = {"text": draft.text}
    if draft.buttons:
        body["buttons"] = draft.buttons
    if draft.asks_contact:
        body["asks_contact"] = True
    number: int | None = book.scalar(
        _PUT,
        conversation=draft.conversation,
        cause=draft.cause,
        kind=draft.kind,
        once=draft.once,
        key=draft.key,
        is_understood=draft.is_understood,
        body_enc=book.keys.seal_json(BODY_OUT, body),
        state="ready",
        ready_at=now,
        expires_at=draft.expires_at,
        created_at=now,
    )
    return number


def claim_outbox(book: Book, *, now: datetime, limit: int = 1) -> list[Waiting]:
    """Take the oldest row of each of up to `limit` conversations that have none in hand.

    A row whose sender died while sending comes back as `was_unclear`: it may have gone out.
    """
    rows = book.rows(_OLDEST_OUT, now=now, limit=limit)
    if not rows:
        return []
    lease = secrets.token_hex(16)
    ids = [row["id"] for row in rows]
    book.do(_LEASE_OUT, ids=ids, by=lease, until=now + LEASE, now=now)
    return [_waiting(book, row, lease) for row in rows]


def settle_outbox(
    book: Book,
    message: Waiting,
    state: str,
    *,
    now: datetime,
    provider_id: str | None = None,
    delivery: Delivery | None = None,
    code: str = "",
    ready_at: datetime | None = None,
) -> None:
    """Write down how sending ended; only whoever holds the lease can.

    state: sent, failed, cancelled, expired end it; ready and unknown come back at `ready_at`.
    """
    is_mine = and_(outbox.c.id == message.id, outbox.c.lease == message.lease)
    row = book.row(select(outbox.c.delivery).where(is_mine).with_for_update())
    if row is None:
        return
    values: dict[str, Any] = {"state": state, "lease": None, "lease_until": None}
    if provider_id is not None:
        values["provider_id"] = provider_id
    if delivery is None or delivery.rank > _rank(row):  # a report may be faster than the provider's answer
        values |= {"code": code[:40]} if delivery is None else {"code": code[:40], "delivery": delivery.value}
    if ready_at is not None:
        values["ready_at"] = ready_at
    if state not in ("ready", "unknown"):
        values["settled_at"] = now
    book.run(update(outbox).where(is_mine).values(values))


def give_back(book: Book, message: Waiting, *, now: datetime) -> None:
    """Whoever claimed it did not get to it: it is free again, and no try was made."""
    book.run(
        update(outbox)
        .where(outbox.c.id == message.id, outbox.c.lease == message.lease)
        .values(
            state="unknown" if message.was_unclear else "ready",
            lease=None,
            lease_until=None,
            ready_at=now,
            tries=outbox.c.tries - 1,
        )
    )


def report(book: Book, outbox_id: int | None, provider_id: str, delivery: Delivery, code: str) -> int | None:
    """Note a delivery report if it is news. The row's id, or None if no row of ours is meant."""
    if outbox_id is not None and outbox_id > LAST_ID:
        return None
    mine = _meant(outbox_id, provider_id)
    row = book.row(select(outbox.c.id, outbox.c.delivery, outbox.c.state).where(mine).with_for_update())
    if row is None:
        return None
    if delivery.rank > _rank(row):
        values: dict[str, Any] = {"delivery": delivery.value, "code": code[:40]}
        if row["state"] == "unknown" and delivery is not Delivery.UNKNOWN:
            values |= {"state": "sent", "provider_id": provider_id}
        book.run(update(outbox).where(outbox.c.id == row["id"]).values(values))
    number: int = row["id"]
    return number


def _rank(row: Row) -> int:
    return Delivery(row["delivery"]).rank if row["delivery"] else Delivery.UNKNOWN.rank


def conversation_of(book: Book, outbox_id: int | None, provider_id: str = "") -> int | None:
    """The conversation of a row that a report means, by our id or by the provider's; None: it means none."""
    if outbox_id is not None and outbox_id > LAST_ID:
        return None
    number: int | None = book.scalar(select(outbox.c.conversation).where(_meant(outbox_id, provider_id)))
    return number


def _meant(outbox_id: int | None, provider_id: str) -> ColumnElement[bool]:
    return outbox.c.id == outbox_id if outbox_id is not None else outbox.c.provider_id == provider_id


@dataclass(frozen=True, slots=True)
class Given:
    """How many messages of a conversation were answered: within the window, and today."""

    not_understood: int
    understood: int
    understood_today: int


def answers_given(book: Book, conversation: int, *, window: datetime, day: datetime) -> Given:
    """Count the answers given since the beginning of a window and of a day, by what they answered."""
    row = book.row(_GIVEN, conversation=conversation, window=window, day=day)
    assert row is not None  # an aggregate always has its row
    return Given(row["not_understood"], row["understood"], row["understood_today"])


def has_inbox(book: Book, *, now: datetime) -> bool:
    """Is there anything to claim? A look that writes nothing, before a claim that takes the writer's turn."""
    return book.scalar(_DUE_IN, now=now) is not None


def has_outbox(book: Book, *, now: datetime) -> bool:
    """The same of what goes out."""
    return book.scalar(_DUE_OUT, now=now) is not None


def is_idle(book: Book, conversation: int | None) -> bool:
    """Has everything that came in been answered and everything that goes out been sent?"""
    if conversation is None:
        return True
    open_in = exists().where(inbox.c.conversation == conversation, inbox.c.state == "new")
    open_out = exists().where(outbox.c.conversation == conversation, outbox.c.state.in_(("ready", "in_hand")))
    return not book.scalar(select(or_(open_in, open_out)))


def cancel_replies(book: Book, conversation: int, *, now: datetime) -> None:
    """A human took over: what the bot had ready is not said any more."""
    book.run(
        update(outbox)
        .where(
            outbox.c.conversation == conversation,
            outbox.c.kind.in_(("reply", "notice")),
            outbox.c.state == "ready",
        )
        .values(state="cancelled", code="human owns", settled_at=now)
    )


def _received(book: Book, row: Row, lease: str) -> Received:
    body = book.keys.unseal_json(BODY_IN, row["body_enc"])
    decided = book.keys.unseal_json(_WISH, row["wish_enc"])
    return Received(
        id=row["id"],
        conversation=row["conversation"],
        kind=Kind(row["kind"]),
        text=body.get("text", ""),
        answered_id=body.get("answered_id"),
        button=body.get("button"),
        language_hint=body.get("language_hint"),
        wishes=tuple(
            Wish(**{**w, "alternatives": tuple(w["alternatives"])}) for w in decided.get("wishes", ())
        ),
        facts=decided.get("facts", {}),
        tries=row["tries"] + 1,
        lease=lease,
        received_at=row["received_at"],
    )


def _waiting(book: Book, row: Row, lease: str) -> Waiting:
    body = book.keys.unseal_json(BODY_OUT, row["body_enc"])
    return Waiting(
        id=row["id"],
        conversation=row["conversation"],
        kind=row["kind"],
        text=body["text"],
        buttons=tuple((token, label) for token, label in body.get("buttons", ())),
        asks_contact=bool(body.get("asks_contact")),
        tries=row["tries"] + 1,
        lease=lease,
        created_at=row["created_at"],
        tried_at=row["tried_at"],
        expires_at=row["expires_at"],
        was_unclear=row["state"] in ("unknown", "in_hand"),
    )
