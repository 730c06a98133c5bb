"""Erase a person's number from the ledger (GDPR 17). Asks nobody: the command has been given.

What stays is what keeps an opt-out standing: without it the messages would start again that the person
stopped (GDPR 17(3)(b) and 21(3)). A client's own contacts are the operator's record and change by its import.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

from bot.domain.errors import BadInput
from bot.domain.numbers import to_e164
from bot.ledger import audit, erasure, people
from bot.ledger.audit import Deed
from bot.ledger.book import Ledger
from bot.ledger.erasure import ErasureReport

__all__ = ["ErasureReport", "erase"]


def erase(ledger: Ledger, number: str, now: datetime) -> ErasureReport:
    """Erase everything of a number but its standing opt-outs; all of it or nothing.

    number: as typed; without a country code a Polish one.
    now: when it is ordered.
    A number never seen gives an empty report. Erasing twice is harmless.
    Raises BadInput for what is no number.
    """
    e164 = to_e164(number, region="PL")
    if e164 is None:
        raise BadInput("number", "is no phone number")
    with ledger.write() as book:
        person = people.find(book, e164)
        if person is None:
            return ErasureReport()
        report = erasure.erase(book, person)
        audit.act(book, Deed.ERASED, at=now, **asdict(report))
    erasure.overwrite(ledger)
    return report
