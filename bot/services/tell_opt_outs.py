"""Put on its way to clients what a STOP or a START changed for them, in its transaction. Sends nothing.

A notice says what holds now, so the newest one about a number is the whole truth: `optout.lifted` is told only
when nothing stops the client any more, and what is left after a START is told as `optout.created` again.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import structlog

from bot.domain.consent import EVERY_CLIENT
from bot.domain.errors import BadSetting, NotKnown
from bot.domain.retention import PERIODS, Category
from bot.ledger import blacklisted, client_opt_outs, clients, notices, people
from bot.ledger.book import Book, Ledger
from bot.ledger.client_opt_outs import Row, lifted_for, standing_for
from bot.ledger.keys import Keys
from bot.ledger.notices import Draft, EventType
from bot.services.reach_client import Ways, way_to

log = structlog.get_logger()

WROTE_WITHIN = PERIODS[Category.SENT]  #: a STOP ALL is told to the clients that wrote to the person within it


def tell(book: Book, person: int, *, act: int, rows: Sequence[Row], ways: Ways | None, now: datetime) -> int:
    """Tell every client for which an act changed what holds, and its own account. Returns how many are told.

    act: the row id of its evidence. rows: the person's opt-outs that stand now, and those it lifted. The caller
    holds the person (`people.lock`) and has written the act's effect down. A client that cannot be told learns by
    the gate, and no fault of its row keeps a STOP out.
    """
    changed = {r.client for r in rows if act in (r.evidence, r.lifted_by)}
    if EVERY_CLIENT in changed:
        changed |= {r.client for r in rows}
        changed |= set(client_opt_outs.concerned(book, person, sent_since=now - WROTE_WITHIN))
    concerned = sorted(changed - {EVERY_CLIENT})
    blacklisted.want(book, [c for c in concerned if clients.has_account(book, c)], [person], now=now)
    return sum([_tell(book, client, person, rows, ways=ways, now=now) for client in concerned])


def replay(ledger: Ledger, client_id: str, *, since: datetime, ways: Ways | None, now: datetime) -> int:
    """Tell a client again how it stands with everybody whose opt-outs changed since a moment, in that order.

    Returns how many notices were written. Raises NotKnown for an unknown client or one that has no way.
    """
    with ledger.read() as book:
        client = clients.find(book, client_id)
        if client is None:
            raise NotKnown(f"no client {client_id}")
        if way_to(book, clients.card(book, client), EventType.STOPPED, ways) is None:
            raise NotKnown(
                f"{client_id} has neither a webhook with a secret nor a mail address to be told by"
            )
        changed = client_opt_outs.changed_since(book, client, since)
    told = 0
    for person in changed:
        with ledger.write() as book:  # one by one: a STOP must not wait for a long replay
            people.lock(book, person)
            rows = client_opt_outs.of_person(book, person)
            told += _tell(book, client, person, rows, ways=ways, now=now)
    return told


def reference(keys: Keys, client: int, evidence: int) -> str:
    """What a client may quote to name an opt-out: says neither how many there are nor who else is told."""
    mark = keys.mark(f"opt-out of client {client} by evidence {evidence}")
    return base64.b32encode(mark[:10]).decode()


def facts(keys: Keys, client: int, row: Row) -> dict[str, Any]:
    """What a client may know of an opt-out that stops it, but the number: in notices and lists alike."""
    return {
        "scope": "all" if row.is_of_everybody else "client",
        "covers": row.covers.value,
        "reference": reference(keys, client, row.evidence),
    }


def _tell(
    book: Book, client: int, person: int, rows: Sequence[Row], *, ways: Ways | None, now: datetime
) -> bool:
    """Write the notice of how a client stands with a person. False: it has no way, or nothing ever stood."""
    stands = standing_for(rows, client)
    row = stands or lifted_for(rows, client)
    if row is None:
        return False
    event_type = EventType.STOPPED if stands else EventType.LIFTED
    try:
        card = clients.card(book, client)
        way = way_to(book, card, event_type, ways)
    except (BadSetting, NotKnown):
        log.error("client cannot be read", client=client)
        return False
    if way is None:
        return False
    at, evidence = (row.since, row.evidence) if stands else (row.lifted_at or now, row.lifted_by)
    body = {
        "type": event_type.value,
        "timestamp": now.isoformat(),
        "data": {
            "client_id": card.client_id,
            "number": people.number_of(book, person),
            **facts(book.keys, client, row),
            "time": at.isoformat(),
        },
    }
    notices.put(book, Draft(event_type, client, person, way, body, evidence=evidence), now=now)
    return True
