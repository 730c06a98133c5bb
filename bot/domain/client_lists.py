"""Say what a client's own account at a provider holds of opt-outs. Speaks with no provider and decides nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Entry:
    """One number on a blacklist. number: E.164, or None for one that is no valid number."""

    id: str
    number: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class ListedOptOut:
    """Somebody opted out on the provider's own page. number as in `Entry`; at: when, if the provider tells."""

    id: str
    number: str | None = field(repr=False)
    at: datetime | None


class ClientLists(Protocol):
    """The lists of one client's own account. Every method raises SendFailed.

    `alarm` then means that the account refuses us, whatever is asked; `retryable` that it may be asked again:
    asking for anything here a second time is harmless.
    """

    def login(self) -> str:
        """Whose account it is, so that it can be told from the one that the bot answers from."""

    def find(self, number: str) -> Entry | None:
        """The entry of a number (E.164) on the blacklist."""

    def add(self, number: str) -> Entry:
        """Put a number (E.164) on the blacklist."""

    def remove(self, entry: str) -> None:
        """Take one entry off the blacklist, by its id; one that is gone already is no failure."""

    def blacklist(self) -> Iterator[Entry]:
        """Everything on the blacklist."""

    def opt_outs(self) -> Iterator[ListedOptOut] | None:
        """Everybody who opted out on the provider's page; None: the account has no such page."""

    def close(self) -> None: ...
