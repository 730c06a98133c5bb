"""Erase a person's number from the ledger (GDPR 17). Asks nobody: the command has been given.

What stays is what keeps an opt-out standing: without it the messages would start again that the person
stopped (GDPR 17(3)(b) and 21(3)). A client's own contacts are the operator's record and change by its import.
"""

from __future__ import annotations

from datetime import datetime

from bot.ledger import erasure, people
from bot.ledger.book import Ledger
from bot.ledger.erasure import ErasureReport

__all__ = ["ErasureReport", "erase"]


def erase(ledger: Ledger, number: str, now: datetime) -> ErasureReport:
    """Erase everything of a number (E.164) but its standing opt-outs; all of it or nothing.

    now: when the erasure is ordered; messages of the feed that come later are new ones.
    A number never seen gives an empty report. Erasing twice is harmless.
    """
    with ledger.write() as book:
        person = people.find(book, number)
        report = ErasureReport() if person is None else erasure.erase(book, person)
    erasure.overwrite(ledger)
    return report
