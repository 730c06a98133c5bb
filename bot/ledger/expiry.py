"""Find and remove what has been kept long enough. How long that is, domain.retention says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Table, delete, exists, func, null, or_, select, tuple_, update

from bot.domain.retention import Category
from bot.ledger.audit import Deed
from bot.ledger.book import Book
from bot.ledger.tables import (
    acts,
    cases,
    codes,
    conversations,
    counts,
    evidence,
    inbox,
    notices,
    opt_outs,
    outbox,
    people,
    sent,
    sessions,
    tellings,
    templates,
    tokens,
)


@dataclass(frozen=True, slots=True)
class Step:
    """Rows of a table that are due before a moment: deleted, or only some columns emptied (`blanks`)."""

    table: Table
    is_due: Callable[[datetime], ColumnElement[bool]]
    blanks: tuple[str, ...] = ()


def _refers(column: Any, to: Any) -> ColumnElement[bool]:
    return exists(select(1).where(column == to))


_HAS_SETTLED = outbox.c.state.in_(("sent", "failed", "cancelled", "expired"))
_IS_OPEN_CASE = exists(select(1).where(cases.c.conversation == conversations.c.id, cases.c.state != "closed"))
_HAS_NEWS = exists(select(1).where(inbox.c.conversation == conversations.c.id, inbox.c.state == "new"))
_HAS_MEMORY = conversations.c.memory_enc.is_not(None) | conversations.c.asked_enc.is_not(None)
_IS_EVIDENCE = _refers(opt_outs.c.evidence, evidence.c.id) | _refers(opt_outs.c.lifted_by, evidence.c.id)
_IS_ABOUT_EVIDENCE = _refers(opt_outs.c.evidence, tellings.c.evidence) | _refers(
    opt_outs.c.lifted_by, tellings.c.evidence
)
_IS_TOLD = _refers(tellings.c.evidence, evidence.c.id)
_IS_SOMEBODY = or_(
    *(
        _refers(table.c.person, people.c.id)
        for table in (sent, conversations, opt_outs, evidence, codes, cases)
    )
)

STEPS: Mapping[Category, tuple[Step, ...]] = {
    Category.TEXTS: (
        Step(inbox, lambda before: (inbox.c.received_at < before) & (inbox.c.state != "new")),
        Step(outbox, lambda before: (outbox.c.created_at < before) & _HAS_SETTLED),
        Step(
            notices,
            lambda before: (notices.c.settled_at < before) & notices.c.body_enc.is_not(None),
            blanks=("body_enc",),
        ),
    ),
    Category.EVIDENCE_TEXTS: (
        Step(
            evidence,
            lambda before: (evidence.c.received_at < before) & evidence.c.text_key_enc.is_not(None),
            blanks=("text_key_enc", "text_enc"),
        ),
    ),
    Category.TURN_MEMORY: (
        Step(
            conversations,
            lambda before: (conversations.c.last_at < before) & _HAS_MEMORY,
            blanks=("memory_enc", "asked_enc"),
        ),
    ),
    Category.WAITING_STOPS: (
        Step(
            conversations,
            lambda before: conversations.c.stop_waiting_until <= before,
            blanks=("stop_waiting_enc", "stop_waiting_until"),
        ),
    ),
    # A used one too stays to its end: a START's says which STOPs it has answered, an account's what it proved.
    Category.CODES: (
        Step(codes, lambda before: codes.c.expires_at < before),
        Step(
            outbox, lambda before: (outbox.c.kind == "code") & (outbox.c.expires_at < before) & _HAS_SETTLED
        ),
    ),
    Category.COUNTS: (Step(counts, lambda before: counts.c.expires_at <= before),),
    Category.SENT: (Step(sent, lambda before: sent.c.sent_at < before),),
    Category.TEMPLATES: (
        Step(
            templates,
            lambda before: (templates.c.last_seen_at < before) & ~_refers(sent.c.template, templates.c.id),
        ),
    ),
    Category.CLOSED_CASES: (
        Step(cases, lambda before: (cases.c.state == "closed") & (cases.c.closed_at < before)),
    ),
    Category.LIFTED_OPT_OUTS: (
        Step(opt_outs, lambda before: opt_outs.c.lifted_at < before),
        Step(tellings, lambda before: (tellings.c.at < before) & ~_IS_ABOUT_EVIDENCE),
        # By the moment that stands in its seal: whoever verifies sees that its time was over.
        Step(evidence, lambda before: (evidence.c.effective_at < before) & ~_IS_EVIDENCE & ~_IS_TOLD),
    ),
    # What a purge emptied can be told from what somebody deleted only by its own act, so those stay.
    Category.ACTS: (Step(acts, lambda before: (acts.c.at < before) & (acts.c.act != Deed.PURGED.value)),),
    Category.CONVERSATIONS: (
        Step(
            conversations,
            lambda before: (
                (conversations.c.last_at < before)
                & (conversations.c.owner == "bot")
                & ~_IS_OPEN_CASE
                & ~_HAS_NEWS
            ),
        ),
    ),
    Category.SESSIONS: (Step(sessions, lambda before: sessions.c.seen_at < before),),
    Category.REVOKED_TOKENS: (Step(tokens, lambda before: tokens.c.revoked_at < before),),
    Category.PEOPLE: (Step(people, lambda _: ~_IS_SOMEBODY),),
}


def count(book: Book, step: Step, *, before: datetime) -> int:
    """How many rows are due."""
    found: int = book.scalar(select(func.count()).select_from(step.table).where(step.is_due(before)))
    return found


def remove(book: Book, step: Step, *, before: datetime, limit: int) -> tuple[int, list[int]]:
    """Delete or empty at most `limit` rows that are due; return how many it was and their places in the chain.

    The rows are locked first and then looked at again: somebody may have begun to refer to one (a message
    imported for a number that was about to go), and a deletion must not take that along.
    """
    key = list(step.table.primary_key.columns)
    due = step.is_due(before)
    picked = select(*key).where(due).limit(limit).with_for_update(of=step.table, skip_locked=True)
    rows = book.run(picked).all()
    if not rows:
        return 0, []
    among = (
        key[0].in_([row[0] for row in rows]) if len(key) == 1 else tuple_(*key).in_([tuple(r) for r in rows])
    )
    if step.blanks:
        emptied = update(step.table).values(dict.fromkeys(step.blanks)).where(among, due).returning(*key)
        return len(book.run(emptied).all()), []
    place = step.table.c.seq if "seq" in step.table.c else null()
    gone = book.run(delete(step.table).where(among, due).returning(place.label("place"))).all()
    return len(gone), [row.place for row in gone if row.place is not None]
