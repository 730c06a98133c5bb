"""Hold our standing opt-outs of a client beside the blacklist of its own account. Changes neither by itself.

What is missing there, and what of ours should not be there any more, is handed to the mirroring. What the client
put there itself is counted and left alone: it counts as an opt-out only if the provider's list of opt-outs says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

import structlog

from bot.domain.client_lists import ClientLists
from bot.domain.errors import SendFailed
from bot.ledger import blacklisted, client_accounts, client_opt_outs, people
from bot.ledger.book import Ledger
from bot.ledger.client_accounts import Account
from bot.services import reach_account
from bot.services.contracts import House
from bot.services.reach_account import Reach
from bot.services.take_listed import take_in

log = structlog.get_logger()

NIGHT = time(1, tzinfo=UTC)  #: two or three at night in Warsaw
_PAGE = 5_000  #: opt-outs read together
_AT_ONCE = 500  #: people handed over together


@dataclass(frozen=True, slots=True)
class Compared:
    """What was found of one account, in numbers of phone numbers.

    ours: opt-outs that stand for the client. there: entries on its blacklist. missing: ours that are not there.
    stale: entries we made whose opt-out was lifted. foreign: there, neither ours nor made by us. taken_in: new from
    the provider's list of opt-outs; None: it keeps none, or nothing was to be changed. code: why it could not be
    compared; empty: it was.
    """

    client_id: str
    ours: int = 0
    there: int = 0
    missing: int = 0
    stale: int = 0
    foreign: int = 0
    taken_in: int | None = None
    code: str = ""


def compare_due(house: House, reach: Reach, *, now: datetime) -> Compared | None:
    """Compare and mend one account that was not compared since last night. None: none is due."""
    with house.ledger.write() as book:
        account = client_accounts.claim_comparison(book, before=last_night(now), now=now)
    if account is None:
        return None
    found = compare(house, reach, account, mend=True, now=now)
    log.info("blacklist compared", client=account.client, count=found.missing + found.stale, code=found.code)
    return found


def last_night(now: datetime) -> datetime:
    """The last moment until now at which comparisons fall due."""
    tonight = datetime.combine(now.astimezone(UTC).date(), NIGHT)
    return tonight if tonight <= now else tonight - timedelta(days=1)


def compare(house: House, reach: Reach, account: Account, *, mend: bool, now: datetime) -> Compared:
    """Compare one account.

    mend: take in the provider's opt-outs first, and hand what differs to the mirroring; else only report.
    """
    try:
        with reach.open(account.token) as lists:
            reach.refuse_bots_own(lists)
            taken_in = take_in(house, account, lists, now=now) if mend else None
            found = _compared(house.ledger, account, lists, taken_in, mend=mend, now=now)
    except SendFailed as failure:
        with house.ledger.write() as book:
            reach_account.failed(book, account, failure, now=now)
            if failure.retryable and not failure.alarm:
                client_accounts.compare_again(book, account.id)
        return Compared(account.client_id, code=failure.code)
    with house.ledger.write() as book:
        reach_account.went_well(book, account, now=now)
    return found


def _compared(
    ledger: Ledger, account: Account, lists: ClientLists, taken_in: int | None, *, mend: bool, now: datetime
) -> Compared:
    with ledger.read() as book:
        made = blacklisted.entries(
            book, account.id
        )  # before the list: one made meanwhile is not missed there
    there = {entry.id: entry.number for entry in lists.blacklist()}
    ours = set(_standing(ledger, account.client))
    missing = ours - set(there.values())
    stale = _lifted(ledger, account.client, {e: made[e] for e in made if e in there and there[e] not in ours})
    foreign = [entry for entry, number in there.items() if entry not in made and number not in ours]
    if mend:
        _hand_over(
            ledger,
            account,
            missing,
            stale=stale,
            unseen={made[entry] for entry in made.keys() - there.keys()},
            now=now,
        )
    return Compared(
        account.client_id,
        ours=len(ours),
        there=len(there),
        missing=len(missing),
        stale=len(stale),
        foreign=len(foreign),
        taken_in=taken_in,
    )


def _standing(ledger: Ledger, client: int) -> Iterable[str]:
    """The numbers that a client must not write to; page by page, so that no STOP waits for a long list."""
    with ledger.read() as book:
        until = client_opt_outs.newest(book)
    after = 0
    while True:
        with ledger.read() as book:
            page = client_opt_outs.page(book, client, since=None, after=after, until=until, limit=_PAGE)
        yield from (listed.number for listed in page)
        if len(page) < _PAGE:
            return
        after = page[-1].row.id


def _lifted(ledger: Ledger, client: int, made: Mapping[str, int]) -> set[int]:
    """Of the people of these entries those whose opt-out holds no more.

    A client's list leaves out a STOP ALL of somebody it did not write to for a year, and yet it holds.
    """
    with ledger.read() as book:
        return {
            person
            for person in made.values()
            if client_opt_outs.standing_for(client_opt_outs.of_person(book, person), client) is None
        }


def _hand_over(
    ledger: Ledger, account: Account, missing: set[str], *, stale: set[int], unseen: set[int], now: datetime
) -> None:
    with ledger.read() as book:
        lost = set(people.find_many(book, missing).values())
    due = sorted(lost | stale | unseen)
    for start in range(0, len(due), _AT_ONCE):  # part by part, so that no STOP waits for a long list
        part = due[start : start + _AT_ONCE]
        with ledger.write() as book:
            blacklisted.doubt(book, account.id, sorted(unseen & set(part)), now=now)
            blacklisted.want(book, [account.client], part, now=now)
