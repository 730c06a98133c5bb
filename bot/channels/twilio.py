"""Speak with Twilio: SMS, WhatsApp and Messenger through one hook. Knows nothing of what a message means.

Parameters: https://www.twilio.com/docs/messaging/guides/webhook-request
Signature: https://www.twilio.com/docs/usage/webhooks/webhooks-security
Error codes: https://www.twilio.com/docs/api/errors
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import logging
import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, parse_qsl, quote, urlsplit

import httpx2
import structlog
from starlette.datastructures import ImmutableMultiDict
from twilio.base.exceptions import (  # type: ignore[import-untyped]
    TwilioException,
    TwilioRestException,
    TwilioServiceException,
)
from twilio.http.response import Response  # type: ignore[import-untyped]
from twilio.request_validator import RequestValidator  # type: ignore[import-untyped]
from twilio.rest import Client  # type: ignore[import-untyped]

from bot.domain.channel import Finding, Route
from bot.domain.errors import NotAuthentic, SendFailed
from bot.domain.messages import (
    Address,
    Delivery,
    HookAnswer,
    HookRequest,
    Inbound,
    Kind,
    Medium,
    Origin,
    Outgoing,
    Received,
    Report,
    Taken,
)
from bot.domain.numbers import to_e164
from bot.settings import TwilioSettings

API_URL = "https://api.twilio.com"
INBOUND_PATH = "/hooks/twilio"
STATUS_PATH = "/hooks/twilio/status"
# Without these Twilio tries once and gives up after a failed connection only; `rp` says what is tried again.
# https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides
RETRIES = "#rc=2&rp=all&rt=10000"
FORM = "application/x-www-form-urlencoded"
NOTHING_TO_SAY = HookAnswer(
    body=b'<?xml version="1.0" encoding="UTF-8"?><Response/>', media_type="text/xml; charset=utf-8"
)
NOTED = HookAnswer(status=204)

TIMEOUT = 10.0  #: seconds; the library itself has none
MAX_FIELDS = 200  #: a WhatsApp message has about 40
MAX_TEXT = 1600  #: characters, error 21617
CLOCK_SKEW = timedelta(seconds=30)

# What stands before an address, and how its person reads. RCS comes without a prefix of its own in Medium:
# its texts have the length and the form of an SMS.
MEDIA = {
    "": Medium.SMS,
    "whatsapp:": Medium.WHATSAPP,
    "messenger:": Medium.MESSENGER,
    "rcs:": Medium.SMS,
}
PREFIXES = {Medium.WHATSAPP: "whatsapp:", Medium.MESSENGER: "messenger:"}

# Only with Advanced Opt-Out: Twilio has already answered and blocked.
# https://www.twilio.com/docs/messaging/tutorials/advanced-opt-out
OPT_OUT_TYPES = {"STOP": Kind.PROVIDER_STOP, "START": Kind.PROVIDER_START, "HELP": Kind.PROVIDER_HELP}

# https://www.twilio.com/docs/messaging/guides/outbound-message-status-in-status-callbacks
STATES = {
    "accepted": Delivery.ACCEPTED,
    "scheduled": Delivery.ACCEPTED,
    "queued": Delivery.ACCEPTED,
    "sending": Delivery.ACCEPTED,
    "sent": Delivery.SENT,
    "delivered": Delivery.DELIVERED,
    "read": Delivery.READ,
    "undelivered": Delivery.FAILED,
    "failed": Delivery.FAILED,
    "canceled": Delivery.FAILED,
}

STOPPED = {"stopped": True}
OPTED_OUT = {"stopped": True, "opted_out": True}
LATER = {"retryable": True}
ALARM = {"alarm": True}
LATER_AND_ALARM = {"retryable": True, "alarm": True}
UNCLEAR = {"ambiguous": True}
PERMANENT: dict[str, bool] = {}
# Codes not named here are permanent, apart from what the HTTP status says.
FAILURES: dict[int, dict[str, bool]] = {
    21610: OPTED_OUT,  # the person told Twilio STOP, which has confirmed it
    63014: STOPPED,  # WhatsApp: blocked by the user
    63033: STOPPED,  # WhatsApp: the recipient is blocked from receiving
    20429: LATER,
    21611: LATER,  # the number's queue is full
    30001: LATER,  # queue overflow
    30003: LATER,  # the handset is off
    30008: LATER,  # unknown, worth another attempt
    63017: LATER,
    63018: LATER,
    20003: LATER_AND_ALARM,  # credentials refused: nothing is lost once they are mended
    20005: LATER_AND_ALARM,  # account not active
    30002: LATER_AND_ALARM,  # account suspended
    14107: ALARM,  # the provider's loop guard tripped before ours
    21212: ALARM,  # our own sender is malformed
    21606: ALARM,  # our own sender may not send this
    21408: ALARM,  # region not enabled
    63015: ALARM,  # WhatsApp sandbox: the recipient has not joined
    30004: PERMANENT,
    30005: PERMANENT,
    30006: PERMANENT,
    30007: PERMANENT,
    21211: PERMANENT,
    21612: PERMANENT,
    21614: PERMANENT,
    21617: PERMANENT,
    63013: PERMANENT,
    63016: PERMANENT,  # outside the 24-hour window: only a template may be sent
    63024: PERMANENT,
    63032: PERMANENT,
}
STOPPED_CODES = frozenset(str(code) for code, says in FAILURES.items() if says.get("stopped"))
OPTED_OUT_CODES = frozenset(str(code) for code, says in FAILURES.items() if says.get("opted_out"))

SID = re.compile(r"[A-Z]{2}[0-9a-fA-F]{32}")
PRINTABLE = re.compile(r"[\x21-\x7e]{1,64}")
BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")
BASE64_FROM = 60  #: characters; a shorter text is never taken for base64
# Texts of the log lines the HTTP library writes: URLs, and in them numbers.
CHATTY = ("httpx2", "httpcore2")

Form = ImmutableMultiDict[str, str]
log = structlog.get_logger(__name__)


class Twilio:
    """One Twilio account. Safe to be used by several threads at once."""

    name = "twilio"

    def __init__(self, settings: TwilioSettings) -> None:
        self.account = settings.account_sid
        self.sender = settings.sender
        self._public_url = settings.public_url
        self._validators = [RequestValidator(token) for token in settings.auth_tokens]
        self._transport = _Transport(settings.api_url)
        # The first token is the current one; the others are only still accepted on hooks.
        self._client = Client(settings.account_sid, settings.auth_tokens[0], http_client=self._transport)
        self._numbers: frozenset[str] = frozenset()
        for name in CHATTY:
            logging.getLogger(name).setLevel(logging.WARNING)

    @property
    def routes(self) -> tuple[Route, ...]:
        return (
            Route(INBOUND_PATH, ("POST",), self.read_inbound),
            Route(STATUS_PATH, ("POST",), self.read_status),
        )

    def own_addresses(self) -> frozenset[str]:
        """The sender of the settings, and the account's numbers as the last sweep or check saw them."""
        known = set(self._numbers)
        if self.sender and not _is_service(self.sender):
            known.add(self.sender)
        return frozenset(known | {f"whatsapp:{number}" for number in known if number.startswith("+")})

    def sms_from(self) -> Origin | None:
        return Origin(self.name, self.account, self.sender) if self.sender else None

    def read_inbound(self, request: HookRequest, now: datetime) -> Received:
        form = self._verified(request)
        return Received(inbound=(_inbound(form, request.body, self.account, now),), answer=NOTHING_TO_SAY)

    def read_status(self, request: HookRequest, now: datetime) -> Received:
        form = self._verified(request)
        # The query as it was signed.
        report = _report(form, urlsplit(request.url).query)
        if report is None:
            return Received(inbound=(_unreadable(request.body, self.account, now),), answer=NOTED)
        return Received(reports=(report,), answer=NOTED)

    def _verified(self, request: HookRequest) -> Form:
        """Return the parameters of a request that Twilio signed. Raises NotAuthentic."""
        signature = request.headers.get("x-twilio-signature", "")
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if not signature or media_type != FORM:
            # The validator would answer a missing header, or JSON without its hash, with a TypeError.
            raise NotAuthentic
        try:
            # Blanks are part of what is signed, and no value may be trimmed.
            pairs = parse_qsl(
                request.body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=MAX_FIELDS
            )
        except ValueError:
            raise NotAuthentic from None
        form: Form = ImmutableMultiDict(pairs)
        if form.getlist("AccountSid") != [self.account]:
            raise NotAuthentic
        if not any(self._is_signed(url, form, signature) for url in _signed_urls(request.url)):
            raise NotAuthentic
        return form

    def _is_signed(self, url: str, form: Form, signature: str) -> bool:
        # The validator's own `validate` strips a port wrongly from an IPv6 host or after basic-auth
        # credentials, and compares without `compare_digest`; so only its computation is used.
        return any(
            hmac.compare_digest(
                validator.compute_signature(url, form).encode(), signature.encode("utf-8", "replace")
            )
            for validator in self._validators
        )

    def send(self, message: Outgoing) -> Taken:
        """Hand one message to Twilio. Raises SendFailed; unclear ones can be looked up by `find`."""
        if len(message.text) > MAX_TEXT:
            raise SendFailed("21617")
        ours = message.address.ours
        sender = {"messaging_service_sid": ours} if _is_service(ours) else {"from_": ours}
        try:
            created = self._client.messages.create(
                to=_to(message.address),
                body=message.text,
                status_callback=self._status_callback(message.outbox_id),
                **sender,
            )
        except _Unsent as error:
            raise SendFailed(str(error), retryable=True) from None
        except _Unclear as error:
            raise SendFailed(str(error), ambiguous=True) from None
        except TwilioException as error:
            # Not chained: the library's message holds the recipient's number.
            raise _send_failed(error) from None
        except (ValueError, AttributeError, TypeError):
            raise SendFailed("unreadable answer", ambiguous=True) from None
        if not isinstance(created.sid, str):
            raise SendFailed("unreadable answer", ambiguous=True)
        return Taken(created.sid, STATES.get(str(created.status), Delivery.ACCEPTED))

    def find(self, message: Outgoing, since: datetime) -> Taken | None:
        """Look for a message with this text to this person, created since then (aware).

        Ask a minute or more after the attempt: Twilio's list follows its queue. Raises SendFailed, ambiguous,
        if the list cannot be read.
        """
        wanted = {"to": _to(message.address)}
        if not _is_service(message.address.ours):
            wanted["from_"] = message.address.ours
        try:
            # No filter by date: `DateSent` is empty while a message waits in the queue. Newest come first.
            for seen in self._client.messages.stream(page_size=100, **wanted):
                if seen.date_created is not None and seen.date_created < since - CLOCK_SKEW:
                    return None
                if str(seen.direction).startswith("outbound") and _is_same_text(seen.body, message.text):
                    return Taken(seen.sid, STATES.get(str(seen.status), Delivery.UNKNOWN))
        except (TwilioException, _Unsent, _Unclear, ValueError, AttributeError, TypeError) as error:
            raise SendFailed(f"lookup failed: {_code(error)}", ambiguous=True) from None
        return None

    def _status_callback(self, outbox_id: str) -> str:
        return f"{self._public_url}{STATUS_PATH}?o={quote(outbox_id, safe='')}"

    def sweep(self, since: datetime, now: datetime) -> Iterator[Inbound]:
        """Yield what Twilio received for our numbers since then, oldest first, under the ids the hook gives.

        SMS and WhatsApp; Messenger pages are not listed by the API. Raises SendFailed, retryable, if the list
        cannot be read.
        """
        late: list[Inbound] = []
        try:
            self._refresh_numbers()
            for ours in sorted(self.own_addresses()):
                for seen in self._client.messages.stream(to=ours, date_sent_after=since, page_size=1000):
                    if seen.direction == "inbound":
                        late.append(_swept(seen, self.account, now))
        except (TwilioException, _Unsent, _Unclear, ValueError, AttributeError, TypeError) as error:
            raise SendFailed(f"sweep failed: {_code(error)}", retryable=True) from None
        yield from sorted(late, key=lambda one: one.sent_at or since)

    def _refresh_numbers(self) -> list[Any]:
        numbers = list(self._client.incoming_phone_numbers.stream(page_size=1000))
        self._numbers = frozenset(str(number.phone_number) for number in numbers)
        return numbers

    def check(self, *, register: bool) -> list[Finding]:
        """Try the credentials and each number's hook; with `register` set the hooks at Twilio."""
        try:
            account = self._client.api.accounts(self.account).fetch()
            found = [Finding(account.status == "active", f"account {self.account} is {account.status}")]
            numbers = self._refresh_numbers()
            found += [self._checked_number(number, register=register) for number in numbers]
            if self.sender and not _is_service(self.sender):
                found.append(
                    Finding(self.sender in self._numbers, "TWILIO_FROM is one of the account's numbers")
                )
            if _is_service(self.sender):
                found.append(self._checked_service(register=register))
        except (TwilioException, _Unsent, _Unclear, ValueError, AttributeError, TypeError) as error:
            return [Finding(False, f"Twilio does not answer as it should: {_code(error)}")]
        if not numbers:
            found.append(Finding(False, "the account has no number"))
        return found

    def _checked_number(self, number: Any, *, register: bool) -> Finding:
        hook = self._public_url + INBOUND_PATH
        label = f"hook of the number {number.sid}"
        if number.sms_url == hook + RETRIES and number.sms_method == "POST":
            return Finding(True, f"{label} is set, with retries")
        if not register:
            state = (
                "is set without retries" if str(number.sms_url).partition("#")[0] == hook else "is not set"
            )
            return Finding(False, f"{label} {state}")
        # The same hook as the fallback is one more attempt, made harmless by the inbox. An operator's own
        # fallback on another host is better, and stays.
        fallback = number.sms_fallback_url or hook
        number.update(
            sms_url=hook + RETRIES, sms_method="POST", sms_fallback_url=fallback, sms_fallback_method="POST"
        )
        return Finding(True, f"{label} was registered")

    def _checked_service(self, *, register: bool) -> Finding:
        """A Messaging Service has a hook of its own, which goes before that of its numbers."""
        hook = self._public_url + INBOUND_PATH
        service = self._client.messaging.v1.services(self.sender).fetch()
        label = f"hook of the Messaging Service {self.sender}"
        if service.use_inbound_webhook_on_number:
            return Finding(True, f"{label} is left to its numbers")
        if str(service.inbound_request_url).partition("#")[0] == hook and service.inbound_method == "POST":
            return Finding(True, f"{label} is set")
        if not register:
            return Finding(False, f"{label} is not set")
        service.update(inbound_request_url=hook + RETRIES, inbound_method="POST")
        return Finding(True, f"{label} was registered")

    def close(self) -> None:
        self._transport.close()


