"""Lift an opt-out, but only with the code that was texted back: a forged sender must not lift a block.

START lifts our block and never makes a consent (DESIGN, part 5). Tries are counted in the database.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from bot.domain.codes import A_DAY_MOST, Proof, Purpose
from bot.domain.consent import EVERY_CLIENT, OptOut, Start, State, after
from bot.domain.keywords import MATCHER_VERSION
from bot.ledger import client_opt_outs, codes, consents, people
from bot.ledger.book import Book
from bot.ledger.codes import Code
from bot.ledger.conversations import Conversation
from bot.services import look_up_sender, tell_opt_outs
from bot.services.contracts import House
from bot.services.opt_out import Cause


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
    if codes.made_for(book, conversation.person, Purpose.START, since=now - timedelta(days=1)) >= A_DAY_MOST:
        return None
    return codes.make(book, conversation.id, Purpose.START, person=conversation.person, now=now)


def awaits_code(book: Book, conversation: Conversation, *, now: datetime) -> bool:
    """Is a START code open in this conversation?"""
    return _open(book, conversation, now=now) is not None


def try_code(
    house: House, book: Book, conversation: Conversation, code: str, *, cause: Cause, now: datetime
) -> Proof:
    """Hold a code against the open one and lift the opt-outs if it is right; EXPIRED: none is open.

    A STOP closes the codes made before it (`domain.consent`), so a right one answers nothing that was said after
    the person asked for it.
    """
    if conversation.person is None:
        return Proof.EXPIRED
    people.lock(book, conversation.person)
    made = _open(book, conversation, now=now)
    if made is None:
        return Proof.EXPIRED
    tried = codes.take_try(book, made, code, now=now)
    if tried.proof is Proof.OK:
        _lift(house, book, conversation, made.made_at, cause=cause, now=now)
    return tried.proof


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
    rows = client_opt_outs.around(book, person, act=evidence)
    tell_opt_outs.tell(book, person, act=evidence, rows=rows, ways=house.ways_to_clients, now=now)


def _open(book: Book, conversation: Conversation, *, now: datetime) -> Code | None:
    made = codes.newest(book, conversation.id, Purpose.START)
    if made is None or made.person != conversation.person or not codes.is_open(made, now=now):
        return None
    return made
