"""Send the codes that were asked for: to a number by SMS, to an account's contact by SMS or mail.

Whether one may go at all is decided here and not where it was asked for, so that nobody can tell from an answer, or
from how long it took, what is known of a number or an account. One that may not go is made useless in silence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.utils import make_msgid
from typing import Any

import structlog

from bot.domain.codes import A_DAY_MOST, Purpose
from bot.domain.errors import SendFailed
from bot.domain.messages import Medium
from bot.domain.numbers import takes_codes
from bot.ledger import codes, conversations, people, queues, senders, tries
from bot.ledger.book import Book
from bot.ledger.codes import Unsent
from bot.services.contracts import House
from bot.services.send_mail import send_mail
from bot.services.verify_account import account_of
from bot.settings import MailSettings

log = structlog.get_logger()

LEASE = timedelta(seconds=60)  #: longer than a mail server is waited for
AGAIN = timedelta(seconds=30)
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class _Letter:
    """A code that goes by mail: nothing is open while it is handed over."""

    unsent: Unsent
    to: str = field(repr=False)
    client: int


def send_codes(house: House, mail: MailSettings, *, now: datetime, limit: int = 10) -> int:
    """Put what is due into the outbox, or mail it. Returns how many were in hand."""
    for count in range(limit):
        with house.ledger.read() as book:
            if not codes.has_unsent(book, now=now):
                return count
        with house.ledger.write() as book:
            unsent = codes.claim_unsent(book, now=now, lease=LEASE)
            if unsent is None:
                return count
            letter = _HANDED_OUT[unsent.made.purpose](house, book, unsent, now)
        if letter is not None:
            _post(house, mail, letter, now)
    return limit


def _to_number(house: House, book: Book, unsent: Unsent, now: datetime) -> _Letter | None:
    about = unsent.made.about
    kept = {"number": about["number"], "then": about["then"]}
    _settle(book, unsent, kept, is_sent=_text(house, book, unsent, str(about["number"]), "proof.sms", now))
    return None


def _to_account(house: House, book: Book, unsent: Unsent, now: datetime) -> _Letter | None:
    """To the best contact that can be reached; by mail only once nothing is open."""
    about = unsent.made.about
    account = account_of(book, str(about["claim"]))
    kept: dict[str, Any] = {"claim": about["claim"]}
    is_again = "client" in about  # it was counted when it was tried first
    if account is None or not (is_again or _is_within(book, "codes_of_account", str(account.client), now)):
        _settle(book, unsent, kept, is_sent=False)
        return None
    sends_mail = (house.ways_to_clients or {}).get("mail") and now < unsent.made.expires_at
    for contact in account.contacts:
        if contact.kind == "email" and sends_mail:
            codes.will_show(book, unsent, {**about, "client": account.client})
            return _Letter(unsent, contact.value, account.client)
        if contact.kind == "phone" and _text(house, book, unsent, contact.value, "account.sms", now):
            _settle(book, unsent, kept | {"client": account.client, "number": contact.value}, is_sent=True)
            return None
    _settle(book, unsent, kept, is_sent=False)
    return None


_HANDED_OUT: Mapping[Purpose, Callable[[House, Book, Unsent, datetime], _Letter | None]] = {
    Purpose.PROOF: _to_number,
    Purpose.ACCOUNT: _to_account,
}


def _text(house: House, book: Book, unsent: Unsent, number: str, key: str, now: datetime) -> bool:
    """Put the SMS into the outbox. False: no code goes to this number, or none any more today."""
    made = unsent.made
    is_nobodys = number in house.own_addresses or bool(senders.holdings(book, number))
    if is_nobodys or not takes_codes(number, house.code_countries):
        return False
    if now >= made.expires_at or not _is_within(book, "codes_to_number", number, now):
        return False
    asking = conversations.get(book, made.conversation).address
    if asking.medium is Medium.SMS and asking.number == number:
        place = made.conversation  # where it is to be typed: people answer the message they look at
    elif house.sms_from is not None:
        person = people.ensure_alike(book, number)
        place = conversations.open_for(book, house.sms_from.to(number), person=person, now=now).id
    else:
        return False
    language = house.language(made.about["language"])
    text = house.texts.say(key, language, Medium.SMS, {"digits": unsent.digits})
    draft = queues.Draft(conversation=place, kind="code", text=text, key=key, expires_at=made.expires_at)
    queues.put(book, draft, now=now)
    return True


def _is_within(book: Book, what: str, whom: str, now: datetime) -> bool:
    return tries.within(book, what, whom, most=A_DAY_MOST, period=DAY, now=now)


def _settle(book: Book, unsent: Unsent, about: Mapping[str, Any], *, is_sent: bool) -> None:
    kind = unsent.made.purpose.value
    if is_sent:
        codes.sent(book, unsent, about)
        log.info("code sent", event_id=unsent.made.id, kind=kind)
        return
    codes.withheld(book, unsent, about)
    log.info("code withheld", event_id=unsent.made.id, kind=kind)


def _post(house: House, mail: MailSettings, letter: _Letter, now: datetime) -> None:
    unsent = letter.unsent
    kept = {"claim": unsent.made.about["claim"]}
    try:
        send_mail(mail, _mail(house, mail, letter))
    except SendFailed as failure:
        log.warning("code not mailed", event_id=unsent.made.id, code=failure.code)
        with house.ledger.write() as book:
            if failure.retryable and now + AGAIN < unsent.made.expires_at:
                codes.again(book, unsent, at=now + AGAIN)
            else:
                _settle(book, unsent, kept, is_sent=False)
        return
    with house.ledger.write() as book:
        _settle(book, unsent, kept | {"client": letter.client}, is_sent=True)


def _mail(house: House, settings: MailSettings, letter: _Letter) -> EmailMessage:
    language = house.language(letter.unsent.made.about["language"])

    def said(key: str) -> str:
        # The long form, as in a chat.
        return house.texts.say(key, language, Medium.TELEGRAM, {"digits": letter.unsent.digits})

    message = EmailMessage()
    message["From"] = settings.mail_from
    message["To"] = letter.to
    message["Message-ID"] = make_msgid(domain=settings.mail_from.rpartition("@")[2])
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's holiday notice in answer
    message["Subject"] = said("account.mail_subject")
    message.set_content(f"{said('account.mail')}\n\n{house.texts.provider.brand}")
    return message
