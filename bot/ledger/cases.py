"""Keep cases: what a human must do, for whom and by when. Decides neither due dates nor whose duty it is."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import date, datetime

from sqlalchemy import String, bindparam, func, select, update
from sqlalchemy.engine import RowMapping

from bot.domain.errors import NotKnown
from bot.ledger.book import Book, Prepared
from bot.ledger.tables import case_notes, cases

_BODY = "case_notes.body"
_LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"  #: nothing that is read for something else over the phone
REF_LENGTH = 8


@dataclass(frozen=True, slots=True)
class Case:
    id: int
    ref: str
    topic: str
    audience: str
    state: str
    is_verified: bool
    is_urgent: bool
    conversation: int | None
    person: int | None
    client: int | None
    language: str
    due_on: date | None
    received_at: datetime
    closed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Note:
    author: str
    staff: int | None
    at: datetime
    body: str = field(repr=False)


_OPEN = Prepared(
    lambda insert: insert(cases).on_conflict_do_nothing(index_elements=["ref"]).returning(cases.c.id),
    *"ref topic audience state is_verified is_urgent conversation person client".split(),
    *"language due_on received_at".split(),
)
_GET = Prepared(lambda _: select(cases).where(cases.c.id == bindparam("case")))
_NEWEST = Prepared(
    lambda _: (
        select(cases)
        .where(
            cases.c.conversation == bindparam("of"),
            cases.c.state != "closed",
            cases.c.topic == func.coalesce(bindparam("about", type_=String), cases.c.topic),
        )
        .order_by(cases.c.id.desc())
        .limit(1)
    )
)
_NOTE = Prepared(lambda insert: insert(case_notes), *"case_id author staff inbox body_enc at".split())


def open_case(
    book: Book,
    *,
    topic: str,
    audience: str,
    conversation: int | None,
    person: int | None,
    client: int | None,
    language: str,
    due_on: date | None,
    received_at: datetime,
    state: str = "open",
    is_verified: bool = False,
    is_urgent: bool = False,
) -> Case:
    """File a new case under a reference of its own."""
    for _ in range(5):
        ref = "".join(secrets.choice(_LETTERS) for _ in range(REF_LENGTH))
        number = book.scalar(
            _OPEN,
            ref=ref,
            topic=topic,
            audience=audience,
            state=state,
            is_verified=is_verified,
            is_urgent=is_urgent,
            conversation=conversation,
            person=person,
            client=client,
            language=language,
            due_on=due_on.isoformat() if due_on else None,
            received_at=received_at,
        )
        if number is not None:
            return get(book, number)
    raise NotKnown("no free reference")  # five collisions in 32**8: the random source is broken


def get(book: Book, case: int) -> Case:
    """One case. Raises NotKnown."""
    row = book.row(_GET, case=case)
    if row is None:
        raise NotKnown("case")
    return _case(row)


def by_ref(book: Book, ref: str) -> Case | None:
    row = book.row(select(cases).where(cases.c.ref == ref.upper()))
    return None if row is None else _case(row)


def open_of(book: Book, conversation: int, topic: str | None = None) -> Case | None:
    """The newest case of the conversation that is not closed, of one topic or of any."""
    row = book.row(_NEWEST, of=conversation, about=topic)
    return None if row is None else _case(row)


def listed(book: Book, *, conversation: int | None = None, include_closed: bool = False) -> list[Case]:
    """Cases, the most pressing first: urgent, then by due date."""
    query = select(cases)
    if conversation is not None:
        query = query.where(cases.c.conversation == conversation)
    if not include_closed:
        query = query.where(cases.c.state != "closed")
    query = query.order_by(cases.c.is_urgent.desc(), cases.c.due_on.is_(None), cases.c.due_on, cases.c.id)
    return [_case(row) for row in book.rows(query.limit(500))]


def set_state(book: Book, case: int, state: str, *, now: datetime) -> None:
    book.run(
        update(cases)
        .where(cases.c.id == case)
        .values(state=state, closed_at=now if state == "closed" else None)
    )


def note(
    book: Book,
    case: int,
    *,
    author: str,
    body: str,
    at: datetime,
    staff: int | None = None,
    inbox: int | None = None,
) -> None:
    """Add a line to the case's file."""
    sealed = book.seal(_BODY, body)
    values = {"case_id": case, "author": author, "staff": staff, "inbox": inbox, "body_enc": sealed, "at": at}
    book.run(_NOTE, values)


def notes_of(book: Book, case: int) -> list[Note]:
    rows = book.rows(select(case_notes).where(case_notes.c.case_id == case).order_by(case_notes.c.id))
    return [Note(r["author"], r["staff"], r["at"], book.unseal(_BODY, r["body_enc"])) for r in rows]


def _case(row: RowMapping) -> Case:
    return Case(
        id=row["id"],
        ref=row["ref"],
        topic=row["topic"],
        audience=row["audience"],
        state=row["state"],
        is_verified=row["is_verified"],
        is_urgent=row["is_urgent"],
        conversation=row["conversation"],
        person=row["person"],
        client=row["client"],
        language=row["language"],
        due_on=date.fromisoformat(row["due_on"]) if row["due_on"] else None,
        received_at=row["received_at"],
        closed_at=row["closed_at"],
    )
