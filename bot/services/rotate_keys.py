"""Bring everything sealed and keyed under a new key and forget the old one. Safe to run again after a crash.

First the new version stands in the keys file, then nothing is rewritten until every transaction that may have
begun without it is over; from there on each look-up goes by both versions, so none misses.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bot.domain.errors import BadSetting, WhosentError
from bot.ledger import audit, resealing
from bot.ledger import keys as key_files
from bot.ledger.audit import Deed
from bot.ledger.book import Ledger

BATCH = 500  #: rows of one transaction; a STOP must not wait long
GRACE = 0.5  #: seconds in which a process that looked at the keys file begins the transaction it looked for
PATIENCE = 120.0  #: seconds to wait for the transactions of others
POLL = 0.05

Progress = Callable[[int, int | None], None]


class OthersAreBusy(WhosentError):
    """A transaction of another process has been open for too long; nothing was rewritten, run it again."""


@dataclass(frozen=True, slots=True)
class Rotation:
    """What was done. `old_needed_until`: codes sent before go by the old key; run it again after that."""

    resealed: int
    old_needed_until: datetime | None = None


def rotate(
    ledger: Ledger, path: Path, progress: Progress | None = None, *, now: datetime | None = None
) -> Rotation:
    """Rotate the keys of a ledger.

    ledger: every process that runs meanwhile reads the same file, and reads it anew when it changes.
    path: the keys file the ledger was opened with. With several versions in it, a rotation that was cut short
        is gone on with.
    progress: called after each batch with the rows done and those there are to do.
    Raises BadSetting for a bad keys file, OthersAreBusy.
    """
    if ledger.keys.path != path:
        raise BadSetting("this is not the keys file that the ledger was opened with")
    moment = now or datetime.now(UTC)
    keys = key_files.read(path)
    if len(keys.versions) == 1:
        key_files.add_version(path)
    made = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    _wait_for_others(ledger)
    done = 0
    with ledger.read() as book:
        total = sum(resealing.count(book, table, columns) for table, columns in resealing.tables().items())
    while resealed := _pass(ledger, done, total, progress):
        done += resealed
    with ledger.write() as book:
        needed = resealing.last_old_code(book, made_before=made, now=moment)
        signer = key_files.signing(path).key
        audit.act(book, Deed.KEYS_ROTATED, at=moment, version=book.keys.current, rows=done, signer=signer)
    if needed is None:
        key_files.drop_old_versions(path)
    return Rotation(done, needed)


def _pass(ledger: Ledger, done: int, total: int, progress: Progress | None) -> int:
    """Go through every table once; return how many rows were resealed, none when all is current."""
    resealed = 0
    for table, columns in resealing.tables().items():
        after, batch = 0, BATCH
        while batch:
            with ledger.write() as book:
                after, batch = resealing.reseal(book, table, columns, after=after, limit=BATCH)
            resealed += batch
            if progress is not None and batch:
                progress(done + resealed, max(total, done + resealed))
    return resealed


def _wait_for_others(ledger: Ledger) -> None:
    """Until nobody works in a transaction begun without the new key.

    SQLite needs only the grace: there a writer has the file alone, and a reader sees the moment it began in.
    """
    pause = threading.Event()
    pause.wait(GRACE)
    if ledger.dialect == "sqlite":
        return
    with ledger.read() as book:
        since = resealing.database_time(book)
    waited = 0.0
    while True:
        with ledger.read() as book:
            if not resealing.older_transactions(book, since):
                return
        if waited >= PATIENCE:
            raise OthersAreBusy
        pause.wait(POLL)
        waited += POLL
