"""Read a row of an import into what it says, or refuse it with its column and reason. Opens no file.

The columns are CONTRACT: a file and `POST /v1/sent` bring the same ones. A reason goes to whoever imports and
from there into tickets and logs, so it never repeats a value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from urllib.parse import urlsplit

from bot.domain import segments
from bot.domain.clients import Contact, ContactKind, Entry, contact_value, is_mail
from bot.domain.consent import MessageClass
from bot.domain.errors import BadInput
from bot.domain.numbers import sender_key, to_e164
from bot.domain.senders import WARSAW, Holding, day_of

Row = Mapping[str, str]


class Change(StrEnum):
    """What writing an entry did."""

    NEW = "new"
    UNCHANGED = "unchanged"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row that was not taken. `line` is the row's first line in a file, its place from 1 in a call."""

    line: int
    column: str
    reason: str


@dataclass(slots=True)
class ImportReport:
    """What an import did. read = new + unchanged + changed + refused."""

    read: int = 0
    new: int = 0
    unchanged: int = 0
    changed: int = 0
    refused: list[Refusal] = field(default_factory=list)

    def count(self, change: Change) -> None:
        setattr(self, change.value, getattr(self, change.value) + 1)


@dataclass(frozen=True, slots=True)
class SentRow:
    """One message of the feed. `recipient` is E.164; the text is fingerprinted and dropped."""

    message_id: str
    client_id: str
    sender: str
    sender_key: str
    recipient: str = field(repr=False)
    sent_at: datetime
    channel: str
    message_class: MessageClass
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a file: those that each row must fill or at least have, and those that may be absent."""

    needed: tuple[str, ...]
    optional: tuple[str, ...] = ()

    def check(self, names: tuple[str, ...]) -> None:
        """Refuse a wrong header at once. Raises BadInput."""
        if len(set(names)) < len(names):
            raise BadInput("header", "a column is there twice")
        missing = [name for name in self.needed if name not in names]
        unknown = [_nameable(name) for name in names if name not in self.needed + self.optional]
        problems = [f"missing: {', '.join(missing)}"] if missing else []
        problems += [f"not known: {', '.join(unknown)}"] if unknown else []
        if problems:
            problems += [f"the columns are {','.join(self.needed + self.optional)}, separated by commas"]
            raise BadInput("header", "; ".join(problems))


CLIENTS = Columns(
    needed=("client_id", "legal_name", "public_name"),
    optional=(
        "website", "privacy_url", "privacy_email", "phone", "address", "dpo", "language", "sensitive",
        "webhook_url", "contacts",
    ),
)  # fmt: skip
SENDERS = Columns(needed=("sender", "client_id"), optional=("channel", "valid_from", "valid_to"))
SENT = Columns(
    needed=("message_id", "client_id", "sender", "recipient", "sent_at"),
    optional=("channel", "class", "text"),
)

KINDS: Mapping[str, ContactKind] = {"phone": "phone", "email": "email", "login": "login"}
CHANNELS = frozenset({"sms", "mms", "rcs", "whatsapp", "viber", "messenger", "telegram"})
YES_NO = {
    "": False,
    **dict.fromkeys(("no", "false", "0", "nie"), False),
    **dict.fromkeys(("yes", "true", "1", "tak"), True),
}
MAX = {
    "message_id": 64, "client_id": 64, "sender": 40, "legal_name": 200, "public_name": 30, "website": 200,
    "privacy_url": 300, "privacy_email": 254, "address": 300, "dpo": 200, "webhook_url": 500,
    "contacts": 4_000,    "text": 20_000, "phone": 40,
}  # fmt: skip
AHEAD = timedelta(minutes=15)  #: how far a sending clock may be ahead of ours
SHOWN = 5  #: characters outside GSM-7 that a hint lists

_BREAKS = re.compile(r"[\r\n\t]+")  # an address of several lines becomes one line
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")


def client(row: Row) -> Entry:
    """A row of the clients' file. Raises BadInput."""
    name = _public_name(_text(row, "public_name", needed=True))
    return Entry(
        client_id=_text(row, "client_id", needed=True),
        legal_name=_text(row, "legal_name", needed=True),
        public_name=name,
        website=_text(row, "website"),
        privacy_url=_address(row, "privacy_url"),
        privacy_email=_mail(row, "privacy_email"),
        phone=_text(row, "phone"),
        address=_text(row, "address"),
        dpo=_text(row, "dpo"),
        language=_language(_text(row, "language") or "pl"),
        is_sensitive=_yes_no(row, "sensitive"),
        webhook_url=_address(row, "webhook_url"),
        contacts=_contacts(_text(row, "contacts")),
    )


def sender(row: Row, client_of: Callable[[str], int | None]) -> Holding:
    """A row of the senders' file. `client_of`: client_id → row id. Raises BadInput."""
    name = _sender(row)
    client_id = _text(row, "client_id")
    held_by = client_of(client_id) if client_id else None
    if client_id and held_by is None:
        raise BadInput("client_id", "no client of that id is known; import the clients first")
    begin = _moment_or_day(row, "valid_from", is_end=False)
    end = _moment_or_day(row, "valid_to", is_end=True)
    if begin is not None and end is not None and end <= begin:
        raise BadInput("valid_to", "is before valid_from")
    return Holding(sender=name, client=held_by, channel=_channel(row), valid_from=begin, valid_to=end)


