"""Seal what was done into the chain and sign its head to a file outside the database. Judges no row.

Runs beside the acts, never within them: an act costs its row, and what was committed before a crash is sealed
after it. Any number of workers may call this; one of them seals at a time.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from bot.domain import chain
from bot.domain.chain import Head
from bot.domain.errors import BadSetting, WhosentError
from bot.ledger import audit, heads
from bot.ledger import keys as key_files
from bot.ledger.book import Book, Ledger

BATCH = 100  #: rows of one transaction; on SQLite a STOP waits for its end
BATCHES = 50  #: of one call, so that a worker that is to stop does


class ChainBroken(WhosentError):
    """The chain in the database is not the one that was signed: whosent audit verify says where."""


def seal(ledger: Ledger, audit_file: Path, *, now: datetime) -> int:
    """Seal every row that is committed and not sealed; return how many it were.

    audit_file: where the heads go. Only when the seals are committed is their head signed: a head that promises
    a seal which then failed would accuse the database for ever. One that a crash kept from being signed is
    signed by the next call.
    Raises ChainBroken, with nothing sealed, when what was signed last is not what stands in the database:
    signing on would bear false witness.
    """
    with heads.held(audit_file) as file:
        if file is None:
            return 0
        known = file.last()
        with ledger.read() as book:
            _check(book, known)
            last = audit.last_seal(book)
            is_due = audit.has_unsealed(book)
        sealed = _seal_all(ledger) if is_due else 0
        if not sealed and (last is None or (known is not None and known.seq == last.seq)):
            return 0
        if ledger.keys.path is None:
            raise BadSetting("keys that were read from no file sign nothing")
        signing = key_files.signing(ledger.keys.path)
        with ledger.read() as book:
            last = audit.last_seal(book)
        assert last is not None  # seals are never deleted
        file.append(signing.head(last.seq, last.link, chain.moment(now)))
        return sealed


def _seal_all(ledger: Ledger) -> int:
    sealed = 0
    for _ in range(BATCHES):
        with ledger.write() as book:
            batch = audit.seal_next(book, limit=BATCH) if audit.is_sealer(book) else 0
        sealed += batch
        if batch < BATCH:
            break
    return sealed


def _check(book: Book, known: Head | None) -> None:
    if known is None:
        return
    at = audit.seal_at(book, known.seq)
    if at is None or at.link.hex() != known.link:
        raise ChainBroken
