"""Say what a message is, whichever provider carries it. Parses no payload and sends nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Medium(StrEnum):
    """How a person reads the answer. Decides form and length of a text, never its content."""

    SMS = "sms"
    WHATSAPP = "whatsapp"
    MESSENGER = "messenger"
    TELEGRAM = "telegram"


class Kind(StrEnum):
    """What came in."""

    TEXT = "text"  #: something a person wrote, or a button pressed (its visible label is the text)
    CONTACT = "contact"  #: a contact card (Telegram); `shared` tells whether it is the sender's own
    START = "start"  #: the chat was opened (Telegram /start)
    BLOCKED = "blocked"  #: the person blocked this address on the platform (Telegram `kicked`)
    UNBLOCKED = "unblocked"
    PROVIDER_STOP = "provider_stop"  #: the provider took an opt-out and has already confirmed it
    PROVIDER_START = "provider_start"
    PROVIDER_HELP = "provider_help"
    IGNORED = "ignored"  #: authentic, but nothing a person said to us (an edit, a group, a sticker's echo)
    UNREADABLE = "unreadable"  #: authentic, but not understood: recorded, acknowledged, harmless


@dataclass(frozen=True, slots=True)
class Address:
    """One person on one of our addresses: the place an answer goes back to.

    provider: the channel that carries it (`twilio`, `smsapi`, `telegram`, `simulator`).
    account: the provider's account it belongs to (AccountSid, SMSAPI user, bot id); never a secret.
    person: what the provider calls the person: E.164 for SMS and WhatsApp numbers, else the
        provider's own id with its prefix (`messenger:…`, `whatsapp:PL.…`), a chat id on Telegram.
    ours: the address that was written to, from which the answer leaves (E.164, name, bot id).
    """

    provider: str
    account: str
    medium: Medium
    person: str = field(repr=False)
    ours: str = field(repr=False)

    @property
    def number(self) -> str | None:
        """E.164 if the provider itself vouches for a phone number, else None."""
        return self.person if self.person.startswith("+") else None


@dataclass(frozen=True, slots=True)
class Origin:
    """One of our own addresses from which an SMS can leave that nobody wrote to: codes and unprompted texts."""

    provider: str
    account: str
    ours: str

    def to(self, number: str) -> Address:
        """Where a number (E.164) is written to from here."""
        return Address(self.provider, self.account, Medium.SMS, number, self.ours)


@dataclass(frozen=True, slots=True)
class SharedContact:
    """A contact card. `number` is E.164 or None if it is no number we accept.

    `is_own`: the platform says it is the sender's own card (Telegram: `contact.user_id == from.id`,
    private chat, not forwarded).
    """

    number: str | None = field(repr=False)
    is_own: bool


@dataclass(frozen=True, slots=True)
class Inbound:
    """One thing that a provider delivered, verified and parsed.

    provider_id is unique within provider and account, from a signed field or the body, never from an
    unsigned header. `answered_id` is the provider's id of the message that this one answers, if told.
    `button` is the opaque token of a pressed button. `is_forwarded`: the platform says that somebody else wrote
    the text. Times are aware UTC.
    """

    provider_id: str
    address: Address | None
    kind: Kind
    received_at: datetime
    text: str = field(default="", repr=False)
    sent_at: datetime | None = None
    answered_id: str | None = None
    button: str | None = field(default=None, repr=False)
    shared: SharedContact | None = None
    language_hint: str | None = None
    raw: bytes | None = field(default=None, repr=False)
    is_late: bool = False  #: found by a sweep, not delivered by a hook
    is_forwarded: bool = False
    provider: str = ""  #: needed only where there is no address
    account: str = ""

    def __post_init__(self) -> None:
        if self.address is not None:
            object.__setattr__(self, "provider", self.address.provider)
            object.__setattr__(self, "account", self.address.account)


class Delivery(StrEnum):
    """How far an outgoing message got. `rank` orders them: a lower one never replaces a higher one."""

    ACCEPTED = "accepted"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"
    UNKNOWN = "unknown"

    @property
    def rank(self) -> int:
        return _RANKS[self]


_RANKS = {
    Delivery.UNKNOWN: 0,
    Delivery.ACCEPTED: 1,
    Delivery.SENT: 2,
    Delivery.FAILED: 3,
    Delivery.DELIVERED: 4,
    Delivery.READ: 5,
}


@dataclass(frozen=True, slots=True)
class Report:
    """A delivery report. `outbox_id` if the provider echoes ours (SMSAPI `idx`, our query), else None.

    `stopped`: the provider says this address wants no more (Twilio 21610, WhatsApp 63033 …).
    `opted_out`: and that the person told it so about our sender (21610), which is more than a blocked chat.
    """

    provider: str
    provider_id: str
    delivery: Delivery
    outbox_id: str | None = None
    code: str | None = None
    stopped: bool = False
    opted_out: bool = False
    raw_state: str = ""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message to send. `outbox_id` is ours and stays the same over every attempt.

    buttons: (token, label) pairs; a channel without buttons ignores them, the text carries digits too.
    asks_contact: offer the platform's own "share my number" button (Telegram).
    """

    outbox_id: str
    address: Address
    text: str = field(repr=False)
    buttons: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    asks_contact: bool = False


@dataclass(frozen=True, slots=True)
class Taken:
    """The provider took it. `provider_id` is what its reports will call it."""

    provider_id: str
    delivery: Delivery = Delivery.ACCEPTED


@dataclass(frozen=True, slots=True)
class HookRequest:
    """A request of a provider as it came over the wire, the body not parsed.

    `url` is PUBLIC_URL + raw path + raw query: what a provider signs. `query` and `headers` have lower-case
    names for headers; `source` is the peer's IP address.
    """

    method: str
    url: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    source: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class HookAnswer:
    """What to tell the provider once everything is committed."""

    body: bytes = b""
    media_type: str = "text/plain; charset=utf-8"
    status: int = 200


@dataclass(frozen=True, slots=True)
class Received:
    """What a verified request held: any mix of messages and reports, and the answer owed for it."""

    inbound: tuple[Inbound, ...] = ()
    reports: tuple[Report, ...] = ()
    answer: HookAnswer = HookAnswer()
