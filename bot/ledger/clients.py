"""Keep the clients: what a person may be told of them, and who speaks for them. Tells nobody."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, case, delete, exists, func, literal, select, update

from bot.domain.clients import Client, Contact, ContactKind, Entry, contact_value, domain_of
from bot.domain.errors import NotKnown
from bot.domain.imports import Change
from bot.ledger.book import Book, Prepared, Row
from bot.ledger.tables import Moment, client_accounts, client_contacts, clients

CARD = "clients.card"
SIGNING = "clients.webhook_secret"
OLD_SIGNING = "clients.webhook_old_secrets"
CONTACT = "client_contacts.value"

__all__ = [
    "Client",
    "card",
    "contacts",
    "find",
    "has_account",
    "ids",
    "of_contact",
    "save",
    "set_webhook_secret",
    "webhook",
    "webhook_secrets",
]

_OPEN = ("client_id", "legal_name", "public_name", "website", "privacy_url", "language", "is_sensitive")
_SEALED = ("privacy_email", "phone", "address", "dpo", "webhook_url")
_TAKES = {"webhook_failures": 0, "webhook_failing_since": None, "webhook_rests_until": None}
_WELL = {"webhook_gone_at": None, **_TAKES}

RESTS = (5, 60, 300)
"""Seconds for which nothing is posted to a webhook after its first, second and every further failure in a
row. They stay below the schedule of any one notice: an outage costs a client minutes, not its turn."""


_IDS = Prepared(
    lambda _: select(clients.c.client_id, clients.c.id).where(
        clients.c.client_id.in_(bindparam("names", expanding=True))
    )
)
_SPEAKS_FOR = Prepared(
    lambda _: (
        select(client_contacts.c.client)
        .where(client_contacts.c.value_key.in_(bindparam("keys", expanding=True)))
        .distinct()
        .limit(2)
    )
)
_ROW = Prepared(
    lambda _: select(
        clients,
        exists(select(client_accounts.c.id).where(client_accounts.c.client == clients.c.id)).label(
            "has_account"
        ),
    ).where(clients.c.id == bindparam("client"))
)


def _row(book: Book, client: int) -> Row:
    found = book.known.get(("client", client)) or book.row(_ROW, client=client)
    if found is None:
        raise NotKnown("client")
    book.known["client", client] = found
    return found


def card(book: Book, client: int) -> Client:
    """One client by its row id. Raises NotKnown."""
    return _read(book, _row(book, client))


def has_account(book: Book, client: int) -> bool:
    """Has a client an account of its own at the provider, onto which its opt-outs are mirrored? Raises NotKnown."""
    return bool(_row(book, client)["has_account"])


def find(book: Book, client_id: str) -> int | None:
    """The row id of the operator's `client_id`, or None."""
    return ids(book, (client_id,)).get(client_id)


def ids(book: Book, client_ids: Iterable[str]) -> dict[str, int]:
    """The operator's ids → row ids, for those that are known."""
    rows = book.rows(_IDS, names=list(set(client_ids)))
    return {row["client_id"]: row["id"] for row in rows}


def of_contact(book: Book, kind: ContactKind, value: str) -> int | None:
    """The one client that this phone, e-mail or login speaks for; None if no client or several have it."""
    written = contact_value(kind, value)
    if written is None:
        return None
    keys = book.keys.find_any(_contact_text(kind, written))
    rows = book.rows(_SPEAKS_FOR, keys=keys)
    return rows[0]["client"] if len(rows) == 1 else None


def contacts(book: Book, client: int) -> tuple[Contact, ...]:
    """Who speaks for a client, by row id."""
    query = select(client_contacts).where(client_contacts.c.client == client).order_by(client_contacts.c.id)
    return tuple(Contact(r["kind"], book.unseal(CONTACT, r["value_enc"])) for r in book.rows(query))


def save(book: Book, entry: Entry, *, now: datetime) -> Change:
    """Write an entry down: a new client, or the one of that `client_id` brought up to date."""
    # key_share: a STOP that is told to this client refers to the row and must not wait for an import.
    mine = select(clients).where(clients.c.client_id == entry.client_id).with_for_update(key_share=True)
    row = book.row(mine)
    values = {name: getattr(entry, name) for name in _OPEN}
    sealed = {name: getattr(entry, name) for name in _SEALED}
    if row is None:
        card_enc = book.keys.seal_json(CARD, sealed)
        insert = book.insert(clients).values(**values, card_enc=card_enc, changed_at=now)
        _save_contacts(book, book.run(insert.returning(clients.c.id)).scalar_one(), entry.contacts)
        return Change.NEW
    known = book.keys.unseal_json(CARD, row["card_enc"])
    is_same = all(row[name] == value for name, value in values.items()) and sealed == known
    if is_same and set(contacts(book, row["id"])) == set(entry.contacts):
        return Change.UNCHANGED
    values["card_enc"] = book.keys.seal_json(CARD, sealed)
    if sealed["webhook_url"] != known["webhook_url"]:
        values |= _WELL  # what the old address did says nothing of the new one
    book.run(update(clients).where(clients.c.id == row["id"]).values(**values, changed_at=now))
    _save_contacts(book, row["id"], entry.contacts)
    return Change.CHANGED


