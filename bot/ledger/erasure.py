"""Take out of the ledger what belongs to one person. Whether it may go is decided by who calls."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlalchemy import ColumnElement, Table, delete, func, or_, select, update

from bot.ledger.book import Book, Ledger
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


def erase(book: Book, person: int) -> ErasureReport:
    """Erase everything of a person but the opt-outs that stand, their number and the digests of the evidence.

    Cases stay as bare records (reference, topic, dates): that a request was answered must be shown for years.
    Texts of evidence go by destroying their row's key; who said them, unless an opt-out stands on it.
    """
    theirs = select(conversations.c.id).where(conversations.c.person == person)
    here = select(cases.c.id).where(or_(cases.c.person == person, cases.c.conversation.in_(theirs)))
    acts = or_(evidence.c.person == person, evidence.c.conversation.in_(theirs))
    is_lifted = (opt_outs.c.person == person) & opt_outs.c.lifted_at.is_not(None)
    stands = select(opt_outs.c.evidence).where(opt_outs.c.person == person, opt_outs.c.lifted_at.is_(None))
    of_nothing_standing = (notices.c.person == person) & notices.c.evidence.not_in(stands)
    texts = update(evidence).where(acts, evidence.c.text_key_enc.is_not(None))
    destroyed = texts.values(text_key_enc=None, text_enc=None).returning(evidence.c.id)
    stands = select(opt_outs.c.evidence).where(opt_outs.c.person == person, opt_outs.c.lifted_at.is_(None))
    book.run(update(evidence).where(acts, evidence.c.id.not_in(stands)).values(subject_enc=None))
    report = ErasureReport(
        texts=len(book.run(destroyed).all()),
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
