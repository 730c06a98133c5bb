"""Keep which opt-outs are mirrored onto a client's own blacklist, and which still have to be. Asks no provider.

A row says that something is to be looked at, never what: that is decided from the opt-outs that stand when its
turn comes, so that a STOP and a START in a row, a repeated one and one that came meanwhile all end alike.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, Table, and_, bindparam, case, func, literal, or_, select, update

from bot.ledger.book import Book, Prepared
from bot.ledger.client_accounts import is_awake
from bot.ledger.tables import blacklisted as table
from bot.ledger.tables import client_accounts, evidence, outbox
from bot.ledger.tables import people as people_table

LEASE = timedelta(seconds=90)
_CHUNK = 5_000  #: people named in one statement
_SENDING = ("ready", "in_hand", "unknown")  #: states of a receipt that may still go out


def _want(insert: Callable[[Table], Any]) -> Any:
    due = select(
        client_accounts.c.id,
        people_table.c.id,
        literal("due"),
        literal(1),
        bindparam("at", type_=table.c.ready_at.type),
    ).where(
        client_accounts.c.client.in_(bindparam("whose", expanding=True)),
        people_table.c.id.in_(bindparam("whom", expanding=True)),
    )
    statement = insert(table).from_select(["account", "person", "state", "turn", "ready_at"], due)
    new = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=["account", "person"],
        set_={"state": "due", "turn": table.c.turn + 1, "tries": 0, "ready_at": new.ready_at},
    )


_WANT = Prepared(_want)


@dataclass(frozen=True, slots=True)
class Task:
    """One person on one account, in somebody's hand. entry: the one that we made there, if its id is known.

    asked_at: when one was asked for whose id is not known.
    """

    id: int
    account: int
    client: int
    person: int
    turn: int
    entry: str | None
    asked_at: datetime | None
    tries: int
    lease: str


def want(book: Book, clients: Sequence[int], people: Sequence[int], *, now: datetime) -> None:
    """What holds for these people changed for these clients (row ids): their accounts are to follow.

    A client without an account costs nothing here.
    """
    for start in range(0, len(people), _CHUNK):
        part = list(people[start : start + _CHUNK])
        if clients and part:
            book.do(_WANT, whose=list(clients), whom=part, at=now)


def has_due(book: Book, *, now: datetime) -> bool:
    """Is there anything to claim? A look that writes nothing, before a claim that takes the writer's turn."""
    return book.row(_due(now)) is not None


def claim(book: Book, *, now: datetime) -> Task | None:
    """Take the one that is due the longest, of an account that is well; a holder that died loses its lease."""
    query = _due(now).order_by(table.c.ready_at, table.c.id)
    row = book.row(query.with_for_update(of=table, skip_locked=True))
    if row is None:
        return None
    lease = secrets.token_hex(16)
    mine = {"lease": lease, "lease_until": now + LEASE, "tries": table.c.tries + 1}
    book.run(update(table).where(table.c.id == row["id"]).values(mine))
    return Task(
        id=row["id"],
        account=row["account"],
        client=row["client"],
        person=row["person"],
        turn=row["turn"],
        entry=row["entry"],
        asked_at=row["asked_at"],
        tries=row["tries"] + 1,
        lease=lease,
    )


def receipt_is_open(book: Book, act: int) -> bool:
    """May the receipt of an opt-out (a row id of its evidence) still go out?"""
    query = (
        select(outbox.c.id)
        .join(evidence, evidence.c.receipt == outbox.c.id)
        .where(evidence.c.id == act, outbox.c.state.in_(_SENDING))
    )
    return book.scalar(query) is not None


def ask(book: Book, task: Task, *, now: datetime) -> None:
    """An entry is about to be asked for: one that is found there later is ours, whatever becomes of the answer."""
    book.run(update(table).where(table.c.id == task.id).values(asked_at=now))


def settle(book: Book, task: Task, *, entry: str | None) -> None:
    """It is as it should be. entry: the one of ours that is there now.

    The entry is noted even if the lease has run out, or nobody could take it off again. One that became due
    anew meanwhile stays due.
    """
    is_mine = table.c.lease == task.lease
    is_done = and_(is_mine, table.c.turn == task.turn)
    values = {
        "entry": entry,
        "asked_at": None,
        "state": case((is_done, "settled"), else_=table.c.state),
        "tries": 0,
        "code": "",
        "lease": case((is_mine, None), else_=table.c.lease),
        "lease_until": case((is_mine, None), else_=table.c.lease_until),
    }
    book.run(update(table).where(table.c.id == task.id).values(values))


def put_back(book: Book, task: Task, *, ready_at: datetime, code: str = "", counts: bool = True) -> None:
    """Again later. counts: this was a try."""
    values: dict[str, Any] = {"ready_at": ready_at, "code": code[:40], "lease": None, "lease_until": None}
    if not counts:
        values["tries"] = table.c.tries - 1
    book.run(update(table).where(_mine(task), table.c.turn == task.turn).values(values))
    book.run(update(table).where(_mine(task)).values(lease=None, lease_until=None))  # due anew meanwhile


def give_up(book: Book, task: Task, *, code: str) -> None:
    """It is tried no more until the comparison finds it again."""
    values = {"state": "failed", "code": code[:40], "lease": None, "lease_until": None}
    book.run(update(table).where(_mine(task), table.c.turn == task.turn).values(values))
    book.run(update(table).where(_mine(task)).values(lease=None, lease_until=None))


def entries(book: Book, account: int) -> dict[str, int]:
    """The entries that we made on an account's blacklist → whose they are."""
    query = select(table.c.entry, table.c.person).where(
        table.c.account == account, table.c.entry.is_not(None)
    )
    return {row["entry"]: row["person"] for row in book.rows(query)}


def doubt(book: Book, account: int, people: Sequence[int], *, now: datetime) -> None:
    """The entries that we made for these people were not seen there: they are looked for one by one."""
    for start in range(0, len(people), _CHUNK):
        part = list(people[start : start + _CHUNK])
        whose = and_(table.c.account == account, table.c.person.in_(part))
        book.run(update(table).where(whose).values(entry=None, asked_at=now))


def counts(book: Book, account: int) -> dict[str, int]:
    """How many rows of an account are due, settled, failed."""
    query: Select[Any] = select(table.c.state, func.count().label("n")).where(table.c.account == account)
    return {row["state"]: row["n"] for row in book.rows(query.group_by(table.c.state))}


def _due(now: datetime) -> Select[Any]:
    is_free = or_(table.c.lease_until.is_(None), table.c.lease_until < now)
    is_due = and_(table.c.state == "due", table.c.ready_at <= now, is_free)
    return (
        select(table, client_accounts.c.client)
        .join(client_accounts, client_accounts.c.id == table.c.account)
        .where(is_due, client_accounts.c.state == "ready", is_awake(now))
        .limit(1)
    )


def _mine(task: Task) -> Any:
    return and_(table.c.id == task.id, table.c.lease == task.lease)
