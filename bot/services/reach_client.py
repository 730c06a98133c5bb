"""Choose the way by which a client is told something. Tells nothing itself."""

from __future__ import annotations

from collections.abc import Mapping

from bot.domain.clients import Client
from bot.ledger import clients
from bot.ledger.book import Book
from bot.ledger.notices import REQUESTS, EventType, Way

Ways = Mapping[str, bool]
"""Which of `webhook` and `mail` this house can send at all."""


def way_to(book: Book, client: Client, event_type: EventType, ways: Ways | None) -> Way | None:
    """The way to a client now, or None if there is none.

    A webhook needs a secret too: unsigned, nobody could tell it from a forged one. By mail a request goes at
    once, since it has a due date, and opt-outs once a day.
    """
    if _takes_webhooks(book, client, ways or {}):
        return Way.WEBHOOK
    return mail_to(client, event_type, ways)


def mail_to(client: Client, event_type: EventType, ways: Ways | None) -> Way | None:
    """The way by mail, or None if the house sends none or the client has no address for it."""
    if not (ways or {}).get("mail") or not client.privacy_email:
        return None
    return Way.MAIL if event_type in REQUESTS else Way.DIGEST


def _takes_webhooks(book: Book, client: Client, ways: Ways) -> bool:
    if not ways.get("webhook") or not client.webhook_url:
        return False
    webhook = clients.webhook(book, client.id)
    return webhook.has_secret and webhook.gone_at is None
