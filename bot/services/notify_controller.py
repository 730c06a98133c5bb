"""Tell a client what concerns it: by webhook (Standard Webhooks 1.0) or mail. Decides nothing about requests.

Specification: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import smtplib
import ssl
from collections.abc import Mapping
from datetime import datetime, timedelta
from email.message import EmailMessage
from typing import Any
from urllib.parse import unquote, urlsplit

import structlog

from bot.domain.errors import SendFailed
from bot.egress import Egress
from bot.ledger import cases, clients, forwards
from bot.ledger.clients import Client
from bot.ledger.forwards import Forward
from bot.services.contracts import House
from bot.settings import MailSettings

log = structlog.get_logger()

SCHEDULE = (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
"""Seconds before each further attempt: about 75 hours in all, as the specification's example."""

GONE = 410  #: the client takes no more


def notify(house: House, egress: Egress, mail: MailSettings, *, now: datetime, limit: int = 10) -> int:
    """Send what is due, up to `limit`. Returns how many were in hand.

    One is claimed at a time: the leases of a batch would run out while its first client keeps us waiting.
    """
    return sum(1 for _ in range(limit) if _next(house, egress, mail, now))


def _next(house: House, egress: Egress, mail: MailSettings, now: datetime) -> bool:
    with house.ledger.write() as book:
        due = [
            (f, clients.card(book, f.client), clients.webhook_secret(book, f.client))
            for f in forwards.claim(book, now=now, limit=1)
        ]
    for forward, client, secret in due:
        _send(house, egress, mail, forward, client, secret, now)
    return bool(due)


def sign(secret: str, event: str, timestamp: int, body: bytes) -> str:
    """The `webhook-signature` of a notification.

    secret: `whsec_` and base64, as shown to the client. timestamp: Unix seconds.
    """
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{event}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def _send(
    house: House,
    egress: Egress,
    mail: MailSettings,
    forward: Forward,
    client: Client,
    secret: str | None,
    now: datetime,
) -> None:
    try:
        if forward.way == "webhook":
            _post(egress, forward, client, secret, now)
        else:
            _mail(mail, house, forward, client)
    except SendFailed as failure:
        _failed(house, forward, failure, now)
        return
    except Exception as error:  # noqa: BLE001  # a fault with one client must not keep the others waiting
        log.error("telling broke", event_id=forward.event, error=type(error).__name__)
        _failed(house, forward, SendFailed("fault", retryable=True), now)
        return
    with house.ledger.write() as book:
        forwards.settle(book, forward, "sent", now=now)
    log.info("client told", event_id=forward.event, kind=forward.way)


def _post(egress: Egress, forward: Forward, client: Client, secret: str | None, now: datetime) -> None:
    if secret is None:
        raise SendFailed("no webhook secret", alarm=True)
    body = json.dumps(forward.body, ensure_ascii=False, separators=(",", ":")).encode()
    stamp = int(now.timestamp())
    headers = {
        "content-type": "application/json",
        "webhook-id": forward.event,
        "webhook-timestamp": str(stamp),
        "webhook-signature": sign(secret, forward.event, stamp, body),
    }
    answer = egress.post(client.webhook_url, body, headers)
    if 200 <= answer.status < 300:
        return
    retryable = answer.status != GONE
    raise SendFailed(f"http {answer.status}", retryable=retryable, retry_after=answer.retry_after)


def _mail(settings: MailSettings, house: House, forward: Forward, client: Client) -> None:
    message = EmailMessage()
    message["From"] = settings.mail_from
    message["To"] = client.privacy_email
    message["Message-ID"] = f"<{forward.event}@{settings.mail_from.rpartition('@')[2]}>"
    fields: Mapping[str, Any] = forward.body["data"]
    brand = house.texts.provider.brand
    message["Subject"] = f"{brand}: {fields['reference']}"
    message.set_content(
        "\n".join(
            [
                "Osoba, ktora dostala Wasza wiadomosc, zlozyla zadanie dotyczace danych osobowych.",
                "A person who got your message has made a request about personal data.",
                "",
                *(f"{name}: {value}" for name, value in fields.items()),
                "",
                f"{brand}",
            ]
        )
    )
    parts = urlsplit(settings.smtp_url)
    try:
        with _connected(parts.scheme, parts.hostname or "", parts.port) as line:
            if parts.username:
                if not isinstance(line.sock, ssl.SSLSocket) and not _is_here(parts.hostname or ""):
                    raise SendFailed("no tls for the password", retryable=True, alarm=True)
                line.login(unquote(parts.username), unquote(parts.password or ""))
            line.send_message(message)
    except smtplib.SMTPRecipientsRefused as refused:
        # 4xx is "not now" (greylisting), 5xx is for good: RFC 5321, 4.2.1
        is_for_good = all(code >= 500 for code, _ in refused.recipients.values())
        raise SendFailed("recipient refused", retryable=not is_for_good) from None
    except (smtplib.SMTPException, OSError) as error:
        raise SendFailed(type(error).__name__, retryable=True) from error


def _connected(scheme: str, host: str, port: int | None) -> smtplib.SMTP:
    if scheme == "smtps":
        return smtplib.SMTP_SSL(host, port or 465, timeout=15, context=ssl.create_default_context())
    line = smtplib.SMTP(host, port or 587, timeout=15)
    line.ehlo()
    if line.has_extn("starttls"):
        line.starttls(context=ssl.create_default_context())
        line.ehlo()
    return line


def _is_here(host: str) -> bool:
    return host in ("localhost", "127.0.0.1", "::1")


def _failed(house: House, forward: Forward, failure: SendFailed, now: datetime) -> None:
    """Try again by the schedule; at its end support has the case, so that the request is not lost."""
    log.warning("client not told", event_id=forward.event, code=failure.code, tries=forward.tries)
    with house.ledger.write() as book:
        if failure.retryable and forward.tries <= len(SCHEDULE):
            wait = max(failure.retry_after or 0, SCHEDULE[forward.tries - 1])
            forwards.settle(
                book, forward, "ready", now=now, code=failure.code, ready_at=now + timedelta(seconds=wait)
            )
            return
        forwards.settle(book, forward, "failed", now=now, code=failure.code)
        cases.set_state(book, forward.case, "open", now=now)
