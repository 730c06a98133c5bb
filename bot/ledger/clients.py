"""Keep the clients: what a person may be told of them, and who speaks for them. Tells nobody."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.engine import RowMapping

from bot.domain.clients import Client, Contact, ContactKind, Entry, contact_value, domain_of
from bot.domain.errors import NotKnown
from bot.domain.imports import Change
from bot.ledger.book import Book, Prepared
from bot.ledger.tables import client_contacts, clients

CARD = "clients.card"
SIGNING = "clients.webhook_secret"
CONTACT = "client_contacts.value"

__all__ = [
    "Client",
    "card",
    "contacts",
    "find",
    "ids",
    "of_contact",
    "save",
    "set_webhook_secret",
    "webhook_secret",
]

_OPEN = ("client_id", "legal_name", "public_name", "website", "privacy_url", "language", "is_sensitive")
_SEALED = ("privacy_email", "phone", "address", "dpo", "webhook_url")


_CARD = Prepared(lambda _: select(clients).where(clients.c.id == bindparam("client")))


def card(book: Book, client: int) -> Client:
    """One client by its row id. Raises NotKnown."""
    row = book.row(_CARD, client=client)
    if row is None:
        raise NotKnown("client")
    return _read(book, row)


def find(book: Book, client_id: str) -> int | None:
    """The row id of the operator's `client_id`, or None."""
    return ids(book, (client_id,)).get(client_id)


def ids(book: Book, client_ids: Iterable[str]) -> dict[str, int]:
    """The operator's ids → row ids, for those that are known."""
    rows = book.rows(
        select(clients.c.client_id, clients.c.id).where(clients.c.client_id.in_(set(client_ids)))
    )
    return {row["client_id"]: row["id"] for row in rows}


def of_contact(book: Book, kind: ContactKind, value: str) -> int | None:
    """The one client that this phone, e-mail or login speaks for; None if no client or several have it."""
    written = contact_value(kind, value)
    if written is None:
        return None
    keys = book.keys.find_any(_contact_text(kind, written))
    query = select(client_contacts.c.client).where(client_contacts.c.value_key.in_(keys)).distinct().limit(2)
    rows = book.rows(query)
    return rows[0]["client"] if len(rows) == 1 else None


def contacts(book: Book, client: int) -> tuple[Contact, ...]:
    """Who speaks for a client, by row id."""
    query = select(client_contacts).where(client_contacts.c.client == client).order_by(client_contacts.c.id)
    return tuple(Contact(r["kind"], book.unseal(CONTACT, r["value_enc"])) for r in book.rows(query))


def save(book: Book, entry: Entry, *, now: datetime) -> Change:
    """Write an entry down: a new client, or the one of that `client_id` brought up to date."""
    row = book.row(select(clients).where(clients.c.client_id == entry.client_id).with_for_update())
    values = {name: getattr(entry, name) for name in _OPEN}
    sealed = {name: getattr(entry, name) for name in _SEALED}
    if row is None:
        card_enc = book.keys.seal_json(CARD, sealed)
        insert = book.insert(clients).values(**values, card_enc=card_enc, changed_at=now)
        _save_contacts(book, book.run(insert.returning(clients.c.id)).scalar_one(), entry.contacts)
        return Change.NEW
    is_same = all(row[name] == value for name, value in values.items()) and sealed == book.keys.unseal_json(
        CARD, row["card_enc"]
    )
    if is_same and set(contacts(book, row["id"])) == set(entry.contacts):
        return Change.UNCHANGED
    card_enc = book.keys.seal_json(CARD, sealed)
    book.run(
        update(clients).where(clients.c.id == row["id"]).values(**values, card_enc=card_enc, changed_at=now)
    )
    _save_contacts(book, row["id"], entry.contacts)
    return Change.CHANGED


def set_webhook_secret(book: Book, client: int, secret: str) -> None:
    """Keep the secret that signs what this client is notified of."""
    book.run(
        update(clients).where(clients.c.id == client).values(webhook_secret_enc=book.seal(SIGNING, secret))
    )


def webhook_secret(book: Book, client: int) -> str | None:
    """The secret that signs this client's notifications, None if it has none yet."""
    blob = book.scalar(select(clients.c.webhook_secret_enc).where(clients.c.id == client))
    return None if blob is None else book.unseal(SIGNING, blob)


def _save_contacts(book: Book, client: int, wanted: tuple[Contact, ...]) -> None:
    book.run(delete(client_contacts).where(client_contacts.c.client == client))
    rows = [
        {
            "client": client,
            "kind": contact.kind,
            "value_key": book.keys.find(_contact_text(contact.kind, contact.value)),
            "value_enc": book.seal(CONTACT, contact.value),
        }
        for contact in dict.fromkeys(wanted)
    ]
    if rows:
        book.run(client_contacts.insert(), rows)


def _contact_text(kind: str, value: str) -> str:
    return f"{kind}:{value}"


def _read(book: Book, row: RowMapping) -> Client:
    open_values: dict[str, Any] = {name: row[name] for name in _OPEN}
    sealed = book.keys.unseal_json(CARD, row["card_enc"])
    return Client(
        id=row["id"], domain=domain_of(row["website"]), **open_values, **{n: sealed[n] for n in _SEALED}
    )
