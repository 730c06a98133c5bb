"""Take a client's word that it has a forwarded request. Who asks is known by its token or by a signed link."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote, urlencode

from bot.domain.errors import AlreadySettled, NotKnown
from bot.ledger import audit, cases, clients
from bot.ledger.audit import Deed
from bot.ledger.book import Book, Ledger
from bot.ledger.keys import Keys

LINK_LASTS = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Signed:
    """What stands in the link: for which client, until when (Unix seconds), and the signature of both."""

    client_id: str
    until: int
    signature: str


def link(keys: Keys, public_url: str, ref: str, client_id: str, *, now: datetime) -> str:
    """The address by which the receiver of a mail acknowledges a request, for 30 days."""
    until = int((now + LINK_LASTS).timestamp())
    query = {"client": client_id, "until": until, "signature": _sign(keys, ref, client_id, until)}
    return f"{public_url}/v1/requests/{quote(ref)}/ack?{urlencode(query)}"


def acknowledge(ledger: Ledger, ref: str, *, client: int, now: datetime) -> datetime:
    """Note that a client has the request; once, saying so again is harmless.

    client: its row id. Returns when it first said so. Raises NotKnown, for somebody else's request too.
    """
    with ledger.write() as book:
        return _acknowledge(book, ref, client, now)


def acknowledge_by_link(ledger: Ledger, ref: str, signed: Signed, *, now: datetime) -> datetime:
    """The same by the link of a mail. Raises NotKnown for one that is forged or over."""
    with ledger.write() as book:
        return _acknowledge(book, ref, _client_of(book, ref, signed, now), now)


def acknowledge_by_staff(ledger: Ledger, case: int, *, staff: int, now: datetime) -> None:
    """The client said so to support. Raises NotKnown, AlreadySettled if it did so before or was never told."""
    with ledger.write() as book:
        found = cases.get(book, case)
        if found.forwarded_at is None or not cases.acknowledge(book, case, now=now):
            raise AlreadySettled("the client has it already, or was never told")
        cases.note(book, case, author="staff", staff=staff, body="the client has acknowledged it", at=now)
        audit.act(book, Deed.ACKNOWLEDGED, at=now, staff=staff, conversation=found.conversation, case=case)


def is_link_good(ledger: Ledger, ref: str, signed: Signed, *, now: datetime) -> bool:
    """Would the link do? Changes nothing: mail programs open links by themselves."""
    try:
        with ledger.read() as book:
            client = _client_of(book, ref, signed, now)
            case = cases.by_ref(book, ref)
    except NotKnown:
        return False
    return case is not None and case.client == client


def _client_of(book: Book, ref: str, signed: Signed, now: datetime) -> int:
    wanted = _sign(book.keys, ref, signed.client_id, signed.until)
    if not hmac.compare_digest(wanted.encode(), signed.signature.encode()) or now.timestamp() > signed.until:
        raise NotKnown
    client = clients.find(book, signed.client_id)
    if client is None:
        raise NotKnown
    return client


def _acknowledge(book: Book, ref: str, client: int, now: datetime) -> datetime:
    case = cases.by_ref(book, ref) if ref.isascii() and ref.isalnum() else None
    if case is None or case.client != client or case.forwarded_at is None:
        raise NotKnown
    if not cases.acknowledge(book, case.id, now=now):
        return cases.get(book, case.id).acknowledged_at or now
    cases.note(book, case.id, author="client", body="acknowledged", at=now)
    return now


def _sign(keys: Keys, ref: str, client_id: str, until: int) -> str:
    """The key is made from the one that is never rotated, so that links outlive a rotation."""
    key = keys.mark("the key of links that acknowledge a request")
    return hmac.digest(key, f"{ref.upper()}\n{client_id}\n{until}".encode(), hashlib.sha256).hex()
