"""Put opt-outs onto the blacklist of the client's own account, and take them off after a START. Decides no opt-out.

What is to be done is read off what stands when a person's turn comes, and is harmless when done twice. The receipt
goes first: nobody's confirmation is to fail because of the block that it confirms.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, auto

import structlog

from bot.domain.client_lists import ClientLists
from bot.domain.errors import SendFailed
from bot.ledger import blacklisted, client_accounts, client_opt_outs, people
from bot.ledger.blacklisted import Task
from bot.ledger.book import Book, Ledger
from bot.ledger.client_accounts import Account
from bot.services import reach_account
from bot.services.reach_account import Reach

log = structlog.get_logger()

BACK_OFF = (30, 300, 1800, 7200, 21600)
"""Seconds before each further try, 9 hours in all; what fails after that is found by the nightly comparison."""

RECEIPT_WAITS = timedelta(seconds=30)  #: until it is looked again whether the receipt went out


class Step(Enum):
    """What an account needs for one person."""

    NOTHING = auto()
    WAIT = auto()
    ADD = auto()
    REMOVE = auto()


def step(*, is_stopped: bool, is_receipt_open: bool, has_entry: bool, may_have_entry: bool) -> Step:
    """Decide it.

    has_entry: one that we made is there. may_have_entry: one was asked for, and how that ended is not known.
    An entry that the client made itself is its own: it is never taken off.
    """
    if is_stopped:
        if has_entry:
            return Step.NOTHING
        return Step.WAIT if is_receipt_open else Step.ADD
    return Step.REMOVE if has_entry or may_have_entry else Step.NOTHING


@dataclass(frozen=True, slots=True)
class _Turn:
    task: Task
    account: Account
    step: Step
    number: str = field(repr=False)


def mirror(ledger: Ledger, reach: Reach, *, now: datetime, limit: int = 20) -> int:
    """Carry out what is due, up to `limit`. Returns how many were in hand."""
    with ExitStack() as open_lists:
        known: dict[str, ClientLists] = {}
        for count in range(limit):
            turn = _claim(ledger, now)
            if turn is None:
                return count
            if turn.step in (Step.ADD, Step.REMOVE):
                _carry_out(ledger, reach, turn, known, open_lists, now)
    return limit


def _claim(ledger: Ledger, now: datetime) -> _Turn | None:
    with ledger.read() as book:
        if not blacklisted.has_due(book, now=now):
            return None
    with ledger.write() as book:
        task = blacklisted.claim(book, now=now)
        if task is None:
            return None
        account = client_accounts.get(book, task.account)
        assert account is not None  # a task goes with its account
        turn = _Turn(task, account, _step(book, task), people.number_of(book, task.person))
        if turn.step is Step.WAIT:
            blacklisted.put_back(book, task, ready_at=now + RECEIPT_WAITS, counts=False)
        if turn.step is Step.NOTHING:
            blacklisted.settle(book, task, entry=task.entry)
    return turn


def _step(book: Book, task: Task) -> Step:
    rows = client_opt_outs.of_person(book, task.person)
    stands = client_opt_outs.standing_for(rows, task.client)
    return step(
        is_stopped=stands is not None,
        is_receipt_open=stands is not None and blacklisted.receipt_is_open(book, stands.evidence),
        has_entry=task.entry is not None,
        may_have_entry=task.asked_at is not None,
    )


def _carry_out(
    ledger: Ledger,
    reach: Reach,
    turn: _Turn,
    known: dict[str, ClientLists],
    open_lists: ExitStack,
    now: datetime,
) -> None:
    try:
        token = turn.account.token
        if token not in known:
            known[token] = open_lists.enter_context(reach.open(token))
        lists = known[token]
        entry = None
        if turn.step is Step.ADD:
            entry = _added(ledger, lists, turn, now)
        else:
            _remove(lists, turn)
    except SendFailed as failure:
        _failed(ledger, turn, failure, now)
        return
    except Exception as error:  # noqa: BLE001  # ours: it must not keep the others waiting
        log.error("mirroring broke", client=turn.account.client, error=type(error).__name__)
        _failed(ledger, turn, SendFailed("fault", retryable=True), now)
        return
    with ledger.write() as book:
        blacklisted.settle(book, turn.task, entry=entry)
        if turn.account.code:
            reach_account.went_well(book, turn.account, now=now)
    log.info("blacklist follows", client=turn.account.client, kind=turn.step.name.lower())


def _added(ledger: Ledger, lists: ClientLists, turn: _Turn, now: datetime) -> str | None:
    """The id of the entry, if it is ours: an earlier try may have made it, or the client itself."""
    found = lists.find(turn.number)
    if found is not None:
        return found.id if turn.task.asked_at is not None else None
    with ledger.write() as book:
        blacklisted.ask(book, turn.task, now=now)
    return lists.add(turn.number).id


def _remove(lists: ClientLists, turn: _Turn) -> None:
    entry = turn.task.entry
    if entry is None:
        found = lists.find(turn.number)
        entry = None if found is None else found.id
    if entry is not None:
        lists.remove(entry)


def _failed(ledger: Ledger, turn: _Turn, failure: SendFailed, now: datetime) -> None:
    task, code = turn.task, failure.code
    with ledger.write() as book:
        reach_account.failed(book, turn.account, failure, now=now)
        if failure.alarm:  # nothing is wrong with this one: it waits until the account is well
            blacklisted.put_back(book, task, ready_at=now, code=code, counts=False)
        elif failure.retryable and task.tries <= len(BACK_OFF):
            wait = max(BACK_OFF[task.tries - 1], failure.retry_after or 0)
            blacklisted.put_back(book, task, ready_at=now + timedelta(seconds=wait), code=code)
        else:
            log.error("blacklist does not follow", client=turn.account.client, code=code, alarm=True)
            blacklisted.give_up(book, task, code=code)
