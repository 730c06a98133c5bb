"""Keep cases: what a human must do, for whom and by when. Decides neither due dates nor whose duty it is."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from sqlalchemy import (
    ColumnElement,
    CursorResult,
    String,
    Update,
    bindparam,
    exists,
    func,
    literal_column,
    or_,
    select,
    update,
)

from bot.domain import references
from bot.domain.errors import NotKnown
from bot.ledger.book import Book, Prepared, Row
from bot.ledger.tables import case_notes, cases, notices

_BODY = "case_notes.body"
MOST = 500  #: cases of one list


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
    forwarded_at: datetime | None
    reminded_at: datetime | None
    escalated_at: datetime | None
    acknowledged_at: datetime | None
    extended_at: datetime | None
    is_refused: bool
    wants_word: bool

    @property
    def is_right(self) -> bool:
        """Is it a claim of a right, which has a clock and an answer that is owed?"""
        return self.topic.startswith("rights_")

    @property
    def is_ours(self) -> bool:
        """Is it a right that the provider itself must answer?"""
        return self.is_right and self.client is None


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
_ABOUT = Prepared(
    lambda _: (
        select(cases)
        .where(
            cases.c.conversation == bindparam("of"),
            cases.c.state != "closed",
            cases.c.topic == bindparam("about"),
        )
        .order_by(cases.c.id.desc())
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
        ref = references.make(secrets.choice)
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


def own(book: Book, refs: Sequence[str], *, conversation: int, person: int | None) -> Case | None:
    """The case of one of these references, if it is of this conversation or of this person; else None."""
    is_theirs = cases.c.conversation == conversation
    if person is not None:
        is_theirs |= cases.c.person == person
    row = book.row(select(cases).where(cases.c.ref.in_(refs), is_theirs).order_by(cases.c.id).limit(1))
    return None if row is None else _case(row)


def newest_own(book: Book, *, conversation: int, person: int | None) -> Case | None:
    """The newest case of this conversation or this person that was surely filed for them."""
    is_theirs = cases.c.conversation == conversation
    if person is not None:
        is_theirs |= cases.c.person == person
    query = select(cases).where(is_theirs, cases.c.state != "possible").order_by(cases.c.id.desc()).limit(1)
    row = book.row(query)
    return None if row is None else _case(row)


def open_of(book: Book, conversation: int, topic: str | None = None) -> Case | None:
    """The newest case of the conversation that is not closed, of one topic or of any."""
    row = book.row(_NEWEST, of=conversation, about=topic)
    return None if row is None else _case(row)


def open_about(book: Book, conversation: int, topic: str) -> list[Case]:
    """The cases of the conversation about a topic that are not closed, the newest first: one for each client."""
    return [_case(row) for row in book.rows(_ABOUT, of=conversation, about=topic)]


def listed(book: Book, *, conversation: int | None = None, include_closed: bool = False) -> list[Case]:
    """Cases, the most pressing first: urgent, then by due date."""
    query = select(cases)
    if conversation is not None:
        query = query.where(cases.c.conversation == conversation)
    if not include_closed:
        query = query.where(cases.c.state != "closed")
    query = query.order_by(cases.c.is_urgent.desc(), cases.c.due_on.is_(None), cases.c.due_on, cases.c.id)
    return [_case(row) for row in book.rows(query.limit(MOST))]


def due(book: Book, *, states: Sequence[str]) -> list[Case]:
    """Cases with a date in some states, the earliest first, whoever has their conversation.

    Of those passed on only the ones that are a person's to do: still on their way, or not acknowledged for long.
    """
    is_to_do = or_(cases.c.state != "forwarded", cases.c.escalated_at.is_not(None), _is_on_its_way())
    query = (
        select(cases)
        .where(cases.c.state.in_(states), cases.c.due_on.is_not(None), cases.c.acknowledged_at.is_(None))
        .where(is_to_do)
        .order_by(cases.c.due_on, cases.c.id)
    )
    return [_case(row) for row in book.rows(query.limit(MOST))]


def is_to_do(book: Book, case: Case) -> bool:
    """Is a case that is not closed a person's to do, as `due` has it?"""
    if case.acknowledged_at is not None:
        return False
    if case.state != "forwarded" or case.escalated_at is not None:
        return True
    return bool(book.scalar(select(_is_on_its_way()).where(cases.c.id == case.id)))


def set_state(book: Book, case: int, state: str, *, now: datetime) -> None:
    book.run(
        update(cases)
        .where(cases.c.id == case)
        .values(state=state, closed_at=now if state == "closed" else None)
    )


def adopt(
    book: Book, case: int, *, audience: str, client: int | None, due_on: date | None, is_verified: bool
) -> None:
    """It is known now who the person is and whose duty it is. What was verified stays so."""
    values = {"state": "open", "audience": audience, "client": client}
    values |= {"due_on": due_on.isoformat() if due_on else None}
    book.run(update(cases).where(cases.c.id == case).values(values))
    if is_verified:
        verify(book, case)


def belongs_to(book: Book, case: int, person: int) -> None:
    """The number of a chat is known now, and with it the person whose case this is."""
    book.run(update(cases).where(cases.c.id == case, cases.c.person.is_(None)).values(person=person))


def verify(book: Book, case: int) -> bool:
    """The person is who they say they are. False: that was known. Nothing takes it back."""
    return _once(book, update(cases).where(cases.c.id == case, ~cases.c.is_verified).values(is_verified=True))


