"""Decide what STOP and START change and whom they cover. Stores nothing, sends nothing.

Sources: GDPR 7(3) and 21(2)-(3) (withdrawal and objection need no reasons and take effect at once);
Polish PKE art. 398 (consent is given to one entity for one channel), hence per client.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

SHARED_LOOK_BACK = timedelta(days=30)
EVERY_CLIENT = 0  #: the client id under which a STOP ALL is kept


class MessageClass(StrEnum):
    """What the client declares a message to be."""

    MARKETING = "marketing"
    SERVICE = "service"
    CODE = "code"
    UNCLASSIFIED = ""


class Covers(StrEnum):
    """Which classes an opt-out stops."""

    MARKETING = "marketing"  #: marketing and unclassified messages
    ALL = "all"  #: everything

    def denies(self, message_class: MessageClass) -> bool:
        return self is Covers.ALL or message_class in (MessageClass.MARKETING, MessageClass.UNCLASSIFIED)


@dataclass(frozen=True, slots=True)
class OptOut:
    """One opt-out that stands: of one person, from one client or from `EVERY_CLIENT`."""

    client: int
    covers: Covers
    since: datetime


class Receipt(StrEnum):
    """Which words confirm an opt-out."""

    ONE_CLIENT = "one_client"
    THIS_SENDER = "this_sender"  #: a sensitive client is among them, or none is known
    SHARED_SENDER = "shared_sender"
    NAMED = "named"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A client that may have written: by its row id, and whether naming it could hurt."""

    client: int
    is_sensitive: bool = False


@dataclass(frozen=True, slots=True)
class Coverage:
    """What an opt-out will cover, and how to confirm it."""

    clients: tuple[int, ...]
    covers: Covers
    receipt: Receipt


def coverage_of_sender(candidates: Sequence[Candidate], *, is_shared: bool) -> Coverage:
    """What STOP sent to a number covers.

    candidates: the clients that wrote from it to this person within `SHARED_LOOK_BACK`, or the number's one
        holder. None known: the sender is stopped for every client, the wider reading of an unclear wish.
    is_shared: the number is held by several clients.
    """
    if not candidates:
        return Coverage((EVERY_CLIENT,), Covers.MARKETING, Receipt.THIS_SENDER)
    clients = tuple(sorted({c.client for c in candidates}))
    if any(c.is_sensitive for c in candidates):
        return Coverage(clients, Covers.MARKETING, Receipt.THIS_SENDER)
    receipt = Receipt.SHARED_SENDER if is_shared or len(clients) > 1 else Receipt.ONE_CLIENT
    return Coverage(clients, Covers.MARKETING, receipt)


def coverage_of_everything(stop_all_covers: str) -> Coverage:
    """What STOP ALL covers; `stop_all_covers` is the operator's setting, `all` or `marketing`."""
    return Coverage((EVERY_CLIENT,), Covers(stop_all_covers), Receipt.ALL)


@dataclass(frozen=True, slots=True)
class Answer:
    """The gate's answer. `since` is set when it denies."""

    is_allowed: bool
    since: datetime | None = None


def gate(standing: Iterable[OptOut], client: int, message_class: MessageClass) -> Answer:
    """May this client send this class of message to the person whose opt-outs these are?"""
    denied = [
        o.since for o in standing if o.client in (client, EVERY_CLIENT) and o.covers.denies(message_class)
    ]
    return Answer(False, min(denied)) if denied else Answer(True)