def _signed_urls(url: str) -> tuple[str, ...]:
    """Return the URL as it stands, and with or without its default port: Twilio signs one of them.

    HTTP never carries a fragment, so none is signed.
    """
    url = url.partition("#")[0]
    try:
        url.encode()
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return ()
    credentials, at, host = parts.netloc.rpartition("@")
    standard = 443 if parts.scheme == "https" else 80
    other = f"{host}:{standard}" if port is None else host[: host.rindex(":")]
    return url, url.replace(f"//{parts.netloc}", f"//{credentials}{at}{other}", 1)


def _inbound(form: Form, raw: bytes, account: str, now: datetime) -> Inbound:
    message_id = form.get("MessageSid") or form.get("SmsSid") or form.get("SmsMessageSid") or ""
    address = _address(account, form.get("From", ""), form.get("To", ""))
    # Names and values are signed as one string without separators, so that parts of a captured request could
    # be cut anew: an id of another form than Twilio's is none, or the same message would come in twice.
    if not SID.fullmatch(message_id) or address is None:
        return _unreadable(raw, account, now)
    if form.get("SmsStatus", "received") != "received":
        # A status callback that was pointed at this hook.
        return Inbound(
            provider_id=f"{message_id}:{hashlib.sha256(raw).hexdigest()[:32]}",
            address=None,
            kind=Kind.IGNORED,
            received_at=now,
            provider=Twilio.name,
            account=account,
        )
    answered = form.get("OriginalRepliedMessageSid", "")
    return Inbound(
        provider_id=message_id,
        address=address,
        kind=OPT_OUT_TYPES.get(form.get("OptOutType", "").upper(), Kind.TEXT),
        received_at=now,
        # WhatsApp repeats a button's label in Body, but not always.
        text=form.get("ButtonText") or _plain(form.get("Body", "")),
        answered_id=answered if SID.fullmatch(answered) else None,
        button=form.get("ButtonPayload") or None,
        raw=raw,
    )