def forward(book: Book, case: int, *, now: datetime) -> None:
    """It is on its way to the client."""
    values = {"state": "forwarded", "forwarded_at": func.coalesce(cases.c.forwarded_at, now)}
    book.run(update(cases).where(cases.c.id == case).values(values))


def take_back(book: Book, case: int) -> None:
    """The client could not be told, so it is support's to pass on. Nothing to do if the client has it all the same."""
    book.run(_silent(case).values(state="open"))


def acknowledge(book: Book, case: int, *, now: datetime) -> bool:
    """The client has it, even if it seemed never to have got it. False: it said so before."""
    first = update(cases).where(cases.c.id == case, cases.c.acknowledged_at.is_(None))
    if not _once(book, first.values(acknowledged_at=now)):
        return False
    book.run(update(cases).where(cases.c.id == case, cases.c.state == "open").values(state="forwarded"))
    return True


def remind(book: Book, case: int, *, now: datetime) -> bool:
    """The client is reminded now. False: it was, or it has acknowledged."""
    return _once(book, _silent(case).where(cases.c.reminded_at.is_(None)).values(reminded_at=now))


def escalate(book: Book, case: int, *, due_on: date, now: datetime) -> bool:
    """Support is to see to it by `due_on`. False: it is so already, or the client has acknowledged."""
    values = {"escalated_at": now, "due_on": due_on.isoformat()}
    return _once(book, _silent(case).where(cases.c.escalated_at.is_(None)).values(values))


def extend(book: Book, case: int, *, due_on: date, now: datetime) -> bool:
    """It takes until `due_on`. False: it was extended before, or is not open."""
    open_ = update(cases).where(
        cases.c.id == case, cases.c.state.in_(("open", "possible")), cases.c.extended_at.is_(None)
    )
    return _once(book, open_.values(due_on=due_on.isoformat(), extended_at=now, state="open"))


def refuse(book: Book, case: int, *, now: datetime) -> bool:
    """It is closed by a refusal. False: it is not open."""
    open_ = update(cases).where(cases.c.id == case, cases.c.state.in_(("open", "possible")))
    return _once(book, open_.values(state="closed", closed_at=now, is_refused=True))


def want_word(book: Book, case: int, *, wants: bool) -> bool:
    """The person wants to hear when the client acknowledges it, or has heard. False: it is so already."""
    return _once(
        book, update(cases).where(cases.c.id == case, cases.c.wants_word != wants).values(wants_word=wants)
    )


# Values and all, as `ix_cases_unacknowledged` has it: SQLite sees through no parameter to a partial index.
_IS_SILENT = (cases.c.state == literal_column("'forwarded'")) & cases.c.acknowledged_at.is_(None)
_IS_HAD = (cases.c.state == "forwarded") & cases.c.acknowledged_at.is_not(None)
_IS_FORWARD = (notices.c.case_id == cases.c.id) & (notices.c.event_type == "rights_request.forwarded")


def _is_on_its_way() -> ColumnElement[bool]:
    """Is it still tried to tell the client? The tries follow each other closely, so no reminder is due."""
    return exists(select(notices.c.id).where(_IS_FORWARD, notices.c.state.in_(("ready", "in_hand"))))


@dataclass(frozen=True, slots=True)
class Told:
    """A request that a client was told of and has not acknowledged. at: when it was told."""

    case: Case
    at: datetime


def unacknowledged(book: Book) -> list[Told]:
    """What clients were told of and are silent about, as long as a reminder or an escalation may be due."""
    told_at = (
        select(func.max(notices.c.settled_at)).where(_IS_FORWARD, notices.c.state == "sent").scalar_subquery()
    )
    query = (
        select(cases, func.coalesce(told_at, cases.c.forwarded_at).label("told_at"))
        .where(_IS_SILENT, cases.c.escalated_at.is_(None), ~_is_on_its_way())
        .order_by(cases.c.id)
    )
    return [Told(_case(row), row["told_at"]) for row in book.rows(query)]


def wanting_word(book: Book) -> list[Case]:
    """Requests that the client has and whose person waits to hear it."""
    query = select(cases).where(_IS_HAD, cases.c.wants_word)
    return [_case(row) for row in book.rows(query.order_by(cases.c.id))]


def had_since(book: Book, received_before: datetime) -> list[Case]:
    """Requests of before a moment that the client has: nothing of them is left to do here."""
    query = select(cases).where(_IS_HAD, cases.c.received_at < received_before)
    return [_case(row) for row in book.rows(query.order_by(cases.c.id).limit(MOST))]


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
    book.do(_NOTE, **values)


def notes_of(book: Book, case: int) -> list[Note]:
    rows = book.rows(select(case_notes).where(case_notes.c.case_id == case).order_by(case_notes.c.id))
    return [Note(r["author"], r["staff"], r["at"], book.unseal(_BODY, r["body_enc"])) for r in rows]


def _case(row: Row) -> Case:
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
        forwarded_at=row["forwarded_at"],
        reminded_at=row["reminded_at"],
        escalated_at=row["escalated_at"],
        acknowledged_at=row["acknowledged_at"],
        extended_at=row["extended_at"],
        is_refused=row["is_refused"],
        wants_word=row["wants_word"],
    )


def _silent(case: int) -> Update:
    return update(cases).where(cases.c.id == case, _IS_SILENT)


def _once(book: Book, statement: Update) -> bool:
    """Whether the statement changed its row: of several who try at once, one does."""
    result = book.run(statement)
    assert isinstance(result, CursorResult)
    return result.rowcount == 1
