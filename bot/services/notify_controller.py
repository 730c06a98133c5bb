"""Tell clients what waits for them: by webhook (Standard Webhooks 1.0) or mail. Decides nothing about requests.

Specification: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.message import EmailMessage

import structlog

from bot.domain.clients import Client
from bot.domain.errors import SendFailed
from bot.egress import Egress
from bot.ledger import cases, clients, notices
from bot.ledger.book import Book
from bot.ledger.notices import REQUESTS, EventType, Notice, Way
from bot.services import acknowledge
from bot.services.contracts import House
from bot.services.reach_client import mail_to
from bot.services.send_mail import send_mail
from bot.settings import MailSettings

log = structlog.get_logger()

SCHEDULE = (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
"""Seconds before each further attempt: about 75 hours in all, as the specification's example."""

GONE = 410  #: the client takes no more
_GONE_CODE = f"http {GONE}"


@dataclass(frozen=True, slots=True)
class _Turn:
    """What was claimed for one client: one notice, or a digest of several."""

    held: Sequence[Notice]
    client: Client
    secrets: tuple[str, ...] = field(repr=False)

    @property
    def first(self) -> Notice:
        return self.held[0]


def notify(house: House, egress: Egress, mail: MailSettings, *, now: datetime, limit: int = 10) -> int:
    """Send what is due, up to `limit`; a digest counts once. Returns how many were in hand.

    One is claimed at a time: the leases of a batch would run out while its first client keeps us waiting.
    """
    for count in range(limit):
        turn = _claim(house, now)
        if turn is None:
            return count
        _send(house, egress, mail, turn, now)
    return limit


def sign(secret: str, event: str, timestamp: int, body: bytes) -> str:
    """One signature of a notification, as it stands in `webhook-signature`.

    secret: `whsec_` and base64, as shown to the client. timestamp: Unix seconds.
    """
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{event}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def _claim(house: House, now: datetime) -> _Turn | None:
    with house.ledger.write() as book:
        single = notices.claim(book, now=now)
        held = notices.claim_digest(book, now=now) if single is None else [single]
        if not held:
            return None
        client = held[0].client
        return _Turn(held, clients.card(book, client), clients.webhook_secrets(book, client, now=now))


def _send(house: House, egress: Egress, mail: MailSettings, turn: _Turn, now: datetime) -> None:
    try:
        if turn.first.way is Way.WEBHOOK:
            _post(egress, turn, now)
        else:
            send_mail(mail, _mail(house, mail, turn, now))
    except SendFailed as failure:
        _failed(house, turn, failure, now)
        return
    except Exception as error:  # noqa: BLE001  # a fault with one client must not keep the others waiting
        log.error("telling broke", event_id=turn.first.event, error=type(error).__name__)
        _failed(house, turn, SendFailed("fault", retryable=True), now)
        return
    with house.ledger.write() as book:
        notices.settle(book, turn.held, "sent", now=now)
        if turn.first.way is Way.WEBHOOK:
            clients.webhook_answered(book, turn.client.id)
        if turn.first.way is Way.DIGEST:
            clients.digested(book, turn.client.id, now=now)
    log.info("client told", event_id=turn.first.event, kind=turn.first.way.value, count=len(turn.held))


def _post(egress: Egress, turn: _Turn, now: datetime) -> None:
    if not turn.secrets:
        raise SendFailed("no webhook secret", alarm=True)
    notice = turn.first
    body = json.dumps(notice.body, ensure_ascii=False, separators=(",", ":")).encode()
    stamp = int(now.timestamp())
    headers = {
        "content-type": "application/json",
        "webhook-id": notice.event,
        "webhook-timestamp": str(stamp),
        # One of each secret that is valid: whoever changes over verifies with the old or with the new one.
        "webhook-signature": " ".join(sign(s, notice.event, stamp, body) for s in turn.secrets),
    }
    answer = egress.post(turn.client.webhook_url, body, headers)
    if 200 <= answer.status < 300:
        return
    raise SendFailed(f"http {answer.status}", retryable=answer.status != GONE, retry_after=answer.retry_after)


# --- mail --------------------------------------------------------------------------------------------