def _swept(seen: Any, account: str, now: datetime) -> Inbound:
    address = _address(account, str(seen.from_), str(seen.to))
    return Inbound(
        provider_id=str(seen.sid),
        address=address,
        kind=Kind.TEXT if address is not None else Kind.UNREADABLE,
        received_at=now,
        text=_plain(seen.body or ""),
        sent_at=seen.date_sent or seen.date_created,
        is_late=True,
        provider=Twilio.name,
        account=account,
    )


def _unreadable(raw: bytes, account: str, now: datetime) -> Inbound:
    log.warning("hook not understood", channel=Twilio.name)
    return Inbound(
        provider_id=f"sha256:{hashlib.sha256(raw).hexdigest()}",
        address=None,
        kind=Kind.UNREADABLE,
        received_at=now,
        raw=raw,
        provider=Twilio.name,
        account=account,
    )


def _address(account: str, person: str, ours: str) -> Address | None:
    if not PRINTABLE.fullmatch(person.replace(" ", "_")) or not PRINTABLE.fullmatch(ours):
        return None
    prefix = person[: person.find(":") + 1]
    medium = MEDIA.get(prefix)
    if medium is None:
        return None
    return Address(
        provider=Twilio.name, account=account, medium=medium, person=_person(prefix, person), ours=ours
    )


