"""List a client's opt-outs page by page. Changes nothing; says nothing of other clients."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from bot.domain.errors import BadInput, BadSetting
from bot.ledger import client_opt_outs
from bot.ledger.book import Ledger
from bot.ledger.client_opt_outs import Listed
from bot.ledger.keys import Keys
from bot.services.tell_opt_outs import facts

MOST = 1_000  #: opt-outs of one page
_CURSOR = "optouts.cursor"


@dataclass(frozen=True, slots=True)
class Item:
    """One opt-out as its client sees it. number: E.164. scope: `client`, or `all` for a STOP ALL."""

    number: str = field(repr=False)
    scope: str
    covers: str
    since: datetime
    lifted_at: datetime | None
    reference: str


@dataclass(frozen=True, slots=True)
class Page:
    """`cursor` brings the next page; None: this was the last."""

    items: tuple[Item, ...]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a walk is. It ends at what was the newest opt-out when it began, so that it has an end."""

    client: int
    since: str | None
    after: int
    until: int


def page(
    ledger: Ledger,
    client: int,
    *,
    since: datetime | None = None,
    cursor: str | None = None,
    limit: int = MOST,
) -> Page:
    """The opt-outs of a client: with `since` those made or lifted since then, else those that stand.

    cursor: of the page before; it carries `since` with it. What is made during a walk stands in none of its
    pages and turns no other out of them. Raises BadInput for a cursor that is none or another client's.
    """
    with ledger.read() as book:
        if cursor is None:
            place = _Place(
                client, None if since is None else since.isoformat(), 0, client_opt_outs.newest(book)
            )
        else:
            place = _opened(book.keys, cursor)
            if place.client != client:
                raise BadInput("cursor", "is none of ours")
        moment = None if place.since is None else datetime.fromisoformat(place.since)
        listed = client_opt_outs.page(
            book, client, since=moment, after=place.after, until=place.until, limit=limit + 1
        )
        items = tuple(_item(book.keys, client, one) for one in listed[:limit])
        if len(listed) <= limit:
            return Page(items, None)
        following = _Place(client, place.since, listed[limit - 1].row.id, place.until)
        return Page(items, _sealed(book.keys, following))


def walk(ledger: Ledger, client: int, *, since: datetime | None = None) -> Iterator[Item]:
    """Every opt-out of a client, read page by page: no transaction stays open while a client reads slowly."""
    cursor: str | None = None
    while True:
        found = page(ledger, client, since=since, cursor=cursor)
        yield from found.items
        cursor = found.cursor
        if cursor is None:
            return


def _item(keys: Keys, client: int, listed: Listed) -> Item:
    row = listed.row
    return Item(number=listed.number, since=row.since, lifted_at=row.lifted_at, **facts(keys, client, row))


def _sealed(keys: Keys, place: _Place) -> str:
    """Sealed, so that it shows no row numbers and nobody can make one."""
    sealed = keys.seal_json(_CURSOR, asdict(place))
    return base64.urlsafe_b64encode(sealed).decode().rstrip("=")


def _opened(keys: Keys, cursor: str) -> _Place:
    try:
        sealed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        held: dict[str, Any] = keys.unseal_json(_CURSOR, sealed)
        return _Place(**held)
    except (binascii.Error, ValueError, TypeError, IndexError, BadSetting, json.JSONDecodeError):
        raise BadInput("cursor", "is none of ours") from None
