"""Keep clients' own accounts at providers: token, health, what was taken in from them. Asks no provider."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, CursorResult, delete, or_, select, update

from bot.ledger.book import Book, Row
from bot.ledger.tables import client_accounts as table
from bot.ledger.tables import clients, listed_opt_outs

SMSAPI = "smsapi"
_TOKEN = "client_accounts.token"  # noqa: S105  (what a sealed token is bound to)


@dataclass(frozen=True, slots=True)
class Account:
    """One client's own account. client: row id; client_id: the operator's name for it."""

    id: int
    client: int
    client_id: str
    provider: str
    token: str = field(repr=False)
    state: str
    code: str
    checked_at: datetime | None
    opt_outs_off_at: datetime | None


def keep(book: Book, client: int, provider: str, token: str, *, now: datetime) -> None:
    """Keep a client's account, or its new token. What it was refused for with the old one is forgotten."""
    values = {
        "token_enc": book.seal(_TOKEN, token),
        "state": "ready",
        "code": "",
        "checked_at": now,
        "rests_until": None,
        "polled_at": None,
        "compared_at": None,
        "opt_outs_off_at": None,
    }
    statement = book.insert(table).values(client=client, provider=provider, made_at=now, **values)
    book.run(statement.on_conflict_do_update(index_elements=["client", "provider"], set_=values))


def forget(book: Book, client: int, provider: str) -> bool:
    """Take a client's account away, with what was noted of its lists. False: there was none."""
    taken = book.run(delete(table).where(table.c.client == client, table.c.provider == provider))
    assert isinstance(taken, CursorResult)
    return taken.rowcount > 0


def every(book: Book) -> list[Account]:
    """Every account, by the operator's name of its client."""
    return [_read(book, row) for row in book.rows(_QUERY.order_by(clients.c.client_id))]


def of_client(book: Book, client: int) -> list[Account]:
    """The accounts of one client, by its row id."""
    return [_read(book, row) for row in book.rows(_QUERY.where(table.c.client == client))]


def get(book: Book, account: int) -> Account | None:
    """One account by its row id."""
    row = book.row(_QUERY.where(table.c.id == account))
    return None if row is None else _read(book, row)


def claim_poll(book: Book, *, before: datetime, now: datetime) -> Account | None:
    """Take an account whose opt-outs were last asked for before a moment; nobody else gets it until then again."""
    return _claim(book, table.c.polled_at, before, now, table.c.state == "ready", is_awake(now))


def claim_comparison(book: Book, *, before: datetime, now: datetime) -> Account | None:
    """Take an account last compared before a moment; one that refused us, too: it may have been mended there."""
    return _claim(book, table.c.compared_at, before, now, is_awake(now))


def are_there(book: Book) -> bool:
    """Has any client an account? Where none has, nobody takes the writer's turn to find that out."""
    return book.scalar(select(table.c.id).limit(1)) is not None


def compare_again(book: Book, account: int) -> None:
    """The comparison came to no end: it is due again as soon as the account has rested."""
    book.run(update(table).where(table.c.id == account).values(compared_at=None))


def answered(book: Book, account: int, *, now: datetime) -> None:
    """It answered as it should: whatever was wrong before is over."""
    well = {"state": "ready", "code": "", "rests_until": None, "checked_at": now}
    book.run(update(table).where(table.c.id == account).values(well))


def rest(book: Book, account: int, *, code: str, until: datetime) -> None:
    """It did not answer as it should: nothing is asked of it for a while."""
    book.run(update(table).where(table.c.id == account).values(code=code[:40], rests_until=until))


def refuse(book: Book, account: int, *, code: str) -> None:
    """Its token is not taken, or must not be used: nothing more is asked of it but by the nightly comparison."""
    book.run(update(table).where(table.c.id == account).values(state="refused", code=code[:40]))


def has_opt_outs(book: Book, account: int, *, off_at: datetime | None) -> None:
    """Note whether the provider keeps opt-outs for this account. off_at: since when it says no; None: it does."""
    book.run(update(table).where(table.c.id == account).values(opt_outs_off_at=off_at))


def unseen(book: Book, account: int, entries: Iterable[str]) -> set[str]:
    """Those of the provider's entries that were not taken in yet."""
    wanted = set(entries)
    known = book.rows(
        select(listed_opt_outs.c.entry).where(
            listed_opt_outs.c.account == account, listed_opt_outs.c.entry.in_(wanted)
        )
    )
    return wanted - {row["entry"] for row in known}


def see(book: Book, account: int, entry: str) -> bool:
    """Note that an entry is taken in, in the transaction that does so. False: somebody was faster.

    An entry counts once for ever: it stays in the provider's list when the person has started again.
    """
    statement = book.insert(listed_opt_outs).values(account=account, entry=entry).on_conflict_do_nothing()
    return book.scalar(statement.returning(listed_opt_outs.c.entry)) is not None


def is_awake(now: datetime) -> ColumnElement[bool]:
    return or_(table.c.rests_until.is_(None), table.c.rests_until <= now)


_QUERY = select(table, clients.c.client_id).join(clients, clients.c.id == table.c.client)


def _claim(
    book: Book, column: Any, before: datetime, now: datetime, *which: ColumnElement[bool]
) -> Account | None:
    is_due = or_(column.is_(None), column < before)
    query = _QUERY.where(is_due, *which).order_by(table.c.id).limit(1)
    row = book.row(query.with_for_update(of=table, skip_locked=True))
    if row is None:
        return None
    book.run(update(table).where(table.c.id == row["id"]).values({column.key: now}))
    return _read(book, row)


def _read(book: Book, row: Row) -> Account:
    return Account(
        id=row["id"],
        client=row["client"],
        client_id=row["client_id"],
        provider=row["provider"],
        token=book.unseal(_TOKEN, row["token_enc"]),
        state=row["state"],
        code=row["code"],
        checked_at=row["checked_at"],
        opt_outs_off_at=row["opt_outs_off_at"],
    )
