"""Follow up what was passed on to clients: remind them, call support in, tell the person who asked to hear of it.

Each step is one transaction that marks the case first, so that whoever dies or comes second does it not again.
Words no text and sends nothing.
"""

from __future__ import annotations

from datetime import datetime, time, timedelta

import structlog

from bot.domain.conversation import Owner
from bot.domain.deadlines import (
    WARSAW,
    WORKING_DAYS,
    Step,
    day_in_warsaw,
    due_on,
    extended,
    is_over,
    is_working_day,
    next_working_day,
)
from bot.ledger import cases, conversations, people, queues
from bot.ledger.book import Book
from bot.ledger.cases import Case
from bot.ledger.notices import EventType
from bot.services.contracts import House
from bot.services.request_rights import tell_client

log = structlog.get_logger()

TOLD_FROM, TOLD_UNTIL = time(8), time(20)
"""When, on working days in Warsaw, a person is written to unprompted: nobody waits for this by night."""

LONGEST_TERM = timedelta(days=89)
"""Three months are at least that long: after them the client owes an answer no more that we could speak of."""


def remind(house: House, *, now: datetime) -> int:
    """Take every step that is due. Returns how many were taken."""
    with house.ledger.read() as book:
        silent = cases.unacknowledged(book)
        waiting = cases.wanting_word(book) if _is_daytime(now) else []
        over = cases.had_since(book, now - LONGEST_TERM)
    taken = 0
    for told in silent:
        if told.case.reminded_at is None and is_over(told.at, Step.REMIND, now):
            with house.ledger.write() as book:
                taken += _remind(house, book, told.case, now)
        if is_over(told.at, Step.ESCALATE, now):
            with house.ledger.write() as book:
                taken += _escalate(book, told.case, now)
    for case in waiting:
        with house.ledger.write() as book:
            taken += _tell_person(house, book, case, now)
    for case in over:
        if day_in_warsaw(now) > extended(case.received_at):
            with house.ledger.write() as book:
                cases.set_state(book, case.id, "closed", now=now)
            taken += 1
    return taken


def _remind(house: House, book: Book, case: Case, now: datetime) -> bool:
    """Ask the client again; if there is no way to it any more, that is support's at once."""
    if case.person is not None:
        people.lock(book, case.person)  # before the case, as whoever passes a request on
    if not cases.remind(book, case.id, now=now):
        return False
    way = tell_client(house, book, case, EventType.REMINDER, now=now)
    if way is None:
        return _escalate(book, case, now)
    cases.note(book, case.id, author="bot", body=f"the client was reminded ({way.value})", at=now)
    log.info("client reminded", case=case.id)
    return True


def _escalate(book: Book, case: Case, now: datetime) -> bool:
    by = next_working_day(now, WORKING_DAYS[Step.FORWARD])
    if not cases.escalate(book, case.id, due_on=by, now=now):
        return False
    said = "the client has not acknowledged it: call them"
    cases.note(book, case.id, author="bot", body=said, at=now)
    log.warning("client is silent", case=case.id, client=case.client)
    return True


def _tell_person(house: House, book: Book, case: Case, now: datetime) -> bool:
    """What they asked to hear. Not while a human speaks with them; deliver holds it back if an opt-out stands."""
    if case.conversation is None:
        return False
    conversation = conversations.get(book, case.conversation)
    if conversation.owner is not Owner.BOT or not cases.want_word(book, case.id, wants=False):
        return False
    said = house.texts.say(
        "rights.acknowledged",
        house.language(case.language),
        conversation.address.medium,
        {"ref": case.ref, "due": due_on(case.received_at)},
    )
    draft = queues.Draft(conversation.id, kind="unprompted", text=said, key="rights.acknowledged")
    queues.put(book, draft, now=now)
    return True


def _is_daytime(now: datetime) -> bool:
    local = now.astimezone(WARSAW)
    return is_working_day(local.date()) and TOLD_FROM <= local.time() < TOLD_UNTIL
