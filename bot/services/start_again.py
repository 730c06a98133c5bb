"""Lift an opt-out, but only with the code that was texted back: a forged sender must not lift a block.

START lifts our block and never makes a consent (DESIGN, part 5). Tries are counted in the database.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from sqlalchemy import CursorResult, func, select, update
from sqlalchemy.engine import RowMapping

from bot.domain.consent import EVERY_CLIENT, OptOut, Start, State, after
from bot.domain.keywords import MATCHER_VERSION
from bot.ledger import consents, people
from bot.ledger.book import Book
from bot.ledger.conversations import Conversation
from bot.ledger.tables import codes
from bot.services import look_up_sender, tell_opt_outs
from bot.services.contracts import House
from bot.services.opt_out import Cause

LASTS = timedelta(hours=24)
TRIES = 3
CODES_A_DAY = 3


def what_stands(book: Book, conversation: Conversation, *, now: datetime) -> list[OptOut]:
    """The opt-outs START would lift: those that stop the address written to; if none does, all that stand.

    A START sent to one shop's number must not lift the STOP that another shop got.
    """
    if conversation.person is None:
        return []
    standing = consents.standing(book, conversation.person)
    candidates, _ = look_up_sender.candidates_for_stop(
        book, person=conversation.person, ours=conversation.address.ours, now=now
    )
    here = {c.client for c in candidates} | {EVERY_CLIENT}
    return [o for o in standing if o.client in here] or standing


def make_code(book: Book, conversation: Conversation, *, now: datetime) -> str | None:
    """A new two-digit code to send back. None: three were made today already."""
    assert conversation.person is not None  # asked before
    people.lock(book, conversation.person)  # a STOP under way is seen, or closes this code
    made = book.scalar(
        select(func.count())
        .select_from(codes)
        .where(
            codes.c.person == conversation.person,
            codes.c.purpose == "start",
            codes.c.made_at > now - timedelta(days=1),
        )
    )
    if made >= CODES_A_DAY:
        return None
    code = f"{secrets.randbelow(90) + 10}"
    book.run(
        update(codes)
        .where(codes.c.conversation == conversation.id, codes.c.purpose == "start", codes.c.used_at.is_(None))
        .values(tries_left=0)
    )
    book.run(
        book.insert(codes).values(
            conversation=conversation.id,
            person=conversation.person,
            purpose="start",
            code_key=_key(book, conversation, code),
            tries_left=TRIES,
            made_at=now,
            expires_at=now + LASTS,
        )
    )
    return code


def awaits_code(book: Book, conversation: Conversation, *, now: datetime) -> bool:
    """Is a START code open in this conversation?"""
    return _open(book, conversation, now=now) is not None


def try_code(
    house: House, book: Book, conversation: Conversation, code: str, *, cause: Cause, now: datetime
) -> str:
    """Hold a code against the open one and lift the opt-outs if it is right.

    Returns `ok`, `wrong`, `locked` (no try left) or `expired` (none is open). The try is taken before the
    comparison, in one statement, so that parallel guesses cannot share one. A STOP closes the codes made before
    it (`domain.consent`), so a right one answers nothing that was said after the person asked for it.
    """
    if conversation.person is None:
        return "expired"
    people.lock(book, conversation.person)
    row = _open(book, conversation, now=now)
    if row is None:
        return "expired"
    taken = book.run(
        update(codes)
        .where(codes.c.id == row["id"], codes.c.tries_left > 0)
        .values(tries_left=codes.c.tries_left - 1)
    )
    assert isinstance(taken, CursorResult)
    if taken.rowcount == 0:
        return "locked"
    known = {secrets.compare_digest(row["code_key"], key) for key in _keys(book, conversation, code)}
    if True not in known:
        return "wrong" if row["tries_left"] > 1 else "locked"
    book.run(update(codes).where(codes.c.id == row["id"]).values(used_at=now, tries_left=0))
    _lift(house, book, conversation, row["made_at"], cause=cause, now=now)
    return "ok"


def _lift(
    house: House,
    book: Book,
    conversation: Conversation,
    asked_at: datetime,
    *,
    cause: Cause,
    now: datetime,
) -> None:
    person = conversation.person
    assert person is not None  # a code belongs to a person
    standing = what_stands(book, conversation, now=now)
    state = State(tuple(standing), asked_at=asked_at, is_code_open=True)
    lifted = after(state, Start(tuple(o.client for o in standing))).lifted
    evidence = consents.record(
        book,
        consents.Act(
            act="start",
            person=person,
            conversation=conversation.id,
            cause=cause.message,
            provider=conversation.address.provider,
            scope="all",
            rule=cause.rule,
            span=cause.span,
            matcher=MATCHER_VERSION,
            signature=cause.signature,
            text=cause.text,
            clients=lifted,
            received_at=cause.received_at,
            effective_at=now,
            address=conversation.address,
            provider_id=cause.provider_id,
        ),
    )
    consents.lift(book, person, lifted, evidence=evidence, now=now)
    tell_opt_outs.tell(book, person, act=evidence, ways=house.ways_to_clients, now=now)


def _open(book: Book, conversation: Conversation, *, now: datetime) -> RowMapping | None:
    query = select(codes).where(
        codes.c.conversation == conversation.id,
        codes.c.person == conversation.person,
        codes.c.purpose == "start",
        codes.c.used_at.is_(None),
        codes.c.tries_left > 0,
        codes.c.expires_at > now,
    )
    return book.row(query.order_by(codes.c.id.desc()).limit(1))


def _key(book: Book, conversation: Conversation, code: str) -> bytes:
    return book.keys.find(f"start:{conversation.id}:{code}")


def _keys(book: Book, conversation: Conversation, code: str) -> list[bytes]:
    return book.keys.find_any(f"start:{conversation.id}:{code}")