def _person(prefix: str, raw: str) -> str:
    """Return E.164 where Twilio gives a number, else Twilio's own id, never one that looks like a number.

    A business-scoped user id ("whatsapp:PL.1357924680") and a Messenger id are no numbers, whatever digits
    they hold: read as one they would be another person's.
    """
    rest = raw.removeprefix(prefix)
    number = to_e164(rest) if rest.startswith("+") and prefix != "messenger:" else None
    if number is not None:
        return number
    return f"sms:{raw}" if raw.startswith("+") else raw


def _to(address: Address) -> str:
    """Return how Twilio wants the person named: with the prefix of the address that was written to."""
    ours = address.ours
    prefix = ours[: ours.find(":") + 1] or PREFIXES.get(address.medium, "")
    return address.person if address.person.startswith(prefix) else prefix + address.person


def _plain(body: str) -> str:
    """Return the text of a body that came base64-encoded, as long ones now and then do; others unchanged.

    Stricter than "looks like base64": what comes out must be readable UTF-8, at least half of it ASCII, or a
    long word without blanks would be destroyed, and with it perhaps a STOP.
    """
    if len(body) < BASE64_FROM or len(body) % 4 or not BASE64.fullmatch(body):
        return body
    try:
        text = base64.b64decode(body, validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return body
    is_readable = all(char.isprintable() or char in "\n\r\t" for char in text)
    return text if is_readable and 2 * sum(map(str.isascii, text)) >= len(text) else body


def _report(form: Form, query: str) -> Report | None:
    message_id = form.get("MessageSid") or form.get("SmsSid") or ""
    state = (form.get("MessageStatus") or form.get("SmsStatus") or "").lower()
    if not SID.fullmatch(message_id) or not PRINTABLE.fullmatch(state):
        return None
    code = form.get("ErrorCode") or None
    if code is not None and not PRINTABLE.fullmatch(code):
        code = None
    if state not in STATES:
        log.warning("delivery state not known", channel=Twilio.name, state=state)
    outbox_id = parse_qs(query).get("o", [""])[0]
    return Report(
        provider=Twilio.name,
        provider_id=message_id,
        delivery=STATES.get(state, Delivery.UNKNOWN),
        outbox_id=outbox_id if PRINTABLE.fullmatch(outbox_id) else None,
        code=code,
        stopped=code in STOPPED_CODES,
        opted_out=code in OPTED_OUT_CODES,
        raw_state=state,
    )


def _is_service(ours: str) -> bool:
    return ours.startswith("MG")


def _is_same_text(seen: str | None, sent: str) -> bool:
    # A trial account puts a line of its own before the text.
    return bool(seen) and str(seen).strip().endswith(sent.strip())


def _send_failed(error: Exception) -> SendFailed:
    code = _code(error)
    status = error.status if isinstance(error, TwilioRestException | TwilioServiceException) else 0
    says = FAILURES.get(int(code)) if code.isdecimal() else None
    return SendFailed(code, **(_by_status(status) if says is None else says))


def _by_status(status: int) -> dict[str, bool]:
    if status >= 500 or status == 0:
        # Messages has no idempotency key: it may have been sent.
        return UNCLEAR
    if status == 429:
        return LATER
    return LATER_AND_ALARM if status in (401, 403) else PERMANENT


def _code(error: Exception) -> str:
    """Return what may be logged of an error: Twilio's code, else the kind of error. Never its message."""
    if isinstance(error, TwilioRestException | TwilioServiceException):
        return str(error.code or error.status)
    return str(error) if isinstance(error, _Unsent | _Unclear) else type(error).__name__


class _Unsent(Exception):
    """The request surely did not reach Twilio."""


class _Unclear(Exception):
    """The request may have reached Twilio."""


class _Transport:
    """How the official client speaks HTTP: with a deadline, to one host, "unsent" told from "unclear".

    It has the one method of `twilio.http.HttpClient` that is called.
    """

    is_async = False

    def __init__(self, api_url: str) -> None:
        # The library knows several hosts (api., messaging.); an address of the settings serves them all.
        self._host = None if api_url == API_URL else httpx2.URL(api_url)
        self._client = httpx2.Client(timeout=TIMEOUT, follow_redirects=False)

    def request(
        self,
        method: str,
        url: str,
        params: Mapping[str, Any] | None = None,
        data: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,
        allow_redirects: bool = False,
    ) -> Response:
        target = httpx2.URL(url)
        if self._host is not None:
            target = target.copy_with(scheme=self._host.scheme, netloc=self._host.netloc)
        try:
            answer = self._client.request(
                method,
                target,
                params=dict(params) if params else None,
                data=dict(data) if data else None,
                headers=dict(headers or {}),
                auth=auth,
                timeout=timeout or TIMEOUT,
                follow_redirects=allow_redirects,
            )
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout) as error:
            raise _Unsent(type(error).__name__) from None
        except httpx2.TransportError as error:
            raise _Unclear(type(error).__name__) from None
        return Response(answer.status_code, answer.text, answer.headers)

    def close(self) -> None:
        self._client.close()
