"""Speak with SMSAPI: inbound SMS, delivery reports, sending. Knows nothing of what a message means.

Its callbacks carry no signature: they are believed for a secret in their address and for where they come
from, both. Its errors come with HTTP 200. https://www.smsapi.pl/docs
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import json
import logging
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, parse_qsl, quote

import httpx2
import structlog

from bot.domain import segments
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
from bot.settings import SmsapiSettings

ACCOUNT = "smsapi"  #: one account a deployment; the user's name comes with some callbacks only
MO_PATH = "/hooks/smsapi/mo"
DLR_PATH = "/hooks/smsapi/dlr"
CALLBACK_VERSION = 1  #: the format of callbacks, pinned: a new default must not change what is read here
OK = HookAnswer(body=b"OK")  #: anything else is delivered again, for ever

TIMEOUT = 10.0  #: seconds
MAX_FIELDS = 100
MAX_REPORTS = 5  #: in one request
MAX_PARTS = 6
# The provider remembers an idx for a day; after that a repeated one is a second message.
IDX_REMEMBERED = timedelta(hours=23)
TWO_WAY = "2way"
SHARED_SENDERS = frozenset({TWO_WAY, "eco"})

STATES = {
    "NOT_FOUND": Delivery.UNKNOWN,
    "EXPIRED": Delivery.FAILED,
    "SENT": Delivery.SENT,
    "DELIVERED": Delivery.DELIVERED,
    "UNDELIVERED": Delivery.FAILED,
    "FAILED": Delivery.FAILED,
    "REJECTED": Delivery.FAILED,
    "UNKNOWN": Delivery.UNKNOWN,
    "QUEUE": Delivery.ACCEPTED,
    "ACCEPTED": Delivery.ACCEPTED,
    "RENEWAL": Delivery.ACCEPTED,
    # The sending was halted at the provider. No word of the recipient's.
    "STOP": Delivery.FAILED,
}
STATE_NUMBERS = {
    "401": "NOT_FOUND",
    "402": "EXPIRED",
    "403": "SENT",
    "404": "DELIVERED",
    "405": "UNDELIVERED",
    "406": "FAILED",
    "407": "REJECTED",
    "408": "UNKNOWN",
    "409": "QUEUE",
    "410": "ACCEPTED",
    "411": "RENEWAL",
    "412": "STOP",
}

LATER: dict[str, Any] = {"retryable": True}
ALARM: dict[str, Any] = {"alarm": True}
LATER_AND_ALARM: dict[str, Any] = {"retryable": True, "alarm": True}
PERMANENT: dict[str, Any] = {}
IDX_REPEATED = 53  #: the earlier sending with this idx was taken
# Codes not named here are permanent.
FAILURES: dict[int, dict[str, Any]] = {
    8: LATER,
    201: LATER,
    666: LATER,
    999: LATER,
    200: LATER,
    202: LATER,
    203: LATER,
    52: {"retryable": True, "retry_after": 60.0},  # more than ten to one number in a minute
    57: {"stopped": True},  # on the blacklist of the account
    # Wrong, a landline, or on the blacklist: the provider does not say which, so it is no word of a person.
    13: PERMANENT,
    11: PERMANENT,
    12: PERMANENT,
    14: ALARM,  # the sender name is not approved
    98: ALARM,  # a test account
    # Nothing is lost once an operator has mended these.
    96: LATER_AND_ALARM,  # monthly limit
    101: LATER_AND_ALARM,  # credentials
    102: LATER_AND_ALARM,
    103: LATER_AND_ALARM,  # no points left
    105: LATER_AND_ALARM,  # the provider's filter of addresses
    110: LATER_AND_ALARM,  # service switched off
}

TELLING_FIELDS = ("username", "sms_from", "sms_to", "sms_text", "MsgId", "sms_id")

DIGITS = re.compile(r"[0-9]{4,16}")
PRINTABLE = re.compile(r"[\x21-\x7e]{1,128}")
# A sender that can stand in `from`: a name, not a number.
NAME = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9 .&@\-+_!%#]{1,11}")
CHATTY = ("httpx2", "httpcore2")

log = structlog.get_logger(__name__)


class Smsapi:
    """One SMSAPI account. Safe to be used by several threads at once."""

    name = "smsapi"
    account = ACCOUNT

    def __init__(self, settings: SmsapiSettings) -> None:
        self.sender = settings.sender
        self._secret = settings.callback_secret.encode()
        self._sources = tuple(ipaddress.ip_network(network) for network in settings.source_ips)
        self._public_url = settings.public_url
        self._http = httpx2.Client(
            base_url=settings.api_url,
            timeout=TIMEOUT,
            headers={"Authorization": f"Bearer {settings.token}"},
            follow_redirects=False,
        )
        for name in CHATTY:
            logging.getLogger(name).setLevel(logging.WARNING)

    @property
    def routes(self) -> tuple[Route, ...]:
        return (
            Route(MO_PATH, ("POST", "GET"), self.read_message),
            Route(DLR_PATH, ("GET", "POST"), self.read_reports),
        )

    def own_addresses(self) -> frozenset[str]:
        return frozenset({_ours(self.sender)}) if self.sender else frozenset()

    def sms_from(self) -> Origin | None:
        return Origin(self.name, self.account, _ours(self.sender)) if self.sender else None

    def read_message(self, request: HookRequest, now: datetime) -> Received:
        self._verify(request)
        inbound = _inbound(_fields(request), now) or _unreadable(request, now)
        return Received(inbound=(inbound,), answer=OK)

    def read_reports(self, request: HookRequest, now: datetime) -> Received:
        self._verify(request)
        reports = _reports(_fields(request))
        if not reports:
            return Received(inbound=(_unreadable(request, now),), answer=OK)
        return Received(reports=reports, answer=OK)

    def _verify(self, request: HookRequest) -> None:
        """Both the secret and the source must be right. Raises NotAuthentic."""
        given = parse_qs(request.query).get("k", [])
        knows_secret = len(given) == 1 and hmac.compare_digest(
            given[0].encode("utf-8", "replace"), self._secret
        )
        if not knows_secret:
            raise NotAuthentic
        if not self._is_known(request.source):
            # The provider may have moved: somebody who knows the secret comes from elsewhere.
            log.error("callback from an address not in SMSAPI_SOURCE_IPS", channel=self.name)
            raise NotAuthentic

    def _is_known(self, source: str) -> bool:
        try:
            address = ipaddress.ip_address(source)
        except ValueError:
            return False
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(address in network for network in self._sources)

    def send(self, message: Outgoing) -> Taken:
        """Hand one message to SMSAPI, under the outbox id as `idx`. Raises SendFailed.

        A repeated idx is answered with error 53, which means that the earlier attempt was taken: sending the
        same outbox row again within a day is harmless.
        """
        counted = segments.count(message.text)
        if counted.parts > MAX_PARTS:
            raise SendFailed("12")
        if not PRINTABLE.fullmatch(message.outbox_id) or set(message.outbox_id) & {",", "|"}:
            # Several reports come joined by commas, so that an idx with one could not be told apart.
            raise SendFailed("27")
        fields = {
            "to": message.address.person.removeprefix("+"),
            "message": message.text,
            "from": _sender(message.address.ours, self.sender),
            "encoding": "utf-8",  # the default is not documented
            "format": "json",
            "idx": message.outbox_id,
            "check_idx": "1",
            # What was counted here, and what a reply may take anyway: a miscount is refused, not billed.
            "max_parts": str(max(2, counted.parts)),
        }
        if message.text.isascii() and counted.alphabet == "gsm7":
            fields["nounicode"] = "1"
        try:
            answer = self._http.post("/sms.do", data=fields)
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout) as error:
            raise SendFailed(type(error).__name__, retryable=True) from None
        except httpx2.TransportError as error:
            raise SendFailed(type(error).__name__, ambiguous=True) from None
        return _taken(answer, message.outbox_id)

    def find(self, message: Outgoing, since: datetime) -> Taken | None:
        """Always None within a day: SMSAPI cannot be asked by `idx`, and needs not be, see `send`.

        Raises SendFailed, permanent, once the provider has forgotten the idx.
        """
        if datetime.now(UTC) - since > IDX_REMEMBERED:
            raise SendFailed("idx forgotten")
        return None

    def sweep(self, since: datetime, now: datetime) -> Iterator[Inbound]:
        """Nothing: SMSAPI delivers a message again until it is acknowledged."""
        return iter(())

    def check(self, *, register: bool) -> list[Finding]:
        """Try the token and both callbacks; with `register` set them at SMSAPI."""
        try:
            profile = self._json("GET", "/profile")
            points = profile.get("points")
            has_points = isinstance(points, int | float) and points > 0
            found = [Finding(has_points, f"account answers, {points} points left")]
            listed = self._json("GET", "/callbacks", params={"limit": "100"}).get("collection") or []
            for kind, path in (("sms_mo", MO_PATH), ("sms_dlr", DLR_PATH)):
                found += self._checked(kind, path, listed, register=register)
        except (httpx2.HTTPError, SendFailed, ValueError, AttributeError, TypeError, KeyError) as error:
            code = error.code if isinstance(error, SendFailed) else type(error).__name__
            return [Finding(False, f"SMSAPI does not answer as it should: {code}")]
        return found

    def _checked(
        self, kind: str, path: str, listed: list[dict[str, Any]], *, register: bool
    ) -> list[Finding]:
        address = self._public_url + path
        url = f"{address}?k={quote(self._secret, safe='')}"
        ours = [one for one in listed if one.get("type") == kind and one["url"].partition("?")[0] == address]
        callback, done = (ours[0] if ours else None), "is set"
        if callback is None or callback["url"] != url:
            if not register:
                old = "has another secret" if ours else "is not set"
                return [Finding(False, f"callback {kind} {old}")]
            callback, done = self._register(kind, url, callback), "was registered"
        is_live = callback.get("active") is True and not callback.get("invalid")
        if not is_live and register:
            self._json("PUT", f"/callbacks/{callback['id']}/commands/activate")
            is_live, done = True, "was switched on"
        version = callback.get("api_version")
        tested = self._json("GET", f"/callbacks/{callback['id']}/commands/test").get("test_result") is True
        return [
            Finding(is_live, f"callback {kind} {done}" if is_live else f"callback {kind} is switched off"),
            Finding(version == CALLBACK_VERSION, f"callback {kind} has format {version}"),
            Finding(tested, f"callback {kind} {'was' if tested else 'could not be'} reached by SMSAPI"),
        ]

    def _register(self, kind: str, url: str, known: dict[str, Any] | None) -> dict[str, Any]:
        wanted: dict[str, Any] = {"url": url, "api_version": CALLBACK_VERSION}
        if known is not None:
            return self._json("PUT", f"/callbacks/{known['id']}", json=wanted)
        wanted["type"] = kind
        if kind == "sms_mo":
            wanted["receiver_type"] = "all"
        return self._json("POST", "/callbacks", json=wanted)

    def _json(self, method: str, path: str, **how: Any) -> dict[str, Any]:
        answer = self._http.request(method, path, **how)
        content = json.loads(answer.text) if answer.content else {}
        if answer.status_code >= 400 or "error" in content:
            raise SendFailed(f"HTTP {answer.status_code}")
        return dict(content)

    def close(self) -> None:
        self._http.close()


def _fields(request: HookRequest) -> dict[str, str]:
    """Return the parameters of a callback, in its body or its query; the first of a repeated one counts."""
    encoded = f"{request.body.decode('utf-8', 'replace')}&{request.query}"
    try:
        pairs = parse_qsl(encoded, keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError:
        return {}
    return {name: value for name, value in pairs[::-1] if name != "k"}


def _inbound(fields: Mapping[str, str], now: datetime) -> Inbound | None:
    person, text = fields.get("sms_from", ""), fields.get("sms_text")
    receiver = fields.get("sms_to", "")
    if text is None or not _is_plain(person) or (receiver and not _is_plain(receiver)):
        return None
    answered = fields.get("MsgId", "")
    return Inbound(
        provider_id=_message_id(fields, now),
        address=Address(
            provider=Smsapi.name,
            account=ACCOUNT,
            medium=Medium.SMS,
            person=_person(person),
            ours=_ours(receiver or TWO_WAY),
        ),
        kind=Kind.TEXT,
        received_at=now,
        text=_without_prefix(text, receiver),
        sent_at=_time(fields.get("sms_date", "")),
        answered_id=answered if PRINTABLE.fullmatch(answered) else None,
        raw=json.dumps(dict(fields), ensure_ascii=False).encode(),
    )


def _message_id(fields: Mapping[str, str], now: datetime) -> str:
    """Return an id for a message that comes without one: a digest of all that tells it from another.

    Should an id of the provider's show up (`sms_id` was seen in one place, unconfirmed), it goes into the
    digest and does not replace it: were it the id of the message answered, "who is this?" and a STOP after it
    would become one, and the STOP be lost. For the same reason a message without a date is told apart by the
    minute it came in.
    """
    date = fields.get("sms_date") or f"came {now:%Y-%m-%dT%H:%M}"
    parts = [date, *(fields.get(name, "") for name in TELLING_FIELDS)]
    return f"sha256:{hashlib.sha256(json.dumps(parts).encode()).hexdigest()}"


def _unreadable(request: HookRequest, now: datetime) -> Inbound:
    log.warning("hook not understood", channel=Smsapi.name)
    raw = json.dumps(_fields(request), ensure_ascii=False).encode() if not request.body else request.body
    return Inbound(
        provider_id=f"sha256:{hashlib.sha256(request.path.encode() + b' ' + raw).hexdigest()}",
        address=None,
        kind=Kind.UNREADABLE,
        received_at=now,
        raw=raw,
        provider=Smsapi.name,
        account=ACCOUNT,
    )


def _is_plain(address: str) -> bool:
    return 0 < len(address) <= 64 and address.isprintable()


def _person(raw: str) -> str:
    """Return E.164: SMSAPI gives digits with the country code and without the plus. Names stay as they are.

    No region is assumed: "380671234567" would become no number, or another one.
    """
    number = to_e164(raw)
    if number is not None:
        return number
    return f"sms:{raw}" if raw.startswith("+") else raw


def _ours(receiver: str) -> str:
    """Return E.164 of a receiving number; a prefix ("7055.SHOP"), a short code, a name, `2way` stay."""
    return to_e164(receiver) or receiver


def _sender(ours: str, own: str) -> str:
    """Return what goes into `from`, so that the answer comes from the address that was written to.

    A name, `2way` and `eco` go as they are. A number does so only if it is the account's own, that is, the
    one of the settings: the numbers of the shared pool are refused as senders (error 14), and `2way` is how
    the provider answers from them. A short code or one with a keyword cannot be a sender either.
    """
    if ours in SHARED_SENDERS or (NAME.fullmatch(ours) and not DIGITS.match(ours)):
        return ours
    if own and ours == _ours(own):
        return own.removeprefix("+")
    return TWO_WAY


def _without_prefix(text: str, receiver: str) -> str:
    """Return the text without the keyword that led it to us, on a number shared by keyword ("7055.SHOP")."""
    _, dot, keyword = receiver.partition(".")
    if not dot or not keyword:
        return text
    match = re.match(rf"\s*{re.escape(keyword)}(?![^\W_])[\s.,:;-]*", text, re.IGNORECASE)
    return text[match.end() :] if match else text


def _time(seconds: str) -> datetime | None:
    try:
        return datetime.fromtimestamp(int(seconds), UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _reports(fields: Mapping[str, str]) -> tuple[Report, ...]:
    """Return the one to five reports of a request: every value is comma-joined, in the same order."""
    columns = {name: value.split(",") for name, value in fields.items()}

    def cell(name: str, row: int) -> str:
        column = columns.get(name, [])
        return column[row].strip() if row < len(column) else ""

    rows = range(min(len(columns.get("MsgId", [])), MAX_REPORTS))
    reports = (
        _report(cell("MsgId", row), cell("status_name", row), cell("status", row), cell("idx", row))
        for row in rows
    )
    return tuple(report for report in reports if report is not None)


def _report(message_id: str, state_name: str, state_number: str, idx: str) -> Report | None:
    if not PRINTABLE.fullmatch(message_id):
        return None
    state = state_name.upper() if state_name.upper() in STATES else STATE_NUMBERS.get(state_number, "")
    if not state:
        log.warning("delivery state not known", channel=Smsapi.name)
    return Report(
        provider=Smsapi.name,
        provider_id=message_id,
        delivery=STATES.get(state, Delivery.UNKNOWN),
        outbox_id=idx if PRINTABLE.fullmatch(idx) else None,
        code=state_number if state_number in STATE_NUMBERS else None,
        raw_state=state or "?",
    )


def _taken(answer: httpx2.Response, outbox_id: str) -> Taken:
    """Read the answer to a sending. Success is one entry with an id; whatever else is none."""
    if answer.status_code == 429:
        raise SendFailed("429", retryable=True, retry_after=_seconds(answer.headers.get("Retry-After", "")))
    if answer.status_code >= 500:
        raise SendFailed(str(answer.status_code), ambiguous=True)
    try:
        content = json.loads(answer.text)
        if content.get("error"):
            return _refused(int(content["error"]), outbox_id)
        (entry,) = content["list"]
        if content["count"] != 1 or not PRINTABLE.fullmatch(entry["id"]):
            raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError):
        return _not_understood(answer, outbox_id)
    error = entry.get("error")
    if error:
        return _refused(int(error) if str(error).isdecimal() else 0, outbox_id)
    return Taken(entry["id"], STATES.get(str(entry.get("status")).upper(), Delivery.ACCEPTED))


def _not_understood(answer: httpx2.Response, outbox_id: str) -> Taken:
    # "ERROR:13" is what it says when it disregards `format=json`.
    plain = re.match(r"ERROR:(\d{1,4})", answer.text)
    if plain:
        return _refused(int(plain[1]), outbox_id)
    if answer.status_code in (401, 403):
        raise SendFailed(str(answer.status_code), retryable=True, alarm=True)
    if answer.status_code >= 400:
        raise SendFailed(str(answer.status_code))
    raise SendFailed("unreadable answer", ambiguous=True)


def _refused(code: int, outbox_id: str) -> Taken:
    """Raise SendFailed for an error code; return the earlier sending for a repeated idx."""
    if code == IDX_REPEATED:
        # The provider does not say what id it gave then; its reports carry our idx.
        return Taken(f"idx:{outbox_id}")
    raise SendFailed(str(code), **FAILURES.get(code, PERMANENT))


def _seconds(value: str) -> float | None:
    return float(value) if value.isascii() and value.isdecimal() else None