_REQUEST = (
    "Osoba, ktora dostala Wasza wiadomosc, zlozyla zadanie dotyczace danych osobowych.",
    "A person who got your message has made a request about personal data.",
)
_REMINDER = (
    "Przypominamy o zadaniu, ktorego odbioru nie potwierdzono. Termin na odpowiedz biegnie od jego otrzymania.",
    "This is a reminder of a request that was not acknowledged. The time to answer runs from its receipt.",
)
_CONFIRM = "Prosze potwierdzic odbior / Please acknowledge receipt:"
_OPT_OUTS = (
    "Ponizsze numery nie chca Waszych wiadomosci (optout.created) albo cofnely sprzeciw (optout.lifted).",
    "Wazny jest ostatni wiersz o danym numerze. Cofniecie sprzeciwu nie jest zgoda.",
    "These numbers want no messages from you (optout.created) or have taken that back (optout.lifted).",
    "The last line about a number holds. Taking an opt-out back is no consent.",
)


def _mail(house: House, settings: MailSettings, turn: _Turn, now: datetime) -> EmailMessage:
    is_request = turn.first.event_type in REQUESTS
    brand = house.texts.provider.brand
    message = EmailMessage()
    message["From"] = settings.mail_from
    message["To"] = turn.client.privacy_email
    message["Message-ID"] = f"<{turn.first.event}@{settings.mail_from.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's holiday notice in answer
    subject = turn.first.body["data"]["reference"] if is_request else f"opt-out ({len(turn.held)})"
    message["Subject"] = f"{brand}: {subject}"
    lines = _request(house, turn, now) if is_request else _digest(turn)
    message.set_content("\n".join([*lines, "", brand]))
    return message


def _request(house: House, turn: _Turn, now: datetime) -> list[str]:
    fields = turn.first.body["data"]
    said = _REMINDER if turn.first.event_type is EventType.REMINDER else _REQUEST
    lines = [*said, "", *(f"{name}: {value}" for name, value in fields.items())]
    if house.public_url:
        keys = house.ledger.keys
        address = acknowledge.link(
            keys, house.public_url, fields["reference"], turn.client.client_id, now=now
        )
        lines += ["", _CONFIRM, address]
    return lines


def _digest(turn: _Turn) -> list[str]:
    names = ("number", "scope", "covers", "time", "reference")
    rows = [
        "; ".join([notice.event_type.value, *(str(notice.body["data"][name]) for name in names)])
        for notice in turn.held
    ]
    return [*_OPT_OUTS, "", "; ".join(("event", *names)), *rows]


# --- what went wrong ---------------------------------------------------------------------------------


def _failed(house: House, turn: _Turn, failure: SendFailed, now: datetime) -> None:
    """Try again by the schedule; what is tried no more goes another way, or somebody looks at it."""
    log.warning("client not told", event_id=turn.first.event, code=failure.code, tries=turn.first.tries)
    with house.ledger.write() as book:
        if turn.first.way is Way.WEBHOOK and failure.retryable:
            clients.webhook_failed(book, turn.client.id, now=now, pause=failure.retry_after)
        again = [n for n in turn.held if failure.retryable and n.tries <= len(SCHEDULE)]
        if again:
            # The notices of a digest stay together: the one tried most often sets the time for all.
            wait = max(failure.retry_after or 0, SCHEDULE[max(n.tries for n in again) - 1])
            ready_at = now + timedelta(seconds=wait)
            notices.settle(book, again, "ready", now=now, code=failure.code, ready_at=ready_at)
        over = [n for n in turn.held if n not in again]
        if turn.first.way is Way.WEBHOOK and failure.code == _GONE_CODE:
            log.error("webhook gone", client=turn.client.id, alarm=True)
            clients.webhook_is_gone(book, turn.client.id, now=now)
            over += notices.take_waiting(book, turn.client.id, Way.WEBHOOK, now=now)
        _give_up(house, book, turn.client, over, failure.code, now)


def _give_up(
    house: House, book: Book, client: Client, over: Sequence[Notice], code: str, now: datetime
) -> None:
    """A request goes back to support; an opt-out that no webhook took goes by the daily mail, if there is one.

    A reminder that did not get through leaves the request where it is: support is told soon anyway.
    """
    for notice in over:
        digest = mail_to(client, notice.event_type, house.ways_to_clients)
        if notice.event_type not in REQUESTS and notice.way is Way.WEBHOOK and digest is not None:
            notices.settle(book, [notice], "ready", now=now, code=code, ready_at=now, way=digest)
            continue
        log.error("client was never told", event_id=notice.event, code=code, alarm=True)
        notices.settle(book, [notice], "failed", now=now, code=code)
        if notice.event_type is EventType.RIGHTS and notice.case is not None:
            cases.take_back(book, notice.case)
