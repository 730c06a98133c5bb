"""Be a channel without a provider, for the phone in the browser and for tests. Sends nothing anywhere.

What a person writes there comes in through the page itself, and the answers are read by it from the outbox.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from bot.domain.channel import Finding, Route
from bot.domain.messages import Delivery, Inbound, Origin, Outgoing, Taken

BOT_NUMBER = "+48732000099"  #: the bot's own, for writing to it rather than answering a message


class Simulator:
    """A channel that takes everything at once."""

    name = "simulator"
    account = "demo"

    @property
    def routes(self) -> tuple[Route, ...]:
        return ()

    def own_addresses(self) -> frozenset[str]:
        return frozenset()

    def sms_from(self) -> Origin:
        return Origin(self.name, self.account, BOT_NUMBER)

    def send(self, message: Outgoing) -> Taken:
        """Take the message: it is on the phone as soon as it stands in the outbox. Never fails."""
        return Taken(f"sim:{message.outbox_id}", Delivery.DELIVERED)

    def find(self, message: Outgoing, since: datetime) -> Taken | None:
        return self.send(message)

    def sweep(self, since: datetime, now: datetime) -> Iterator[Inbound]:
        return iter(())

    def check(self, *, register: bool) -> list[Finding]:
        return [Finding(True, "the simulator is on")]

    def close(self) -> None:
        """Nothing is held."""
