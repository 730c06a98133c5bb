"""Count tries against one thing, such as an account's name, so that guessing gets slow or ends. Knows no secret."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import case, delete, select

from bot.ledger.book import Book
from bot.ledger.tables import counts

_SINCE = "-"  #: these counts have no period: they run on until they are forgotten


def take(
    book: Book,
    what: str,
    whom: str,
    *,
    wait: Callable[[int], timedelta],
    forget_after: timedelta,
    now: datetime,
) -> bool:
    """Count one try, before it is known how it ends; False: it comes too early, and is not counted.

    wait: how long after the n-th try the next may come. forget_after: how long after the last one all are
    forgotten. `whom` is kept as a keyed hash only.
    """
    key = book.keys.find(f"{what}\n{whom}")
    here = (counts.c.what == what) & (counts.c.whom_key == key) & (counts.c.since == _SINCE)
    row = book.row(select(counts.c.n, counts.c.expires_at).where(here).with_for_update())
    is_counting = row is not None and now < row["expires_at"]
    if row is not None and is_counting and now < row["expires_at"] - forget_after + wait(row["n"]):
        return False
    values = {"what": what, "whom_key": key, "since": _SINCE, "n": 1, "expires_at": now + forget_after}
    # With no row yet, somebody else may be writing the first one at this moment: theirs counts too.
    n = counts.c.n + 1 if is_counting or row is None else 1
    book.run(
        book.insert(counts)
        .values(values)
        .on_conflict_do_update(
            index_elements=["what", "whom_key", "since"], set_={"n": n, "expires_at": now + forget_after}
        )
    )
    return True


def forget(book: Book, what: str, whom: str) -> None:
    """The tries so far do not count any more."""
    key = book.keys.find(f"{what}\n{whom}")
    book.run(delete(counts).where(counts.c.what == what, counts.c.whom_key == key, counts.c.since == _SINCE))


def within(book: Book, what: str, whom: str, *, most: int, period: timedelta, now: datetime) -> bool:
    """Count one more if fewer than `most` were counted since the period began; False: it is one too many.

    The period begins with its first. In one statement, so that of any number at once no more than `most` are told
    True. `whom` is kept as a keyed hash only.
    """
    ends = now + period
    values = {"what": what, "whom_key": book.keys.find(f"{what}\n{whom}"), "since": _SINCE, "n": 1}
    is_over = counts.c.expires_at <= now
    counted = book.scalar(
        book.insert(counts)
        .values(**values, expires_at=ends)
        .on_conflict_do_update(
            index_elements=["what", "whom_key", "since"],
            set_={
                "n": case((is_over, 1), else_=counts.c.n + 1),
                "expires_at": case((is_over, ends), else_=counts.c.expires_at),
            },
            where=is_over | (counts.c.n < most),
        )
        .returning(counts.c.n)
    )
    return counted is not None
