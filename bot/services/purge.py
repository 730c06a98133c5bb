"""Remove what has been kept long enough (domain.retention). Removes nothing that still holds or is open."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from bot.domain import chain
from bot.domain.retention import PERIODS, Category
from bot.ledger import audit, expiry
from bot.ledger.audit import Deed
from bot.ledger.book import Ledger
from bot.ledger.expiry import STEPS, Step

BATCH = 1_000  #: rows of one transaction; a STOP must not wait long


def purge(ledger: Ledger, now: datetime, dry_run: bool = False) -> dict[Category, int]:
    """Remove every row whose period is over, in batches; return how many rows of each category.

    dry_run: only count. What becomes due through an earlier step (a number, once its last message is gone) is
    not in that count.
    """
    return {
        category: sum(_step(ledger, step, category, now=now, dry_run=dry_run) for step in STEPS[category])
        for category in PERIODS
    }


def _step(ledger: Ledger, step: Step, category: Category, *, now: datetime, dry_run: bool) -> int:
    """Each batch is an act of its own; the places of the chain that it empties stand in it, see services.audit."""
    before = now - PERIODS[category]
    if dry_run:
        with ledger.read() as book:
            return expiry.count(book, step, before=before)
    removed = 0
    while True:
        with ledger.write() as book:
            batch, places = expiry.remove(book, step, before=before, limit=BATCH)
            if batch:
                what: dict[str, Any] = {"category": category.value, "table": step.table.name, "rows": batch}
                if places:
                    what["places"] = chain.as_ranges(places)
                audit.act(book, Deed.PURGED, at=now, **what)
        removed += batch
        if not batch:
            return removed
