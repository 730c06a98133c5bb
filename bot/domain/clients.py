"""Say what is known of a client and who speaks for it. Stores nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

from bot.domain.numbers import to_e164

ContactKind = Literal["phone", "email", "login"]


@dataclass(frozen=True, slots=True)
class Contact:
    """One way by which a client is known to speak for itself. `value` as `contact_value` writes it."""

    kind: ContactKind
    value: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Entry:
    """What the operator says of a client in an import."""

    client_id: str
    legal_name: str
    public_name: str
    website: str = ""
    privacy_url: str = ""
    privacy_email: str = field(default="", repr=False)
    phone: str = field(default="", repr=False)
    address: str = field(default="", repr=False)
    dpo: str = field(default="", repr=False)
    language: str = "pl"
    is_sensitive: bool = False
    webhook_url: str = field(default="", repr=False)
    contacts: tuple[Contact, ...] = ()


@dataclass(frozen=True, slots=True)
class Client:
    """A client as the rest of the house sees it. `id` is the row, `client_id` the operator's name for it.

    domain: the bare host of the website, "" if there is none; what stands for the client in an SMS.
    """

    id: int
    client_id: str
    legal_name: str
    public_name: str
    website: str
    domain: str
    privacy_url: str
    privacy_email: str
    phone: str
    address: str
    dpo: str = field(repr=False)
    language: str
    is_sensitive: bool
    webhook_url: str = field(repr=False)


def contact_value(kind: ContactKind, value: str) -> str | None:
    """The one spelling in which a contact is kept and found, or None if it is none."""
    if kind == "phone":
        return to_e164(value, region="PL")
    folded = value.strip().casefold()
    if kind == "email" and not is_mail(folded):
        return None
    return folded or None


def is_mail(value: str) -> bool:
    """Whether a value has the form of a mail address; nothing says that mail arrives there."""
    name, at, host = value.rpartition("@")
    return bool(name and at and "." in host[1:-1]) and not any(c.isspace() for c in value)


def domain_of(website: str) -> str:
    """`https://www.shop.example/pl` → `shop.example`."""
    parts = urlsplit(website if "//" in website else f"//{website}")
    return (parts.hostname or "").removeprefix("www.")
