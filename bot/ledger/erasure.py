"""Take out of the ledger what belongs to one person. Whether it may go is decided by who calls."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, delete, func, or_, select, update

from bot.ledger import own_data
from bot.ledger.book import Book, Ledger
from bot.ledger.queues import BODY_OUT
from bot.ledger.tables import (
    case_notes,
    cases,
    codes,
    conversations,
    evidence,
    inbox,
    notices,
    opt_outs,
    outbox,
    people,
    sent,
)


@dataclass(frozen=True, slots=True)
class ErasureReport:
    """How many of each went. With standing opt-outs the number stays too, or they could not be kept.

    sent: messages of clients; messages: what was said with the bot and the desk; texts: of evidence;
    notices: what clients were told, but of opt-outs that stand.
    """

    sent: int = 0
    conversations: int = 0
    messages: int = 0
    notes: int = 0
    notices: int = 0
    codes: int = 0
    texts: int = 0
    lifted_opt_outs: int = 0
    standing_opt_outs: int = 0


_NOT_TO_BE_SENT = ("sent", "failed", "cancelled", "expired")
_STANDS = select(opt_outs.c.evidence).where(opt_outs.c.lifted_at.is_(None))


def erase(book: Book, person: int) -> ErasureReport:
    """Erase everything of a person but the opt-outs that stand, their number and the digests of the evidence.

    Cases stay as bare records (reference, topic, dates): that a request was answered must be shown for years.
    Texts of evidence go by destroying their row's key; who said them, unless an opt-out stands on it.
    """
    theirs = select(conversations.c.id).where(conversations.c.person == person)
    here = select(cases.c.id).where(or_(cases.c.person == person, cases.c.conversation.in_(theirs)))
    acts = or_(evidence.c.person == person, evidence.c.conversation.in_(theirs))
    is_lifted = (opt_outs.c.person == person) & opt_outs.c.lifted_at.is_not(None)
    of_nothing_standing = (notices.c.person == person) & notices.c.evidence.not_in(_STANDS)
    report = ErasureReport(
        texts=_forget_words(book, acts),
        notes=_delete(book, case_notes, case_notes.c.case_id.in_(here)),
        notices=_delete(book, notices, or_(notices.c.case_id.in_(here), of_nothing_standing)),
        messages=_delete(book, outbox, outbox.c.conversation.in_(theirs))
        + _delete(book, inbox, inbox.c.conversation.in_(theirs)),
        sent=_delete(book, sent, sent.c.person == person),
        codes=_delete(book, codes, codes.c.person == person),
        lifted_opt_outs=_delete(book, opt_outs, is_lifted),
        standing_opt_outs=_count_standing(book, person),
    )
    book.run(update(cases).where(cases.c.id.in_(here)).values(person=None, conversation=None))
    report = replace(report, conversations=_delete(book, conversations, conversations.c.person == person))
    if not report.standing_opt_outs:
        book.run(update(evidence).where(evidence.c.person == person).values(person=None))
        _delete(book, people, people.c.id == person)
    return report


def blank(
    book: Book, conversation: int, person: int | None, *, is_proven: bool, message: int
) -> ErasureReport:
    """Take out what was said in a conversation that goes on; of a proven person, everything that `erase` does.

    message: the one that is being answered; it is blanked too.
    Rows stay where more than their words counts: a message that is delivered again is known by its row, answers
    given are counted by theirs. Open cases keep their notes, or they could not be answered. What the conversation
    itself has open is the turn's to clear.
    """
    here = own_data.whose(conversation, person if is_proven else None)
    of_person = person if is_proven and person is not None else 0
    closed = select(cases.c.id).where(cases.c.conversation.in_(here), cases.c.state == "closed")
    of_nothing_standing = (notices.c.person == of_person) & notices.c.evidence.not_in(_STANDS)
    is_told = notices.c.state.in_(("sent", "failed"))
    is_lifted = (opt_outs.c.person == of_person) & opt_outs.c.lifted_at.is_not(None)
    report = ErasureReport(
        texts=_forget_words(book, or_(evidence.c.conversation.in_(here), evidence.c.person == of_person)),
        notes=_delete(book, case_notes, case_notes.c.case_id.in_(closed)),
        notices=_delete(book, notices, is_told & or_(notices.c.case_id.in_(closed), of_nothing_standing)),
        messages=_blank_messages(book, here, message),
        sent=_delete(book, sent, sent.c.person == of_person),
        codes=_delete(book, codes, codes.c.conversation.in_(here)),
        lifted_opt_outs=_delete(book, opt_outs, is_lifted),
        standing_opt_outs=0 if person is None else _count_standing(book, person),
    )
    book.run(update(cases).where(cases.c.id.in_(closed)).values(person=None, conversation=None))
    others = conversations.c.id.in_(here) & (conversations.c.id != conversation)
    book.run(update(conversations).where(others).values(asked_enc=None, memory_enc=None))
    return report


def _blank_messages(book: Book, here: Select[Any], message: int) -> int:
    """Of both directions, but what came and is not answered yet, and what is still to be sent."""
    is_answered = or_(inbox.c.state != "new", inbox.c.id == message)
    came = update(inbox).where(inbox.c.conversation.in_(here), inbox.c.body_enc.is_not(None), is_answered)
    went = update(outbox).where(outbox.c.conversation.in_(here), outbox.c.state.in_(_NOT_TO_BE_SENT))
    values = {"body_enc": None, "wish_enc": None, "needs_reading": False}
    blanked = len(book.run(came.values(values).returning(inbox.c.id)).all())
    nothing = book.keys.seal_json(BODY_OUT, {})
    return blanked + len(book.run(went.values(body_enc=nothing).returning(outbox.c.id)).all())


def _forget_words(book: Book, acts: ColumnElement[bool]) -> int:
    """Of evidence: its texts, by destroying their keys; and who said them, unless an opt-out stands on it."""
    book.run(update(evidence).where(acts, evidence.c.id.not_in(_STANDS)).values(subject_enc=None))
    texts = update(evidence).where(acts, evidence.c.text_key_enc.is_not(None))
    destroyed = texts.values(text_key_enc=None, text_enc=None).returning(evidence.c.id)
    return len(book.run(destroyed).all())


def _delete(book: Book, table: Table, which: ColumnElement[bool]) -> int:
    return len(book.run(delete(table).where(which).returning(*table.primary_key.columns)).all())


def _count_standing(book: Book, person: int) -> int:
    is_standing = (opt_outs.c.person == person) & opt_outs.c.lifted_at.is_(None)
    found: int = book.scalar(select(func.count()).select_from(opt_outs).where(is_standing))
    return found


def overwrite(ledger: Ledger) -> None:
    """Let SQLite take what was erased out of its log, too; PostgreSQL does so by its own vacuum."""
    if ledger.dialect != "sqlite":
        return
    raw = ledger.engine.raw_connection()
    try:
        raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    finally:
        raw.close()