def sent(row: Row, *, now: datetime) -> SentRow:
    """A row of the sent messages. Raises BadInput."""
    name = _sender(row)
    recipient = _recipient(_text(row, "recipient", needed=True))
    if recipient is None:
        raise BadInput("recipient", "is no phone number with its country code")
    sent_at = _moment(_text(row, "sent_at", needed=True), "sent_at")
    if sent_at > now + AHEAD:
        raise BadInput("sent_at", "lies in the future")
    return SentRow(
        message_id=_text(row, "message_id", needed=True),
        client_id=_text(row, "client_id", needed=True),
        sender=name,
        sender_key=_sender_key(name),
        recipient=recipient,
        sent_at=sent_at,
        channel=_channel(row),
        message_class=_class(row),
        text=_SURROGATE.sub("", row.get("text", "")[: MAX["text"]]),
    )


def _text(row: Row, column: str, *, needed: bool = False) -> str:
    value = row.get(column, "").strip()
    is_plain = value.isprintable()
    if not is_plain:
        value = _BREAKS.sub(" ", value)
    if needed and not value:
        raise BadInput(column, "is empty")
    if column in MAX and len(value) > MAX[column]:
        raise BadInput(column, f"is over {MAX[column]} characters")
    if not is_plain and _CONTROL.search(value):
        raise BadInput(column, "has control characters or is not UTF-8")
    return value


def _sender(row: Row) -> str:
    name = _text(row, "sender", needed=True)
    if not _sender_key(name):
        raise BadInput("sender", "has no letter and no digit")
    return name


# Feeds repeat themselves: few senders, and people who get many messages. Reading a number takes phonenumbers
# longer than all the rest of a row.
_sender_key = lru_cache(maxsize=10_000)(sender_key)
_recipient = lru_cache(maxsize=50_000)(to_e164)


def _public_name(name: str) -> str:
    outside = sorted({f"U+{ord(c):04X}" for c in name if segments.count(c).alphabet != "gsm7"})
    if outside:
        listed = ", ".join(outside[:SHOWN])
        raise BadInput("public_name", f"cannot go into an SMS ({listed}); write it without diacritics")
    if segments.count(name).units > MAX["public_name"]:
        raise BadInput("public_name", f"is over {MAX['public_name']} characters as an SMS counts; shorten it")
    return name


def _address(row: Row, column: str) -> str:
    value = _text(row, column)
    if not value:
        return ""
    try:
        parts = urlsplit(value)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        is_address = False
    if not is_address or " " in value:
        raise BadInput(column, "needs an http(s) address")
    return value


def _mail(row: Row, column: str) -> str:
    value = _text(row, column)
    if value and not is_mail(value):
        raise BadInput(column, "is no mail address")
    return value


def _language(value: str) -> str:
    if not re.fullmatch("[a-z]{2}", value):
        raise BadInput("language", "two letters, such as pl")
    return value


def _yes_no(row: Row, column: str) -> bool:
    value = _text(row, column).casefold()
    if value not in YES_NO:
        raise BadInput(column, "yes or no")
    return YES_NO[value]


def _contacts(value: str) -> tuple[Contact, ...]:
    found: dict[Contact, None] = {}
    for place, part in enumerate(filter(None, (p.strip() for p in value.split(";"))), start=1):
        name, _, rest = part.partition(":")
        kind = KINDS.get(name)
        if kind is None:
            raise BadInput("contacts", f"contact {place} begins with none of phone:, email:, login:")
        written = contact_value(kind, rest)
        if written is None:
            raise BadInput("contacts", f"contact {place} is no {kind}")
        found[Contact(kind, written)] = None
    return tuple(found)


def _channel(row: Row) -> str:
    value = _text(row, "channel").casefold() or "sms"
    if value not in CHANNELS:
        raise BadInput("channel", f"one of {', '.join(sorted(CHANNELS))}")
    return value


def _class(row: Row) -> MessageClass:
    try:
        return MessageClass(row.get("class", "").strip().casefold())
    except ValueError:
        raise BadInput("class", "marketing, service, code or empty") from None


def _moment_or_day(row: Row, column: str, *, is_end: bool) -> datetime | None:
    value = _text(row, column)
    if not value:
        return None
    try:
        first, following = day_of(date.fromisoformat(value))
    except (ValueError, OverflowError):
        return _moment(value, column)
    return following if is_end else first


def _moment(value: str, column: str) -> datetime:
    """ISO 8601. Without a zone it is Warsaw's time, as the operator's clocks and files are."""
    try:
        moment = datetime.fromisoformat(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=WARSAW)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadInput(column, "is no time such as 2026-11-20T12:00:00Z") from None


def _nameable(name: str) -> str:
    """A file without a header begins with a row of values: those are not repeated."""
    return name if re.fullmatch("[A-Za-z][A-Za-z_ -]{0,29}", name) else "(a column with no name)"
