"""Say what a channel is, whichever provider is behind it. Opens no connection and knows none by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from bot.domain.messages import HookRequest, Inbound, Origin, Outgoing, Received, Taken


@dataclass(frozen=True, slots=True)
class Route:
    """A hook that a channel wants mounted. `read` verifies first, then parses.

    `read` raises `NotAuthentic` (403) and answers everything authentic, garbage included, with
    `Received`: what cannot be understood becomes `Kind.UNREADABLE`.
    """

    path: str
    methods: tuple[str, ...]
    read: Callable[[HookRequest, datetime], Received]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of `whosent channels check`."""

    ok: bool
    what: str


class Channel(Protocol):
    """One provider. Constructed only if its secrets are set; holds its HTTP client and its settings."""

    name: str

    @property
    def routes(self) -> tuple[Route, ...]: ...

    def own_addresses(self) -> frozenset[str]:
        """Our own addresses on this provider, as they stand in `Address.ours`; never answered."""

    def sms_from(self) -> Origin | None:
        """Where codes and unprompted SMS leave from; None: none leave here."""

    def send(self, message: Outgoing) -> Taken:
        """Hand one message to the provider. Raises `SendFailed`."""

    def find(self, message: Outgoing, since: datetime) -> Taken | None:
        """Look for a message whose sending ended unclear. None: surely not there. Raises `SendFailed`."""

    def sweep(self, since: datetime, now: datetime) -> Iterator[Inbound]:
        """What was delivered to the provider since then, for hooks that were missed. May be empty."""

    def check(self, *, register: bool) -> list[Finding]:
        """Try credentials and hooks; with `register` set the hooks at the provider."""

    def close(self) -> None: ...