def set_webhook_secret(
    book: Book, client: int, secret: str, *, now: datetime, keep_old: timedelta = timedelta(0)
) -> None:
    """Keep the secret that signs what this client is notified of, and post to its webhook again if it was gone.

    keep_old: for how long those it replaces sign too, so that the client can change over in its own time.
    """
    row = book.row(select(clients).where(clients.c.id == client).with_for_update(key_share=True))
    if row is None:
        raise NotKnown("client")
    old = _old_secrets(book, row, now=now)
    if row["webhook_secret_enc"] is not None:
        old[book.unseal(SIGNING, row["webhook_secret_enc"])] = (now + keep_old).isoformat()
    kept = old if keep_old else {}
    values = {
        "webhook_secret_enc": book.seal(SIGNING, secret),
        "webhook_old_secrets_enc": book.keys.seal_json(OLD_SIGNING, kept) if kept else None,
    }
    book.run(update(clients).where(clients.c.id == client).values(**values, **_WELL))


def webhook_secrets(book: Book, client: int, *, now: datetime) -> tuple[str, ...]:
    """The secrets that sign this client's notifications now, the current one first; empty: it has none."""
    row = book.row(select(clients).where(clients.c.id == client))
    if row is None or row["webhook_secret_enc"] is None:
        return ()
    old = _old_secrets(book, row, now=now)
    return (book.unseal(SIGNING, row["webhook_secret_enc"]), *reversed(old))


@dataclass(frozen=True, slots=True)
class Webhook:
    """How a client's webhook does. failures: attempts in a row that it did not take, the first at `failing_since`."""

    has_secret: bool
    gone_at: datetime | None
    failures: int
    failing_since: datetime | None
    rests_until: datetime | None


def webhook(book: Book, client: int) -> Webhook:
    """How a client's webhook does. Raises NotKnown."""
    row = _row(book, client)
    return Webhook(
        has_secret=row["webhook_secret_enc"] is not None,
        gone_at=row["webhook_gone_at"],
        failures=row["webhook_failures"],
        failing_since=row["webhook_failing_since"],
        rests_until=row["webhook_rests_until"],
    )


def webhook_answered(book: Book, client: int) -> None:
    """It took one: whatever went wrong before is over."""
    failed_before = (clients.c.id == client) & (clients.c.webhook_failures > 0)
    book.run(update(clients).where(failed_before).values(_TAKES))


def webhook_failed(book: Book, client: int, *, now: datetime, pause: float | None) -> None:
    """It did not take one: the others of this client rest too. pause: seconds that it asked for itself."""
    failures: int = book.scalar(
        update(clients)
        .where(clients.c.id == client)
        .values(
            webhook_failures=case(
                (clients.c.webhook_failures < 1_000, clients.c.webhook_failures + 1), else_=1_000
            ),
            webhook_failing_since=func.coalesce(clients.c.webhook_failing_since, literal(now, Moment)),
        )
        .returning(clients.c.webhook_failures)
    )
    seconds = max(RESTS[min(failures, len(RESTS)) - 1], pause or 0)
    book.run(
        update(clients)
        .where(clients.c.id == client)
        .values(webhook_rests_until=now + timedelta(seconds=seconds))
    )


def webhook_is_gone(book: Book, client: int, *, now: datetime) -> None:
    """It answered 410: nothing is posted there until the client has a new address or a new secret."""
    book.run(update(clients).where(clients.c.id == client).values(webhook_gone_at=now))


def digested(book: Book, client: int, *, now: datetime) -> None:
    """It got its daily mail."""
    book.run(update(clients).where(clients.c.id == client).values(digested_at=now))


def _old_secrets(book: Book, row: Row, *, now: datetime) -> dict[str, str]:
    """Those replaced that still sign, each with its last moment, the oldest first."""
    held = book.keys.unseal_json(OLD_SIGNING, row["webhook_old_secrets_enc"])
    return {secret: until for secret, until in held.items() if datetime.fromisoformat(until) > now}


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


def _read(book: Book, row: Row) -> Client:
    open_values: dict[str, Any] = {name: row[name] for name in _OPEN}
    sealed = book.keys.unseal_json(CARD, row["card_enc"])
    return Client(
        id=row["id"], domain=domain_of(row["website"]), **open_values, **{n: sealed[n] for n in _SEALED}
    )
