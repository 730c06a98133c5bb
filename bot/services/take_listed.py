"""Take in who opted out on the provider's own page of a client's account. Sends no receipt: the page is one.

An entry counts once: it stays in the provider's list after the person has started again with us. One that is older
than the START is taken for answered, whenever the account was added.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice

import structlog

from bot.domain.client_lists import ClientLists, ListedOptOut
from bot.domain.consent import EVERY_CLIENT
from bot.domain.errors import SendFailed
from bot.ledger import client_accounts, client_opt_outs, people
from bot.ledger.book import Book
from bot.ledger.client_accounts import Account
from bot.services import reach_account
from bot.services.contracts import House
from bot.services.opt_out import take_listed_stop
from bot.services.reach_account import Reach

log = structlog.get_logger()

ASK_EVERY = timedelta(minutes=5)
_AT_ONCE = 500  #: entries looked up together


def take_listed(house: House, reach: Reach, *, now: datetime) -> int:
    """Ask one account that was not asked within `ASK_EVERY`. Returns how many there were: 1 or 0."""
    with house.ledger.write() as book:
        account = client_accounts.claim_poll(book, before=now - ASK_EVERY, now=now)
    if account is None:
        return 0
    try:
        with reach.open(account.token) as lists:
            take_in(house, account, lists, now=now)
    except SendFailed as failure:
        with house.ledger.write() as book:
            reach_account.failed(book, account, failure, now=now)
        return 1
    with house.ledger.write() as book:
        reach_account.went_well(book, account, now=now)
    return 1


def take_in(house: House, account: Account, lists: ClientLists, *, now: datetime) -> int | None:
    """Take in what is new on the list. Returns how many opt-outs it brought; None: there is no such list.

    Raises SendFailed; what was read before that is taken in.
    """
    listed = lists.opt_outs()
    is_off = listed is None
    if is_off is not (account.opt_outs_off_at is not None):
        log.info("opt-outs of an account", client=account.client, state="off" if is_off else "on")
        with house.ledger.write() as book:
            client_accounts.has_opt_outs(book, account.id, off_at=now if is_off else None)
    if listed is None:
        return None
    brought = 0
    while batch := list(islice(listed, _AT_ONCE)):
        brought += sum(_take(house, account, entry, now) for entry in _new(house, account, batch))
    return brought


def _new(house: House, account: Account, batch: list[ListedOptOut]) -> Iterator[ListedOptOut]:
    with house.ledger.read() as book:
        unseen = client_accounts.unseen(book, account.id, [entry.id for entry in batch])
    return (entry for entry in batch if entry.id in unseen)


def _take(house: House, account: Account, entry: ListedOptOut, now: datetime) -> bool:
    """Take one in, in a transaction of its own. False: nothing changed by it."""
    if entry.number is None:
        log.warning("opt-out without a number", client=account.client)
    with house.ledger.write() as book:
        if not client_accounts.see(book, account.id, entry.id) or entry.number is None:
            return False
        person = people.ensure(book, entry.number)
        people.lock(book, person)
        if _is_answered(book, person, account.client, entry.at):
            return False
        return take_listed_stop(
            house,
            book,
            person,
            account.client,
            provider=account.provider,
            provider_id=entry.id,
            said_at=entry.at,
            now=now,
        )


def _is_answered(book: Book, person: int, client: int, at: datetime | None) -> bool:
    """Has the person started again since? One that nobody dated is taken for new: an opt-out fails open."""
    lifted = [
        row.lifted_at
        for row in client_opt_outs.of_person(book, person)
        if row.lifted_at is not None and row.client in (client, EVERY_CLIENT)
    ]
    return at is not None and any(at < moment for moment in lifted)
